"""Models from ONNX files and to them, and Gatewise as a backend of ONNX.

The package `onnx` is optional, and imported when a file is read or written: `pip install 'gatewise[convert]'`.
"""

from importlib import import_module as _import_module
from typing import TYPE_CHECKING

from gatewise.interop.onnx.graph import Graph
from gatewise.interop.onnx.importing import from_onnx
from gatewise.interop.onnx.writing import to_onnx

if TYPE_CHECKING:
    from gatewise.interop.onnx.backend import Backend

__all__ = ["Backend", "Graph", "from_onnx", "to_onnx"]

if not TYPE_CHECKING:

    def __getattr__(name):
        if name == "Backend":  # its base class is one of the package onnx
            from gatewise.interop.onnx.package import onnx_package

            onnx_package("backend.base")
            return _import_module("gatewise.interop.onnx.backend").Backend
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

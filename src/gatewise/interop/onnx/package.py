"""The `onnx` package, which is optional: it is imported when a file is read or written, and only then."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from gatewise.errors import GatewiseError


class MissingPackageError(GatewiseError, ImportError):
    """An optional package is not installed."""


def onnx_package(part: str = "") -> Any:
    """Return the `onnx` package, or a part of it such as "helper".

    Raises
    ------
    GatewiseError
        If it is not installed.

    Examples
    --------
    >>> onnx_package("helper").__name__
    'onnx.helper'
    """
    try:
        return import_module(f"onnx.{part}" if part else "onnx")
    except ImportError as error:
        raise MissingPackageError(
            f"ONNX files need the package onnx, which cannot be imported ({error}): pip install 'gatewise[convert]'."
        ) from error

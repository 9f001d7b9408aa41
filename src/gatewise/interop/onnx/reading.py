"""From a path or bytes to a model whose frame can be read: size, format, opset, parts that are not supported."""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from gatewise.errors import GatewiseTypeError, GatewiseValueError
from gatewise.interop.onnx.package import onnx_package

LARGEST_FILE = 2**31 - 1
"""Bytes that the format itself allows a file to have."""
OLDEST, NEWEST = 7, 28
"""Operator sets that are read. What each changed in the operators here was compared by hand."""
STANDARD = ("", "ai.onnx")
"""Names of the domain of the standard operators."""


class Source(NamedTuple):
    """A parsed model, and where its external data may lie."""

    model: Any
    """onnx.ModelProto."""
    opset: int
    folder: Path | None


def read(source: Any) -> Source:
    """Return a model from a path, its bytes, or an `onnx.ModelProto`.

    Raises
    ------
    GatewiseError
        If it cannot be read, is no ONNX model, or is of an opset or has parts that are not read.
    """
    package = onnx_package()
    if isinstance(source, package.ModelProto):
        model, folder = source, None
    elif isinstance(source, bytes | bytearray | memoryview):
        model, folder = _parsed(bytes(source), "the bytes"), None
    elif isinstance(source, str | os.PathLike):
        path = Path(source)
        model, folder = _parsed(_content(path), str(path)), path.absolute().parent
    else:
        raise GatewiseTypeError(f"got a {type(source).__name__}; need the path of an ONNX file, or its bytes.")
    return Source(model, _checked_opset(model), folder)


def _content(path: Path) -> bytes:
    try:
        if path.is_dir() or path.stat().st_size > LARGEST_FILE:
            what = "is a directory" if path.is_dir() else f"has more than {LARGEST_FILE:,} bytes"
            raise GatewiseValueError(f"{path} {what}; need an ONNX file.")
        return path.read_bytes()
    except OSError as error:
        raise GatewiseValueError(f"cannot read {path}: {error.strerror or error}.") from error


def _parsed(data: bytes, what: str) -> Any:
    DecodeError = import_module("google.protobuf.message").DecodeError  # of the package that onnx stands on
    model = onnx_package().ModelProto()
    try:
        model.ParseFromString(data)
    except (DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise GatewiseValueError(f"{what} cannot be read as an ONNX model: {error}.") from error
    if not model.HasField("graph") or not model.ir_version:
        raise GatewiseValueError(f"{what} holds no ONNX model: it has no graph or no version of the format.")
    return model


def _checked_opset(model: Any) -> int:
    """Return the version of the standard operators; raise if it, or a part of the model, is not read."""
    versions = [entry.version for entry in model.opset_import if entry.domain in STANDARD]
    if len(set(versions)) != 1:
        raise GatewiseValueError(f"the model imports the opsets {versions} of ai.onnx; need exactly one.")
    if not OLDEST <= versions[0] <= NEWEST:
        raise GatewiseValueError(
            f"the model has opset {versions[0]}; need {OLDEST} to {NEWEST}: export it with opset_version=17, or "
            f"convert it with onnx.version_converter."
        )
    if model.graph.sparse_initializer:
        raise GatewiseValueError("the model has sparse initializers; need dense ones.")
    return int(versions[0])

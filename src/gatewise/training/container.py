"""Arrays and texts in one safetensors file."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from gatewise.errors import Array, GatewiseValueError


def pack(arrays: Mapping[str, Array], header: Mapping[str, str]) -> bytes:
    """Return the content of a file."""
    from safetensors.numpy import save

    return save({name: np.ascontiguousarray(a) for name, a in arrays.items()}, metadata=dict(header))


def unpack(path: Path, form: str) -> tuple[dict[str, Array], dict[str, str]]:
    """Return arrays and texts of a file; raise unless its format is `form`."""
    from safetensors import SafetensorError, safe_open

    if path.is_dir():
        raise GatewiseValueError(f"{path} is a directory; need a file.")
    try:
        with safe_open(os.fspath(path), framework="numpy") as file:
            header = file.metadata() or {}
            if header.get("format") != form:
                raise GatewiseValueError(f"{path} has format {header.get('format')!r}; need {form!r}.")
            return {name: file.get_tensor(name) for name in file.keys()}, header  # noqa: SIM118
    except (OSError, SafetensorError, TypeError, AttributeError) as error:
        raise GatewiseValueError(f"cannot read {path} as a safetensors file: {error}.") from error


def write_whole(path: Path, content: bytes) -> None:
    """Write a file in one step."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException as error:
        Path(temporary).unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise GatewiseValueError(f"cannot write {path}: {error.strerror or error}.") from error
        raise

"""Named arrays and text in one safetensors file: the same bytes for the same content, checked before they are used.

The format is https://huggingface.co/docs/safetensors: eight bytes with the length of a header in JSON, the header, the
numbers. Here the header is sorted and ends at a multiple of eight bytes, and its text may hold a checksum of all else.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import stat
from collections.abc import Mapping
from io import BufferedReader
from typing import Any, NamedTuple

import numpy as np

from gatewise.errors import Array, GatewiseError, GatewiseTypeError, GatewiseValueError
from gatewise.limits import Limits
from gatewise.storage.targets import path_text
from gatewise.storage.text import parse_json

TEXT, CHECKSUM = "__metadata__", "gatewise-sha256"
# In the order in which the safetensors library writes arrays: the last kind first, so that all are aligned.
KINDS = {
    "BOOL": "?",
    "U8": "u1",
    "I8": "i1",
    "I16": "<i2",
    "U16": "<u2",
    "F16": "<f2",
    "I32": "<i4",
    "U32": "<u4",
    "F32": "<f4",
    "C64": "<c8",
    "F64": "<f8",
    "I64": "<i8",
    "U64": "<u8",
}
_DTYPES = {name: np.dtype(code) for name, code in KINDS.items()}
_NAMES = {dtype: name for name, dtype in _DTYPES.items()}
_NATIVE = {name: dtype.newbyteorder("=") for name, dtype in _DTYPES.items()}
_RANKS = {name: rank for rank, name in enumerate(KINDS)}
AXES = 32  # of an array at most; NumPy 1 has no more


class Tensors(NamedTuple):
    """What a safetensors file holds.

    Attributes
    ----------
    arrays : dict of str to ndarray
        In the order of their names, each with memory of its own.
    metadata : dict of str to str
        The texts, without the checksum.
    is_verified : bool
        Whether the file had a checksum, which it agrees with.
    """

    arrays: dict[str, Array]
    metadata: dict[str, str]
    is_verified: bool


class _Entry(NamedTuple):
    """An array in a header: where it lies among the numbers, and what it is."""

    begin: int
    end: int
    name: str
    kind: str
    shape: tuple[int, ...]


def tensor_bytes(arrays: Mapping[str, Array], metadata: Mapping[str, str] | None = None) -> bytes:
    """Return a safetensors file; the same content gives the same bytes.

    Parameters
    ----------
    arrays : mapping of str to ndarray
        Of bool, integers, float16, float32, float64 or complex64.
    metadata : mapping of str to str, optional
        If it is given, the file gets one more text, `CHECKSUM`: SHA-256 of the header without it and of the numbers.

    Raises
    ------
    GatewiseError
        If an array is of another dtype, or has the name of the texts, "__metadata__".

    Examples
    --------
    >>> import numpy as np
    >>> content = tensor_bytes({"a": np.ones(2, np.float32)}, {"format": "mine"})
    >>> content == tensor_bytes({"a": np.ones(2, np.float32)}, {"format": "mine"}), len(content) % 8
    (True, 0)
    """
    if TEXT in arrays:
        raise GatewiseValueError(f"an array has the name {TEXT}, which the format keeps for texts; need another name.")
    parts = {name: _as_written(name, array) for name, array in arrays.items()}
    header: dict[str, Any] = {} if metadata is None else {TEXT: dict(metadata)}
    data, end = [], 0
    for name in sorted(parts, key=lambda name: (-_RANKS[_NAMES[parts[name].dtype]], name)):
        part = parts[name]
        begin, end = end, end + part.nbytes
        header[name] = {"dtype": _NAMES[part.dtype], "shape": list(part.shape), "data_offsets": [begin, end]}
        data.append(part.reshape(-1).view(np.uint8).data)
    if metadata is not None:
        digest = hashlib.sha256(_canonical(header))
        for piece in data:
            digest.update(piece)
        header[TEXT][CHECKSUM] = digest.hexdigest()
    text = _canonical(header)
    text += b" " * (-len(text) % 8)
    return b"".join([len(text).to_bytes(8, "little"), text, *data])


def read_tensors(path: str | os.PathLike[str], *, limits: Limits | None = None) -> Tensors:
    """Read a safetensors file; what its header says is held against its size before anything is allocated.

    A checksum that `tensor_bytes` wrote is verified.

    Parameters
    ----------
    path : str or path
        The file.
    limits : Limits, optional
        `header` and `values` bound the header.

    Raises
    ------
    GatewiseError
        If the file is absent, is no safetensors file, is damaged, or holds numbers that NumPy lacks.

    Examples
    --------
    >>> import tempfile, pathlib, numpy as np
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "a.safetensors"
    >>> size = path.write_bytes(tensor_bytes({"a": np.arange(2)}, {"format": "mine"}))
    >>> read_tensors(path)
    Tensors(arrays={'a': array([0, 1])}, metadata={'format': 'mine'}, is_verified=True)
    """
    name = path_text(path)
    try:
        with _opened(name) as file:
            header, metadata, size = _header(file, limits or Limits.usual())
            entries = _entries(header, size)
            wanted = metadata.pop(CHECKSUM, None)
            digest = None if wanted is None else hashlib.sha256(_canonical(header))
            arrays = {entry.name: _array(file, entry, digest) for entry in entries}
    except GatewiseError as error:
        raise type(error)(f"cannot read {name} as a safetensors file: {error}") from error
    except (OSError, MemoryError) as error:
        reason = getattr(error, "strerror", None) or error or "there is not enough memory"
        raise GatewiseValueError(f"cannot read {name} as a safetensors file: {reason}.") from error
    if digest is not None and wanted != digest.hexdigest():
        raise GatewiseValueError(
            f"{name} is damaged: its content does not give the checksum that it was written with; "
            f"need a whole copy of the file: take one from a backup, or write it again."
        )
    return Tensors({key: arrays[key] for key in sorted(arrays)}, metadata, digest is not None)


def read_metadata(path: str | os.PathLike[str], *, limits: Limits | None = None) -> dict[str, str]:
    """Return the texts of a safetensors file without its arrays, so that no checksum is verified.

    Examples
    --------
    >>> import tempfile, pathlib, numpy as np
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "a.safetensors"
    >>> size = path.write_bytes(tensor_bytes({"a": np.arange(2)}, {"format": "mine"}))
    >>> read_metadata(path)["format"]
    'mine'
    """
    name = path_text(path)
    try:
        with _opened(name) as file:
            metadata = _header(file, limits or Limits.usual())[1]
    except GatewiseError as error:
        raise type(error)(f"cannot read {name} as a safetensors file: {error}") from error
    except OSError as error:
        raise GatewiseValueError(f"cannot read {name} as a safetensors file: {error.strerror or error}.") from error
    metadata.pop(CHECKSUM, None)
    return metadata


def _as_written(name: str, array: Array) -> Array:
    array = np.ascontiguousarray(array).reshape(np.shape(array))
    little = array.astype(array.dtype.newbyteorder("<"), copy=False)
    if little.dtype not in _NAMES:
        raise GatewiseTypeError(
            f"{name} has dtype {array.dtype}; need numbers of one of {', '.join(map(str, _NAMES))}."
        )
    return little


def _canonical(header: Mapping[str, Any]) -> bytes:
    return json.dumps(header, sort_keys=True, separators=(",", ":")).encode()


def _opened(name: str) -> BufferedReader:
    """Open a regular file; a FIFO is not waited for."""
    handle = os.open(name, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise GatewiseValueError("it is no regular file.")
    return open(handle, "rb")


def _header(file: BufferedReader, limits: Limits) -> tuple[dict[str, Any], dict[str, str], int]:
    """Return the header, its texts, and how many bytes follow it."""
    whole = os.fstat(file.fileno()).st_size
    if whole < 8:
        raise GatewiseValueError(f"it has {whole} bytes; need 8 with the length of a header.")
    length = int.from_bytes(file.read(8), "little")
    if length > whole - 8:
        raise GatewiseValueError(
            f"it has {whole} bytes, and claims a header of {length}: it was cut, or is no such file."
        )
    if length > limits.header:
        raise GatewiseValueError(f"its header has {length} bytes; need at most {limits.header}, the limit `header`.")
    raw = file.read(length)
    if raw[:1] != b"{":
        raise GatewiseValueError("its header does not begin with a brace.")
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise GatewiseValueError(f"its header is no UTF-8 ({error.reason} at byte {error.start}).") from error
    header = parse_json(text, "its header", limits)
    metadata = header.get(TEXT, {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise GatewiseValueError(f"its {TEXT} holds other than text.")
    return header, metadata, whole - 8 - length


def _entries(header: Mapping[str, Any], size: int) -> list[_Entry]:
    """Return the arrays of a header in the order of their numbers, which fill `size` bytes without a gap."""
    entries = sorted(_entry(name, value) for name, value in header.items() if name != TEXT)
    end = 0
    for entry in entries:
        if entry.begin != end:
            raise GatewiseValueError(
                f"{entry.name} begins at byte {entry.begin}; need {end}, the end of the one before."
            )
        end = entry.end
    if end != size:
        raise GatewiseValueError(f"its arrays have {end} bytes, and {size} bytes follow the header.")
    return entries


def _entry(name: str, value: Any) -> _Entry:
    if not isinstance(value, dict) or set(value) != {"dtype", "shape", "data_offsets"}:
        raise GatewiseValueError(f"{name} has no dtype, shape and data_offsets.")
    kind, shape, offsets = value["dtype"], value["shape"], value["data_offsets"]
    if not isinstance(kind, str) or not _are_sizes(shape) or not _are_sizes(offsets):
        raise GatewiseValueError(f"{name} has a dtype that is no text, or sizes that are none.")
    if kind not in KINDS:
        raise GatewiseValueError(f"{name} has dtype {kind}, which NumPy lacks; need one of {', '.join(KINDS)}.")
    if len(offsets) != 2 or offsets[1] - offsets[0] != math.prod(shape) * _DTYPES[kind].itemsize:
        raise GatewiseValueError(f"{name} has shape {tuple(shape)} of {kind}, and its bytes are from {offsets}.")
    return _Entry(offsets[0], offsets[1], name, kind, tuple(shape))


def _are_sizes(value: Any) -> bool:
    return isinstance(value, list) and len(value) <= AXES and all(type(v) is int and 0 <= v < 2**48 for v in value)


def _array(file: BufferedReader, entry: _Entry, digest: Any) -> Array:
    """Read one array; its bytes go into the digest, if there is one."""
    raw = np.empty(entry.end - entry.begin, np.uint8)
    if file.readinto(raw.data) != raw.size:
        raise GatewiseValueError(f"it ends within {entry.name}.")
    if digest is not None:
        digest.update(raw.data)
    if entry.kind == "BOOL" and raw.size and raw.max() > 1:
        raise GatewiseValueError(f"{entry.name} is of BOOL and holds a byte of {raw.max()}; need 0 or 1.")
    array = raw.view(_DTYPES[entry.kind])
    try:
        return array.astype(_NATIVE[entry.kind], copy=False).reshape(entry.shape)
    except ValueError as error:
        raise GatewiseValueError(f"{entry.name} has shape {entry.shape}, which NumPy cannot make.") from error

"""ONNX tensors as NumPy arrays and back; a header that does not fit its data is refused before it is believed."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from gatewise.errors import Array, GatewiseTypeError, GatewiseValueError
from gatewise.interop.onnx import limits
from gatewise.interop.onnx.package import onnx_package

TYPES: dict[int, np.dtype[Any]] = {
    number: np.dtype(name)
    for number, name in {
        1: "float32",
        2: "uint8",
        3: "int8",
        4: "uint16",
        5: "int16",
        6: "int32",
        7: "int64",
        8: "O",
        9: "bool",
        10: "float16",
        11: "float64",
        12: "uint32",
        13: "uint64",
    }.items()
}
"""The element types that are read, by their number in ONNX; text is an array of Python strings."""
NUMBERS = {dtype: number for number, dtype in TYPES.items()}
LARGEST = 2**28
"""Elements that a result may have: 1 GiB of float32."""
_FIELDS = {"float32": "float_data", "float64": "double_data", "int64": "int64_data", "object": "string_data"}
_FIELDS |= dict.fromkeys(("uint32", "uint64"), "uint64_data")
_STRING = 8
_EXTERNAL = 1


def dtype_of(number: int, what: str) -> np.dtype[Any]:
    """Return the NumPy dtype of an element type; raise by its name if it is none that is read."""
    if number not in TYPES:
        names = onnx_package().TensorProto.DataType
        name = names.Name(number) if number in names.values() else f"number {number}"
        raise GatewiseTypeError(
            f"{what} has the element type {name}; need one of {', '.join(names.Name(n) for n in TYPES)}: convert the "
            f"model to float32 before the export."
        )
    return TYPES[number]


def check_size(shape: Any, what: str = "a result") -> tuple[int, ...]:
    """Return a shape as a tuple; raise if it has an axis below 0, or more elements than may be allocated."""
    sizes = tuple(int(size) for size in shape)
    if any(size < 0 for size in sizes):
        raise GatewiseValueError(f"{what} would have the shape {sizes}; need sizes of at least 0.")
    if math.prod(sizes) > LARGEST:
        raise GatewiseValueError(
            f"{what} would have the shape {sizes}, {math.prod(sizes):,} elements; need {LARGEST:,} at most."
        )
    limits.check_elements(math.prod(sizes))
    return sizes


def to_array(tensor: Any, folder: Path | None = None) -> Array:
    """Return a TensorProto as an array of its own.

    Parameters
    ----------
    tensor : onnx.TensorProto
    folder : Path, optional
        Where data outside the file may lie; None if they may not.

    Raises
    ------
    GatewiseError
        If the element type is not read, the data do not fit the shape, or they lie outside `folder`.

    Examples
    --------
    >>> to_array(to_tensor(np.arange(6.0).reshape(2, 3), "x")).tolist()
    [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]
    """
    what = f"tensor {tensor.name!r}"
    dtype, shape = dtype_of(tensor.data_type, what), tuple(tensor.dims)
    if any(size < 0 for size in shape):
        raise GatewiseValueError(f"{what} has the shape {shape}; need sizes of at least 0.")
    if tensor.HasField("segment"):
        raise GatewiseValueError(f"{what} is split into segments; need it whole.")
    count = math.prod(shape)
    if tensor.data_location == _EXTERNAL:
        values = _from_bytes(_external(tensor, folder, what), dtype, count, shape, what)
    elif tensor.HasField("raw_data"):
        values = _from_bytes(tensor.raw_data, dtype, count, shape, what)
    else:
        values = _from_field(tensor, dtype, count, shape, what)
    return values.reshape(shape)


def to_tensor(array: Array, name: str) -> Any:
    """Return an array of numbers, booleans or text as a TensorProto."""
    tensor = onnx_package().TensorProto(name=name, dims=array.shape)
    if array.dtype.kind in "UO":
        tensor.data_type = _STRING
        tensor.string_data.extend(str(text).encode() for text in array.ravel())
        return tensor
    tensor.data_type = NUMBERS[array.dtype]
    tensor.raw_data = np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
    return tensor


def _from_bytes(data: bytes, dtype: np.dtype[Any], count: int, shape: tuple[int, ...], what: str) -> Array:
    if dtype.kind == "O":
        raise GatewiseTypeError(f"{what} holds text as raw bytes; need it as string_data.")
    if len(data) != count * dtype.itemsize:
        raise GatewiseValueError(
            f"{what} has the shape {shape} of {dtype}, {count * dtype.itemsize:,} bytes, and holds {len(data):,}: the "
            f"file is damaged."
        )
    if dtype.kind == "b":
        return np.asarray(np.frombuffer(data, np.uint8) != 0)
    return np.frombuffer(data, dtype.newbyteorder("<")).astype(dtype)


def _from_field(tensor: Any, dtype: np.dtype[Any], count: int, shape: tuple[int, ...], what: str) -> Array:
    values = getattr(tensor, _FIELDS.get(dtype.name, "int32_data"))
    if len(values) != count:
        raise GatewiseValueError(
            f"{what} has the shape {shape}, {count:,} elements, and holds {len(values):,}: the file is damaged."
        )
    if dtype.kind == "O":
        return np.array([text.decode("utf-8", "replace") for text in values], dtype=object)
    if dtype == np.float16:  # as the bits of integers
        return np.array(values, np.int64).astype(np.uint16).view(np.float16)
    wide = np.array(values, np.uint64 if dtype.name.startswith("uint") and dtype.itemsize > 2 else None)
    return np.asarray(wide.astype(dtype))


def _external(tensor: Any, folder: Path | None, what: str) -> bytes:
    """Bytes that lie in another file: only within `folder`, and only as many as the tensor needs."""
    entries = {entry.key: entry.value for entry in tensor.external_data}
    location = entries.get("location", "")
    if folder is None:
        raise GatewiseValueError(f"{what} lies in another file, {location!r}; need a path instead of bytes to find it.")
    path = (folder / location).resolve()
    if not location or Path(location).is_absolute() or not path.is_relative_to(folder.resolve()):
        raise GatewiseValueError(f"{what} lies in {location!r}; need a file within the folder of the model.")
    try:
        offset, length = int(entries.get("offset", 0)), int(entries.get("length", -1))
        size = path.stat().st_size
        length = size - offset if length < 0 else length
        content: bytes
        if offset < 0 or length < 0 or offset + length > size or not path.is_file():
            raise GatewiseValueError(f"{what} is at {offset}+{length} of {location!r}, which has {size} bytes.")
        with path.open("rb") as file:
            file.seek(offset)
            content = file.read(length)
    except (OSError, ValueError) as error:
        if isinstance(error, GatewiseValueError):
            raise
        raise GatewiseValueError(f"{what} cannot be read from {location!r}: {error}.") from error
    return content

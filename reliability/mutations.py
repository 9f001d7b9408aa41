"""Mutations of real files: of what they say, with all that holds them together made right again, and of their bytes."""

from __future__ import annotations

import copy
import io
import json
import random
import struct
import zipfile
from typing import Any

import numpy as np

from gatewise.storage import tensor_bytes

NUMBERS = [0, 1, -1, 2, 3, 7, 63, 10**3, 10**5, 10**6, 2**31, 10**9, 2**53, 2**63, 10**12, 10**18, 10**40, -(10**9)]
NUMBERS += [0.5, -0.5, 1.5, 1e300, -1e300, 1e-300, float("nan"), float("inf"), float("-inf"), True, False]
TEXTS = ["", "a", "0", "1", "True", "GRU", "Sequential", "Pipeline", "float32", "float64", "object", "U", "O", "naive"]
TEXTS += [
    "D",
    "0D",
    "-1D",
    "1M-15",
    "0M-15",
    "1M-99",
    "999999999D",
    "W",
    "ME",
    "h",
    "1ns",
    "min",
    "B",
    "C",
    "bh",
    "cbh",
]
TEXTS += [
    "2024-01-01T00:00:00",
    "9999-12-31T00:00:00",
    "0001-01-01T00:00:00",
    "10000-01-01",
    "now",
    "1600-01",
    "x" * 9999,
]
TEXTS += ["dateutil//etc/passwd", "../../etc/passwd", "/etc/passwd", "Europe/Berlin", "UTC+02:00", "tzlocal()", "\x00"]
TEXTS += ["%Y", "%9999999d", "datetime64[ns]", "category", "U99999999", "int8", "period[D]", "hour", "phase", "cycle"]
TEXTS += [
    "dates",
    "periods",
    "numbers",
    "series",
    "frame",
    "list",
    "array",
    "matrix",
    "long",
    "é𝄞",
    "9" * 400,
    "seasonal",
]
OTHERS: list[Any] = [None, [], {}, [[]], [1], ["a"], [None], {"a": 1}, {"tuple": []}, {"dict": [[1, 2]]}, [[1, 2]] * 3]


def hostile(rng: random.Random) -> Any:
    """A value that a file could hold where another is meant."""
    kind = rng.random()
    if kind < 0.45:
        return rng.choice(NUMBERS)
    if kind < 0.8:
        return rng.choice(TEXTS)
    if kind < 0.95:
        return copy.deepcopy(rng.choice(OTHERS))
    if kind < 0.97:
        return [rng.choice(NUMBERS)] * rng.choice([10, 1000, 100_000])
    return _nested(rng.choice([10, 100, 400]))


def _nested(depth: int) -> Any:
    value: Any = {"type": "Last"}
    for _ in range(depth):
        value = {"type": "Sequential", "layers": [value]}
    return value


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Every container in a JSON value with each of its keys."""
    found, rest = [], [value]
    while rest:
        one = rest.pop()
        keys = list(one) if isinstance(one, dict) else range(len(one)) if isinstance(one, list) else ()
        for key in keys:
            found.append((one, key))
            rest.append(one[key])
    return found


def changed_json(value: Any, rng: random.Random) -> Any:
    """Return a JSON value with something in it changed, taken away, doubled or swapped."""
    value = copy.deepcopy(value)
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        places = _places(value)
        if not places:
            return hostile(rng)
        holder, key = rng.choice(places)
        _change(holder, key, rng, places)
    return value


def _change(holder: Any, key: Any, rng: random.Random, places: list[tuple[Any, Any]]) -> None:
    way = rng.random()
    if way < 0.65:
        holder[key] = hostile(rng)
    elif way < 0.75:
        del holder[key]
    elif way < 0.85:
        other, place = rng.choice(places)
        holder[key] = copy.deepcopy(other[place])
    elif isinstance(holder, list):
        many = rng.choice([1, 3, 2000])
        holder[key:key] = [copy.deepcopy(holder[key])] * many
    elif isinstance(holder[key], int | float) and not isinstance(holder[key], bool):
        holder[key] = rng.choice([holder[key] + 1, holder[key] - 1, holder[key] * 2, -holder[key], float(holder[key])])
    else:
        holder[rng.choice(TEXTS)] = hostile(rng)


def changed_arrays(arrays: dict[str, Any], rng: random.Random) -> dict[str, Any]:
    """Return arrays with one of them of other numbers, shape, dtype or name, or away."""
    arrays = dict(arrays)
    if not arrays:
        return {"a": np.zeros(3, np.float32)}
    name = rng.choice(sorted(arrays))
    array = np.array(arrays[name])
    way = rng.random()
    if way < 0.45 and array.size:
        flat = array.reshape(-1)
        place = rng.randrange(flat.size)
        with np.errstate(all="ignore"):
            values = (
                [np.nan, np.inf, -np.inf, 0.0, -1.0, 1e30, 1e300]
                if array.dtype.kind == "f"
                else [0, -1, 1, 2**31, 2**62]
            )
            flat[place if rng.random() < 0.7 else slice(None)] = np.array(rng.choice(values)).astype(array.dtype)
        arrays[name] = flat.reshape(array.shape)
    elif way < 0.6:
        arrays[name] = array.astype(rng.choice(["f4", "f8", "i8", "i4", "?", "u1"]))
    elif way < 0.8:
        shapes = [
            (),
            (0,),
            (1,),
            (array.size,),
            (1, array.size),
            (*array.shape, 1),
            (0, 10**6),
            (3, 4),
            (array.size + 1,),
        ]
        shape = rng.choice(shapes)
        arrays[name] = np.resize(array, shape) if array.size else np.zeros(shape, array.dtype)
    elif way < 0.9:
        del arrays[name]
    else:
        arrays[rng.choice([*TEXTS, f"0.{name}", f"{name}.0", "panel.y", "network0.0.weight"])] = arrays.pop(name)
    return arrays


def parts_of(content: bytes) -> tuple[dict[str, str], dict[str, Any]]:
    """Texts and arrays of a safetensors file."""
    from safetensors.numpy import load

    (length,) = struct.unpack("<Q", content[:8])
    texts = json.loads(content[8 : 8 + length]).get("__metadata__", {})
    texts.pop("gatewise-sha256", None)
    return texts, load(content)


def changed_safetensors(content: bytes, rng: random.Random) -> bytes:
    """Change what a file of ours says, or its arrays; header and checksum are those of what comes out."""
    way = rng.random()
    if way < 0.1:
        return changed_bytes(content, rng)
    texts, arrays = parts_of(content)
    keys = [key for key, text in texts.items() if text[:1] in "{["]
    if way < 0.25 or not keys:
        arrays = changed_arrays(arrays, rng)
    else:
        key = rng.choice([key for key in keys for _ in range(min(len(texts[key]), 3000))] or keys)
        texts[key] = json.dumps(changed_json(json.loads(texts[key]), rng))
        if rng.random() < 0.03:
            texts[key] = rng.choice(["", "[" * 50_000, "9" * 100_000, "[" + "1," * 500_000 + "1]", '{"a":1,"a":2}'])
    if way > 0.97:
        texts[rng.choice([*texts, "x"])] = rng.choice(TEXTS)
    try:
        return tensor_bytes(arrays, texts or None)
    except ValueError:  # half of a character, or a dtype that the format lacks
        return content


def changed_bytes(content: bytes, rng: random.Random) -> bytes:
    """Change, take away or double some bytes."""
    changed = bytearray(content)
    for _ in range(rng.choice([1, 1, 2, 4, 16])):
        if not changed:
            break
        place, way = rng.randrange(len(changed)), rng.random()
        if way < 0.4:
            changed[place] = rng.randrange(256)
        elif way < 0.6:
            changed[place] ^= 1 << rng.randrange(8)
        elif way < 0.75:
            number = struct.pack("<Q", rng.choice([0, 1, 2**16, 2**31, 2**32 - 1, 2**40, 2**63, 2**64 - 1]))
            size = rng.choice([1, 2, 4, 8])
            changed[place : place + size] = number[:size]
        elif way < 0.85:
            del changed[place : place + rng.choice([1, 8, 100])]
        elif way < 0.95:
            changed[place:place] = changed[place : place + rng.choice([1, 8, 100])]
        else:
            del changed[place:]
    return bytes(changed)


def changed_zip(content: bytes, rng: random.Random) -> bytes:
    """Change a member of an archive, its JSON or its bytes, and pack it again; or the bytes of the archive."""
    if rng.random() < 0.25:
        return changed_bytes(content, rng)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    name = rng.choice(sorted(members))
    if name.endswith(".json"):
        members[name] = json.dumps(changed_json(json.loads(members[name]), rng)).encode()
    elif name.endswith(".h5"):
        members[name] = changed_hdf(members[name], rng)
    elif rng.random() < 0.2:
        members[name] += bytes(rng.choice([1, 10**4, 10**7]))
    else:
        members[name] = changed_bytes(members[name], rng)
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", rng.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])) as archive:
        for key, value in members.items():
            archive.writestr(key, value)
    return target.getvalue()


def changed_hdf(content: bytes, rng: random.Random) -> bytes:
    """Change the description in an HDF5 file, or an object in it, or its bytes."""
    import h5py

    if rng.random() < 0.6:
        return changed_bytes(content, rng)
    target = io.BytesIO(content)
    with h5py.File(target, "r+") as file:
        groups: list[Any] = [file]
        file.visititems(lambda name, item: groups.append(item) if isinstance(item, h5py.Group) else None)
        group = rng.choice(groups)
        if "model_config" in file.attrs and rng.random() < 0.5:
            config = json.loads(file.attrs["model_config"])
            file.attrs["model_config"] = json.dumps(changed_json(config, rng))
        else:
            _change_group(h5py, group, rng)
    return target.getvalue()


def _change_group(h5py: Any, group: Any, rng: random.Random) -> None:
    names = [name for name in group if isinstance(group.get(name, getlink=True), h5py.HardLink)]
    name = rng.choice(names) if names else "vars"
    if name in group and rng.random() < 0.8:
        kept = group[name]
        del group[name]
    else:
        kept, name = None, f"{name}x"
    way = rng.randrange(8)
    if way == 0:
        group[name] = h5py.SoftLink("/")
    elif way == 1:
        group[name] = h5py.ExternalLink("/etc/passwd", "/")
    elif way == 2:
        group[name] = group.file
    elif way == 3:
        group.create_dataset(name, (10**9,), "f4", chunks=(10**6,), compression="gzip")
    elif way == 4:
        group.create_dataset(name, (3, 4), "f4", external=[("/etc/passwd", 0, 48)])
    elif way == 5:
        group[name] = np.full(
            rng.choice([(), (3,), (4, 12), (0, 3)]), rng.choice([np.nan, 1.0, 1e300]), rng.choice(["f4", "f8", "i8"])
        )
    elif way == 6:
        group[name] = ["a", "b"]
    elif kept is not None:
        group.attrs[rng.choice(["weight_names", "name"])] = rng.choice([["a"], [b"x"] * 100, 3, "n" * 1000])
        group[f"{name}{rng.choice(TEXTS[1:5])}"] = kept


def changed_onnx(content: bytes, rng: random.Random) -> bytes:
    """Change a field somewhere in an ONNX model, or its bytes."""
    import onnx

    if rng.random() < 0.2:
        return changed_bytes(content, rng)
    model = onnx.ModelProto.FromString(content)
    for _ in range(rng.choice([1, 1, 2, 3])):
        _change_message(model, rng)
    return bytes(model.SerializeToString())


def _change_message(message: Any, rng: random.Random) -> None:
    for _ in range(rng.randrange(1, 12)):
        inner = [(field, value) for field, value in message.ListFields() if field.message_type is not None]
        if not inner or rng.random() < 0.1:
            break
        field, value = rng.choice(inner)
        if not hasattr(value, "ListFields"):
            if not len(value):
                break
            place = rng.randrange(len(value))
            if rng.random() < 0.1:
                _change_repeated(value, place, rng)
                return
            value = value[place]
        message = value
    plain = [(field, value) for field, value in message.ListFields() if field.message_type is None]
    if plain:
        field, value = rng.choice(plain)
        _change_field(message, field, value, rng)


def _change_repeated(values: Any, place: int, rng: random.Random) -> None:
    if rng.random() < 0.4:
        del values[place]
        return
    for _ in range(rng.choice([1, 1, 50, 1000])):
        values.add().CopyFrom(values[place])


def _change_field(message: Any, field: Any, value: Any, rng: random.Random) -> None:
    number = rng.choice([0, 1, -1, 2, 3, 7, 17, 1000, 10**5, 2**20, 2**31 - 1, 2**40, 2**62])
    new: Any = number
    if field.cpp_type in (field.CPPTYPE_FLOAT, field.CPPTYPE_DOUBLE):
        new = rng.choice([0.0, -1.0, 1e30, float("nan"), float("inf")])
    elif field.cpp_type == field.CPPTYPE_STRING:
        text = rng.choice(
            [*TEXTS, "Scan", "Loop", "If", "Tile", "Expand", "ConstantOfShape", "Range", "Pad", "Concat", "x", "y"]
        )
        new = text.encode() if field.type == field.TYPE_BYTES else text
        if field.type == field.TYPE_BYTES and isinstance(value, bytes) and rng.random() < 0.7:
            new = changed_bytes(value, rng)
    try:
        if hasattr(value, "append"):
            place = rng.randrange(len(value)) if len(value) else 0
            if len(value) and rng.random() < 0.6:
                value[place] = new
            elif len(value) and rng.random() < 0.5:
                del value[place]
            else:
                value.extend([new] * rng.choice([1, 2, 30]))
        else:
            setattr(message, field.name, new)
    except (ValueError, TypeError):  # a number that the field cannot hold
        return


CHANGES = {".safetensors": changed_safetensors, ".npz": changed_zip, ".keras": changed_zip, ".h5": changed_hdf}
CHANGES |= {".onnx": changed_onnx}

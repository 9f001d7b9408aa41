"""Files of Keras: .keras of Keras 3, and .h5 of Keras 2 and 3, as descriptions of models."""

from __future__ import annotations

import re
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gatewise.errors import Array, GatewiseValueError
from gatewise.interop.keras_sources import MODELS, Described, major
from gatewise.layouts import hdf
from gatewise.layouts.files import member_bytes, readable
from gatewise.storage import parse_json

_WRAPPED = ("forward_layer", "backward_layer", "cell", "layer")
"""Groups inside that of a layer in which its arrays stand, in the order of `get_weights`."""


@contextmanager
def from_file(path: Path) -> Iterator[Described]:
    """Yield the model that a file holds; its arrays can be read as long as the file is open."""
    if path.suffix.lower() not in (".keras", ".h5", ".hdf5"):
        raise GatewiseValueError(f"{path} ends in {path.suffix!r}; need a .keras or .h5 file that model.save wrote.")
    with readable(path), _deep(), hdf.opened(path) as file:
        yield _of_archive(path, file) if path.suffix.lower() == ".keras" else _of_hdf5(file)


@contextmanager
def _deep() -> Iterator[None]:
    try:
        yield
    except RecursionError as error:
        raise GatewiseValueError("its configuration is nested too deep.") from error


# .keras


def _of_archive(path: Path, file: Any) -> Described:
    size = path.stat().st_size
    with zipfile.ZipFile(path) as archive:
        config, metadata = (
            parse_json(_decoded(member_bytes(archive, f"{name}.json", size).getvalue()), f"its {name}")
            for name in ("config", "metadata")
        )
    return _in_group(config, file, major(metadata.get("keras_version")))


def _in_group(entry: Mapping[str, Any], group: Any, version: int) -> Described:
    """A layer or model, whose arrays are in a group."""
    config = entry["config"]

    def layers() -> list[Described]:
        entries = config["layers"]
        return [_in_group(part, g, version) for part, g in zip(entries, _groups(entries, group), strict=True)]

    return Described(entry["class_name"], config, version, lambda: _numbered(group), layers)


def _groups(entries: list[Any], group: Any) -> list[Any]:
    """The group of each layer: the one that has its name, else the one numbered within its class; None if none."""
    inside = hdf.child(group, "layers") if "layers" in group else {}
    members = {name: hdf.child(inside, name) for name in inside}
    named = {_name(member): member for member in members.values()}
    counts: Counter[str] = Counter()
    found = []
    for entry in entries:
        kind = _snake_case(entry["class_name"])
        numbered = kind + f"_{counts[kind]}" * (counts[kind] > 0)
        counts[kind] += 1
        found.append(named.get(entry["config"].get("name"), members.get(numbered)))
    return found


def _name(group: Any) -> str | None:
    """The name of the layer that a group is of, where the file says it."""
    own = hdf.child(group, "vars") if "vars" in group else None
    return None if own is None or "name" not in own.attrs else str(hdf.attribute(own, "name"))


def _snake_case(name: str) -> str:
    """A class as Keras names its group: SimpleRNN to simple_rnn."""
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", name))
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


def _numbered(group: Any) -> list[Array]:
    """The arrays of a layer: its own variables by number, then those of what it wraps."""
    if group is None:
        return []
    own = hdf.child(group, "vars") if "vars" in group else {}
    arrays = [hdf.array_of(hdf.child(own, name)) for name in sorted(own, key=int)]
    for name in _WRAPPED:
        if name in group:
            arrays += _numbered(hdf.child(group, name))
    return arrays


# .h5


def _of_hdf5(file: Any) -> Described:
    if "model_config" not in file.attrs:
        raise GatewiseValueError(
            "it has weights but no model_config; need a file of model.save, or gw.convert(path, 'keras', …, prefix=…) "
            "for the weights alone."
        )
    entry = parse_json(_text(file, "model_config"), "its model_config")
    weights = hdf.child(file, "model_weights")
    version = _text(file, "keras_version") if "keras_version" in file.attrs else ""
    config = entry["config"]

    def layers() -> list[Described]:
        entries = _entries(config)
        return [_listed(part, _named(weights, part), major(version)) for part in entries]

    config = {"layers": config} if isinstance(config, list) else config  # Keras before 2.2
    return Described(entry["class_name"], config, major(version), list, layers)


def _entries(config: Any) -> list[Any]:
    return list(config["layers"])


def _named(weights: Any, entry: Mapping[str, Any]) -> list[Array]:
    """The arrays of a layer in the order of `weight_names`."""
    name = entry["config"]["name"]
    if name not in weights:
        return []
    group = hdf.child(weights, name)
    names = [_decoded(value) for value in hdf.attribute(group, "weight_names")]
    return [hdf.array_of(_at(group, path)) for path in names]


def _at(group: Any, path: str) -> Any:
    for name in path.split("/"):
        group = hdf.child(group, name)
    return group


def _listed(entry: Mapping[str, Any], arrays: list[Array], version: int) -> Described:
    """A layer whose arrays are these, or a model of layers that have them one after the other."""
    config = entry["config"]

    def layers() -> list[Described]:
        parts, rest = [], list(arrays)
        for part in _entries(config):
            count = _count(part)
            parts.append(_listed(part, rest[:count], version))
            del rest[:count]
        return parts

    return Described(entry["class_name"], config, version, lambda: arrays, layers)


def _count(entry: Mapping[str, Any]) -> int:
    """How many arrays a layer has."""
    kind, config = entry["class_name"], entry["config"]
    if kind in MODELS:
        return sum(map(_count, _entries(config)))
    if kind in ("Bidirectional", "TimeDistributed"):
        return _count(config["layer"]) * (2 if kind == "Bidirectional" else 1)
    without_bias = {"GRU": 2, "LSTM": 2, "SimpleRNN": 2, "Dense": 1}
    return without_bias[kind] + bool(config.get("use_bias", True)) if kind in without_bias else kind == "Embedding"


def _text(file: Any, name: str) -> str:
    return _decoded(hdf.attribute(file, name))


def _decoded(value: Any) -> str:
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)

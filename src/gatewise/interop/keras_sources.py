"""What a Keras object says of itself: kinds, configurations and arrays of layers, and the chain that they form."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from gatewise.errors import Array, GatewiseTypeError

MODELS = ("Sequential", "Functional", "Model")
DEPTH = 16  # of models in models
VERSION = 3  # of Keras, where nothing says it


class Described(NamedTuple):
    """A layer or model of Keras: its class, its configuration, and where its arrays and layers are."""

    kind: str
    config: Mapping[str, Any]
    version: int
    arrays: Callable[[], list[Array]]
    """Its arrays in the order of `get_weights`."""
    layers: Callable[[], list[Described]]
    """Of a model: its layers, in the order of its configuration."""

    @property
    def name(self) -> str:
        """The name it has in its model."""
        name = self.config.get("name") if isinstance(self.config, Mapping) else None
        return str(name or self.kind)

    def inner(self, key: str) -> Described:
        """Return the layer that a wrapper holds in its configuration, without arrays."""
        entry = self.config.get(key) or self.config["layer"]
        return Described(entry["class_name"], entry["config"], self.version, list, list)


def described(source: Any) -> Described:
    """Return what a layer or model of Keras says of itself."""
    if not hasattr(source, "get_config") or not hasattr(source, "get_weights"):
        raise GatewiseTypeError(
            f"source is a {type(source).__name__}; need a Keras layer or model that has been built, or the path of a "
            f"file."
        )
    try:
        config = source.get_config()
    except NotImplementedError as error:
        raise GatewiseTypeError(
            f"{type(source).__name__} does not describe itself (get_config); need a Sequential or functional model."
        ) from error

    def layers() -> list[Described]:
        inside = {layer.name: layer for layer in source.layers}
        names = [(entry["config"]["name"], entry) for entry in config["layers"]]
        return [described(inside[name]) if name in inside else _bare(entry) for name, entry in names]

    return Described(_kind(source), config, _version(source), lambda: _arrays(source), layers)


def _bare(entry: Mapping[str, Any]) -> Described:
    """A layer that a model mentions and does not list: its input."""
    return Described(entry["class_name"], entry["config"], VERSION, list, list)


def _kind(source: Any) -> str:
    """The name of the Keras class that an object is, or is made from."""
    bases = [base for base in type(source).__mro__ if base.__module__.split(".")[0] in ("keras", "tf_keras")]
    return bases[0].__name__ if bases else type(source).__name__


def _version(source: Any) -> int:
    """The major version of the Keras that an object is from; only modules that are loaded are looked at."""
    roots = {base.__module__.split(".")[0] for base in type(source).__mro__} & {"keras", "tf_keras"}
    return next((major(getattr(sys.modules.get(root), "__version__", "")) for root in roots), VERSION)


def major(version: Any) -> int:
    """Return the first number of a version.

    Examples
    --------
    >>> major("2.15.0"), major("")
    (2, 3)
    """
    match = re.match(r"\d{1,9}", str(version))
    return int(match[0]) if match else VERSION


def _arrays(source: Any) -> list[Array]:
    return [np.asarray(array) for array in source.get_weights()]


def chain(top: Described, depth: int = DEPTH) -> Iterator[Described]:
    """Yield the layers of a model in the order in which data goes through them; raise if it is no single line."""
    if top.kind not in MODELS:
        yield top
        return
    entries = top.config.get("layers")
    if not isinstance(entries, list) or not depth:
        raise GatewiseTypeError(f"{top.name} is a {top.kind} without a list of layers; need Sequential or functional.")
    layers = top.layers()
    if any("inbound_nodes" in entry for entry in entries):
        layers = [layers[k] for k in _in_line(entries, top)]
    for layer in layers:
        yield from chain(layer, depth - 1)


def _in_line(entries: list[Any], top: Described) -> list[int]:
    """Places of the layers of a functional model from its input to its output."""
    places = {entry.get("name") or entry["config"]["name"]: k for k, entry in enumerate(entries)}
    reads = {name: sorted(set(_references(entries[k].get("inbound_nodes")))) for name, k in places.items()}
    ends = sorted(set(_references(top.config.get("output_layers"))))
    line: list[str] = []
    while len(ends) == 1 and ends[0][0] in places and ends[0][0] not in line and ends[0][1:] == (0, 0):
        line.insert(0, ends[0][0])
        ends = reads[line[0]]
    nodes = [len(entries[places[name]].get("inbound_nodes") or []) for name in line]
    if ends or len(line) != len(places) or any(count > 1 for count in nodes):
        raise GatewiseTypeError(
            f"{top.name} is no single line of layers, each of which reads the output of the one before; need one: "
            f"convert its layers one by one."
        )
    return [places[name] for name in line]


def _references(node: Any) -> Iterator[tuple[str, int, int]]:
    """Which outputs of which layers stand in a node of a configuration of Keras 2 or 3."""
    if isinstance(node, Mapping):
        if "keras_history" in node:
            yield from _references(node["keras_history"])
        else:
            for value in node.values():
                yield from _references(value)
    elif isinstance(node, list | tuple):
        if len(node) >= 3 and isinstance(node[0], str) and isinstance(node[1], int) and isinstance(node[2], int):
            yield node[0], node[1], node[2]
        else:
            for value in node:
                yield from _references(value)

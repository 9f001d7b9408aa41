"""Where the arrays of each layer and direction stand among named arrays, and nested dicts as flat ones."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from gatewise.errors import Array, GatewiseTypeError, GatewiseValueError
from gatewise.layouts.files import read_arrays
from gatewise.layouts.layout import Layout, Place

_DIRECTION = re.compile("forward|backward|reverse")
DEPTH = 32  # of nested dicts; no framework nests a tenth of it


def flat(weights: Any, before: str = "", depth: int = DEPTH) -> dict[str, Array]:
    """Return the arrays of nested dicts, or of a file, by their paths, joined by "/"; all as arrays of NumPy."""
    if isinstance(weights, str | os.PathLike):
        return read_arrays(weights)
    if not isinstance(weights, Mapping) or not all(isinstance(key, str) for key in weights) or not depth:
        raise GatewiseTypeError(f"weights is a {type(weights).__name__}; need a dict of NumPy arrays by name.")
    arrays: dict[str, Array] = {}
    for key, value in weights.items():
        if isinstance(value, Mapping):
            arrays |= flat(value, f"{before}{key}/", depth - 1)
        else:
            arrays[before + key] = np.asarray(value) if hasattr(value, "__array__") else value
    return arrays


def nested(weights: Mapping[str, Array]) -> dict[str, Any]:
    """Return nested dicts for keys with "/": the inverse of `flat`.

    Examples
    --------
    >>> nested({"forward/kernel": 1, "forward/bias": 2, "b": 3})
    {'forward': {'kernel': 1, 'bias': 2}, 'b': 3}
    """
    tree: dict[str, Any] = {}
    for path, array in weights.items():
        *parents, name = path.split("/")
        node = tree
        for parent in parents:
            node = node.setdefault(parent, {})
        node[name] = array
    return tree


def normal_keys(weights: Mapping[str, Array], layout: Layout) -> dict[str, Array]:
    """Return the arrays with keys as the layout writes them: dots are "/" in a tree, and ":0" is nothing."""
    if layout.naming != "tree":
        return dict(weights)
    return {key.removesuffix(":0").replace(".", "/").lstrip("/"): array for key, array in weights.items()}


def locate(weights: Mapping[str, Array], layout: Layout) -> tuple[int, bool, list[Place]]:
    """Return how many layers there are, whether two directions, and where each stands, by keys and first axes alone."""
    if layout.naming == "tree":
        return _in_tree(weights, layout)
    matches = [re.search(r"_l(\d+)(_reverse)?$", key) for key in weights] if layout.naming == "suffixes" else []
    if layout.naming == "suffixes" and not any(matches) and layout.slots()[0].key in weights:
        return 1, False, [Place()]  # a cell, which has no layers
    num_layers = len({match[1] for match in matches if match}) or 1
    bidirectional = any(match[2] for match in matches if match)
    return num_layers, bidirectional, layout.places(num_layers, bidirectional)


def _in_tree(weights: Mapping[str, Array], layout: Layout) -> tuple[int, bool, list[Place]]:
    heads = _heads(weights, [slot.key for slot in layout.slots()]) or [""]
    layers = sorted({_layer(head) for head in heads}, key=lambda layer: (_numbers(layer), layer))
    if len({re.sub(r"_?\d+", "", layer) for layer in layers}) > 1:
        raise GatewiseValueError(
            f"the weights are those of several modules, {', '.join(map(repr, layers))}, whose order their names do not "
            f"tell; need one module, or layers told apart by numbers: choose with prefix=."
        )
    if layout.direction_axis:
        first = weights.get(heads[0] + layout.slots()[0].key)
        both = isinstance(first, np.ndarray) and first.ndim > 0 and len(first) == 2
        return len(layers), both, [Place(layer, direction=k) for layer in layers for k in range(1 + both)]
    both = any(_direction(head) for head in heads)
    ordered = sorted(heads, key=lambda head: (layers.index(_layer(head)), _direction(head)))
    if len(ordered) != len(layers) * (1 + both):
        raise GatewiseValueError(
            f"the weights have {len(ordered)} directions of {len(layers)} layers, under "
            f"{', '.join(map(repr, ordered))}; need one of each layer, or 'forward' and 'backward' of "
            f"each: choose with prefix=."
        )
    return len(layers), both, [Place(head) for head in ordered]


def _heads(weights: Iterable[str], keys: list[str]) -> list[str]:
    """What stands before the layout's keys, each once."""
    heads: dict[str, None] = {}
    for path in weights:
        tails = [key for key in keys if path == key or path.endswith("/" + key)]
        if tails:
            heads[path.removesuffix(max(tails, key=len))] = None
    return list(heads)


def _direction(head: str) -> int:
    match = _DIRECTION.search(head)
    return int(match is not None and match[0] != "forward")


def _layer(head: str) -> str:
    """The part of a head that both directions of a layer have: "bidirectional_1/forward_gru/cell" to what names 1."""
    parts = head.split("/")
    for k, part in enumerate(parts):
        if _DIRECTION.search(part):
            return "/".join([*parts[:k], _DIRECTION.sub("", part)])
    return head


def _numbers(text: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d{1,9}", text)]

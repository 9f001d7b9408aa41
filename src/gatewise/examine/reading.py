"""Gradients read out of what a backward pass leaves: returned, kept in attributes, or seen in changed weights."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from gatewise.errors import Array
from gatewise.examine import objects, tensors
from gatewise.examine.calling import is_rate
from gatewise.examine.tracing import Trace

_X = r"x|xs|xt|inputs?|xseq|X"
_H = r"a|aprev|a0|anext|h|hprev|h0|hs|ht|hnext|prevh|hidden|hprevt|hm1|htm1|hnextt|hin|s|sprev|state|hinit|hpre|hlast"
_C = r"c|cprev|c0|ct|cnext|prevc|cell|ctm1|cin|cellprev|cinit|clast"


class Returned(NamedTuple):
    """What a backward pass gave, in their shapes."""

    weights: dict[str, Array]
    """By the name of the weight."""
    names: dict[str, str]
    """What each of these is called by them."""
    x: Array | None
    h_prev: Array | None
    c_prev: Array | None
    rate: float
    """The learning rate, if the pass changed weights; else 0."""
    changed: bool
    """Whether the pass changed weights."""


class Leaf(NamedTuple):
    """An array that came back, and the name it had."""

    name: str
    value: Array


def leaves(value: Any, trace: Trace, name: str = "", depth: int = 0) -> Iterator[Leaf]:
    """Yield every array inside a returned value, with the local name, key or attribute by which it is known."""
    if isinstance(value, np.ndarray | np.floating | float) or tensors.is_tensor(value):
        yield Leaf(trace.named(value) or name, np.asarray(tensors.array(value)))
    elif isinstance(value, list | tuple) and value and depth < 3:
        stacked = [item for item in map(tensors.array, value) if isinstance(item, np.ndarray)]
        own = trace.named(value) or name
        if len(stacked) == len(value) > 1 and own and re.fullmatch(_X, objects.core(own)):
            yield Leaf(own, np.array(stacked))
            return
        fields = getattr(value, "_fields", [""] * len(value))
        for field, item in zip(fields, value, strict=True):
            yield from leaves(item, trace, field, depth + 1)
    elif depth < 3:
        for _, key, member in objects.members(value):
            yield from leaves(member, trace, str(key), depth + 1)


class Reader:
    """Finds the gradients of weights, input and states; knows the weights and the shapes of the others."""

    def __init__(self, places: Mapping[str, list[objects.Place]], shapes: Mapping[str, tuple[int, ...]]):
        self.places, self.shapes = places, shapes

    def read(self, came: Any, own: Any, weights: Mapping[str, Array], trace: Trace) -> Returned:
        """Return the gradients in `came`, else those in the attributes of `own`, else those of the weights' change."""
        found: dict[str, Leaf] = {}
        passed = self._sort(list(leaves(came, trace)), weights, found)
        self._attributes(own, weights, found)
        after = {name: objects.at(own, self.places[name][0]) for name in weights}
        changed = any(not np.array_equal(after[name], weights[name], equal_nan=True) for name in weights)
        rate = _rate(own) if changed else 0.0
        if changed and not found:
            found = {name: Leaf(f"−Δ{name} / lr", (weights[name] - after[name]) / (rate or 1.0)) for name in weights}
        values = {name: leaf.value for name, leaf in found.items()}
        names = {name: leaf.name or f"d{name}" for name, leaf in found.items()}
        return Returned(values, names, passed.get("x"), passed.get("h"), passed.get("c"), rate, changed)

    def _sort(self, came: list[Leaf], weights: Mapping[str, Array], found: dict[str, Leaf]) -> dict[str, Array]:
        passed: dict[str, Array] = {}
        rest: list[Leaf] = []
        for leaf in came:
            weight = self._weight(leaf.name, weights, found)
            role = "" if weight is not None else self._role(leaf)
            if weight is not None:
                found[weight] = leaf
            elif role and role not in passed:
                passed[role] = leaf.value.reshape(self.shapes[role]) if role in self.shapes else leaf.value
            else:
                rest.append(leaf)
        for leaf in rest:
            role = next((r for r in ("x", "h", "c") if r not in passed and leaf.value.shape == self.shapes.get(r)), "")
            weight = self._by_shape(leaf, weights, found)
            if role and not (weight and leaf.name and role != "x"):
                passed[role] = leaf.value
            elif weight is not None:
                found[weight] = leaf
        return passed

    def _role(self, leaf: Leaf) -> str:
        name = objects.core(leaf.name)
        for role, pattern in (("x", _X), ("h", _H), ("c", _C)):
            shape = self.shapes.get(role)
            if leaf.name and shape and re.fullmatch(pattern, name) and leaf.value.size == np.prod(shape):
                return role
        return ""

    def _weight(self, name: str, weights: Mapping[str, Array], found: Mapping[str, Leaf]) -> str | None:
        """Return the weight whose gradient a name says."""
        if not name:
            return None
        for simplify in (lambda text: text, str.lower):
            for weight in weights:
                own = {simplify(objects.plain(place.name)) for place in self.places[weight]}
                if weight not in found and simplify(objects.core(name)) in own and name not in own:
                    return weight
        return None

    def _by_shape(self, leaf: Leaf, weights: Mapping[str, Array], found: Mapping[str, Leaf]) -> str | None:
        for weight, value in weights.items():
            if weight not in found and leaf.value.shape == value.shape:
                return weight
        return None

    def _attributes(self, own: Any, weights: Mapping[str, Array], found: dict[str, Leaf]) -> None:
        """Look for gradients among the arrays that stand in the object: `dWx`, `grads[0]`, `grads['Wx']`."""
        mine = {tensors.identity(objects.at(own, place)) for name in weights for place in self.places[name]}
        seen = [(place, array) for place, array in objects.arrays(own) if tensors.identity(array) not in mine]
        for weight in weights:
            for place, array in seen:
                if weight not in found and self._belongs(place, weight):
                    found[weight] = Leaf(f"{weight}.grad" if place.name == "grad" else place.name, array)

    def _belongs(self, place: objects.Place, weight: str) -> bool:
        last, container = place.steps[-1][1], [str(key) for _, key in place.steps[:-1]]
        gradients = any(re.search(r"(?i)grad|^d_?(w|params?|theta|weights?)", key) for key in container)
        for own in self.places[weight]:
            if gradients and (last == own.steps[-1][1] or objects.core(str(last)) == objects.plain(own.name)):
                return True
            name = str(last)
            decorated = objects.core(name) != objects.plain(name)
            if isinstance(last, str) and decorated and objects.core(name).lower() == objects.plain(own.name).lower():
                return True
            if name in ("grad", "gradient") and place.steps[:-1] in (own.steps[:-1], own.steps):
                return True
        return False


def _rate(own: Any) -> float:
    """Return the learning rate that an object holds, or 0."""
    for _, key, member in objects.members(own):
        if isinstance(key, str) and is_rate(key) and isinstance(member, float | int | np.floating) and member:
            return float(member)
    return 0.0

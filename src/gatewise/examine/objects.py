"""The arrays inside somebody's object: where they are, copies in float64, and new values in their places."""

from __future__ import annotations

import copy
import re
import types
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from gatewise.errors import Array
from gatewise.examine import tensors

DEEP = 4
_OPAQUE = (
    types.ModuleType,
    types.FunctionType,
    types.MethodType,
    type,
    str,
    bytes,
    int,
    float,
    complex,
    np.random.Generator,
)


class Place(NamedTuple):
    """Where an array is: the steps from the object to it, each ("." or "[]", name or index)."""

    steps: tuple[tuple[str, Any], ...]

    @property
    def name(self) -> str:
        """The shortest name that a reader knows it by: `Wx`, `params[0]`."""
        name = ""
        for kind, key in self.steps:
            name = key if isinstance(key, str) else f"{name}[{key}]" if kind == "[]" else str(key)
        return name

    @property
    def whole(self) -> str:
        """All steps: `params.Wx`, `params[0]`."""
        name = ""
        for kind, key in self.steps:
            name += f"[{key!r}]" if kind == "[]" else f".{key}"
        return name.removeprefix(".")


def members(value: Any) -> Iterator[tuple[str, Any, Any]]:
    """Yield (kind, key, member) of an object, mapping or sequence."""
    if isinstance(value, Mapping):
        yield from (("[]", key, member) for key, member in list(value.items()))
    elif isinstance(value, list | tuple):
        yield from (("[]", k, member) for k, member in enumerate(value))
    elif not isinstance(value, (*_OPAQUE, np.ndarray)):
        fields = dict(getattr(value, "__dict__", {}))
        for group in ("_parameters", "_buffers", "_modules"):  # those of a torch.nn.Module are its attributes
            own = fields.get(group)
            fields |= fields.pop(group) if isinstance(own, dict) and tensors.library() is not None else {}
        for slot in getattr(type(value), "__slots__", ()):
            if isinstance(slot, str) and hasattr(value, slot):
                fields[slot] = getattr(value, slot)
        yield from ((".", key, member) for key, member in fields.items())


def arrays(value: Any, steps: tuple[tuple[str, Any], ...] = ()) -> Iterator[tuple[Place, Array]]:
    """Yield every array of floating-point numbers inside `value`, with its place; shared ones each time they occur."""
    yield from ((place, tensors.array(own)) for place, own in _numbers(value, steps))


def _numbers(value: Any, steps: tuple[tuple[str, Any], ...]) -> Iterator[tuple[Place, Any]]:
    """Yield every array and tensor of floating-point numbers; a tensor's `grad` after it."""
    if tensors.is_tensor(value):
        if value.is_floating_point() and 1 <= value.ndim <= 4 and value.numel():
            yield Place(steps), value
            if value.is_leaf and value.grad is not None:
                yield Place((*steps, (".", "grad"))), value.grad
    elif isinstance(value, np.ndarray):
        if value.dtype.kind == "f" and 1 <= value.ndim <= 4 and value.size:
            yield Place(steps), value
    elif len(steps) < DEEP:
        for kind, key, member in members(value):
            if not (isinstance(key, str) and key.startswith("__")):
                yield from _numbers(member, (*steps, (kind, key)))


def copied(value: Any) -> Any:
    """Return a deep copy in which every array or tensor of floating-point numbers is float64."""
    memo: dict[int, Any] = {}
    for _, own in _numbers(value, ()):
        if tensors.is_tensor(own):
            memo.setdefault(id(own), tensors.double(own))
        elif own.dtype != np.float64:
            memo[id(own)] = own.astype(np.float64)
    return copy.deepcopy(value, memo)


def at(value: Any, place: Place) -> Any:
    """Return what stands at `place`, a tensor as the array that shares its memory."""
    for kind, key in place.steps:
        value = value[key] if kind == "[]" else getattr(value, key)
    return tensors.array(value)


def on_tensors(value: Any) -> bool:
    """Whether any number inside `value` is a tensor's."""
    return any(tensors.is_tensor(own) for _, own in _numbers(value, ()))


def put(value: Any, place: Place, array: Array) -> None:
    """Write `array` into the array at `place`, so that whoever shares it sees it."""
    target = at(value, place)
    target[...] = array


def core(name: str) -> str:
    """Return a name without what only decorates it: `dW_z`, `grad_Wz`, `params['W_z']` and `W_z_grad` are all `Wz`."""
    name = re.sub(r"\[\d+\]$", lambda match: match[0][1:-1], name).split(".")[-1]
    name = re.sub(r"(?i)_?(grad|gradient)s?$", "", name)
    name = re.sub(r"^(?i:grad|gradient|delta|nabla)s?_?(?=.)", "", name)
    name = re.sub(r"^(?:d_?|[gG]_)(?=[A-Za-z])", "", name)
    return re.sub(r"[^A-Za-z0-9]", "", name)


def plain(name: str) -> str:
    """Return a name without underscores."""
    name = re.sub(r"\[\d+\]$", lambda match: match[0][1:-1], name).split(".")[-1]
    return re.sub(r"[^A-Za-z0-9]", "", name)

"""What is examined, as something that can be copied as often as needed: an object, a module, functions with weights."""

from __future__ import annotations

import copy
import types
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from gatewise.examine import objects, tensors
from gatewise.examine.guard import NotUnderstoodError

FORWARD_NAMES = ("forward", "forward_step", "step_forward", "forward_pass", "fprop", "fwd", "step", "__call__")
BACKWARD_NAMES = ("backward", "backward_step", "step_backward", "backward_pass", "bprop", "bwd", "backprop", "bptt")


class Holder:
    """An original that stays as it is, and fresh copies of it to work on."""

    named: tuple[str, ...] = ()
    """Parameters that are weights."""

    def __init__(self, original: Any, name: str):
        self.original, self.name = original, name

    def fresh(self) -> Any:
        """Return a copy of the original, its arrays in float64."""
        try:
            return objects.copied(self.original)
        except Exception as error:
            raise NotUnderstoodError(
                f"{self.name} cannot be copied ({type(error).__name__}: {error}), and nothing is tried on the "
                f"original: pass a function that makes one, as adapter={{'make': …}}."
            ) from error

    def forward(self, own: Any) -> Callable[..., Any]:
        """Return the forward function of a copy."""
        return _method(own, FORWARD_NAMES, self.name)

    def backward(self, own: Any) -> Callable[..., Any]:
        """Return the backward function of a copy."""
        return _method(own, BACKWARD_NAMES, self.name)

    def extra(self, own: Any) -> dict[str, Any]:
        """Return the values of roles that only this holder knows."""
        return {}


class Functions(Holder):
    """A forward and a backward function, with their weights in a dict or list."""

    def __init__(self, forward: Callable[..., Any], backward: Callable[..., Any], weights: Any, name: str):
        super().__init__({"weights": weights}, name)
        self._functions = (forward, backward)

    def forward(self, own: Any) -> Callable[..., Any]:
        """Return the forward function."""
        return self._functions[0]

    def backward(self, own: Any) -> Callable[..., Any]:
        """Return the backward function."""
        return self._functions[1]

    def extra(self, own: Any) -> dict[str, Any]:
        """Return the weights, which both functions take."""
        return {"weights": own["weights"]}


class Spread(Functions):
    """Two functions whose weights are parameters of their own, and random arrays for these."""

    def __init__(self, forward: Callable[..., Any], backward: Callable[..., Any], weights: dict[str, Any], name: str):
        super().__init__(forward, backward, weights, name)
        self.named = tuple(weights)

    def extra(self, own: Any) -> dict[str, Any]:
        """Return every weight by the name of its parameter."""
        return dict(own["weights"])


class Namespace(Holder):
    """A module, or the globals of one, with forward, backward and weights among its names."""

    def fresh(self) -> Any:
        """Return the names, arrays copied, functions bound to the copies."""
        return fresh_namespace(self.original)

    def forward(self, own: Any) -> Callable[..., Any]:
        """Return the forward function of a copy."""
        return _entry(own, FORWARD_NAMES, self.name)

    def backward(self, own: Any) -> Callable[..., Any]:
        """Return the backward function of a copy."""
        return _entry(own, BACKWARD_NAMES, self.name)


def fresh_namespace(names: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of a module's names: data copied in float64, its functions reading and writing the copies."""
    data = {
        name: value
        for name, value in names.items()
        if not name.startswith("__")
        and (isinstance(value, np.ndarray | list | dict | tuple | int | float | np.generic) or tensors.is_tensor(value))
    }
    own = dict(names)
    own.update(objects.copied(data))
    for name, value in names.items():
        if isinstance(value, types.FunctionType) and value.__globals__ is names:
            own[name] = _rebound(value, own)
    return own


def _rebound(function: types.FunctionType, names: dict[str, Any]) -> types.FunctionType:
    """Return the same function with other globals."""
    other = types.FunctionType(function.__code__, names, function.__name__, function.__defaults__, function.__closure__)
    other.__kwdefaults__ = copy.copy(function.__kwdefaults__)
    return other


def _method(own: Any, names: tuple[str, ...], name: str) -> Callable[..., Any]:
    for candidate in names:
        method = getattr(own, candidate, None)
        if callable(method) and not (candidate == "__call__" and isinstance(own, type)):
            return method  # type: ignore[no-any-return]
    raise NotUnderstoodError(
        f"{name} has no method {names[0]!r} (nor {', '.join(names[1:-1])}): name them with adapter= (docs/examine.md)."
    )


def _entry(own: Mapping[str, Any], names: tuple[str, ...], name: str) -> Callable[..., Any]:
    for candidate in names:
        if callable(own.get(candidate)):
            return own[candidate]  # type: ignore[no-any-return]
    raise NotUnderstoodError(f"{name} has no function {names[0]!r}: name one, FILE.py:forward,backward,weights.")


def is_pair(thing: Any) -> bool:
    """Whether `thing` is (forward, backward) or (forward, backward, weights)."""
    return isinstance(thing, tuple | list) and 2 <= len(thing) <= 3 and callable(thing[0]) and callable(thing[1])


def holder(thing: Any, name: str) -> Holder:
    """Return what is examined as something that can be copied."""
    if isinstance(thing, types.ModuleType):
        return Namespace(vars(thing), name)
    if is_pair(thing):
        forward, backward, *rest = thing
        if rest:
            return Functions(forward, backward, rest[0], name)
        names = getattr(forward, "__globals__", {})
        return Namespace({**names, "forward": forward, "backward": backward}, name) if names else Holder(thing, name)
    if isinstance(thing, Mapping) and {"forward", "backward"} <= set(thing):
        weights: Any = next((thing[key] for key in ("weights", "params", "parameters") if key in thing), {})
        return Functions(thing["forward"], thing["backward"], weights, name)
    return Holder(thing, name)

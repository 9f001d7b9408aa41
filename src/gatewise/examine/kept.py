"""Classes that keep the state inside: `forward(x)` alone, h from the last call in `self.h`; called as if it took h."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

from gatewise.examine.calling import FORWARD, parameters, role_of
from gatewise.examine.guard import NotUnderstoodError
from gatewise.examine.holders import Holder

# The state, and the cell beside it; a class that has both h and h_prev may read either.
STATES = (("h", "c"), ("h_prev", "c_prev"), ("hidden", "cell"), ("state", "cell"), ("s", ""), ("h_t", "c_t"))
GRADIENTS = (("dh_prev", "dc_prev"), ("dh_next", "dc_next"))


class Kept(Holder):
    """A thing that reads its state from an attribute and leaves the new one there."""

    def __init__(self, inner: Holder, states: tuple[str, ...]):
        super().__init__(inner.original, inner.name)
        self.inner, self.states = inner, states

    def fresh(self) -> Any:
        """Return a copy."""
        return self.inner.fresh()

    def forward(self, own: Any) -> Callable[..., Any]:
        """Return the forward function of a copy, with the state as a parameter."""
        method = self.inner.forward(own)

        def with_cell(x: Any, h_prev: Any, c_prev: Any) -> Any:
            for name, value in zip(self.states, (h_prev, c_prev), strict=False):
                setattr(own, name, value)
            came = method(x)
            if came is None:
                return tuple(getattr(own, name) for name in self.states)
            return (came, getattr(own, self.states[1])) if len(self.states) > 1 and hasattr(came, "shape") else came

        def without(x: Any, h_prev: Any) -> Any:
            setattr(own, self.states[0], h_prev)
            came = method(x)
            return getattr(own, self.states[0]) if came is None else came

        return _as_theirs(with_cell if len(self.states) > 1 else without, method)

    def backward(self, own: Any) -> Callable[..., Any]:
        """Return the backward function of a copy; the gradient of the state may stay in an attribute too."""
        method = self.inner.backward(own)

        @functools.wraps(method)
        def backward(*arguments: Any, **named: Any) -> Any:
            came = method(*arguments, **named)
            for names in GRADIENTS:
                left = {f"d{s}_prev": getattr(own, name, None) for s, name in zip("hc", names, strict=True)}
                left = {key: value for key, value in left.items() if hasattr(value, "shape")}
                if left:
                    return ({"dx": came} if hasattr(came, "shape") else came), left
            return came

        return _as_theirs(backward, method)


def _as_theirs(function: Callable[..., Any], method: Callable[..., Any]) -> Callable[..., Any]:
    """Let the lines of a method be followed where another function calls it."""
    vars(function)["__func__"] = getattr(method, "__func__", method)
    return function


def keeping(own: Holder) -> Iterator[Kept]:
    """Yield a holder for each attribute in which a thing whose forward function takes x alone may keep its state."""
    try:
        first = own.fresh()
        needed = [p for p in parameters(own.forward(first)) if p.default is p.empty]
    except NotUnderstoodError:
        return
    if len(needed) != 1 or any(role_of(p.name, FORWARD) in ("h", "state") for p in parameters(own.forward(first))):
        return
    for h, c in STATES:
        if hasattr(first, h):
            yield Kept(own, (h, c) if c and hasattr(first, c) else (h,))

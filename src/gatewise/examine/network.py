"""Somebody's network, called in one way: (T, B, ·) arrays in, (T, B, ·) arrays out, each call on a fresh copy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from gatewise.errors import Array
from gatewise.examine import objects, tensors
from gatewise.examine.calling import Plan
from gatewise.examine.guard import NotUnderstoodError, held, theirs
from gatewise.examine.holders import Holder
from gatewise.examine.reading import Reader, Returned
from gatewise.examine.shapes import Sequences, Sizes, Vectors, shaped
from gatewise.examine.tracing import Trace, traced, watched

Weights = dict[str, Array]
ENDED = 10**6  # further than any line: a whole batch came through every product


class Inputs(NamedTuple):
    """What goes in: x (T, B, D), and the initial states (B, H)."""

    x: Array
    h_prev: Array
    c_prev: Array


class Upstream(NamedTuple):
    """Gradients that come in: of every output (T, B, H), and of the last states (B, H)."""

    dy: Array
    dh_next: Array
    dc_next: Array


class Outputs(NamedTuple):
    """What the forward pass gave: h (T, B, H), c of a step (B, H) or None, and the raw values."""

    h: Array
    c: Array | None
    raw: Any
    dtype: np.dtype[Any]


class Network:
    """A holder, and all that was found out about how it is called."""

    def __init__(self, holder: Holder, layout: Vectors | Sequences, sizes: Sizes, weights: Weights,
                 places: dict[str, list[objects.Place]], forward: Plan, state: str):  # fmt: skip
        self.holder, self.layout, self.sizes, self.weights, self.places = holder, layout, sizes, weights, places
        self.forward_plan, self.state = forward, state
        self.backward_plan: Plan | None = None
        self.loss: Any = None
        self.swapped = False
        self.reshaped = False
        """Whether gradients and targets come in the shape of the layout where outputs have another."""
        self.seed = 0
        self.on_tensors = objects.on_tensors(holder.fresh())

    def call(self, plan: Plan, function: Any, values: Mapping[str, Any]) -> Any:
        """Call one of their functions, with tensors if it computes with them."""
        own = {role: tensors.given(value) for role, value in values.items()} if self.on_tensors else values
        return plan.call(function, own)

    @property
    def sequence(self) -> bool:
        """Whether a call runs over a whole sequence."""
        return isinstance(self.layout, Sequences)

    @property
    def step(self) -> Vectors:
        """How the vectors of one step are handed over."""
        return self.layout.step if isinstance(self.layout, Sequences) else self.layout

    @property
    def takes_state(self) -> bool:
        """Whether the forward pass takes the initial state."""
        return self.forward_plan.has("h") or self.forward_plan.has("state")

    @property
    def takes_cell(self) -> bool:
        """Whether the forward pass takes a second state."""
        return self.forward_plan.has("c") or len(self.state) == 2

    def with_weights(self, weights: Mapping[str, Array]) -> Any:
        """Return a fresh copy that has these weights."""
        own = self.holder.fresh()
        for name, value in weights.items():
            for place in self.places[name]:
                objects.put(own, place, value)
        return own

    def given(self, a: Array, raw_shape: tuple[int, ...] | None = None) -> Array:
        """Return a (T, B, ·) array as theirs, for a step without T."""
        own = np.array(self.layout.give(a if self.sequence else a[0]))
        return own.reshape(raw_shape) if raw_shape is not None and own.size == np.prod(raw_shape) else own

    def taken(self, a: Array) -> Array:
        """Return their array as (T, B, ·)."""
        own = self.layout.take(np.asarray(a, dtype=np.float64))
        return own if self.sequence else own[None]

    def values(self, own: Any, inputs: Inputs) -> dict[str, Any]:
        """Return what the forward pass may be given, by role."""
        h, c = (np.array(self.step.give(a)) for a in (inputs.h_prev, inputs.c_prev))
        state = {"h": h, "hc": (h, c), "ch": (c, h)}[self.state]
        both = {"h": state, "state": state, "c": c}
        return {"x": self.given(inputs.x), **both, "no": False, "rate": 0.01, **self.holder.extra(own)}

    def run(self, weights: Mapping[str, Array], inputs: Inputs) -> Outputs:
        """Run the forward pass of a fresh copy."""
        return self.forward(self.with_weights(weights), inputs)

    def forward(self, own: Any, inputs: Inputs) -> Outputs:
        """Run the forward pass of a copy."""
        function = self.holder.forward(own)
        raw = theirs("forward", self.call, self.forward_plan, function, self.values(own, inputs), seed=self.seed)
        return self.outputs(raw)

    def outputs(self, raw: Any) -> Outputs:
        """Return the states among what came back."""
        T, B, H = self.sizes.T, self.sizes.B, self.sizes.H
        blank = np.empty((T if self.sequence else 1, B, H))
        shape, step_shape = self.given(blank).shape, np.array(self.step.give(blank[0])).shape
        found = list(_states(raw, shape, (T, T + 1) if self.sequence else ()))
        if not found:
            error = NotUnderstoodError(
                f"forward gives {_described(raw)}; need an array of shape {shape} among it, the state of "
                f"{'every step' if self.sequence else 'the step'}, for an input of shape "
                f"{self.given(np.empty((*blank.shape[:2], self.sizes.D))).shape} and H = {H}."
            )
            error.depth = ENDED if self.layout.batch else -1
            raise error
        if self.swapped and len(found) > 1:
            found[:2] = found[1::-1]
        c = found[1] if len(found) > 1 and not self.sequence and found[1].shape == step_shape else None
        h = self.taken(found[0])
        return Outputs(h, None if c is None else self.step.take(np.asarray(c, float)), raw, found[0].dtype)

    def backward(self, own: Any, inputs: Inputs, outputs: Outputs, upstream: Upstream, trace: Trace) -> Returned:
        """Run the backward pass of the copy whose forward pass gave `outputs`; record it in `trace`."""
        assert self.backward_plan is not None
        function = self.holder.backward(own)
        values = self.values(own, inputs) | self._upstream(outputs, upstream, own)
        weights = {name: objects.at(own, self.places[name][0]).copy() for name in self.weights}
        plan = self.backward_plan
        files = watched(function) | watched(self.holder.forward(own))

        def call() -> Any:
            return traced(files, trace, lambda: self.call(plan, function, values))

        came = theirs("backward", call, seed=self.seed)
        step = np.array(self.step.give(inputs.h_prev)).shape
        shapes = {"x": self.given(inputs.x).shape, "h": step}
        if self.takes_cell or self.forward_plan.has("c"):
            shapes["c"] = step
        return Reader(self.places, shapes).read(came, own, weights, trace)

    def _upstream(self, outputs: Outputs, upstream: Upstream, own: Any) -> dict[str, Any]:
        shape = None if self.reshaped else self.raw_shape(outputs)
        dy = self.given(upstream.dy, shape)
        dh, dc = (np.array(self.step.give(a)) for a in (upstream.dh_next, upstream.dc_next))
        plan = self.backward_plan
        split = self.sequence or (plan is not None and plan.has("dh") and plan.has("dh_next"))
        pair = {"h": dy, "hc": (dy, dc), "ch": (dc, dy)}[self.state]
        values = {"dh": dy, "dh_next": dh if split else dy, "dc": dc, "dstate": pair, "cache": _cache(outputs.raw)}
        values["prediction"] = self.given(outputs.h, shape)
        values["target"] = values["prediction"] - dy / 2  # 2 (ŷ − y) is dy
        if plan is not None and self.state != "h" and not plan.has("dc") and not plan.has("dstate"):
            values["dh"] = pair
        return values

    def raw_shape(self, outputs: Outputs) -> tuple[int, ...]:
        """Return the shape in which the outputs came, which may have an axis of length 1 more than the layout."""
        T = self.sizes.T
        own = next(_states(outputs.raw, self.given(outputs.h).shape, (T, T + 1) if self.sequence else ()))
        return own.shape

    def traced_forward(self, own: Any, inputs: Inputs, trace: Trace) -> Outputs:
        """Run the forward pass of a copy and record it."""
        function = self.holder.forward(own)
        files = watched(function)
        values = self.values(own, inputs)
        with held(self.seed):
            raw = traced(files, trace, lambda: self.call(self.forward_plan, function, values))
        return self.outputs(raw)


def _states(raw: Any, shape: tuple[int, ...], lengths: tuple[int, ...]) -> Iterator[Array]:
    """Yield the arrays of `shape` in what a forward pass gave, in order; of what is inside its parts, only a pair."""
    own = shaped(raw, shape, lengths)
    if own is not None:
        yield own
        return
    parts = list(raw.values()) if isinstance(raw, Mapping) else raw if isinstance(raw, list | tuple) else ()
    for part in parts:
        pair = part if isinstance(part, tuple | list) and len(part) == 2 and part is parts[0] else (part,)
        yield from (own for own in (shaped(one, shape, lengths) for one in pair) if own is not None)


def _cache(raw: Any) -> Any:
    """Return what the backward pass needs of what the forward pass gave: the last part, or all if all are arrays."""
    if isinstance(raw, tuple | list) and len(raw) > 1:
        arrays = all(isinstance(tensors.array(part), np.ndarray) for part in raw)
        return raw if arrays and len(raw) > 2 else raw[-1]
    return raw


def _described(raw: Any) -> str:
    raw = tensors.array(raw)
    if isinstance(raw, np.ndarray):
        return f"an array of shape {raw.shape}"
    if isinstance(raw, tuple | list):
        return f"a {type(raw).__name__} of " + ", ".join(_described(part) for part in raw[:4])
    return f"a {type(raw).__name__}"

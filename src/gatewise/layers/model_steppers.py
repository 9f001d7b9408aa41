"""Steps of models made of layers, and which stepper a layer has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from gatewise.errors import (
    Array,
    GatewiseError,
    GatewiseTypeError,
    GatewiseValueError,
    check_array,
    check_finite,
)
from gatewise.layers.dense import Dense
from gatewise.layers.dropout import Dropout
from gatewise.layers.embedding import Embedding
from gatewise.layers.last import Last
from gatewise.layers.layer import Layer, prefixed
from gatewise.layers.noise import Noise
from gatewise.layers.parallel import Parallel
from gatewise.layers.pool import Pool
from gatewise.layers.pool_stepper import PoolStepper
from gatewise.layers.recurrent_stepper import RecurrentStepper
from gatewise.layers.reverse import Reverse
from gatewise.layers.sequential import Sequential
from gatewise.layers.several import Several
from gatewise.layers.softmax import Softmax
from gatewise.layers.stack import Recurrent
from gatewise.layers.stepper import StatelessStepper, Stepper
from gatewise.threads import product


def stepper_of(layer: Layer, batch: int | None) -> Stepper:
    """Return a stepper of any layer that can step; raise, and say why, if it cannot."""
    for kind, stepper in KINDS:
        if isinstance(layer, kind):
            found: Stepper = stepper(layer, batch)
            return found
    raise GatewiseTypeError(
        f"{type(layer).__name__} has no steps of its own; a stepper runs recurrent layers, Dense, Embedding, Dropout, "
        f"Noise, Softmax, Last and Pool, and models of them: call the layer with whole sequences."
    )


class SeveralStepper(Stepper):
    """A stepper of a model of layers: one of each layer."""

    layer: Several

    def __init__(self, layer: Several, batch: int | None) -> None:
        super().__init__(layer, batch)
        self.keeps_time = layer.keeps_time
        self._parts: list[Stepper] = []
        for i, part in enumerate(layer.layers):
            with _naming(i, part):
                self._parts.append(stepper_of(part, batch))

    def _state(self) -> tuple[Any, ...]:
        return tuple(part.state for part in self._parts)

    def _set_state(self, state: Any) -> None:
        states = self.layer._per_layer("state", state)
        before = self._state()
        try:
            for i, (part, own) in enumerate(zip(self._parts, states, strict=True)):
                with _naming(i, part.layer):
                    part.state = own
        except GatewiseError:
            for part, own in zip(self._parts, before, strict=True):
                part.state = own
            raise

    def reset(self, rows: Any = None) -> None:  # noqa: D102
        for part in self._parts:
            part.reset(rows)

    def state_dict(self) -> dict[str, Array]:  # noqa: D102
        arrays: dict[str, Array] = {}
        for i, part in enumerate(self._parts):
            arrays |= prefixed(str(i), part.state_dict())
        return arrays

    def _load(self, arrays: Mapping[str, Array]) -> None:
        before = self.state_dict()
        try:
            self._load_parts(arrays)
        except GatewiseError:
            self._load_parts(before)
            raise

    def _load_parts(self, arrays: Mapping[str, Array]) -> None:
        for i, part in enumerate(self._parts):
            with _naming(i, part.layer):
                part._load({name: arrays[f"{i}.{name}"] for name in part.state_dict()})


class SequentialStepper(SeveralStepper):
    """Steps of layers in turn."""

    def step(self, x: Array, out: Array | None = None) -> Array:  # noqa: D102
        i = 0
        try:
            for part in self._parts[:-1]:
                x = part.step(x)
                i += 1
            return self._parts[i].step(x, out)
        except GatewiseError as error:
            raise _named(error, i, self.layer.layers[i]) from error

    def _pass(self, x: Array) -> Array:
        timeless = False
        for i, part in enumerate(self._parts):
            with _naming(i, part.layer):
                x = part.layer(x)[0] if timeless else part._pass(x)
            timeless = timeless or not part.keeps_time
        return x


class ParallelStepper(SeveralStepper):
    """Steps of layers that read the same input."""

    def step(self, x: Array, out: Array | None = None) -> Array:  # noqa: D102
        return self._handed_over(np.concatenate([part.step(x) for part in self._parts], axis=-1), out)

    def _pass(self, x: Array) -> Array:
        return np.concatenate([part._pass(x) for part in self._parts], axis=-1)


class DenseStepper(StatelessStepper):
    """A dense layer, whose step is one product with its weights."""

    layer: Dense

    def step(self, x: Array, out: Array | None = None) -> Array:  # noqa: D102
        layer = self.layer
        shape = (layer.input_size,) if self.batch is None else (self._rows, layer.input_size)
        check_finite("x", check_array("x", x, shape, layer.dtype))
        a = product(x, layer.params["weight"].T)
        if layer.bias:
            a += layer.params["bias"]
        return self._handed_over(layer._function.value(a), out)


class LastStepper(StatelessStepper):
    """The last of what has been seen is what is seen now."""

    layer: Last

    def __init__(self, layer: Last, batch: int | None) -> None:
        super().__init__(layer, batch)
        if layer.bidirectional:
            raise GatewiseValueError(
                "Last(bidirectional=True) cannot step: its second half is of the reverse direction, which reads from "
                "the end that a stream does not have; use one direction."
            )


class ReverseStepper(StatelessStepper):
    """There is none: a stream has no end to begin from."""

    def __init__(self, layer: Reverse, batch: int | None) -> None:
        raise GatewiseValueError("Reverse cannot step: a stream has no end to begin from; call the whole model.")


KINDS: tuple[tuple[type[Layer], Any], ...] = (
    (Sequential, SequentialStepper),
    (Parallel, ParallelStepper),
    (Recurrent, RecurrentStepper),
    (Last, LastStepper),
    (Pool, PoolStepper),
    (Dense, DenseStepper),
    (Embedding, StatelessStepper),
    (Dropout, StatelessStepper),
    (Noise, StatelessStepper),
    (Softmax, StatelessStepper),
    (Reverse, ReverseStepper),
)
"""The stepper of each kind of layer."""


def _named(error: GatewiseError, index: int, layer: Layer) -> GatewiseError:
    return type(error)(f"layer {index} ({type(layer).__name__}): {error}")


@contextmanager
def _naming(index: int, layer: Layer) -> Iterator[None]:
    """Let an error of a layer say which layer it is."""
    try:
        yield
    except GatewiseError as error:
        raise _named(error, index, layer) from error

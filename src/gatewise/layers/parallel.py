"""Layers that read the same input, their outputs side by side, as one layer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from gatewise.errors import Array, GatewiseTypeError, GatewiseValueError, check_array
from gatewise.layers.layer import Layer, Rng, check_tape, generator
from gatewise.layers.several import Several


class ParallelTape(NamedTuple):
    """The tape of each layer and the shape of its output."""

    tapes: tuple[Any, ...]
    shapes: tuple[tuple[int, ...], ...]
    owner: object


class Parallel(Several):
    """Layers applied to the same input; their outputs stand side by side on the last axis.

    Parameters
    ----------
    *layers : Layer
        At least one; all keep the time axis or none does.

    Attributes
    ----------
    layers : tuple of Layer
    params : dict
        The very arrays of the layers, under `0.`, `1.`, ….

    Raises
    ------
    GatewiseError
        If sizes or dtypes of the layers do not go together.

    Notes
    -----
    State and its gradient are tuples with one entry per layer, None for a layer that has none.

    Examples
    --------
    >>> import numpy as np, gatewise as gw
    >>> deep = gw.Sequential(gw.GRU(3, 8, rng=0), gw.Last())
    >>> model = gw.Sequential(gw.Parallel(deep, gw.Pool(3, ("mean",), parts=4)), gw.Dense(8 + 12, 2, rng=1))
    >>> model(np.zeros((5, 7, 3), np.float32), lengths=[7, 7, 3, 2, 1])[0].shape
    (5, 2)
    """

    def __init__(self, *layers: Layer) -> None:
        super().__init__(layers)
        _check_together(layers)
        self.keeps_time = layers[0].keeps_time

    @property
    def input_size(self) -> int | None:
        """Size of the last axis of the input; None if the layers take any."""
        sizes = (getattr(layer, "input_size", None) for layer in self.layers)
        return next((size for size in sizes if size is not None), None)

    @property
    def output_size(self) -> int | None:
        """Size of the last axis of the output; None if it depends on that of the input."""
        sizes = [getattr(layer, "output_size", None) for layer in self.layers]
        return None if None in sizes else sum(size for size in sizes if size is not None)

    def __call__(self, x: Array, state: Any = None, *, lengths: Any = None) -> tuple[Array, tuple[Any, ...]]:
        """Inference: each layer without dropout and without a tape; returns the output and the final states."""
        pairs = zip(self.layers, self._per_layer("state", state), strict=True)
        outputs, states = zip(*(layer(x, initial, lengths=lengths) for layer, initial in pairs), strict=True)
        return np.concatenate(outputs, axis=-1), states

    def forward(
        self, x: Array, state: Any = None, *, lengths: Any = None, training: bool = False, rng: Rng = None
    ) -> tuple[Array, tuple[Any, ...], ParallelTape]:
        """Run all layers on x; arguments and results are those of a layer, state a tuple with one entry per layer."""
        rng = generator(rng) if training else None
        pairs = zip(self.layers, self._per_layer("state", state), strict=True)
        results = [layer.forward(x, first, lengths=lengths, training=training, rng=rng) for layer, first in pairs]
        outputs, states, tapes = zip(*results, strict=True)
        tape = ParallelTape(tapes, tuple(y.shape for y in outputs), self.identity)
        return np.concatenate(outputs, axis=-1), states, tape

    def learning_forward(  # noqa: D102
        self, x: Array, lengths: Array | None, rng: np.random.Generator
    ) -> tuple[Array, list[tuple[Any, int]]]:
        outputs, tapes = [], []
        for layer in self.layers:
            y, tape = layer.learning_forward(x, lengths, rng)
            outputs.append(y)
            tapes.append((tape, y.shape[-1]))
        return np.concatenate(outputs, axis=-1), tapes

    def learning_backward(  # noqa: D102
        self, tape: list[tuple[Any, int]], dy: Array, needs_dx: bool
    ) -> tuple[Array | None, dict[str, Array]]:
        total: Array | None = None
        grads: dict[str, Array] = {}
        start = 0
        for i, (layer, (of_layer, width)) in enumerate(zip(self.layers, tape, strict=True)):
            if needs_dx or layer.params:
                part = np.ascontiguousarray(dy[..., start : start + width])
                dx, gradients = layer.learning_backward(of_layer, part, needs_dx)
                total = dx if total is None or dx is None else total + dx
                grads |= self._named(i, gradients)
            start += width
        return total, grads

    def backward(
        self, tape: ParallelTape, dy: Array, dstate: Any = None
    ) -> tuple[Array | None, tuple[Any, ...], dict[str, Array]]:
        """Return dx, the sum over layers (None if they read integers), the states' gradients and those of `params`."""
        return self._backward(tape, dy, dstate, lambda layer, *back: (*layer.backward(*back), ()))[:3]

    def backward_passes(  # noqa: D102
        self, tape: ParallelTape, dy: Array, dstate: Any = None
    ) -> tuple[Array | None, tuple[Any, ...], dict[str, Array], tuple[Any, ...]]:
        return self._backward(tape, dy, dstate, lambda layer, *back: layer.backward_passes(*back))

    def _backward(
        self, tape: ParallelTape, dy: Array, dstate: Any, carry: Callable[..., tuple[Any, ...]]
    ) -> tuple[Array | None, tuple[Any, ...], dict[str, Array], tuple[Any, ...]]:
        """Carry each layer's part of dy back by `carry` of the layer, its tape and that part."""
        check_tape(tape, ParallelTape, self)
        ends = np.cumsum([shape[-1] for shape in tape.shapes])
        check_array("dy", dy, (*tape.shapes[0][:-1], ends[-1]), getattr(dy, "dtype", self.dtype))
        parts = [np.ascontiguousarray(part) for part in np.split(dy, ends[:-1], axis=-1)]
        dfinal = self._per_layer("dstate", dstate)
        branches = [carry(*branch) for branch in zip(self.layers, tape.tapes, parts, dfinal, strict=True)]
        dxs, dinitial, grads, passes = zip(*branches, strict=True)
        joined: dict[str, Array] = {}
        for i, gradients in enumerate(grads):
            joined |= self._named(i, gradients)
        return None if dxs[0] is None else sum(dxs[1:], start=dxs[0]), dinitial, joined, passes


def _check_together(layers: tuple[Layer, ...]) -> None:
    if len({layer.keeps_time for layer in layers}) > 1:
        raise GatewiseValueError("some layers keep the time axis and some do not; need the same of all.")
    sizes = {size for layer in layers if (size := getattr(layer, "input_size", None)) is not None}
    if len(sizes) > 1:
        raise GatewiseValueError(f"layers take inputs of sizes {sorted(sizes)}; need the same of all.")
    if len({layer.dtype for layer in layers if layer.params}) > 1:
        raise GatewiseTypeError("layers have different dtypes; need the same of all.")

"""Layers one after the other, as one layer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from gatewise.errors import Array, GatewiseError, GatewiseTypeError, GatewiseValueError
from gatewise.layers.layer import Layer, Rng, check_tape, generator
from gatewise.layers.several import Several


class SequentialTape(NamedTuple):
    """The tape of each layer; `tape[0]` is that of the first."""

    tapes: tuple[Any, ...]
    owner: object

    def __getitem__(self, index: Any) -> Any:
        return self.tapes[index]


class Sequential(Several):
    """Layers applied in turn.

    Parameters
    ----------
    *layers : Layer
        At least one. Each reads the output of the one before; `lengths` goes to all of them up to a `Last`.

    Attributes
    ----------
    layers : tuple of Layer
    params : dict
        The very arrays of the layers, under `0.weight_ih_l0`, `0.weight_hh_l0`, …, `1.weight`, ….

    Raises
    ------
    GatewiseError
        If sizes or dtypes of neighbors do not fit. Errors of a layer name its place.

    Notes
    -----
    State and its gradient are tuples with one entry per layer, None for a layer that has none.

    Examples
    --------
    >>> import numpy as np, gatewise as gw
    >>> model = gw.Sequential(gw.GRU(3, 8, rng=0), gw.Last(), gw.Dense(8, 2, rng=1))
    >>> x = np.zeros((5, 7, 3), np.float32)
    >>> y, state, tape = model.forward(x, lengths=[7, 7, 3, 2, 1])
    >>> dx, dstate, grads = model.backward(tape, np.ones_like(y))
    >>> y.shape, dx.shape, list(grads)[0], list(grads)[-1]
    ((5, 2), (5, 7, 3), '0.weight_ih_l0', '2.bias')
    """

    def __init__(self, *layers: Layer) -> None:
        super().__init__(layers)
        _check_chain(layers)
        self.keeps_time = all(layer.keeps_time for layer in layers)
        self._first_learning = next((i for i, layer in enumerate(layers) if layer.params), len(layers))

    @property
    def input_size(self) -> int | None:
        """Size of the last axis of the input; None if the layers take any, or integers."""
        for layer in self.layers:
            size: int | None = getattr(layer, "input_size", None)
            if size is not None or getattr(layer, "output_size", None) is not None:
                return size
        return None

    @property
    def output_size(self) -> int | None:
        """Size of the last axis of the output; None if it is that of the input."""
        sizes = (getattr(layer, "output_size", None) for layer in reversed(self.layers))
        return next((size for size in sizes if size is not None), None)

    def __call__(self, x: Array, state: Any = None, *, lengths: Any = None) -> tuple[Array, tuple[Any, ...]]:
        """Inference: each layer without dropout and without a tape; returns the output and the final states."""
        y, states, _ = self._in_turn(
            x, state, lengths, lambda layer, x, initial, lengths: (*layer(x, initial, lengths=lengths), None)
        )
        return y, states

    def forward(
        self, x: Array, state: Any = None, *, lengths: Any = None, training: bool = False, rng: Rng = None
    ) -> tuple[Array, tuple[Any, ...], SequentialTape]:
        """Run all layers on x; arguments and results are those of a layer, state a tuple with one entry per layer."""
        rng = generator(rng) if training else None

        def run(layer: Layer, x: Array, initial: Any, lengths: Any) -> tuple[Array, Any, Any]:
            return layer.forward(x, initial, lengths=lengths, training=training, rng=rng)

        y, states, tapes = self._in_turn(x, state, lengths, run)
        return y, states, SequentialTape(tapes, self.identity)

    def learning_forward(  # noqa: D102
        self, x: Array, lengths: Array | None, rng: np.random.Generator
    ) -> tuple[Array, list[Any]]:
        tapes = []
        for i, layer in enumerate(self.layers):
            try:
                x, tape = layer.learning_forward(x, lengths, rng)
            except GatewiseError as error:
                raise _located(error, i, layer) from error
            tapes.append(tape)
            lengths = lengths if layer.keeps_time else None
        return x, tapes

    def learning_backward(  # noqa: D102
        self, tape: list[Any], dy: Array, needs_dx: bool
    ) -> tuple[Array | None, dict[str, Array]]:
        first = 0 if needs_dx else self._first_learning  # no gradient need reach the layers below it
        grads: dict[str, Array] = {}
        dx: Array | None = dy
        for i in reversed(range(first, len(self.layers))):
            assert dx is not None
            try:
                dx, gradients = self.layers[i].learning_backward(tape[i], dx, needs_dx or i > first)
            except GatewiseError as error:
                raise _located(error, i, self.layers[i]) from error
            grads |= self._named(i, gradients)
        return dx if needs_dx else None, grads

    def _in_turn(
        self, x: Array, state: Any, lengths: Any, run: Callable[[Layer, Array, Any, Any], tuple[Array, Any, Any]]
    ) -> tuple[Array, tuple[Any, ...], tuple[Any, ...]]:
        """Return the output of `run` of each layer on the output of the one before, and all states and tapes."""
        states, tapes = [], []
        for i, (layer, initial) in enumerate(zip(self.layers, self._per_layer("state", state), strict=True)):
            try:
                x, final, tape = run(layer, x, initial, lengths)
            except GatewiseError as error:
                raise _located(error, i, layer) from error
            states.append(final)
            tapes.append(tape)
            lengths = lengths if layer.keeps_time else None
        return x, tuple(states), tuple(tapes)

    def backward(
        self, tape: SequentialTape, dy: Array, dstate: Any = None
    ) -> tuple[Array | None, tuple[Any, ...], dict[str, Array]]:
        """Return dx (None if the first layer reads integers), the states' gradients and those of `params`."""
        return self._backward(tape, dy, dstate, lambda layer, *back: (*layer.backward(*back), ()))[:3]

    def backward_passes(  # noqa: D102
        self, tape: SequentialTape, dy: Array, dstate: Any = None
    ) -> tuple[Array | None, tuple[Any, ...], dict[str, Array], tuple[Any, ...]]:
        return self._backward(tape, dy, dstate, lambda layer, *back: layer.backward_passes(*back))

    def _backward(
        self, tape: SequentialTape, dy: Array, dstate: Any, carry: Callable[..., tuple[Any, ...]]
    ) -> tuple[Array | None, tuple[Any, ...], dict[str, Array], tuple[Any, ...]]:
        """Carry dy back by `carry` of each layer, its tape and what it gets, the last layer first."""
        check_tape(tape, SequentialTape, self)
        dfinal = self._per_layer("dstate", dstate)
        dinitial: list[Any] = []
        passes: list[Any] = []
        grads: dict[str, Array] = {}
        dx: Array | None = dy
        for i in reversed(range(len(self.layers))):
            assert dx is not None
            try:
                dx, d, gradients, carried = carry(self.layers[i], tape.tapes[i], dx, dfinal[i])
            except GatewiseError as error:
                raise _located(error, i, self.layers[i]) from error
            dinitial.insert(0, d)
            passes.insert(0, carried)
            grads |= self._named(i, gradients)
        return dx, tuple(dinitial), {name: grads[name] for name in self.params}, tuple(passes)


def _check_chain(layers: tuple[Layer, ...]) -> None:
    width: int | None = None
    dtype = None
    for i, layer in enumerate(layers):
        need = getattr(layer, "input_size", None)
        if width is not None and need is not None and need != width:
            raise GatewiseValueError(
                f"layer {i} ({type(layer).__name__}) takes inputs of size {need}; the layer before gives {width}."
            )
        size = getattr(layer, "output_size", None)
        width = width if size is None else size
        if layer.params and dtype is not None and layer.dtype != dtype:
            raise GatewiseTypeError(f"layer {i} has dtype {layer.dtype}; those before have {dtype}: use one dtype.")
        dtype = layer.dtype if layer.params else dtype


def _located(error: GatewiseError, index: int, layer: Layer) -> GatewiseError:
    """The error of a layer, which says which layer it is."""
    return type(error)(f"layer {index} ({type(layer).__name__}): {error}")

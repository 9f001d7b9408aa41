"""A dense layer, applied to the last axis of whatever stands before it."""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from gatewise.activations import ACTIVATIONS, Activation
from gatewise.errors import Array, check_array, check_choice, check_dtype, check_number
from gatewise.layers import initializers
from gatewise.layers.layer import Layer, Params, Rng, check_tape, generator
from gatewise.layers.padding import blank, checked_steps
from gatewise.threads import product


class DenseTape(NamedTuple):
    """Input, output and a copy of the weight of one forward pass."""

    x: Array
    y: Array
    W: Array
    lengths: Array | None
    owner: object


class Dense(Layer):
    """y = f(x Wᵀ + b) on the last axis.

    Parameters
    ----------
    input_size, output_size : int
        Sizes of the last axis before and after.
    activation : {None, "relu", "tanh", "sigmoid"}
        f; None for the identity.
    bias : bool
        Whether there is b.
    dtype : {float32, float64}
        Of parameters, input and output.
    rng : int or numpy.random.Generator, optional
        Source of the starting weights, uniform in ±1/√input_size as in PyTorch's `Linear`.

    Attributes
    ----------
    params : dict
        `weight` (output_size, input_size) and `bias` (output_size,).

    Raises
    ------
    GatewiseError
        If an argument is out of range.

    Examples
    --------
    >>> import numpy as np, gatewise as gw
    >>> dense = gw.Dense(3, 2, rng=0)
    >>> y, _, tape = dense.forward(np.ones((4, 5, 3), np.float32))
    >>> dx, _, grads = dense.backward(tape, np.ones_like(y))
    >>> y.shape, dx.shape, grads["weight"].shape
    ((4, 5, 2), (4, 5, 3), (2, 3))
    """

    def __init__(
        self,
        input_size: int,
        output_size: int,
        activation: str | None = None,
        *,
        bias: bool = True,
        dtype: DTypeLike = np.float32,
        rng: Rng = None,
    ) -> None:
        check_number("input_size", input_size, 1, integer=True)
        check_number("output_size", output_size, 1, integer=True)
        check_choice("activation", activation, [None, *ACTIVATIONS])
        self.input_size = int(input_size)
        self.output_size = int(output_size)
        self.activation = activation
        self.bias = bool(bias)
        self.dtype = check_dtype(dtype)
        rng = generator(rng)
        shapes = {"weight": (output_size, input_size)} | ({"bias": (output_size,)} if bias else {})
        self.params = Params({n: initializers.uniform(rng, s, input_size**-0.5, self.dtype) for n, s in shapes.items()})

    def config(self) -> dict[str, Any]:  # noqa: D102
        names = ("input_size", "output_size", "activation", "bias")
        return {name: getattr(self, name) for name in names} | {"dtype": self.dtype.name}

    def forward(
        self, x: Array, state: Any = None, *, lengths: Any = None, training: bool = False, rng: Rng = None
    ) -> tuple[Array, None, DenseTape]:
        """Apply the layer to x (batch, ..., input_size).

        With `lengths` (batch,), x is (batch, time, input_size) and the output is 0 past each length.
        Returns y (batch, ..., output_size), None (no state) and the tape.
        """
        check_array("x", x, (*_axes(max(1, getattr(x, "ndim", 2) - 1)), self.input_size), self.dtype)
        lengths = checked_steps(x, lengths)
        x, W = blank(x, lengths), self.params["weight"].copy()
        a = product(x, W.T)
        if self.bias:
            a += self.params["bias"]
        y = blank(self._function.value(a), lengths)
        x = x.copy() if lengths is None else x
        return y.copy(), None, DenseTape(x, y, W, lengths, self.identity)

    def learning_forward(  # noqa: D102
        self, x: Array, lengths: Array | None, rng: np.random.Generator
    ) -> tuple[Array, tuple[Array, Array, Array | None]]:
        a = product(x, self.params["weight"].T)
        if self.bias:
            a += self.params["bias"]
        y = blank(self._function.value(a), lengths)
        return y, (x, y, lengths)

    def learning_backward(  # noqa: D102
        self, tape: tuple[Array, Array, Array | None], dy: Array, needs_dx: bool
    ) -> tuple[Array | None, dict[str, Array]]:
        x, y, _ = tape
        da = dy if self.activation is None else dy * self._function.slope(y)
        rows = da.reshape(-1, self.output_size)
        grads = {"weight": product(rows.T, x.reshape(-1, self.input_size))}
        if self.bias:
            grads["bias"] = rows.sum(axis=0)
        return product(da, self.params["weight"]) if needs_dx else None, grads

    def backward(self, tape: DenseTape, dy: Array, dstate: Any = None) -> tuple[Array, None, dict[str, Array]]:
        """Return dx, None (no state) and the gradients of `params`; dy has the shape of y."""
        check_tape(tape, DenseTape, self)
        x, y, W, lengths, _ = tape
        dy = blank(check_array("dy", dy, y.shape, self.dtype), lengths)
        da = dy if self.activation is None else dy * self._function.slope(y)
        rows = da.reshape(-1, self.output_size)
        grads = {"weight": product(rows.T, x.reshape(-1, self.input_size))}
        if self.bias:
            grads["bias"] = rows.sum(axis=0)
        return product(da, W), None, grads

    @property
    def _function(self) -> Activation:
        return ACTIVATIONS[self.activation or "identity"]


@cache
def _axes(count: int) -> tuple[str, ...]:
    """Names of the axes before the last."""
    return tuple(f"axis {i}" for i in range(count))

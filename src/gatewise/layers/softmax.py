"""Numbers as probabilities: the softmax on the last axis."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from gatewise.errors import Array, check_array, check_dtype
from gatewise.layers.layer import Layer, Params, Rng, check_tape
from gatewise.layers.padding import blank, checked_steps


class SoftmaxTape(NamedTuple):
    """The output of one forward pass."""

    y: Array
    lengths: Array | None
    owner: object


class Softmax(Layer):
    """y_i = exp(x_i) / Σ_j exp(x_j) on the last axis: positive numbers whose sum is 1.

    `gw.losses.cross_entropy` takes the x of it, not the y: this layer is for models that others have trained.

    Raises
    ------
    GatewiseError
        If x has no features.

    Examples
    --------
    >>> import numpy as np, gatewise as gw
    >>> gw.Softmax()(np.log([[1.0, 3.0]]))[0]
    array([[0.25, 0.75]])
    """

    def __init__(self) -> None:
        self.dtype = np.dtype(np.float32)
        self.params = Params()

    def config(self) -> dict[str, Any]:  # noqa: D102
        return {}

    def forward(
        self, x: Array, state: Any = None, *, lengths: Any = None, training: bool = False, rng: Rng = None
    ) -> tuple[Array, None, SoftmaxTape]:
        """Return the probabilities, in the shape of x (batch, ..., N) and 0 past each length, None and the tape."""
        axes = [f"axis {i}" for i in range(max(2, getattr(x, "ndim", 2)))]
        check_array("x", x, axes, check_dtype(getattr(x, "dtype", self.dtype)))
        lengths = checked_steps(x, lengths)
        x = blank(x, lengths)
        e = np.exp(x - x.max(axis=-1, keepdims=True, initial=-np.inf))
        y = blank(e / e.sum(axis=-1, keepdims=True), lengths)
        return y.copy(), None, SoftmaxTape(y, lengths, self.identity)

    def backward(self, tape: SoftmaxTape, dy: Array, dstate: Any = None) -> tuple[Array, None, dict[str, Array]]:
        """Return dx = y ⊙ (dy − Σ_j dy_j y_j), None (no state) and no parameter gradients."""
        check_tape(tape, SoftmaxTape, self)
        y, lengths, _ = tape
        dy = blank(check_array("dy", dy, y.shape, y.dtype), lengths)
        dx: Array = y * (dy - (dy * y).sum(axis=-1, keepdims=True))
        return dx, None, {}

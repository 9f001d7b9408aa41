"""Gaussian noise on the input, in training only."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from gatewise.errors import Array, check_array, check_dtype, check_number
from gatewise.layers.layer import Layer, Params, Rng, check_tape, generator
from gatewise.layers.padding import blank, checked_steps


class NoiseTape(NamedTuple):
    """What the gradient must fit."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    lengths: Array | None
    owner: object


class Noise(Layer):
    """Add independent normal numbers to each value in training; the identity otherwise.

    Parameters
    ----------
    std : float
        Their standard deviation, at least 0.

    Raises
    ------
    GatewiseError
        If `std` is negative or no number.

    Notes
    -----
    Source: Bishop (1995), *Training with noise is equivalent to Tikhonov regularization*, Neural Computation 7.

    Examples
    --------
    >>> import numpy as np, gatewise as gw
    >>> noise = gw.Noise(0.5)
    >>> x = np.zeros((100, 10, 10))
    >>> y, _, _ = noise.forward(x, training=True, rng=0)
    >>> round(float(y.std()), 2), bool((noise(x)[0] == x).all())
    (0.5, True)
    """

    def __init__(self, std: float) -> None:
        check_number("std", std, 0)
        self.std = float(std)
        self.dtype = np.dtype(np.float32)
        self.params = Params()

    def config(self) -> dict[str, Any]:  # noqa: D102
        return {"std": self.std}

    def forward(
        self, x: Array, state: Any = None, *, lengths: Any = None, training: bool = False, rng: Rng = None
    ) -> tuple[Array, None, NoiseTape]:
        """Return x (batch, ..., N) with noise if `training`, None (no state) and the tape.

        With `lengths` (batch,), x is (batch, time, N) and the output is 0 past each length.
        """
        check_array("x", x, getattr(x, "shape", ()), check_dtype(getattr(x, "dtype", self.dtype)))
        lengths = checked_steps(x, lengths)
        x = self._noisy(x, rng) if training else x
        return blank(x, lengths), None, NoiseTape(x.shape, x.dtype, lengths, self.identity)

    def learning_forward(  # noqa: D102
        self, x: Array, lengths: Array | None, rng: np.random.Generator
    ) -> tuple[Array, None]:
        return blank(self._noisy(x, rng), lengths), None

    def learning_backward(self, tape: None, dy: Array, needs_dx: bool) -> tuple[Array, dict[str, Array]]:  # noqa: D102
        return dy, {}

    def _noisy(self, x: Array, rng: Rng) -> Array:
        return x + x.dtype.type(self.std) * generator(rng).standard_normal(x.shape, x.dtype) if self.std else x

    def backward(self, tape: NoiseTape, dy: Array, dstate: Any = None) -> tuple[Array, None, dict[str, Array]]:
        """Return dx, which is dy within each length, None (no state) and no parameter gradients."""
        check_tape(tape, NoiseTape, self)
        return blank(check_array("dy", dy, tape.shape, tape.dtype), tape.lengths), None, {}

"""Dropout, per step or one mask for a whole sequence."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from gatewise.errors import Array, check_array, check_dtype, check_number
from gatewise.layers import initializers
from gatewise.layers.layer import Layer, Params, Rng, check_tape, generator
from gatewise.layers.padding import blank, checked_steps


class DropoutTape(NamedTuple):
    """The mask of one forward pass, or None if nothing was dropped."""

    mask: Array | None
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    lengths: Array | None
    owner: object


class Dropout(Layer):
    """Zero each value with probability p in training, and scale the others by 1/(1 − p).

    Parameters
    ----------
    p : float
        Probability of dropping, 0 to 1.
    variational : bool
        Whether x (batch, time, N) gets one mask (batch, 1, N) for all its steps (Gal and Ghahramani,
        arXiv 1512.05287).

    Raises
    ------
    GatewiseError
        If `p` is not within 0 and 1.

    Notes
    -----
    Source: Srivastava et al. (2014), *Dropout*, JMLR 15.

    Examples
    --------
    >>> import numpy as np, gatewise as gw
    >>> drop = gw.Dropout(0.5, variational=True)
    >>> y, _, _ = drop.forward(np.ones((1, 3, 4)), training=True, rng=0)
    >>> bool((y[:, 0] == y[:, 2]).all()), sorted(set(y.ravel().tolist()))
    (True, [0.0, 2.0])
    """

    def __init__(self, p: float, variational: bool = False) -> None:
        check_number("p", p, 0, 1)
        self.p = float(p)
        self.variational = bool(variational)
        self.dtype = np.dtype(np.float32)
        self.params = Params()

    def config(self) -> dict[str, Any]:  # noqa: D102
        return {"p": self.p, "variational": self.variational}

    def forward(
        self, x: Array, state: Any = None, *, lengths: Any = None, training: bool = False, rng: Rng = None
    ) -> tuple[Array, None, DropoutTape]:
        """Return x (batch, ..., N) with values dropped if `training`, None (no state) and the tape.

        With `lengths` (batch,), x is (batch, time, N) and the output is 0 past each length.
        """
        check_array("x", x, getattr(x, "shape", ()), check_dtype(getattr(x, "dtype", self.dtype)))
        lengths = checked_steps(x, lengths)
        x = blank(x, lengths)
        mask = self._mask(x, rng) if training else None
        y = x if mask is None else x * mask
        return y, None, DropoutTape(mask, x.shape, x.dtype, lengths, self.identity)

    def learning_forward(  # noqa: D102
        self, x: Array, lengths: Array | None, rng: np.random.Generator
    ) -> tuple[Array, Array | None]:
        mask = self._mask(x, rng)
        return (x, None) if mask is None else (x * mask, mask)

    def learning_backward(  # noqa: D102
        self, tape: Array | None, dy: Array, needs_dx: bool
    ) -> tuple[Array | None, dict[str, Array]]:
        return (dy * tape if needs_dx and tape is not None else dy), {}

    def _mask(self, x: Array, rng: Rng) -> Array | None:
        """What x is multiplied by in training; None if nothing is dropped."""
        if self.p == 0:
            return None
        shape = (x.shape[0], 1, *x.shape[2:]) if self.variational and x.ndim > 2 else x.shape
        return initializers.dropout_mask(generator(rng), shape, self.p, x.dtype)

    def backward(self, tape: DropoutTape, dy: Array, dstate: Any = None) -> tuple[Array, None, dict[str, Array]]:
        """Return dx, None (no state) and no parameter gradients."""
        check_tape(tape, DropoutTape, self)
        dy = blank(check_array("dy", dy, tape.shape, tape.dtype), tape.lengths)
        return (dy if tape.mask is None else dy * tape.mask), None, {}

"""Sequences from their ends: each reversed within its own length."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from gatewise.errors import Array, check_array, check_dtype
from gatewise.layers.layer import Layer, Params, Rng, check_tape
from gatewise.layers.padding import blank, checked_steps, reverse


class ReverseTape(NamedTuple):
    """Lengths and shape of one forward pass."""

    lengths: Array | None
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    owner: object


class Reverse(Layer):
    """The steps of each sequence in reverse order: (batch, time, N) to the same shape.

    With a recurrent layer after it, a sequence is read from its last valid step to its first, and the output stands in
    the order of reading; a second `Reverse` puts that into the order of time.

    Examples
    --------
    >>> import numpy as np, gatewise as gw
    >>> x = np.arange(4.0).reshape(1, 4, 1)
    >>> gw.Reverse()(x, lengths=[3])[0][0, :, 0]
    array([2., 1., 0., 0.])
    """

    def __init__(self) -> None:
        self.dtype = np.dtype(np.float32)
        self.params = Params()

    def config(self) -> dict[str, Any]:  # noqa: D102
        return {}

    def forward(
        self, x: Array, state: Any = None, *, lengths: Any = None, training: bool = False, rng: Rng = None
    ) -> tuple[Array, None, ReverseTape]:
        """Return x (batch, time, N) reversed and 0 past each length, None (no state) and the tape."""
        check_array("x", x, ("batch", "time", "features"), check_dtype(getattr(x, "dtype", self.dtype)))
        lengths = checked_steps(x, lengths)
        tape = ReverseTape(lengths, x.shape, x.dtype, self.identity)
        return np.array(reverse(blank(x, lengths), lengths), order="C"), None, tape

    def backward(self, tape: ReverseTape, dy: Array, dstate: Any = None) -> tuple[Array, None, dict[str, Array]]:
        """Return dx, which is dy reversed and 0 past each length, None (no state) and no parameter gradients."""
        check_tape(tape, ReverseTape, self)
        lengths, shape, dtype, _ = tape
        dy = blank(check_array("dy", dy, shape, dtype), lengths)
        return np.array(reverse(dy, lengths), order="C"), None, {}

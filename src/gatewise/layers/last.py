"""From a sequence to one vector: its last valid step."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from gatewise.errors import Array, GatewiseValueError, check_array, check_dtype, check_lengths
from gatewise.layers.layer import Layer, Params, Rng, check_tape


class LastTape(NamedTuple):
    """Which step was taken from each sequence, and the shape it was taken from."""

    last: Array
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    owner: object


class Last(Layer):
    """The last valid step of each sequence: (batch, time, N) to (batch, N).

    Parameters
    ----------
    bidirectional : bool
        Whether x is the output of a bidirectional layer. The reverse half has read the whole sequence at its *first*
        step, so that the second half of N is taken from there.

    Raises
    ------
    GatewiseError
        If there is no step to take, or N is odd with `bidirectional`.

    Examples
    --------
    >>> import numpy as np, gatewise as gw
    >>> x = np.arange(8.0).reshape(1, 4, 2)
    >>> gw.Last()(x, lengths=[3])[0]
    array([[4., 5.]])
    >>> gw.Last(bidirectional=True)(x, lengths=[3])[0]
    array([[4., 1.]])
    """

    keeps_time = False

    def __init__(self, bidirectional: bool = False) -> None:
        self.bidirectional = bool(bidirectional)
        self.dtype = np.dtype(np.float32)
        self.params = Params()

    def config(self) -> dict[str, Any]:  # noqa: D102
        return {"bidirectional": self.bidirectional}

    def forward(
        self, x: Array, state: Any = None, *, lengths: Any = None, training: bool = False, rng: Rng = None
    ) -> tuple[Array, None, LastTape]:
        """Return the last valid step (batch, N) of x (batch, time, N), None (no state) and the tape."""
        check_array("x", x, ("batch", "time", "features"), check_dtype(getattr(x, "dtype", self.dtype)))
        B, T, N = x.shape
        if T == 0:
            raise GatewiseValueError(f"x has shape {x.shape}; need at least one time step to take the last of.")
        if self.bidirectional and N % 2:
            raise GatewiseValueError(f"x has {N} features; need an even number, half of them for each direction.")
        y, tape = self.learning_forward(x, None if lengths is None else check_lengths(lengths, B, T), None)
        return y, None, tape

    def learning_forward(  # noqa: D102
        self, x: Array, lengths: Array | None, rng: np.random.Generator | None
    ) -> tuple[Array, LastTape]:
        B, T, N = x.shape
        last = np.full(B, T - 1) if lengths is None else lengths - 1
        y = x[np.arange(B), last]
        if self.bidirectional:
            y[:, N // 2 :] = x[:, 0, N // 2 :]
        return y, LastTape(last, x.shape, x.dtype, self.identity)

    def learning_backward(  # noqa: D102
        self, tape: LastTape, dy: Array, needs_dx: bool
    ) -> tuple[Array | None, dict[str, Array]]:
        return self._carried_back(tape, dy) if needs_dx else None, {}

    def backward(self, tape: LastTape, dy: Array, dstate: Any = None) -> tuple[Array, None, dict[str, Array]]:
        """Return dx, 0 at every other step, None (no state) and no parameter gradients."""
        check_tape(tape, LastTape, self)
        check_array("dy", dy, (tape.shape[0], tape.shape[2]), tape.dtype)
        return self._carried_back(tape, dy), None, {}

    def _carried_back(self, tape: LastTape, dy: Array) -> Array:
        B, _, N = tape.shape
        dx, half = np.zeros(tape.shape, tape.dtype), N // 2 if self.bidirectional else N
        dx[np.arange(B), tape.last, :half] = dy[:, :half]
        dx[:, 0, half:] = dy[:, half:]
        return dx

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
        last = np.full(B, T - 1) if lengths is None else check_lengths(lengths, B, T) - 1
        tape = LastTape(last, x.shape, x.dtype, self.identity)
        return x[self._taken(tape)], None, tape

    def learning_forward(  # noqa: D102
        self, x: Array, lengths: Array | None, rng: np.random.Generator
    ) -> tuple[Array, LastTape]:
        if x.shape[1] == 0 or (self.bidirectional and x.shape[2] % 2):
            return super().learning_forward(x, lengths, rng)
        last = np.full(len(x), x.shape[1] - 1) if lengths is None else lengths - 1
        tape = LastTape(last, x.shape, x.dtype, self.identity)
        return x[self._taken(tape)], tape

    def learning_backward(  # noqa: D102
        self, tape: LastTape, dy: Array, needs_dx: bool
    ) -> tuple[Array | None, dict[str, Array]]:
        if not needs_dx:
            return None, {}
        dx = np.zeros(tape.shape, tape.dtype)
        dx[self._taken(tape)] = dy
        return dx, {}

    def backward(self, tape: LastTape, dy: Array, dstate: Any = None) -> tuple[Array, None, dict[str, Array]]:
        """Return dx, 0 at every other step, None (no state) and no parameter gradients."""
        check_tape(tape, LastTape, self)
        B, _, N = tape.shape
        dx = np.zeros(tape.shape, tape.dtype)
        dx[self._taken(tape)] = check_array("dy", dy, (B, N), tape.dtype)
        return dx, None, {}

    def _taken(self, tape: LastTape) -> tuple[Array, ...]:
        """Index arrays of the values taken, (batch, N)."""
        B, _, N = tape.shape
        if not self.bidirectional:
            return np.arange(B), tape.last
        step = np.repeat(tape.last[:, None], N, axis=1)
        if self.bidirectional:
            step[:, N // 2 :] = 0
        return np.arange(B)[:, None], step, np.arange(N)

"""From a sequence to one vector: its last step, and the mean and maximum over its valid steps, side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from gatewise import kernels
from gatewise.errors import (
    Array,
    GatewiseValueError,
    check_array,
    check_choice,
    check_dtype,
    check_lengths,
    check_number,
)
from gatewise.layers.layer import Layer, Params, Rng, check_tape
from gatewise.layers.padding import blank, valid_steps


class PoolTape(NamedTuple):
    """Valid steps of each sequence, where the maxima stood (batch, N or 0), and what the gradient must fit."""

    lengths: Array
    highest: Array
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    owner: object


class Pool(Layer):
    """Summaries of all valid steps of each sequence, side by side: (batch, time, N) to (batch, …·N).

    Parameters
    ----------
    input_size : int
        N.
    kinds : sequence of {"last", "mean", "max"}
        Which summaries, in this order: the last valid step, and for each of the N features its mean and its maximum
        over the valid steps.
    parts : int
        Into how many parts of equal duration each sequence is cut for "mean", which then gives the mean over each. A
        step across a border counts in both by its share.
    bidirectional : bool
        Whether x is the output of a bidirectional layer, whose reverse half ends at the first step; see `Last`.

    Raises
    ------
    GatewiseError
        If a kind is unknown or there is none, there is no step to summarize, or N is odd with `bidirectional`.

    Notes
    -----
    Where several steps share the maximum, the gradient goes to the first. The sum behind a mean runs step by step, so
    that no padding changes a bit of it.

    Examples
    --------
    >>> import numpy as np, gatewise as gw
    >>> x = np.array([[[1.0], [3.0], [2.0], [9.0]]])
    >>> gw.Pool(1)(x, lengths=[3])[0]
    array([[2., 2., 3.]])
    >>> gw.Pool(1, "mean", parts=2)(x)[0]
    array([[2. , 5.5]])
    """

    keeps_time = False

    def __init__(
        self,
        input_size: int,
        kinds: Sequence[str] = ("last", "mean", "max"),
        *,
        parts: int = 1,
        bidirectional: bool = False,
    ) -> None:
        check_number("input_size", input_size, 1, integer=True)
        check_number("parts", parts, 1, integer=True)
        kinds = (kinds,) if isinstance(kinds, str) else tuple(kinds)
        for kind in kinds:
            check_choice("kinds", kind, ("last", "mean", "max"))
        if not kinds or len(set(kinds)) < len(kinds):
            raise GatewiseValueError(f"kinds is {kinds!r}; need one or more of 'last', 'mean', 'max', each once.")
        self.input_size = int(input_size)
        self.kinds = kinds
        self.parts = int(parts)
        self.bidirectional = bool(bidirectional)
        self.dtype = np.dtype(np.float32)
        self.params = Params()
        self._layout = self._as_compiled()

    @property
    def output_size(self) -> int:
        """Size of the last axis of the output: N for each kind, parts·N for "mean"."""
        return sum(self._widths())

    def config(self) -> dict[str, Any]:  # noqa: D102
        names = ("input_size", "parts", "bidirectional")
        return {"kinds": list(self.kinds)} | {name: getattr(self, name) for name in names}

    def forward(
        self, x: Array, state: Any = None, *, lengths: Any = None, training: bool = False, rng: Rng = None
    ) -> tuple[Array, None, PoolTape]:
        """Return the summaries (batch, output_size) of x (batch, time, N), None (no state) and the tape."""
        check_array("x", x, ("batch", "time", self.input_size), check_dtype(getattr(x, "dtype", self.dtype)))
        B, T, N = x.shape
        if T == 0:
            raise GatewiseValueError(f"x has shape {x.shape}; need at least one time step to summarize.")
        if self.bidirectional and N % 2:
            raise GatewiseValueError(f"x has {N} features; need an even number, half of them for each direction.")
        lengths = None if lengths is None else check_lengths(lengths, B, T)
        y, tape = self.learning_forward(x, lengths, None)
        return y, None, tape

    def learning_forward(  # noqa: D102
        self, x: Array, lengths: Array | None, rng: np.random.Generator | None
    ) -> tuple[Array, PoolTape]:
        B, T, N = x.shape
        lengths = np.full(B, T) if lengths is None else lengths
        y = np.empty((B, self.output_size), x.dtype)
        highest = np.empty((B, N if "max" in self.kinds else 0), x.dtype)
        compiled = kernels.pools()
        if compiled:
            compiled.forward(np.ascontiguousarray(x), lengths, self._layout, y, highest)
        else:
            self._summarize(x, lengths, y, highest)
        return y, PoolTape(lengths, highest, x.shape, x.dtype, self.identity)

    def backward(self, tape: PoolTape, dy: Array, dstate: Any = None) -> tuple[Array, None, dict[str, Array]]:
        """Return dx, 0 past each length, None (no state) and no parameter gradients."""
        check_tape(tape, PoolTape, self)
        check_array("dy", dy, (tape.shape[0], self.output_size), tape.dtype)
        return self._carried_back(tape, dy), None, {}

    def learning_backward(  # noqa: D102
        self, tape: PoolTape, dy: Array, needs_dx: bool
    ) -> tuple[Array | None, dict[str, Array]]:
        return self._carried_back(tape, dy) if needs_dx else None, {}

    def _carried_back(self, tape: PoolTape, dy: Array) -> Array:
        dx = np.empty(tape.shape, tape.dtype)
        compiled = kernels.pools()
        if compiled:
            compiled.backward(np.ascontiguousarray(dy), tape.lengths, self._layout, tape.highest, dx)
        else:
            self._spread(dy, tape.lengths, tape.highest, dx)
        return dx

    def _summarize(self, x: Array, lengths: Array, y: Array, highest: Array) -> None:
        """Fill y and the steps of the maxima."""
        for kind, summary in self._columns(y):
            if kind == "last":
                summary[:] = x[_index(self._last(lengths))]
            elif kind == "mean":
                summary[:] = _means(x, _shares(lengths, x.shape[1], self.parts).astype(x.dtype), lengths)
            else:
                steps = _highest(x, lengths)
                highest[:], summary[:] = steps, x[_index(steps)]

    def _spread(self, dy: Array, lengths: Array, highest: Array, dx: Array) -> None:
        """Fill dx with what dy says about the summaries, step by step."""
        B, T, N = dx.shape
        dx[:] = 0
        for kind, d in self._columns(dy):
            if kind == "last":
                dx[_index(self._last(lengths))] += d
            elif kind == "mean":
                shares = _shares(lengths, T, self.parts).astype(dx.dtype)
                dx += shares.swapaxes(1, 2) @ d.reshape(B, self.parts, N)
            else:
                dx[_index(highest.astype(int))] += d

    def _last(self, lengths: Array) -> Array:
        """The step that is the last one of each feature, (batch, N)."""
        step = np.repeat(lengths[:, None] - 1, self.input_size, axis=1)
        step[:, self._half() :] = 0
        return step

    def _half(self) -> int:
        """The first feature of the reverse direction, which ends at the first step; N if there is none."""
        return self.input_size // 2 if self.bidirectional else self.input_size

    def _columns(self, y: Array) -> Iterator[tuple[str, Array]]:
        """Each kind, and the columns of y that are its."""
        ends = np.cumsum(self._widths())[:-1]
        return zip(self.kinds, np.split(y, ends, axis=1), strict=True)

    def _as_compiled(self) -> Array:
        """Where the kinds stand, parts and direction, as `gatewise.kernels.pooling` takes them."""
        starts = dict(zip(self.kinds, np.cumsum([0, *self._widths()]).tolist(), strict=False))
        last, mean, most = (starts.get(kind, -1) for kind in ("last", "mean", "max"))
        return np.array([last, mean, most, self.parts, self._half()])

    def _widths(self) -> list[int]:
        """Size of each kind in the output."""
        return [self.input_size * (self.parts if kind == "mean" else 1) for kind in self.kinds]


def _shares(lengths: Array, time: int, parts: int) -> Array:
    """(batch, parts, time): what each step counts in the mean over each part; 0 past each length."""
    border = np.arange(parts + 1)[:, None] * (lengths[:, None, None] / parts)
    before = np.clip(border - np.arange(time), 0, 1)
    shares: Array = np.diff(before, axis=1) * (parts / lengths[:, None, None])
    return shares


def _means(x: Array, shares: Any, lengths: Array) -> Array:
    """Return Σ_t shares · x, (batch, parts·N), summed in the order of time."""
    B, _, N = x.shape
    x = blank(x, lengths)
    total = np.zeros((B, shares.shape[1], N), x.dtype)
    for t in range(x.shape[1]):
        total += shares[:, :, t, None] * x[:, t, None]
    return total.reshape(B, -1)


def _highest(x: Array, lengths: Array) -> Array:
    """The first valid step at which each feature is highest, (batch, N)."""
    valid = valid_steps(lengths, x.shape[1])[:, :, None]
    steps: Array = np.argmax(np.where(valid, x, -np.inf), axis=1)
    return steps


def _index(step: Any) -> tuple[Array, Array, Array]:
    B, N = step.shape
    return np.arange(B)[:, None], step, np.arange(N)

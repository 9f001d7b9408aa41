"""From a sequence to one vector: its last step, and the mean and maximum over its valid steps, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from gatewise.errors import (
    Array,
    GatewiseValueError,
    check_array,
    check_choice,
    check_dtype,
    check_lengths,
    check_number,
)
from gatewise.layers.last import Last, LastTape
from gatewise.layers.layer import Layer, Params, Rng, check_tape
from gatewise.layers.padding import blank, valid_steps


class PoolTape(NamedTuple):
    """What each step counted in the means, where the maxima stood, and the tape of the last step."""

    shares: Any
    highest: Any
    last: LastTape
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
        self._last = Last(bidirectional)

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
        B, T, _ = x.shape
        lengths = np.full(B, T) if lengths is None else check_lengths(lengths, B, T)
        last, _, last_tape = self._last.forward(x, lengths=lengths)
        highest = _highest(x, lengths) if "max" in self.kinds else None
        shares = _shares(lengths, T, self.parts).astype(x.dtype) if "mean" in self.kinds else None
        summaries = {"last": last}
        if shares is not None:
            summaries["mean"] = _means(x, shares, lengths)
        if highest is not None:
            summaries["max"] = x[_index(highest)]
        y = np.concatenate([summaries[kind] for kind in self.kinds], axis=1)
        return y, None, PoolTape(shares, highest, last_tape, self.identity)

    def backward(self, tape: PoolTape, dy: Array, dstate: Any = None) -> tuple[Array, None, dict[str, Array]]:
        """Return dx, 0 past each length, None (no state) and no parameter gradients."""
        check_tape(tape, PoolTape, self)
        shares, highest, last, _ = tape
        B, _, N = last.shape
        check_array("dy", dy, (B, self.output_size), last.dtype)
        dx = np.zeros(last.shape, last.dtype)
        ends = np.cumsum(self._widths())[:-1]
        for kind, d in zip(self.kinds, np.split(dy, ends, axis=1), strict=True):
            if kind == "last":
                dx += self._last.backward(last, d)[0]
            elif kind == "mean":
                dx += shares.swapaxes(1, 2) @ d.reshape(B, self.parts, N)
            else:
                dx[_index(highest)] += d
        return dx, None, {}

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

"""Summing up outputs along time by halves: two at a time, elementwise, which is quick and the same in any batch."""

from __future__ import annotations

import numpy as np

from gatewise.errors import Array

MOST_HALVINGS = 7  # so that a count fits a byte


class Fold:
    """Memory for outputs (time, n), which is halved until 2**7 steps are in one row.

    Examples
    --------
    >>> outputs = np.array([[1.0, np.nan], [2.0, 3.0], [4.0, np.nan]], np.float32)
    >>> fold = Fold(3, 2)
    >>> fold.count_above(outputs, 1.5), fold.highest(outputs)
    (array([2, 1], dtype=int32), array([4., 3.], dtype=float32))
    """

    def __init__(self, time: int, n: int) -> None:
        self._time = time
        self._halvings = min(MOST_HALVINGS, max(0, time.bit_length() - 2))
        rows = -(-time >> self._halvings) << self._halvings
        self._flags = np.zeros((rows, n), bool)
        self._values = np.full((rows, n), np.nan, np.float32)

    def count_above(self, outputs: Array, threshold: float) -> Array:
        """Return how many outputs of each column are above a threshold, int32 (n,); NaN is not."""
        np.greater(outputs, threshold, out=self._flags[: self._time])
        self._flags[self._time :] = False
        halves = self._halved(self._flags.view(np.uint8), np.add)
        return np.asarray(halves.sum(axis=0, dtype=np.int32))

    def highest(self, outputs: Array) -> Array:
        """Return the highest output of each column, (n,); NaN if it has nothing else."""
        rows = len(self._values) >> 1
        if not self._halvings:
            return np.asarray(np.fmax.reduce(outputs, axis=0))
        top = self._values[:rows]
        top[:] = outputs[:rows]
        np.fmax(top[: self._time - rows], outputs[rows:], out=top[: self._time - rows])
        return np.asarray(np.fmax.reduce(self._halved(top, np.fmax, done=1), axis=0))

    def _halved(self, rows: Array, combine: np.ufunc, done: int = 0) -> Array:
        for _ in range(self._halvings - done):
            half = len(rows) // 2
            rows = combine(rows[:half], rows[half:], out=rows[:half])
        return rows

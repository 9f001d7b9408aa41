"""Summing up outputs along time by halves: two at a time, elementwise, which is quick and the same in any batch."""

from __future__ import annotations

import numpy as np

from gatewise.errors import Array

MOST_HALVINGS = 7  # so that a count fits a byte


class Fold:
    """Memory for outputs (kernels, time, n), which are halved along time until 2**7 steps are in one row.

    Examples
    --------
    >>> outputs = np.array([[[1.0, np.nan], [2.0, 3.0], [4.0, np.nan]]], np.float32)
    >>> fold = Fold(1, 3, 2)
    >>> fold.count_above(outputs, np.array([1.5])), fold.highest(outputs)
    (array([[2, 1]], dtype=int32), array([[4., 3.]], dtype=float32))
    """

    def __init__(self, kernels: int, time: int, n: int) -> None:
        self.kernels = kernels
        self._time = time
        self._halvings = min(MOST_HALVINGS, max(0, time.bit_length() - 2))
        rows = -(-time >> self._halvings) << self._halvings
        self._flags = np.zeros((kernels, rows, n), bool)
        self._values = np.empty((kernels, rows, n), np.float32)

    def count_above(self, outputs: Array, thresholds: Array) -> Array:
        """Return how many outputs of each kernel and sequence are above its threshold, int32 (kernels, n).

        `outputs` (kernels, time, n) may be of fewer kernels than there is memory for; NaN is above nothing.
        """
        flags = self._flags[: len(outputs)]
        np.greater(outputs, thresholds[:, None, None], out=flags[:, : self._time])
        flags[:, self._time :] = False
        return np.asarray(self._halved(flags.view(np.uint8), np.add).sum(axis=1, dtype=np.int32))

    def highest(self, outputs: Array) -> Array:
        """Return the highest output of each kernel and sequence, (kernels, n); NaN if it has nothing else."""
        values = self._values[: len(outputs)]
        values[:, : self._time] = outputs
        values[:, self._time :] = np.nan
        return np.asarray(np.fmax.reduce(self._halved(values, np.fmax), axis=1))

    def _halved(self, rows: Array, combine: np.ufunc) -> Array:
        for _ in range(self._halvings):
            half = rows.shape[1] // 2
            rows = combine(rows[:, :half], rows[:, half:], out=rows[:, :half])
        return rows

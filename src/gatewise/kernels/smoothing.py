"""The recursion of exponential smoothing, compiled: what `gatewise.forecasting.smoothing.recursion` does in NumPy.

    y (T, S)    season (m, S)    alpha, beta, phi, gamma, level, slope (S, C)    work (m·L,)
    errors (T, S, C), levels, slopes, indices (T, S, C), each of no elements if it is not wanted

Lanes hold candidates of one series. All arrays are float64 and contiguous.
"""

# mypy: disable-error-code="no-untyped-def, no-untyped-call"
from __future__ import annotations

from functools import cache

import numpy as np

from gatewise.errors import Array
from gatewise.kernels.entries import INTEGER, Entry, entry, flat_array
from gatewise.kernels.marks import routine
from gatewise.kernels.vectors import BYTES, load, store


class Recursions:
    """The recursion, called with arrays of any layout."""

    def errors(self, y: Array, season: Array, p: tuple[Array, ...], flags: tuple[bool, ...], least: float) -> Array:
        """Return the one-step errors (T, S, C); flags: whether there is a trend, the season moves, and multiplies."""
        result = np.empty((len(y), *p[0].shape))
        self._run(y, season, p, (result, _NOTHING, _NOTHING, _NOTHING), flags, least)
        return result

    def states(self, y: Array, season: Array, p: tuple[Array, ...], flags: tuple[bool, ...], least: float) -> Array:
        """Return level, slope and index of the season (3, T, S) after each row, of one candidate."""
        result = np.empty((3, *y.shape, 1))
        self._run(y, season, p, (_NOTHING, *result), flags, least)
        return result[..., 0]

    def _run(
        self,
        y: Array,
        season: Array,
        p: tuple[Array, ...],
        results: tuple[Array, ...],
        flags: tuple[bool, ...],
        least: float,
    ) -> None:
        arrays = [np.ascontiguousarray(one, np.float64) for one in (y, season, *p)]
        work = np.empty(len(season) * (BYTES // 8))
        compiled()((*arrays, *results, work, np.array([least]), np.array(flags, np.int64)))


_NOTHING = np.empty((0, 0, 0))


@cache
def compiled() -> Entry:
    """Return the recursion, compiled."""
    flat, matrix, cube = (flat_array(np.float64, axes) for axes in (1, 2, 3))
    return entry(smooth, (matrix, matrix, (matrix,) * 6, (cube,) * 4, flat, flat, (INTEGER,) * 3))


def over(error, size, least):
    """An error over a size that is not below the least."""
    return error / np.maximum(size, least)


def zero_like(values):
    """0 in each lane."""
    return np.zeros_like(values)


@routine
def smooth(y, season, parameters, results, work, limits, flags):
    """Fill the results."""
    alphas, betas, phis, gammas, first_levels, first_slopes = parameters
    errors, levels, slopes, indices = results
    trended, moving, multiplicative = flags
    (T, S), C, m, L, least = y.shape, alphas.shape[1], season.shape[0], BYTES // 8, limits[0]
    for s in range(S):
        for c in range(0, C, L):
            count, at = min(L, C - c), s * C + c
            alpha, beta, phi = load(alphas, at, count), load(betas, at, count), load(phis, at, count)
            gamma, level, slope = load(gammas, at, count), load(first_levels, at, count), load(first_slopes, at, count)
            for k in range(m):
                store(work, k * L, season[k * S + s], None)
            k = 0
            for t in range(T):
                index, value = load(work, k * L, None), y[t * S + s]
                if trended:
                    slope = phi * slope
                    level = level + slope
                error = zero_like(level)
                if value - value == 0:
                    error = value - (level * index if multiplicative else level + index)
                moved = index
                if moving:
                    moved = index + gamma * (over(error, level, least) if multiplicative else error)
                    store(work, k * L, moved, None)
                pull = over(error, index, least) if multiplicative else error
                level = level + alpha * pull
                if trended:
                    slope = slope + beta * pull
                to = (t * S + s) * C + c
                if errors.size:
                    store(errors, to, error, count)
                if levels.size:
                    store(levels, to, level, count)
                    store(slopes, to, slope, count)
                    store(indices, to, moved, count)
                k = k + 1 if k + 1 < m else 0

"""Classical decomposition: seasonal indices around a centered average, and whether a series has a season at all."""

from __future__ import annotations

import numpy as np

from gatewise.errors import Array

COVERED = 0.75  # of a centered average's rows that must be observed
CRITICAL = 1.6448536269514722  # of the normal distribution: 90 %, both sides


def neutral(multiplicative: bool) -> float:
    """Return the index that changes nothing."""
    return 1.0 if multiplicative else 0.0


def indices(y: Array, m: int, multiplicative: bool) -> Array:
    """Return seasonal indices (m, series) of `y` (time, series) from row 0 on, with mean 1, or 0 if additive.

    Each is the mean of the ratios (or differences) to an average over one season, centered; neutral where none is.
    """
    none = np.full((m, y.shape[1]), neutral(multiplicative))
    if m < 2 or len(y) <= m:
        return none
    around = _centered_average(y, m)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        ratio = y / around if multiplicative else y - around
    total, count = np.zeros_like(none), np.zeros_like(none)
    for k in range(m):
        part = ratio[k::m]
        seen = np.isfinite(part)
        total[k], count[k] = np.where(seen, part, 0).sum(axis=0), seen.sum(axis=0)
    index = np.where(count > 0, total / np.maximum(count, 1), none)
    mean = index.mean(axis=0)
    full = (count > 0).all(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        normal = index / mean if multiplicative else index - mean
    return np.where(full & np.isfinite(normal).all(axis=0), normal, none)


def _centered_average(y: Array, m: int) -> Array:
    """Average (time, series) over m rows around each, half of both ends if m is even; NaN near the ends of a series."""
    weights = np.ones(m) if m % 2 else np.concatenate([[0.5], np.ones(m - 1), [0.5]])
    seen = np.isfinite(y)
    both = np.stack([np.where(seen, y, 0.0), seen])
    result = np.full((2, *y.shape), np.nan)
    middle = len(weights) // 2
    if len(y) >= len(weights):
        view = np.lib.stride_tricks.sliding_window_view(both, len(weights), axis=1)
        result[:, middle : len(y) - middle] = view @ weights
    last = len(y) - 1 - seen[::-1].argmax(axis=0)
    full = (result[1] >= COVERED * m) & (np.arange(len(y))[:, None] + middle <= last)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(full, result[0] / result[1], np.nan)


def adjusted(y: Array, season: Array, multiplicative: bool) -> Array:
    """Return `y` (time, series) without its season (m, series)."""
    index = season[np.arange(len(y)) % len(season)]
    return y / index if multiplicative else y - index


def line(y: Array) -> tuple[Array, Array]:
    """Return level at row 0 and change a row (series,) of the least-squares line through `y` (time, series)."""
    seen = np.isfinite(y)
    count = seen.sum(axis=0)
    t = np.where(seen, np.arange(len(y))[:, None], 0.0)
    values = np.where(seen, y, 0.0)
    mean_t, mean = (part.sum(axis=0) / np.maximum(count, 1) for part in (t, values))
    from_mean = np.where(seen, t - mean_t, 0.0)
    square = (from_mean**2).sum(axis=0)
    slope = (from_mean * values).sum(axis=0) / np.where(square > 0, square, 1.0)
    return np.where(count > 0, mean - slope * mean_t, np.nan), slope


def mean(y: Array) -> Array:
    """Return the mean (series,) of the observations of `y` (time, series); 0 without any."""
    count = np.isfinite(y).sum(axis=0)
    return np.asarray(np.nan_to_num(y).sum(axis=0) / np.maximum(count, 1))


def is_seasonal(y: Array, m: int) -> Array:
    """Whether each series of `y` (time, series) is correlated with itself a season before, once its line is taken away.

    Bartlett's test at 90 %, as Assimakopoulos and Nikolopoulos, International Journal of Forecasting 16 (2000), use it;
    False where two seasons are not observed.
    """
    count = np.isfinite(y).sum(axis=0)
    if m < 2 or len(y) < 2 * m:
        return np.zeros(y.shape[1], bool)
    level, slope = line(y)
    rest = np.nan_to_num(y - level - slope * np.arange(len(y))[:, None])
    square = (rest**2).sum(axis=0)
    square = np.where(square > 0, square, np.inf)
    r = np.stack([(rest[k:] * rest[:-k]).sum(axis=0) / square for k in range(1, m + 1)])
    limit = CRITICAL * np.sqrt((1 + 2 * (r[:-1] ** 2).sum(axis=0)) / np.maximum(count, 1))
    return np.asarray((np.abs(r[-1]) > limit) & (count >= 2 * m))

"""The recursion of exponential smoothing, in error-correction form, over many series and candidates at once.

Source: Hyndman, Koehler, Ord and Snyder, Forecasting with Exponential Smoothing (2008), tables 2.2 and 2.3. Additive
and multiplicative errors share it; they differ in what is minimized.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from gatewise import kernels
from gatewise.errors import Array

LEAST = 1e-6  # of the unit of a series: what a level or a factor is divided by, at least


class Parameters(NamedTuple):
    """Smoothing parameters and the first states, each (series, candidates); without a trend `beta` and `slope` are 0.

    `beta` and `gamma` multiply the error itself: they are αβ* and (1 − α)γ* of other books.
    """

    alpha: Array
    beta: Array
    phi: Array
    gamma: Array
    level: Array
    slope: Array


class States(NamedTuple):
    """One-step error, level, slope and index of the season (series, candidates) after a row."""

    error: Array
    level: Array
    slope: Array
    season: Array


def steps(y: Array, season: Array, p: Parameters, multiplicative: bool) -> Iterator[States]:
    """Yield the states after each row of `y` (time, series); NaN is predicted through, with an error of 0.

    season : float64 (m, series)
        The first indices, of row 0 on.
    """
    level, slope, indices = p.level, p.slope, [one[:, None] for one in season]
    trended, moving = _flags(p)
    gaps: Array = ~np.isfinite(y)
    gappy = np.any(gaps, axis=1)
    for t, values in enumerate(y):
        k = t % len(indices)
        index = indices[k]
        if trended:
            slope = p.phi * slope
            level = level + slope
        error = values[:, None] - (level * index if multiplicative else level + index)
        if gappy[t]:
            error[gaps[t]] = 0.0
        if moving:
            change = error / np.maximum(level, LEAST) if multiplicative else error
            indices[k] = index + p.gamma * change
        pull = error / np.maximum(index, LEAST) if multiplicative else error
        level = level + p.alpha * pull
        if trended:
            slope = slope + p.beta * pull
        yield States(error, level, slope, indices[k])


def _flags(p: Parameters) -> tuple[bool, bool]:
    """Whether there is a trend, and whether the season moves."""
    return bool(p.beta.any() or p.slope.any()), bool(p.gamma.any())


def errors(y: Array, season: Array, p: Parameters, multiplicative: bool) -> Array:
    """Return the one-step errors (time, series, candidates); 0 in gaps."""
    compiled = kernels.recursions()
    if compiled:
        return compiled.errors(y, season, p, (*_flags(p), multiplicative), LEAST)
    result = np.empty((len(y), *p.alpha.shape))
    with np.errstate(over="ignore", invalid="ignore"):
        for row, states in zip(result, steps(y, season, p, multiplicative), strict=True):
            row[:] = states.error
    return result


def states(y: Array, season: Array, p: Parameters, multiplicative: bool) -> Array:
    """Return level, slope and index (3, time, series) after each row, of one candidate."""
    compiled = kernels.recursions()
    if compiled:
        return compiled.states(y, season, p, (*_flags(p), multiplicative), LEAST)
    result = np.empty((3, *y.shape))
    with np.errstate(over="ignore", invalid="ignore"):
        for t, after in enumerate(steps(y, season, p, multiplicative)):
            for row, values in zip(result[:, t], after[1:], strict=True):
                row[:] = values[:, 0]
    return result

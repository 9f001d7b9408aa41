"""Theta: simple exponential smoothing of a seasonally adjusted series, and a share of the slope of its line.

Source: Assimakopoulos and Nikolopoulos, International Journal of Forecasting 16 (2000); Hyndman and Billah, ibid. 19
(2003), show that it is smoothing with a drift of half that slope. Fiorucci et al., ibid. 32 (2016), free the share.
"""

from __future__ import annotations

import numpy as np

from gatewise.errors import Array
from gatewise.forecasting.smoothing import decomposition
from gatewise.forecasting.smoothing.decomposition import neutral
from gatewise.forecasting.smoothing.exponential import aicc, first_line
from gatewise.forecasting.smoothing.grid import View
from gatewise.forecasting.smoothing.optimizing import Problem, bounds, minimized
from gatewise.forecasting.smoothing.smoothed import Smoothed, joined, made


def fit_theta(view: View, share: float | None) -> Smoothed:
    """Return Theta, with a season where a test says so: multiplicative if the series is positive, else additive."""
    parts = [(np.flatnonzero(view.is_positive == kind), kind) for kind in (False, True)]
    return joined([(some, _fit(view.at(some), share, kind)) for some, kind in parts if len(some)])


def _fit(view: View, share: float | None, multiplicative: bool) -> Smoothed:
    y, m = view.tail.y, view.m
    seasonal = decomposition.is_seasonal(y, m)
    season = np.where(seasonal, decomposition.indices(y, m, multiplicative), neutral(multiplicative))
    by_phase = view.tail.turned_back(season)
    rest = decomposition.adjusted(y, season, multiplicative)
    whole = decomposition.line(rest)[1]
    slope = whole * (0.5 if share is None else share)
    start = _start(rest, slope, m)
    free = np.zeros(start.shape, bool)
    free[[0, 4]] = True
    free[5] = share is None
    low, high = bounds(free)
    low[5], high[5] = np.minimum(whole, 0), np.maximum(whole, 0)
    problem = Problem(rest, np.zeros((1, y.shape[1])), start, low, high, free, multiplicative=False)
    point, loss = minimized(problem)
    head = decomposition.adjusted(view.head.y, view.head.turned(by_phase), multiplicative)
    criterion = aicc(loss, np.isfinite(y).sum(axis=0), 4)
    return made(view, point, by_phase, _start(head, point[5], m), multiplicative, criterion)


def _start(rest: Array, slope: Array, m: int) -> Array:
    """First values (6, series) of the coordinates: a level on the line through the first rows, and a fixed slope."""
    level, first = first_line(rest, m)
    values = np.zeros((6, rest.shape[1]))
    values[0], values[2], values[4], values[5] = 0.5, 1.0, np.nan_to_num(level + first - slope), slope
    return values

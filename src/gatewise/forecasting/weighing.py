"""Weights of several forecasts: those of a panel by held-out error, shrunk to a prior, and of each of its series."""

from __future__ import annotations

import numpy as np

from gatewise.errors import Array

ROUNDS = 300
STEP = 0.5  # of the exponentiated gradient at first; it falls as 1 / √round
PRIOR = 3.0  # independent windows that say as much as the prior; chosen on generated and real series
CERTAINTY = 1.5  # power of windows, at which the prior loses its weight; between 1 and 2, tried on real series
POWER = 2.0  # of relative errors, by which the weights of a series differ from the panel's; chosen on generated series
FLOOR = 0.1  # of the typical error of a series, added to each: no method is taken to be perfect
EXACT = 1e-6  # of the largest error: a method with less repeats the series exactly
MOST_POINTS = 40_000


def panel_weights(truth: Array, forecasts: Array, counts: Array, prior: Array, windows: float) -> Array:
    """Return weights (k,) on the simplex with a low mean absolute error of `forecasts` (k, points) of `truth`.

    Points of `truth` (points,) count by `counts`. What is minimized is the logarithm of the error (the likelihood of
    Laplace's distribution) plus the divergence from `prior` (k,), which counts less the more `windows` are independent;
    by exponentiated gradients (Kivinen and Warmuth, Information and Computation 132, 1997).
    """
    if len(truth) > MOST_POINTS:
        some = np.linspace(0, len(truth) - 1, MOST_POINTS).astype(int)
        truth, forecasts, counts = truth[some], forecasts[:, some], counts[some]
    pull = (PRIOR / windows) ** CERTAINTY
    counts = counts / counts.sum()
    alone = np.abs(forecasts - truth) @ counts
    exact = alone <= EXACT * alone.max()
    if exact.any():
        return np.asarray(np.where(exact, prior, 0.0) / prior[exact].sum())
    size = float(counts @ np.abs(truth - prior @ forecasts)) or 1.0
    weights, best, lowest = prior.copy(), prior, np.inf
    for k in range(ROUNDS):
        error = weights @ forecasts - truth
        divergence = float(np.sum(weights * np.log(np.maximum(weights, 1e-12) / prior)))
        now = max(float(counts @ np.abs(error)), EXACT * size)
        loss = np.log(now / size) + pull * divergence
        if loss < lowest:
            best, lowest = weights, loss
        slope = forecasts @ (counts * np.sign(error)) / now
        slope = slope + pull * np.log(np.maximum(weights, 1e-12) / prior)
        slope = slope - weights @ slope
        step = STEP / np.sqrt(1 + k)
        weights = weights * np.exp(-step * np.clip(slope / max(float(np.abs(slope).max()), 1e-12), -1, 1))
        weights = weights / weights.sum()
    return best


def series_weights(weights: Array, errors: Array) -> Array:
    """Return weights (series, k): those of the panel (k,) by each one's error beside its usual one; NaN if unknown.

    errors : float64 (series, k)
        Mean absolute held-out errors.
    """
    typical = errors.mean(axis=1, keepdims=True)
    known = np.isfinite(typical) & (typical > 0)
    relative = np.log(np.where(known, errors / np.where(known, typical, 1.0) + FLOOR, 1.0))
    relative = relative - relative.mean(axis=0)
    shifted = weights * np.exp(-POWER * relative)
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))


def mean_of_seen(values: Array, axis: int) -> Array:
    """Mean without NaN; NaN where nothing else is."""
    seen = np.isfinite(values)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(seen, values, 0).sum(axis=axis) / seen.sum(axis=axis))

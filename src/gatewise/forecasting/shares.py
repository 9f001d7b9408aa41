"""Which share of a forecast to add, and how far to shrink it where its gain is in doubt."""

from __future__ import annotations

import numpy as np

from gatewise.errors import Array

SHARES = np.linspace(0, 1, 21)
IN_DOUBT = 1.03  # times the error of another share than 1, for what is selected by chance; chosen on generated series
CAUTION = 3  # a gain of a third of its standard error keeps half of its share; chosen on generated series


def best_share(truth: Array, forecast: Array, weight: Array | float = 1.0) -> tuple[float, float]:
    """Return the share of `forecast` (n, horizon) with the lowest mean absolute error, and that error.

    It is 1 unless another share is better by the standard error, where windows count once a horizon. Another share is
    shrunk, and its error is taken to be a little larger, for what is selected by chance.
    """
    errors = [np.nanmean(weight * np.abs(truth - share * forecast), axis=1) for share in SHARES]
    best = int(np.argmin([error.mean() for error in errors]))
    gains = errors[-1] - errors[best]
    if gains.mean() < _standard_error(gains, truth.shape[1]):
        best = len(SHARES) - 1
    share, error = float(SHARES[best]), float(errors[best].mean())
    return (1.0, error) if share == 1 else (share * shrinkage(truth, share * forecast), error * IN_DOUBT)


def shrinkage(truth: Array, forecast: Array) -> float:
    """Return what is left of a share: 1 / (1 + (standard error / 3 gain)²), where n windows count as n / √horizon."""
    gains = np.nanmean(np.abs(truth) - np.abs(truth - forecast), axis=1)
    gain = max(0.0, float(gains.mean()))
    error = float(_standard_error(gains, truth.shape[1] ** 0.5))
    certain = CAUTION**2 * gain**2
    return float(certain / (certain + error**2)) if gain else 0.0


def _standard_error(gains: Array, windows_as_one: float) -> float:
    """Standard error of the mean of `gains` (n,), of which so many count as one: they overlap."""
    error: float = gains.std() / np.sqrt(max(1.0, len(gains) / windows_as_one))
    return error

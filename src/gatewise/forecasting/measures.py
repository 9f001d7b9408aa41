"""Measures of forecasts: MAE, RMSE, MASE, sMAPE, pinball loss and coverage; NaN in the truth is left out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gatewise.errors import Array

NAMES = ("mae", "rmse", "mase", "smape", "pinball", "coverage")


def measures(truth: Array, quantiles: Array, levels: Sequence[float], scale: Array) -> dict[str, float]:
    """Return every measure of `quantiles` (..., levels) beside `truth` (...).

    mase divides each absolute error by `scale` (...), the mean absolute error of seasonal-naive on the training part
    (Hyndman and Koehler, International Journal of Forecasting 22 (2006)), and is the mean of the means over the last
    axis of truth, so that each forecast of each series counts alike; smape is 200 |e| / (|y| + |ŷ|) in percent;
    coverage is the share of truths within the outermost levels.
    """
    seen = np.isfinite(truth) & np.isfinite(quantiles).all(axis=-1)
    if not seen.any():
        return dict.fromkeys(NAMES, float("nan"))
    y, q = truth[seen], quantiles[seen]
    error = y - q[:, list(levels).index(0.5)]
    both = np.abs(y) + np.abs(y - error)
    miss = y[:, None] - q
    level = np.asarray(levels)
    return {
        "mae": float(np.abs(error).mean()),
        "rmse": float(np.sqrt((error**2).mean())),
        "mase": _scaled(np.abs(truth - quantiles[..., list(levels).index(0.5)]), scale, seen & (scale > 0)),
        "smape": float(np.where(both > 0, 200 * np.abs(error) / np.where(both > 0, both, 1), 0).mean()),
        "pinball": float(np.maximum(level * miss, (level - 1) * miss).mean()),
        "coverage": float(((y >= q[:, 0]) & (y <= q[:, -1])).mean()),
    }


def _scaled(error: Array, scale: Array, counted: Array) -> float:
    """Mean of the means over the last axis of error / scale, where it is `counted`; NaN where nothing is."""
    ratio = np.where(counted, error, 0.0) / np.where(counted, scale, 1.0)
    count = counted.sum(axis=-1)
    return float((ratio.sum(axis=-1)[count > 0] / count[count > 0]).mean()) if counted.any() else float("nan")

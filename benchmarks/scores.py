"""Errors of predictions and of forecasts over rolling origins."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sets import Forecasting

Array = NDArray[Any]


class Window(NamedTuple):
    """One forecast of one series: what was said at an origin, and what came; all (points,)."""

    truth: Array
    median: Array
    low: Array | None = None  # the 10 % quantile
    high: Array | None = None  # the 90 % quantile


def of_labels(truth: Array, found: Array) -> dict[str, float]:
    """Return the share of right labels."""
    return {"accuracy": float(np.mean(np.asarray(found) == truth))}


def of_numbers(truth: Array, found: Array) -> dict[str, float]:
    """Return root mean square and mean absolute errors."""
    error = np.asarray(found, float).reshape(truth.shape) - truth
    return {"rmse": float(np.sqrt(np.mean(error**2))), "mae": float(np.mean(np.abs(error)))}


def origins(data: Forecasting) -> range:
    """Return the positions in the test parts from which forecasts start."""
    return range(0, max(map(len, data.test)), data.step)


def truth(data: Forecasting, series: int, origin: int) -> Array:
    """Return what the forecast of a series from an origin should have said; shorter than the horizon at the end."""
    found: Array = data.test[series].to_numpy(float)[origin : origin + data.horizon]
    return found


def of_forecasts(data: Forecasting, windows: list[list[Window]]) -> dict[str, float]:
    """Return the mean over series of each error; `windows` holds one list per series. Gaps in the truth count nowhere.

    MASE after Hyndman and Koehler, Another look at measures of forecast accuracy, 2006: the scale is the error of
    the seasonal naive method one step ahead within the training part. sMAPE as in the M4 competition, in percent.
    """
    rows = [_of_series(train, found, data.season or 1) for train, found in zip(data.train, windows, strict=True)]
    means = pd.DataFrame(rows).mean()
    return {str(name): float(value) for name, value in means.items()}


def _of_series(train: pd.Series, windows: list[Window], season: int) -> dict[str, float]:
    y, median = (np.concatenate([getattr(w, name) for w in windows]) for name in ("truth", "median"))
    seen, history = np.isfinite(y), train.to_numpy(float)
    error = np.abs(median - y)[seen]
    scale = np.nanmean(np.abs(history[season:] - history[:-season]))
    scores = {
        "mae": float(error.mean()),
        "rmse": float(np.sqrt((error**2).mean())),
        "mase": float(error.mean() / scale) if scale > 0 else float("nan"),
        "smape": float(100 * np.mean(2 * error / (np.abs(median) + np.abs(y))[seen])),
    }
    if windows[0].low is None:
        return scores
    low, high = (np.concatenate([getattr(w, name) for w in windows]) for name in ("low", "high"))
    return scores | {"coverage": float(np.mean(((low <= y) & (y <= high))[seen]))}

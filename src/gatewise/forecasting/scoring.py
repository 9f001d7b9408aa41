"""One number that says how well a fitted forecaster does on what came after its series."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from gatewise.errors import Array, GatewiseValueError
from gatewise.forecasting.horizons import distribution
from gatewise.forecasting.state import State


def mean_scaled_error(state: State, y: Any, X: Any) -> float:
    """Return the mean absolute scaled error of the medians on y; see `RecurrentForecaster.score`.

    The scale of a series is its mean absolute change from one step to the next in the fit (Hyndman and Koehler,
    International Journal of Forecasting 22, 2006).
    """
    state, truth, X = state.apart(y, X)
    if not sum(map(len, truth)):
        raise GatewiseValueError("y is empty; need one value at least after the end of the fit.")
    horizon = state.fitted.plan.horizon
    errors = []
    for first in range(0, max(map(len, truth)), horizon):
        rows = slice(first, first + horizon)
        known = [x.reindex(axis.future(horizon)) for x, axis in zip(X, state.axes, strict=True)]  # NaN past the end
        forecast = distribution(state, known if state.covariates.known else None, horizon).median
        errors.append(np.abs(_padded([part.iloc[rows] for part in truth], horizon) - forecast))
        state = state.updated([part.iloc[rows] for part in truth], [x.iloc[rows] for x in X])
    scale = np.where(state.change > 0, state.change, 1.0)
    scaled = np.concatenate(errors, axis=1) / scale[:, None]
    measured = np.isfinite(scaled).any(axis=1)
    if not measured.any():
        raise GatewiseValueError("y holds no value to measure on; need one at least after the end of the fit.")
    return float(np.nanmean(scaled[measured], axis=1).mean())


def _padded(parts: list[pd.Series], steps: int) -> Array:
    """Series of up to `steps` values as one array (series, steps), NaN where there are fewer."""
    padded = np.full((len(parts), steps), np.nan)
    for row, part in zip(padded, parts, strict=True):
        row[: len(part)] = part
    return padded

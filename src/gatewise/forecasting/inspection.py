"""What a fitted forecaster shows: its last observations, its next forecast, and what its networks read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from gatewise.errors import Array
from gatewise.forecasting import recurrent
from gatewise.forecasting.state import State
from gatewise.forecasting.windows import Windows
from gatewise.layers import Sequential


@dataclass(frozen=True)
class ForecasterInspection:
    """What `RecurrentForecaster.inspect` returns.

    Attributes
    ----------
    names : tuple
        Names of the series, None where they have none.
    known_ahead : tuple of str
        Covariates that a forecast needs of the steps ahead.
    observed : tuple of Series
        The last observations of each series, as many as a forecast reads; NaN for gaps.
    forecasts : tuple of DataFrame, or None
        The next steps of each series, a column a level and the median among them; None without the covariates that are
        known ahead.
    networks : tuple of Sequential
        The networks that are averaged; none where reference and linear path did better alone.
    windows : float32 (windows, context + horizon, features), or None
        What the networks read at some origins near the end of the series; None without networks or where the series
        are shorter than a context.
    window_series : int (windows,)
        Number of the series of each window.
    window_starts : tuple of Timestamp, Period or int
        The first step ahead of each window.
    features : tuple of str
        Names of the features of a window.
    reference : str
        The simple forecast that the linear path and the networks add to.
    shares : dict
        Share in [0, 1] of the linear path and of the networks.
    seasons : tuple of int
    """

    names: tuple[Any, ...]
    known_ahead: tuple[str, ...]
    observed: tuple[pd.Series, ...]
    forecasts: tuple[pd.DataFrame, ...] | None
    networks: tuple[Sequential, ...]
    windows: Array | None
    window_series: Array
    window_starts: tuple[Any, ...]
    features: tuple[str, ...]
    reference: str
    shares: dict[str, float]
    seasons: tuple[int, ...]


def inspect(state: State, X_future: Any, most_windows: int) -> ForecasterInspection:
    """Return what others may look at; see `RecurrentForecaster.inspect`."""
    windows, series, starts = _windows(state, most_windows)
    fitted = state.fitted
    return ForecasterInspection(
        names=state.container.names,
        known_ahead=state.covariates.known,
        observed=tuple(observed(state, number) for number in range(len(state.axes))),
        forecasts=None if state.covariates.known and X_future is None else _forecasts(state, X_future),
        networks=fitted.networks,
        windows=windows,
        window_series=series,
        window_starts=starts,
        features=_feature_names(state),
        reference=fitted.reference,
        shares={"linear": fitted.linear_share, "network": fitted.network_share},
        seasons=state.seasons,
    )


def observed(state: State, number: int) -> pd.Series:
    """The last observations of a series, as many as a forecast reads; NaN for gaps."""
    values = state.panel.y[state.panel.start[number] : state.panel.stop[number]]
    return pd.Series(values, state.axes[number].past(len(values)), name=state.container.names[number])


def _forecasts(state: State, X_future: Any) -> tuple[pd.DataFrame, ...]:
    columns = pd.Index(state.fitted.levels, name="quantile")
    quantiles = state.forecast(X_future)
    return tuple(
        pd.DataFrame(values, axis.future(len(values)), columns)
        for values, axis in zip(quantiles, state.axes, strict=True)
    )


def _windows(state: State, most: int) -> tuple[Array | None, Array, tuple[Any, ...]]:
    """Windows of the last origins of one series, or of the last origin of the first several; their series and starts.

    The first is a horizon before the end, so that what comes after each is known.
    """
    fitted, panel = state.fitted, state.panel
    horizon = fitted.plan.horizon
    parts, series, starts = [], [np.zeros(0, int)], []
    backs = range(horizon, horizon * (most if len(panel.stop) == 1 else 1) + 1, horizon)
    for back in backs if fitted.networks else ():
        hidden = panel.hidden(panel.stop - back)
        origins = hidden.ends(back).at(slice(most))
        origins = origins.at(origins.row - fitted.plan.context >= hidden.start[origins.series])
        if len(origins.row):
            windows = Windows(hidden, fitted.plan, origins)
            parts.append(recurrent.inputs(windows, fitted.base(windows)))
            series.append(origins.series)
            starts += [state.axes[number].past(back)[0] for number in origins.series]
    return np.concatenate(parts) if parts else None, np.concatenate(series), tuple(starts)


def _feature_names(state: State) -> tuple[str, ...]:
    """Names of what a network reads, in the order of `recurrent.inputs`."""
    known, panel = state.covariates.known, state.panel
    past = [name for name in state.covariates.columns if name not in known]
    dates = [f"calendar {k + 1}" for k in range(panel.known.shape[1] - len(known))]
    return (*recurrent.FEATURES, *known, *dates, *past, *(f"static {k + 1}" for k in range(panel.static.shape[1])))

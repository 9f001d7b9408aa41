"""Forecasts of any number of steps: the first of those fitted, or more, where the forecaster reads its own medians."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from gatewise.errors import Array, GatewiseValueError
from gatewise.forecasting.distribution import Distribution
from gatewise.forecasting.fitted import Fitted
from gatewise.forecasting.held import growth_power
from gatewise.forecasting.panel import Panel
from gatewise.forecasting.state import State


def distribution(state: State, X_future: Any, horizon: int | None) -> Distribution:
    """The distribution of the next `horizon` steps of each series, by default of as many as were fitted."""
    horizon = state.fitted.plan.horizon if horizon is None else horizon
    return of_panel(state.fitted, state.ahead(X_future, horizon), horizon)


def of_panel(fitted: Fitted, panel: Panel, horizon: int) -> Distribution:
    """The distribution (series, horizon) of the last `horizon` rows of each series, of which nothing is observed.

    Beyond the fitted horizon H the median forecasts are taken for observations, and the forecaster goes on from them.
    The distances of quantiles from the median are those of step H times (h / H)^p at step h, where p, from 0 to 1, is
    the power by which they grew up to H; with H = 1 it is 1/2, as of a random walk.
    """
    reach = fitted.plan.horizon
    fitted_steps = fitted.distribution(panel, panel.ends(horizon))
    medians = [fitted_steps.median]
    for done in range(reach, horizon, reach):
        panel = _observed(panel, horizon - done + reach, medians[-1])
        medians.append(fitted.distribution(panel, panel.ends(horizon - done)).median)
    first = fitted_steps.steps(slice(horizon))
    if len(medians) == 1:
        return first
    return _beyond(first, np.concatenate(medians, axis=1)[:, reach:horizon])


def _observed(panel: Panel, back: int, values: Array) -> Panel:
    """The panel with `values` (series, steps) as observations from `back` rows before the end of each series."""
    y = panel.y.copy()
    for first, stop, row in zip(panel.stop - back, panel.stop, values, strict=True):
        y[first : min(stop, first + len(row))] = row[: stop - first]
    return replace(panel, y=y)


def _beyond(first: Distribution, median: Array) -> Distribution:
    """The distribution with further steps of these medians (series, steps)."""
    reach, further = first.values.shape[1], median.shape[1]
    steps = np.arange(reach + 1, reach + further + 1)
    shape = (first.values - first.median[..., None])[:, [-1]]
    factor = (steps / reach) ** _power(first)
    values = median[..., None] + factor[:, None] * shape
    values = np.maximum(values, np.reshape(first.lowest, (-1, 1, 1)))
    return replace(first, values=np.concatenate([first.values, values], axis=1))


def _power(first: Distribution) -> float:
    """The power by which the widths of a distribution grow with the step."""
    width = first.values[..., -1] - first.values[..., 0]
    width = np.mean(width / np.where(width[:, [-1]] > 0, width[:, [-1]], 1), axis=0)
    if not (width > 0).all():
        return 0.5
    return growth_power(np.arange(1.0, len(width) + 1), width, np.full(len(width), 1e3))[1]


def paths(state: State, count: int, rng: np.random.Generator, X_future: Any, horizon: int | None) -> Array:
    """Draw `count` paths (series, horizon, count) of the next steps of each series."""
    ahead = distribution(state, X_future, horizon)
    if not ahead.has_tails:
        raise GatewiseValueError(
            "this forecaster was saved by a version that kept a few levels only; need the whole distribution to draw "
            "paths from: fit again."
        )
    series, steps = ahead.values.shape[:2]
    dependence, paths = state.fitted.calibration.dependence, np.empty((series, steps, count))
    for k in range(series):
        drawn = dependence.uniforms(count, steps, rng)
        paths[k] = ahead.of(slice(k, k + 1)).at(drawn[:, None])[:, 0].T
    return paths


def packed(state: State, values: Array, columns: pd.Index) -> Any:
    """Values (series, horizon, columns) of the next steps, in the container that the series came in."""
    parts = [
        pd.DataFrame(part, index=axis.future(len(part)), columns=columns)
        for part, axis in zip(values, state.axes, strict=True)
    ]
    return state.container.pack_levels(parts, str(columns.name))

"""The simple methods that a backtest sets beside the model; each forecasts by itself and states its own quantiles.

A further one is a function of the same form in `SIMPLE`, and its name in `LABELS`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from gatewise.errors import Array
from gatewise.forecasting import intervals
from gatewise.forecasting.folds import MOST_HELD_OUT
from gatewise.forecasting.panel import Origins, Panel
from gatewise.forecasting.plan import spread
from gatewise.forecasting.references import Reference
from gatewise.forecasting.smoothing.fitting import ets, fit
from gatewise.forecasting.smoothing.forms import ETS, RELATIVE
from gatewise.forecasting.smoothing.grid import most_rows
from gatewise.forecasting.smoothing.smoothed import Filtered, Smoothed
from gatewise.threads import single_threaded_blas

MOST_FITS = 1500  # series times windows that smoothing is fitted to; of more, to those of the first window alone

Predict = Callable[[Panel, Origins, Array], Array]
"""(panel, origins of it, steps) to forecasts (n, steps)."""
Method = Callable[[Sequence[Panel], int], Sequence[Predict]]
"""(last rows of the series before each origin, the earliest first; season) to what forecasts from each origin."""


def of_reference(kind: str) -> Method:
    """Return the method of a reference that reads everything before an origin."""

    def method(recent: Sequence[Panel], season: int) -> Sequence[Predict]:
        reference = Reference(kind, season) if kind == "seasonal" else Reference(kind)
        return [lambda panel, origins, steps: reference.forecast(panel, origins, steps, len(panel.y))] * len(recent)

    return method


def of_smoothing(forms: Sequence[str]) -> Method:
    """Return the method of exponential smoothing in the form that suits each series, fitted before each origin.

    Of many series it is fitted before the first origin alone, and goes on with those parameters.
    """

    def method(recent: Sequence[Panel], season: int) -> Sequence[Predict]:
        earliest, count = recent[0], len(recent[0].stop)
        if count * len(recent) > MOST_FITS:
            smoothed = _best(earliest, season, forms)
            starts = [earliest.start + panel.first - earliest.first for panel in recent]
            pairs = zip(recent, starts, strict=True)
            return [_of_last_rows(smoothed.advanced(earliest, start).filtered(panel), 0) for panel, start in pairs]
        joined = _joined(recent)
        filtered = _best(joined, season, forms).filtered(joined)
        return [_of_last_rows(filtered, k * count) for k in range(len(recent))]

    return method


def _best(panel: Panel, season: int, forms: Sequence[str]) -> Smoothed:
    fitted = fit(panel, season, forms)
    return ets(fitted) if len(forms) > 1 else fitted[forms[0]]


def _joined(panels: Sequence[Panel]) -> Panel:
    """The series of all panels as one panel, without covariates."""
    y = [panel.y[a:b] for panel in panels for a, b in zip(panel.start, panel.stop, strict=True)]
    return plain_panel(y, np.concatenate([panel.first for panel in panels]))


def plain_panel(y: Sequence[Array], first: Array | None = None) -> Panel:
    """Return a panel of series (time,) without covariates."""
    none = [np.zeros((len(one), 0)) for one in y]
    return Panel.of(y, none, none, np.zeros((len(y), 0)), np.zeros(len(y), int) if first is None else first)


def _of_last_rows(filtered: Filtered, first: int) -> Predict:
    """Forecasts by the series from number `first` on of what was filtered, which end where those of a panel do."""

    def predict(panel: Panel, origins: Origins, steps: Array) -> Array:
        series = origins.series + first
        row = filtered.panel.stop[series] - (panel.stop[origins.series] - origins.row)
        return filtered.forecast(Origins(row, series), steps)

    return predict


SIMPLE: dict[str, Method] = {
    "seasonal_naive": of_reference("seasonal"),
    "naive": of_reference("naive"),
    "drift": of_reference("drift"),
    "mean": of_reference("mean"),
    "theta": of_smoothing(["theta"]),
    "ets": of_smoothing([*ETS, *RELATIVE]),
}
LABELS = {
    "seasonal_naive": "seasonal naive",
    "naive": "last value",
    "drift": "drift",
    "mean": "mean of the past",
    "theta": "Theta",
    "ets": "exponential smoothing",
}


@single_threaded_blas()
def quantiles(past: Callable[[int], Panel], windows: int, season: int, horizon: int, levels: Sequence[float]) -> Array:
    """Return quantiles (windows, series, methods, horizon, levels) after the end of every series.

    `past` gives the panel before the origin of each window. They are calibrated on a method's own errors in it.
    """
    recent = [past(window).tail(most_rows(season)) for window in range(windows)]
    methods = [method(recent, season) for method in SIMPLE.values()]
    return np.stack(
        [
            _of_window(past(window), [predicts[window] for predicts in methods], season, horizon, levels)
            for window in range(windows)
        ]
    )


def _of_window(panel: Panel, methods: Sequence[Predict], season: int, horizon: int, levels: Sequence[float]) -> Array:
    """Quantiles (series, methods, horizon, levels), the errors in units of the change over a season."""
    steps, origins = np.arange(horizon), panel.origins(panel.start + 1, panel.stop).thinned(MOST_HELD_OUT)
    change = spread(panel, season)
    noise = np.where(change > 0, change, 1.0)[:, None]
    truth, result = panel.y[panel.rows(origins, steps)], []
    for predict in methods:
        error = (truth - predict(panel, origins, steps)) / noise[origins.series]
        each = np.repeat(error[..., None], len(levels), axis=2)
        offsets = intervals.offsets(each, levels, intervals.growth(error))
        median = predict(panel, panel.ends(), steps)
        result.append(intervals.monotone(median[..., None] + noise[..., None] * offsets, levels))
    return np.stack(result, axis=1)

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

MOST_FITS = 1500  # series times windows that smoothing is fitted to; of more, to those of the first window alone

Predict = Callable[[Origins, Array], Array]
"""(origins of a panel, steps) to forecasts (n, steps)."""
Method = Callable[[Sequence[Panel], int], list[Predict]]
"""(panels, season) to what forecasts each; a panel never shows anything to another that ends before it."""


def of_reference(kind: str) -> Method:
    """Return the method of a reference that reads everything before an origin."""

    def method(panels: Sequence[Panel], season: int) -> list[Predict]:
        reference = Reference(kind, season) if kind == "seasonal" else Reference(kind)
        return [_predict(reference, panel) for panel in panels]

    return method


def _predict(reference: Reference, panel: Panel) -> Predict:
    length = int((panel.stop - panel.start).max())
    return lambda origins, steps: reference.forecast(panel, origins, steps, length)


def of_smoothing(forms: Sequence[str]) -> Method:
    """Return the method of exponential smoothing in the form that suits each series, fitted at the end of each panel.

    It reads the last rows of a series, as many as are fitted to. The panels hold the same series, the earliest first.
    """

    def method(panels: Sequence[Panel], season: int) -> list[Predict]:
        count = len(panels[0].stop)
        if count * len(panels) > MOST_FITS:
            smoothed = _best(panels[0], season, forms)
            return [smoothed.filtered(panel).forecast for panel in panels]
        joined = _joined([panel.tail(most_rows(season)) for panel in panels])
        filtered = _best(joined, season, forms).filtered(joined)
        return [_shifted(filtered, panel, k * count) for k, panel in enumerate(panels)]

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


def _shifted(filtered: Filtered, panel: Panel, first: int) -> Predict:
    """Forecasts of a panel whose series end where those from number `first` on do in what was filtered."""

    def predict(origins: Origins, steps: Array) -> Array:
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


def quantiles(panels: Sequence[Panel], season: int, horizon: int, levels: Sequence[float]) -> Array:
    """Return quantiles (panels, series, methods, horizon, levels) after the end of every series.

    They are calibrated on the method's own errors in the past of each panel.
    """
    methods = [method(panels, season) for method in SIMPLE.values()]
    noise = [np.where(unit > 0, unit, 1.0) for unit in (spread(panel, season) for panel in panels)]
    return np.stack(
        [
            np.stack([_quantiles(panel, predict, unit, horizon, levels) for predict in of_panel], axis=1)
            for panel, unit, of_panel in zip(panels, noise, zip(*methods, strict=True), strict=True)
        ]
    )


def _quantiles(panel: Panel, predict: Predict, noise: Array, horizon: int, levels: Sequence[float]) -> Array:
    """Quantiles (series, horizon, levels) of one method; `noise` (series,) is the unit of its errors."""
    steps, origins = np.arange(horizon), panel.origins(panel.start + 1, panel.stop).thinned(MOST_HELD_OUT)
    truth = panel.y[panel.rows(origins, steps)]
    error = (truth - predict(origins, steps)) / noise[origins.series][:, None]
    offsets = intervals.offsets(np.repeat(error[..., None], len(levels), axis=2), levels, intervals.growth(error))
    median = predict(panel.ends(), steps)
    return intervals.monotone(median[..., None] + noise[:, None, None] * offsets, levels)

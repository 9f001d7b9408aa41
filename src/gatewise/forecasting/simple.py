"""The simple methods that a backtest sets beside the model; each forecasts by itself and states its own quantiles.

A further one is a function of the same form in `SIMPLE`, and its name in `LABELS`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gatewise.errors import Array
from gatewise.forecasting import intervals
from gatewise.forecasting.folds import MOST_HELD_OUT
from gatewise.forecasting.panel import Panel
from gatewise.forecasting.plan import Plan, spread
from gatewise.forecasting.references import Reference
from gatewise.forecasting.windows import Windows

Levels = tuple[float, ...]
Method = Callable[[Panel, int, int, Levels], Array]
"""(panel, season, horizon, levels) to quantiles (series, horizon, levels) after the end of every series."""


def of_reference(kind: str) -> Method:
    """Return the method of a reference, its quantiles calibrated on its own errors in the past."""

    def quantiles(panel: Panel, season: int, horizon: int, levels: Levels) -> Array:
        reference = Reference(kind, season) if kind == "seasonal" else Reference(kind)
        length = int((panel.stop - panel.start).max())
        noise = spread(panel, reference.season)
        plan = Plan(horizon, 1, length, 1, (), reference, 0, noise, np.where(noise > 0, noise, 1.0))
        windows = Windows(panel, plan, panel.origins(panel.start + 1, panel.stop).thinned(MOST_HELD_OUT))
        error = windows.targets(windows.reference)
        offsets = intervals.offsets(np.repeat(error[..., None], len(levels), axis=2), levels, intervals.growth(error))
        ahead = Windows(panel, plan, panel.ends())
        return intervals.monotone(ahead.reference[..., None] + ahead.noise[..., None] * offsets, levels)

    return quantiles


SIMPLE: dict[str, Method] = {
    "seasonal_naive": of_reference("seasonal"),
    "naive": of_reference("naive"),
    "drift": of_reference("drift"),
    "mean": of_reference("mean"),
}
LABELS = {"seasonal_naive": "seasonal naive", "naive": "last value", "drift": "drift", "mean": "mean of the past"}

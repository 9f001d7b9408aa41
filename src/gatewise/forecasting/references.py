"""The simplest good forecasts: naive, drift, mean, seasonal-naive, and the median of several seasons."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gatewise.errors import Array
from gatewise.forecasting.panel import Origins, Panel

KINDS = ("naive", "drift", "mean", "seasonal", "rising")
SEASONS = (1, 3, 6)  # numbers of seasons whose median is tried; chosen on generated series


class Reference(NamedTuple):
    """A method without parameters: `naive`, `drift`, `mean`, or the median over `count` seasons of `season` steps.

    `rising` adds to each season the mean change of the level since then.
    """

    kind: str
    season: int = 1
    seasons: int = 1

    def __str__(self) -> str:
        if self.kind not in ("seasonal", "rising"):
            return self.kind
        name = "seasonal naive" if self.seasons == 1 else f"median of {self.seasons} seasons"
        return f"{name} ({self.season} steps)" + (" with drift" if self.kind == "rising" else "")

    def forecast(self, panel: Panel, origins: Origins, steps: Array, memory: int) -> Array:
        """Forecasts (n, steps) of the steps 0, 1, … after each origin, of the last `memory` rows; NaN if none is seen.

        A season without an observation is left out; if none has one, the forecast is the last observation.
        """
        last = panel.last(origins)[:, None]
        if self.kind == "naive":
            return np.repeat(last, len(steps), axis=1)
        if self.kind == "drift":
            return np.asarray(last + panel.slope(origins, memory)[:, None] * (steps + 1))
        if self.kind == "mean":
            return np.repeat(panel.mean(origins, memory)[:, None], len(steps), axis=1)
        seasons = 1 + steps // self.season
        back = (seasons[:, None] + np.arange(self.seasons)) * self.season
        rows = panel.rows(origins, (steps[:, None] - back).ravel())
        values = panel.y[rows].reshape(len(rows), len(steps), self.seasons)
        if self.kind == "rising":
            values = values + self._rise(panel, origins, memory)[:, None, None] * back
        seasonal = median(values)
        return np.where(np.isnan(seasonal), last, seasonal)

    def _rise(self, panel: Panel, origins: Origins, memory: int) -> Array:
        """Mean change a step (n,): from the middle of the last `memory` rows to the middle of the last season."""
        length = np.minimum(memory, origins.row - panel.start[origins.series])
        change = panel.mean(origins, self.season) - panel.mean(origins, memory)
        return np.asarray(np.where(length > self.season, 2 * change / np.maximum(length - self.season, 1), 0.0))


def median(values: Array) -> Array:
    """Median over the last axis without its NaN; NaN where nothing else is."""
    ordered = np.sort(values, axis=-1)
    count = np.isfinite(values).sum(axis=-1, keepdims=True)
    low, high = (np.take_along_axis(ordered, np.maximum(k, 0), axis=-1) for k in ((count - 1) // 2, count // 2))
    both: Array = ((low + high) / 2)[..., 0]
    return np.where(count[..., 0] > 0, both, np.nan)


def candidates(seasons: tuple[int, ...], length: int) -> list[Reference]:
    """All references that series of this length allow, the simplest first."""
    references = [Reference("naive"), Reference("drift"), Reference("mean")]
    for season in seasons:
        fitting = [k for k in SEASONS if (k + 1) * season <= length]
        references += [Reference(kind, season, k) for kind in ("seasonal", "rising") for k in fitting]
    return references


def ranked(
    panel: Panel, origins: Origins, references: list[Reference], horizon: int, memory: int, scale: Array
) -> list[Reference]:
    """Return the references by their mean absolute error over the horizon, in units of each series' `scale`."""
    steps = np.arange(horizon)
    truth = panel.y[panel.rows(origins, steps)]
    errors = []
    for reference in references:
        error = np.abs(truth - reference.forecast(panel, origins, steps, memory)) / scale[origins.series][:, None]
        errors.append(float(np.nanmean(error)) if np.isfinite(error).any() else np.inf)
    return [references[k] for k in np.argsort(errors, kind="stable")]


def shortlist(references: list[Reference], seasons: tuple[int, ...]) -> list[Reference]:
    """The best two of ranked references, and one with a short memory."""
    short = Reference("seasonal", min(seasons)) if seasons else Reference("naive")
    return list(dict.fromkeys([*references[:2], short]))

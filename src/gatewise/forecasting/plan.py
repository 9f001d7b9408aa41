"""What a fit has decided about the shape of a forecaster: horizon, context, seasons, reference, scales."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gatewise.errors import Array
from gatewise.forecasting.panel import Origins, Panel
from gatewise.forecasting.references import SEASONS, Reference, middle

MOST_PHASES = 24


@dataclass(frozen=True)
class Plan:
    """Sizes, in steps, and the reference; all that turns a panel and origins into numbers without units.

    Attributes
    ----------
    horizon, context, memory : int
        Steps ahead; steps the network reads; steps that anything reads.
    lags : int
        Recent observations that the linear path reads.
    seasons : tuple of int
    reference : Reference
    drivers : int
        Leading columns of `known` that are covariates and not the calendar.
    size, noise : float64 (series,)
        What one unit is: of the level of a series, and of its deviation from the reference.
    """

    horizon: int
    context: int
    memory: int
    lags: int
    seasons: tuple[int, ...]
    reference: Reference
    drivers: int
    size: Array
    noise: Array

    @property
    def steps(self) -> Array:
        """The steps ahead, from 0 on."""
        return np.arange(self.horizon)

    @property
    def phases(self) -> int:
        """Parts of the shortest season that the linear path may tell apart; 1 without a season."""
        return min(MOST_PHASES, min(self.seasons, default=1))

    @property
    def wanders(self) -> bool:
        """Whether the level is that of the last observation, not that of a season or of the whole."""
        return self.reference.kind in ("naive", "drift")

    def expected(self, panel: Panel, origins: Origins) -> Array:
        """The reference (n, horizon) in the unit of the data."""
        return self.reference.forecast(panel, origins, self.steps, self.memory)

    def anchor(self, panel: Panel, origins: Origins) -> Array:
        """The level (n,) that a window is seen from."""
        if self.wanders:
            return panel.last(origins)
        return panel.mean(origins, max(self.context, self.reference.season))

    def targets(self, panel: Panel, origins: Origins, base: Array) -> Array:
        """What `base` (n, horizon) misses, in units of noise; NaN where nothing was observed."""
        found = panel.y[panel.rows(origins, self.steps)]
        return np.asarray((found - base) / self.noise[origins.series][:, None])

    def usual(self, panel: Panel, rows: Array) -> Array:
        """What the reference's seasons give for rows that have been observed; without seasons the row before."""
        season, count = self.reference.season, self.reference.seasons
        back = np.arange(1, count + 1) * season
        series = np.searchsorted(panel.stop, rows, side="right")
        first = np.append(panel.start, len(panel.y))[series]
        at = rows[..., None] - back
        at = np.where((at >= first[..., None]) & (rows < len(panel.y) - 1)[..., None], at, len(panel.y) - 1)
        return middle(panel.y[at])


def memory_of(horizon: int, context: int, seasons: tuple[int, ...]) -> int:
    """Rows before an origin that anything may read."""
    longest = max(seasons, default=1)
    return max(128, context + (max(SEASONS) + 1 + -(-horizon // longest)) * longest)


def spread(panel: Panel, lag: int) -> Array:
    """Mean absolute change over `lag` steps of each series (series,); 0 if it never changes or has one observation."""
    found = np.zeros(len(panel.stop))
    for i, (a, b) in enumerate(zip(panel.start, panel.stop, strict=True)):
        y = panel.y[a:b]
        change = np.abs(y[lag:] - y[:-lag])
        if not np.isfinite(change).any():
            seen = y[np.isfinite(y)]
            change = np.abs(np.diff(seen))
        change = change[np.isfinite(change)]
        found[i] = change.mean() if len(change) else 0.0
    return found


def deviation(panel: Panel) -> Array:
    """Standard deviation of each series (series,); 0 with one observation."""
    parts = [panel.y[a:b] for a, b in zip(panel.start, panel.stop, strict=True)]
    return np.array([np.std(y[np.isfinite(y)]) for y in parts])

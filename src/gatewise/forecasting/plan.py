"""The plan of a forecaster: horizon, context, seasons, reference and scales."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gatewise.arrays import binary_exponent
from gatewise.errors import Array
from gatewise.forecasting.panel import Panel
from gatewise.forecasting.references import SEASONS, Reference

MOST_PHASES = 24  # hours of a day: longer seasons are told apart in as many parts
LEAST_NOISE = np.finfo(float).tiny ** 0.5  # of a series that never changes
LEAST_MEMORY = 128  # rows from which means and slopes are taken at least; chosen on generated series


@dataclass(frozen=True)
class Plan:
    """Sizes, in steps, and the reference; what turns a panel and origins into numbers without units.

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
    def is_random_walk(self) -> bool:
        """Whether the level is that of the last observation, not that of a season or of the whole."""
        return self.reference.kind in ("naive", "drift")


def memory_of(horizon: int, context: int, seasons: tuple[int, ...]) -> int:
    """Rows before an origin that anything may read."""
    longest = max(seasons, default=1)
    return max(LEAST_MEMORY, context + (max(SEASONS) + 1 + -(-horizon // longest)) * longest)


def scales(panel: Panel, reference: Reference) -> tuple[Array, Array]:
    """Unit of the level of each series (series,), and of its deviation from a reference."""
    noise = spread(panel, reference.season)
    wide = noise if reference.kind in ("naive", "drift") else deviation(panel)
    return np.where(wide > 0, wide, 1.0), np.where(noise > 0, noise, LEAST_NOISE)


def spread(panel: Panel, lag: int) -> Array:
    """Mean absolute change over `lag` steps of each series (series,); 0 if it never changes or has one observation."""
    if lag not in panel.scales:
        parts = zip(panel.start, panel.stop, strict=True)
        panel.scales[lag] = np.array([_mean_change(panel.y[a:b], lag) for a, b in parts], float)
    return panel.scales[lag].copy()


def _mean_change(y: Array, lag: int) -> float:
    """Mean absolute change over `lag` steps, or between neighbors where no two observations lie so far apart."""
    change = np.abs(y[lag:] - y[:-lag])
    if not np.isfinite(change).any():
        change = np.abs(np.diff(y[np.isfinite(y)]))
    change = change[np.isfinite(change)]
    return float(change.mean()) if len(change) else 0.0


def deviation(panel: Panel) -> Array:
    """Standard deviation of each series (series,); 0 with one observation."""
    if "deviation" not in panel.scales:
        parts = [panel.y[a:b] for a, b in zip(panel.start, panel.stop, strict=True)]
        panel.scales["deviation"] = np.array([_standard_deviation(y[np.isfinite(y)]) for y in parts])
    return panel.scales["deviation"].copy()


def _standard_deviation(y: Array) -> float:
    exponent = binary_exponent(y)
    return float(np.ldexp(np.std(np.ldexp(y, -exponent)), exponent))

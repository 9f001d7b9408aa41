"""Errors of held-out forecasts, and how wide they are: at each step ahead, and of each series beside the others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Self

import numpy as np

from gatewise.errors import Array
from gatewise.forecasting.windows import Windows

# All chosen on generated series and on single series of statistics packages.
OWN_STEP = 30.0  # independent windows at which a step's own width counts as much as the curve over the steps
OWN_SERIES = 5.0  # horizons at which a series' own width counts as much as that of the panel
GROWTH = 4.0  # independent windows that growth by the square root counts as
LEAST = 0.02  # of the usual width that a step or a series has at least


class Held(NamedTuple):
    """Errors of held-out forecasts, in the unit that makes them alike.

    Attributes
    ----------
    error : float64 (n, horizon)
        NaN where nothing was observed.
    sides : float64 (n, horizon or 1, 2)
        That unit below and above the median, in units of a series' noise.
    series, row : int (n,)
        Number of the series, and the flat row of the first step ahead.
    weight : float64 (n,)
    """

    error: Array
    sides: Array
    series: Array
    row: Array
    weight: Array

    @classmethod
    def of(
        cls, windows: Sequence[Windows], medians: Sequence[Array], sides: Sequence[Array], weight: Array | None
    ) -> Self:
        """Collect the windows of all folds; `sides` are the units below and above each median."""
        misses = [
            relative(some.targets(median), side) for some, median, side in zip(windows, medians, sides, strict=True)
        ]
        return cls(
            np.concatenate(misses),
            np.concatenate(list(sides)),
            np.concatenate([some.origins.series for some in windows]),
            np.concatenate([some.origins.row for some in windows]),
            np.ones(sum(map(len, windows))) if weight is None else weight,
        )

    def scaled(self, widths: Array) -> Held:
        """The errors in units `widths` (n,) times as large."""
        return self._replace(error=self.error / widths[:, None], sides=self.sides * widths[:, None, None])

    @property
    def independent(self) -> Array:
        """How many independent windows (horizon,) the errors of each step are worth: n / √h, they overlap."""
        steps = 1 + np.arange(self.error.shape[1])
        seen = np.isfinite(self.error) * self.weight[:, None]
        count = seen.sum(axis=0) ** 2 / np.maximum((seen**2).sum(axis=0), 1e-300)
        return np.asarray(count / steps**0.5)


def relative(errors: Array, sides: Array) -> Array:
    """Errors (n, horizon) in units (n, horizon, 2) of their side of the median."""
    return np.asarray(errors / np.where(errors < 0, sides[..., 0], sides[..., 1]))


def widths(held: Held) -> Array:
    """Mean absolute error of each step (horizon,): a power of the step where errors are few, its own where many."""
    steps = 1.0 + np.arange(held.error.shape[1])
    independent = held.independent
    seen = np.isfinite(held.error) * held.weight[:, None]
    total = seen.sum(axis=0)
    mean = np.where(total > 0, np.nansum(np.abs(held.error) * seen, axis=0), 0) / np.where(total > 0, total, 1)
    if not (mean > 0).any():
        return np.full(len(steps), 1e-12)
    usable = mean > 0
    level, power = growth_power(steps[usable], mean[usable], independent[usable])
    curve = level * steps**power
    share = independent / (independent + OWN_STEP)
    own = np.where(usable, mean, curve)
    return np.asarray(np.maximum(np.exp(share * np.log(own) + (1 - share) * np.log(curve)), LEAST * curve))


def series_widths(held: Held, count: int) -> tuple[Array, Array]:
    """Widths beside the usual one: of each window's series without that window (n,), and of each series (series,).

    A series' own width is shrunk to the usual one as if that had been seen in `OWN_SERIES` horizons. The horizon of
    rows that a window is in, and both beside it, are left out of its own width.
    """
    horizon = held.error.shape[1]
    if count == 1:
        return np.ones(len(held.row)), np.ones(1)
    first = np.full(count, held.row.max())
    np.minimum.at(first, held.series, held.row)
    part = 1 + (held.row - first[held.series]) // horizon
    size = np.abs(held.error) / widths(held)
    seen = np.isfinite(size)
    total, number = np.zeros((2, count, part.max() + 2))
    np.add.at(total, (held.series, part), np.where(seen, size, 0).sum(axis=1))
    np.add.at(number, (held.series, part), seen.sum(axis=1))
    usual = total.sum() / max(number.sum(), 1.0)
    stacked = np.stack([total, number, number > 0])
    every = stacked.sum(axis=2)
    near = np.sum([stacked[:, held.series, part + k] for k in (-1, 0, 1)], axis=0)
    return _shrunk(every[:, held.series] - near, usual), _shrunk(every, usual)


def _shrunk(sums: Array, usual: float) -> Array:
    """Widths beside the usual one, from total size, number of errors and number of horizons (3, n)."""
    total, number, horizons = sums
    if not usual > 0:
        return np.ones(len(total))
    own = np.where(number > 0, total / np.maximum(number, 1) / usual, 1.0)
    return np.asarray(np.exp(horizons / (horizons + OWN_SERIES) * np.log(np.maximum(own, LEAST))))


def growth_power(steps: Array, widths: Array, weight: Array) -> tuple[float, float]:
    """Level and power, from 0 to 1, of the growth of widths with the step; little weight shrinks the power to 1/2."""
    steps, widths, weight = np.log(steps), np.log(widths), np.maximum(weight, 1e-12)
    center, middle = np.average(steps, weights=weight), np.average(widths, weights=weight)
    spread = float(np.sum(weight * (steps - center) ** 2))
    along = float(np.sum(weight * (steps - center) * (widths - middle)))
    power = float(np.clip((along + GROWTH * 0.5) / (spread + GROWTH), 0, 1))
    return float(np.exp(middle - power * center)), power

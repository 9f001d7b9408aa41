"""Calibration: how far from the median each quantile of each step lies, by the errors of held-out forecasts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import ndtri, stdtrit

from gatewise.errors import Array
from gatewise.forecasting import dependence
from gatewise.forecasting.dependence import Dependence
from gatewise.forecasting.distribution import GRID
from gatewise.forecasting.plan import Plan
from gatewise.forecasting.windows import Windows

# All chosen on generated series and on single series of statistics packages.
ENOUGH = 400  # errors of a step: with fewer it borrows those of its neighbors
PRIOR = 4.0  # independent windows that the shape of a t distribution counts as
FREEDOM = 5.0  # its degrees of freedom
MIRRORED = 10.0  # independent windows at which a mirrored error counts half: few errors do not show a skew
OWN_STEP = 30.0  # independent windows at which a step's own width counts as much as the curve over the steps
GROWTH = 4.0  # independent windows that growth by the square root counts as
APART = 0.01  # of a width that two levels are apart at least, times the difference of their normal scores
LEAST = 0.02  # of the usual width that a step has at least

T_MEAN = 0.9490  # mean absolute value of the t distribution with 5 degrees of freedom
SHAPE = stdtrit(FREEDOM, (np.arange(99) + 0.5) / 99) / T_MEAN  # of mean absolute value 1


class Calibration(NamedTuple):
    """What turns a median into a distribution.

    Attributes
    ----------
    levels : tuple of float
    offsets : float64 (horizon, levels)
        Distance from the median, in units of a series' noise and scale, or in those of the networks' own spread.
    scale : float64 (series,)
        Width of each series beside the usual one.
    lowest : float64 (series,)
        What no value is below: 0 or −∞.
    dependence : Dependence
        Of the errors of a forecast's steps.
    has_tails : bool
        Whether levels beyond those are known too. Files of before lack that; their offsets are added to the quantiles
        of the networks, level by level.
    """

    levels: tuple[float, ...]
    offsets: Array
    scale: Array
    lowest: Array
    dependence: Dependence
    has_tails: bool = True

    @classmethod
    def none(cls, plan: Plan) -> Calibration:
        """Intervals without width."""
        count = len(plan.noise)
        return cls(
            GRID,
            np.zeros((plan.horizon, len(GRID))),
            np.ones(count),
            np.full(count, -np.inf),
            Dependence.of_walk(plan.horizon),
        )


class Held(NamedTuple):
    """Errors of held-out forecasts, in the unit that makes them alike.

    Attributes
    ----------
    error : float64 (n, horizon)
        NaN where nothing was observed.
    series, fold, row : int (n,)
    weight : float64 (n,)
    """

    error: Array
    series: Array
    fold: Array
    row: Array
    weight: Array

    @classmethod
    def of(
        cls, windows: Sequence[Windows], medians: Sequence[Array], spreads: Sequence[Array] | None, weight: Array | None
    ) -> Held:
        """Collect the windows of all folds."""
        misses = [some.targets(median) for some, median in zip(windows, medians, strict=True)]
        if spreads is not None:
            misses = [relative(miss, spread) for miss, spread in zip(misses, spreads, strict=True)]
        count = [len(some) for some in windows]
        return cls(
            np.concatenate(misses),
            np.concatenate([some.origins.series for some in windows]),
            np.repeat(np.arange(len(windows)), count),
            np.concatenate([some.origins.row for some in windows]),
            np.ones(sum(count)) if weight is None else weight,
        )

    @property
    def independent(self) -> Array:
        """How many independent windows (horizon,) the errors of each step are worth: n / √h, they overlap."""
        steps = 1 + np.arange(self.error.shape[1])
        seen = np.isfinite(self.error) * self.weight[:, None]
        count = seen.sum(axis=0) ** 2 / np.maximum((seen**2).sum(axis=0), 1e-300)
        return np.asarray(count / steps**0.5)


def relative(errors: Array, spread: Array) -> Array:
    """Errors (n, horizon) in units of the spread (n, horizon, 2) of their side of the median."""
    return np.asarray(errors / np.where(errors < 0, spread[..., 0], spread[..., 1]))


def calibrate(
    windows: Sequence[Windows],
    medians: Sequence[Array],
    spreads: Sequence[Array] | None = None,
    weight: Array | None = None,
) -> tuple[Calibration, float]:
    """Return the calibration by the windows of all folds, and its mean pinball loss there in units of noise.

    Parameters
    ----------
    windows : sequence of Windows
        What was held out in each fold.
    medians : sequence of float64 (n, horizon)
        Forecasts of them, in the unit of the data.
    spreads : sequence of float64 (n, horizon, 2), optional
        Widths below and above the median that the networks give, in units of noise; then offsets are relative to them.
    weight : float64 (n,), optional
        Of the windows of all folds.
    """
    plan = windows[0].plan
    held = Held.of(windows, medians, spreads, weight)
    offsets = offsets_of(held)
    calibration = Calibration.none(plan)._replace(
        offsets=offsets, lowest=lowest_of(windows), dependence=dependence.estimated(held.error, held.independent)
    )
    sides = 1.0 if spreads is None else np.concatenate(list(spreads))
    return calibration, loss(held.error, offsets, sides)


def lowest_of(windows: Sequence[Windows]) -> Array:
    """What no value (series,) is below: 0 for series that never were, −∞ for others."""
    panel = windows[0].panel
    least = [np.nanmin(panel.y[a:b]) for a, b in zip(panel.start, panel.stop, strict=True)]
    return np.where(np.array(least) >= 0, 0.0, -np.inf)


def offsets_of(held: Held) -> Array:
    """Offsets (horizon, levels), from errors in one unit: a width for each step, and a shape that neighbors share."""
    width = widths(held)
    scaled = held.error / width
    result = np.zeros((len(width), len(GRID)))
    for h, independent in enumerate(held.independent):
        errors, weights = _around(scaled, held.weight, h)
        result[h] = width[h] * _quantiles(errors, weights, float(independent))
    return result


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


def growth_power(steps: Array, widths: Array, weight: Array) -> tuple[float, float]:
    """Level and power, from 0 to 1, of the growth of widths with the step; little weight shrinks the power to 1/2."""
    steps, widths, weight = np.log(steps), np.log(widths), np.maximum(weight, 1e-12)
    center, middle = np.average(steps, weights=weight), np.average(widths, weights=weight)
    spread = float(np.sum(weight * (steps - center) ** 2))
    along = float(np.sum(weight * (steps - center) * (widths - middle)))
    power = float(np.clip((along + GROWTH * 0.5) / (spread + GROWTH), 0, 1))
    return float(np.exp(middle - power * center)), power


def _around(scaled: Array, weights: Array, step: int) -> tuple[Array, Array]:
    """Errors and weights (n,) of a step, and of as many neighbors as make them enough."""
    for reach in range(scaled.shape[1]):
        near = scaled[:, max(0, step - reach) : step + reach + 1]
        seen = np.isfinite(near)
        if seen.sum() >= ENOUGH:
            break
    return near[seen], np.broadcast_to(weights[:, None], near.shape)[seen]


def _quantiles(errors: Array, weights: Array, independent: float) -> Array:
    """Quantiles (levels,) of errors, of their mirror images and of a t distribution, the fewer errors the more.

    Levels are moved outward as finite samples ask for (Romano, Patterson and Candès, Conformalized Quantile Regression,
    arXiv 1905.03222, section 3).
    """
    weights = weights * independent / weights.sum() if len(weights) else weights
    mirrored = MIRRORED / (MIRRORED + independent)
    prior = np.full(len(SHAPE), PRIOR / len(SHAPE))
    values = np.concatenate([errors, -errors, SHAPE])
    shares = np.concatenate([weights * (1 - mirrored / 2), weights * mirrored / 2, prior])
    level = np.asarray(GRID)
    outward = 1 + 1 / (independent + PRIOR)
    asked = np.clip(np.where(level > 0.5, level * outward, 1 - (1 - level) * outward), 0, 1)
    found = np.quantile(values, asked, weights=shares, method="inverted_cdf")
    return _inside_out(found)


def _inside_out(quantiles: Array) -> Array:
    """Quantiles with 0 as their median, each at least a little farther from it than its inner neighbor."""
    middle = len(quantiles) // 2
    least = APART * ndtri(np.asarray(GRID[middle:]))
    upper, lower = (
        least + np.maximum.accumulate(np.append(0.0, side) - least)
        for side in (quantiles[middle + 1 :], -quantiles[:middle][::-1])
    )
    return np.concatenate([-lower[:0:-1], upper])


def loss(error: Array, offsets: Array, unit: Array | float) -> float:
    """Mean pinball loss over all levels of errors (n, horizon) relative to `unit`, (n, horizon, 2) or 1."""
    total, level = 0.0, np.asarray(GRID)
    for k, below in enumerate(level):
        distance = error - offsets[:, k]
        side = unit if isinstance(unit, float) else unit[..., int(below > 0.5)]
        total += float(np.nanmean(side * np.maximum(below * distance, (below - 1) * distance)))
    return total / len(level)

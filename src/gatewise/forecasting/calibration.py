"""Calibration: how far from the median each quantile of each step lies, by the errors of held-out forecasts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import ndtri, stdtrit

from gatewise.errors import Array
from gatewise.forecasting import dependence, volatility
from gatewise.forecasting.dependence import Dependence
from gatewise.forecasting.distribution import GRID
from gatewise.forecasting.held import Held, series_widths, widths
from gatewise.forecasting.intervals import around
from gatewise.forecasting.panel import Panel
from gatewise.forecasting.plan import Plan
from gatewise.forecasting.windows import Windows

# All chosen on generated series and on single series of statistics packages.
ENOUGH = 400  # errors of a step: with fewer it borrows those of its neighbors
PRIOR = 8.0  # independent windows that the shape of a t distribution counts as
FREEDOM = 5.0  # its degrees of freedom
MIRRORED = 100.0  # independent windows at which a mirrored error counts half: few errors do not show a skew
OUTWARD, FEWEST = 1.5, 4.0  # levels are 1 + 1.5 / (independent windows + 4) times as far from the median
APART = 0.01  # of a width that two levels are apart at least, times the difference of their normal scores
COMPARED = (0.05, 0.25, 0.75, 0.95)  # levels by whose loss calibrations are compared
POWERS = (0.0, 0.5, 1.0)  # of recent changes, tried on held-out windows
USUAL_POWER = 0.02  # of the loss for a distance of 1 from the power 1/2

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
    recent : float
        From 0 to 1: the power with which recent changes beside the usual ones widen or narrow all intervals.
    has_tails : bool
        Whether levels beyond those are known too. Files of before lack that; their offsets are added to the quantiles
        of the networks, level by level.
    """

    levels: tuple[float, ...]
    offsets: Array
    scale: Array
    lowest: Array
    dependence: Dependence
    recent: float = 0.0
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
    units = [volatility.changes(some) for some in windows]
    powers = POWERS if spreads is None else (0.0,)
    held = [Held.of(windows, medians, _sides(units, power, spreads), weight) for power in powers]
    tried = [_calibrated(one, windows[0].plan) for one in held]
    losses = [loss * (1 + USUAL_POWER * abs(power - 0.5)) for (_, loss), power in zip(tried, powers, strict=True)]
    best = int(np.argmin(losses))
    ties = dependence.estimated(held[best].error, held[best].independent)
    calibration = tried[best][0]._replace(recent=powers[best], lowest=lowest_of(windows[0].panel), dependence=ties)
    return calibration, tried[best][1]


def _sides(units: Sequence[tuple[Array, Array]], power: float, spreads: Sequence[Array] | None) -> list[Array]:
    """What a unit is below and above the median (n, horizon or 1, 2), of each fold."""
    plain = [np.repeat((usual ** (1 - power) * recent**power)[:, None, None], 2, axis=2) for usual, recent in units]
    return plain if spreads is None else [one * spread for one, spread in zip(plain, spreads, strict=True)]


def _calibrated(held: Held, plan: Plan) -> tuple[Calibration, float]:
    """The calibration by these errors, and its mean pinball loss."""
    of_others, scale = series_widths(held, len(plan.noise))
    held = held.scaled(of_others)
    offsets = offsets_of(held)
    return Calibration.none(plan)._replace(offsets=offsets, scale=scale), mean_loss(held.error, offsets, held.sides)


def lowest_of(panel: Panel) -> Array:
    """What no value (series,) is below: 0 for series that never were, −∞ for others."""
    least = np.minimum.reduceat(np.where(np.isfinite(panel.y), panel.y, np.inf), panel.start)
    return np.where(least >= 0, 0.0, -np.inf)


def offsets_of(held: Held) -> Array:
    """Offsets (horizon, levels), from errors in one unit: a width for each step, and a shape that neighbors share."""
    width = widths(held)
    scaled = held.error / width
    result = np.zeros((len(width), len(GRID)))
    for h, independent in enumerate(held.independent):
        errors, weights = around(scaled, held.weight, h, ENOUGH)
        result[h] = width[h] * _quantiles(errors, weights, float(independent))
    return result


def _quantiles(errors: Array, weights: Array, independent: float) -> Array:
    """Quantiles (levels,) of errors, of their mirror images and of a t distribution, the fewer errors the more.

    Levels are moved outward from the median as finite samples ask for (Romano, Patterson and Candès, Conformalized
    Quantile Regression, arXiv 1905.03222, section 3).
    """
    weights = weights * independent / weights.sum() if len(weights) else weights
    mirrored = MIRRORED / (MIRRORED + independent)
    prior = np.full(len(SHAPE), PRIOR / len(SHAPE))
    values = np.concatenate([errors, -errors, SHAPE])
    shares = np.concatenate([weights * (1 - mirrored / 2), weights * mirrored / 2, prior])
    level = np.asarray(GRID)
    outward = 1 + OUTWARD / (independent + FEWEST)
    asked = np.clip(0.5 + (level - 0.5) * outward, 0, 1)
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


def mean_loss(error: Array, offsets: Array, sides: Array) -> float:
    """Mean pinball loss over `COMPARED` of errors (n, horizon) in units (n, horizon or 1, 2) of their side."""
    total = 0.0
    for below in COMPARED:
        distance = error - offsets[:, GRID.index(below)]
        side = sides[..., int(below > 0.5)]
        total += float(np.nanmean(side * np.maximum(below * distance, (below - 1) * distance)))
    return total / len(COMPARED)

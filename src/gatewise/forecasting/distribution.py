"""A predictive distribution for each step ahead: quantiles at some levels, and what lies between and beyond them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import ndtr, ndtri

from gatewise.errors import Array, GatewiseValueError

OUTER = (0.005, 0.01, 0.025, 0.05)
GRID = (*OUTER, *(round(0.1 + 0.05 * k, 2) for k in range(17)), *(1 - level for level in reversed(OUTER)))
"""The levels at which a distribution is calibrated."""

INNER = 2  # place of the level that shapes the tail together with the outermost: 0.025 of `GRID`


@dataclass(frozen=True)
class Distribution:
    """Quantiles of n forecasts of `horizon` steps, in order.

    Between two levels a quantile is interpolated linearly in the normal score of the level, so that a normal
    distribution is interpolated exactly. Beyond the outermost levels of `GRID` tails are exponential: a level ten times
    smaller than 0.005 lies as far out as the quantiles of 0.025 and 0.005 suggest.

    Attributes
    ----------
    levels : tuple of float
        In order, 0.5 among them.
    values : float64 (n, horizon, levels)
    has_tails : bool
        Whether levels beyond the outermost may be asked for.
    lowest : float64 (n,)
        What no value is below: 0 or −∞.

    Examples
    --------
    >>> normal = Distribution(GRID, 3 + 2 * ndtri(np.array(GRID))[None, None])
    >>> normal.quantile([0.5, 0.841345])[0, 0].round(3).tolist()
    [3.0, 5.0]
    >>> float(normal.probability(np.array([[3.0]]))[0, 0])
    0.5
    """

    levels: tuple[float, ...]
    values: Array
    has_tails: bool = True
    lowest: Array | float = -np.inf

    @property
    def median(self) -> Array:
        """The median (n, horizon)."""
        return np.asarray(self.values[..., self.levels.index(0.5)])

    def of(self, forecasts: slice) -> Distribution:
        """The distribution of some forecasts."""
        lowest = np.broadcast_to(self.lowest, len(self.values))
        return replace(self, values=self.values[forecasts], lowest=lowest[forecasts])

    def steps(self, part: slice) -> Distribution:
        """The distribution of some steps."""
        return replace(self, values=self.values[:, part])

    def quantile(self, levels: Sequence[float]) -> Array:
        """Quantiles (n, horizon, levels) of levels between 0 and 1.

        Raises
        ------
        GatewiseValueError
            If a level lies beyond those of a distribution without tails.
        """
        every = [self.at(np.full(self.values.shape[:2], float(level))) for level in levels]
        return np.stack(every, axis=-1) if every else np.zeros((*self.values.shape[:2], 0))

    def at(self, probability: Array) -> Array:
        """The quantile (..., n, horizon) of a probability of its own for each step, between 0 and 1."""
        self._check(probability)
        grid = np.asarray(self.levels)
        if len(grid) == 1:
            return np.asarray(np.broadcast_to(self.values[..., 0], probability.shape))
        right = np.clip(np.searchsorted(grid, probability), 1, len(grid) - 1)
        score, scores = ndtri(np.clip(probability, grid[0], grid[-1])), ndtri(grid)
        share = (score - scores[right - 1]) / (scores[right] - scores[right - 1])
        values = np.broadcast_to(self.values, (*probability.shape, len(grid)))
        low, high = (np.take_along_axis(values, k[..., None], axis=-1)[..., 0] for k in (right - 1, right))
        inside = np.where(share == 1, high, low + share * (high - low))
        return np.asarray(np.maximum(inside + self._tail(probability), np.reshape(self.lowest, (-1, 1))))

    def probability(self, values: Array) -> Array:
        """The probability (n, horizon) of at most `values` (n, horizon); NaN where a value is.

        Of several probabilities (a point mass, as at 0) it is the middle one.
        """
        below, above = (self._probability(values, side) for side in ("left", "right"))
        return np.where(np.isfinite(values), (below + above) / 2, np.nan)

    def _probability(self, values: Array, side: str) -> Array:
        grid, count = np.asarray(self.levels), len(self.levels)
        under = self.values < values[..., None] if side == "left" else self.values <= values[..., None]
        right = np.clip(under.sum(axis=-1), 1, count - 1)
        low, high = (np.take_along_axis(self.values, k[..., None], axis=-1)[..., 0] for k in (right - 1, right))
        with np.errstate(invalid="ignore", divide="ignore"):
            share = np.clip(np.nan_to_num((values - low) / (high - low), posinf=1, neginf=0), 0, 1)
        scores = ndtri(grid)
        inside = ndtr(scores[right - 1] + share * (scores[right] - scores[right - 1]))
        return self._beyond(inside, values)

    def _beyond(self, inside: Array, values: Array) -> Array:
        """Probabilities with those in the tails in their place."""
        if not self.has_tails:
            return inside
        down, up = self._decay
        outermost = self.levels[0]
        with np.errstate(divide="ignore", invalid="ignore"):
            under = outermost * np.exp(np.minimum((values - self.values[..., 0]) / down, 0))
            over = outermost * np.exp(np.minimum((self.values[..., -1] - values) / up, 0))
        inside = np.where(values < self.values[..., 0], under, inside)
        return np.where(values > self.values[..., -1], 1 - over, inside)

    @property
    def _decay(self) -> tuple[Array, Array]:
        """Distance (n, horizon) in which each tail falls by a factor of e."""
        decades = np.log(self.levels[INNER] / self.levels[0])
        values = self.values
        return (
            (values[..., INNER] - values[..., 0]) / decades,
            (values[..., -1] - values[..., -1 - INNER]) / decades,
        )

    def _tail(self, probability: Array) -> Array:
        """What lies beyond the outermost levels, 0 between them."""
        if not self.has_tails:
            return np.zeros(probability.shape)
        (down, up), outermost = self._decay, self.levels[0]
        under = np.log(np.minimum(probability / outermost, 1))
        over = np.log(np.minimum((1 - probability) / outermost, 1))
        return np.asarray(down * under - up * over)

    def _check(self, probability: Array) -> None:
        low, high = self.levels[0], self.levels[-1]
        if self.has_tails or not probability.size or (probability.min() >= low and probability.max() <= high):
            return
        outside = probability.min() if probability.min() < low else probability.max()
        raise GatewiseValueError(
            f"levels holds {outside}; this forecaster was saved by a version that kept levels from {low} to {high} "
            f"only: ask for levels among or between those, or fit again."
        )

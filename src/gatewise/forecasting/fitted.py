"""A fitted forecaster on flat arrays: a reference, and the shares of a linear path and of networks that add to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from gatewise.errors import Array
from gatewise.forecasting import intervals, recurrent, volatility
from gatewise.forecasting.calibration import Calibration, lowest_of
from gatewise.forecasting.combination import Combination
from gatewise.forecasting.distribution import Distribution
from gatewise.forecasting.linear import Linear
from gatewise.forecasting.panel import Origins, Panel
from gatewise.forecasting.plan import Plan
from gatewise.forecasting.settings import LEARNED
from gatewise.forecasting.windows import Windows
from gatewise.layers import Sequential
from gatewise.threads import single_threaded_blas

LEAST_SPREAD = 0.1  # of the spread of both sides, which each has at least; chosen on generated series


@dataclass(frozen=True)
class Fitted:
    """All that forecasts: `base` is reference + share · linear path; then come share · networks, and the intervals.

    Attributes
    ----------
    plan : Plan
    levels : tuple of float
        The quantiles asked for in the fit, and the median.
    calibration : Calibration
        Of the distances from the median.
    linear : Linear or None
    linear_share : float
        In [0, 1].
    networks : tuple of Sequential
    network_share : float
        In [0, 1].
    own_spread : bool
        Whether distances from the median follow those that the networks give.
    learned : tuple of float
        The quantiles that the networks give.
    """

    plan: Plan
    levels: tuple[float, ...]
    calibration: Calibration
    linear: Linear | None = None
    linear_share: float = 0.0
    networks: tuple[Sequential, ...] = ()
    network_share: float = 0.0
    own_spread: bool = False
    learned: tuple[float, ...] = LEARNED
    combination: Combination | None = None

    @classmethod
    def reference_only(cls, plan: Plan, levels: tuple[float, ...]) -> Fitted:
        """The reference of a plan as it is, without intervals."""
        return cls(plan, levels, Calibration.none(plan))

    @single_threaded_blas()
    def base(self, windows: Windows) -> Array:
        """Reference, linear path and simple methods (n, horizon), in the unit of the data."""
        path = self.path(windows)
        return path if self.combination is None else self.combination.forecast(windows, path)

    def path(self, windows: Windows) -> Array:
        """Reference and linear path (n, horizon), in the unit of the data."""
        if self.linear is None or not self.linear_share:
            return windows.reference
        return np.asarray(windows.reference + self.linear_share * windows.noise * self.linear.forecast(windows))

    @property
    def reference(self) -> str:
        """What is forecast without networks, in words."""
        if self.combination is None:
            return str(self.plan.reference)
        path = f"{self.plan.reference}{' with a linear path' if self.linear_share else ''}"
        return self.combination.words(path)

    @single_threaded_blas()
    def advanced(self, panel: Panel, rows: Array) -> Fitted:
        """The same for a panel that begins at the flat rows `rows` (series,) of this one."""
        combination = self.combination
        return self if combination is None else replace(self, combination=combination.advanced(panel, rows))

    @single_threaded_blas()
    def distribution(self, panel: Panel, origins: Origins) -> Distribution:
        """The distribution of each step after each origin, in the unit of the data.

        Returns
        -------
        Distribution
            `quantile(levels)` gives (n, horizon, levels), `probability(values)` how likely at most the values
            (n, horizon) are, `median` the forecast (n, horizon).
        """
        windows = Windows(panel, self.plan, origins)
        base = self.base(windows)
        parts = recurrent.forecast(self.networks, windows, base) if self.networks else None
        calibration, series = self.calibration, origins.series
        values = base[..., None] + windows.noise[..., None] * self._deviations(parts, windows)
        lowest = np.minimum(calibration.lowest, lowest_of(panel))[series]
        values = np.maximum(intervals.monotone(values, calibration.levels), lowest[:, None, None])
        return Distribution(calibration.levels, values, calibration.has_tails, lowest)

    def forecast(self, panel: Panel, origins: Origins) -> Array:
        """Quantiles (n, horizon, levels) in the unit of the data, in order."""
        return self.distribution(panel, origins).quantile(self.levels)

    def _deviations(self, parts: Array | None, windows: Windows) -> Array:
        """Distances (n, horizon, levels) from the base in units of noise; `parts` are the networks' quantiles."""
        calibration = self.calibration
        if not calibration.has_tails:
            zeros = np.zeros((len(windows), *calibration.offsets.shape))
            own = zeros if parts is None else shrunk(parts, self.network_share, self.own_spread, self.learned)
            return own + calibration.offsets
        unit = calibration.scale[windows.origins.series]
        if calibration.recent:
            unit = unit * volatility.changes(windows)[1] ** calibration.recent
        offsets = unit[:, None, None] * calibration.offsets
        if parts is None:
            return offsets
        if self.own_spread:
            side = (np.asarray(calibration.levels) > 0.5).astype(int)
            offsets = offsets * own_spread(parts, self.learned)[..., side]
        return np.asarray(self.network_share * parts[..., [self.learned.index(0.5)]] + offsets)


def shrunk(quantiles: Array, share: float, own_spread: bool, levels: Sequence[float]) -> Array:
    """A share of the networks' median (n, horizon, levels), and their own spread around it or none."""
    median = quantiles[..., [levels.index(0.5)]]
    return np.asarray(share * median + (quantiles - median if own_spread else np.zeros_like(quantiles)))


def own_spread(quantiles: Array, levels: Sequence[float]) -> Array:
    """Distances (n, horizon, 2) of the networks' outermost quantiles from their median, no side next to nothing."""
    median = quantiles[..., levels.index(0.5)]
    spread = np.stack([median - quantiles[..., 0], quantiles[..., -1] - median], axis=-1)
    usual = (quantiles[..., -1] - quantiles[..., 0])[..., None] / 2
    return np.asarray(np.maximum(spread, LEAST_SPREAD * usual + 1e-9))

"""A fitted forecaster on flat arrays: a reference, and the shares of a linear path and of networks that add to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from gatewise.errors import Array
from gatewise.forecasting import intervals, recurrent
from gatewise.forecasting.combination import Combination
from gatewise.forecasting.linear import Linear
from gatewise.forecasting.panel import Origins, Panel
from gatewise.forecasting.plan import Plan
from gatewise.forecasting.windows import Windows
from gatewise.layers import Sequential


@dataclass(frozen=True)
class Fitted:
    """All that forecasts: `base` is reference + share · linear path; then come share · networks, and the offsets.

    Attributes
    ----------
    plan : Plan
    levels : tuple of float
    offsets : float64 (horizon, levels)
        What calibrates the quantiles, in units of noise.
    linear : Linear or None
    linear_share : float
        In [0, 1].
    networks : tuple of Sequential
    network_share : float
        In [0, 1].
    own_spread : bool
        Whether quantiles keep the distances from the median that the networks give them.
    """

    plan: Plan
    levels: tuple[float, ...]
    offsets: Array
    linear: Linear | None = None
    linear_share: float = 0.0
    networks: tuple[Sequential, ...] = ()
    network_share: float = 0.0
    own_spread: bool = False
    combination: Combination | None = None

    @classmethod
    def reference_only(cls, plan: Plan, levels: tuple[float, ...]) -> Fitted:
        """The reference of a plan as it is, without intervals."""
        return cls(plan, levels, np.zeros((plan.horizon, len(levels))))

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

    def advanced(self, panel: Panel, rows: Array) -> Fitted:
        """The same for a panel that begins at the flat rows `rows` (series,) of this one."""
        combination = self.combination
        return self if combination is None else replace(self, combination=combination.advanced(panel, rows))

    def uncalibrated(self, windows: Windows, base: Array) -> Array:
        """Quantiles (n, horizon, levels) without offsets, in units of noise from `base`."""
        if not self.networks:
            return np.zeros((*base.shape, len(self.levels)))
        quantiles = recurrent.forecast(self.networks, windows, base)
        return shrunk(quantiles, self.network_share, self.own_spread, self.levels)

    def forecast(self, panel: Panel, origins: Origins) -> Array:
        """Quantiles (n, horizon, levels) in the unit of the data, in order."""
        windows = Windows(panel, self.plan, origins)
        base = self.base(windows)
        deviations = self.uncalibrated(windows, base) + self.offsets
        return intervals.monotone(base[..., None] + windows.noise[..., None] * deviations, self.levels)


def shrunk(quantiles: Array, share: float, own_spread: bool, levels: Sequence[float]) -> Array:
    """A share of the networks' median (n, horizon, levels), and their own spread around it or none."""
    median = quantiles[..., [levels.index(0.5)]]
    return np.asarray(share * median + (quantiles - median if own_spread else np.zeros_like(quantiles)))

"""The settings of a forecaster: what the user wants and what the data suggest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gatewise.forecasting.recurrent import NetworkSettings


@dataclass(frozen=True)
class Settings:
    """What a fit is asked for.

    Attributes
    ----------
    horizon, context : int
        Steps ahead; steps that the networks read back.
    seasons : tuple of int
        Steps in each season, the shortest first.
    drivers : int
        Leading columns of `Panel.known` that are covariates and not the calendar.
    levels : tuple of float
        Quantiles, the median among them, in order.
    n_networks : int
        Networks that are averaged.
    network : NetworkSettings
    """

    horizon: int
    context: int
    seasons: tuple[int, ...]
    drivers: int
    levels: tuple[float, ...]
    n_networks: int
    network: NetworkSettings


def levels_of(quantiles: Sequence[float]) -> tuple[float, ...]:
    """The levels a network gives: those asked for and the median, in order."""
    return tuple(sorted({*map(float, quantiles), 0.5}))

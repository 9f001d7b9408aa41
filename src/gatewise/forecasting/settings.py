"""The settings of a forecaster: what the user wants and what the data suggest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gatewise.errors import GatewiseTypeError, GatewiseValueError, check_number
from gatewise.forecasting.recurrent import NetworkSettings

LEARNED = (0.1, 0.5, 0.9)  # the quantiles that networks learn, whichever are asked for


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


def checked_levels(name: str, levels: Any) -> list[float]:
    """Levels as numbers; raise unless there are some, each between 0 and 1."""
    if isinstance(levels, str) or not np.iterable(levels) or not len(list(levels)):
        raise GatewiseTypeError(f"{name} is {levels!r}; need levels such as (0.1, 0.5, 0.9).")
    for level in levels:
        if isinstance(level, float | int | np.floating | np.integer) and not 0 < level < 1:
            raise GatewiseValueError(f"{name} holds {level}; need levels between 0 and 1.")
        check_number(name, level, 0, 1)
    return [float(level) for level in levels]

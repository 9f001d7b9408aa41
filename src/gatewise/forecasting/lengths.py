"""How far ahead series of some lengths can be forecast so that their own past can judge the forecasts."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from gatewise.errors import Array, GatewiseWarning

PARTS = 4  # of a series: a horizon that nobody asked for is one of them at most, so that three can be held out
FEWEST = 2  # held-out forecasts that judge a horizon at least


def usual_horizon(wanted: int, lengths: Array) -> int:
    """Return how many steps to forecast where nobody says: those wanted, but a quarter of the median length at most.

    Examples
    --------
    >>> usual_horizon(10, np.array([12, 12])), usual_horizon(12, np.array([144]))
    (3, 12)
    """
    return max(1, min(wanted, int(np.median(lengths)) // PARTS))


def held_out_forecasts(horizon: int, lengths: Array) -> int:
    """Return how many forecasts of so many steps fit into series without overlap, each with as long a past before it.

    Examples
    --------
    >>> held_out_forecasts(10, np.array([12])), held_out_forecasts(3, np.array([12]))
    (0, 3)
    """
    return int(np.maximum(np.asarray(lengths) // horizon - 1, 0).sum())


def doubt(horizon: int, lengths: Array) -> str:
    """Return what to say of a horizon that series of these lengths cannot judge; empty if they can."""
    count, longest = held_out_forecasts(horizon, lengths), int(np.max(lengths))
    if count >= FEWEST:
        return ""
    allowed = "no held-out forecast" if not count else "one held-out forecast"
    shorter = longest // (FEWEST + 1)
    advice = f", or a horizon of {shorter} at most" if shorter else ""
    return (
        f"horizon is {horizon}, and the longest series has {longest} step{'s' * (longest > 1)}: they allow "
        f"{allowed} of so many steps, so "
        f"that selection and intervals rest on little; need {horizon * (FEWEST + 1)} steps{advice}."
    )


def judge_horizon(horizon: int, lengths: Array) -> None:
    """Warn if series of these lengths cannot judge forecasts of so many steps."""
    words = doubt(horizon, lengths)
    if words:
        warnings.warn(words, GatewiseWarning, stacklevel=4)


@contextmanager
def no_doubts() -> Iterator[None]:
    """Warn nobody: of fits to a part of the series, which are there to judge, or where it is said otherwise."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", GatewiseWarning)
        yield

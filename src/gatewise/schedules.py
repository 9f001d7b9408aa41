"""Learning rates that change while training: each schedule maps the index of a step, from 0, to a rate.

A schedule is a small frozen dataclass: it can be compared, pickled, and given to an optimizer in place of a
number. Past its last step it stays where it ended.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from gatewise.errors import check_number

Schedule = Callable[[int], float]


@dataclass(frozen=True)
class Constant:
    """The same rate at every step.

    Parameters
    ----------
    lr : float
        The rate, at least 0.

    Raises
    ------
    GatewiseError
        If `lr` is no number or negative.

    Examples
    --------
    >>> Constant(0.1)(500)
    0.1
    """

    lr: float

    def __post_init__(self) -> None:
        check_number("lr", self.lr, 0.0)

    def __call__(self, index: int) -> float:
        """Return the rate of step `index`."""
        return float(self.lr)


@dataclass(frozen=True)
class Step:
    """Multiply the rate by `gamma` after every `step_size` steps (PyTorch's `StepLR`).

    Parameters
    ----------
    lr : float
        Rate of the first `step_size` steps, at least 0.
    step_size : int
        Steps between two changes, at least 1.
    gamma : float
        Factor of each change, at least 0.

    Raises
    ------
    GatewiseError
        If an argument is of the wrong type or out of its range.

    Examples
    --------
    >>> schedule = Step(1.0, step_size=2, gamma=0.5)
    >>> [schedule(index) for index in range(5)]
    [1.0, 1.0, 0.5, 0.5, 0.25]
    """

    lr: float
    step_size: int
    gamma: float = 0.1

    def __post_init__(self) -> None:
        check_number("lr", self.lr, 0.0)
        check_number("step_size", self.step_size, 1, integer=True)
        check_number("gamma", self.gamma, 0.0)

    def __call__(self, index: int) -> float:
        """Return the rate of step `index`."""
        return float(self.lr * self.gamma ** (index // self.step_size))


@dataclass(frozen=True)
class Cosine:
    """Fall from `lr` to `floor` along half a cosine, and stay there (`CosineAnnealingLR`, which rises again).

    Parameters
    ----------
    lr : float
        Rate of step 0, at least 0.
    steps : int
        Index of the first step at `floor`, at least 1.
    floor : float
        Last rate, at least 0.

    Raises
    ------
    GatewiseError
        If an argument is of the wrong type or out of its range.

    References
    ----------
    Loshchilov and Hutter, SGDR, arXiv 1608.03983, equation 5, without restarts.

    Examples
    --------
    >>> schedule = Cosine(1.0, steps=4)
    >>> [round(schedule(index), 3) for index in range(6)]
    [1.0, 0.854, 0.5, 0.146, 0.0, 0.0]
    """

    lr: float
    steps: int
    floor: float = 0.0

    def __post_init__(self) -> None:
        check_number("lr", self.lr, 0.0)
        check_number("steps", self.steps, 1, integer=True)
        check_number("floor", self.floor, 0.0)

    def __call__(self, index: int) -> float:
        """Return the rate of step `index`."""
        return _cosine(self.lr, self.floor, min(index / self.steps, 1.0))


@dataclass(frozen=True)
class OneCycle:
    """Rise to `max_lr`, then fall far below the start, both along half a cosine (PyTorch's `OneCycleLR`).

    Only the rate moves: PyTorch's scheduler also cycles the momentum unless told `cycle_momentum=False`.

    Parameters
    ----------
    max_lr : float
        Highest rate, at least 0.
    steps : int
        Steps of the whole cycle, at least 2.
    pct_start : float
        Fraction of the steps spent rising, 0 to 1.
    div_factor : float
        The first rate is `max_lr / div_factor`; more than 0.
    final_div_factor : float
        The last rate is the first divided by this; more than 0.

    Raises
    ------
    GatewiseError
        If an argument is of the wrong type or out of its range.

    References
    ----------
    Smith and Topin, Super-Convergence, arXiv 1708.07120.

    Examples
    --------
    >>> schedule = OneCycle(1.0, steps=10)
    >>> [round(schedule(index), 3) for index in (0, 1, 2, 5, 9)]
    [0.04, 0.52, 1.0, 0.611, 0.0]
    """

    max_lr: float
    steps: int
    pct_start: float = 0.3
    div_factor: float = 25.0
    final_div_factor: float = 1e4

    def __post_init__(self) -> None:
        check_number("max_lr", self.max_lr, 0.0)
        check_number("steps", self.steps, 2, integer=True)
        check_number("pct_start", self.pct_start, 0.0, 1.0)
        check_number("div_factor", self.div_factor, 0.0, open_low=True)
        check_number("final_div_factor", self.final_div_factor, 0.0, open_low=True)

    def __call__(self, index: int) -> float:
        """Return the rate of step `index`."""
        first = self.max_lr / self.div_factor
        last, top = self.steps - 1, self.pct_start * self.steps - 1
        index = min(index, last)
        if top > 0 and index <= top:
            return _cosine(first, self.max_lr, index / top)
        return _cosine(self.max_lr, first / self.final_div_factor, (index - top) / (last - top))


@dataclass(frozen=True)
class WarmUp:
    """Rise in a straight line to where `then` begins, then follow it (PyTorch's `LinearLR` and then another).

    Parameters
    ----------
    then : float or schedule
        The rate after the warm-up; a schedule starts with its step 0 after `steps` steps.
    steps : int
        Steps of the warm-up, at least 1.
    start_factor : float
        Step 0 has `start_factor` times the rate that the warm-up ends at; 0 to 1.

    Raises
    ------
    GatewiseError
        If an argument is of the wrong type or out of its range.

    Examples
    --------
    >>> schedule = WarmUp(1.0, steps=4, start_factor=0.0)
    >>> [schedule(index) for index in range(6)]
    [0.0, 0.25, 0.5, 0.75, 1.0, 1.0]
    """

    then: float | Schedule
    steps: int
    start_factor: float = 1 / 3

    def __post_init__(self) -> None:
        if not callable(self.then):
            check_number("then", self.then, 0.0)
        check_number("steps", self.steps, 1, integer=True)
        check_number("start_factor", self.start_factor, 0.0, 1.0)

    def __call__(self, index: int) -> float:
        """Return the rate of step `index`."""
        factor = self.start_factor + (1 - self.start_factor) * min(index / self.steps, 1.0)
        return float(factor * rate_at(self.then, max(index - self.steps, 0)))


def rate_at(lr: float | Schedule, index: int) -> float:
    """Return the rate of step `index`, of a schedule or of a plain number; raise unless it is at least 0."""
    rate = lr(index) if callable(lr) else lr
    check_number("lr", rate, 0.0)
    return float(rate)


def _cosine(start: float, end: float, fraction: float) -> float:
    """Return the rate at `fraction` of the way from `start` to `end` along half a cosine."""
    return float(end + (start - end) / 2 * (1 + math.cos(math.pi * fraction)))

"""How many steps of sequences the evaluation of a graph may take: a small file can ask for any number of them.

A Scan may step over an axis of an array that has no elements, and stand in the body of another Scan, so that no limit
on sizes bounds its steps.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from gatewise.errors import GatewiseValueError

MAX_STEPS = 2**20
"""Steps of all Scan, GRU, LSTM and RNN together in one run of a graph, unless the caller says how many."""


class _Run:
    """The steps that a run may take, and has taken."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.taken = 0


_RUN: ContextVar[_Run | None] = ContextVar("steps of the run", default=None)


@contextmanager
def at_most(steps: int) -> Iterator[None]:
    """Bound the steps of what is evaluated within."""
    token = _RUN.set(_Run(steps))
    try:
        yield
    finally:
        _RUN.reset(token)


def take(steps: int) -> None:
    """Count the steps that an operator is about to take; raise if there are more than the run may have.

    Examples
    --------
    >>> with at_most(10):
    ...     take(7)
    ...     take(4)
    Traceback (most recent call last):
        ...
    gatewise.errors.GatewiseValueError: its 4 steps make 11 in this run; need 10 at most: pass a larger max_steps= to \
gw.from_onnx, if you trust the file and the input is as long as that.
    """
    run = _RUN.get() or _Run(MAX_STEPS)
    run.taken += steps
    if run.taken > run.most:
        raise GatewiseValueError(
            f"its {steps:,} steps make {run.taken:,} in this run; need {run.most:,} at most: pass a larger max_steps= "
            f"to gw.from_onnx, if you trust the file and the input is as long as that."
        )

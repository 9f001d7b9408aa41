"""How much the evaluation of a graph may take: a small file can ask for any number of steps, nodes and elements.

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
TRIED_STEPS, TRIED_NODES = 2**14, 50_000
"""Steps, and nodes evaluated, where a graph is tried while it is read: less than two seconds of either."""
UNBOUNDED = 2**62


class ExceededError(GatewiseValueError):
    """An evaluation that would take more than it may."""


class _Run:
    """What a run may take, and has taken: steps, bytes of results, and nodes."""

    def __init__(self, steps: int, size: int, nodes: int) -> None:
        self.most = {"steps": steps, "bytes": size, "nodes": nodes}
        self.taken = dict.fromkeys(self.most, 0)

    def left(self, what: str) -> int:
        return self.most[what] - self.taken[what]

    def take(self, what: str, count: int) -> None:
        self.taken[what] += count
        if self.taken[what] > self.most[what]:
            raise ExceededError(_REFUSALS[what].format(count, self.taken[what], self.most[what]))


_REFUSALS = {
    "steps": "its {:,} steps make {:,} in this run; need {:,} at most: pass a larger max_steps= to gw.from_onnx, if "
    "you trust the file and the input is as long as that.",
    "bytes": "its result of {:,} bytes makes {:,} where it is tried; need {:,} at most: if you trust the file, pass "
    "limits=gw.Limits(expansion=...) to gw.from_onnx, how many times larger than the file that may be.",
    "nodes": "its {:,} node makes {:,} that are tried; need {:,} at most: pass kind='graph' to gw.from_onnx.",
}
_RUN: ContextVar[_Run | None] = ContextVar("what a run has taken", default=None)


@contextmanager
def at_most(steps: int, size: int = UNBOUNDED, nodes: int = UNBOUNDED) -> Iterator[None]:
    """Bound the steps, the bytes of results and the nodes of what is evaluated within; by an outer bound too."""
    outer = _RUN.get()
    bounds = [steps, size, nodes]
    if outer is not None:
        bounds = [min(one, outer.left(what)) for one, what in zip(bounds, outer.most, strict=True)]
    run = _Run(*bounds)
    token = _RUN.set(run)
    try:
        yield
    finally:
        _RUN.reset(token)
        if outer is not None:
            outer.taken = {what: outer.taken[what] + run.taken[what] for what in run.taken}


def take(steps: int) -> None:
    """Count the steps that an operator is about to take; raise if there are more than the run may have.

    Examples
    --------
    >>> with at_most(10):
    ...     take(7)
    ...     take(4)
    Traceback (most recent call last):
        ...
    gatewise.interop.onnx.limits.ExceededError: its 4 steps make 11 in this run; need 10 at most: pass a larger \
max_steps= to gw.from_onnx, if you trust the file and the input is as long as that.
    """
    (_RUN.get() or _Run(MAX_STEPS, UNBOUNDED, UNBOUNDED)).take("steps", steps)


def take_result(size: int) -> None:
    """Count a node that has been evaluated and the bytes of its results."""
    run = _RUN.get()
    if run is not None:
        run.take("nodes", 1)
        run.take("bytes", size)


@contextmanager
def step() -> Iterator[None]:
    """Let what is made within, in a step of a Scan, not count any more after it: the step does not keep it."""
    run = _RUN.get()
    before = 0 if run is None else run.taken["bytes"]
    yield
    if run is not None:
        run.taken["bytes"] = before


def check_elements(count: int) -> None:
    """Raise if an array of so many elements is more than the run may still make, before it is made."""
    run = _RUN.get()
    if run is not None and count > run.left("bytes"):
        raise ExceededError(_REFUSALS["bytes"].format(count, run.taken["bytes"] + count, run.most["bytes"]))

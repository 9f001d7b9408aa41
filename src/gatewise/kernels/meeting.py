"""Threads that share the units of the same sequences meet after every step, because each needs what the others made."""

# mypy: disable-error-code="no-untyped-def, no-untyped-call"
from __future__ import annotations

import sys

from llvmlite import ir

from gatewise.kernels.marks import routine, stage
from gatewise.kernels.values import Array, Number, current, integer
from gatewise.kernels.vectors import declared

# Looks at the counter before a thread offers its core to others: about half a microsecond.
PATIENCE = 2000


def _add(counter: Array, value: int) -> None:
    """counter[0] += value, atomically."""
    current().atomic_rmw("add", counter.data, integer(value), "seq_cst")


def _look(counter: Array) -> Number:
    """counter[0] as other threads have left it."""
    return Number(current().load_atomic(counter.data, "seq_cst", 8))


def offer_core() -> None:
    """Let another thread run, where the system has a call for that."""
    if sys.platform != "win32":
        kind = ir.FunctionType(ir.IntType(32), [])
        current().call(declared(current().module, "sched_yield", kind), [])


@routine
def meet(counter, until):
    """Arrive, and return when `until` arrivals have been counted; `counter` (1,) starts at 0."""
    _add(counter, 1)
    looks = 0
    while _look(counter) < until:
        looks += 1
        if looks > PATIENCE:
            offer_core()


@stage
def meet_team(team, meetings):
    """Meet the others of team = (counter, size, shared), if any, after `meetings` meetings before; one more."""
    counter, size, _ = team
    if size > 1:
        meet(counter, size * (meetings + 1))
    return meetings + 1

"""Threads that share the units of the same sequences meet after every step, because each needs what the others made."""

# mypy: disable-error-code="no-untyped-def, no-untyped-call"
from __future__ import annotations

import sys

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from gatewise.kernels.marks import routine, stage

# Looks at the counter before a thread offers its core to others: about 20 µs.
PATIENCE = 2000


@intrinsic
def _add(typingctx, counter, value):
    """counter[0] += value, atomically."""

    def codegen(context, builder, sig, args):
        pointer = context.make_array(sig.args[0])(context, builder, args[0]).data
        return builder.atomic_rmw("add", pointer, args[1], "seq_cst")

    return types.int64(counter, types.int64), codegen


@intrinsic
def _look(typingctx, counter):
    """counter[0] as other threads have left it."""

    def codegen(context, builder, sig, args):
        pointer = context.make_array(sig.args[0])(context, builder, args[0]).data
        return builder.load_atomic(pointer, "seq_cst", 8)

    return types.int64(counter), codegen


@intrinsic
def _offer_core(typingctx):
    """Let another thread run, where the system has a call for that."""

    def codegen(context, builder, sig, args):
        if sys.platform != "win32":
            function = cgutils.get_or_insert_function(
                builder.module, ir.FunctionType(ir.IntType(32), []), "sched_yield"
            )
            builder.call(function, [])
        return context.get_dummy_value()

    return types.void(), codegen


@routine
def meet(counter, until):
    """Arrive, and return when `until` arrivals have been counted; `counter` (1,) starts at 0."""
    _add(counter, 1)
    looks = 0
    while _look(counter) < until:
        looks += 1
        if looks > PATIENCE:
            _offer_core()


@stage
def meet_team(team, meetings):
    """Meet the others of team = (counter, size, shared), if any, after `meetings` meetings before; one more."""
    counter, size, _ = team
    if size > 1:
        meet(counter, size * (meetings + 1))
    return meetings + 1

"""Compiled twins of the time loop: the same letters, the same equations, arrays in, arrays out.

`find(cell)` gives the kernel of a cell or None; `recurrence` asks it for every pass. llvmlite is imported at the first
use, nothing is compiled before the first call, and compiled code is kept on disk.
"""

from __future__ import annotations

import functools
import os
import sys
import time
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from gatewise.cells import FORMS, Cell
from gatewise.cells.cell import PlainStep, PlainStepBackward, recurrent_gradient

if TYPE_CHECKING:
    from gatewise.kernels.dispatch import Kernel
    from gatewise.kernels.pooling import Pools
    from gatewise.kernels.smoothing import Recursions
    from gatewise.kernels.steps import Streams
    from gatewise.kernels.updating import Updates


@functools.cache
def enabled() -> bool:
    """Whether kernels are used: yes, unless GATEWISE_KERNELS is 0 or this Python cannot run them.

    They need llvmlite, their own source files, and arrays that lie in memory as CPython of 64 bits has them.
    """
    usual = sys.implementation.name == "cpython" and sys.maxsize > 2**32 and os.path.exists(__file__)
    if os.environ.get("GATEWISE_KERNELS", "1") == "0" or not usual:
        return False
    try:
        import llvmlite  # noqa: F401
    except ImportError:
        return False
    return True


def warm_up(done: Callable[[str], None] = lambda text: None) -> float:
    """Compile every kernel for both dtypes, so that no later process has to; return the seconds it took.

    `done` is called after each with a short text. Nothing is compiled twice: where the cache has it all, this takes the
    time of loading it.
    """
    import numpy as np

    started = time.perf_counter()
    for cell, dtype in variants():
        G, Q = len(cell.gates), sum(phase.products for phase in cell.phases)
        x = np.zeros((1, 1, 1), dtype)
        state = np.zeros((len(cell.states), 1, 1), dtype)
        weights = tuple(np.zeros(shape, dtype) for shape in ((G, 1), (Q, 1), (G,), (Q,)))
        kernel = find(cell)
        if kernel:
            states, record, _ = kernel.forward(x, weights, state, None, True, True)
            kernel.backward((x, weights, state, None, states, record), x, state)
            streams(kernel, 1, 1, 1, 1, np.dtype(dtype))
        done(f"{cell.name} {dtype}")
    if enabled():
        _warm_up_others()
    return time.perf_counter() - started


def _warm_up_others() -> None:
    """Compile what is no time loop."""
    import numpy as np

    from gatewise.kernels import crew, pooling, smoothing, updating

    crew.compiled()
    smoothing.compiled()
    for dtype in map(np.dtype, ("float32", "float64")):
        pooling.compiled(dtype)
        updating.compiled(dtype)


def variants() -> list[tuple[Cell, str]]:
    """Every cell of the library, with every dtype; none if kernels are switched off."""
    return [(cell, dtype) for cell in FORMS.values() for dtype in ("float32", "float64")] if enabled() else []


def find(cell: Cell) -> Kernel | None:
    """Return the kernel of `cell`, the library's or a user's, or None: then the NumPy path serves.

    None if kernels are switched off, if steps of the cell are not made of its `phases`, and, with a warning, if those
    do not compile.
    """
    last = _last.get(id(cell))
    if last and last[0] is cell:
        return last[1]
    try:
        hash(cell)
    except TypeError:  # a part of its own that is not known again
        return None
    if len(_last) >= 64:
        _last.clear()
    kernel = _find(cell)
    _last[id(cell)] = cell, kernel
    return kernel


# What was found for a cell by its identity: to compute its hash takes as long as a step.
_last: dict[int, tuple[Cell, Kernel | None]] = {}


@functools.cache
def _find(cell: Cell) -> Kernel | None:
    if not enabled() or not cell.phases or not _made_of_phases(cell):
        return None
    from gatewise.kernels.dispatch import kernel
    from gatewise.kernels.pointwise import rejection

    reason = None if cell in FORMS.values() else rejection(cell)
    if reason:
        text = f"cell {cell.name!r} runs in NumPy, more slowly, because its functions do not compile: {reason}"
        warnings.warn(text, stacklevel=4)
        return None
    return kernel(cell)


def streams(kernel: Kernel, batch: int, layers: int, input_size: int, hidden_size: int, dtype: Any) -> Streams:
    """Return the states of `batch` streams through a stack of layers of one cell, and what runs their steps."""
    from gatewise.kernels.steps import Streams

    return Streams(kernel, batch, layers, input_size, hidden_size, dtype)


def _made_of_phases(cell: Cell) -> bool:
    """Whether the steps of a cell are what its phases say, so that a kernel computes the same."""
    if len(cell.phases) > 1:
        return cell in FORMS.values()
    (phase,) = cell.phases
    steps = cell.step, cell.step_backward, cell.recurrent_gradient
    return steps == (PlainStep(phase.forward), PlainStepBackward(phase.backward), recurrent_gradient)


@functools.cache
def updates() -> Updates | None:
    """Return the compiled updates of optimizers, or None if kernels are switched off."""
    if not enabled():
        return None
    from gatewise.kernels.updating import Updates

    return Updates()


@functools.cache
def recursions() -> Recursions | None:
    """Return the compiled recursion of exponential smoothing, or None if kernels are switched off."""
    if not enabled():
        return None
    from gatewise.kernels.smoothing import Recursions

    return Recursions()


@functools.cache
def pools() -> Pools | None:
    """Return the compiled passes of `Pool`, or None if kernels are switched off."""
    if not enabled():
        return None
    from gatewise.kernels.pooling import Pools

    return Pools()

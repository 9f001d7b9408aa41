"""Compiled twins of the time loop: the same letters, the same equations, arrays in, arrays out.

`find(cell)` gives the kernel of a cell or None; `recurrence` asks it for every pass. Numba is imported at the first
use, nothing is compiled before the first call, and compiled code is kept in Numba's cache.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

from gatewise.cells import Cell

if TYPE_CHECKING:
    from gatewise.kernels.dispatch import Kernel


@cache
def enabled() -> bool:
    """Whether kernels are used: yes, unless GATEWISE_KERNELS is 0 or Numba cannot be imported."""
    if os.environ.get("GATEWISE_KERNELS", "1") == "0":
        return False
    try:
        import numba  # noqa: F401
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
        G = len(cell.gates)
        x = np.zeros((1, 1, 1), dtype)
        state = tuple(np.zeros((1, 1), dtype) for _ in cell.states)
        weights = tuple(np.zeros(shape, dtype) for shape in ((G, 1), (G, 1), (G,), (G,)))
        kernel = _kernels()[cell]
        states, record, _ = kernel.forward(x, weights, state, None, True, True)
        kernel.backward(x, weights, state, None, states, record, x, state)
        done(f"{cell.name} {dtype}")
    return time.perf_counter() - started


def variants() -> list[tuple[Cell, str]]:
    """Every cell that has a kernel, with every dtype."""
    return [(cell, dtype) for cell in _kernels() for dtype in ("float32", "float64")]


def find(cell: Cell) -> Kernel | None:
    """Return the kernel of `cell`, or None if there is none or kernels are switched off."""
    return _kernels().get(cell)


@cache
def _kernels() -> dict[Cell, Kernel]:
    if not enabled():
        return {}
    from gatewise.kernels.cache import announce_compilation, drop_stale_code

    drop_stale_code()
    announce_compilation()
    from gatewise.kernels.dispatch import KERNELS

    return KERNELS

"""Compiled twins of the time loop: the same letters, the same equations, arrays in, arrays out.

`find(cell)` gives the kernel of a cell or None; `recurrence` asks it for every pass. Numba is imported at the first
use, nothing is compiled before the first call, and compiled code is kept in Numba's cache.
"""

from __future__ import annotations

import os
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


def find(cell: Cell) -> Kernel | None:
    """Return the kernel of `cell`, or None if there is none or kernels are switched off."""
    return _kernels().get(cell)


@cache
def _kernels() -> dict[Cell, Kernel]:
    if not enabled():
        return {}
    from gatewise.kernels.dispatch import KERNELS

    return KERNELS

"""The update of Adam, compiled: what `gatewise.optimizers.rules` does in a dozen passes over the parameters, in one.

param, grad, mean, square (n,)    factors (10,) float64: `FACTORS` names them
"""

# mypy: disable-error-code="no-untyped-def, no-untyped-call, operator"
from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from gatewise.errors import Array
from gatewise.kernels import functions  # noqa: F401  the square root of a Vector
from gatewise.kernels.entries import INTEGER, Entry, entry, flat_array
from gatewise.kernels.marks import routine
from gatewise.kernels.vectors import BYTES, load, store

FACTORS = (
    "shrinkage",  # what a parameter is multiplied by first
    "decay",  # how much of it is added to its gradient
    "keep_mean",
    "add_mean",
    "keep_square",
    "add_square",
    "root_total",  # what the root of the mean square is divided by
    "mean_total",  # what the mean is divided by
    "eps",
    "rate",
)


class Updates:
    """The updates, called with arrays as the module has them and numbers by name."""

    def adam(self, param: Array, grad: Array, mean: Array, square: Array, **factors: float) -> None:
        """Update param, mean and square in place."""
        numbers = np.array([factors[name] for name in FACTORS])
        compiled(param.dtype)((param, grad, mean, square, numbers, _NONE))


_NONE = np.zeros(1, np.int64)


@cache
def compiled(dtype: Any) -> Entry:
    """Return the update of Adam, compiled for a dtype."""
    flat = flat_array(dtype)
    return entry(adam, (flat, flat, flat, flat, flat_array(float), INTEGER))


def adam_lanes(param, grad, mean, square, factors, i, count):
    """The update of one Vector; lanes from `count` on are left alone."""
    shrinkage, decay, keep_mean, add_mean, keep_square, add_square, root_total, mean_total, eps, rate = factors
    p = load(param, i, count) * shrinkage
    g = load(grad, i, count) + p * decay
    m = load(mean, i, count) * keep_mean + g * add_mean
    s = load(square, i, count) * keep_square + g * add_square * g
    store(mean, i, m, count)
    store(square, i, s, count)
    store(param, i, p - m / mean_total / (np.sqrt(s) / root_total + eps) * rate, count)


@routine
def adam(param, grad, mean, square, numbers, start):
    """Update param, mean and square from `start` on."""
    n, L = param.size, BYTES // param.itemsize
    factors = (
        numbers[0],
        numbers[1],
        numbers[2],
        numbers[3],
        numbers[4],
        numbers[5],
        numbers[6],
        numbers[7],
        numbers[8],
        numbers[9],
    )
    whole = start + (n - start) // L * L
    for i in range(start, whole, L):
        adam_lanes(param, grad, mean, square, factors, i, None)
    if whole < n:
        adam_lanes(param, grad, mean, square, factors, whole, n - whole)

"""The letters of the loops: how much there is to do, how it lies in memory, and what of it belongs to one call.

Every count is of elements:

    B, T, D, H    sequences, steps, inputs, units          S     states of the cell
    G             gates, the row blocks of W               Q     gates with a recurrent product, those of U: Q1 + Q2
    Q1            of these, whose product is formed from h_{t-1}; all, in a cell of one phase; 0 without U
    Q2            whose product is formed from the operand s that the first of two phases makes
    L             lanes of a Vector                        N_p   for any count N: N, up to whole Vectors
    b0, M         the call's first row of the batch, and how many it has
    u0, own       the call's first unit, a multiple of L, and how many it has
    O, OQ         own_p units of each of G, of Q gates, gate by gate        P, PQ    the same of all units: H_p
    steps         steps of time that make a chunk, whose M·steps rows are computed at once
"""

# mypy: disable-error-code="no-untyped-def, arg-type"
from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gatewise.kernels.equations import first_products, gate_count, last_products
from gatewise.kernels.marks import stage
from gatewise.kernels.vectors import BYTES

# Rows (sequences × steps) whose pre-activations are computed at once: enough for a large product, few enough to
# stay near.
CHUNK = 256


class Sizes(NamedTuple):
    """The letters above."""

    B: int
    T: int
    D: int
    H: int
    G: int
    Q1: int
    Q2: int
    b0: int
    M: int
    u0: int
    own: int
    D_p: int
    H_p: int
    own_p: int
    steps: int


@stage
def chunk(T, M):
    """How many steps of M sequences make a chunk."""
    return max(1, min(T, CHUNK // M))


@stage
def padded(count, L):
    """`count`, up to whole Vectors of L lanes."""
    return (count + L - 1) // L * L


@stage
def sizes(cell, x, initial, part, steps):
    """Sizes of a call for x (B, T, D), initial (S, B, H), part = (b0, b1, u0, u1) and the steps of a chunk."""
    B, T, D = x.shape
    H = initial.shape[2]
    b0, b1, u0, u1 = part
    L, M, own = BYTES // x.itemsize, b1 - b0, u1 - u0
    # Not literals, each of which would be a type of its own and every helper compiled for it.
    G, Q1, Q2 = np.int64(gate_count(cell)), np.int64(first_products(cell)), np.int64(last_products(cell))
    return Sizes(B, T, D, H, G, Q1, Q2, b0, M, u0, own, padded(D, L), padded(H, L), padded(own, L), steps)


class Places(NamedTuple):
    """Where in prepared memory the packed weights stand, counted in elements."""

    W: int  # panels of W, own units of each gate, K = D
    U: int  # panels of U for the products with h_{t-1}, K = H
    V: int  # panels of U for the products with s, K = H
    b: int  # (O,)
    c: int  # (OQ,)
    end: int


@stage
def places(n):
    """Places of weights for n, the sizes of a call."""
    U = n.G * n.own_p * n.D
    V = U + n.Q1 * n.own_p * n.H
    b = V + n.Q2 * n.own_p * n.H
    c = b + n.G * n.own_p
    return Places(np.int64(0), U, V, b, c, c + (n.Q1 + n.Q2) * n.own_p)

"""Single steps of a stack of layers, compiled whole, for callers that keep the state.

The weights are read where they lie, so that whatever has been written there counts from the next step on. A call takes
a table of addresses instead of the arrays.

    table    address of memory, its elements, B, H, layers, turn; then for each layer D and the addresses of W, U, b, c
    memory   states (layers, S, B, H_p), then what a step works with, of `Places`
    x        (B·T·D,), the inputs (B, T, D), of any stride
    out      (B·T·H,): the states of the last layer after each step

Letters: `sizes.py`.
"""

# mypy: disable-error-code="no-untyped-def"
from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from gatewise.errors import Array
from gatewise.kernels import values
from gatewise.kernels.dispatch import Kernel, aligned, padded_size
from gatewise.kernels.entries import entry, flat_array
from gatewise.kernels.equations import (
    first_products,
    forward,
    gate_count,
    last_products,
    lead_forward,
    lead_gates,
    lead_operand,
    load_lead,
    load_p,
    load_q,
    load_state,
    only_with_two_phases,
    state_count,
    store_state,
)
from gatewise.kernels.marks import routine, stage
from gatewise.kernels.products import ZERO, copy
from gatewise.kernels.rows import times_vector
from gatewise.kernels.sizes import padded
from gatewise.kernels.vectors import BYTES, at_address, load, store

HEAD, ROW = 6, 5  # entries of `table` before the layers, and of each layer


class Layer(NamedTuple):
    """One layer of the stack: its weights, flat, and its sizes."""

    W: values.Array  # (G·H, D)
    U: values.Array  # (Q·H, H)
    b: values.Array  # (G·H,)
    c: values.Array  # (Q·H,)
    D: int
    H: int


class Places(NamedTuple):
    """Where in memory the arrays of one row's step stand."""

    x: int  # (D,), what the layer reads
    h: int  # (H_p,), the first of its states
    apart: int  # elements from state to state
    operand: int  # (H_p,), of a second product
    p: int  # (G·H + L,): Vectors from any unit on are read whole
    q: int  # (Q·H + L,)
    turn: int  # 0 or 1, in turn from step to step: see `times_vector`


@routine
def finite(x):
    """Whether all numbers are finite."""
    bad = 0
    for i in range(x.size):
        bad += x[i] - x[i] != 0
    return bad == 0


@routine
def take_input(to, i, x, k, count):
    """As `copy`, from an array whose elements may lie apart."""
    for n in range(count):
        to[i + n] = x[k + n]


@stage
def layer_at(cell, table, k, like):
    """Layer k of the stack."""
    at, H = HEAD + k * ROW, table[3]
    D, G, Q = table[at], np.int64(gate_count(cell)), np.int64(first_products(cell) + last_products(cell))
    return Layer(
        at_address(table[at + 1], G * H * D, like),
        at_address(table[at + 2], Q * H * H, like),
        at_address(table[at + 3], G * H, like),
        at_address(table[at + 4], Q * H, like),
        D,
        H,
    )


@stage
def lead_step(cell, operand, memory, layer, at, unused, unused_too, nor_this):
    """The first of two phases, and the product with what it makes; return the gates that are done."""
    H, L = layer.H, BYTES // memory.itemsize
    for u in range(0, H, L):
        p, q = load_lead(cell, memory, at.p + u, H, None), load_lead(cell, memory, at.q + u, H, None)
        h_prev = load(memory, at.h + u, None)
        store(memory, at.operand + u, lead_operand(cell, lead_forward(cell, p, q, h_prev), h_prev), None)
    first, rows = first_products(cell) * H, last_products(cell) * H
    times_vector(layer.U, first, rows, H, memory, at.operand, layer.c, memory, at.q + first, at.turn)
    return np.int64(lead_gates(cell))


lead = only_with_two_phases(lead_step)


@stage
def step_layer(cell, memory, layer, at):
    """One step of one layer for one row: its states, replaced."""
    W, U, b, c, D, H = layer
    L = BYTES // memory.itemsize
    times_vector(W, ZERO, gate_count(cell) * H, D, memory, at.x, b, memory, at.p, at.turn)
    times_vector(U, ZERO, first_products(cell) * H, H, memory, at.h, c, memory, at.q, at.turn)
    done = lead(cell, ZERO, memory, layer, at, ZERO, ZERO, ZERO) * H
    for u in range(0, H, L):
        p, q = load_p(cell, memory, at.p + done + u, H, None), load_q(cell, memory, at.q + done + u, H, None)
        state, _ = forward(cell, p, q, load_state(cell, memory, at.h + u, at.apart, None))
        store_state(cell, memory, at.h + u, at.apart, state, None)


@stage
def run_steps(cell, table, x, out):
    """Take all steps in x; do nothing and return False if x is not finite, or has not as many steps as out."""
    memory = at_address(table[0], table[1], out)
    B, H, layers, D = table[2], table[3], table[4], table[HEAD]
    L, S = BYTES // memory.itemsize, np.int64(state_count(cell))
    H_p, T = padded(H, L), x.size // (B * D)
    if x.size != B * T * D or out.size != B * T * H or not finite(x):
        return False
    x_at, turn = layers * S * B * H_p, table[5]
    operand = x_at + padded(D, L)
    p = operand + H_p
    q = p + padded(gate_count(cell) * H, L) + L
    for m in range(B):
        for t in range(T):
            take_input(memory, x_at, x, (m * T + t) * D, D)
            source = x_at
            for k in range(layers):
                h = (k * S * B + m) * H_p
                at = Places(source, h, B * H_p, operand, p, q, turn)
                step_layer(cell, memory, layer_at(cell, table, k, memory), at)
                source = h
            turn = 1 - turn
            copy(out, (m * T + t) * H, memory, source, H)
    table[5] = turn
    return True


class Streams:
    """The states of B streams through a stack of layers, and what compiled steps of them take.

    `run((table, x, out))` takes all steps in x (B·T·D,), writes (B·T·H,) to out, and returns 1. It does nothing and
    returns 0 if sizes differ or x is not finite. That both are arrays of the dtype with one axis is for the caller to
    know: nobody looks.
    """

    def __init__(self, kernel: Kernel, B: int, layers: int, D: int, H: int, dtype: np.dtype[Any]) -> None:
        S, G = len(kernel.cell.states), len(kernel.cell.gates)
        H_p, D_p, GH_p, L = (padded_size(count, dtype) for count in (H, D, G * H, 1))
        self._kernel, self._sizes = kernel, (B, H, layers)
        self._memory = aligned(layers * S * B * H_p + D_p + H_p + 2 * (GH_p + L), dtype)
        self._memory[:] = 0
        states = self._memory[: layers * S * B * H_p].reshape(layers, S, B, H_p)
        self.state: Array = states[..., :H].swapaxes(0, 1)
        """(S, layers, B, H), a view: what is written there counts."""
        table, x, out = flat_array(np.int64), flat_array(dtype, apart=True), flat_array(dtype)
        self.run = entry(run_steps, (kernel.cell, table, x, out))

    def read(self, weights: Sequence[tuple[Array, ...]]) -> Array:
        """Return the table with which steps read these arrays: W, U, b, c of each layer, contiguous."""
        table = [self._memory.ctypes.data, self._memory.size, *self._sizes, 0]
        for layer in weights:
            table += [layer[0].shape[1], *(array.ctypes.data for array in layer)]
        self._weights, self._table = weights, np.array(table, np.int64)  # kept as long as their addresses are
        return self._table

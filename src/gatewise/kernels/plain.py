"""The time loop of every cell whose only recurrent product is q = h_{t-1} Uᵀ + c, compiled whole.

Shapes, all arrays contiguous; S states, R recorded values, G gates:

    x (B, T, D)    W (G·H, D)    U (G·H, H)    b, c (G·H,)    initial, final (S, B, H)
    lengths (B,), or (0,) if every sequence has T steps
    states (S, B, T, H), of which only the first is there unless `keep`
    record (R, B, T, H), empty unless `keep_record`

Neither states nor record is written past a sequence's length. Rows b0 to b1 of the batch are done; calls for other rows
may run at the same time. `work` and `top` are the scratch memory of this call (`products.scratch`).

Inside, gates and states are padded to whole vectors of L lanes: Hp units, P = G·Hp, gate by gate. M = b1 − b0.
"""

# mypy: disable-error-code="no-untyped-def"
from __future__ import annotations

import numpy as np
from numba import njit

from gatewise.kernels.equations import (
    backward,
    forward,
    gate_count,
    load_gates,
    load_record,
    load_state,
    store_gates,
    store_record,
    store_state,
)
from gatewise.kernels.products import (
    FLAGS,
    add_columns,
    copy,
    give_rows,
    give_steps,
    matmul,
    pack_columns,
    pack_rows,
    pad,
    scratch,
    take_rows,
    take_steps,
    unpad,
    unpad_transposed,
    zeros,
)
from gatewise.kernels.vectors import BYTES, load, store

# Rows (sequences × steps) whose pre-activations are computed at once: enough for a large product, few enough to
# stay near.
CHUNK = 256


@njit(**FLAGS)
def run_forward(cell, work, top, x, W, U, b, c, initial, lengths, states, record, final, b0, b1, keep, keep_record):
    """Fill `states`, `record` and `final` for the rows b0 to b1."""
    arena, ragged = (work, top), lengths.size > 0
    B, T, D = x.shape
    H = U.shape[1]
    G = gate_count(cell)
    L = BYTES // x.itemsize
    # Not literals, each of which would be a type of its own and a product compiled for it.
    none, one = np.int64(0), np.int64(1)
    blocks = (H + L - 1) // L
    Hp, P, M = blocks * L, G * blocks * L, b1 - b0
    W, U, b, c = (
        pack_rows(arena, W, 0, G, H, D),
        pack_rows(arena, U, 0, G, H, H),
        pad(arena, b, G, H),
        pad(arena, c, G, H),
    )
    steps = max(1, min(T, CHUNK // M))
    p, q, s = scratch(arena, M * steps * P), scratch(arena, M * P), scratch(arena, len(initial) * M * Hp)
    take_rows(s, initial, b0, M)
    x, states, record = x.ravel(), states.ravel(), record.ravel()
    for t0 in range(0, T, steps):
        t1 = min(T, t0 + steps)
        for m in range(M):
            row = (b0 + m) * T + t0
            to = (p, m * steps * P, P)
            matmul((x, row * D, D, one), t1 - t0, D, (W, none, none), P // L, (b, none, none), to)
        for t in range(t0, t1):
            matmul((s, none, Hp, one), M, H, (U, none, none), P // L, (c, none, none), (q, none, P))
            for m in range(M):
                if ragged and t >= lengths[b0 + m]:
                    continue
                row = ((b0 + m) * T + t) * H
                at_p, at_q = (m * steps + t - t0) * P, m * P
                for j in range(0, H, L):
                    n = min(L, H - j)
                    state, recorded = forward(
                        cell,
                        load_gates(cell, p, at_p + j, Hp, None),
                        load_gates(cell, q, at_q + j, Hp, None),
                        load_state(cell, s, m * Hp + j, M * Hp, None),
                    )
                    store_state(cell, s, m * Hp + j, M * Hp, state, None)
                    if keep:
                        store_state(cell, states, row + j, B * T * H, state, n)
                    else:
                        store(states, row + j, state[0], n)
                    if keep_record:
                        store_record(cell, record, row + j, B * T * H, recorded, n)
    give_rows(final, b0, M, s)


@njit(**FLAGS)
def run_backward(
    cell,
    work,
    top,
    x,
    W,
    U,
    b,
    c,
    initial,
    lengths,
    states,
    record,
    dh,
    dfinal,
    dx,
    dinitial,
    dW,
    dU,
    db,
    dc,
    b0,
    b1,
    stored,
):
    """Fill dx and dinitial for the rows b0 to b1, and dW, dU, db, dc with what these rows contribute.

    dh (B, T, H) is the gradient of every output, dfinal (S, B, H) that of the final state. Unless `stored`, `record` is
    empty and its values are computed again, from two large products.
    """
    arena, ragged = (work, top), lengths.size > 0
    B, T, D = x.shape
    H = U.shape[1]
    G = gate_count(cell)
    L = BYTES // x.itemsize
    # Not literals, each of which would be a type of its own and a product compiled for it.
    none, one = np.int64(0), np.int64(1)
    blocks = (H + L - 1) // L
    Hp, P, M = blocks * L, G * blocks * L, b1 - b0
    Dp = (D + L - 1) // L * L
    W_rows, U_rows = pack_columns(arena, W, 0, G, H, D), pack_columns(arena, U, 0, G, H, H)
    b, c = pad(arena, b, G, H), pad(arena, c, G, H)
    W_panels, U_panels = scratch(arena, 0), scratch(arena, 0)
    if not stored:
        W_panels, U_panels = pack_rows(arena, W, 0, G, H, D), pack_rows(arena, U, 0, G, H, H)
    steps = max(1, min(T, CHUNK // M))
    rows = steps * M
    dp, dq = scratch(arena, rows * P), scratch(arena, rows * P)
    p, q = scratch(arena, 0 if stored else rows * P), scratch(arena, 0 if stored else rows * P)
    xs, hs, dxs = scratch(arena, rows * D), scratch(arena, rows * H), scratch(arena, rows * Dp)
    ds, ended = scratch(arena, len(dfinal) * M * Hp), scratch(arena, M * Hp)
    DW, DU, Db, Dc, zero = zeros(arena, D * P), zeros(arena, H * P), zeros(arena, P), zeros(arena, P), zeros(arena, Dp)
    take_rows(ds, dfinal, b0, M)
    flat_initial, flat_states, record, dh = initial.ravel(), states.ravel(), record.ravel(), dh.ravel()
    for t1 in range(T, 0, -steps):
        t0 = max(0, t1 - steps)
        rows = (t1 - t0) * M
        take_steps(xs, hs, x, initial, states, b0, M, t0, t1)
        if not stored:
            matmul((xs, none, D, one), rows, D, (W_panels, none, none), P // L, (b, none, none), (p, none, P))
            matmul((hs, none, H, one), rows, H, (U_panels, none, none), P // L, (c, none, none), (q, none, P))
        for t in range(t1 - 1, t0 - 1, -1):
            for m in range(M):
                r, row = ((t - t0) * M + m) * P, ((b0 + m) * T + t) * H
                if ragged and t >= lengths[b0 + m]:
                    for j in range(P):
                        dp[r + j], dq[r + j] = 0, 0
                    copy(ended, m * Hp, ds, m * Hp, Hp)
                    continue
                for j in range(0, H, L):
                    n = min(L, H - j)
                    here = m * Hp + j
                    if t > 0:
                        state_prev = load_state(cell, flat_states, row - H + j, B * T * H, n)
                    else:
                        state_prev = load_state(cell, flat_initial, (b0 + m) * H + j, B * H, n)
                    if stored:
                        recorded = load_record(cell, record, row + j, B * T * H, n)
                    else:
                        gates_p, gates_q = load_gates(cell, p, r + j, Hp, n), load_gates(cell, q, r + j, Hp, n)
                        recorded = forward(cell, gates_p, gates_q, state_prev)[1]
                    store(ds, here, load(ds, here, None) + load(dh, row + j, n), None)
                    state = load_state(cell, flat_states, row + j, B * T * H, n)
                    dstate = load_state(cell, ds, here, M * Hp, None)
                    gates_p, gates_q, dstate_prev = backward(cell, dstate, state, state_prev, recorded)
                    store_gates(cell, dp, r + j, Hp, gates_p, None)
                    store_gates(cell, dq, r + j, Hp, gates_q, None)
                    store_state(cell, ds, here, M * Hp, dstate_prev, None)
            at = (t - t0) * M * P
            matmul((dq, at, P, one), M, P, (U_rows, none, none), blocks, (ds, none, Hp), (ds, none, Hp))
            for m in range(M if ragged else 0):
                if t >= lengths[b0 + m]:  # as it was: 0 · ∞ may not touch it
                    copy(ds, m * Hp, ended, m * Hp, Hp)
        matmul((dp, none, P, one), rows, P, (W_rows, none, none), Dp // L, (zero, none, none), (dxs, none, Dp))
        give_steps(dx, dxs, b0, M, t0, t1)
        matmul((xs, none, one, D), D, rows, (dp, none, P), P // L, (DW, none, P), (DW, none, P))
        matmul((hs, none, one, H), H, rows, (dq, none, P), P // L, (DU, none, P), (DU, none, P))
        add_columns(Db, dp, rows, P)
        add_columns(Dc, dq, rows, P)
    give_rows(dinitial, b0, M, ds)
    unpad_transposed(arena, DW, dW, G, H, D)
    unpad_transposed(arena, DU, dU, G, H, H)
    unpad(Db, db, G, H)
    unpad(Dc, dc, G, H)

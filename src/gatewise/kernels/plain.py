"""The time loop of every cell whose only recurrent product is q = h_{t-1} Uᵀ + c, compiled whole.

Shapes, all arrays contiguous; S states, R recorded values, G gates:

    x (B, T, D)    W (G·H, D)    U (G·H, H)    b, c (G·H,)    initial, final (S, B, H)
    lengths (B,), or (0,) if every sequence has T steps
    states (S, B, T, H), of which only the first is there unless `keep`
    record (R, B, T, H), empty unless `keep_record`

Neither states nor record is written past a sequence's length. `work` and `top` are the scratch memory of this call
(`products.scratch`).

part = (b0, b1, u0, u1): rows b0 to b1 of the batch and units u0 to u1 are done; calls for other rows may run at the
same time. Calls for other units of the same rows must: team = (counter, size, shared) says how many calls there are,
and they meet at `counter` and share the memory `shared` as far as they need one another's results. u0 is a multiple of
the lanes. On its own, a call has size 1 and all units.

Inside, gates and states are padded to whole vectors of L lanes: Hp units, P = G·Hp, gate by gate; `own` of them, padded
to Op, belong to this call, O = G·Op. M = b1 − b0.
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
from gatewise.kernels.meeting import meet
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
def chunk(T, M):
    """How many steps of M sequences make a chunk."""
    return max(1, min(T, CHUNK // M))


@njit(**FLAGS)
def run_forward(cell, work, top, x, W, U, b, c, initial, lengths, states, record, final, part, team, keep, keep_record):
    """Fill `states`, `record` and `final` for the rows and units of `part`."""
    arena, ragged = (work, top), lengths.size > 0
    b0, b1, u0, u1 = part
    counter, size, shared = team
    B, T, D = x.shape
    S, _, H = initial.shape
    L = BYTES // x.itemsize
    # Not literals, each of which would be a type of its own and every helper compiled for it.
    G, none, one = np.int64(gate_count(cell)), np.int64(0), np.int64(1)
    M, own = b1 - b0, u1 - u0
    Hp, Op = (H + L - 1) // L * L, (own + L - 1) // L * L
    O = G * Op
    W, U = pack_rows(arena, W, u0, H, G, own, D), pack_rows(arena, U, u0, H, G, own, H)
    b, c = pad(arena, b, u0, H, G, own), pad(arena, c, u0, H, G, own)
    steps = chunk(T, M)
    p, q = scratch(arena, M * steps * O), scratch(arena, M * O)
    # A team keeps the state before a step while it makes the one after.
    turn = S * M * Hp if size > 1 else none
    s = shared if size > 1 else scratch(arena, S * M * Hp)
    take_rows(s, initial, b0, M, none, H)
    x, states, record = x.ravel(), states.ravel(), record.ravel()
    for t0 in range(0, T, steps):
        t1 = min(T, t0 + steps)
        for m in range(M):
            row = (b0 + m) * T + t0
            to = (p, m * steps * O, O)
            matmul((x, row * D, D, one), t1 - t0, D, (W, none, none), O // L, (b, none, none), to)
        for t in range(t0, t1):
            before, after = t % 2 * turn, (t + 1) % 2 * turn
            matmul((s, before, Hp, one), M, H, (U, none, none), O // L, (c, none, none), (q, none, O))
            for m in range(M):
                here = m * Hp + u0
                if ragged and t >= lengths[b0 + m]:
                    for k in range(S):
                        copy(s, after + k * M * Hp + here, s, before + k * M * Hp + here, Op)
                    continue
                row = ((b0 + m) * T + t) * H + u0
                at_p, at_q = (m * steps + t - t0) * O, m * O
                for j in range(0, own, L):
                    n = min(L, own - j)
                    state, recorded = forward(
                        cell,
                        load_gates(cell, p, at_p + j, Op, None),
                        load_gates(cell, q, at_q + j, Op, None),
                        load_state(cell, s, before + here + j, M * Hp, None),
                    )
                    store_state(cell, s, after + here + j, M * Hp, state, None)
                    if keep:
                        store_state(cell, states, row + j, B * T * H, state, n)
                    else:
                        store(states, row + j, state[0], n)
                    if keep_record:
                        store_record(cell, record, row + j, B * T * H, recorded, n)
            if size > 1:
                meet(counter, size * (t + 1))
    if u0 == 0:
        give_rows(final, b0, M, none, H, s[T % 2 * turn :])


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
    dstates,
    dW,
    dU,
    db,
    dc,
    part,
    team,
    stored,
):
    """Fill dx and dinitial for the rows of `part`, and dW, dU, db, dc with what these rows contribute.

    dh (B, T, H) is the gradient of every output, dfinal (S, B, H) that of the final state. dstates (S, B, T, H), unless
    empty, is filled with what reached each state. Unless `stored`, `record` is empty and its values are computed again,
    from two large products. A team cuts dx by rows, dW by inputs, and all else by units.
    """
    arena, ragged = (work, top), lengths.size > 0
    b0, b1, u0, u1 = part
    counter, size, shared = team
    B, T, D = x.shape
    S, _, H = initial.shape
    L = BYTES // x.itemsize
    # Not literals, each of which would be a type of its own and every helper compiled for it.
    G, none, one = np.int64(gate_count(cell)), np.int64(0), np.int64(1)
    M, own = b1 - b0, u1 - u0
    Hp, Op, Dp = (H + L - 1) // L * L, (own + L - 1) // L * L, (D + L - 1) // L * L
    P, O = G * Hp, G * Op
    d0, d1 = D * u0 // H, D * u1 // H
    W_rows, U_rows = pack_columns(arena, W, none, G, H, none, D), pack_columns(arena, U, none, G, H, u0, own)
    W_panels, U_panels = scratch(arena, none), scratch(arena, none)
    if not stored:
        W_panels, U_panels = pack_rows(arena, W, u0, H, G, own, D), pack_rows(arena, U, u0, H, G, own, H)
    b, c = pad(arena, b, u0, H, G, own), pad(arena, c, u0, H, G, own)
    steps = chunk(T, M)
    rows = steps * M
    dp = shared[: rows * P] if size > 1 else scratch(arena, rows * P)
    dq = shared[rows * P :] if size > 1 else scratch(arena, rows * P)
    p, q = scratch(arena, none if stored else rows * O), scratch(arena, none if stored else rows * O)
    xs, hs, dxs = scratch(arena, rows * D), scratch(arena, rows * H), scratch(arena, rows * Dp)
    ds, ended = scratch(arena, S * M * Op), scratch(arena, M * Op)
    DW, DU = zeros(arena, (d1 - d0) * P), zeros(arena, own * P)
    Db, Dc, zero = zeros(arena, P), zeros(arena, P), zeros(arena, Dp)
    take_rows(ds, dfinal, b0, M, u0, own)
    flat_initial, flat_states, record, dh = initial.ravel(), states.ravel(), record.ravel(), dh.ravel()
    dstates = dstates.ravel()
    meetings = none
    for t1 in range(T, 0, -steps):
        t0 = max(0, t1 - steps)
        rows = (t1 - t0) * M
        take_steps(xs, hs, x, initial, states, b0, M, t0, t1)
        if not stored:
            matmul((xs, none, D, one), rows, D, (W_panels, none, none), O // L, (b, none, none), (p, none, O))
            matmul((hs, none, H, one), rows, H, (U_panels, none, none), O // L, (c, none, none), (q, none, O))
        for t in range(t1 - 1, t0 - 1, -1):
            for m in range(M):
                i, row = (t - t0) * M + m, ((b0 + m) * T + t) * H + u0
                r = i * P + u0
                if ragged and t >= lengths[b0 + m]:
                    for g in range(G):
                        for j in range(Op):
                            dp[r + g * Hp + j], dq[r + g * Hp + j] = 0, 0
                    copy(ended, m * Op, ds, m * Op, Op)
                    continue
                for j in range(0, own, L):
                    n = min(L, own - j)
                    here = m * Op + j
                    if t > 0:
                        state_prev = load_state(cell, flat_states, row - H + j, B * T * H, n)
                    else:
                        state_prev = load_state(cell, flat_initial, (b0 + m) * H + u0 + j, B * H, n)
                    if stored:
                        recorded = load_record(cell, record, row + j, B * T * H, n)
                    else:
                        gates_p = load_gates(cell, p, i * O + j, Op, n)
                        gates_q = load_gates(cell, q, i * O + j, Op, n)
                        recorded = forward(cell, gates_p, gates_q, state_prev)[1]
                    store(ds, here, load(ds, here, None) + load(dh, row + j, n), None)
                    state = load_state(cell, flat_states, row + j, B * T * H, n)
                    dstate = load_state(cell, ds, here, M * Op, None)
                    if dstates.size:
                        store_state(cell, dstates, row + j, B * T * H, dstate, n)
                    gates_p, gates_q, dstate_prev = backward(cell, dstate, state, state_prev, recorded)
                    store_gates(cell, dp, r + j, Hp, gates_p, None)
                    store_gates(cell, dq, r + j, Hp, gates_q, None)
                    store_state(cell, ds, here, M * Op, dstate_prev, None)
            if size > 1:
                meetings += 1
                meet(counter, size * meetings)
            at = (t - t0) * M * P
            matmul((dq, at, P, one), M, P, (U_rows, none, none), Op // L, (ds, none, Op), (ds, none, Op))
            for m in range(M if ragged else 0):
                if t >= lengths[b0 + m]:  # as it was: 0 · ∞ may not touch it
                    copy(ds, m * Op, ended, m * Op, Op)
        r0, r1 = rows * u0 // H, rows * u1 // H
        matmul((dp, r0 * P, P, one), r1 - r0, P, (W_rows, none, none), Dp // L, (zero, none, none), (dxs, r0 * Dp, Dp))
        give_steps(dx, dxs, b0, M, t0, r0, r1)
        matmul((xs, d0, one, D), d1 - d0, rows, (dp, none, P), P // L, (DW, none, P), (DW, none, P))
        matmul((hs, u0, one, H), own, rows, (dq, none, P), P // L, (DU, none, P), (DU, none, P))
        for g in range(G):
            add_columns(Db, dp, rows, P, g * Hp + u0, g * Hp + u0 + Op)
            add_columns(Dc, dq, rows, P, g * Hp + u0, g * Hp + u0 + Op)
        if size > 1:
            meetings += 1
            meet(counter, size * meetings)
    give_rows(dinitial, b0, M, u0, own, ds)
    unpad_transposed(arena, DW, dW, G, d0, d1 - d0)
    unpad_transposed(arena, DU, dU, G, u0, own)
    unpad(Db, db, G, u0, own)
    unpad(Dc, dc, G, u0, own)

"""The time loop of the GRU with the reset gate before the product, compiled whole; arrays as in `plain.py`.

A step has two products that wait for each other: q_r and q_z from h_{t-1}, then q_n from s = r ⊙ h_{t-1}.
"""

# mypy: disable-error-code="no-untyped-def"
from __future__ import annotations

import numpy as np
from numba import njit

from gatewise.cells import gru
from gatewise.kernels.plain import chunk
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

_reset, _gates, _gates_backward, _reset_backward = (njit(function) for function in gru.RESET_BEFORE.pointwise)


@njit(**FLAGS)
def run_forward(cell, work, top, x, W, U, b, c, initial, lengths, states, record, final, part, team, keep, keep_record):
    """Fill `states`, `record` and `final` for the rows b0 to b1."""
    arena, ragged = (work, top), lengths.size > 0
    b0, b1, _, _ = part
    B, T, D = x.shape
    H = U.shape[1]
    L = BYTES // x.itemsize
    G, none, one, two = np.int64(3), np.int64(0), np.int64(1), np.int64(2)
    blocks = (H + L - 1) // L
    Hp, P, M = blocks * L, G * blocks * L, b1 - b0
    W, b, c = pack_rows(arena, W, none, H, G, H, D), pad(arena, b, none, H, G, H), pad(arena, c, none, H, G, H)
    U_rz, U_n = pack_rows(arena, U, none, H, two, H, H), pack_rows(arena, U, 2 * H, H, one, H, H)
    steps = chunk(T, M)
    p, q = scratch(arena, M * steps * P), scratch(arena, M * P)
    h, r, s = scratch(arena, M * Hp), scratch(arena, M * Hp), scratch(arena, M * Hp)
    take_rows(h, initial, b0, M, none, H)
    x, states, record = x.ravel(), states.ravel(), record.ravel()
    n_gate = 2 * Hp + none
    for t0 in range(0, T, steps):
        t1 = min(T, t0 + steps)
        for m in range(M):
            row = (b0 + m) * T + t0
            to = (p, m * steps * P, P)
            matmul((x, row * D, D, one), t1 - t0, D, (W, none, none), P // L, (b, none, none), to)
        for t in range(t0, t1):
            matmul((h, none, Hp, one), M, H, (U_rz, none, none), 2 * blocks, (c, none, none), (q, none, P))
            for m in range(M):
                at_p, at_q = (m * steps + t - t0) * P, m * P
                for j in range(0, Hp, L):
                    here = m * Hp + j
                    gate, reset = _reset(load(p, at_p + j, None), load(q, at_q + j, None), load(h, here, None))
                    store(r, here, gate, None)
                    store(s, here, reset, None)
            matmul((s, none, Hp, one), M, H, (U_n, none, none), blocks, (c, n_gate, none), (q, n_gate, P))
            for m in range(M):
                if ragged and t >= lengths[b0 + m]:
                    continue
                row = ((b0 + m) * T + t) * H
                at_p, at_q = (m * steps + t - t0) * P + Hp, m * P + Hp
                for j in range(0, H, L):
                    count = min(L, H - j)
                    here = m * Hp + j
                    gates_p = (load(p, at_p + j, None), load(p, at_p + Hp + j, None))
                    gates_q = (load(q, at_q + j, None), load(q, at_q + Hp + j, None))
                    out, z, n = _gates(gates_p, gates_q, load(h, here, None))
                    store(h, here, out, None)
                    store(states, row + j, out, count)
                    if keep_record:
                        store(record, row + j, load(r, here, None), count)
                        store(record, row + j + B * T * H, z, count)
                        store(record, row + j + 2 * B * T * H, n, count)
    give_rows(final, b0, M, none, H, h)


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
    """Fill dx and dinitial for the rows b0 to b1, and dW, dU, db, dc with what these rows contribute."""
    arena, ragged = (work, top), lengths.size > 0
    b0, b1, _, _ = part
    B, T, D = x.shape
    H = U.shape[1]
    L = BYTES // x.itemsize
    G, none, one, two = np.int64(3), np.int64(0), np.int64(1), np.int64(2)
    blocks = (H + L - 1) // L
    Hp, P, M = blocks * L, G * blocks * L, b1 - b0
    Dp = (D + L - 1) // L * L
    W_rows, U_rz, U_n = (
        pack_columns(arena, W, none, G, H, none, D),
        pack_columns(arena, U, none, two, H, none, H),
        pack_columns(arena, U, 2 * H, one, H, none, H),
    )
    b, c = pad(arena, b, none, H, G, H), pad(arena, c, none, H, G, H)
    W_panels, U_rz_panels, U_n_panels = scratch(arena, none), scratch(arena, none), scratch(arena, none)
    if not stored:
        W_panels = pack_rows(arena, W, none, H, G, H, D)
        U_rz_panels, U_n_panels = pack_rows(arena, U, none, H, two, H, H), pack_rows(arena, U, 2 * H, H, one, H, H)
    steps = chunk(T, M)
    rows = steps * M
    dp, gates = scratch(arena, rows * P), scratch(arena, rows * P)  # gates: r, z, n, side by side
    p, q = scratch(arena, none if stored else rows * P), scratch(arena, none if stored else rows * P)
    xs, hs, ss, dxs = (
        scratch(arena, rows * D),
        scratch(arena, rows * H),
        scratch(arena, rows * H),
        scratch(arena, rows * Dp),
    )
    d, ds, ended = scratch(arena, M * Hp), scratch(arena, M * Hp), scratch(arena, M * Hp)
    DW, DU, Db, zero = zeros(arena, D * P), zeros(arena, H * P), zeros(arena, P), zeros(arena, max(Dp, Hp))
    take_rows(d, dfinal, b0, M, none, H)
    record, dh, dstates = record.ravel(), dh.ravel(), dstates.ravel()
    n_gate = 2 * Hp + none
    for t1 in range(T, 0, -steps):
        t0 = max(0, t1 - steps)
        rows = (t1 - t0) * M
        take_steps(xs, hs, x, initial, states, b0, M, t0, t1)
        if not stored:
            matmul((xs, none, D, one), rows, D, (W_panels, none, none), P // L, (b, none, none), (p, none, P))
            matmul((hs, none, H, one), rows, H, (U_rz_panels, none, none), 2 * blocks, (c, none, none), (q, none, P))
        for i in range(rows):
            for j in range(0, H, L):
                count = min(L, H - j)
                h_prev = load(hs, i * H + j, count)
                if stored:
                    row = ((b0 + i % M) * T + t0 + i // M) * H + j
                    r = load(record, row, count)
                    store(gates, i * P + Hp + j, load(record, row + B * T * H, count), None)
                    store(gates, i * P + 2 * Hp + j, load(record, row + 2 * B * T * H, count), None)
                    store(ss, i * H + j, r * h_prev, count)
                else:
                    r, s = _reset(load(p, i * P + j, count), load(q, i * P + j, count), h_prev)
                    store(ss, i * H + j, s, count)
                store(gates, i * P + j, r, None)
        if not stored:
            matmul((ss, none, H, one), rows, H, (U_n_panels, none, none), blocks, (c, n_gate, none), (q, n_gate, P))
            for i in range(rows):
                for j in range(0, H, L):
                    at, count = i * P + Hp + j, min(L, H - j)
                    gates_p = (load(p, at, count), load(p, at + Hp, count))
                    gates_q = (load(q, at, count), load(q, at + Hp, count))
                    _, z, n = _gates(gates_p, gates_q, load(zero, 0, None))
                    store(gates, at, z, None)
                    store(gates, at + Hp, n, None)
        for t in range(t1 - 1, t0 - 1, -1):
            first = (t - t0) * M
            for m in range(M):
                i, row = first + m, ((b0 + m) * T + t) * H
                if ragged and t >= lengths[b0 + m]:
                    for j in range(P):
                        dp[i * P + j] = 0
                    copy(ended, m * Hp, d, m * Hp, Hp)
                    continue
                for j in range(0, H, L):
                    count = min(L, H - j)
                    z, n = load(gates, i * P + Hp + j, None), load(gates, i * P + 2 * Hp + j, None)
                    total = load(d, m * Hp + j, None) + load(dh, row + j, count)
                    if dstates.size:
                        store(dstates, row + j, total, count)
                    da_z, da_n, kept = _gates_backward(total, load(hs, i * H + j, count), z, n)
                    store(dp, i * P + Hp + j, da_z, None)
                    store(dp, i * P + 2 * Hp + j, da_n, None)
                    store(d, m * Hp + j, kept, None)
            from_n = (dp, first * P + 2 * Hp, P, one)
            matmul(from_n, M, Hp, (U_n, none, none), blocks, (zero, none, none), (ds, none, Hp))
            for m in range(M):
                if ragged and t >= lengths[b0 + m]:
                    continue
                i = first + m
                for j in range(0, H, L):
                    h_prev = load(hs, i * H + j, min(L, H - j))
                    da_r, reset = _reset_backward(load(ds, m * Hp + j, None), h_prev, load(gates, i * P + j, None))
                    store(dp, i * P + j, da_r, None)
                    store(d, m * Hp + j, load(d, m * Hp + j, None) + reset, None)
            matmul((dp, first * P, P, one), M, 2 * Hp, (U_rz, none, none), blocks, (d, none, Hp), (d, none, Hp))
            for m in range(M if ragged else 0):
                if t >= lengths[b0 + m]:  # as it was: 0 · ∞ may not touch it
                    copy(d, m * Hp, ended, m * Hp, Hp)
        matmul((dp, none, P, one), rows, P, (W_rows, none, none), Dp // L, (zero, none, none), (dxs, none, Dp))
        give_steps(dx, dxs, b0, M, t0, none, rows)
        matmul((xs, none, one, D), D, rows, (dp, none, P), P // L, (DW, none, P), (DW, none, P))
        matmul((hs, none, one, H), H, rows, (dp, none, P), 2 * blocks, (DU, none, P), (DU, none, P))
        matmul((ss, none, one, H), H, rows, (dp, n_gate, P), blocks, (DU, n_gate, P), (DU, n_gate, P))
        add_columns(Db, dp, rows, P, none, P)
    give_rows(dinitial, b0, M, none, H, d)
    unpad_transposed(arena, DW, dW, G, none, D)
    unpad_transposed(arena, DU, dU, G, none, H)
    unpad(Db, db, G, none, H)
    unpad(Db, dc, G, none, H)

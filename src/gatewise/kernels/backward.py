"""The backward time loop of every cell, compiled whole.

Letters: `sizes.py`; arrays as in `forward.py`, and

    dh (B, T, H)    dfinal, dinitial (S, B, H)
    dW, dU, db, dc like W, U, b, c: for each piece, one below the other, or their sums if one group has all pieces
    dx (B, T, D), or (0, T, D) if nobody asks for it
    dstates (S, B, T, H), or (S, B, 0, H): what reached each state, if that is asked for

Rows of a chunk are sequences outside, steps inside: row r = m·span + t − t0. P = G·H_p, PQ = Q·H_p.

Gradients of weights are sums over the batch, which differ in the last bits with the order of their terms. So a batch is
cut into pieces (`pieces.py`) that depend on nothing but sizes, and each piece has sums of its own, first over the steps
of a chunk. A share has some pieces; a group, as many of them as are done together, shares the products that need no sum
over the batch.

share = (part, plan, team). part = (k0, k1, u0, u1): pieces k0 to k1 and units u0 to u1 are done. plan = (pieces,
together, steps): piece k has the rows from k·B // pieces on; a group has `together` pieces, and a chunk `steps`.

A chunk of steps at a time, from the last: `recall` what the forward pass had made, `retreat` step by step, which gives
dp and dq, then `accumulate` all products that need not wait for a step.
"""

# mypy: disable-error-code="no-untyped-def"
from __future__ import annotations

from gatewise.kernels.equations import (
    backward,
    forward,
    lead_backward,
    lead_forward,
    lead_gates,
    lead_operand,
    lead_recorded,
    load_lead,
    load_lead_record,
    load_p,
    load_q,
    load_record,
    load_state,
    one_gradient,
    only_with_two_phases,
    record_count,
    state_count,
    store_lead,
    store_lead_record,
    store_p,
    store_q,
    store_state,
)
from gatewise.kernels.forward import prepare, views
from gatewise.kernels.marks import stage
from gatewise.kernels.meeting import meet_team
from gatewise.kernels.memory import carried_memory, panel_memory, row_memory, sum_memory
from gatewise.kernels.multiply import matmul
from gatewise.kernels.prefetch import ask
from gatewise.kernels.products import (
    ONE,
    ZERO,
    clear,
    copy,
    fits,
    flat,
    give_rows,
    give_steps,
    pack_columns,
    scratch,
    take_rows,
    take_steps,
)
from gatewise.kernels.sizes import places, sizes
from gatewise.kernels.sums import accumulate_pieces, clear_sums, give_sums, sum_pieces
from gatewise.kernels.vectors import BYTES, load, store


@stage
def run_backward(cell, workspace, weights, inputs, kept, incoming, results, share):
    """Fill dx, dinitial and the gradients of the weights for the pieces of a share; return 0.

    Where the scratch memory is too small, nothing is done, and the number of elements that are needed is returned.
    """
    x, initial, lengths = inputs  # (B, T, D), (S, B, H), (B,) or (0,)
    states, record = kept  # (S, B, T, H), (R, B, T, H) or (0, B, T, H): then it is computed again
    dh, dfinal = incoming  # (B, T, H), (S, B, H)
    dx, dinitial, dstates, gradients = results  # (B or 0, T, D), (S, B, H), (S, B, T or 0, H), (dW, dU, db, dc)
    (first, end, u0, u1), (pieces, together, steps), team = share[0], share[1], views(share[2])
    B, again = len(x), len(record) < record_count(cell)
    together = min(together, end - first)
    n = sizes(cell, x, initial, (ZERO, (together * B + pieces - 1) // pieces, u0, u1), steps)  # of a group, at the most
    packed, panels, rows, carried, sums, block = memory(cell, workspace, team, n, len(initial), again, together)
    if not fits(workspace):
        return workspace[1][0]
    if again:
        prepare(packed, weights, n)
    pack_transposed(panels, weights, n, len(dx) > 0)
    space = (packed, panels, rows, carried, sums)
    whole = (flat(initial), flat(states), flat(record), flat(dh), flat(dstates))
    arrays = (x, initial, states, record, dx, flat(lengths))
    meetings = ZERO
    for piece in range(first, end, together):
        last = min(end, piece + together)
        group = sizes(cell, x, initial, (piece * B // pieces, last * B // pieces, u0, u1), steps)
        clear_sums(carried, sums)
        take_rows(carried.dstate, dfinal, group.b0, group.M, u0, group.own)
        meetings = retreat_group(cell, meetings, space, whole, arrays, group, (piece, last, pieces), team)
        give_rows(dinitial, group.b0, group.M, u0, group.own, carried.dstate)
        given = last
        if last - piece == pieces:
            sum_pieces(cell, sums, group, pieces)
            given = piece + 1
        give_sums(block, gradients, sums, group, piece, given)
    return 0


@stage
def retreat_group(cell, meetings, space, whole, arrays, n, some, team):
    """Fill dx and the sums of a group, that is of some pieces = (from, to, all), a chunk at a time from the last."""
    packed, panels, rows, carried, sums = space
    x, initial, states, record, dx, lengths = arrays
    again = packed.size > 0
    for t1 in range(n.T, 0, -n.steps):
        t0 = max(0, t1 - n.steps)
        span = t1 - t0
        take_steps(rows.x, rows.h, (x, initial, states), n.b0, n.M, t0, t1)  # (rows, D), (rows, H)
        if again:
            project_again(rows, packed, n, span * n.M)  # p (rows, O), q (rows, OQ) of the first product
        meetings = recall(cell, meetings, rows, record, packed, n, (t0, t1), team)  # s (rows, H_p), q of the second
        for t in range(t1 - 1, t0 - 1, -1):
            step = (t, t - t0, span)
            retreat(cell, rows, carried, whole, lengths, n, step, again)  # dp, dq of the last phase; direct dstate
            meetings = meet_team(team, meetings)
            meetings = retreat_lead(cell, meetings, rows, carried, panels, n, (step, lengths), team)  # …; dh through s
            retreat_state(rows, carried, panels, lengths, n, step)  # dstate through h_{t-1}
        accumulate_pieces(cell, rows, sums, n, some, span)
        if len(dx):
            give_inputs(dx, rows, panels, carried.zero, n, t0, t1)
        meetings = meet_team(team, meetings)
    return meetings


@stage
def memory(cell, workspace, team, n, S, again, together):
    """Scratch memory: packed weights, panels, rows of a chunk, what is carried, sums, and a block (L·L,)."""
    L = BYTES // workspace[0].itemsize
    workspace[1][0] = 0
    # W, U, b, c as in the forward pass, if needed; one more, as a member of a team that has no units needs them too.
    packed = scratch(workspace, places(n).end + ONE if again else ZERO)
    panels = panel_memory(workspace, n)
    rows = row_memory(workspace, team, n, again, lead_recorded(cell), one_gradient(cell))
    carried = carried_memory(workspace, n, S)
    sums = sum_memory(workspace, n, one_gradient(cell), together)
    return packed, panels, rows, carried, sums, scratch(workspace, L * L)


@stage
def pack_transposed(panels, weights, n, for_dx):
    """Pack the weights for the products with dp, if dx is asked for, and dq."""
    W, U, _, _ = weights  # (G·H, D), (Q·H, H)
    if for_dx:
        pack_columns(panels.W, W, ZERO, n.G, n.H, ZERO, n.D)
    pack_columns(panels.U, U, ZERO, n.Q1, n.H, n.u0, n.own)
    pack_columns(panels.V, U, n.Q1 * n.H, n.Q2, n.H, n.u0, n.own)


@stage
def project_again(rows, packed, n, count):
    """p = x Wᵀ + b and q = h_{t-1} Uᵀ + c of the first product, for `count` rows and the own units."""
    at, L = places(n), BYTES // packed.itemsize
    O, OU, OQ = n.G * n.own_p, n.Q1 * n.own_p, (n.Q1 + n.Q2) * n.own_p
    W, b, p = (packed, at.W, ZERO), (packed, at.b, ZERO), (rows.p, ZERO, O)
    matmul((rows.x, ZERO, n.D, ONE), count, n.D, W, O // L, b, p)
    U, c, q = (packed, at.U, ZERO), (packed, at.c, ZERO), (rows.q, ZERO, OQ)
    matmul((rows.h, ZERO, n.H, ONE), count, n.H, U, OU // L, c, q)


@stage
def recall_units(cell, rows, record, n, span, again):
    """The record of the first of two phases and its operand s, for the steps of a chunk and the own units."""
    record, (t0, t1) = flat(record), span
    L, O, OQ = BYTES // record.itemsize, n.G * n.own_p, (n.Q1 + n.Q2) * n.own_p
    for i in range((t1 - t0) * n.M):
        row = ((n.b0 + i // (t1 - t0)) * n.T + t0 + i % (t1 - t0)) * n.H + n.u0
        for j in range(0, n.own, L):
            count = min(L, n.own - j)
            h_prev = load(rows.h, i * n.H + n.u0 + j, count)
            if again:
                gates_p = load_lead(cell, rows.p, i * O + j, n.own_p, count)
                gates_q = load_lead(cell, rows.q, i * OQ + j, n.own_p, count)
                recorded = lead_forward(cell, gates_p, gates_q, h_prev)
            else:
                recorded = load_lead_record(cell, record, row + j, n.B * n.T * n.H, count)
            store_lead_record(cell, rows.early, i * n.own_p + j, n.M * n.steps * n.own_p, recorded, None)
            store(rows.s, i * n.H_p + n.u0 + j, lead_operand(cell, recorded, h_prev), None)


@stage
def recall_phase(cell, meetings, rows, record, packed, n, span, team):
    """The first of two phases for the chunk span = (t0, t1): its record and s, and, if made again, q = s Uᵀ + c."""
    again = packed.size > 0
    recall_units(cell, rows, record, n, span, again)
    if again:
        meetings = meet_team(team, meetings)
        at, OU, OV = places(n), n.Q1 * n.own_p, n.Q2 * n.own_p
        V, c, q = (packed, at.V, ZERO), (packed, at.c + OU, ZERO), (rows.q, OU, OU + OV)
        count, L = (span[1] - span[0]) * n.M, BYTES // packed.itemsize
        matmul((rows.s, ZERO, n.H_p, ONE), count, n.H, V, OV // L, c, q)
    return meetings


recall = only_with_two_phases(recall_phase)


@stage
def retreat(cell, rows, carried, whole, lengths, n, step, again):
    """The last phase of step = (t, t − t0, span): dp, dq of its gates, dstate but for the products, of own units."""
    initial, states, record, dh, dstates = whole
    t, i, span = step
    L, P, PQ = BYTES // record.itemsize, n.G * n.H_p, (n.Q1 + n.Q2) * n.H_p
    first, stride, size = lead_gates(cell) * n.H_p, n.B * n.T * n.H, n.M * n.own_p
    for m in range(n.M):
        r, row = m * span + i, ((n.b0 + m) * n.T + t) * n.H + n.u0
        if lengths.size and t >= lengths[n.b0 + m]:
            clear_gates(rows, n, r)
            copy(carried.ended, m * n.own_p, carried.dstate, m * n.own_p, n.own_p)
            continue
        ask_step_before(cell, states, record, dh, n, row)
        for j in range(0, n.own, L):
            count, here = min(L, n.own - j), m * n.own_p + j
            if t > 0:
                state_prev = load_state(cell, states, row - n.H + j, stride, count)
            else:
                state_prev = load_state(cell, initial, (n.b0 + m) * n.H + n.u0 + j, n.B * n.H, count)
            recorded = last_record(cell, rows, record, state_prev, n, (r, row, j, count), again)
            store(carried.dstate, here, load(carried.dstate, here, None) + load(dh, row + j, count), None)
            state = load_state(cell, states, row + j, stride, count)
            dstate = load_state(cell, carried.dstate, here, size, None)
            if dstates.size:
                store_state(cell, dstates, row + j, stride, dstate, count)
            gates_p, gates_q, dstate_prev = backward(cell, dstate, state, state_prev, recorded)
            store_p(cell, rows.dp, r * P + first + n.u0 + j, n.H_p, gates_p, count)
            if not one_gradient(cell):
                store_q(cell, rows.dq, r * PQ + first + n.u0 + j, n.H_p, gates_q, count)
            store_state(cell, carried.dstate, here, size, dstate_prev, None)


@stage
def ask_step_before(cell, states, record, dh, n, row):
    """Ask for what the step before will read of a sequence whose row is read now."""
    stride, first = n.B * n.T * n.H, lead_recorded(cell)
    ask(states, row - 2 * n.H, stride, state_count(cell), n.own)
    if record.size:
        ask(record, row - n.H + first * stride, stride, record_count(cell) - first, n.own)
    ask(dh, row - n.H, stride, ONE, n.own)


@stage
def clear_gates(rows, n, r):
    """dp and dq of row r, a step past its sequence's end, are 0, for the own units."""
    for g in range(n.G):
        clear(rows.dp, (r * n.G + g) * n.H_p + n.u0, n.own_p)
    for g in range(n.Q1 + n.Q2):
        clear(rows.dq, (r * (n.Q1 + n.Q2) + g) * n.H_p + n.u0, n.own_p)


@stage
def last_record(cell, rows, record, state_prev, n, where, again):
    """The last phase's record at where = (row of the chunk, start in the record, unit, lanes), kept or made again."""
    r, row, j, count = where
    if again:
        first, O, OQ = lead_gates(cell) * n.own_p, n.G * n.own_p, (n.Q1 + n.Q2) * n.own_p
        gates_p = load_p(cell, rows.p, r * O + first + j, n.own_p, count)
        gates_q = load_q(cell, rows.q, r * OQ + first + j, n.own_p, count)
        return forward(cell, gates_p, gates_q, state_prev)[1]
    stride = n.B * n.T * n.H
    return load_record(cell, record, row + j + lead_recorded(cell) * stride, stride, count)


@stage
def retreat_lead_units(cell, rows, carried, n, step):
    """The first phase at step = ((t, t − t0, span), lengths): dp, dq of its gates, and dh through s, of own units."""
    (t, i, span), lengths = step
    L, P, PQ = BYTES // rows.dp.itemsize, n.G * n.H_p, (n.Q1 + n.Q2) * n.H_p
    for m in range(n.M):
        if lengths.size and t >= lengths[n.b0 + m]:
            continue
        r = m * span + i
        for j in range(0, n.own, L):
            here = m * n.own_p + j
            count = min(L, n.own - j)
            h_prev = load(rows.h, r * n.H + n.u0 + j, count)
            recorded = load_lead_record(cell, rows.early, r * n.own_p + j, n.M * n.steps * n.own_p, None)
            gates_p, gates_q, dh_prev = lead_backward(cell, load(carried.ds, here, None), h_prev, recorded)
            store_lead(cell, rows.dp, r * P + n.u0 + j, n.H_p, gates_p, count)
            if not one_gradient(cell):
                store_lead(cell, rows.dq, r * PQ + n.u0 + j, n.H_p, gates_q, count)
            store(carried.dstate, here, load(carried.dstate, here, None) + dh_prev, None)


@stage
def retreat_lead_phase(cell, meetings, rows, carried, panels, n, step, team):
    """ds = dq U of the second product's gates, and the first of two phases with it."""
    PQ, L = (n.Q1 + n.Q2) * n.H_p, BYTES // rows.dq.itemsize
    (_, i, span), _ = step
    dq = (rows.dq, i * PQ + n.Q1 * n.H_p, span * PQ, ONE)  # (M, Q2·H_p)
    zero, ds = (carried.zero, ZERO, ZERO), (carried.ds, ZERO, n.own_p)  # (own_p,), (M, own_p)
    matmul(dq, n.M, n.Q2 * n.H_p, (panels.V, ZERO, ZERO), n.own_p // L, zero, ds)
    retreat_lead_units(cell, rows, carried, n, step)
    return meet_team(team, meetings)


retreat_lead = only_with_two_phases(retreat_lead_phase)


@stage
def restore_ended(carried, lengths, n, t):
    """dh of a sequence that has ended is as it was before the product: 0 · ∞ may not touch it."""
    for m in range(n.M if lengths.size else 0):
        if t >= lengths[n.b0 + m]:
            copy(carried.dstate, m * n.own_p, carried.ended, m * n.own_p, n.own_p)


@stage
def retreat_state(rows, carried, panels, lengths, n, step):
    """dh_{t-1} += dq U for the first product's gates of step = (t, t − t0, span), where a sequence has not ended."""
    t, i, span = step
    L, PQ = BYTES // rows.dq.itemsize, (n.Q1 + n.Q2) * n.H_p
    dq, dh_prev = (rows.dq, i * PQ, span * PQ, ONE), (carried.dstate, ZERO, n.own_p)  # (M, Q1·H_p), (M, own_p)
    matmul(dq, n.M, n.Q1 * n.H_p, (panels.U, ZERO, ZERO), n.own_p // L, dh_prev, dh_prev)
    restore_ended(carried, lengths, n, t)


@stage
def give_inputs(dx, rows, panels, zero, n, t0, t1):
    """dx = dp W for the own part of a chunk's rows."""
    L, P, count = BYTES // dx.itemsize, n.G * n.H_p, (t1 - t0) * n.M
    r0, r1 = count * n.u0 // n.H, count * (n.u0 + n.own) // n.H
    to = (rows.dx, r0 * n.D_p, n.D_p)  # (r1 − r0, D_p)
    matmul((rows.dp, r0 * P, P, ONE), r1 - r0, P, (panels.W, ZERO, ZERO), n.D_p // L, (zero, ZERO, ZERO), to)
    give_steps(dx, rows.dx, n.b0, t1 - t0, t0, r0, r1)

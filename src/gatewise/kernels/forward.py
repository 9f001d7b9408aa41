"""The forward time loop of every cell, compiled whole.

A step has a phase or two (`cells.cell.Phase`): q = h_{t-1} Uᵀ + c and the state from it; or first q of some gates and
from them an operand s, then q = s Uᵀ + c of the others and the state. Letters: `sizes.py`. All arrays are contiguous:

    x (B, T, D)    W (G·H, D)    U (Q·H, H)    b (G·H,)    c (Q·H,)    initial, final (S, B, H)
    lengths (B,), or (0,) if every sequence has T steps
    states (S, B, T, H), or the first state alone if no more is to be kept
    record (R, B, T, H), or (0, B, T, H) if it is not to be kept

Neither states nor record is written past a sequence's length. workspace = (work, top) is the scratch memory of this
call (`products.scratch`).

share = (part, team). part = (b0, b1, u0, u1): rows b0 to b1 of the batch and units u0 to u1 are done; calls for other
rows may run at the same time. Calls for other units of the same rows must: team = (counter, size, shared) says how many
calls there are, and they meet at `counter` and share the memory `shared` as far as they need one another's results. On
its own, a call has size 1 and all units.
"""

# mypy: disable-error-code="no-untyped-def"
from __future__ import annotations

from gatewise.kernels.equations import (
    forward,
    lead_forward,
    lead_gates,
    lead_operand,
    lead_recorded,
    load_lead,
    load_p,
    load_q,
    load_state,
    only_with_two_phases,
    store_lead_record,
    store_record,
    store_state,
)
from gatewise.kernels.marks import stage
from gatewise.kernels.meeting import meet_team
from gatewise.kernels.multiply import matmul
from gatewise.kernels.products import (
    ONE,
    ZERO,
    fits,
    flat,
    give_rows,
    pack_rows,
    pad,
    scratch,
    take_rows,
)
from gatewise.kernels.sizes import chunk, places, sizes
from gatewise.kernels.vectors import BYTES, load, store, view


@stage
def prepare(memory, weights, n):
    """Pack W, U, b and c of the own units into memory (at least places.end,) as `places` has them."""
    W, U, b, c = weights  # (G·H, D), (Q·H, H), (G·H,), (Q·H,)
    at = places(n)
    pack_rows(memory, at.W, W, n.u0, n.H, n.G, n.own)
    pack_rows(memory, at.U, U, n.u0, n.H, n.Q1, n.own)
    pack_rows(memory, at.V, U, n.Q1 * n.H + n.u0, n.H, n.Q2, n.own)
    pad(memory, at.b, b, n.u0, n.H, n.G, n.own)
    pad(memory, at.c, c, n.u0, n.H, n.Q1 + n.Q2, n.own)


@stage
def run_forward(cell, workspace, weights, inputs, outputs, share):
    """Fill `states`, `record` and `final` for the rows and units of a share; return 0.

    Where the scratch memory is too small, nothing is done, and the number of elements that are needed is returned.
    """
    x, initial, lengths = inputs  # (B, T, D), (S, B, H), (B,) or (0,)
    states, record, final = outputs  # (S or 1, B, T, H), (R or 0, B, T, H), (S, B, H)
    part, team = share[0], views(share[1])
    n = sizes(cell, x, initial, part, chunk(x.shape[1], part[1] - part[0]))
    S, L = len(initial), BYTES // x.itemsize
    at, OU, OQ = places(n), n.Q1 * n.own_p, (n.Q1 + n.Q2) * n.own_p
    workspace[1][0] = 0
    packed = scratch(workspace, at.end)
    p = scratch(workspace, n.M * n.steps * n.G * n.own_p)  # (M, steps, O)
    q = scratch(workspace, n.M * OQ)  # (M, OQ)
    s, v, turn = state_memory(workspace, team, n, S)  # (1 or 2, S, M, H_p), (M, H_p)
    if not fits(workspace):
        return workspace[1][0]
    prepare(packed, weights, n)
    memory = (p, q, s, v)
    kept = (flat(states), flat(record), len(states) > 1, len(record) > 0, flat(lengths))
    take_rows(s, initial, n.b0, n.M, ZERO, n.H)
    meetings, x = ZERO, flat(x)
    for t0 in range(0, n.T, n.steps):
        project(p, x, packed, n, t0)
        for t in range(t0, min(n.T, t0 + n.steps)):
            before, after = t % 2 * turn, (t + 1) % 2 * turn
            h = (s, before, n.H_p, ONE)  # (M, H)
            matmul(h, n.M, n.H, (packed, at.U, ZERO), OU // L, (packed, at.c, ZERO), (q, ZERO, OQ))
            meetings = lead(cell, meetings, memory, kept, packed, n, (t, t - t0, before), team)
            advance(cell, memory, kept, n, (t, t - t0, before, after))
            meetings = meet_team(team, meetings)
    if n.u0 == 0:
        give_rows(final, n.b0, n.M, ZERO, n.H, view(s, n.T % 2 * turn, S * n.M * n.H_p))
    return 0


@stage
def views(team):
    """A team, its arrays as views."""
    counter, size, shared = team
    return flat(counter), size, flat(shared)


@stage
def state_memory(workspace, team, n, S):
    """Memory for the states (turns, S, M, H_p) and the operand s of a second product (M, H_p); elements of a turn.

    A team shares it, and keeps the states before a step while it makes those after.
    """
    _, size, shared = team
    states, operand = S * n.M * n.H_p, n.M * n.H_p if n.Q2 else ZERO
    if size > 1:
        return shared, view(shared, 2 * states, operand), states
    return scratch(workspace, states), scratch(workspace, operand), ZERO


@stage
def project(p, x, packed, n, t0):
    """p (M, steps, O) = x Wᵀ + b for the steps of the chunk that begins at t0."""
    at, O, L = places(n), n.G * n.own_p, BYTES // x.itemsize
    steps = min(n.steps, n.T - t0)
    for m in range(n.M):
        rows = (x, ((n.b0 + m) * n.T + t0) * n.D, n.D, ONE)  # (steps, D)
        matmul(rows, steps, n.D, (packed, at.W, ZERO), O // L, (packed, at.b, ZERO), (p, m * n.steps * O, O))


@stage
def lead_units(cell, memory, kept, n, step):
    """The first of two phases of step = (t, t − t0, before): v (M, H_p), and its record, of the own units."""
    p, q, s, v = memory  # (M, steps, O), (M, OQ), (…, M, H_p) from `before` on, (M, H_p)
    _, record, _, keep_record, lengths = kept  # record (R, B, T, H), flat
    t, i, before = step
    L, O, OQ, stride = BYTES // p.itemsize, n.G * n.own_p, (n.Q1 + n.Q2) * n.own_p, n.B * n.T * n.H
    for m in range(n.M):
        valid = lengths.size == 0 or t < lengths[n.b0 + m]
        row, at_p = ((n.b0 + m) * n.T + t) * n.H + n.u0, (m * n.steps + i) * O
        for j in range(0, n.own, L):
            h_prev = load(s, before + m * n.H_p + n.u0 + j, None)
            gates_p = load_lead(cell, p, at_p + j, n.own_p, None)
            gates_q = load_lead(cell, q, m * OQ + j, n.own_p, None)
            recorded = lead_forward(cell, gates_p, gates_q, h_prev)
            store(v, m * n.H_p + n.u0 + j, lead_operand(cell, recorded, h_prev), None)
            if keep_record and valid:
                store_lead_record(cell, record, row + j, stride, recorded, min(L, n.own - j))


@stage
def lead_phase(cell, meetings, memory, kept, packed, n, step, team):
    """The first of two phases, and q = s Uᵀ + c of the gates whose product takes what it has made."""
    lead_units(cell, memory, kept, n, step)
    meetings = meet_team(team, meetings)
    _, q, _, v = memory  # (M, OQ), (M, H_p)
    at, OU, OV = places(n), n.Q1 * n.own_p, n.Q2 * n.own_p
    V, c, to = (packed, at.V, ZERO), (packed, at.c + OU, ZERO), (q, OU, OU + OV)
    matmul((v, ZERO, n.H_p, ONE), n.M, n.H, V, OV // (BYTES // q.itemsize), c, to)
    return meetings


lead = only_with_two_phases(lead_phase)


@stage
def advance(cell, memory, kept, n, step):
    """The last phase of step = (t, t − t0, before, after): the states after it, and its record, of the own units."""
    p, q, s, _ = memory  # (M, steps, O), (M, OQ), (S, M, H_p) from `before` and from `after` on
    states, record, keep, keep_record, lengths = kept  # (S or 1, B, T, H), (R, B, T, H), flat
    t, i, before, after = step
    L, O, OQ, stride = BYTES // p.itemsize, n.G * n.own_p, (n.Q1 + n.Q2) * n.own_p, n.B * n.T * n.H
    first, recorded_first = lead_gates(cell) * n.own_p, lead_recorded(cell) * stride
    for m in range(n.M):
        here = m * n.H_p + n.u0
        if lengths.size and t >= lengths[n.b0 + m]:
            carry_over(cell, s, before + here, after + here, n)
            continue
        row, at_p, at_q = ((n.b0 + m) * n.T + t) * n.H + n.u0, (m * n.steps + i) * O + first, m * OQ + first
        for j in range(0, n.own, L):
            count = min(L, n.own - j)
            gates_p = load_p(cell, p, at_p + j, n.own_p, None)
            gates_q = load_q(cell, q, at_q + j, n.own_p, None)
            state_prev = load_state(cell, s, before + here + j, n.M * n.H_p, None)
            state, recorded = forward(cell, gates_p, gates_q, state_prev)
            store_state(cell, s, after + here + j, n.M * n.H_p, state, None)
            if keep:
                store_state(cell, states, row + j, stride, state, count)
            else:
                store(states, row + j, state[0], count)
            if keep_record:
                store_record(cell, record, row + j + recorded_first, stride, recorded, count)


@stage
def carry_over(cell, s, before, after, n):
    """Copy the own units of one row's states, where its sequence has ended."""
    for j in range(0, n.own, BYTES // s.itemsize):
        state = load_state(cell, s, before + j, n.M * n.H_p, None)
        store_state(cell, s, after + j, n.M * n.H_p, state, None)

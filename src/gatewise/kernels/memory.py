"""The scratch memory of the backward time loop. Letters: `sizes.py`; P, PQ, O, OQ as there."""

# mypy: disable-error-code="no-untyped-def"
from __future__ import annotations

from typing import NamedTuple

from gatewise.kernels.marks import stage
from gatewise.kernels.multiply import packing_size
from gatewise.kernels.products import ZERO, scratch
from gatewise.kernels.values import Array
from gatewise.kernels.vectors import BYTES, view


class Rows(NamedTuple):
    """What belongs to the rows of a chunk, each (M·steps, …), flat."""

    x: Array  # (…, D)
    h: Array  # (…, H): h_{t-1}
    p: Array  # (…, O), for own units; empty if the record was kept
    q: Array  # (…, OQ)
    early: Array  # (R of the first of two phases, M·steps, own_p)
    s: Array  # (…, H_p): its operand
    dp: Array  # (…, P)
    dq: Array  # (…, PQ)
    dx: Array  # (…, D_p)


class Carried(NamedTuple):
    """What goes from step to step, for own units, flat."""

    dstate: Array  # (S, M, own_p)
    ended: Array  # (M, own_p): dh of the sequences that have ended
    ds: Array  # (M, own_p): the gradient of s
    zero: Array  # (D_p or own_p,)


class Sums(NamedTuple):
    """Gradients of the weights of each piece of a group, transposed and padded: those of own columns of W, U, flat."""

    DW: Array  # (pieces, own D, P)
    DU: Array  # (pieces, own, PQ)
    Db: Array  # (pieces, P)
    Dc: Array  # (pieces, PQ)
    left: Array  # memory of `add_product`
    right: Array


class Panels(NamedTuple):
    """Weights packed for products with dp and dq."""

    W: Array  # K = P, all D
    U: Array  # K = Q1·H_p, own H
    V: Array  # K = Q2·H_p, own H


@stage
def own_inputs(n):
    """The columns of W, from and to, whose gradient a call computes: its part of D, as its units are of H."""
    return n.D * n.u0 // n.H, n.D * (n.u0 + n.own) // n.H


@stage
def panel_memory(workspace, n):
    """Memory for the panels of the weights."""
    return Panels(
        scratch(workspace, n.G * n.H_p * n.D_p),
        scratch(workspace, n.Q1 * n.H_p * n.own_p),
        scratch(workspace, n.Q2 * n.H_p * n.own_p),
    )


@stage
def team_memory(workspace, team, start, count):
    """`count` elements that a team shares, of its memory from `start` on; scratch memory of a call on its own."""
    _, size, shared = team
    return view(shared, start, count) if size > 1 else scratch(workspace, count)


@stage
def row_memory(workspace, team, n, again, early, one):
    """Memory for the rows of a chunk; a team shares dp, dq and s. If `one`, dq is dp.

    early: how many values the first of two phases records.
    """
    rows, P, PQ = n.M * n.steps, n.G * n.H_p, (n.Q1 + n.Q2) * n.H_p
    rows_again = rows if again else ZERO
    dp = team_memory(workspace, team, ZERO, rows * P)
    dq = dp if one else team_memory(workspace, team, rows * P, rows * PQ)
    s = team_memory(workspace, team, rows * (P + PQ), rows * n.H_p if n.Q2 else ZERO)
    return Rows(
        scratch(workspace, rows * n.D),
        scratch(workspace, rows * n.H),
        scratch(workspace, rows_again * n.G * n.own_p),
        scratch(workspace, rows_again * (n.Q1 + n.Q2) * n.own_p),
        scratch(workspace, rows * early * n.own_p),
        s,
        dp,
        dq,
        scratch(workspace, rows * n.D_p),
    )


@stage
def carried_memory(workspace, n, S):
    """Memory for what goes from step to step."""
    row = n.M * n.own_p
    return Carried(
        scratch(workspace, S * row),
        scratch(workspace, row),
        scratch(workspace, row),
        scratch(workspace, max(n.D_p, n.own_p)),
    )


@stage
def sum_memory(workspace, n, one, pieces):
    """Memory for the gradients of the weights. If `one`, Dc is Db."""
    P, PQ, (d0, d1) = n.G * n.H_p, (n.Q1 + n.Q2) * n.H_p, own_inputs(n)
    left, right = packing_size(max(d1 - d0, n.own), n.M * n.steps, BYTES // workspace[0].itemsize)
    Db = scratch(workspace, pieces * P)
    return Sums(
        scratch(workspace, pieces * (d1 - d0) * P),
        scratch(workspace, pieces * n.own * PQ),
        Db,
        Db if one else scratch(workspace, pieces * PQ),
        scratch(workspace, left),
        scratch(workspace, right),
    )


@stage
def sums_of_piece(sums, n, k):
    """The sums of piece k of a group."""
    P, PQ, (d0, d1) = n.G * n.H_p, (n.Q1 + n.Q2) * n.H_p, own_inputs(n)
    DW, DU = (d1 - d0) * P, n.own * PQ
    return Sums(
        view(sums.DW, k * DW, DW),
        view(sums.DU, k * DU, DU),
        view(sums.Db, k * P, P),
        view(sums.Dc, k * PQ, PQ),
        sums.left,
        sums.right,
    )


@stage
def rows_between(rows, n, start, end):
    """What the gradients of the weights take of some rows of a chunk."""
    P, PQ, count = n.G * n.H_p, (n.Q1 + n.Q2) * n.H_p, end - start
    return Rows(
        view(rows.x, start * n.D, count * n.D),
        view(rows.h, start * n.H, count * n.H),
        rows.p,
        rows.q,
        rows.early,
        view(rows.s, start * n.H_p, count * n.H_p if n.Q2 else ZERO),
        view(rows.dp, start * P, count * P),
        view(rows.dq, start * PQ, count * PQ),
        rows.dx,
    )

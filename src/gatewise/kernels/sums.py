"""Gradients of the weights: sums over rows, kept apart for each piece of the batch. Letters: `sizes.py`."""

# mypy: disable-error-code="no-untyped-def"
from __future__ import annotations

from gatewise.kernels.equations import one_gradient
from gatewise.kernels.marks import stage
from gatewise.kernels.memory import own_inputs, rows_between, sums_of_piece
from gatewise.kernels.multiply import add_product
from gatewise.kernels.products import ZERO, add_columns, add_second, clear, flat, unpad, unpad_transposed
from gatewise.kernels.vectors import BYTES, view


@stage
def clear_sums(carried, sums):
    """Let the sums start at 0, and 0 be 0."""
    clear(carried.zero, ZERO, carried.zero.size)
    clear(sums.DW, ZERO, sums.DW.size)
    clear(sums.DU, ZERO, sums.DU.size)
    clear(sums.Db, ZERO, sums.Db.size)
    clear(sums.Dc, ZERO, sums.Dc.size)


@stage
def accumulate_pieces(cell, rows, sums, n, some, span):
    """Add what the rows of each of some pieces = (from, to, all) give to the sums of this piece."""
    first, last, pieces = some
    for k in range(first, last):
        start, end = (k * n.B // pieces - n.b0) * span, ((k + 1) * n.B // pieces - n.b0) * span
        accumulate(cell, rows_between(rows, n, start, end), sums_of_piece(sums, n, k - first), n, end - start)


@stage
def accumulate(cell, rows, sums, n, count):
    """Add what `count` rows give: DW += xᵀ dp, DU += h_{t-1}ᵀ dq, or sᵀ dq, Db += Σ dp, Dc += Σ dq."""
    L, P, PQ, (d0, d1) = BYTES // rows.dp.itemsize, n.G * n.H_p, (n.Q1 + n.Q2) * n.H_p, own_inputs(n)
    left, right = sums.left, sums.right
    DW = (sums.DW, ZERO, P)  # (own D, P)
    add_product((rows.x, d0, n.D), d1 - d0, count, (rows.dp, ZERO, P), P // L, DW, left, right)
    first = n.Q1 * n.H_p
    DU = (sums.DU, ZERO, PQ)  # (own, Q1·H_p)
    add_product((rows.h, n.u0, n.H), n.own, count, (rows.dq, ZERO, PQ), first // L, DU, left, right)
    if n.Q2:
        DV = (sums.DU, first, PQ)  # (own, Q2·H_p)
        add_product((rows.s, n.u0, n.H_p), n.own, count, (rows.dq, first, PQ), (PQ - first) // L, DV, left, right)
    for g in range(n.G):
        at = g * n.H_p + n.u0
        add_columns(sums.Db, rows.dp, count, P, at, at + n.own_p)
    for g in range(0 if one_gradient(cell) else n.Q1 + n.Q2):
        at = g * n.H_p + n.u0
        add_columns(sums.Dc, rows.dq, count, PQ, at, at + n.own_p)


@stage
def sum_pieces(cell, sums, n, pieces):
    """Let the first sums of a group be those of all its pieces: the first half and the last are added, and so on."""
    P, PQ, (d0, d1) = n.G * n.H_p, (n.Q1 + n.Q2) * n.H_p, own_inputs(n)
    count = pieces
    while count > 1:
        count = count // 2
        add_second(sums.DW, count * (d1 - d0) * P)
        add_second(sums.DU, count * n.own * PQ)
        add_second(sums.Db, count * P)
        if not one_gradient(cell):
            add_second(sums.Dc, count * PQ)


@stage
def give_sums(block, gradients, sums, n, first, last):
    """Write the sums of pieces `first` to `last`.

    Those of own columns go to dW (pieces·G·H, D) and dU (pieces·Q·H, H), those of own units to db (pieces·G·H,) and
    dc (pieces·Q·H,).
    """
    dW, dU, db, dc = flat(gradients[0]), flat(gradients[1]), flat(gradients[2]), flat(gradients[3])
    GH, QH, (d0, d1) = n.G * n.H, (n.Q1 + n.Q2) * n.H, own_inputs(n)
    for k in range(first, last):
        DW, DU, Db, Dc, _, _ = sums_of_piece(sums, n, k - first)
        unpad_transposed(block, DW, view(dW, k * GH * n.D, GH * n.D), n.D, n.G, d0, d1 - d0)
        unpad_transposed(block, DU, view(dU, k * QH * n.H, QH * n.H), n.H, n.Q1 + n.Q2, n.u0, n.own)
        unpad(Db, view(db, k * GH, GH), n.G, n.u0, n.own)
        unpad(Dc, view(dc, k * QH, QH), n.Q1 + n.Q2, n.u0, n.own)

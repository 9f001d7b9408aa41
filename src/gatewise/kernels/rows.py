"""A matrix times one vector, the matrix as it lies in a layer: sums along its rows, nothing packed ahead.

Lanes hold parts of a row's sum, which are added up once the row is through. So the order of the sums is not that of
`multiply.matmul`, and results differ in the last bits.
"""

# mypy: disable-error-code="no-untyped-def, no-untyped-call"
from __future__ import annotations

from llvmlite import ir

from gatewise.kernels import arithmetic  # noqa: F401  what Vectors can do
from gatewise.kernels.marks import routine
from gatewise.kernels.values import I64, Number, Vector, constant, current, integer
from gatewise.kernels.vectors import BYTES, I32, emit_load, fma, lane_mask, load, store, vector_type


@routine
def times_vector(M, row, rows, K, a, at, init, out, to, turn):
    """out[to + n] = init[row + n] + Σ_k M[row + n, k] a[at + k] for n up to `rows`; all flat, M (…, K).

    Rows are taken as many at a time as a Vector has lanes. The last ones overlap with those before, and where there are
    fewer in all, they are summed one by one. With `turn` 1 it goes from the last row to the first, which gives the same
    numbers: where rows do not fit the nearest cache, those that were read last are still there at the next call.
    """
    L = BYTES // a.itemsize
    if rows < L:
        for n in range(rows):
            s = init[row + n]
            for k in range(K):
                s += M[(row + n) * K + k] * a[at + k]
            out[to + n] = s
        return
    for start in range(0, rows, L):
        n = min(start, rows - L) if turn == 0 else max(rows - L - start, 0)
        store(out, to + n, load(init, row + n, None) + row_sums(M, (row + n) * K, K, a, at), None)


def row_sums(M, start, K, a, at):
    """Σ_k M[start + n K + k] a[at + k] in lane n, for as many rows as there are lanes."""
    builder, vec, K, at = current(), vector_type(M), integer(K), integer(at)
    starts = [integer(start + Number(K) * n) for n in range(vec.count)]
    lanes, entry = ir.Constant(I64, vec.count), builder.block

    def added(k, sums, mask):
        """The sums of each lane, with the products of as many columns as there are lanes, from k on."""
        right = emit_load(a, Number(builder.add(at, k)), mask)
        left = [emit_load(M, Number(builder.add(row, k)), mask) for row in starts]
        return [fma(builder, m, right, s) for m, s in zip(left, sums, strict=True)]

    head, body, rest, tail, done = (builder.append_basic_block(n) for n in ("head", "body", "rest", "tail", "done"))
    builder.branch(head)
    builder.position_at_end(head)
    k, *sums = [builder.phi(kind) for kind in (I64, *[vec] * vec.count)]
    after = builder.add(k, lanes)
    builder.cbranch(builder.icmp_signed("<=", after, K), body, rest)
    builder.position_at_end(body)
    zero = constant(vec, 0.0)
    for node, value in zip((k, *sums), (after, *added(k, sums, None)), strict=True):
        node.add_incoming(ir.Constant(I64, 0) if node is k else zero, entry)
        node.add_incoming(value, body)
    builder.branch(head)
    builder.position_at_end(rest)
    builder.cbranch(builder.icmp_signed("<", k, K), tail, done)
    builder.position_at_end(tail)
    masked = added(k, sums, lane_mask(Number(builder.sub(K, k)), vec.count))
    builder.branch(done)
    builder.position_at_end(done)
    totals = [builder.phi(vec) for _ in sums]
    for node, whole, value in zip(totals, sums, masked, strict=True):
        node.add_incoming(whole, rest)
        node.add_incoming(value, tail)
    return Vector(_lane_sums(builder, totals))


def _lane_sums(builder, lines):
    """The sum over the lanes of line n in lane n: lines in pairs, halves of both side by side, until one is left.

    First within blocks of 128 bits, where processors shuffle fastest, then whole blocks.
    """
    lanes = lines[0].type.count
    block = 128 // (32 if isinstance(lines[0].type.element, ir.FloatType) else 64)
    size = 1
    while size < lanes:
        halves = [_halves(lanes, size, block, odd) for odd in (0, 1)]
        lines = [_added(builder, a, b, halves) for a, b in zip(lines[::2], lines[1::2], strict=True)]
        size *= 2
    return lines[0]


def _halves(lanes, size, block, odd):
    """Which lanes of two lines a, b are taken: every other piece of both.

    Pieces are `size` lanes that belong to as many rows, within a block, then whole blocks. Within a block the pieces
    of a and b come in turn; of blocks, those of a come first.
    """
    if size < block:
        pairs = block // (2 * size)
        at = [s + (odd * pairs + n) * size for s in range(0, lanes, block) for n in range(pairs)]
        starts = [start + line for start in at for line in (0, lanes)]
        return [s + i for s in starts for i in range(size)]
    starts = [n * block for n in range(2 * lanes // block) if n % 2 == odd]
    return [s + i for s in starts for i in range(block)]


def _added(builder, a, b, halves):
    kind = ir.VectorType(I32, a.type.count)
    first, second = (builder.shuffle_vector(a, b, ir.Constant(kind, order)) for order in halves)
    return builder.fadd(first, second)

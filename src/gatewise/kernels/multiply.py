"""Matrix products of the kernels: one driver over register tiles for every shape and stride, and products over time."""

# mypy: disable-error-code="no-untyped-def"
from __future__ import annotations

from gatewise.kernels.marks import routine, stage
from gatewise.kernels.target import FUSED, REGISTERS
from gatewise.kernels.tiles import tile, transpose
from gatewise.kernels.vectors import BYTES, load, store

# Rows of the tiles that several panels are multiplied by at once, as many as the registers hold sums of: three panels
# of the tallest take 24 of 32 registers, 12 of 16, or 9 where a product needs a register of its own before it is added.
# What the tallest leave is cut so that hardly a row stands alone. Fewer rows take more panels at once, because each sum
# waits for its last addition. All tiles sum in the same order, so a row's result does not depend on the tile that it
# fell into. Measured with 16 registers: 6 × 2 is as fast as 4 × 3; 3 × 4 and 2 × 6 need more and take twice the time.
HEIGHTS = (8, 5, 4, 3) if REGISTERS == 32 else (4, 3) if FUSED else (3,)
_HIGH = tuple(tuple(tile(height, width) for height in HEIGHTS) for width in (1, 2, 3))
_TWO = tuple(tile(2, width) for width in range(1, 7 if REGISTERS == 32 else 5))
_ONE = tuple(tile(1, width) for width in range(1, 13))
# Panels packed side by side; as many as the widest tile takes.
GROUP = 12
# Terms that are summed at once, at the most, where rows are many: three panels of so many stay in an L1 of 32 KiB,
# where they stand apart and take a third more, while all rows pass.
DEPTH = 192
# From so many rows on, both operands of a product over time are packed; fewer are done before that has paid. Measured
# with an L1 of 48 KiB and 12 ways, where packing 64 to 100 rows costs 5 %, and 512 gain 20 %.
ROWS_TO_PACK = 128 if BYTES == 64 else 64


@stage
def _cut(rows):
    """Ends of the rows that tiles of each of HEIGHTS take; one or two rows may be left."""
    if REGISTERS == 32:
        rest = rows % 8
        rest = rest + 8 if (rest == 1 or rest == 2) and rows > 8 else rest  # 1 to 10
        tall = rows - rest
        fives = 10 if rest == 10 else 5 if rest == 9 or rest == 5 else 0
        fours = 4 if rest == 9 or rest == 7 or rest == 4 else 0
        threes = (rest - fives - fours) // 3 * 3
        return tall, tall + fives, tall + fives + fours, tall + fives + fours + threes
    if len(HEIGHTS) == 1:
        return (rows // 3 * 3,)
    rest = rows % 4
    threes = 9 if rest == 1 and rows > 5 else 6 if rest == 2 and rows > 2 else 3 if rest == 3 or rows == 5 else 0
    fours = (rows - threes) // 4 * 4
    return fours, fours + threes


@stage
def _down(A, panel, I, C, K, ends, j, tiles):
    """The panels of a tile, from j on, of all rows but those that are left."""
    for m in range(0, ends[0], HEIGHTS[0]):
        tiles[0](A, panel, I, C, K, m, j)
    if len(HEIGHTS) > 1:
        for m in range(ends[0], ends[1], HEIGHTS[1]):
            tiles[1](A, panel, I, C, K, m, j)
    if len(HEIGHTS) > 2:
        for m in range(ends[1], ends[2], HEIGHTS[2]):
            tiles[2](A, panel, I, C, K, m, j)
        for m in range(ends[2], ends[3], HEIGHTS[3]):
            tiles[3](A, panel, I, C, K, m, j)


@stage
def _many_rows(A, group, I, C, K, ends, span):
    """Panels span = (first, last) of all rows but those that are left."""
    b, base, stride = group
    L = BYTES // b.itemsize
    j, last = span
    while j < last:
        panel = (b, base + (j - span[0]) * L, stride)
        if j + 3 <= last and j + 4 != last:  # four panels are better cut into two and two
            _down(A, panel, I, C, K, ends, j, _HIGH[2])
            j += 3
        elif j + 2 <= last:
            _down(A, panel, I, C, K, ends, j, _HIGH[1])
            j += 2
        else:
            _down(A, panel, I, C, K, ends, j, _HIGH[0])
            j += 1


@stage
def _by_width(tiles, width, A, panel, I, C, K, m, j):
    """The one of tiles, of width 1 and up, that takes `width` panels from j on of the rows from m on."""
    if len(tiles) == 1:
        tiles[0](A, panel, I, C, K, m, j)
    elif width == len(tiles):
        tiles[-1](A, panel, I, C, K, m, j)
    else:
        _by_width(tiles[:-1], width, A, panel, I, C, K, m, j)


@stage
def _few_rows(tiles, A, group, I, C, K, m, span):
    """Panels span = (first, last) of the rows from m on that a tile takes, as many panels at once as it can."""
    b, base, stride = group
    L = BYTES // b.itemsize
    first, last = span
    for j in range(first, last, len(tiles)):
        panel = (b, base + (j - first) * L, stride)
        _by_width(tiles, min(len(tiles), last - j), A, panel, I, C, K, m, j)


@stage
def _in_depth(A, group, I, C, K, ends, span):
    """`_many_rows`; about DEPTH terms at a time, if more than two tiles stand below each other."""
    a, at, a_m, a_k = A
    b, base, stride = group
    blocks = (K + DEPTH - 1) // DEPTH if ends[-1] > 2 * HEIGHTS[0] else 1
    depth = K // max(blocks, 1) + 1
    for k in range(0, max(K, 1), depth):
        part, panel = (a, at + k * a_k, a_m, a_k), (b, base + k * stride, stride)
        _many_rows(part, panel, C if k else I, C, min(K - k, depth), ends, span)


@routine
def matmul(A, rows, K, B, panels, I, C):
    """c[m, j] = init[m, j] + Σ_k a[m, k] b[k, j] for all rows m and panels j of one vector each.

    A = (a, offset, stride of m, stride of k), I = (init, offset, stride of m), C = (c, offset, stride of m). B = (b,
    offset, stride of k): rows of panels side by side, or, if the stride is 0, packed as `pack_rows` and `pack_columns`
    leave them.
    Panels outside, rows inside: a panel is read from far once and then stays near.
    """
    b, bi, b_k = B
    L = BYTES // b.itemsize
    ends = _cut(rows)
    for first in range(0, panels, GROUP):
        last = min(first + GROUP, panels)
        stride = b_k if b_k else (last - first) * L
        group = (b, bi + first * L * (1 if b_k else K), stride)
        if ends[-1]:
            _in_depth(A, group, I, C, K, ends, (first, last))
        if rows - ends[-1] == 2:
            _few_rows(_TWO, A, group, I, C, K, ends[-1], (first, last))
        if rows - ends[-1] == 1:
            _few_rows(_ONE, A, group, I, C, K, ends[-1], (first, last))


@stage
def _widened(K, L):
    """Elements from row to row of `left` in `add_product`: no power of two, so that rows do not share places in L1."""
    return (K + L - 1) // L * L + L


@stage
def packing_size(rows, K, L):
    """How much memory `add_product` takes for its left and its right operand; rows: the most it will be asked for."""
    pays = rows >= ROWS_TO_PACK
    return rows * _widened(K, L) if pays else 0, K * GROUP * L if pays else 0


@routine
def add_product(A, rows, K, B, panels, C, left, right):
    """c[m, j] += Σ_k a[k, m] b[k, j]: what K rows of a chunk add to the gradient of a weight.

    A = (a, offset, stride of k), B = (b, offset, stride of k), C = (c, offset, stride of m); left and right are memory
    of `packing_size`. Read where they are, both would be read with long strides, for each tile anew: so the transpose
    of a is made once, and each group of panels is packed for all rows.
    """
    (a, ai, a_k), (b, bi, b_k), (c, ci, c_m) = A, B, C
    L = BYTES // b.itemsize
    if left.size == 0 or rows < ROWS_TO_PACK:
        matmul((a, ai, 1, a_k), rows, K, B, panels, C, C)
        return
    width = _widened(K, L)
    for m in range(0, rows, L):
        for k in range(0, K, L):
            if k + L <= K and m + L <= rows:
                transpose(a, ai + k * a_k + m, a_k, None, None, left, m * width + k, width)
            else:
                transpose(a, ai + k * a_k + m, a_k, min(L, K - k), min(L, rows - m), left, m * width + k, width)
    for first in range(0, panels, GROUP):
        count = min(GROUP, panels - first)
        for k in range(K):
            for j in range(count):
                store(right, (k * count + j) * L, load(b, bi + k * b_k + (first + j) * L, None), None)
        to = (c, ci + first * L, c_m)
        matmul((left, 0, width, 1), rows, K, (right, 0, 0), count, to, to)

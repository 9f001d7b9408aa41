"""Matrix products of the kernels: one driver over register tiles, for every shape and stride."""

# mypy: disable-error-code="no-untyped-def"
from __future__ import annotations

import numpy as np

from gatewise.kernels.marks import routine, stage
from gatewise.kernels.target import REGISTERS
from gatewise.kernels.tiles import tile, transpose
from gatewise.kernels.vectors import BYTES, load, store, view

# Of one type with counts that are not constants: Numba compiles a function for each literal anew.
ZERO, ONE = np.int64(0), np.int64(1)

# Rows of the tiles that several panels are multiplied by at once, as many as the registers hold sums of: three panels
# of the tallest take 24 of 32 registers, or 12 of 16. What the tallest leave is cut so that hardly a row stands alone.
# Fewer rows take more panels at once, because each sum waits for its last addition. All tiles sum in the same order, so
# a row's result does not depend on the tile that it fell into.
HEIGHTS = (8, 5, 4, 3) if REGISTERS == 32 else (4, 3)
_HIGH = tuple(tuple(tile(height, width) for height in HEIGHTS) for width in (1, 2, 3))
_TWO = tuple(tile(2, width) for width in range(1, 7))
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
    rest = rows % 4
    threes = 9 if rest == 1 and rows > 5 else 6 if rest == 2 and rows > 2 else 3 if rest == 3 or rows == 5 else 0
    fours = (rows - threes) // 4 * 4
    return fours, fours + threes


@stage
def _down(A, panel, I, C, K, ends, j, tiles):
    """The panels of a tile, from j on, of all rows but those that are left."""
    for m in range(0, ends[0], HEIGHTS[0]):
        tiles[0](A, panel, I, C, K, m, j)
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
    """`_many_rows`, about DEPTH terms at a time."""
    a, at, a_m, a_k = A
    b, base, stride = group
    depth = K // ((K + DEPTH - 1) // DEPTH) + 1 if K else ONE
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
    return rows * _widened(K, L) if pays else ZERO, K * GROUP * L if pays else ZERO


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
        matmul((a, ai, ONE, a_k), rows, K, B, panels, C, C)
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
        matmul((left, ZERO, width, ONE), rows, K, (right, ZERO, ZERO), count, to, to)


@routine
def take(workspace, size):
    """Where `size` elements of scratch memory start, aligned to a vector; they count as taken."""
    work, top = workspace
    L = BYTES // work.itemsize
    start = top[0] + (-(work.ctypes.data // work.itemsize + top[0])) % L
    top[0] = start + size
    return start


@stage
def scratch(workspace, size):
    """Uninitialized memory, flat, whose start is aligned to a vector, for the length of one kernel call.

    workspace = (work, top): memory that is kept between calls, and how much of it is taken, which may come to be more
    than there is (`fits`). Nothing may be written before that has been looked at.
    """
    return view(workspace[0], take(workspace, size), size)


@stage
def fits(workspace):
    """Whether all that was taken is there; if not, the call is to do nothing, and will be made again with `top`."""
    return workspace[1][0] <= workspace[0].size


@stage
def flat(array):
    """All elements of a contiguous array."""
    return view(array, ZERO, array.size)


@routine
def clear(a, start, count):
    """a[start : start + count] = 0."""
    L, zero = BYTES // a.itemsize, load(a, start, ZERO)
    whole = count // L * L
    for n in range(0, whole, L):
        store(a, start + n, zero, None)
    for n in range(whole, count):
        a[start + n] = 0


@routine
def copy(to, i, from_, k, count):
    """to[i : i + count] = from_[k : k + count]; loops, because slices take seconds to compile."""
    L = BYTES // to.itemsize
    whole = count // L * L
    for n in range(0, whole, L):
        store(to, i + n, load(from_, k + n, None), None)
    for n in range(whole, count):
        to[i + n] = from_[k + n]


@routine
def pack_rows(out, start, M, row, apart, G, H):
    """H rows of M (…, N) for each of G gates, packed for `matmul` with K = N: rows become columns of whole vectors.

    The first gate's rows start at `row`, those of the others `apart` rows later each. Written to `out` from `start` on:
    groups of up to 12 panels, each [K][panels][L], so that a tile finds its panels side by side.
    """
    N = M.shape[1]
    L = BYTES // M.itemsize
    Hp = (H + L - 1) // L * L
    panels, rows = G * Hp // L, flat(M)
    for j in range(panels):
        first = j // GROUP * GROUP
        stride = min(GROUP, panels - first) * L
        base = start + first * N * L + (j - first) * L
        g, u = j * L // Hp, j * L % Hp
        for n in range(0, N, L):
            transpose(
                rows, (row + g * apart + u) * N + n, N, min(L, H - u), min(L, N - n), out, base + n * stride, stride
            )


@routine
def pack_columns(out, M, row, G, H, column, count):
    """`count` columns of M[row : row + G·H], packed for `matmul` with K = G·Hp: each gate padded to Hp rows with 0.

    Written to out (whole vectors of `count`, G·Hp).
    """
    N = M.shape[1]
    L = BYTES // M.itemsize
    Hp = (H + L - 1) // L * L
    rows, at = flat(M), ZERO
    for first in range(0, count, GROUP * L):
        width = min(GROUP * L, count - first)
        whole, rest = width // L * L, width % L
        for g in range(G):
            from_ = (row + g * H) * N + column + first
            for _ in range(H):
                for j in range(0, whole, L):
                    store(out, at + j, load(rows, from_ + j, None), None)
                if rest:
                    store(out, at + whole, load(rows, from_ + whole, rest), None)
                at, from_ = at + (width + L - 1) // L * L, from_ + N
            padding = (Hp - H) * ((width + L - 1) // L * L)
            clear(out, at, padding)
            at += padding


@routine
def pad(out, start, v, row, apart, G, H):
    """H elements of v for each of G gates, as `pack_rows` finds its rows, each gate padded with 0 to whole vectors."""
    L = BYTES // v.itemsize
    Hp = (H + L - 1) // L * L
    for g in range(G):
        at = start + g * Hp
        copy(out, at, v, row + g * apart, H)
        for u in range(H, Hp):
            out[at + u] = 0


@routine
def unpad_transposed(block, a, out, G, first, rows):
    """Write a (rows, G·Hp), gates padded, to the columns of out (G·H, N) from `first` on, by way of block (L·L,)."""
    N = out.shape[1]
    H = out.shape[0] // max(1, G)
    L = BYTES // a.itemsize
    Hp = (H + L - 1) // L * L
    to = flat(out)
    for g in range(G):
        for u in range(0, H, L):
            for n in range(0, rows, L):
                transpose(a, n * G * Hp + g * Hp + u, G * Hp, min(L, rows - n), min(L, H - u), block, 0, L)
                for k in range(min(L, H - u)):
                    store(to, (g * H + u + k) * N + first + n, load(block, k * L, None), min(L, rows - n))


@routine
def unpad(a, out, G, first, count):
    """Write `count` elements of each gate of a (G·Hp,), gates padded, to out (G·H,), from `first` on."""
    H = out.size // max(1, G)
    L = BYTES // a.itemsize
    Hp = (H + L - 1) // L * L
    for g in range(G):
        copy(out, g * H + first, a, g * Hp + first, count)


@routine
def add_columns(total, a, rows, width, first, last):
    """total += the sum over the rows of a (rows, width), from column `first` to `last`, both multiples of the lanes."""
    L = BYTES // a.itemsize
    for j in range(first, last, L):
        s = load(total, j, None)
        for r in range(rows):
            s = s + load(a, r * width + j, None)
        store(total, j, s, None)


@routine
def take_rows(to, given, b0, M, first, count):
    """Copy `count` columns of the rows b0 to b0 + M of given (S, B, H) to `to` (S, M, whole vectors), padded with 0."""
    S, B, H = given.shape
    L = BYTES // given.itemsize
    width = (count + L - 1) // L * L
    rows = flat(given)
    for k in range(S):
        for m in range(M):
            for j in range(0, count, L):
                values = load(rows, (k * B + b0 + m) * H + first + j, min(L, count - j))
                store(to, (k * M + m) * width + j, values, None)


@routine
def give_rows(to, b0, M, first, count, s):
    """The inverse of `take_rows`: write s (S, M, whole vectors) to columns of rows b0 to b0 + M of `to` (S, B, H)."""
    S, B, H = to.shape
    L = BYTES // to.itemsize
    width = (count + L - 1) // L * L
    rows = flat(to)
    for k in range(S):
        for m in range(M):
            for j in range(0, count, L):
                at = (k * B + b0 + m) * H + first + j
                store(rows, at, load(s, (k * M + m) * width + j, None), min(L, count - j))


@routine
def take_steps(xs, hs, arrays, b0, M, t0, t1):
    """Copy x and h before each step, for the steps t0 to t1, to xs (steps, M, D) and hs (steps, M, H).

    arrays = (x, initial, states).
    """
    x, initial, states = arrays  # (B, T, D), (S, B, H), (S, B, T, H)
    _, T, D = x.shape
    H = initial.shape[2]
    x, initial, states = flat(x), flat(initial), flat(states)
    for m in range(M):  # outside: so memory is read in order
        for t in range(t0, t1):
            r, row = (t - t0) * M + m, (b0 + m) * T + t
            copy(xs, r * D, x, row * D, D)
            if t > 0:
                copy(hs, r * H, states, (row - 1) * H, H)
            else:
                copy(hs, r * H, initial, (b0 + m) * H, H)


@routine
def give_steps(dx, dxs, b0, M, t0, first, last):
    """Write rows `first` to `last` of dxs (steps, M, Dp), whose steps start at t0, to rows b0 on of dx (B, T, D)."""
    _, T, D = dx.shape
    L = BYTES // dx.itemsize
    Dp = (D + L - 1) // L * L
    dx = flat(dx)
    for r in range(first, last):
        copy(dx, ((b0 + r % M) * T + t0 + r // M) * D, dxs, r * Dp, D)

"""What stands around the products: scratch memory, packed weights, rows and sums copied to where they are needed."""

# mypy: disable-error-code="no-untyped-def"
from __future__ import annotations

import numpy as np

from gatewise.kernels.marks import routine, stage
from gatewise.kernels.multiply import GROUP
from gatewise.kernels.tiles import transpose
from gatewise.kernels.vectors import BYTES, load, load_several, store, store_several, view

# Names for what counts are compared with and begin at.
ZERO, ONE = np.int64(0), np.int64(1)


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
def unpad_transposed(block, a, out, N, G, first, rows):
    """Write a (rows, G·Hp), gates padded, to the columns of out (G·H, N) from `first` on, by way of block (L·L,)."""
    H = out.size // max(1, G * N)
    L = BYTES // a.itemsize
    Hp = (H + L - 1) // L * L
    for g in range(G):
        for u in range(0, H, L):
            for n in range(0, rows, L):
                transpose(a, n * G * Hp + g * Hp + u, G * Hp, min(L, rows - n), min(L, H - u), block, 0, L)
                for k in range(min(L, H - u)):
                    store(out, (g * H + u + k) * N + first + n, load(block, k * L, None), min(L, rows - n))


@routine
def unpad(a, out, G, first, count):
    """Write `count` elements of each gate of a (G·Hp,), gates padded, to out (G·H,), from `first` on."""
    H = out.size // max(1, G)
    L = BYTES // a.itemsize
    Hp = (H + L - 1) // L * L
    for g in range(G):
        copy(out, g * H + first, a, g * Hp + first, count)


@routine
def add_second(a, count):
    """a[:count] += a[count : 2·count], whole vectors."""
    for n in range(0, count, BYTES // a.itemsize):
        store(a, n, load(a, n, None) + load(a, count + n, None), None)


AT_ONCE = 8  # columns of vectors that are summed at once, because each sum waits for its last addition
_load_columns, _store_columns = load_several(AT_ONCE), store_several(AT_ONCE)


def _plus(one, other):
    """The sums of two tuples' values."""
    return tuple(a + b for a, b in zip(one, other, strict=True))


@routine
def add_columns(total, a, rows, width, first, last):
    """total += the sum over the rows of a (rows, width), from column `first` to `last`, both multiples of the lanes."""
    L = BYTES // a.itemsize
    several = first + (last - first) // (AT_ONCE * L) * (AT_ONCE * L)
    for j in range(first, several, AT_ONCE * L):
        sums = _load_columns(total, j, L, None)
        for r in range(rows):
            sums = _plus(sums, _load_columns(a, r * width + j, L, None))
        _store_columns(total, j, L, sums, None)
    for j in range(several, last, L):
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
    """Copy x and h before each step, for the steps t0 to t1, to xs (M, steps, D) and hs (M, steps, H).

    arrays = (x, initial, states).
    """
    x, initial, states = arrays  # (B, T, D), (S, B, H), (S, B, T, H)
    _, T, D = x.shape
    H, span, late = initial.shape[2], t1 - t0, max(t0, 1)
    x, initial, states = flat(x), flat(initial), flat(states)
    for m in range(M):
        row = (b0 + m) * T
        copy(xs, m * span * D, x, (row + t0) * D, span * D)
        if t0 == 0:
            copy(hs, m * span * H, initial, (b0 + m) * H, H)
        copy(hs, (m * span + late - t0) * H, states, (row + late - 1) * H, (t1 - late) * H)


@routine
def give_steps(dx, dxs, b0, span, t0, first, last):
    """Write rows `first` to `last` of dxs (M, span, Dp), whose steps start at t0, to rows b0 on of dx (B, T, D)."""
    _, T, D = dx.shape
    L = BYTES // dx.itemsize
    Dp = (D + L - 1) // L * L
    dx = flat(dx)
    for r in range(first, last):
        copy(dx, ((b0 + r // span) * T + t0 + r % span) * D, dxs, r * Dp, D)

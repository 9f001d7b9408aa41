"""Summaries of sequences and their gradients, compiled: the twins of `gatewise.layers.pool`, with the same bits.

Only steps within a sequence's length are read. All arrays are contiguous:

    x, dx (B, T, N)    lengths (B,)    y, dy (B, width)    highest (B, N), the step of each maximum

layout = (last, mean, highest, parts, half): the columns at which each kind begins in y, -1 for one that is not wanted;
the parts of a mean; the first feature whose last step is the first one, N if there is none.
"""

# mypy: disable-error-code="no-untyped-def"
from __future__ import annotations

from numba import njit

from gatewise.kernels.products import FLAGS, STAGE


@njit(**STAGE)
def share(t, part, parts, length):
    """What step t counts in the mean over a part."""
    size = length / parts
    upper = min(max((part + 1) * size - t, 0.0), 1.0)
    lower = min(max(part * size - t, 0.0), 1.0)
    return (upper - lower) * (parts / length)


@njit(**FLAGS)
def pool(x, lengths, layout, y, highest):
    """Fill y, which is 0 where means go, and highest."""
    last, mean, most, parts, half = layout
    B, _, N = x.shape
    for b in range(B):
        length = lengths[b]
        if last >= 0:
            for n in range(N):
                y[b, last + n] = x[b, length - 1 if n < half else 0, n]
        if mean >= 0:
            for t in range(length):
                first = max(t * parts // length - 1, 0)
                for part in range(first, min(((t + 1) * parts) // length + 2, parts)):
                    weight = x.dtype.type(share(t, part, parts, length))
                    for n in range(N):
                        y[b, mean + part * N + n] += weight * x[b, t, n]
        if most >= 0:
            for n in range(N):
                y[b, most + n] = x[b, 0, n]
                highest[b, n] = 0
            for t in range(1, length):
                for n in range(N):
                    value, best = x[b, t, n], y[b, most + n]
                    better = (value > best) | ((value != value) & (best == best))
                    y[b, most + n] = value if better else best
                    highest[b, n] = t if better else highest[b, n]


@njit(**FLAGS)
def pool_backward(dy, lengths, layout, highest, dx):
    """Add to dx what dy says about the valid steps."""
    last, mean, most, parts, half = layout
    B, _, N = dx.shape
    for b in range(B):
        length = lengths[b]
        if mean >= 0:
            for t in range(length):
                first = max(t * parts // length - 1, 0)
                for part in range(first, min(((t + 1) * parts) // length + 2, parts)):
                    weight = dx.dtype.type(share(t, part, parts, length))
                    for n in range(N):
                        dx[b, t, n] += weight * dy[b, mean + part * N + n]
        if last >= 0:
            for n in range(N):
                dx[b, length - 1 if n < half else 0, n] += dy[b, last + n]
        if most >= 0:
            for n in range(N):
                dx[b, highest[b, n], n] += dy[b, most + n]

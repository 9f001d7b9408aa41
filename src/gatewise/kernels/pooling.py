"""Summaries of sequences and their gradients, compiled: what `gatewise.layers.pool` does in NumPy.

Only steps within a sequence's length are read. All arrays are contiguous:

    x, dx (B, T, N)    y, dy (B, width)    highest (B, N): the step of each maximum, as a float; (B, 0) without maxima
    lengths (B,)    durations (B,): length / parts    counts (B,): parts / length

layout = (last, mean, most, parts, half): the column at which each kind begins in y, -1 for one that is not wanted; the
parts of a mean; the first feature that ends at step 0 instead of the last one, N if there is none.
"""

# mypy: disable-error-code="no-untyped-def, no-untyped-call"
from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from llvmlite import ir

from gatewise.errors import Array
from gatewise.kernels.entries import INTEGER, Entry, entry, flat_array
from gatewise.kernels.marks import routine, stage
from gatewise.kernels.values import Number, current
from gatewise.kernels.vectors import BYTES, load, store

_MARGIN = 1
"""Steps beside a part that may belong to it by rounding."""


class Pools:
    """The passes, called with arrays as the module has them."""

    def forward(self, x: Array, lengths: Array, layout: Array, y: Array, highest: Array) -> None:
        """Fill y and highest."""
        _forward(x.dtype)((x, lengths, *_sizes(lengths, layout), y, highest, layout))

    def backward(self, dy: Array, lengths: Array, layout: Array, highest: Array, dx: Array) -> None:
        """Fill dx; it is 0 past each length."""
        _backward(dx.dtype)((dy, lengths, *_sizes(lengths, layout), highest, dx, layout))


def _sizes(lengths: Array, layout: Array) -> tuple[Array, Array]:
    parts = layout[3]
    return lengths / parts, parts / lengths


@cache
def _forward(dtype: Any) -> Entry:
    a2, a3, integers, doubles = *(flat_array(dtype, axes) for axes in (2, 3)), flat_array(int), flat_array(float)
    return entry(pool, (a3, (integers, doubles, doubles), a2, a2, (INTEGER,) * 5))


@cache
def _backward(dtype: Any) -> Entry:
    a2, a3, integers, doubles = *(flat_array(dtype, axes) for axes in (2, 3)), flat_array(int), flat_array(float)
    return entry(pool_backward, (a2, (integers, doubles, doubles), a2, a3, (INTEGER,) * 5))


def compiled(dtype: Any) -> tuple[Entry, Entry]:
    """Return both loops, compiled for a dtype."""
    return _forward(dtype), _backward(dtype)


def within_unit(value):
    """A float, brought to 0 or 1 if it is beyond."""
    builder, x = current(), value.ir
    zero, one = ir.Constant(x.type, 0.0), ir.Constant(x.type, 1.0)
    x = builder.select(builder.fcmp_ordered(">", x, zero), x, zero)
    return Number(builder.select(builder.fcmp_ordered("<", x, one), x, one))


def better(value, t, best, step):
    """The better of the best value, reached at `step`, and one at t, and its step: NaN is best, and stays."""
    stays = (value <= best) | (best != best)
    return np.where(stays, best, value), np.where(stays, step, t)


def where_at(step, t, d):
    """d in the lanes whose step is t, 0 in the others."""
    return np.where(step == t, d, 0.0)


@stage
def share(t, part, duration, count):
    """What step t counts in the mean over a part."""
    return (within_unit((part + 1) * duration - t) - within_unit(part * duration - t)) * count


@stage
def first_step(part, parts, length):
    """The first step that may belong to a part."""
    return max(part * length // parts - _MARGIN, 0)


@stage
def end_step(part, parts, length):
    """The step after the last one that may belong to a part."""
    return min((part + 1) * length // parts + 1 + _MARGIN, length)


@routine
def pool(x, sequences, y, highest, layout):
    """Fill y and highest."""
    lengths, durations, counts = sequences
    last, mean, most, parts, half = layout
    B, T, N = x.shape
    width, L = y.shape[1], BYTES // x.itemsize
    for b in range(B):
        length, row = lengths[b], b * T * N
        if last >= 0:
            for n in range(N):
                y[b * width + last + n] = x[row + (length - 1 if n < half else 0) * N + n]
        if mean >= 0:
            for part in range(parts):
                for n in range(0, N, L):
                    total = np.zeros_like(load(x, row + n, min(L, N - n)))
                    for t in range(first_step(part, parts, length), end_step(part, parts, length)):
                        weight = share(t, part, durations[b], counts[b])
                        total = total + load(x, row + t * N + n, min(L, N - n)) * weight
                    store(y, b * width + mean + part * N + n, total, min(L, N - n))
        if most >= 0:
            for n in range(0, N, L):
                best = load(x, row + n, min(L, N - n))
                step = np.zeros_like(best)
                for t in range(1, length):
                    value = load(x, row + t * N + n, min(L, N - n))
                    best, step = better(value, t, best, step)
                store(y, b * width + most + n, best, min(L, N - n))
                store(highest, b * N + n, step, min(L, N - n))


@routine
def pool_backward(dy, sequences, highest, dx, layout):
    """Fill dx."""
    lengths, durations, counts = sequences
    last, mean, most, parts, half = layout
    B, T, N = dx.shape
    width, L = dy.shape[1], BYTES // dx.itemsize
    for b in range(B):
        length, row = lengths[b], b * T * N
        for t in range(T):
            for n in range(0, N, L):
                store(dx, row + t * N + n, 0.0, min(L, N - n))
        if mean >= 0:
            for part in range(parts):
                for n in range(0, N, L):
                    d = load(dy, b * width + mean + part * N + n, min(L, N - n))
                    for t in range(first_step(part, parts, length), end_step(part, parts, length)):
                        weight = share(t, part, durations[b], counts[b])
                        total = load(dx, row + t * N + n, min(L, N - n)) + d * weight
                        store(dx, row + t * N + n, total, min(L, N - n))
        if most >= 0:
            for n in range(0, N, L):
                d, step = load(dy, b * width + most + n, min(L, N - n)), load(highest, b * N + n, min(L, N - n))
                for t in range(length):
                    total = load(dx, row + t * N + n, min(L, N - n)) + where_at(step, t, d)
                    store(dx, row + t * N + n, total, min(L, N - n))
        if last >= 0:
            for n in range(N):
                dx[row + (length - 1 if n < half else 0) * N + n] += dy[b * width + last + n]

"""Levels of sequences over parts of their length, at several scales, and how they change within each part."""

from __future__ import annotations

import numpy as np

from gatewise.errors import Array

SCALES = 5
"""Scales of 1, 2, 4, 8 and 16 parts."""


def segments(x: Array, lengths: Array) -> Array:
    """Return means over equal parts of each sequence, and second half less first half of each part.

    The parts are shares of a sequence's own length, so that those of a prefix are others: this is not causal.

    Parameters
    ----------
    x : (n, time, channels)
    lengths : int (n,)

    Returns
    -------
    float32 (n, 62 · channels)
        31 levels and 31 changes a channel.

    Examples
    --------
    >>> levels = segments(np.arange(4.0).reshape(1, 4, 1), np.array([4]))
    >>> levels.shape, levels[0, :3], levels[0, 31:34]
    ((1, 62), array([1.5, 0.5, 2.5], dtype=float32), array([2., 1., 1.], dtype=float32))
    """
    finest = _levels(x, lengths, 2**SCALES)
    levels: list[Array] = []
    changes: list[Array] = []
    for _ in range(SCALES):
        first, second = finest[:, ::2], finest[:, 1::2]
        changes.insert(0, second - first)
        finest = (first + second) / 2
        levels.insert(0, finest)
    return np.concatenate([*levels, *changes], axis=1).reshape(len(x), -1).astype(np.float32)


def _levels(x: Array, lengths: Array, parts: int) -> Array:
    """Means (n, parts, channels) over equal parts of each length; a step on a border counts in both by its shares."""
    n, T, C = x.shape
    total = np.zeros((n, T + 1, C))
    np.cumsum(x, axis=1, dtype=np.float64, out=total[:, 1:])
    border = np.arange(parts + 1) * (lengths[:, None] / parts)
    before = np.minimum(border.astype(int), lengths[:, None] - 1)
    rows = np.arange(n)[:, None]
    at_border = total[rows, before] + (border - before)[:, :, None] * x[rows, before]
    levels: Array = np.diff(at_border, axis=1) * (parts / lengths)[:, None, None]
    return levels

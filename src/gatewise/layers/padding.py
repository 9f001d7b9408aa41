"""Sequences of different lengths in one array: which steps are valid, and reversal within each length."""

from __future__ import annotations

from typing import Any

import numpy as np

from gatewise.errors import Array, GatewiseValueError, check_finite, check_lengths


def valid_steps(lengths: Array, time: int) -> Array:
    """(batch, time), True where a step lies within its sequence."""
    return np.arange(time) < lengths[:, None]


def blank(a: Array, lengths: Array | None, fill: float = 0) -> Array:
    """`a` (batch, time, ...) with `fill` past each length, whatever stood there; `a` itself without lengths."""
    if lengths is None:
        return a
    return np.where(spread(valid_steps(lengths, a.shape[1]), a.ndim), a, a.dtype.type(fill))


def spread(a: Array, ndim: int) -> Array:
    """`a` with axes of length 1 appended, so that it broadcasts over the trailing axes of an array of `ndim` axes."""
    return a.reshape(a.shape + (1,) * (ndim - a.ndim))


def reverse(a: Array, lengths: Array | None) -> Array:
    """A copy of `a` (batch, time, N) with every sequence reversed within its own length; its own inverse."""
    if lengths is None:
        return a[:, ::-1].copy()
    B, T, N = a.shape
    t, last = np.arange(T), lengths[:, None] - 1
    rows = np.where(t <= last, last - t, t) + T * np.arange(B)[:, None]
    reversed_: Array = a.reshape(B * T, N).take(rows.ravel(), axis=0)
    return reversed_.reshape(B, T, N)


def checked_steps(x: Array, lengths: Any) -> Array | None:
    """Raise unless x (batch, time, ...) is finite within `lengths`; return those as an array, or None."""
    if lengths is None:
        check_finite("x", x)
        return None
    if x.ndim < 3:
        raise GatewiseValueError(f"x has shape {x.shape}; lengths need x (batch, time, features): leave lengths out.")
    checked = check_lengths(lengths, *x.shape[:2])
    check_finite("x", x, valid_steps(checked, x.shape[1]))
    return checked

"""Arrays as users give them to estimators: masks become NaN, units for numbers of any size, and what is no array."""

from __future__ import annotations

from typing import Any

import numpy as np

from gatewise.errors import Array

LARGEST = 1e100
"""Numbers beyond it are refused: their squares and sums would overflow."""


def is_collection(value: Any) -> bool:
    """Whether something is a collection of Dask, an array, frame, series or bag; Dask itself is not imported.

    Examples
    --------
    >>> is_collection(np.zeros(3))
    False
    """
    return hasattr(value, "__dask_graph__") and hasattr(value, "to_delayed")


def unmasked(value: Any) -> Any:
    """Return a masked array as floats with NaN where it is masked; anything else as it is.

    The parts of a list or a tuple are treated alike.

    Examples
    --------
    >>> unmasked(np.ma.masked_equal([1, -9999, 3], -9999))
    array([ 1., nan,  3.])
    """
    if isinstance(value, np.ma.MaskedArray):
        mask = np.ma.getmaskarray(value)
        if not mask.any():
            return np.asarray(value.data)
        dtype = {"b": float, "i": float, "u": float, "f": value.dtype, "c": value.dtype}.get(value.dtype.kind, object)
        filled = value.data.astype(dtype)
        filled[mask] = np.nan
        return filled
    if type(value) in (list, tuple) and any(isinstance(part, np.ma.MaskedArray) for part in value):
        return type(value)(unmasked(part) for part in value)
    return value


def binary_exponent(values: Array) -> Array:
    """Return the exponent (...) of the power of two just above every number of each column (n, ...); NaN is none.

    Mean and standard deviation of `np.ldexp(values, -exponent)` neither overflow nor become 0 where numbers are very
    large or small; they are those of `values`, bit for bit, in that unit.

    Examples
    --------
    >>> values = np.array([1e-200, 3e-200])
    >>> exponent = binary_exponent(values)
    >>> float(np.std(values)), float(np.ldexp(np.std(np.ldexp(values, -exponent)), exponent))
    (0.0, 1e-200)
    """
    largest = np.max(np.abs(np.nan_to_num(values)), axis=0, initial=0)
    exponent: Array = np.frexp(largest)[1]
    return exponent

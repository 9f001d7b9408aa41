"""Memory of large results, used again when nobody holds them any more.

What is freed goes back to the system, and a page that comes from there anew costs more time than to fill it: a fifth of
a training step whose arrays have 30 MB.
"""

from __future__ import annotations

import math
import sys
from collections import deque
from typing import Any

import numpy as np

from gatewise.errors import Array

LARGE = 2**20  # bytes from which on memory is kept
LIMIT = 2**27  # bytes that are kept at the most
_kept: deque[Array] = deque()


def array(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """Return an uninitialized array, perhaps where one was that is gone."""
    size = math.prod(shape) * dtype.itemsize
    if not LARGE <= size <= LIMIT:
        return np.empty(shape, dtype)
    buffer = _unused(size)
    if buffer is None:
        buffer = np.empty(size, np.uint8)
    _kept.append(buffer)
    _drop_oldest()
    return buffer[:size].view(dtype).reshape(shape)


def zeros(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """Return an array of zeros, perhaps where one was that is gone."""
    result = array(shape, dtype)
    result.fill(0)
    return result


def _unused(size: int) -> Array | None:
    """Take out a buffer of about this size that no array refers to, if there is one.

    Each is taken out while it is looked at, so that two threads never find the same.
    """
    for _ in range(len(_kept)):
        try:
            buffer = _kept.popleft()
        except IndexError:
            break
        if size <= buffer.nbytes <= 2 * size and sys.getrefcount(buffer) == _ALONE:
            return buffer
        _kept.append(buffer)
    return None


def _drop_oldest() -> None:
    while sum(buffer.nbytes for buffer in tuple(_kept)) > LIMIT:
        _kept.popleft()


def _references() -> int:
    """How many references a buffer is found to have that is held by one variable alone."""
    buffer = np.empty(1, np.uint8)
    return sys.getrefcount(buffer)


_ALONE = _references()

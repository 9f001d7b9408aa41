"""The shapes in which people hand over vectors and sequences, each as a way there and back.

Inside this package a step is (B, ·) and a sequence (T, B, ·). `give` turns that into theirs, `take` theirs into that.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from gatewise.errors import Array
from gatewise.examine import tensors


class Sizes(NamedTuple):
    """Inputs, units, batch and steps."""

    D: int
    H: int
    B: int = 2
    T: int = 3


class Vectors(NamedTuple):
    """How a step's vectors are handed over."""

    words: str
    give: Callable[[Array], Array]
    take: Callable[[Array], Array]
    batch: bool
    columns: bool
    """Whether matrices multiply from the left."""


class Sequences(NamedTuple):
    """How sequences are handed over; the vectors of one step are `step`."""

    words: str
    give: Callable[[Array], Array]
    take: Callable[[Array], Array]
    batch: bool
    step: Vectors

    @property
    def columns(self) -> bool:
        """Whether matrices multiply from the left."""
        return self.step.columns


ROWS = Vectors("row vectors (batch, size)", lambda a: a, lambda a: a, True, False)
ROW = Vectors("row vectors (1, size)", lambda a: a[:1], lambda a: a, False, False)
COLUMNS = Vectors("column vectors (size, batch)", lambda a: a.T, lambda a: a.T, True, True)
COLUMN = Vectors("column vectors (size, 1)", lambda a: a[:1].T, lambda a: a.T, False, True)
FLAT = Vectors("vectors (size,)", lambda a: a[0], lambda a: a[None], False, True)
STEP = (ROWS, COLUMNS, ROW, COLUMN, FLAT)

SEQUENCE = (
    Sequences("time first (time, batch, size)", lambda a: a, lambda a: a, True, ROWS),
    Sequences("batch first (batch, time, size)", lambda a: a.swapaxes(0, 1), lambda a: a.swapaxes(0, 1), True, ROWS),
    Sequences("time first, columns (time, size, batch)", lambda a: a.swapaxes(1, 2), lambda a: a.swapaxes(1, 2), True,
              COLUMNS),
    Sequences("time last (size, batch, time)", lambda a: a.transpose(2, 1, 0), lambda a: a.transpose(2, 1, 0), True,
              COLUMNS),
    Sequences("time first (time, 1, size)", lambda a: a[:, :1], lambda a: a, False, ROW),
    Sequences("time first, columns (time, size, 1)", lambda a: a[:, :1].swapaxes(1, 2), lambda a: a.swapaxes(1, 2),
              False, COLUMN),
    Sequences("one sequence (time, size)", lambda a: a[:, 0], lambda a: a[:, None], False, FLAT),
    Sequences("one sequence (time, size) of row vectors", lambda a: a[:, 0],
              lambda a: a.reshape(len(a), 1, -1), False, ROW),
    Sequences("one sequence of columns (size, time)", lambda a: a[:, 0].T, lambda a: a.T[:, None], False, COLUMN),
)  # fmt: skip


def shaped(value: object, shape: tuple[int, ...], lengths: tuple[int, ...] = ()) -> Array | None:
    """Return `value` as an array of `shape`, if it is one; a list or dict of steps is stacked.

    With `lengths` (T, T + 1) an array with one step more, the initial state first, is taken without it.
    """
    if isinstance(value, dict) and value and all(isinstance(key, int) for key in value):
        value = [value[key] for key in sorted(value) if key >= 0]
    value = tensors.array(value)
    if isinstance(value, list | tuple):
        value = [tensors.array(item) for item in value]
    if isinstance(value, list) and value and all(isinstance(item, np.ndarray) for item in value):
        if len({item.shape for item in value}) > 1:
            return None
        value = np.array(value)
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "fi":
        return None
    if value.shape == shape:
        return value
    if lengths and value.shape[:1] == (lengths[1],) and shape[:1] == (lengths[0],) and value.shape[1:] == shape[1:]:
        return value[1:]
    if lengths and value.ndim == len(shape) + 1 and value.shape[1] == 1 and value.shape[0] in lengths:
        return shaped(value[:, 0], shape, lengths)
    return None

"""Long series as the contiguous rows of a stream."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from gatewise.errors import Array, GatewiseValueError, check_number, check_unmasked


class ContiguousRows:
    """Blocks (x, y, resets) of rows that go on from block to block; it can be iterated over any number of times."""

    def __init__(self, x: Array, y: Array, resets: Array, block: int) -> None:
        self._x, self._y, self._resets, self._block = x, y, resets, block

    def __len__(self) -> int:
        """Number of blocks."""
        return int(-(-self._x.shape[1] // self._block))

    def __iter__(self) -> Iterator[tuple[Array, Array, Array]]:
        for start in range(0, self._x.shape[1], self._block):
            steps = slice(start, start + self._block)
            yield self._x[:, steps], self._y[:, steps], self._resets[:, steps]


def contiguous_rows(x: Any, y: Any, batch: int, block: int) -> ContiguousRows:
    """Lay series end to end, cut them into `batch` rows of equal length, and yield those block by block.

    Parameters
    ----------
    x : array (time,) or (time, D), or a list of them
        Input of one series or of several; of integers (time,) for an `Embedding`.
    y : array (time,) or (time, …), or a list of them
        Target of each step. Numbers that are not integers get an axis of length 1 if they have none, as a model has it.
    batch : int
        Rows; the last steps, fewer than `batch`, that would make them unequal are left out.
    block : int
        Steps of a block; the last one may have fewer.

    Returns
    -------
    ContiguousRows
        An iterable of x (batch, block, D), y (batch, block, …) and resets (batch, block), which are True at the first
        step of every row and of every series. Each pass over it starts from the beginning.

    Raises
    ------
    GatewiseError
        If series and targets differ in number or length, or there are fewer steps than rows.

    Examples
    --------
    >>> import gatewise as gw
    >>> rows = gw.contiguous_rows([np.arange(5.0), np.arange(3.0)], [np.arange(5.0), np.arange(3.0)], batch=2, block=3)
    >>> [x[..., 0].tolist() for x, y, resets in rows]
    [[[0.0, 1.0, 2.0], [4.0, 0.0, 1.0]], [[3.0], [2.0]]]
    >>> [resets.astype(int).tolist() for x, y, resets in rows]
    [[[1, 0, 0], [1, 1, 0]], [[0], [0]]]
    """
    check_number("batch", batch, 1, integer=True)
    check_number("block", block, 1, integer=True)
    inputs, targets = _series("x", x), _series("y", y)
    lengths = [len(series) for series in inputs]
    if lengths != [len(series) for series in targets]:
        raise GatewiseValueError(
            f"x has series of {_counts(inputs)} steps, y of {_counts(targets)}; need a target for every step."
        )
    steps = sum(lengths) // batch
    if not steps:
        raise GatewiseValueError(f"x has {sum(lengths)} step(s) for {batch} rows; need one a row: lower batch.")
    resets = np.zeros(sum(lengths), bool)
    resets[np.cumsum([0, *lengths[:-1]])] = True
    resets[: steps * batch : steps] = True
    x, y, resets = (_rows(a, batch, steps) for a in (np.concatenate(inputs), np.concatenate(targets), resets))
    return ContiguousRows(x, y, resets, block)


def _series(name: str, series: Any) -> list[Array]:
    """Each series as (time, …), of numbers that are not integers as (time, features)."""
    many = series if isinstance(series, list | tuple) and len(series) and np.ndim(series[0]) else [series]
    for one in many:
        check_unmasked(name, one)
    arrays = [np.asarray(one) for one in many]
    if any(a.ndim < 1 or not len(a) or a.dtype.kind not in "iubf" for a in arrays):
        raise GatewiseValueError(f"{name} needs series of numbers, (time,) or (time, features), none of them empty.")
    if len({(a.shape[1:], a.dtype) for a in arrays}) > 1:
        raise GatewiseValueError(f"{name} has series that differ in their features or dtype; need the same in all.")
    return [a[:, None] if a.ndim == 1 and a.dtype.kind == "f" else a for a in arrays]


def _counts(series: list[Array]) -> str:
    shown = ", ".join(str(len(one)) for one in series[:3])
    return shown if len(series) <= 3 else f"{shown}, … ({len(series)} series)"


def _rows(a: Array, batch: int, steps: int) -> Array:
    return a[: batch * steps].reshape(batch, steps, *a.shape[1:])

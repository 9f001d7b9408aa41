"""What users hand in, Dask collections or arrays, as partitions of samples."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import accumulate, pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from gatewise.arrays import is_collection
from gatewise.batches import Samples
from gatewise.distributed import package
from gatewise.distributed.partitions import DaskPartitions, LocalPartitions, Partitions, errors_of
from gatewise.errors import (
    Array,
    GatewiseTypeError,
    GatewiseValueError,
    check_number,
)

PARTITIONS = 8
"""Parts of arrays, where nobody says how many: enough for the cores of a desk, and few enough to be of some size."""
NAMES = ("x", "y", "lengths", "weights")


class Data(NamedTuple):
    """What belongs to the rows of a training or validation set, as users hand it in."""

    x: Any
    y: Any
    lengths: Any = None
    weights: Any = None

    def check_partitions(self, partitions: int | Sequence[int] | None) -> None:
        """Raise if somebody wants to cut what is cut already."""
        if self.is_distributed and partitions is not None:
            raise GatewiseTypeError("partitions cuts NumPy arrays; a Dask collection has its own: repartition it.")

    @property
    def is_distributed(self) -> bool:
        """Whether x and y are collections of Dask; raise if only some of the parts are."""
        kinds = {name: is_collection(part) for name, part in zip(NAMES, self, strict=True) if part is not None}
        if len(set(kinds.values())) > 1:
            here = ", ".join(name for name, distributed in kinds.items() if not distributed)
            raise GatewiseTypeError(f"{here} is no Dask collection, and the rest is; need all of one kind.")
        return kinds["x"]

    def samples(self) -> Samples:
        """Return arrays as checked samples."""
        return Samples.checked(*self)

    def delayed(self, function: Any) -> list[Any]:
        """Return one Delayed for each partition of Dask collections, of `function(number, x, y, lengths, weights)`."""
        lists = [None if part is None else _partitions(part) for part in self._aligned()]
        counts = {name: len(some) for name, some in zip(NAMES, lists, strict=True) if some is not None}
        if len(set(counts.values())) > 1:
            raise GatewiseValueError(f"{counts} partitions; need the same number, of the same rows, in each.")
        read = package.dask().delayed(function, pure=False)
        return [read(k, *(None if some is None else some[k] for some in lists)) for k in range(counts["x"])]

    def _aligned(self) -> Data:
        """Arrays whose first axis is cut as that of x, where that is known, and no other axis is cut."""
        parts = [_whole_rows(part) for part in self]
        x = parts[0]
        if hasattr(x, "chunks") and not any(np.isnan(x.chunks[0])):
            parts = [part.rechunk({0: x.chunks[0]}) if _is_known_array(part, len(x)) else part for part in parts]
        return Data(*parts)


def _whole_rows(part: Any) -> Any:
    """An array that is cut along its first axis only; anything else as it is."""
    return part.rechunk(dict.fromkeys(range(1, part.ndim), -1)) if hasattr(part, "rechunk") else part


def _is_known_array(part: Any, rows: int) -> bool:
    return hasattr(part, "rechunk") and part.shape[0] == rows


def _partitions(collection: Any) -> list[Any]:
    delayed = collection.to_delayed()
    return list(np.ravel(delayed)) if isinstance(delayed, np.ndarray) else list(delayed)


def read_partition(dtype: str, number: int, *data: Any) -> Samples:
    """Return x, y, lengths and weights of one partition as samples.

    Frames and sequences get the dtype of the model, arrays stay as they are.

    A partition without rows, or whose weights are all 0, is one without rows.
    """
    with errors_of(number):
        return _samples(np.dtype(dtype), *data)


def _samples(dtype: DTypeLike, x: Any, y: Any, lengths: Any, weights: Any) -> Samples:
    if lengths is None and isinstance(x, list):
        lengths = np.array([len(sequence) for sequence in x])
    x = padded(x, dtype) if isinstance(x, list) else _values(x, dtype)
    y = _targets(y, dtype)
    lengths = None if lengths is None else np.asarray(lengths)
    weights = None if weights is None else np.asarray(weights)
    if not len(x) and not len(y):
        return empty(dtype)
    if weights is not None and weights.dtype.kind in "biuf" and not weights.any():
        return empty(dtype)  # as `local_partitions` has it
    return Samples.checked(x, y, lengths, weights)


def empty(dtype: DTypeLike) -> Samples:
    """Return samples without a row."""
    return Samples(np.empty((0, 1, 1), dtype), np.empty(0, dtype))


def padded(sequences: Sequence[Any], dtype: DTypeLike) -> Array:
    """Return sequences (time_i,) or (time_i, features) as one array (n, longest, features), 0 past each end.

    Examples
    --------
    >>> padded([[1.0, 2.0], [3.0]], np.float64)[:, :, 0]
    array([[1., 2.],
           [3., 0.]])
    """
    arrays = [np.asarray(sequence, dtype) for sequence in sequences]
    arrays = [array[:, None] if array.ndim == 1 else array for array in arrays]
    shapes = {array.shape[1:] for array in arrays}
    if len(shapes) > 1 or any(array.ndim != 2 or not len(array) for array in arrays):
        found = sorted({array.shape for array in arrays})[:3]
        raise GatewiseValueError(f"sequences have shapes {found}; need (time, features), at least one step in each.")
    if not arrays:
        return np.empty((0, 1, 1), dtype)
    result = np.zeros((len(arrays), max(map(len, arrays)), *shapes.pop()), dtype)
    for into, array in zip(result, arrays, strict=True):
        into[: len(array)] = array
    return result


def _values(values: Any, dtype: DTypeLike) -> Array:
    """An array as it is, and a frame (n, time) as the one feature of (n, time, 1) in a dtype."""
    return values.to_numpy(dtype=dtype)[..., None] if hasattr(values, "to_numpy") else np.asarray(values)


def _targets(y: Any, dtype: DTypeLike) -> Array:
    """Targets as an array, floats of frames and lists in a dtype."""
    if isinstance(y, np.ndarray):
        return y
    array = y.to_numpy() if hasattr(y, "to_numpy") else np.asarray(y)
    return array.astype(dtype) if array.dtype.kind == "f" else array


def local_partitions(samples: Samples, partitions: int | Sequence[int] | None) -> list[Samples]:
    """Return arrays cut into parts along their first axis.

    Parameters
    ----------
    samples : Samples
    partitions : int, sequence of int or None
        How many parts of about the same number of rows, or the rows of each; None for 8.
    """
    ends = _ends(len(samples.x), partitions)
    parts = [samples.rows(slice(start, stop)) for start, stop in pairwise([0, *ends])]
    return [part if part.weights is None or part.weights.any() else empty(part.x.dtype) for part in parts]


def _ends(rows: int, partitions: int | Sequence[int] | None) -> list[int]:
    if partitions is None:
        partitions = min(PARTITIONS, rows)
    if isinstance(partitions, int | np.integer):
        check_number("partitions", partitions, 1, rows, integer=True)
        return [(k + 1) * rows // int(partitions) for k in range(int(partitions))]
    sizes = list(partitions)
    for size in sizes:
        check_number("partitions", size, 0, integer=True)
    if sum(sizes) != rows or not sizes:
        raise GatewiseValueError(f"partitions have {sum(sizes)} rows together; need {rows}, as x has.")
    return list(accumulate(sizes))


def placed(data: Data, dtype: DTypeLike, client: Any, partitions: int | Sequence[int] | None = None) -> Partitions:
    """Return data as partitions, on the workers of a client, or in this process where that is None.

    Parameters
    ----------
    data : Data
        Dask collections, or arrays, which are sent to the workers through the scheduler.
    dtype : float32 or float64
        Of the model.
    client : distributed.Client or None
    partitions : int, sequence of int or None
        Of arrays; collections have theirs.
    """
    if not data.is_distributed:
        parts: list[Any] = local_partitions(data.samples(), partitions)
        if client is None:
            return LocalPartitions(parts)
        return DaskPartitions(client, [package.dask().delayed(Samples, pure=False)(*part) for part in parts])
    return DaskPartitions(client, data.delayed(partial(read_partition, np.dtype(dtype).str)))


def raw_partitions(data: Data, client: Any, partitions: int | Sequence[int] | None = None) -> Partitions:
    """Return data as partitions of `Data`, each part of which is an array, a frame or a list, as estimators read them.

    Parameters
    ----------
    data, client, partitions
        As in `placed`.
    """
    if data.is_distributed:
        return DaskPartitions(client, data.delayed(_raw))
    rows = len(data.x)
    for name, part in zip(NAMES, data, strict=True):
        if part is not None and len(part) != rows:
            raise GatewiseValueError(f"{name} has {len(part)} rows and x has {rows}; need the same number in each.")
    cuts = pairwise([0, *_ends(rows, partitions)])
    parts: list[Any] = [Data(*(_slice(part, start, stop) for part in data)) for start, stop in cuts]
    if client is None:
        return LocalPartitions(parts)
    return DaskPartitions(client, [package.dask().delayed(_raw, pure=False)(k, *part) for k, part in enumerate(parts)])


def _raw(number: int, *data: Any) -> Data:
    return Data(*data)


def _slice(part: Any, start: int, stop: int) -> Any:
    """Some rows of an array, frame or list."""
    if part is None:
        return None
    return part.iloc[start:stop] if hasattr(part, "iloc") else part[start:stop]

"""ONNX operators that move, choose or make elements; see `pointwise` for what an operator is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gatewise.errors import Array, GatewiseTypeError, GatewiseValueError
from gatewise.interop.onnx.tensors import check_size


def check_axis(axis: Any, ndim: int) -> int:
    """Return an axis counted from the first; raise if an array of `ndim` axes does not have it."""
    if not -ndim <= int(axis) < ndim:
        raise GatewiseValueError(f"axis is {int(axis)}; need {-ndim} to {ndim - 1}.")
    return int(axis) % ndim


def concat(*inputs: Array, axis: int) -> Array:
    """Return the inputs one after the other along an axis."""
    if len({x.dtype for x in inputs}) > 1:
        raise GatewiseTypeError(f"the inputs have the types {', '.join(str(x.dtype) for x in inputs)}; need one type.")
    axis = check_axis(axis, inputs[0].ndim)
    shape = list(inputs[0].shape)
    shape[axis] = sum(x.shape[axis] for x in inputs)
    check_size(shape)
    return np.concatenate(inputs, axis)


def constant(
    *,
    value: Array | None = None,
    value_float: float | None = None,
    value_floats: Sequence[float] | None = None,
    value_int: int | None = None,
    value_ints: Sequence[int] | None = None,
    value_string: str | None = None,
    value_strings: Sequence[str] | None = None,
) -> Array:
    """Return the one value that the attributes give."""
    kinds: Any = ((None, value), (np.float32, value_float), (np.float32, value_floats), (np.int64, value_int))
    kinds += ((np.int64, value_ints), (object, value_string), (object, value_strings))
    given = [(dtype, content) for dtype, content in kinds if content is not None]
    if len(given) != 1:
        raise GatewiseValueError(f"Constant has {len(given)} values; need exactly one.")
    return np.array(given[0][1], given[0][0])


def constant_of_shape(shape: Array, *, value: Any = None) -> Array:
    """Return an array full of one value, 0 in float32 unless given."""
    one = np.zeros(1, np.float32) if value is None else value
    if one.size != 1:
        raise GatewiseValueError(f"the value has {one.size} elements; need one.")
    return np.full(check_size(shape), one.reshape(()), one.dtype)


def expand(x: Array, shape: Array) -> Array:
    """Return x broadcast with a shape."""
    return np.array(np.broadcast_to(x, check_size(np.broadcast_shapes(x.shape, check_size(shape)))))


def flatten(x: Array, *, axis: int = 1) -> Array:
    """Return x as a matrix: the axes before `axis` are its rows."""
    axis = axis if axis == x.ndim else check_axis(axis, x.ndim)
    return x.reshape(int(np.prod(x.shape[:axis])), int(np.prod(x.shape[axis:])))


def gather(data: Array, indices: Array, *, axis: int = 0) -> Array:
    """Return slices of `data` along an axis."""
    axis = check_axis(axis, data.ndim)
    check_size(data.shape[:axis] + indices.shape + data.shape[axis + 1 :])
    return np.asarray(np.take(data, indices.astype(np.int64), axis=axis))


def gather_elements(data: Array, indices: Array, *, axis: int = 0) -> Array:
    """Return one element of `data` for each index along an axis."""
    axis = check_axis(axis, data.ndim)
    crop = tuple(slice(size) if i != axis else slice(None) for i, size in enumerate(indices.shape))
    return np.take_along_axis(data[crop], _positive(indices, data.shape[axis]), axis)


def gather_nd(data: Array, indices: Array, *, batch_dims: int = 0) -> Array:
    """Return slices of `data` at tuples of indices, within the leading `batch_dims` axes."""
    lead = indices.shape[:batch_dims]
    grid: Any = np.indices(lead, sparse=True)
    own = [axis.reshape(axis.shape + (1,) * (indices.ndim - 1 - batch_dims)) for axis in grid]
    check_size(indices.shape[:-1] + data.shape[batch_dims + indices.shape[-1] :])
    return np.asarray(data[(*own, *np.moveaxis(indices, -1, 0))])


def scatter_elements(data: Array, indices: Array, updates: Array, *, axis: int = 0, reduction: str = "none") -> Array:
    """Return `data` with elements replaced along an axis."""
    axis = check_axis(axis, data.ndim)
    index: list[Any] = list(np.indices(indices.shape, sparse=True))
    index[axis] = _positive(indices, data.shape[axis])
    return _scattered(data, tuple(index), updates, reduction)


def scatter_nd(data: Array, indices: Array, updates: Array, *, reduction: str = "none") -> Array:
    """Return `data` with slices replaced at tuples of indices."""
    return _scattered(data, tuple(np.moveaxis(indices, -1, 0)), updates, reduction)


def _scattered(data: Array, index: tuple[Array, ...], updates: Array, reduction: str) -> Array:
    result = data.copy()
    ways = {"add": np.add, "mul": np.multiply, "max": np.maximum, "min": np.minimum}
    if reduction == "none":
        result[index] = updates
    elif reduction in ways:
        ways[reduction].at(result, index, updates)
    else:
        raise GatewiseValueError(f"reduction is {reduction!r}; need one of 'none', {', '.join(map(repr, ways))}.")
    return result


def _positive(indices: Array, size: int) -> Array:
    return np.where(indices < 0, indices + size, indices)


def one_hot(indices: Array, depth: Array, values: Array, *, axis: int = -1) -> Array:
    """Return values[1] where a class is that of the index, else values[0]."""
    count = int(np.asarray(depth).reshape(-1)[0])
    axis = check_axis(axis, indices.ndim + 1)
    check_size((*indices.shape, count))
    classes = np.arange(count).reshape([-1 if i == axis else 1 for i in range(indices.ndim + 1)])
    found = np.expand_dims(_positive(indices.astype(np.int64), count), axis) == classes
    return np.asarray(np.where(found, values[1], values[0]), values.dtype)


def pad(
    x: Array,
    given_pads: Array | None = None,
    constant_value: Array | None = None,
    axes: Array | None = None,
    /,
    *,
    mode: str = "constant",
    pads: Sequence[int] | None = None,
    value: float = 0.0,
) -> Array:
    """Return x with elements added or taken away at the ends of its axes."""
    ends = np.asarray(pads if given_pads is None else given_pads).astype(int).reshape(2, -1)
    widths = np.zeros((x.ndim, 2), int)
    chosen = range(x.ndim) if axes is None else [check_axis(axis, x.ndim) for axis in axes]
    widths[list(chosen)] = ends.T
    check_size(np.asarray(x.shape) + np.maximum(widths, 0).sum(axis=1))
    inner = tuple(slice(max(0, -low), size - max(0, -high)) for size, (low, high) in zip(x.shape, widths, strict=True))
    grown = np.maximum(widths, 0)
    if mode != "constant":
        return np.asarray(np.pad(x[inner], grown, mode=mode))  # type: ignore[call-overload]
    fill = x.dtype.type(value) if constant_value is None else constant_value.reshape(-1)[0]
    return np.pad(x[inner], grown, constant_values=fill)


def arange(start: Array, limit: Array, delta: Array) -> Array:
    """Return the numbers from start to limit in steps of delta."""
    first, end, step = (value.reshape(()) for value in (start, limit, delta))
    if step == 0:
        raise GatewiseValueError("delta is 0; need another number.")
    count = max(0, int(np.ceil((float(end) - float(first)) / float(step))))
    check_size((count,))
    return np.asarray(first + np.arange(count, dtype=start.dtype) * step, start.dtype)


def reshape(x: Array, given: Array | None = None, /, *, shape: Any = None, allowzero: int = 0) -> Array:
    """Return x in another shape: 0 stands for the size of x there unless `allowzero`, -1 for what remains."""
    sizes = [int(size) for size in (shape if given is None else given)]
    if not allowzero:
        sizes = [x.shape[i] if size == 0 else size for i, size in enumerate(sizes)]
    return x.reshape(sizes)


def reverse_sequence(x: Array, lengths: Array, *, batch_axis: int = 1, time_axis: int = 0) -> Array:
    """Return x with each sequence reversed within its length."""
    batch, time = check_axis(batch_axis, x.ndim), check_axis(time_axis, x.ndim)
    t = np.arange(x.shape[time])
    order = np.where(t < lengths[:, None], lengths[:, None] - 1 - t, t)
    moved = np.moveaxis(x, (batch, time), (0, 1))
    taken = moved[np.arange(len(order))[:, None], order]
    return np.moveaxis(taken, (0, 1), (batch, time))


def shape_of(x: Array, *, start: int = 0, end: int | None = None) -> Array:
    """Return the sizes of the axes from start to end."""
    return np.array(x.shape[start:end], np.int64)


def slice_of(
    x: Array,
    given_starts: Array | None = None,
    given_ends: Array | None = None,
    given_axes: Array | None = None,
    steps: Array | None = None,
    /,
    *,
    starts: Sequence[int] | None = None,
    ends: Sequence[int] | None = None,
    axes: Sequence[int] | None = None,
) -> Array:
    """Return part of x, along some axes from start to end in steps."""
    first = [int(v) for v in (starts if given_starts is None else given_starts)]  # type: ignore[union-attr]
    last = [int(v) for v in (ends if given_ends is None else given_ends)]  # type: ignore[union-attr]
    along = axes if given_axes is None else given_axes
    chosen = range(len(first)) if along is None else [check_axis(axis, x.ndim) for axis in along]
    strides = [1] * len(first) if steps is None else [int(step) for step in steps]
    index = [slice(None)] * x.ndim
    for axis, begin, end, step in zip(chosen, first, last, strides, strict=True):
        size = x.shape[axis]
        # Backward an end before the first element is none; NumPy would count it from the last.
        index[axis] = slice(begin, None if step < 0 and end < -size else end, step)
        if step < 0 and begin < -size:
            index[axis] = slice(0, 0)
    return x[tuple(index)]


def split(
    x: Array,
    given: Array | None = None,
    /,
    *,
    axis: int = 0,
    split: Sequence[int] | None = None,
    num_outputs: int | None = None,
    outputs: int = 1,
) -> tuple[Array, ...]:
    """Return x in parts along an axis: of the given sizes, or as equal as they can be."""
    axis = check_axis(axis, x.ndim)
    sizes = split if given is None else given
    if sizes is None:
        part = -(-x.shape[axis] // (num_outputs or outputs))
        sizes = [min(part, max(0, x.shape[axis] - part * i)) for i in range(outputs)]
    if sum(int(size) for size in sizes) != x.shape[axis] or len(sizes) != outputs:
        raise GatewiseValueError(f"split is {list(sizes)}; need {outputs} sizes with the sum {x.shape[axis]}.")
    return tuple(np.split(x, np.cumsum(sizes)[:-1].astype(int), axis))


def squeeze(x: Array, given: Array | None = None, /, *, axes: Sequence[int] | None = None) -> Array:
    """Return x without axes of size 1: the given ones, or all."""
    along = axes if given is None else given.reshape(-1)
    return x.reshape([s for s in x.shape if s != 1]) if along is None else np.squeeze(x, tuple(int(a) for a in along))


def unsqueeze(x: Array, given: Array | None = None, /, *, axes: Sequence[int] = ()) -> Array:
    """Return x with axes of size 1 more."""
    along = axes if given is None else given.reshape(-1)
    return np.expand_dims(x, tuple(int(axis) for axis in along))


def tile(x: Array, repeats: Array) -> Array:
    """Return x repeated along its axes."""
    check_size(np.asarray(x.shape) * np.maximum(repeats.astype(int), 0))
    return np.tile(x, repeats)


def transpose(x: Array, *, perm: Sequence[int] | None = None) -> Array:
    """Return x with its axes in another order, reversed unless given."""
    return np.transpose(x, perm)


SHAPING: dict[str, Callable[..., Any]] = {
    "Concat": concat,
    "Constant": constant,
    "ConstantOfShape": constant_of_shape,
    "Expand": expand,
    "Flatten": flatten,
    "Gather": gather,
    "GatherElements": gather_elements,
    "GatherND": gather_nd,
    "NonZero": lambda x: np.array(np.nonzero(np.atleast_1d(x)), np.int64),
    "OneHot": one_hot,
    "Pad": pad,
    "Range": arange,
    "Reshape": reshape,
    "ReverseSequence": reverse_sequence,
    "ScatterElements": scatter_elements,
    "ScatterND": scatter_nd,
    "Shape": shape_of,
    "Size": lambda x: np.array(x.size, np.int64),
    "Slice": slice_of,
    "Split": split,
    "Squeeze": squeeze,
    "Tile": tile,
    "Transpose": transpose,
    "Unsqueeze": unsqueeze,
}

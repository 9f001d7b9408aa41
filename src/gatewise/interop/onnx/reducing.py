"""ONNX operators that sum up or order elements along axes, and normalize by that; see `pointwise` for their form."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gatewise.errors import Array, GatewiseValueError
from gatewise.interop.onnx.shaping import check_axis
from gatewise.interop.onnx.tensors import check_size


def reduction(function: Callable[..., Any]) -> Callable[..., Array]:
    """Return the operator that sums up along some axes, or all, with `function(x, axis, keepdims)`."""

    def operator(
        x: Array,
        given: Array | None = None,
        /,
        *,
        axes: Sequence[int] | None = None,
        keepdims: int = 1,
        noop_with_empty_axes: int = 0,
    ) -> Array:
        along = axes if given is None else given.reshape(-1)
        if along is None or len(along) == 0:
            if noop_with_empty_axes:
                return np.asarray(function(x[None], 0, False), x.dtype)
            along = range(x.ndim)
        chosen = tuple(check_axis(axis, x.ndim) for axis in along)
        return np.asarray(function(x, chosen, bool(keepdims)), x.dtype)

    return operator


def extreme(function: Callable[..., Any], sign: int) -> Callable[..., Any]:
    """Return `function`, np.max or np.min, which gives the least or largest number where there are no elements."""

    def summed_up(x: Array, axis: Any, keepdims: bool) -> Any:
        if x.dtype.kind == "f":
            start: Any = -sign * np.inf
        elif x.dtype.kind == "b":
            start = sign < 0
        else:
            info = np.iinfo(x.dtype)
            start = info.min if sign > 0 else info.max
        return function(x, axis=axis, keepdims=keepdims, initial=start)

    return summed_up


def log_sum_exp(x: Array, axis: Any, keepdims: bool) -> Array:
    """log Σ exp(x), without an exponential that overflows."""
    highest = extreme(np.max, 1)(x, axis, True)
    shift = np.where(np.isfinite(highest), highest, 0)
    total = np.log(np.sum(np.exp(x - shift), axis=axis, keepdims=True)) + shift
    return np.asarray(total if keepdims else np.squeeze(total, axis))


def arg_extreme(function: Callable[..., Any]) -> Callable[..., Array]:
    """Return the operator that gives the index of the highest or lowest element."""

    def operator(x: Array, *, axis: int = 0, keepdims: int = 1, select_last_index: int = 0) -> Array:
        axis = check_axis(axis, x.ndim)
        if select_last_index:
            found = x.shape[axis] - 1 - function(np.flip(x, axis), axis=axis, keepdims=bool(keepdims))
        else:
            found = function(x, axis=axis, keepdims=bool(keepdims))
        return np.asarray(found, np.int64)

    return operator


def cumulative_sum(x: Array, axis: Array, *, exclusive: int = 0, reverse: int = 0) -> Array:
    """Return sums of the elements up to each, or with `exclusive` before it; from the end with `reverse`."""
    along = check_axis(axis.reshape(()), x.ndim)
    ordered = np.flip(x, along) if reverse else x
    sums = np.cumsum(ordered, axis=along, dtype=x.dtype)
    if exclusive:
        sums = sums - ordered
    return np.flip(sums, along) if reverse else sums


def top_k(x: Array, k: Array, *, axis: int = -1, largest: int = 1, sorted: int = 1) -> tuple[Array, Array]:
    """Return the k highest or lowest elements along an axis, in order, and their indices."""
    along, count = check_axis(axis, x.ndim), int(k.reshape(-1)[0])
    if not 0 <= count <= x.shape[along]:
        raise GatewiseValueError(f"k is {count}; need 0 to {x.shape[along]}.")
    if largest:  # a stable order of the reversed elements, reversed, has the first of equals first
        order = x.shape[along] - 1 - np.flip(np.argsort(np.flip(x, along), axis=along, kind="stable"), along)
    else:
        order = np.argsort(x, axis=along, kind="stable")
    order = np.take(order, np.arange(count), axis=along)
    return np.take_along_axis(x, order, along), order.astype(np.int64)


def softmax(x: Array, *, axis: int | None = None, opset: int = 13) -> Array:
    """exp(x) / Σ exp(x) along an axis; up to opset 12 over it and all that follow."""
    along = _softmax_axes(x, axis, opset)
    shifted = np.exp(x - np.max(x, axis=along, keepdims=True, initial=-np.inf))
    return np.asarray(shifted / np.sum(shifted, axis=along, keepdims=True), x.dtype)


def log_softmax(x: Array, *, axis: int | None = None, opset: int = 13) -> Array:
    """Return the logarithm of softmax."""
    along = _softmax_axes(x, axis, opset)
    shifted = x - np.max(x, axis=along, keepdims=True, initial=-np.inf)
    return np.asarray(shifted - np.log(np.sum(np.exp(shifted), axis=along, keepdims=True)), x.dtype)


def _softmax_axes(x: Array, axis: int | None, opset: int) -> tuple[int, ...]:
    if opset >= 13:
        return (check_axis(-1 if axis is None else axis, x.ndim),)
    return tuple(range(check_axis(1 if axis is None else axis, x.ndim), x.ndim))


def layer_normalization(
    x: Array,
    scale: Array,
    bias: Array | None = None,
    *,
    axis: int = -1,
    epsilon: float = 1e-5,
    stash_type: int = 1,
    outputs: int = 1,
) -> tuple[Array, ...]:
    """Return x less its mean in units of its spread over the axes from `axis` on, scaled; then mean and 1/spread."""
    along = tuple(range(check_axis(axis, x.ndim), x.ndim))
    mean = np.mean(x, axis=along, keepdims=True)
    inverse = 1 / np.sqrt(np.mean((x - mean) ** 2, axis=along, keepdims=True) + x.dtype.type(epsilon))
    y = (x - mean) * inverse * scale + (0 if bias is None else bias)
    return tuple(np.asarray(value, x.dtype) for value in (y, mean, inverse))[:outputs]


def batch_normalization(
    x: Array,
    scale: Array,
    bias: Array,
    mean: Array,
    variance: Array,
    *,
    epsilon: float = 1e-5,
    momentum: float = 0.9,
    training_mode: int = 0,
) -> Array:
    """Return x (n, channels, ...) less a mean in units of a spread, scaled: in inference with those of the training."""
    if training_mode:
        raise GatewiseValueError(
            "BatchNormalization has training_mode=1; need a model exported for inference, model.eval()."
        )
    scale, bias, mean, variance = (a.reshape(-1, *(1,) * (x.ndim - 2)) for a in (scale, bias, mean, variance))
    return np.asarray((x - mean) / np.sqrt(variance + x.dtype.type(epsilon)) * scale + bias, x.dtype)


def global_pool(function: Callable[..., Any]) -> Callable[[Array], Array]:
    """Return the operator that sums up all axes of x (n, channels, ...) but the first two."""

    def operator(x: Array) -> Array:
        return np.asarray(function(x, axis=tuple(range(2, x.ndim)), keepdims=True), x.dtype)

    return operator


def trilu(x: Array, k: Array | None = None, *, upper: int = 1) -> Array:
    """Return x with 0 below or above its k-th diagonal."""
    shift = 0 if k is None else int(k.reshape(()))
    check_size(x.shape)
    return np.triu(x, shift) if upper else np.tril(x, shift)


REDUCING: dict[str, Callable[..., Any]] = {
    "ArgMax": arg_extreme(np.argmax),
    "ArgMin": arg_extreme(np.argmin),
    "BatchNormalization": batch_normalization,
    "CumSum": cumulative_sum,
    "GlobalAveragePool": global_pool(np.mean),
    "GlobalMaxPool": global_pool(np.max),
    "LayerNormalization": layer_normalization,
    "LogSoftmax": log_softmax,
    "ReduceL1": reduction(lambda x, axis, keep: np.sum(np.abs(x), axis=axis, keepdims=keep)),
    "ReduceL2": reduction(lambda x, axis, keep: np.sqrt(np.sum(x * x, axis=axis, keepdims=keep))),
    "ReduceLogSum": reduction(lambda x, axis, keep: np.log(np.sum(x, axis=axis, keepdims=keep))),
    "ReduceLogSumExp": reduction(log_sum_exp),
    "ReduceMax": reduction(extreme(np.max, 1)),
    "ReduceMean": reduction(lambda x, axis, keep: np.mean(x, axis=axis, keepdims=keep)),
    "ReduceMin": reduction(extreme(np.min, -1)),
    "ReduceProd": reduction(lambda x, axis, keep: np.prod(x, axis=axis, keepdims=keep)),
    "ReduceSum": reduction(lambda x, axis, keep: np.sum(x, axis=axis, keepdims=keep)),
    "ReduceSumSquare": reduction(lambda x, axis, keep: np.sum(x * x, axis=axis, keepdims=keep)),
    "Softmax": softmax,
    "TopK": top_k,
    "Trilu": trilu,
}

"""Losses: each gives the mean over all elements and the gradient of exactly that mean.

`loss(prediction, target, *, weights=None) -> (value, gradient)`. A rule gives the loss of every element and
its slope; `_average` reduces them, once for all losses: mean l, or with weights Σ w·l / Σ w. What has weight
0 is absent: whatever stands there, NaN too, reaches neither value nor gradient.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from gatewise.activations import sigmoid
from gatewise.errors import (
    FLOATS,
    Array,
    GatewiseTypeError,
    GatewiseValueError,
    check_array,
    check_choice,
    check_number,
)
from gatewise.layers.padding import spread

Rule = Callable[[Array, Array], tuple[Array, Array]]


class Loss(Protocol):
    """What every loss can be called with."""

    def __call__(self, prediction: Array, target: Array, *, weights: Array | None = None) -> tuple[float, Array]:
        """Return the value and its gradient with respect to `prediction`."""


def mse(prediction: Array, target: Array, *, weights: Array | None = None) -> tuple[float, Array]:
    """Return the mean squared error, mean (prediction − target)², and its gradient.

    Parameters
    ----------
    prediction : array, any shape of at least one axis, float32 or float64
    target : array of the same shape and dtype
    weights : array of real numbers or bool, optional
        At least 0; its shape is a leading part of the target's, such as (batch,) or (batch, time).

    Returns
    -------
    value : float
    gradient : array of prediction's shape and dtype

    Raises
    ------
    GatewiseError
        If shapes or dtypes do not fit, there is nothing to average, or a weight is negative.

    Notes
    -----
    `torch.nn.functional.mse_loss`.

    Examples
    --------
    >>> mse(np.array([1.0, 3.0]), np.array([1.0, 1.0]))
    (2.0, array([0., 2.]))
    >>> mse(np.array([1.0, np.nan]), np.array([2.0, 1.0]), weights=np.array([True, False]))
    (1.0, array([-2.,  0.]))
    """

    def rule(prediction: Array, target: Array) -> tuple[Array, Array]:
        error = prediction - target
        return error * error, 2 * error

    return _elementwise(rule, prediction, target, weights)


def mae(prediction: Array, target: Array, *, weights: Array | None = None) -> tuple[float, Array]:
    """Return the mean absolute error, mean |prediction − target|, and its gradient (0 where they are equal).

    Parameters
    ----------
    prediction : array, any shape of at least one axis, float32 or float64
    target : array of the same shape and dtype
    weights : array of real numbers or bool, optional
        At least 0; its shape is a leading part of the target's, such as (batch,) or (batch, time).

    Returns
    -------
    value : float
    gradient : array of prediction's shape and dtype

    Raises
    ------
    GatewiseError
        If shapes or dtypes do not fit, there is nothing to average, or a weight is negative.

    Notes
    -----
    `torch.nn.functional.l1_loss`.

    Examples
    --------
    >>> mae(np.array([1.0, 3.0]), np.array([1.0, 1.0]))
    (1.0, array([0. , 0.5]))
    """

    def rule(prediction: Array, target: Array) -> tuple[Array, Array]:
        error = prediction - target
        return np.abs(error), np.sign(error)

    return _elementwise(rule, prediction, target, weights)


def huber(prediction: Array, target: Array, *, delta: float = 1.0, weights: Array | None = None) -> tuple[float, Array]:
    """Return the mean Huber loss, ½ e² up to |e| = delta and delta (|e| − ½ delta) beyond, and its gradient.

    Parameters
    ----------
    prediction : array, any shape of at least one axis, float32 or float64
    target : array of the same shape and dtype
    delta : float
        Where the parabola turns into a line, in the unit of the target; more than 0.
    weights : array of real numbers or bool, optional
        At least 0; its shape is a leading part of the target's, such as (batch,) or (batch, time).

    Returns
    -------
    value : float
    gradient : array of prediction's shape and dtype

    Raises
    ------
    GatewiseError
        If shapes or dtypes do not fit, there is nothing to average, or a weight or `delta` is out of
        its range.

    Notes
    -----
    `torch.nn.functional.huber_loss`; Huber, Annals of Mathematical Statistics 35 (1964).

    Examples
    --------
    >>> huber(np.array([0.5, 3.0]), np.array([0.5, 1.0]))
    (0.75, array([0. , 0.5]))
    """
    check_number("delta", delta, 0.0, open_low=True)
    delta = float(delta)

    def rule(prediction: Array, target: Array) -> tuple[Array, Array]:
        error = prediction - target
        slope = np.clip(error, -delta, delta)
        return slope * (error - slope / 2), slope

    return _elementwise(rule, prediction, target, weights)


def binary_cross_entropy(prediction: Array, target: Array, *, weights: Array | None = None) -> tuple[float, Array]:
    """Return the mean of −t log σ(x) − (1 − t) log(1 − σ(x)) over logits x and targets t, and its gradient.

    Parameters
    ----------
    prediction : array, any shape of at least one axis, float32 or float64
        Logits: no sigmoid has been applied.
    target : array of the same shape and dtype
        Probabilities of the positive class, 0 to 1.
    weights : array of real numbers or bool, optional
        At least 0; its shape is a leading part of the target's, such as (batch,) or (batch, time).

    Returns
    -------
    value : float, in nats
    gradient : array of prediction's shape and dtype

    Raises
    ------
    GatewiseError
        If shapes or dtypes do not fit, there is nothing to average, or a target or weight is out of
        its range.

    Notes
    -----
    `torch.nn.functional.binary_cross_entropy_with_logits`: nothing overflows for large logits.

    Examples
    --------
    >>> value, gradient = binary_cross_entropy(np.array([0.0, 900.0]), np.array([1.0, 1.0]))
    >>> round(value, 6), gradient
    (0.346574, array([-0.25,  0.  ]))
    """

    def rule(prediction: Array, target: Array) -> tuple[Array, Array]:
        _check_probabilities(target)
        softplus = np.maximum(-prediction, 0) + np.log1p(np.exp(-np.abs(prediction)))  # log(1 + exp(−x))
        return (1 - target) * prediction + softplus, sigmoid(prediction) - target

    return _elementwise(rule, prediction, target, weights)


def cross_entropy(prediction: Array, target: Array, *, weights: Array | None = None) -> tuple[float, Array]:
    """Return the mean of −log softmax(prediction) at the target class, and its gradient.

    Parameters
    ----------
    prediction : array (..., classes), at least two axes, float32 or float64
        Logits: no softmax has been applied.
    target : array
        Of integers (...): the class of each row, from 0. Or of prediction's shape and dtype: the
        probability of each class.
    weights : array of real numbers or bool, optional
        At least 0; its shape is a leading part of (...), such as (batch,) or (batch, time).

    Returns
    -------
    value : float, in nats
    gradient : array of prediction's shape and dtype

    Raises
    ------
    GatewiseError
        If shapes or dtypes do not fit, there is nothing to average, or a class, probability or weight is out
        of its range.

    Notes
    -----
    `torch.nn.functional.cross_entropy`, but the classes are the last axis.

    Examples
    --------
    >>> value, gradient = cross_entropy(np.array([[0.0, 0.0], [800.0, 0.0]]), np.array([1, 0]))
    >>> round(value, 6)
    0.346574
    >>> gradient
    array([[ 0.25, -0.25],
           [ 0.  ,  0.  ]])
    """
    _check_prediction(prediction, axes=2)
    rows = prediction.shape[:-1]
    if isinstance(target, np.ndarray) and np.issubdtype(target.dtype, np.integer):
        check_array("target", target, rows, target.dtype)
        return _average(_class_rule, prediction, target, weights, rows)
    check_array("target", target, prediction.shape, prediction.dtype)
    return _average(_probability_rule, prediction, target, weights, rows)


def pinball(
    prediction: Array,
    target: Array,
    *,
    quantiles: Sequence[float] = (0.1, 0.5, 0.9),
    weights: Array | None = None,
) -> tuple[float, Array]:
    """Return the mean of max(q e, (q − 1) e), e = target − prediction of quantile q, and its gradient.

    Parameters
    ----------
    prediction : array (..., quantiles), at least two axes, float32 or float64
        A prediction of each quantile; these are the last axis, in the order of `quantiles`.
    target : array (...) of prediction's dtype
        What was observed; each target is compared with the predictions of all quantiles.
    quantiles : sequence of float
        More than 0 and less than 1.
    weights : array of real numbers or bool, optional
        At least 0; its shape is a leading part of the target's, such as (batch,) or (batch, time).

    Returns
    -------
    value : float
        The mean over targets and quantiles.
    gradient : array of prediction's shape and dtype
        At e = 0, where there is a kink, the middle of both sides: ½ − q.

    Raises
    ------
    GatewiseError
        If shapes or dtypes do not fit, there is nothing to average, or a quantile or weight is out
        of its range.

    Notes
    -----
    Koenker and Bassett, Econometrica 46 (1978).

    Examples
    --------
    >>> pinball(np.array([[0.0, 2.0]]), np.array([1.0]), quantiles=(0.25, 0.75))
    (0.25, array([[-0.125,  0.125]]))
    """
    _check_prediction(prediction, axes=2)
    q = np.array(_check_quantiles(quantiles), prediction.dtype)
    check_array("prediction", prediction, (*prediction.shape[:-1], len(q)), prediction.dtype)
    check_array("target", target, prediction.shape[:-1], prediction.dtype)

    def rule(prediction: Array, target: Array) -> tuple[Array, Array]:
        error = target[..., None] - prediction
        return np.maximum(q * error, (q - 1) * error), 0.5 - q - np.sign(error) / 2

    return _average(rule, prediction, target, weights, target.shape)


LOSSES: dict[str, Loss] = {
    "mse": mse,
    "mae": mae,
    "huber": huber,
    "cross_entropy": cross_entropy,
    "binary_cross_entropy": binary_cross_entropy,
    "pinball": pinball,
}


def named_loss(loss: str | Loss) -> Loss:
    """Return the loss of that name, or the function itself.

    Examples
    --------
    >>> named_loss("mse") is mse
    True
    """
    if isinstance(loss, str):
        check_choice("loss", loss, LOSSES)
        return LOSSES[loss]
    if not callable(loss):
        raise GatewiseTypeError(f"loss is {loss!r}; need a function of gatewise.losses or its name.")
    return loss


def _elementwise(rule: Rule, prediction: Array, target: Array, weights: Array | None) -> tuple[float, Array]:
    """Average a rule that compares each number with the one in the same place."""
    _check_prediction(prediction, axes=1)
    check_array("target", target, prediction.shape, prediction.dtype)
    return _average(rule, prediction, target, weights, target.shape)


def _average(
    rule: Rule, prediction: Array, target: Array, weights: Array | None, rows: tuple[int, ...]
) -> tuple[float, Array]:
    """Return Σ w·l / Σ w and its gradient; `rows` is the shape whose leading part `weights` has."""
    if weights is None:
        loss, slope = rule(prediction, target)
        return float(np.mean(loss, dtype=np.float64)), slope / loss.size
    w = _check_weights(weights, rows)
    loss, slope = rule(_fill(prediction, w), _fill(target, w))
    share = w / (np.sum(w) * (loss.size / w.size))
    value = float(np.sum(loss * spread(share, loss.ndim)))
    return value, slope * spread(share, slope.ndim).astype(slope.dtype)


def _fill(values: Array, w: Array) -> Array:
    """Return `values` with 0 wherever the weight is 0."""
    return np.where(spread(w == 0, values.ndim), values.dtype.type(0), values)


def _class_rule(logits: Array, target: Array) -> tuple[Array, Array]:
    classes = logits.shape[-1]
    bad = np.argwhere((target < 0) | (target >= classes))
    if len(bad):
        where = tuple(int(i) for i in bad[0])
        raise GatewiseValueError(
            f"target{list(where)} is class {target[where]}; need 0 to {classes - 1}, as prediction has "
            f"{classes} classes: number them from 0, and give padding the weight 0."
        )
    at = target.astype(np.intp)[..., None]
    log_p = _log_softmax(logits)
    slope = np.exp(log_p)
    np.put_along_axis(slope, at, np.take_along_axis(slope, at, -1) - 1, -1)
    return -np.take_along_axis(log_p, at, -1)[..., 0], slope


def _probability_rule(logits: Array, target: Array) -> tuple[Array, Array]:
    _check_probabilities(target)
    log_p = _log_softmax(logits)
    return -np.sum(target * log_p, axis=-1), np.exp(log_p) * np.sum(target, axis=-1, keepdims=True) - target


def _log_softmax(logits: Array) -> Array:
    """Return log softmax over the last axis, shifted by its maximum so that nothing overflows."""
    shifted: Array = logits - np.max(logits, axis=-1, keepdims=True)
    shifted -= np.log(np.sum(np.exp(shifted), axis=-1, keepdims=True))
    return shifted


def _check_prediction(prediction: Any, *, axes: int) -> None:
    if not isinstance(prediction, np.ndarray) or prediction.dtype not in FLOATS:
        got = f"array of {prediction.dtype}" if isinstance(prediction, np.ndarray) else type(prediction).__name__
        raise GatewiseTypeError(f"prediction is of type {got}; need an array of float32 or float64: convert it first.")
    if prediction.ndim < axes or not prediction.size:
        raise GatewiseValueError(
            f"prediction has shape {prediction.shape}; need {axes} or more axes, none of length 0: pass a batch."
        )


def _check_probabilities(target: Array) -> None:
    bad = np.argwhere((target < 0) | (target > 1))
    if len(bad):
        where = tuple(int(i) for i in bad[0])
        raise GatewiseValueError(f"target{list(where)} is {target[where]}; need 0 to 1: pass probabilities.")


def _check_quantiles(quantiles: Sequence[float]) -> list[float]:
    for index, q in enumerate(quantiles):
        check_number(f"quantiles[{index}]", q, 0.0, 1.0, open_low=True)
        if q == 1:
            raise GatewiseValueError(f"quantiles[{index}] is {q!r}; need more than 0 and less than 1.")
    return [float(q) for q in quantiles]


def _check_weights(weights: Any, rows: tuple[int, ...]) -> Array:
    """Return `weights` as float64; raise unless they fit `rows` and can be averaged with."""
    if not isinstance(weights, np.ndarray) or weights.dtype.kind not in "biuf":
        raise GatewiseTypeError(
            f"weights is {weights!r}; need an array of real numbers or bool: pass np.asarray(weights)."
        )
    if weights.shape != rows[: weights.ndim]:
        raise GatewiseValueError(
            f"weights has shape {weights.shape}; need a leading part of {rows}, such as {rows[:1]}: reshape weights."
        )
    if not (np.isfinite(weights) & (weights >= 0)).all():
        raise GatewiseValueError("weights holds negative or non-finite numbers; need at least 0: mark gaps with 0.")
    if not weights.any():
        raise GatewiseValueError("weights are all 0; need at least one above 0: leave out batches without targets.")
    return weights.astype(np.float64)

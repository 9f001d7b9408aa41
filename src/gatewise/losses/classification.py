"""Losses of classes and probabilities, from logits."""

from __future__ import annotations

import numpy as np

from gatewise.activations import sigmoid
from gatewise.errors import Array, GatewiseValueError, check_array
from gatewise.losses.average import average, check_prediction, elementwise


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

    return elementwise(rule, prediction, target, weights)


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
    check_prediction(prediction, axes=2)
    rows = prediction.shape[:-1]
    if isinstance(target, np.ndarray) and np.issubdtype(target.dtype, np.integer):
        check_array("target", target, rows, target.dtype)
        return average(_class_rule, prediction, target, weights, rows)
    check_array("target", target, prediction.shape, prediction.dtype)
    return average(_probability_rule, prediction, target, weights, rows)


def _class_rule(logits: Array, target: Array) -> tuple[Array, Array]:
    classes = logits.shape[-1]
    if target.min() < 0 or target.max() >= classes:
        where = tuple(int(i) for i in np.argwhere((target < 0) | (target >= classes))[0])
        raise GatewiseValueError(
            f"target{list(where)} is class {target[where]}; need 0 to {classes - 1}, as prediction has "
            f"{classes} classes: number them from 0, and give padding the weight 0."
        )
    log_p = _log_softmax(logits)
    slope = np.ascontiguousarray(np.exp(log_p))
    at = np.arange(target.size), target.reshape(-1).astype(np.intp)
    slope.reshape(-1, classes)[at] -= 1
    return -log_p.reshape(-1, classes)[at].reshape(target.shape), slope


def _probability_rule(logits: Array, target: Array) -> tuple[Array, Array]:
    _check_probabilities(target)
    log_p = _log_softmax(logits)
    return -np.sum(target * log_p, axis=-1), np.exp(log_p) * np.sum(target, axis=-1, keepdims=True) - target


def _log_softmax(logits: Array) -> Array:
    """Return log softmax over the last axis, shifted by its maximum so that nothing overflows."""
    shifted: Array = logits - np.max(logits, axis=-1, keepdims=True)
    shifted -= np.log(np.sum(np.exp(shifted), axis=-1, keepdims=True))
    return shifted


def _check_probabilities(target: Array) -> None:
    bad = np.argwhere((target < 0) | (target > 1))
    if len(bad):
        where = tuple(int(i) for i in bad[0])
        raise GatewiseValueError(f"target{list(where)} is {target[where]}; need 0 to 1: pass probabilities.")

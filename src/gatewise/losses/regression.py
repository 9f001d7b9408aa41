"""Losses of numbers: squared, absolute, Huber's, and of quantiles."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from gatewise.errors import Array, GatewiseValueError, check_array, check_number
from gatewise.losses.average import average, check_prediction, elementwise


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

    return elementwise(rule, prediction, target, weights)


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

    return elementwise(rule, prediction, target, weights)


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

    return elementwise(rule, prediction, target, weights)


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
    check_prediction(prediction, axes=2)
    q = np.array(_checked_quantiles(tuple(quantiles)), prediction.dtype)
    check_array("prediction", prediction, (*prediction.shape[:-1], len(q)), prediction.dtype)
    check_array("target", target, prediction.shape[:-1], prediction.dtype)

    def rule(prediction: Array, target: Array) -> tuple[Array, Array]:
        error = target[..., None] - prediction
        return np.maximum(q * error, (q - 1) * error), 0.5 - q - np.sign(error) / 2

    return average(rule, prediction, target, weights, target.shape)


@lru_cache(maxsize=64)
def _checked_quantiles(quantiles: tuple[float, ...]) -> list[float]:
    for index, q in enumerate(quantiles):
        check_number(f"quantiles[{index}]", q, 0.0, 1.0, open_low=True)
        if q == 1:
            raise GatewiseValueError(f"quantiles[{index}] is {q!r}; need more than 0 and less than 1.")
    return [float(q) for q in quantiles]

"""The mean of a loss over all elements, weighted or not, and the gradient of exactly that mean.

A rule gives the loss of every element and its slope; `average` reduces them, once for all losses: mean l, or with
weights Σ w·l / Σ w. What has weight 0 is absent: whatever stands there, NaN too, reaches neither value nor gradient.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from gatewise.errors import FLOATS, Array, GatewiseTypeError, GatewiseValueError, check_array, check_unmasked
from gatewise.layers.padding import spread

Rule = Callable[[Array, Array], tuple[Array, Array]]


class Loss(Protocol):
    """What every loss can be called with."""

    def __call__(self, prediction: Array, target: Array, *, weights: Array | None = None) -> tuple[float, Array]:
        """Return the value and its gradient with respect to `prediction`."""


def elementwise(rule: Rule, prediction: Array, target: Array, weights: Array | None) -> tuple[float, Array]:
    """Average a rule that compares each number with the one in the same place."""
    check_prediction(prediction, axes=1)
    check_array("target", target, prediction.shape, prediction.dtype)
    return average(rule, prediction, target, weights, target.shape)


def average(
    rule: Rule, prediction: Array, target: Array, weights: Array | None, rows: tuple[int, ...]
) -> tuple[float, Array]:
    """Return Σ w·l / Σ w and its gradient; `rows` is the shape whose leading part `weights` has."""
    if weights is None:
        loss, slope = rule(prediction, target)
        return float(np.add.reduce(loss, axis=None, dtype=np.float64)) / loss.size, slope / loss.size
    w = _check_weights(weights, rows)
    if not w.all():
        prediction, target = _fill(prediction, w), _fill(target, w)
    loss, slope = rule(prediction, target)
    share = w / (np.sum(w) * (loss.size / w.size))
    value = float(np.sum(loss * spread(share, loss.ndim)))
    return value, slope * spread(share, slope.ndim).astype(slope.dtype)


def _fill(values: Array, w: Array) -> Array:
    """Return `values` with 0 wherever the weight is 0."""
    return np.where(spread(w == 0, values.ndim), values.dtype.type(0), values)


def check_prediction(prediction: Any, *, axes: int) -> None:
    """Raise unless `prediction` is a float array of at least `axes` axes that holds something."""
    check_unmasked("prediction", prediction)
    if not isinstance(prediction, np.ndarray) or prediction.dtype not in FLOATS:
        got = f"array of {prediction.dtype}" if isinstance(prediction, np.ndarray) else type(prediction).__name__
        raise GatewiseTypeError(f"prediction is of type {got}; need an array of float32 or float64: convert it first.")
    if prediction.ndim < axes or not prediction.size:
        raise GatewiseValueError(
            f"prediction has shape {prediction.shape}; need {axes} or more axes, none of length 0: pass a batch."
        )


def _check_weights(weights: Any, rows: tuple[int, ...]) -> Array:
    """Return `weights` as float64; raise unless they fit `rows` and can be averaged with."""
    check_unmasked("weights", weights)
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

"""Activations and their slopes, each slope written in the *output* of its function.

They are plain functions of arrays; the kernels compile the same functions for vectors.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from gatewise.errors import Array


def tanh(a: Any) -> Any:
    """tanh(a)."""
    return np.tanh(a)


def tanh_slope(y: Any) -> Any:
    """tanh′ where tanh is y."""
    return 1 - y * y


def sigmoid(a: Any) -> Any:
    """σ(a) = 1 / (1 + exp(−a)), without an exponential that could overflow."""
    return 0.5 * tanh(0.5 * a) + 0.5


def sigmoid_slope(y: Any) -> Any:
    """σ′ where σ is y."""
    return y * (1 - y)


def relu(a: Any) -> Any:
    """max(a, 0)."""
    return np.maximum(a, 0)


def relu_slope(y: Any) -> Any:
    """1 where relu, y, is positive, else 0."""
    return (y > 0).astype(y.dtype)


class Activation(NamedTuple):
    """An elementwise function and its slope, taken from the function's output."""

    value: Callable[[Array], Array]
    slope: Callable[[Array], Array]


ACTIVATIONS = {
    "sigmoid": Activation(sigmoid, sigmoid_slope),
    "tanh": Activation(tanh, tanh_slope),
    "relu": Activation(relu, relu_slope),
    "identity": Activation(lambda a: a, np.ones_like),
}

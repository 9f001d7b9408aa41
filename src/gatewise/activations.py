"""Each activation with its derivative beside it, the derivative written in the *output*."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from gatewise.errors import Array


class Activation(NamedTuple):
    """An elementwise function and its derivative, taken from the function's output."""

    name: str
    value: Callable[[Array], Array]
    derivative: Callable[[Array], Array]


def _sigmoid(a: Array) -> Array:
    # (1 + tanh(a/2)) / 2 is σ(a) without an exponential that could overflow.
    return 0.5 * np.tanh(0.5 * a) + 0.5


SIGMOID = Activation("sigmoid", _sigmoid, lambda s: s * (1 - s))
TANH = Activation("tanh", np.tanh, lambda t: 1 - t * t)
RELU = Activation("relu", lambda a: np.maximum(a, 0), lambda r: (r > 0).astype(r.dtype))
IDENTITY = Activation("identity", lambda a: a, np.ones_like)

ACTIVATIONS = {f.name: f for f in (SIGMOID, TANH, RELU, IDENTITY)}

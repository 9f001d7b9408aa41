"""Random convolutions: features of sequences on which a ridge regression is hard to beat.

Dempster, Petitjean and Webb, ROCKET: exceptionally fast and accurate time series classification using random
convolutional kernels, 2020: lengths 7, 9 and 11, normal weights of mean 0, uniform biases, dilations log-uniform up to
the length, padding by chance; of each result its maximum and the share that is positive.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
KERNELS = 1000  # a tenth of the paper's: what it gives up is about a point


def features(x: Array, kernels: int = KERNELS, seed: int = 0) -> Array:
    """Return (n, 2 · kernels) of x (n, channels, steps), each channel brought to mean 0 and deviation 1."""
    spread = x.std(axis=2, keepdims=True)
    x = (x - x.mean(axis=2, keepdims=True)) / np.where(spread > 0, spread, 1)
    rng = np.random.default_rng(seed)
    columns = [_of_kernel(x, rng) for _ in range(kernels)]
    return np.concatenate(columns, axis=1)


def _of_kernel(x: Array, rng: np.random.Generator) -> Array:
    """The maximum and the share of positive values (n, 2) of one kernel over one to nine channels."""
    n, channels, steps = x.shape
    length = min(int(rng.choice((7, 9, 11))), steps)
    dilation = int(2 ** rng.uniform(0, np.log2(max(1.0, (steps - 1) / (length - 1)))))
    some = rng.choice(channels, min(channels, int(2 ** rng.uniform(0, np.log2(min(channels, length) + 1)))), False)
    weights = rng.normal(size=(len(some), length))
    weights -= weights.mean(axis=1, keepdims=True)
    bias, reach = rng.uniform(-1, 1), (length - 1) * dilation
    pad = reach // 2 if rng.uniform() < 0.5 else 0
    padded = np.pad(x[:, some], ((0, 0), (0, 0), (pad, pad)))
    out = np.full((n, padded.shape[2] - reach), bias)
    for place in range(length):
        part = padded[:, :, place * dilation : place * dilation + out.shape[1]]
        out += np.tensordot(part, weights[:, place], axes=(1, 0))
    return np.stack([out.max(axis=1), (out > 0).mean(axis=1)], axis=1)

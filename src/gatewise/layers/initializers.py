"""Starting values of weights; each takes a `numpy.random.Generator` and returns new arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from gatewise.errors import Array


def uniform(rng: np.random.Generator, shape: tuple[int, ...], bound: float, dtype: np.dtype[Any]) -> Array:
    """U(−bound, bound): PyTorch's default, with bound 1/√H in a recurrent layer and 1/√inputs in a dense one."""
    return rng.uniform(-bound, bound, shape).astype(dtype)


def orthogonal(rng: np.random.Generator, gates: int, size: int, dtype: np.dtype[Any]) -> Array:
    """(gates·size, size): one random orthogonal matrix a gate (Saxe et al., arXiv 1312.6120)."""
    blocks = []
    for _ in range(gates):
        Q, R = np.linalg.qr(rng.standard_normal((size, size)))
        blocks.append(Q * np.sign(np.diag(R)))
    return np.concatenate(blocks).astype(dtype)


def chrono(rng: np.random.Generator, size: int, longest: float, dtype: np.dtype[Any]) -> Array:
    """log U(1, longest − 1): the bias of a gate that keeps its state for 1 to `longest` steps.

    Tallec and Ollivier, arXiv 1804.11188, section 2.
    """
    return np.log(rng.uniform(1, longest - 1, size)).astype(dtype)


def dropout_mask(rng: np.random.Generator, shape: tuple[int, ...], p: float, dtype: np.dtype[Any]) -> Array:
    """0 with probability p, else 1/(1 − p), so that the mean stays (Srivastava et al. 2014)."""
    if p == 1:
        return np.zeros(shape, dtype)
    mask: Array = (rng.random(shape) >= p) / dtype.type(1 - p)
    return mask

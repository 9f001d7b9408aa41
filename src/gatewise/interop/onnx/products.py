"""ONNX operators that are matrix products and convolutions; see `pointwise` for their form."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gatewise.errors import Array, GatewiseValueError
from gatewise.interop.onnx.pointwise import check_alike
from gatewise.interop.onnx.tensors import check_size


def matmul(a: Array, b: Array) -> Array:
    """Return the matrix product over the last two axes."""
    if a.ndim > 1 and b.ndim > 1:
        check_size((*np.broadcast_shapes(a.shape[:-2], b.shape[:-2]), a.shape[-2], b.shape[-1]))
    return np.asarray(np.matmul(a, b), a.dtype)


def gemm(
    a: Array,
    b: Array,
    c: Array | None = None,
    *,
    alpha: float = 1.0,
    beta: float = 1.0,
    transA: int = 0,
    transB: int = 0,
) -> Array:
    """Return alpha a b + beta c."""
    product = matmul(a.T if transA else a, b.T if transB else b)
    if alpha != 1:
        product = product * a.dtype.type(alpha)
    if c is None:
        return np.asarray(product, a.dtype)
    check_alike(product, c)
    return np.asarray(product + (c if beta == 1 else c * a.dtype.type(beta)), a.dtype)


def einsum(*inputs: Array, equation: str) -> Array:
    """Return sums of products by their indices."""
    text = equation.replace(" ", "")
    sizes: dict[str, int] = {}
    if "..." not in text:
        terms, _, given = text.partition("->")
        for term, x in zip(terms.split(","), inputs, strict=True):
            sizes |= dict(zip(term, x.shape, strict=True))
        check_size([sizes[letter] for letter in given])
        check_size(sizes.values(), "what is summed")
    else:
        check_size([math.prod(x.size for x in inputs)])
    return np.asarray(np.einsum(text, *inputs), inputs[0].dtype)


def conv(
    x: Array,
    W: Array,
    b: Array | None = None,
    *,
    auto_pad: str = "NOTSET",
    dilations: Sequence[int] | None = None,
    group: int = 1,
    kernel_shape: Sequence[int] | None = None,
    pads: Sequence[int] | None = None,
    strides: Sequence[int] | None = None,
) -> Array:
    """Convolve x (n, channels, ...) with W (outputs, channels of a group, ...)."""
    axes = x.ndim - 2
    spacing, steps = dilations or [1] * axes, strides or [1] * axes
    spans = [(size - 1) * d + 1 for size, d in zip(W.shape[2:], spacing, strict=True)]
    ends = _ends(auto_pad, x.shape[2:], spans, steps, pads)
    padded = np.pad(x, [(0, 0), (0, 0), *ends])
    if any(size < span for size, span in zip(padded.shape[2:], spans, strict=True)):
        raise GatewiseValueError(f"x has shape {x.shape} with its padding {padded.shape}; need {spans} at least.")
    windows = np.lib.stride_tricks.sliding_window_view(padded, spans, tuple(range(2, x.ndim)))
    kept = (np.s_[:], np.s_[:], *(slice(None, None, s) for s in steps), *(slice(None, None, d) for d in spacing))
    taps = windows[kept]
    n, channels = x.shape[:2]
    spread = taps.shape[2 : 2 + axes]
    check_size((n, len(W), *spread))
    check_size(taps.shape)
    grouped = taps.reshape(n, group, channels // group, *taps.shape[2:])
    weights = W.reshape(group, len(W) // group, *W.shape[1:])
    place, taken = "abc"[:axes], "uvw"[:axes]
    y = np.einsum(f"ngi{place}{taken},goi{taken}->ngo{place}", grouped, weights, optimize=True)
    y = y.reshape(n, len(W), *spread)
    return np.asarray(y if b is None else y + b.reshape(-1, *(1,) * axes), x.dtype)


def _ends(
    auto_pad: str, sizes: Sequence[int], spans: Sequence[int], steps: Sequence[int], pads: Sequence[int] | None
) -> list[tuple[int, int]]:
    """Zeros before and after each axis."""
    axes = len(sizes)
    if auto_pad in ("NOTSET", "VALID"):
        given = [0] * (2 * axes) if pads is None or auto_pad == "VALID" else list(pads)
        if min(given) < 0:
            raise GatewiseValueError(f"pads is {given}; need numbers of at least 0.")
        return list(zip(given[:axes], given[axes:], strict=True))
    if auto_pad not in ("SAME_UPPER", "SAME_LOWER"):
        raise GatewiseValueError(f"auto_pad is {auto_pad!r}; need 'NOTSET', 'VALID', 'SAME_UPPER' or 'SAME_LOWER'.")
    totals = [max(0, (-(-z // s) - 1) * s + span - z) for z, s, span in zip(sizes, steps, spans, strict=True)]
    halves = [(total // 2, total - total // 2) for total in totals]
    return halves if auto_pad == "SAME_UPPER" else [(high, low) for low, high in halves]


PRODUCTS: dict[str, Callable[..., Any]] = {"Conv": conv, "Einsum": einsum, "Gemm": gemm, "MatMul": matmul}

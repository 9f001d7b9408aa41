"""Inputs of a graph with sizes and random numbers, to follow them through it and to compare what comes out."""

from __future__ import annotations

from typing import Any

import numpy as np

from gatewise.errors import Array, GatewiseError
from gatewise.interop.onnx.graph import Graph, Input
from gatewise.interop.onnx.signals import Refusal
from gatewise.interop.onnx.tensors import check_size
from gatewise.layers import Layer
from gatewise.layers.parts import example_input

SIZES = ((3, 7), (2, 4))
"""Batch and time."""
TOLERANCE = {np.dtype(np.float32): 1e-4, np.dtype(np.float64): 1e-6}
"""Largest difference to the graph, in units of the largest output, that rounding explains: attributes are float32."""


def first_shape(graph: Graph, sizes: tuple[int, int], width: int | None = None) -> tuple[int, ...]:
    """Return the shape of the first input for sizes of its first two axes, which the file may fix."""
    one = graph.inputs[0]
    if one.shape is None:
        declared: tuple[int | None, ...] = (None, None, width)
    else:
        declared = one.shape
    if not 2 <= len(declared) <= 3:
        raise Refusal(f"the input {one.name!r} has {len(declared)} axes; layers take two or three")
    filled = [given or size for given, size in zip(declared, (*sizes, width), strict=False)]
    if filled[-1] is None:
        raise Refusal(f"the file does not say how many features the input {one.name!r} has")
    return check_size(filled, f"the input {one.name!r}")


def difference(model: Layer, graph: Graph, time_first: bool) -> str | None:
    """Return how a model's output differs from the graph's on random inputs; None if by no more than rounding."""
    rng = np.random.default_rng(0)
    for B, T in SIZES:
        try:
            x, others, lengths = _probe(graph, model, (B, T), time_first, rng)
            wanted = graph.run({graph.inputs[0].name: x, **others})[0]
            found = model(np.ascontiguousarray(x.swapaxes(0, 1)) if time_first else x, lengths=lengths)[0]
        except (GatewiseError, Refusal) as error:
            return str(error).rstrip(".")
        if time_first and wanted.ndim == 3:
            wanted = wanted.swapaxes(0, 1)
        if wanted.shape != found.shape or wanted.dtype != found.dtype:
            return f"{wanted.dtype} {wanted.shape} and {found.dtype} {found.shape}"
        limit = TOLERANCE[found.dtype] * max(1.0, float(np.abs(wanted).max(initial=0)))
        if not np.abs(wanted - found).max(initial=0) <= limit:
            return f"by {np.abs(wanted - found).max():.2g}"
    return None


def _probe(
    graph: Graph, model: Layer, sizes: tuple[int, int], time_first: bool, rng: np.random.Generator
) -> tuple[Array, dict[str, Array], Array | None]:
    """The first input, the others by name, and lengths if there are any: states are zeros."""
    first, *others = graph.inputs
    leading = (sizes[1], sizes[0]) if time_first else sizes
    shape = first_shape(graph, leading, getattr(model, "input_size", None) or 5)
    x = example_input(model, rng, (shape[0], shape[1]), shape[-1])
    x = x.astype(first.dtype or model.dtype)
    if x.ndim > len(shape):
        x = x[:, 0]
    B, T = (shape[1], shape[0]) if time_first else (shape[0], shape[1])
    values: dict[str, Array] = {}
    lengths = None
    for one in others:
        if one.dtype is not None and one.dtype.kind == "i":
            values[one.name] = lengths = rng.integers(1, T + 1, B).astype(one.dtype)
        else:
            values[one.name] = _zeros(one, B)
    return x, values, lengths


def _zeros(one: Input, batch: int) -> Array:
    shape: Any = one.shape or ()
    return np.zeros(check_size([batch if size is None else size for size in shape]), one.dtype or np.float32)

"""From the arrays of a system to the blocks of a network."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from gatewise.errors import FLOATS, Array, GatewiseTypeError, GatewiseValueError, check_names
from gatewise.layouts.hints import check_agreement, unprefixed
from gatewise.layouts.layout import BIASES, Blocks, Layout, Network, Slot, signed


def read(weights: Mapping[str, Array], layout: Layout, hints: Mapping[str, Any]) -> Network:
    """Check `weights` and take them apart into blocks."""
    weights = unprefixed(weights, hints)
    num_layers, bidirectional, bias = _survey(weights, layout)
    suffixes, slots = layout.suffixes(num_layers, bidirectional), layout.slots(bias)
    keys = [slot.key + suffix for suffix in suffixes for slot in slots]
    check_names(f"weights in layout {layout.name!r}", weights, keys)
    dtype = _common_dtype(weights)
    D, H = _sizes(layout, slots[0], suffixes[0], weights)
    options = {
        "input_size": D,
        "hidden_size": H,
        "num_layers": num_layers,
        "bidirectional": bidirectional,
        "bias": bias,
        "dtype": dtype.name,
        **layout.fixed,
        **{name: hints.get(name, value) for name, value in layout.free.items()},
    }
    check_agreement(options, hints, f"the weights, in layout {layout.name!r}, have")
    runs = []
    for i, suffix in enumerate(suffixes):
        inputs = D if i <= bidirectional else (1 + bidirectional) * H
        arrays = {slot: _shaped(layout, slot, suffix, weights, inputs, H) for slot in slots}
        runs.append(_read_run(layout, arrays, hints.get("gradients", False)))
    return Network(layout.cell, options, runs)


def _survey(weights: Mapping[str, Array], layout: Layout) -> tuple[int, bool, bool]:
    """Return how many layers there are, whether two directions, whether biases, by the names alone."""
    matches = [re.search(r"_l(\d+)(_reverse)?$", key) for key in weights] if layout.stacks else []
    num_layers = len({match[1] for match in matches if match}) or 1
    bidirectional = any(match[2] for match in matches if match)
    suffixes = layout.suffixes(num_layers, bidirectional)
    bias_keys = [slot.key + suffix for slot in layout.slots() if slot.matrix in BIASES for suffix in suffixes]
    bias = any(key in weights for key in bias_keys) if layout.bias_optional else bool(bias_keys)
    return num_layers, bidirectional, bias


def _common_dtype(weights: Mapping[str, Array]) -> np.dtype[Any]:
    first = next(iter(weights))
    for key, array in weights.items():
        if not isinstance(array, np.ndarray):
            raise GatewiseTypeError(f"{key} is a {type(array).__name__}; need a NumPy array: pass np.asarray({key}).")
        if array.dtype not in FLOATS or array.dtype != weights[first].dtype:
            raise GatewiseTypeError(
                f"{key} has dtype {array.dtype} and {first} has {weights[first].dtype}; need all float32 or "
                f"all float64: convert them with .astype(np.float32) or .astype(np.float64)."
            )
    return weights[first].dtype


def _sizes(layout: Layout, slot: Slot, suffix: str, weights: Mapping[str, Array]) -> tuple[int, int]:
    """Return D and H, from the first matrix."""
    shape = weights[slot.key + suffix].shape
    if len(shape) == 2:
        rows, inputs = shape[::-1] if layout.columns else shape
        H, rest = divmod(rows, len(slot.gates))
        D = inputs - H if slot.matrix == "WU" else inputs
        if H > 0 and D > 0 and not rest:
            return D, H
    raise GatewiseValueError(
        f"{slot.key + suffix} has shape {shape}; need {layout.letters(slot)} with D inputs and H units, as "
        f"layout {layout.name!r} stores it: transpose it, or name another layout."
    )


def _shaped(layout: Layout, slot: Slot, suffix: str, weights: Mapping[str, Array], D: int, H: int) -> Array:
    """Return one array; raise unless its shape fits."""
    array = weights[slot.key + suffix]
    need = layout.shape(slot, D, H)
    taken = ((need[-1],), (1, need[-1])) if slot.matrix in BIASES else (need,)
    if array.shape not in taken:
        raise GatewiseValueError(
            f"{slot.key + suffix} has shape {array.shape}; need {need}, which is {layout.letters(slot)} for "
            f"the D = {D} and H = {H} of {layout.slots()[0].key}: transpose it, or name another layout."
        )
    return array


def _read_run(layout: Layout, arrays: Mapping[Slot, Array], gradients: bool) -> Blocks:
    """Take the arrays of one layer and direction apart into blocks."""
    blocks: Blocks = {}
    for (_, matrix, gates), array in arrays.items():
        rows = array.reshape(-1) if matrix in BIASES else array.T if layout.columns else array
        for gate, block in zip(gates, np.split(rows, len(gates)), strict=True):
            block = signed(layout, gate, block)
            H = len(block)
            parts = {"W": block[:, :-H], "U": block[:, -H:]} if matrix == "WU" else {matrix: block}
            blocks |= {(part, gate): value for part, value in parts.items()}
    for gate in [gate for matrix, gate in blocks if matrix == "b"]:
        b = blocks["b", gate]
        blocks.setdefault(("c", gate), b if gradients else np.zeros_like(b))
    return blocks

"""From the arrays of a system to the blocks of a network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from gatewise.errors import FLOATS, Array, GatewiseTypeError, GatewiseValueError, check_names
from gatewise.layouts.hints import check_agreement, unprefixed
from gatewise.layouts.layout import Blocks, Layout, Network, Place, Slot, signed
from gatewise.layouts.places import locate, normal_keys


def read(weights: Mapping[str, Any], rows: list[Layout], hints: Mapping[str, Any]) -> Network:
    """Check `weights` and take them apart into blocks, by the first of `rows` that fits them."""
    weights = unprefixed(weights, hints)
    agreeing = [row for row in rows if all(hints.get(name, value) == value for name, value in row.fixed.items())]
    fitting = (row for row in agreeing if _fits(row, normal_keys(weights, row)))
    layout = next(fitting, next(iter(agreeing), rows[0]))
    return _read(normal_keys(weights, layout), layout, hints)


def _fits(layout: Layout, weights: Mapping[str, Array]) -> bool:
    """Whether the arrays have the names of this layout and its biases their number of axes."""
    place = locate(weights, layout)[2][0]
    given = {slot: weights[key] for slot in layout.slots() if (key := place.key(slot)) in weights}
    biases = [slot for slot in given if slot.is_bias]
    if any(slot not in given for slot in layout.slots(bias=not layout.bias_optional)):
        return False
    single = [slot for slot in biases if slot.matrix == "b/c"]
    return all(np.shape(given[slot])[:-1] == (2,) for slot in single) and all(
        np.shape(given[slot])[:-1] != (2,) for slot in biases if slot not in single and not layout.direction_axis
    )


def _read(weights: Mapping[str, Array], layout: Layout, hints: Mapping[str, Any]) -> Network:
    _check_expressible(weights, layout)
    num_layers, bidirectional, places = locate(weights, layout)
    bias = _has_bias(weights, layout, places)
    slots = layout.slots(bias)
    keys = dict.fromkeys(place.key(slot) for place in places for slot in slots)
    check_names(f"weights in layout {layout.name!r}", weights, keys)
    dtype = _common_dtype(weights)
    D, H = _sizes(layout, slots[0], weights[places[0].key(slots[0])], places[0])
    options = {
        "input_size": D,
        "hidden_size": H,
        "num_layers": num_layers,
        "bidirectional": bidirectional,
        "bias": bias or bool(layout.offsets),
        "dtype": dtype.name,
        **layout.fixed,
        **{name: hints.get(name, value) for name, value in layout.free.items()},
    }
    check_agreement(options, hints, f"the weights, in layout {layout.name!r}, have")
    runs = []
    for i, place in enumerate(places):
        inputs = D if i <= bidirectional else (1 + bidirectional) * H
        arrays = {slot: _shaped(layout, slot, place, weights, (inputs, H), 1 + bidirectional) for slot in slots}
        runs.append(_read_run(layout, arrays, hints.get("gradients", False)))
    return Network(layout.cell, options, runs)


def _check_expressible(weights: Mapping[str, Array], layout: Layout) -> None:
    """Raise, with the reason, if there is an array of which no layer here knows what to do."""
    for key in weights:
        for name, reason in layout.refused.items():
            if key.rpartition("/")[2] == name or key.startswith(f"{name}_l"):
                raise GatewiseValueError(f"the {layout.cell} has {key}, which cannot be expressed: {reason}.")


def _has_bias(weights: Mapping[str, Array], layout: Layout, places: list[Place]) -> bool:
    keys = [place.key(slot) for slot in layout.slots() if slot.is_bias for place in places]
    return any(key in weights for key in keys) if layout.bias_optional else bool(keys)


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


def _sizes(layout: Layout, slot: Slot, array: Array, place: Place) -> tuple[int, int]:
    """Return D and H, from the first matrix."""
    shape = array.shape[1:] if layout.direction_axis else array.shape
    if len(shape) == 2:
        rows, inputs = shape[::-1] if layout.columns else shape
        H, rest = divmod(rows, len(slot.gates))
        D = inputs - H if slot.matrix == "WU" else inputs
        if H > 0 and D > 0 and not rest:
            return D, H
    raise GatewiseValueError(
        f"{place.key(slot)} has shape {array.shape}; need {layout.letters(slot)} with D inputs and H units, as "
        f"layout {layout.name!r} stores it: transpose it, or name another layout."
    )


def _shaped(
    layout: Layout, slot: Slot, place: Place, weights: Mapping[str, Array], sizes: tuple[int, int], directions: int
) -> Array:
    """Return one array of one direction; raise unless its shape fits."""
    array, (D, H) = weights[place.key(slot)], sizes
    before = (directions,) if place.direction is not None else ()
    taken = [before + shape for shape in layout.taken(slot, D, H)]
    if array.shape not in taken:
        need = before + layout.shape(slot, D, H)
        raise GatewiseValueError(
            f"{place.key(slot)} has shape {array.shape}; need {need}, which is {layout.letters(slot)} for "
            f"the D = {D} and H = {H} of {layout.slots()[0].key}: transpose it, or name another layout."
        )
    part: Array = array if place.direction is None else array[place.direction]
    return part


def _read_run(layout: Layout, arrays: Mapping[Slot, Array], gradients: bool) -> Blocks:
    """Take the arrays of one layer and direction apart into blocks."""
    blocks: Blocks = {}
    for slot, array in arrays.items():
        for matrix, rows in _matrices(layout, slot, array):
            for gate, block in zip(slot.gates, np.split(rows, len(slot.gates)), strict=True):
                blocks[matrix, gate] = signed(layout, gate, block)
    for gate in [gate for matrix, gate in blocks if matrix == "b"]:
        b = blocks["b", gate]
        blocks.setdefault(("c", gate), b if gradients else np.full_like(b, layout.offsets.get(gate, 0.0)))
    return blocks


def _matrices(layout: Layout, slot: Slot, array: Array) -> list[tuple[str, Array]]:
    """Return each matrix of an array, gates by rows."""
    if slot.is_bias:
        return list(zip(slot.matrices, np.split(array.reshape(-1), len(slot.matrices)), strict=True))
    rows = array.T if layout.columns else array
    if slot.matrix != "WU":
        return [(slot.matrix, rows)]
    H = len(rows) // len(slot.gates)
    return [("W", rows[:, :-H]), ("U", rows[:, -H:])]

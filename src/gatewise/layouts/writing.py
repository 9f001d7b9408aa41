"""From the blocks of a network to the arrays of a system."""

from __future__ import annotations

from typing import Any

import numpy as np

from gatewise.errors import Array, GatewiseValueError
from gatewise.layouts.hints import REASONS
from gatewise.layouts.layout import Blocks, Layout, Network, Place, Slot, signed
from gatewise.layouts.places import nested
from gatewise.layouts.table import find


def write(network: Network, name: str, gradients: bool, prefix: str = "") -> dict[str, Any]:
    """Put the blocks together in another system's way; raise if it cannot express the network."""
    cell, options, runs = network
    rows = find(name, cell)
    layout = next((row for row in rows if _expresses(row, options)), rows[0])
    _check_options(layout, options)
    if not gradients:
        _check_no_bias_lost(layout, options, runs)
    slots = layout.slots(options["bias"] or not layout.bias_optional)
    arrays: dict[str, list[Array]] = {}
    for place, blocks in zip(_places(layout, options), runs, strict=True):
        for slot in slots:
            arrays.setdefault(prefix + place.key(slot), []).append(_write_array(layout, slot, blocks, gradients))
    weights = {key: np.stack(parts) if layout.direction_axis else parts[0] for key, parts in arrays.items()}
    return nested(weights) if layout.naming == "tree" else weights


def _places(layout: Layout, options: dict[str, Any]) -> list[Place]:
    if layout.naming == "single":
        return [Place()]
    return layout.places(options["num_layers"], options["bidirectional"])


def _expresses(layout: Layout, options: dict[str, Any]) -> bool:
    return all(options[option] == value for option, value in layout.fixed.items())


def _check_options(layout: Layout, options: dict[str, Any]) -> None:
    for option, value in layout.fixed.items():
        if options[option] != value:
            raise GatewiseValueError(
                f"the network has {option}={options[option]!r}; layout {layout.name!r} can only express "
                f"{option}={value!r}: {REASONS[option]}."
            )


def _check_no_bias_lost(layout: Layout, options: dict[str, Any], runs: list[Blocks]) -> None:
    """Raise if the network has biases that are not 0 and the layout has no array for them."""
    for blocks in runs:
        for gate in [gate for matrix, gate in blocks if matrix == "b"]:
            b, c = blocks["b", gate], blocks["c", gate]
            if not layout.stores("b", gate) and np.any(b + c):
                raise GatewiseValueError(
                    f"the network has biases that are not 0; layout {layout.name!r} has no bias: "
                    f"set them to 0, or use a layout with biases, such as 'joined'."
                )
            inside = gate == "n" and options.get("reset") == "after"
            if inside and not layout.stores("c", gate) and np.any(c):
                raise GatewiseValueError(
                    f"the network has a bias on the recurrent side of the candidate that is not 0; layout "
                    f"{layout.name!r} has one bias, and with reset='after' the two of the candidate cannot be added, "
                    f"as the reset gate multiplies the one alone: set the candidate's part of bias_hh to 0."
                )


def _write_array(layout: Layout, slot: Slot, blocks: Blocks, gradients: bool) -> Array:
    """Put one array of one direction of another system together."""
    parts = [
        np.concatenate([signed(layout, gate, _block(layout, matrix, gate, blocks, gradients)) for gate in slot.gates])
        for matrix in slot.matrices
    ]
    if slot.is_bias:
        rows = np.concatenate(parts)
        return rows.reshape(2, -1) if slot.matrix == "b/c" else rows.reshape(1, -1) if layout.bias_row else rows
    matrix = parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)
    return np.ascontiguousarray(matrix.T if layout.columns else matrix)


def _block(layout: Layout, matrix: str, gate: str, blocks: Blocks, gradients: bool) -> Array:
    """Return the rows of one gate; a bias merged with the other where the system has one."""
    if matrix in "WU":
        return blocks[matrix, gate]
    offset = 0.0 if gradients else layout.offsets.get(gate, 0.0)
    if ("b", gate) not in blocks:
        return np.full_like(blocks["W", gate][:, 0], 0.0 - offset)
    if matrix == "b" and not gradients and not layout.stores("c", gate):
        b, c = blocks["b", gate], blocks["c", gate]
        return np.where(c == offset, b, b + (c - c.dtype.type(offset)))  # b itself, as −0 + 0 is 0
    return blocks[matrix, gate]

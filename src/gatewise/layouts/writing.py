"""From the blocks of a network to the arrays of a system."""

from __future__ import annotations

import numpy as np

from gatewise.errors import Array, GatewiseValueError
from gatewise.layouts.hints import REASONS
from gatewise.layouts.layout import BIASES, Blocks, Layout, Network, Slot, signed
from gatewise.layouts.table import find


def write(network: Network, name: str, gradients: bool) -> dict[str, Array]:
    """Put the blocks together in another system's way; raise if it cannot express the network."""
    cell, options, runs = network
    layout = find(name, cell)
    for option, value in layout.fixed.items():
        if options[option] != value:
            raise GatewiseValueError(
                f"the network has {option}={options[option]!r}; layout {name!r} can only express "
                f"{option}={value!r}: {REASONS[option]}."
            )
    if not gradients:
        _check_no_bias_lost(layout, runs)
    slots = layout.slots(options["bias"] or not layout.bias_optional)
    suffixes = layout.suffixes(options["num_layers"], options["bidirectional"])
    return {
        slot.key + suffix: _write_array(layout, slot, blocks, gradients)
        for suffix, blocks in zip(suffixes, runs, strict=True)
        for slot in slots
    }


def _check_no_bias_lost(layout: Layout, runs: list[Blocks]) -> None:
    """Raise if the network has biases that are not 0 and the layout has none."""
    lost = "b" not in layout.arrays and any(
        np.any(blocks["b", gate] + blocks["c", gate]) for blocks in runs for matrix, gate in blocks if matrix == "b"
    )
    if lost:
        raise GatewiseValueError(
            f"the network has biases that are not 0; layout {layout.name!r} has no bias: "
            f"set them to 0, or use a layout with biases, such as 'joined'."
        )


def _write_array(layout: Layout, slot: Slot, blocks: Blocks, gradients: bool) -> Array:
    """Put one array of another system together."""
    rows = np.concatenate(
        [signed(layout, gate, _block(layout, slot.matrix, gate, blocks, gradients)) for gate in slot.gates]
    )
    if slot.matrix in BIASES:
        return rows.reshape(1, -1) if layout.bias_row else rows
    return np.ascontiguousarray(rows.T if layout.columns else rows)


def _block(layout: Layout, matrix: str, gate: str, blocks: Blocks, gradients: bool) -> Array:
    """Return the rows of one gate, W and U side by side or the biases merged as the system has them."""
    if matrix == "WU":
        return np.concatenate([blocks["W", gate], blocks["U", gate]], axis=1)
    if matrix in BIASES and ("b", gate) not in blocks:
        return np.zeros_like(blocks["W", gate][:, 0])
    if matrix == "b" and "c" not in layout.arrays and not gradients:
        merged: Array = blocks["b", gate] + blocks["c", gate]
        return merged
    return blocks[matrix, gate]

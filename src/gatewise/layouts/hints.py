"""What arrays do not say of their network, and what they do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from gatewise.errors import Array, GatewiseValueError, check_choice
from gatewise.layouts.layout import Layout, Slot
from gatewise.layouts.places import flat, locate, normal_keys
from gatewise.layouts.table import rows_of

REASONS = {
    "reset": "reset='after' and reset='before' are different functions of the same weights, never "
    "converted into each other; give reset= as the weights were trained",
    "nonlinearity": "the two are different functions; train or load a network with that nonlinearity",
    "num_layers": "convert one layer at a time, or use the layout 'torch'",
    "bidirectional": "convert one direction at a time, or use the layout 'torch'",
}
HINTS = ("cell", "reset", "nonlinearity", "num_layers", "bidirectional", "bias", "prefix", "gradients")


def deduce_cell(weights: Mapping[str, Array], name: str) -> str:
    """Return the kind of cell: where a system has several, by the names and the number of gates in U."""
    rows = rows_of(name)
    if len({row.cell for row in rows}) == 1:
        return rows[0].cell
    counts = [(count, row.cell) for row in rows if (count := _modules(row, normal_keys(weights, row)))]
    cells = {cell for count, cell in counts if count == min(counts)[0]}
    if len(cells) == 1:
        return cells.pop()
    key = rows[0].places(1, False)[0].key(_recurrent(rows[0])[0])
    raise GatewiseValueError(
        f"the weights do not tell their kind of cell; need {key} with H, 3H or 4H rows and H columns: "
        f"pass the hint cell=, or prefix= if the keys have one."
    )


def _recurrent(layout: Layout) -> list[Slot]:
    return [slot for slot in layout.slots() if "U" in slot.matrices]


def _modules(layout: Layout, weights: Mapping[str, Array]) -> int:
    """Of how many layers and directions the arrays are; 0 unless U is there with the gates of this kind of cell."""
    places = locate(weights, layout)[2]
    for slot in _recurrent(layout):
        U = weights.get(places[0].key(slot))
        shape = () if U is None else np.shape(U)[1:] if layout.direction_axis else np.shape(U)
        if len(shape) != 2:
            return 0
        gates = len(slot.gates)
        fits = shape[layout.columns] % gates == 0 if slot.matrix == "WU" else max(shape) == gates * min(shape)
        if not fits:
            return 0
    return len(places)


def unprefixed(weights: Mapping[str, Any], hints: Mapping[str, Any]) -> dict[str, Array]:
    """Return the arrays whose keys begin with the hint `prefix`, without it; keys in dicts are joined by "/"."""
    prefix = hints.get("prefix") or ""
    return {key.removeprefix(prefix): a for key, a in flat(weights).items() if key.startswith(prefix)}


def check_hints(hints: Mapping[str, Any]) -> None:
    """Raise if a hint has an unknown name."""
    for name in hints:
        check_choice("hint", name, HINTS)


def check_agreement(options: Mapping[str, Any], hints: Mapping[str, Any], what: str) -> None:
    """Raise if a hint contradicts what is known."""
    for name, value in hints.items():
        if name in options and options[name] != value:
            reason = REASONS.get(name, "drop the hint, or pass other weights")
            raise GatewiseValueError(f"hint {name} is {value!r}; {what} {name}={options[name]!r}: {reason}.")

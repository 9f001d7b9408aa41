"""What arrays do not say of their network, and what they do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from gatewise.errors import Array, GatewiseTypeError, GatewiseValueError, check_choice
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
    """Return the kind of cell: where a system has several, by the number of gates in U."""
    rows = rows_of(name)
    if len(rows) == 1:
        return rows[0].cell
    for row in rows:
        slot = next(slot for slot in row.slots() if slot.matrix == "U")
        key = slot.key + row.suffixes(1, False)[0]
        U = weights.get(key)
        if isinstance(U, np.ndarray) and U.ndim == 2 and max(U.shape) == len(slot.gates) * min(U.shape):
            return row.cell
    raise GatewiseValueError(
        f"the weights do not tell their kind of cell; need {key} with H, 3H or 4H rows and H columns: "
        f"pass the hint cell=, or prefix= if the keys have one."
    )


def unprefixed(weights: Mapping[str, Array], hints: Mapping[str, Any]) -> dict[str, Array]:
    """Return the arrays whose keys begin with the hint `prefix`, without it."""
    if not isinstance(weights, Mapping) or not all(isinstance(key, str) for key in weights):
        raise GatewiseTypeError(f"weights is a {type(weights).__name__}; need a dict of NumPy arrays by name.")
    prefix = hints.get("prefix") or ""
    return {key.removeprefix(prefix): a for key, a in weights.items() if key.startswith(prefix)}


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

"""How one system names, orders and orients the weights of one kind of cell, as data.

matrices   W (H, D) on the input, U (H, H) on the state, b (H,) and c (H,) their biases
gates      r z n of the GRU (reset, update, candidate), i f g o of the LSTM, n of the Elman network
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from gatewise.errors import Array

Blocks = dict[tuple[str, str], Array]
BIASES = ("b", "c")


class Slot(NamedTuple):
    """One array of a layout: its key, the matrix it holds, and the gates in it, in order."""

    key: str
    matrix: str
    gates: str


@dataclass(frozen=True)
class Layout:
    """How one system stores the weights of one kind of cell.

    Attributes
    ----------
    name : str
        As in `convert`.
    cell : {"gru", "lstm", "rnn"}
        The kind of cell.
    arrays : mapping
        For each matrix, the keys it is stored under and the gates each key holds, in order. "WU" is W and U
        side by side. Without "c" there is one bias, which is b + c; without "b" there is none.
    columns : bool
        Whether matrices are stored transposed, (D, G·H), so that row vectors multiply them from the left.
    bias_row : bool
        Whether biases are given back as (1, H); both (H,) and (1, H) are taken.
    bias_optional : bool
        Whether the biases may be left out.
    writes : bool
        Whether z writes the new state, h = (1 − z) h + z n: then the weights of z change their sign.
    stacks : bool
        Whether there may be several layers and directions, told apart by suffixes: _l0, _l0_reverse, _l1, …
    fixed : mapping
        Options of the layer in which the system leaves no choice.
    free : mapping
        Options that the arrays do not tell, with what is assumed unless a hint says otherwise.
    """

    name: str
    cell: str
    arrays: Mapping[str, Mapping[str, str]]
    columns: bool = False
    bias_row: bool = False
    bias_optional: bool = False
    writes: bool = False
    stacks: bool = False
    fixed: Mapping[str, Any] = field(default_factory=dict)
    free: Mapping[str, Any] = field(default_factory=dict)

    def slots(self, bias: bool = True) -> list[Slot]:
        """Return every array of one layer and direction."""
        every = (Slot(key, matrix, g) for matrix, keys in self.arrays.items() for key, g in keys.items())
        return [slot for slot in every if bias or slot.matrix not in BIASES]

    def suffixes(self, num_layers: int, bidirectional: bool) -> list[str]:
        """Return what is added to the keys of each layer and direction."""
        directions = ("", "_reverse")[: 1 + bidirectional]
        return [f"_l{layer}{d}" for layer in range(num_layers) for d in directions] if self.stacks else [""]

    def shape(self, slot: Slot, D: int, H: int) -> tuple[int, ...]:
        """Return the shape in which an array is given back."""
        rows = len(slot.gates) * H
        if slot.matrix in BIASES:
            return (1, rows) if self.bias_row else (rows,)
        inputs = {"W": D, "U": H, "WU": D + H}[slot.matrix]
        return (inputs, rows) if self.columns else (rows, inputs)

    def letters(self, slot: Slot) -> str:
        """Return the shapes in which an array is taken, in letters, for messages."""
        rows = f"{len(slot.gates)}H" if len(slot.gates) > 1 else "H"
        if slot.matrix in BIASES:
            return f"({rows},) or (1, {rows})"
        inputs = {"W": "D", "U": "H", "WU": "D+H"}[slot.matrix]
        return f"({inputs}, {rows})" if self.columns else f"({rows}, {inputs})"


class Network(NamedTuple):
    """Weights in no system's convention: constructor arguments of the layer, and the blocks of every run."""

    cell: str
    options: dict[str, Any]
    runs: list[Blocks]


def signed(layout: Layout, gate: str, block: Array) -> Array:
    """Change the sign of z where it writes: σ(−a) = 1 − σ(a). Its own inverse."""
    return -block if layout.writes and gate == "z" else block

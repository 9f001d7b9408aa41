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
    """One array of a layout: its key, what it holds, and the gates in it, in order.

    `matrix` is one matrix, or two: "WU" side by side along the inputs, "bc" side by side, "b/c" one above the other.
    """

    key: str
    matrix: str
    gates: str

    @property
    def matrices(self) -> str:
        """The matrices in it, in order."""
        return self.matrix.replace("/", "")

    @property
    def is_bias(self) -> bool:
        """Whether it holds biases."""
        return self.matrix[0] in BIASES


class Place(NamedTuple):
    """Where the arrays of one layer and direction stand: what surrounds a slot's key, and their index on its axis."""

    before: str = ""
    after: str = ""
    direction: int | None = None

    def key(self, slot: Slot) -> str:
        """Return the whole key of a slot here."""
        return self.before + slot.key + self.after


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
        For each matrix, or two as in `Slot.matrix`, the keys it is stored under and the gates each key holds, in
        order. A key with "/" is a path in nested dicts. A gate without "c" has one bias, which is b + c; a gate
        without "b" has none.
    columns : bool
        Whether matrices are stored transposed, (D, G·H), so that row vectors multiply them from the left.
    bias_row : bool
        Whether biases are given back as (1, H); both (H,) and (1, H) are taken.
    bias_optional : bool
        Whether the biases may be left out.
    writes : bool
        Whether z writes the new state, h = (1 − z) h + z n: then the weights of z change their sign.
    naming : {"single", "suffixes", "tree"}
        How layers and directions are told apart: there is one; by suffixes _l0, _l0_reverse, _l1, …; by dicts "0",
        "1", … around dicts "forward" and "backward", where there are several of either.
    direction_axis : bool
        Whether the first axis of every array is that of the directions.
    offsets : mapping
        What the system's code adds to the bias of a gate before it acts.
    published : bool
        Whether it is one of the published hand-written systems, see docs/hand-written.md.
    refused : mapping
        Arrays that the system may have and no layer here can express, and why.
    fixed : mapping
        Options of the layer in which the system leaves no choice.
    free : mapping
        Options that the arrays do not tell, with what is assumed unless a hint says otherwise.
    computed : mapping
        Of `free`, the values that the system itself computes; others are our own form of the same names.
    """

    name: str
    cell: str
    arrays: Mapping[str, Mapping[str, str]]
    columns: bool = False
    bias_row: bool = False
    bias_optional: bool = False
    writes: bool = False
    naming: str = "single"
    direction_axis: bool = False
    offsets: Mapping[str, float] = field(default_factory=dict)
    published: bool = False
    refused: Mapping[str, str] = field(default_factory=dict)
    fixed: Mapping[str, Any] = field(default_factory=dict)
    free: Mapping[str, Any] = field(default_factory=dict)
    computed: Mapping[str, Any] = field(default_factory=dict)

    def slots(self, bias: bool = True) -> list[Slot]:
        """Return every array of one layer and direction."""
        every = (Slot(key, matrix, g) for matrix, keys in self.arrays.items() for key, g in keys.items())
        return [slot for slot in every if bias or not slot.is_bias]

    def stores(self, matrix: str, gate: str) -> bool:
        """Return whether some array holds this matrix of this gate."""
        return any(matrix in slot.matrices and gate in slot.gates for slot in self.slots())

    def places(self, num_layers: int, bidirectional: bool) -> list[Place]:
        """Return where the arrays of each layer and direction are put."""
        runs = ((layer, k) for layer in range(num_layers) for k in range(1 + bidirectional))
        return [self._place(*run, num_layers, bidirectional) for run in runs]

    def _place(self, layer: int, direction: int, num_layers: int, bidirectional: bool) -> Place:
        if self.naming == "suffixes":
            return Place(after=f"_l{layer}" + "_reverse" * direction)
        before = f"{layer}/" if num_layers > 1 else ""
        if self.direction_axis:
            return Place(before, direction=direction)
        return Place(before + (("forward/", "backward/")[direction] if bidirectional else ""))

    def shape(self, slot: Slot, D: int, H: int) -> tuple[int, ...]:
        """Return the shape in which an array of one direction is given back."""
        rows = len(slot.gates) * H
        if slot.is_bias:
            leading = {"b/c": (2,), "bc": ()}.get(slot.matrix, (1,) if self.bias_row else ())
            return (*leading, 2 * rows if slot.matrix == "bc" else rows)
        inputs = {"W": D, "U": H, "WU": D + H}[slot.matrix]
        return (inputs, rows) if self.columns else (rows, inputs)

    def taken(self, slot: Slot, D: int, H: int) -> list[tuple[int, ...]]:
        """Return the shapes in which an array of one direction is taken."""
        need = self.shape(slot, D, H)
        return [need] if not slot.is_bias or slot.matrix == "b/c" else [need[-1:], (1, need[-1])]

    def letters(self, slot: Slot) -> str:
        """Return the shapes in which an array is taken, in letters, for messages."""
        count = len(slot.gates) * (2 if slot.matrix == "bc" else 1)
        rows = f"{count}H" if count > 1 else "H"
        inputs = {"W": "D", "U": "H", "WU": "D+H", "b/c": "2"}.get(slot.matrix)
        if self.direction_axis:
            return f"(directions, {rows}, {inputs})" if inputs else f"(directions, {rows})"
        if inputs is None:
            return f"({rows},) or (1, {rows})"
        return f"({inputs}, {rows})" if self.columns or slot.is_bias else f"({rows}, {inputs})"


class Network(NamedTuple):
    """Weights in no system's convention: constructor arguments of the layer, and the blocks of every run."""

    cell: str
    options: dict[str, Any]
    runs: list[Blocks]


def signed(layout: Layout, gate: str, block: Array) -> Array:
    """Change the sign of z where it writes: σ(−a) = 1 − σ(a). Its own inverse."""
    return -block if layout.writes and gate == "z" else block

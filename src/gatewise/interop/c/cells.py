"""The step of a cell as C, from the cell's own pointwise functions."""

from __future__ import annotations

from typing import Any, NamedTuple

from gatewise.cells import Cell
from gatewise.errors import GatewiseValueError
from gatewise.interop.c.expressions import Names, Writer
from gatewise.interop.symbols import Recorder, Symbol, in_order, traced

SHORT = {"hidden": "h", "cell": "c"}


class Loop(NamedTuple):
    """The body of one loop over the units, j = 0, …, H − 1: lines that load, compute and store."""

    lines: tuple[str, ...]
    functions: frozenset[str]
    """Helpers that the lines call."""


class CellText(NamedTuple):
    """The loops of a step; the first of two makes what the second product reads."""

    loops: tuple[Loop, ...]
    products: tuple[int, ...]
    """Gates whose q is formed before each loop."""
    states: tuple[str, ...]
    """What the lines call the arrays of the states."""


def cell_text(cell: Cell, hidden_size: int, real: str, prefix: str) -> CellText:
    """Return the step of a cell for so many units.

    The lines read the arrays p and q, gate after gate, and the states, and write the states in place; the first of two
    loops writes the array s instead. They stand where `j` is the unit.

    Raises
    ------
    GatewiseError
        If a function of the cell cannot be written as C.
    """
    if not cell.phases:
        raise GatewiseValueError(
            f"the cell {cell.form!r} has no pointwise functions; need those of gatewise.define_cell."
        )
    loops, first = [], 0
    for number, phase in enumerate(cell.phases):
        loops.append(_Body(cell, hidden_size, real, prefix, first).loop(number))
        first += phase.gates
    return CellText(tuple(loops), tuple(phase.products for phase in cell.phases), _state_names(cell, Names()))


def _state_names(cell: Cell, names: Names) -> tuple[str, ...]:
    return tuple(names.new(SHORT.get(state, state)) for state in cell.states)


class _Body:
    """One phase of a cell on symbols; its gates begin at `first`."""

    def __init__(self, cell: Cell, hidden_size: int, real: str, prefix: str, first: int) -> None:
        self.cell, self.H, self.first, self.names = cell, hidden_size, first, Names()
        self.recorder, self.writer = Recorder(), Writer(real, prefix, self.names)
        self.states = _state_names(cell, self.names)
        self.letters = tuple(self.names.new(letter) for letter in cell.letters)
        self.sources: dict[Symbol, str] = {}

    def loop(self, number: int) -> Loop:
        phase, gates = self.cell.phases[number], range(self.first, self.first + self.cell.phases[number].gates)
        p = tuple(self._gate("p", gate) for gate in gates)
        q = tuple(self._gate("q", gate) for gate in gates) if self.cell.recurrent else ()
        state_prev = tuple(self._read(f"{name}_prev", f"{name}[j]") for name in self.states)
        label = f"forward of the cell {self.cell.form!r}"
        if phase.operand is None:
            state, record = traced(label, phase.forward, p, q, state_prev)
            targets = self.states
        else:
            record = traced(label, phase.forward, p, q, state_prev[0])
            state, targets = (traced(label, phase.operand, record, state_prev[0]),), ("s",)
        return self._written(dict(zip(targets, map(self.recorder.symbol, state), strict=True)), number, record)

    def _gate(self, array: str, gate: int) -> Symbol:
        place = f"j + {gate * self.H}" if gate else "j"
        return self._read(f"{array}_{self.letters[gate]}", f"{array}[{place}]")

    def _read(self, name: str, source: str) -> Symbol:
        symbol = self.recorder.input(self.names.new(name))
        self.sources[symbol] = source
        return symbol

    def _written(self, stores: dict[str, Symbol], number: int, record: tuple[Any, ...]) -> Loop:
        """The lines that compute `stores` by the name of the array."""
        wishes = {value: f"{name}_t" for name, value in stores.items()}
        lines, texts = self.writer.lines(stores.values(), wishes, self._recorded(number, record))
        used = set(in_order(stores.values()))
        loads = [
            f"const {self.writer.real} {symbol.name} = {source};"
            for symbol, source in self.sources.items()
            if symbol in used
        ]
        writes = [f"{name}[j] = {texts[value]};" for name, value in stores.items()]
        return Loop((*loads, *lines, *writes), frozenset(self.writer.functions))

    def _recorded(self, number: int, record: tuple[Any, ...]) -> dict[Symbol, str]:
        """Names of recorded values: for gates the letters of the equations."""
        start, gates = sum(phase.recorded for phase in self.cell.phases[:number]), self.cell.gates
        names = self.cell.recorded[start : start + len(record)]
        named = zip(names, map(self.recorder.symbol, record), strict=True)
        return {
            value: self.letters[gates.index(name)] if name in gates else self.names.new(name) for name, value in named
        }

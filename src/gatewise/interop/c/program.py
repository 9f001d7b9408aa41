"""What a C file is made of: tables of weights, memory, and the lines of one step, gathered layer by layer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from gatewise.cells import Cell
from gatewise.errors import Array, GatewiseValueError
from gatewise.interop.c.cells import cell_text
from gatewise.interop.c.expressions import Names

BYTES = {"float": 4, "double": 8, "int8_t": 1, "int64_t": 8}
PER_LINE = 12
# Rows and columns of a block: one order of reading for the whole matrix. Of widths from 16 to 128, 16 was the fastest
# with GCC and Clang; at H = 128 it took two thirds of the time of whole columns, at H = 64 as long.
BLOCK, TOGETHER = 16, 4
# Steps whose products with a large matrix are formed at once, so that it is read once for all of them; 8 steps were no
# faster than 4, and a matrix of 8192 numbers is as large as a cache of the first level.
AHEAD, LARGE = 4, 8192


class Value(NamedTuple):
    """What a layer reads or gives: an array in C."""

    place: str
    size: int
    integer: bool = False
    """Whether it holds whole numbers, rows of a table."""
    timeless: bool = False
    """Whether it sums up all steps so far; it is then computed when somebody asks for it, not in every step."""


class Table(NamedTuple):
    """An array of constants."""

    name: str
    values: Array
    kind: str
    note: str

    @property
    def bytes(self) -> int:
        """Memory it takes."""
        return int(self.values.size) * BYTES[self.kind]

    def text(self) -> str:
        """Return its definition.

        Raises
        ------
        GatewiseError
            If it holds numbers that are not finite.
        """
        if self.kind == "float" and not np.isfinite(self.values).all():
            raise GatewiseValueError(f"{self.note} hold numbers that are not finite; need finite weights: train again.")
        suffix = "f" if self.kind == "float" else ""
        words = [f"{word}{suffix}" for word in self.values.ravel().astype(str)]
        rows = [", ".join(words[k : k + PER_LINE]) for k in range(0, len(words), PER_LINE)]
        body = ",\n    ".join(rows)
        return f"\n/* {self.note} */\nstatic const {self.kind} {self.name}[{len(words)}] = {{\n    {body}}};\n"


class Buffer(NamedTuple):
    """An array in the state's struct."""

    name: str
    size: int
    kind: str
    note: str
    kept: bool
    """Whether it goes from step to step, or is only for the work of one."""

    @property
    def bytes(self) -> int:
        """Memory it takes."""
        return self.size * BYTES[self.kind]


class Quantized(NamedTuple):
    """A matrix as whole numbers from −127 to 127 with a factor for each row."""

    whole: Array
    scale: Array

    @classmethod
    def of(cls, matrix: Array) -> Quantized:
        """Round each row in steps of its largest number / 127."""
        scale = np.abs(matrix).max(axis=1, initial=0).astype(np.float64) / 127
        scale = np.where(scale > 0, scale, 1.0).astype(np.float32)
        return cls(np.clip(np.rint(matrix / scale[:, None]), -127, 127).astype(np.int8), scale)

    def matrix(self) -> Array:
        """Return what the file's weights are, (rows, columns) in float32."""
        return np.asarray(self.whole * self.scale[:, None], np.float32)


def in_blocks(matrix: Array) -> Array:
    """Return the numbers of a matrix (rows, columns) in the order of `affine_blocks`.

    Four columns at a time, of these blocks of 16 rows, of a block one column after the other; at the end the columns
    that are left.
    """
    rows, columns = matrix.shape
    whole = columns - columns % TOGETHER
    blocks = matrix[:, :whole].reshape(rows // BLOCK, BLOCK, whole // TOGETHER, TOGETHER).transpose(2, 0, 3, 1)
    return np.concatenate([blocks.ravel(), matrix[:, whole:].T.ravel()])


@dataclass
class Program:
    """A C file in the making."""

    name: str
    real: str
    """Type of all numbers, "float" or "double"."""
    int8: bool
    max_steps: int | None
    """Steps that there is room for, where all of them have to be kept."""
    tables: list[Table] = field(default_factory=list)
    buffers: dict[str, Buffer] = field(default_factory=dict)
    checks: list[str] = field(default_factory=list)
    ahead: list[str] = field(default_factory=list)
    """What `process` computes for some steps at once, before it takes the first of them."""
    take: list[str] = field(default_factory=list)
    answer: list[str] = field(default_factory=list)
    functions: set[str] = field(default_factory=set)
    cells: dict[str, str] = field(default_factory=dict)
    """Text of the function of each cell and size, by its name."""
    past: dict[tuple[str, str], str] = field(default_factory=dict)
    """What is kept of all steps, by what it is and of which value."""
    _cell_names: dict[tuple[int, int], tuple[str, ...]] = field(default_factory=dict)
    _places: Names = field(default_factory=Names)
    _words: Names = field(default_factory=Names)
    _layers: int = 0

    def next_number(self) -> int:
        """Return the number of the next layer, for the names of what belongs to it."""
        self._layers += 1
        return self._layers - 1

    def write(self, value: Value, lines: Iterable[str]) -> None:
        """Add lines that read `value`: to the step, or to what is computed when somebody asks."""
        (self.answer if value.timeless else self.take).extend(lines)

    def keep(self, wish: str, size: int, note: str, kind: str | None = None) -> str:
        """Return the place of memory that goes from step to step; it starts from zeros."""
        return self._buffer(Buffer(self._places.new(wish), size, kind or self.real, note, True))

    def work(self, wish: str, size: int, note: str) -> str:
        """Return the place of memory for the work of one step."""
        return self._buffer(Buffer(self._places.new(wish), size, self.real, note, False))

    def shared(self, name: str, size: int, note: str) -> str:
        """Return the place of memory for work that every layer may overwrite."""
        before = self.buffers.get(name)
        return self._buffer(Buffer(name, max(size, before.size if before else 0), self.real, note, False))

    def _buffer(self, buffer: Buffer) -> str:
        self.buffers[buffer.name] = buffer
        return f"s->{buffer.name}"

    def steps(self) -> str:
        """Return the place of the number of steps taken so far."""
        if "steps" not in self.buffers:
            self._buffer(Buffer("steps", 1, "int64_t", "steps taken", True))
        return "s->steps[0]"

    def table(self, wish: str, values: Array, note: str, kind: str | None = None) -> str:
        """Return the name of a table of constants."""
        name = f"{self.name}_{self._words.new(wish)}"
        kind = kind or self.real
        dtype = {"float": np.float32, "double": np.float64, "int8_t": np.int8}[kind]
        self.tables.append(Table(name, np.asarray(values, dtype), kind, note))
        return name

    def affine(self, letters: tuple[str, str], matrix: Array, bias: Array, x: str, y: str, note: str) -> str:
        """Return the line that makes y = W x + b, W (rows, columns); its tables are called by the two letters.

        It writes `room(rows)` numbers to y.
        """
        rows, columns = matrix.shape
        title = f"{note}: {letters[0]} ({rows}, {columns})"
        if self.int8:
            b = self.table(letters[1], bias, f"{note}: {letters[1]} ({rows})")
            return self._affine_int8(letters[0], Quantized.of(matrix), title, f"{b}, {x}, {y}")
        room = self.room(rows)
        blocks = room % BLOCK == 0 and columns >= TOGETHER
        if blocks:
            matrix, bias = np.pad(matrix, ((0, room - rows), (0, 0))), np.pad(bias, (0, room - rows))
        function, order = ("affine_blocks", "in blocks") if blocks else ("affine", "column by column")
        self.functions.add(function)
        b = self.table(letters[1], bias, f"{note}: {letters[1]} ({rows})")
        W = self.table(letters[0], in_blocks(matrix) if blocks else matrix.T, f"{title}, {order}")
        return f"{self.name}_{function}({len(bias)}, {columns}, {W}, {b}, {x}, {y});"

    def looks_ahead(self, matrix: Array, x: str) -> bool:
        """Whether products of a matrix with x are formed for several steps at once: it is large, and x the input."""
        return x == "x" and not self.int8 and matrix.size >= LARGE and self.room(len(matrix)) % BLOCK == 0

    def affine_ahead(self, letters: tuple[str, str], matrix: Array, bias: Array, y: str, note: str) -> str:
        """Let `process` make y = W x + b for some steps at once; return the place of y in the step that is taken."""
        rows = self.room(len(bias))
        line = self.affine(letters, matrix, bias, "x", y, note)
        self.functions.add("affine_ahead")
        self.ahead.append(line.replace("_affine_blocks(", "_affine_ahead(steps, "))
        return f"{y} + ahead * {rows}"

    def _affine_int8(self, letter: str, matrix: Quantized, title: str, rest: str) -> str:
        rows, columns = matrix.whole.shape
        self.functions.add("affine_int8")
        W = self.table(letter, matrix.whole.T, f"{title}, column by column, in units of its scale", "int8_t")
        scale = self.table(f"{letter}_scale", matrix.scale, f"one for each row of {letter}")
        return f"{self.name}_affine_int8({rows}, {columns}, {W}, {scale}, {rest});"

    def room(self, rows: int) -> int:
        """Return how many numbers `affine` writes: whole blocks, where that costs an eighth at most."""
        room = -(-rows // BLOCK) * BLOCK
        return room if not self.int8 and 8 * room <= 9 * rows else rows

    def update(self, cell: Cell, hidden_size: int) -> tuple[str, ...]:
        """Return the names of the functions with the pointwise part of a cell's step, one for each loop."""
        key = (id(cell), hidden_size)
        if key not in self._cell_names:
            text = cell_text(cell, hidden_size, self.real, self.name)
            base = f"{self.name}_{self._words.new(cell.form.replace('/', '_'))}"
            names = (base,) if len(text.loops) == 1 else (f"{base}_operand", base)
            for name, loop in zip(names, text.loops, strict=True):
                self.functions |= loop.functions
                last = name == base
                self.cells[name] = _function(name, loop.lines, text.states, hidden_size, self.real, last, cell)
            self._cell_names[key] = names
        return self._cell_names[key]

    @property
    def weight_bytes(self) -> int:
        """Memory of all tables."""
        return sum(table.bytes for table in self.tables)

    @property
    def state_bytes(self) -> int:
        """Memory of one stream."""
        total = sum(buffer.bytes for buffer in self.ordered_buffers())
        widest = max((BYTES[buffer.kind] for buffer in self.ordered_buffers()), default=1)
        return -(-total // widest) * widest

    def ordered_buffers(self) -> Sequence[Buffer]:
        """Return all memory, the widest numbers first, so that nothing is lost to alignment."""
        return sorted(self.buffers.values(), key=lambda buffer: (-BYTES[buffer.kind], buffer.kept))


def _function(
    name: str, lines: Sequence[str], states: Sequence[str], units: int, real: str, last: bool, cell: Cell
) -> str:
    """The function of one loop of a cell."""
    inputs = ["p", "q"] if cell.recurrent else ["p"]
    arguments = [f"const {real} *restrict {array}" for array in inputs]
    arguments += [f"{'' if last else 'const '}{real} *restrict {state}" for state in (states if last else states[:1])]
    arguments += [] if last else [f"{real} *restrict s"]
    body = "\n".join(f"        {line}" for line in lines)
    said = "the state" if last else "what the second product reads"
    return (
        f"\n/* {cell.form}, {units} units: {said}, from {' and '.join(inputs)}, whose gates are "
        f"{', '.join(cell.gates)}. */\n"
        f"static void {name}({', '.join(arguments)})\n{{\n    int j;\n"
        f"    for (j = 0; j < {units}; ++j) {{\n{body}\n    }}\n}}\n"
    )

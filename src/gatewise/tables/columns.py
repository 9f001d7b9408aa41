"""What a column is (numbers, yes and no, levels), found out once, kept with a model, and applied to later tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from gatewise import plain
from gatewise.errors import Array, GatewiseError, GatewiseValueError
from gatewise.printing import listed, shown
from gatewise.tables.table import counted
from gatewise.tables.times import parse_times

if TYPE_CHECKING:
    from gatewise.tables.table import Table

MOST_LEVELS = 50
MOST = 1e100  # of a target: its square must be a number
_YES = {"yes": "no", "true": "false", "y": "n", "t": "f", "on": "off"}
YES_OR_NO = {"1": 1.0, "0": 0.0} | dict.fromkeys(_YES, 1.0) | dict.fromkeys(_YES.values(), 0.0)


class Column(NamedTuple):
    """A column as a model reads it.

    `kind` is "number", "yes/no" or "levels"; `unit` stands beside the numbers in the file; `levels` are the texts that
    become one column of 0 and 1 each.
    """

    name: str
    kind: str
    unit: str = ""
    levels: tuple[str, ...] = ()

    @classmethod
    def from_json(cls, described: Mapping[str, Any]) -> Column:
        """Build what `_asdict` gave; raise unless it is that."""
        column = cls(**plain.known_keys("a column", described, cls._fields))
        plain.text("a column", column.name), plain.text("unit", column.unit), plain.text("kind", column.kind)
        return column._replace(levels=plain.texts("levels", list(column.levels)))

    @property
    def channels(self) -> list[str]:
        """Names of the numbers that come of it."""
        return [f"{self.name}={level}" for level in self.levels] if self.kind == "levels" else [self.name]

    @property
    def titles(self) -> list[str]:
        """Names of these numbers with their unit, as in "speed (km/h)"."""
        return [f"{name} ({self.unit})" if self.unit else name for name in self.channels]

    def __str__(self) -> str:
        if self.kind == "levels":
            return f"{self.name} text → one-hot ({len(self.levels)} levels)"
        return f"{self.name} {self.kind}{f' in {self.unit}' if self.unit else ''}"


def choose_columns(table: Table, names: Iterable[str]) -> list[Column]:
    r"""Find out what columns are; those that tell nothing are left out, and that is noted.

    Raises
    ------
    GatewiseError
        If a column is mostly numbers and not all, or of a type that is no value: with the line.

    Examples
    --------
    >>> import pathlib, tempfile, gatewise.tables as tables
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "a.csv"
    >>> _ = path.write_text("a,b,c,d\n1,x,yes,5\n2,y,no,5\n")
    >>> table = tables.read_table(path)
    >>> print(*choose_columns(table, table.names), *table.notes, sep="; ")
    a number; b text → one-hot (2 levels); c yes/no; left out: d (always 5)
    """
    columns, useless = [], []
    for name in names:
        column = _guess(table, name)
        if isinstance(column, Column):
            columns.append(column)
            table.notes.extend(f"{name}: {note}" for note in _notes(table, column))
        else:
            useless.append(f"{name} ({column})")
    if useless:
        table.notes.append(f"left out: {listed(useless)}")
    return columns


def encode(table: Table, columns: Sequence[Column]) -> Array:
    """Return the numbers of columns, float64 (rows, channels), NaN where one is missing.

    Raises
    ------
    GatewiseError
        If a column is not there, or is of another kind or unit than it was.
    """
    table.require((column.name for column in columns), of_model=True)
    parts = [_ENCODERS[column.kind](table, column) for column in columns]
    return np.concatenate([np.empty((len(table), 0)), *parts], axis=1)


def number_column(table: Table, name: str, unit: str | None = None) -> Array:
    """Return a column that must be numbers, float64 (rows,); raise with the line of what is none.

    With `unit`, that of the model, they have to be in it.
    """
    numbers = table.numbers(name)
    if numbers.problem is not None:
        table.refuse(name, f"{numbers.problem}; need numbers: correct it or leave the cell empty.", numbers.row)
    if unit is not None:
        _check_unit(table, name, unit)
    huge = np.flatnonzero(np.abs(numbers.values) > MOST)
    if huge.size:
        row = int(huge[0])
        table.refuse(name, f"{numbers.values[row]:g} is too large to compute with; give it in a larger unit.", row)
    table.notes.extend(f"{name}: {note}" for note in numbers.notes)
    return numbers.values


def texts(table: Table, name: str) -> Array:
    """Return a column as text, object (rows,), None where it is empty."""
    cells: Array = np.asarray(table.text(name).to_pylist(), object)
    return cells


def identities(table: Table, name: str) -> Array:
    """Return the names of series, of sequences, or labels, as text, object (rows,), None where a cell is empty.

    Whole numbers are alike however they are written: "1.0" is "1" if all cells of the column are such.
    """
    import pyarrow.compute as pc

    cells = table.text(name)
    if pc.all(pc.match_substring_regex(cells, r"^-?\d+(?:\.0*)?$")).as_py():
        cells = pc.replace_substring_regex(cells, r"\.0*$", "")
    return np.asarray(cells.to_pylist(), object)


def _guess(table: Table, name: str) -> Column | str:
    """Return what a column is, or why it is left out."""
    import pyarrow as pa

    kind = table.data[name].type
    if pa.types.is_temporal(kind):
        return "times"
    numbers = table.numbers(name)
    if table.missing(name).all() or (numbers.problem is None and np.isnan(numbers.values).all()):
        return "empty"
    if pa.types.is_boolean(kind):
        return _unless_constant(numbers.values, Column(name, "yes/no"))
    if numbers.problem is None and not _has_leading_zeros(table, name):
        return _unless_constant(numbers.values, Column(name, "number", numbers.unit))
    levels = _levels(table, name)
    if {level.casefold() for level in levels} in [{yes, no} for yes, no in _YES.items()]:
        return Column(name, "yes/no")
    if numbers.problem is not None and numbers.share >= 0.5:
        advice = "correct it, leave the cell empty, or leave the column out"
        table.refuse(name, f"{numbers.problem}, and most of the column are numbers; {advice}.", numbers.row)
    return _text_column(table, name, levels)


def _text_column(table: Table, name: str, levels: list[str]) -> Column | str:
    if len(levels) == 1:
        return f"always {levels[0]}"
    if _is_time(table, name):
        return "times"
    if len(levels) > MOST_LEVELS:
        return f"text with {counted(len(levels), 'level')}"
    return Column(name, "levels", levels=tuple(levels))


def _unless_constant(values: Array, column: Column) -> Column | str:
    low, high = np.nanmin(values), np.nanmax(values)
    return f"always {low:g}" if low == high else column


def _has_leading_zeros(table: Table, name: str) -> bool:
    import pyarrow as pa
    import pyarrow.compute as pc

    column = table.data[name]
    return bool(pa.types.is_string(column.type) and pc.any(pc.match_substring_regex(column, r"^0\d+$")).as_py())


def _levels(table: Table, name: str) -> list[str]:
    import pyarrow.compute as pc

    return sorted(pc.unique(table.text(name).drop_null()).to_pylist())


def _is_time(table: Table, name: str) -> bool:
    if table.missing(name).any():
        return False
    try:
        return parse_times(table, name).dated
    except GatewiseError:
        return False


def _notes(table: Table, column: Column) -> Iterable[str]:
    if column.kind == "number":
        return table.numbers(column.name).notes
    zeros = column.kind == "levels" and _has_leading_zeros(table, column.name)
    return ["kept as text because of leading zeros"] if zeros else []


def _encode_number(table: Table, column: Column) -> Array:
    numbers = table.numbers(column.name)
    if numbers.problem is not None:
        table.refuse(column.name, f"{numbers.problem}; the model was trained on numbers here.", numbers.row)
    _check_unit(table, column.name, column.unit)
    return numbers.values[:, None]


def _check_unit(table: Table, name: str, unit: str) -> None:
    """Raise if numbers are there, and not in the unit of the model."""
    numbers = table.numbers(name)
    if numbers.unit != unit and not np.isnan(numbers.values).all():
        table.refuse(
            name, f"the numbers are in {numbers.unit or 'no unit'!r}; the model was trained on {unit or 'no unit'!r}."
        )


def _encode_yes_no(table: Table, column: Column) -> Array:
    cells = texts(table, column.name)
    values = np.array([YES_OR_NO.get(str(cell).casefold(), np.nan) for cell in cells])
    odd = np.flatnonzero(np.isnan(values) & ~table.missing(column.name))
    if odd.size:
        row = int(odd[0])
        table.refuse(column.name, f"{shown(cells[row])} is neither yes nor no, as the model was trained on.", row)
    return values[:, None]


def _encode_levels(table: Table, column: Column) -> Array:
    import pandas as pd

    cells = pd.Categorical(texts(table, column.name))
    places = {level: k for k, level in enumerate(column.levels)}
    place = np.array([places.get(c, -1) for c in cells.categories], int)
    unknown = [str(level) for level, where in zip(cells.categories, place, strict=True) if where < 0]
    if unknown and len(unknown) == len(cells.categories):
        levels = listed(map(shown, column.levels), 6)
        table.refuse(column.name, f"holds {listed(map(shown, unknown), 3)}; the model was trained on {levels}.")
    if unknown:
        note = f"{column.name}: {listed(map(shown, unknown), 3)} unknown to the model: read as none of its levels"
        table.notes.append(note)
    codes = np.append(place, -1)[cells.codes]
    values: Array = (codes[:, None] == np.arange(len(column.levels))).astype(float)
    return values


_ENCODERS = {"number": _encode_number, "yes/no": _encode_yes_no, "levels": _encode_levels}


def columns_from_json(described: Iterable[Mapping[str, Any]]) -> list[Column]:
    """Build the columns that a model file describes."""
    try:
        columns = [Column.from_json(one) for one in described]
    except GatewiseError:
        raise
    except (TypeError, AttributeError) as error:
        raise GatewiseValueError(f"the model file's columns cannot be read ({error}).") from error
    unknown = [column.kind for column in columns if column.kind not in _ENCODERS]
    if unknown:
        raise GatewiseValueError(f"the model file has a column of kind {unknown[0]!r}; need {listed(_ENCODERS)}.")
    return columns

"""A table as it stands in a file: columns, and the place of every row for messages."""

from __future__ import annotations

import difflib
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias

import numpy as np

from gatewise.errors import Array, GatewiseTypeError, GatewiseValueError
from gatewise.limits import Limits
from gatewise.printing import LONGEST_NAME, is_number, listed, shown
from gatewise.tables import columnar, contents, delimited, headers, numerals
from gatewise.tables.numerals import Numbers

if TYPE_CHECKING:
    from pandas import DataFrame

    from gatewise.tables.delimited import Delimited

    Source: TypeAlias = "str | os.PathLike[str] | DataFrame | Table"


MOST_COMPARED = 2000  # names that a missing one is compared with, to see which is alike
MOST_NAMED = 5  # missing names for which it is


class Table:
    """Columns of a file, and what was found out and done on reading it.

    Attributes
    ----------
    source : str
        The file, as messages name it.
    data : pyarrow.Table
        The columns: of text, stripped, from CSV; of their own type from Parquet. Empty cells are null.
    notes : list of str
        What a user should know; each part of the reading adds to it.
    """

    def __init__(self, source: str, data: Any, csv: Delimited | None = None, rows: Array | None = None):
        self.source, self.data = source, data
        self.shape: tuple[int, int] | None = None  # of the table that this one was made of
        self.notes: list[str] = list(csv.notes) if csv else []
        self._csv = csv
        self._rows = rows  # of the file, where not all of them are here in their order
        self._numbers: dict[str, Numbers] = {}

    def __len__(self) -> int:
        return len(self.data)

    @property
    def names(self) -> list[str]:
        """The columns' names, in the file's order."""
        return list(self.data.column_names)

    def where(self, row: int | None = None) -> str:
        """Return "file" or "file, line 17" (of Parquet: "file, row 16")."""
        if row is None:
            return self.source
        place = int(row if self._rows is None else self._rows[row])
        return f"{self.source}, " + (f"line {self._csv.line_of(place)}" if self._csv else f"row {place + 1}")

    def refuse(self, name: str | None, problem: str, row: int | None = None) -> NoReturn:
        """Raise an error that says file, line and column."""
        column = "" if name is None else f", column {shown(name)}"
        raise GatewiseValueError(f"{self.where(row)}{column}: {problem}")

    def require(self, names: Iterable[str], of_model: bool = False) -> None:
        """Raise, by name, for columns that are not there, and say if a model needs them."""
        known = set(self.names)
        missing = [name for name in dict.fromkeys(names) if name not in known]
        if not missing:
            return
        near = [difflib.get_close_matches(name, self._near(name), 1, 0.75) for name in missing[:MOST_NAMED]]
        alike = [f"{match[0]!r}" for match in near if match]
        hint = f" Did you mean {', '.join(alike)}?" if alike else ""
        headless = " Is the line of names missing?" if any(is_number(name) for name in self.names) else ""
        why = ", which the model was trained on" if of_model else ""
        raise GatewiseValueError(
            f"{self.source} has no column {listed(map(shown, missing))}{why}; "
            f"its columns are {listed(self.names)}.{hint}{headless}"
        )

    def _near(self, name: str) -> list[str]:
        """Return the names that may be alike, which are neither far longer nor shorter; of many the first."""
        most = min(2 * len(name), LONGEST_NAME)
        return [one for one in self.names if len(name) <= 2 * len(one) and len(one) <= most][:MOST_COMPARED]

    def summary(self, parts: Sequence[str]) -> list[str]:
        """Return what was read, with `parts`, as one line, and what was done to it, if anything, as another."""
        rows, columns = self.shape or (len(self), len(self.names))
        size = f"read {counted(rows, 'row')} × {counted(columns, 'column')} of {self.source}"
        notes = list(dict.fromkeys(self.notes))
        return ["; ".join([size, *parts]), *(["note: " + "; ".join(notes)] if notes else [])]

    def rearranged(self, data: Any, rows: Array) -> Table:
        """Return a table made of this one's cells; `rows` (new rows,) says which row of this one each comes from."""
        table = Table(self.source, data, self._csv, rows if self._rows is None else self._rows[rows])
        table.notes, table.shape = self.notes, self.shape or (len(self), len(self.names))
        return table

    def drop_rows(self, dropped: Array) -> Table:
        """Return the table without the rows marked in `dropped`."""
        import pyarrow as pa

        rows = np.flatnonzero(~dropped) if self._rows is None else self._rows[~dropped]
        remaining = Table(self.source, self.data.filter(pa.array(~dropped)), self._csv, rows)
        remaining.notes = self.notes
        return remaining

    def missing(self, name: str) -> Array:
        """Return which cells are empty, as bool (rows,)."""
        empty: Array = self.data[name].is_null().to_numpy()
        return empty

    def text(self, name: str) -> Any:
        """Return a column as Arrow text; raise if its type has no text (lists, structs, bytes)."""
        import pyarrow as pa
        import pyarrow.compute as pc

        column = self.data[name]
        if pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type):
            self.refuse_type(name)
        if pa.types.is_float16(column.type):
            column = column.cast(pa.float32())
        if pa.types.is_floating(column.type) and pc.all(pc.equal(column, pc.floor(column))).as_py():
            column = column.cast(pa.int64(), safe=False)
        try:
            return column if column.type == pa.string() else column.cast(pa.string())
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            self.refuse_type(name)

    def refuse_type(self, name: str) -> NoReturn:
        """Raise because of a column whose cells are neither numbers, text nor times."""
        kind = self.data[name].type
        raise GatewiseTypeError(
            f"{self.source}, column {name!r}: its type is {kind}; need numbers, text or times: "
            f"make columns of its parts, or leave it out."
        )

    def numbers(self, name: str) -> Numbers:
        """Return a column read as numbers, whether or not all of it could be."""
        if name not in self._numbers:
            self._numbers[name] = numerals.parse(self.data[name], bool(self._csv and self._csv.separator == ";"))
        return self._numbers[name]

    def set_numbers(self, name: str, numbers: Numbers) -> None:
        """Say what the numbers of a column are, where it was computed and its unit is known."""
        self._numbers[name] = numbers


def read_table(path: str | os.PathLike[str], header: bool | None = None, *, limits: Limits | None = None) -> Table:
    r"""Read a CSV or Parquet file, told apart by content, as columns that know where they stand.

    Parameters
    ----------
    path : str or path
        The file, plain or compressed (gzip, bz2, zstd); "-" for standard input.
    header : bool, optional
        Whether the first line of a CSV file holds the names of the columns; detected if None.
    limits : Limits, optional
        How large the table may be, unpacked, and how wide; the usual ones if None.

    Returns
    -------
    Table
        With at least one row. Rows without any value are dropped, and so are columns without name and value.

    Raises
    ------
    GatewiseError
        If there is no such file, it is no table (empty, binary, ragged, a name twice in the header), or it passes a
        limit.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "a.csv"
    >>> _ = path.write_text("time,x\n2024-01-01,1\n\n2024-01-02,n/a\n")
    >>> table = read_table(path)
    >>> table.names, len(table), table.numbers("x").values
    (['time', 'x'], 2, array([ 1., nan]))
    """
    source = "standard input" if os.fspath(path) == "-" else os.fspath(path)
    limits = limits or Limits.usual()
    return parsed(source, contents.content_of(path, source, limits), header, limits)


def parsed(source: str, content: bytes, header: bool | None = None, limits: Limits | None = None) -> Table:
    """Return the table that the bytes of a file hold, as `read_table` does; `source` is what messages call it."""
    limits = limits or Limits.usual()
    content = contents.unpacked(source, content, limits)
    if content.startswith(columnar.ENCRYPTED):
        raise GatewiseValueError(f"{source} is an encrypted Parquet file; write it without encryption.")
    if content.startswith(contents.PARQUET):
        return _checked(Table(source, columnar.read(source, content, limits)), limits)
    return _checked(_from_csv(source, content, header, limits), limits)


def as_table(source: Source, limits: Limits | None = None) -> Table:
    """Return a table as it is, a file as `read_table` reads it, or a DataFrame after the same checks.

    Parameters
    ----------
    source : path, DataFrame or Table
        A DataFrame may be of pandas, polars or another library that narwhals reads. The index of one of pandas becomes
        a column if it has a name or holds dates (then called "index"). Text cells are stripped, and empty ones are
        missing. Messages count its rows from 1.
    limits : Limits, optional
        As of `read_table`; of a DataFrame only the number of columns is limited.

    Raises
    ------
    GatewiseError
        If it is no table, or a column of the DataFrame holds values of several types.

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"x": ["1,5 kg", " ", "2"]}, index=pd.date_range("2024-01-01", periods=3))
    >>> table = as_table(frame)
    >>> table.names, table.numbers("x").values, table.where(2)
    (['index', 'x'], array([1.5, nan, 2. ]), 'the DataFrame, row 3')
    """
    if isinstance(source, Table):
        return source
    if isinstance(source, str | os.PathLike):
        return read_table(source, limits=limits)
    from gatewise.tables import frames

    return _checked(Table(frames.SOURCE, frames.to_arrow(source)), limits or Limits.usual())


def _checked(table: Table, limits: Limits) -> Table:
    limits.check("columns", len(table.names), table.source)
    _check_names(table)
    if not len(table):
        table.refuse(None, "holds no row below its column names; need at least one.")
    return _without_empty_rows(table)


def as_names(named: str | Sequence[str]) -> tuple[str, ...]:
    """Return one or several names of columns as a tuple."""
    return (named,) if isinstance(named, str) else tuple(named)


def with_tuples(described: Mapping[str, Any]) -> dict[str, Any]:
    """Return a description with tuples, which JSON lacks, for its lists."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in described.items()}


def _from_csv(source: str, content: bytes, header: bool | None, limits: Limits) -> Table:
    data, csv = delimited.parse(source, content, limits)
    names = [cell or "" for cell in (column[0].as_py() for column in data.columns)]
    if header is False or (header is None and headers.is_row(data)):
        names = [f"column {place + 1}" for place in range(len(names))]
        notes = () if header is False else (f"the first line is a row of values: columns named {listed(names, 3)}",)
        csv = csv._replace(header=False, notes=(*csv.notes, *notes))
    data = data.slice(int(csv.header))
    blank = [not name and column.null_count == len(column) for name, column in zip(names, data.columns, strict=True)]
    named = [name or f"unnamed {place + 1}" for place, name in enumerate(names)]
    data = data.rename_columns(named).select([k for k, nameless in enumerate(blank) if not nameless])
    return Table(source, data, csv)


def _check_names(table: Table) -> None:
    repeated = [name for name, count in Counter(table.names).items() if count > 1]
    if repeated:
        places = [str(k + 1) for k, name in enumerate(table.names) if name == repeated[0]][:5]
        table.refuse(repeated[0], f"the name stands over columns {' and '.join(places)}; give each its own.")


def _without_empty_rows(table: Table) -> Table:
    if any(not column.null_count for column in table.data.columns):
        return table
    empty = np.logical_and.reduce([table.missing(name) for name in table.names])
    if not empty.any():
        return table
    if empty.all():
        table.refuse(None, "has rows and no value in them; need at least one row of values.")
    table.notes.append(f"{counted(int(empty.sum()), 'empty row')} dropped")
    return table.drop_rows(empty)


def counted(count: int, noun: str) -> str:
    """Return "1 row", "17,520 rows"."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"

"""Tables with their steps side by side: one row per year, columns of months or quarters; or one row per series."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from gatewise.errors import Array, GatewiseValueError
from gatewise.printing import listed
from gatewise.tables.named_months import MONTHS

if TYPE_CHECKING:
    from gatewise.tables.roles import SeriesRoles
    from gatewise.tables.table import Table

VALUE = "value"  # what the numbers of a wide table are called
_YEAR = re.compile(r"(?i)(?:X|Y|YR)?(1[5-9]\d\d|2[01]\d\d)(?: *\[YR\1\])?")
_QUARTER = re.compile(r"(?i)Q[1-4]")
_SIZES = {"month": 12, "quarter": 4}
FEWEST_YEARS = 3


class Shape(NamedTuple):
    """What stands side by side ("month", "quarter" or "year"), and in which columns."""

    kind: str
    columns: dict[str, str]  # of the file -> the cell they become


def shape_of(names: list[str]) -> Shape | None:
    """Return what the names of columns say stands side by side; None if nothing does.

    Examples
    --------
    >>> shape_of(["Year", "Q1", "Q2", "Q3", "Q4"]).kind
    'quarter'
    >>> shape_of(["country", "1960", "1961", "1962"]).columns
    {'1960': '1960', '1961': '1961', '1962': '1962'}
    """
    months = [name for name in names if name.strip().rstrip(".").lower() in MONTHS]
    quarters = [name for name in names if _QUARTER.fullmatch(name.strip())]
    years = {name: match[1] for name in names if (match := _YEAR.fullmatch(name.strip()))}
    numbers = [name for name in names if re.fullmatch(r"\d\d?", name.strip())]
    if len(months) == 12:
        return Shape("month", {name: name.strip() for name in months})
    if len(quarters) == 4:
        return Shape("quarter", {name: name.strip() for name in quarters})
    for kind, size in _SIZES.items():
        if sorted(map(int, numbers)) == list(range(1, size + 1)):
            return Shape(kind, {name: name.strip() for name in numbers})
    return Shape("year", years) if len(years) >= FEWEST_YEARS else None


class Lengthened(NamedTuple):
    """A table of one row per step, the roles of its columns, and those that columns of the wide one had."""

    table: Table
    roles: SeriesRoles
    asked: SeriesRoles


def lengthened(table: Table, roles: SeriesRoles) -> Lengthened:
    """Return a wide table as a long one, with one row per step.

    Parameters
    ----------
    table : Table
    roles : SeriesRoles
        Of which `time` may name the column of years, and `series` that of the names; both are looked for otherwise.

    Raises
    ------
    GatewiseError
        If no months, quarters or years stand side by side, or what tells the rows apart cannot be said.

    Examples
    --------
    >>> import pandas as pd, gatewise.tables as tables
    >>> table = tables.as_table(pd.DataFrame({"land": ["Peru", "Mali"], "1960": [6.9, 7.0], "1961": [6.8, 7.0],
    ...     "1962": [6.8, 7.1]}))
    >>> long, roles, _ = lengthened(table, tables.SeriesRoles.of(wide=True))
    >>> long.data.to_pydict()["year"], roles.series, roles.targets
    (['1960', '1961', '1962', '1960', '1961', '1962'], 'land', ('value',))
    """
    shape = shape_of([name for name in table.names if name not in roles.named])
    if shape is None:
        raise GatewiseValueError(
            f"{table.source} has no 12 columns of months, 4 of quarters or {FEWEST_YEARS} of years side by side among "
            f"{listed(table.names)}; leave --wide out, and name --time and --target."
        )
    others = [name for name in table.names if name not in shape.columns]
    if shape.kind == "year":
        series, year = roles.series or _names_of_rows(table, others), ""
        kept, times = ([series] if series else []), ["year"]
    else:
        year = roles.time or _years(table, others)
        series = roles.series
        _check_years(table, year, series)
        kept, times = [year, *([series] if series else [])], [year, shape.kind]
    table.notes.append(f"{shape.kind}s side by side laid below each other")
    left = [name for name in others if name not in kept and not is_numbering(table, name)]
    if left:
        table.notes.append(f"left out: {listed(left)}")
    parts = tuple(times) if len(times) > 1 else ()
    asked = roles._replace(time=year, parts=(), targets=(), series=series, wide=True)
    long = asked._replace(time=", ".join(times), parts=parts, targets=(VALUE,))
    return Lengthened(_laid(table, shape, kept), long, asked)


def _laid(table: Table, shape: Shape, kept: list[str]) -> Table:
    import pyarrow as pa

    count = len(shape.columns)
    rows = np.repeat(np.arange(len(table)), count)
    order = np.arange(len(table) * count).reshape(count, len(table)).T.ravel()
    cells = _same_type(table, list(shape.columns))
    values = pa.chunked_array([chunk for column in cells for chunk in column.chunks], cells[0].type)
    columns = {name: table.data[name].take(pa.array(rows)) for name in kept}
    columns[shape.kind] = pa.chunked_array([list(shape.columns.values()) * len(table)])
    return table.rearranged(pa.table(columns | {VALUE: values.take(pa.array(order))}), rows)


def _same_type(table: Table, names: list[str]) -> list[Any]:
    """Return columns of one type: as they are, or as text if any is, or else as numbers."""
    import pyarrow as pa

    columns = [table.data[name] for name in names]
    if len({column.type for column in columns}) == 1:
        return columns
    if any(pa.types.is_string(column.type) for column in columns):
        return [table.text(name) for name in names]
    cast = []
    for name, column in zip(names, columns, strict=True):
        try:
            cast.append(column.cast(pa.float64(), safe=False))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            table.refuse_type(name)
    return cast


def _names_of_rows(table: Table, others: list[str]) -> str | None:
    """Return the first column whose cells tell all rows apart; None for a single row."""
    for name in others:
        cells = table.text(name)
        if len(cells.unique()) == len(table) and not cells.null_count and not is_numbering(table, name):
            return name
    if len(table) == 1:
        return None
    columns = f" among {listed(others)}" if others else ""
    raise GatewiseValueError(f"{table.source}: no column tells its rows apart{columns}; pass --series COLUMN.")


def _years(table: Table, others: list[str]) -> str:
    """Return the one column of years."""
    years = [name for name in others if _YEAR.fullmatch(table.text(name)[0].as_py() or "")]
    if len(years) != 1:
        raise GatewiseValueError(
            f"{table.source}: {'several columns' if years else 'no column'} of years among {listed(others)}; "
            f"pass --time COLUMN."
        )
    return years[0]


def _check_years(table: Table, year: str, series: str | None) -> None:
    """Raise if a year is there twice, in a series if there are several."""
    table.require([year, *([series] if series else [])])
    keys = [table.text(name).to_pylist() for name in ([year, series] if series else [year])]
    seen: dict[Any, int] = {}
    for row, key in enumerate(zip(*keys, strict=True)):
        if seen.setdefault(key, row) != row:
            advice = "correct it" if series else "correct it, or pass --series with the column that tells series apart"
            table.refuse(year, f"{key[0]} is there a second time; {advice}.", row)


def is_numbering(table: Table, name: str) -> bool:
    """Return whether a column just numbers the rows."""
    values: Array = table.numbers(name).values
    return bool(table.numbers(name).problem is None and (np.abs(np.diff(values)) == 1).all() and values.min() in (0, 1))

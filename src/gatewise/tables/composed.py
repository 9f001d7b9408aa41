"""Times in several columns (year and quarter; year, month and day; date and hour), and times by the file's order."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from gatewise.errors import Array
from gatewise.printing import shown
from gatewise.tables import named_months, writing
from gatewise.tables.columns import identities
from gatewise.tables.times import Times, parse_times

if TYPE_CHECKING:
    from pandas import DatetimeIndex, Series

    from gatewise.tables.roles import SeriesRoles
    from gatewise.tables.table import Table

_NAMES = {
    "year": ("year", "yr", "yyyy", "y", "jahr"),
    "quarter": ("quarter", "qtr", "q", "quartal"),
    "month": ("month", "mon", "mth", "mm", "m", "monat"),
    "week": ("week", "wk", "w", "woche"),
    "day": ("day", "dd", "d", "dom", "tag"),
    "hour": ("hour", "hr", "hh", "h", "stunde"),
    "minute": ("minute", "min", "mi"),
    "date": ("date", "datum", "day", "dt"),
    "clock": ("time", "clock", "hour", "uhrzeit"),
}
_RANGES = {
    "year": (1678, 2261),
    "quarter": (1, 4),
    "month": (1, 12),
    "week": (1, 53),
    "day": (1, 31),
    "hour": (0, 23),
    "minute": (0, 59),
}
_CLOCK = r"(?i)^(\d{1,2}):(\d{2})(?::(\d{2}(?:\.\d+)?))?(?:\s*([AP]M))?$"
_WHOLE = (
    *(("year", "quarter"), ("year", "month"), ("year", "month", "day"), ("year", "week")),
    *(("year", "month", "day", "hour"), ("year", "month", "day", "hour", "minute"), ("year", "month", "day", "clock")),
    *(("date", "hour"), ("date", "hour", "minute"), ("date", "clock")),
)
_SECONDS = {"hour": 3600, "minute": 60}


def read_times(table: Table, roles: SeriesRoles) -> Times:
    """Return when each row was, by the column or columns of `roles`, or by its place in the file.

    Raises
    ------
    GatewiseError
        If a cell is no time, with the line, or several columns make no time together.
    """
    if roles.in_order:
        return _by_order(table, roles)
    return read(table, roles.parts) if roles.parts else parse_times(table, roles.time, roles.time_format)


def read(table: Table, names: Sequence[str]) -> Times:
    """Read columns that make a time together.

    Parameters
    ----------
    table : Table
    names : sequence of str
        In any order: year with quarter, month or week (and day, hour, minute), or a date with an hour or a clock. Each
        is known by its name or, after a year or a date, by its values.

    Examples
    --------
    >>> import pandas as pd, gatewise.tables as tables
    >>> table = tables.as_table(pd.DataFrame({"year": [1959, 1959], "quarter": [3, 4], "gdp": [1.5, 2.5]}))
    >>> times = read(table, ["year", "quarter"])
    >>> times.stamps.strftime("%Y-%m").tolist(), [write(times.stamps).tolist() for write in times.writers.values()]
    (['1959-07', '1959-10'], [[1959, 1959], [3, 4]])
    """
    kinds = {kind_of(table, name): name for name in names}
    if len(kinds) < len(names) or not any(set(kinds) == set(whole) for whole in _WHOLE):
        _refuse_parts(table, names, kinds)
    values = {kind: _values(table, name, kind) for kind, name in kinds.items() if kind not in ("date", "clock")}
    stamps = _days(table, kinds, values)
    for kind in _SECONDS.keys() & values.keys():
        stamps = stamps + (values[kind] * _SECONDS[kind]).astype("timedelta64[s]")
    if "clock" in kinds:
        stamps = stamps + _clock(table, kinds["clock"])
    by_weeks = "week" in kinds
    writers = {name: _writer(table, name, kind, stamps, by_weeks) for kind, name in kinds.items()}
    return Times(stamps, "", {name: writers[name] for name in names})


def kind_of(table: Table, name: str) -> str:
    """Return which part of a time a column holds: by its name or, of one that says nothing, by its values."""
    word = re.sub(r"[\W\d_]+", "", name).casefold()
    kinds = [kind for kind, words in _NAMES.items() if word in words]
    return next((kind for kind in kinds if _may_be(table, name, kind)), kinds[0] if kinds else _by_values(table, name))


def _may_be(table: Table, name: str, kind: str) -> bool:
    """Return whether the first cell can be this part of a time."""
    first = next((cell.as_py() for cell in table.text(name) if cell.is_valid), "")
    if kind == "clock":
        return re.match(_CLOCK, first) is not None
    if kind == "date":
        return (len(first) > 5 and not first.isdigit()) or len(first) == 8
    return _one_value(first, kind) is not None


def _by_values(table: Table, name: str) -> str:
    kinds = [kind for kind in ("clock", "year", "date") if _may_be(table, name, kind)]
    cells = table.text(name).to_pylist()
    named = all(str(cell).lower() in named_months.MONTHS for cell in cells)
    quarters = all(re.fullmatch(r"(?i)Q[1-4]", str(cell)) for cell in cells)
    return "month" if named else "quarter" if quarters else kinds[0] if kinds else "?"


def _refuse_parts(table: Table, names: Sequence[str], kinds: dict[str, str]) -> None:
    listed = ", ".join(f"{name} ({kind})" for kind, name in kinds.items())
    if "year" not in kinds and "date" not in kinds:
        problem = "none is the year: add a column of years, or pass --file-order instead of --time"
    else:
        problem = "need --time year,quarter or year,month or year,month,day or year,week or date,hour, named so"
    table.refuse(", ".join(names), f"{listed} make no time together; {problem}.")


def _one_value(cell: str, kind: str) -> int | None:
    """Return the number that a cell holds for a part of a time, None if it holds none."""
    text = cell.strip().lower().removesuffix(".0")
    if kind == "month" and text.rstrip(".") in named_months.MONTHS:
        return named_months.MONTHS[text.rstrip(".")]
    text = text.removeprefix("q") if kind == "quarter" else text.removeprefix("w") if kind == "week" else text
    low, high = _RANGES[kind]
    return int(text) if text.isdecimal() and len(text) < 10 and low <= int(text) <= high else None


def _values(table: Table, name: str, kind: str) -> Array:
    """Return a part of all times, int64 (rows,); raise with the line of a cell that is none."""
    cells = table.text(name).to_pylist()
    values = [None if cell is None else _one_value(cell, kind) for cell in cells]
    bad = next((row for row, value in enumerate(values) if value is None), None)
    if bad is not None:
        low, high = _RANGES[kind]
        table.refuse(name, f"{shown(cells[bad] or '')} is no {kind}; need {low} to {high}: correct it.", bad)
    return np.array(values, np.int64)


def _days(table: Table, kinds: dict[str, str], values: dict[str, Array]) -> DatetimeIndex:
    """Return the first day of the month, quarter or week, or the day."""
    import pandas as pd

    if "date" in kinds:
        times = parse_times(table, kinds["date"])
        if not times.dated:
            table.refuse(kinds["date"], "holds no dates; pass --time with a column of dates.")
        return pd.DatetimeIndex(times.stamps)
    if "week" in values:
        text = pd.Series(values["year"] * 100 + values["week"]).astype(str) + "1"
        return _valid(table, kinds["week"], pd.to_datetime(text, format="%G%V%u", errors="coerce"), "week of its year")
    month = 3 * values["quarter"] - 2 if "quarter" in values else values["month"]
    day = values.get("day", np.ones_like(month))
    parts = pd.DataFrame({"year": values["year"], "month": month, "day": day})
    return _valid(table, kinds.get("day", ""), pd.to_datetime(parts, errors="coerce"), "day of its month")


def _valid(table: Table, name: str, stamps: Series[Any], what: str) -> DatetimeIndex:
    import pandas as pd

    bad = np.flatnonzero(stamps.isna())
    if bad.size:
        table.refuse(name, f"{shown(table.text(name)[int(bad[0])].as_py())} is no {what}; correct it.", int(bad[0]))
    return pd.DatetimeIndex(stamps)


def _clock(table: Table, name: str) -> Any:
    text = table.text(name).to_pandas().astype("str")
    since = named_months.time_of_day(text.str.extract(_CLOCK))
    bad = np.flatnonzero(~text.str.match(_CLOCK) | since.isna())
    if bad.size:
        table.refuse(name, f"{shown(text.iloc[bad[0]])} is no time of day; correct it.", int(bad[0]))
    return since


def _writer(table: Table, name: str, kind: str, stamps: Any, by_weeks: bool) -> writing.Writer:
    """Return what writes this part of times: numbers as numbers, text as it came."""
    import pyarrow as pa

    if pa.types.is_temporal(table.data[name].type):
        return _normalized
    rows = np.arange(0, len(stamps), max(1, len(stamps) // writing.SAMPLE))
    cells = table.text(name).take(rows).to_pylist()
    numbered = kind in _RANGES and all(cell.isdecimal() and cell == str(int(cell)) for cell in cells)
    tokens = None if numbered or by_weeks else writing.tokens_of(cells, stamps[rows])
    return partial(_part, kind, by_weeks) if tokens is None else partial(writing.by_tokens, tokens)


def _part(kind: str, by_weeks: bool, times: Any) -> Any:
    if by_weeks and kind in ("year", "week"):
        return getattr(times.isocalendar(), kind).to_numpy(np.int64)
    return np.asarray(getattr(times, kind), np.int64) if kind in _RANGES else times


def _normalized(times: Any) -> Any:
    return times.normalize()


def _by_order(table: Table, roles: SeriesRoles) -> Times:
    """Number the rows from 1, those of each series by themselves."""
    import pandas as pd

    numbers: Array = np.arange(len(table), dtype=np.int64)
    if roles.series is not None:
        names = identities(table, roles.series)
        numbers = pd.Series(names).groupby(names).cumcount().to_numpy(np.int64)
    return Times(pd.Index(numbers + 1), "steps in the order of the file")

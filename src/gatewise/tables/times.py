"""Columns of text or numbers as points in time: formats, epochs, offsets, and days that could be months."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from gatewise.errors import Array, GatewiseError
from gatewise.printing import shown
from gatewise.tables import decimal_years, named_months, writing

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pandas import DatetimeIndex, Index, Series

    from gatewise.tables.table import Table
    from gatewise.tables.writing import Writer

    Parsed = tuple[DatetimeIndex, str]

SAMPLE = 200  # cells tried to find out the format
LONGEST = 80  # characters of a time
_ZONED = r"[Zz]$|[+-]\d\d:?\d\d$|[:T]\d\d *[+-]\d\d$|UTC$|GMT$"
_OFFSET = r"(?i)\s*(?P<offset>Z|UTC|GMT|(?<=\d\d)[+-]\d\d(?::?\d\d)?|(?<=\s)[+-]\d\d(?::?\d\d)?)$"
_FOUR_DIGITS = r"\d{4}"
_NUMERIC = r"^(\d{1,2})([./-])(\d{1,2})[./-](\d{4}|\d{2})(?:\D|$)"
_CLOCKS = ("", "%H:%M", "%H:%M:%S", "%H:%M:%S.%f", "%I:%M %p", "%I:%M:%S %p")
_EPOCHS = ((1e8, 2e10, "s"), (1e11, 2e13, "ms"), (1e14, 2e16, "us"), (1e17, 9.2e18, "ns"))
_DIGITS = {4: "%Y", 6: "%Y%m", 7: "%Y%j", 8: "%Y%m%d", 10: "%Y%m%d%H", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}
_MOSTLY = 0.5  # share of numbers that must be dates for the others to be mistakes; of arbitrary ones few are
EARLIEST, LATEST = 1678, 2261  # years that pandas holds to the nanosecond
_SECONDS = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}


class Times(NamedTuple):
    """When each row was: a DatetimeIndex without zone, or whole step numbers; and how the cells were understood.

    `writers` has, by the names of columns, what writes times as those columns have them.
    """

    stamps: Index[Any]
    note: str
    writers: Mapping[str, Writer] | None = None

    @property
    def dated(self) -> bool:
        """Whether these are dates, not step numbers."""
        return self.stamps.dtype.kind == "M"


def parse_times(table: Table, name: str, pattern: str | None = None) -> Times:
    r"""Read a column as times.

    Parameters
    ----------
    table : Table
        Where it stands.
    name : str
        The column.
    pattern : str, optional
        Its format in the letters of `strftime`; detected if None.

    Returns
    -------
    Times
        Of all rows, in the file's order. Times with an offset from UTC are given in UTC; if all of them are
        midnights of their own zone, as those days.

    Raises
    ------
    GatewiseError
        If a cell is empty or no time, day and month cannot be told apart, or formats are mixed: with the line.

    Examples
    --------
    >>> import pathlib, tempfile, gatewise.tables as tables
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "a.csv"
    >>> _ = path.write_text("day;x\n30.01.2024;1\n01.02.2024;2\n")
    >>> times = parse_times(tables.read_table(path), "day")
    >>> [f"{day:%Y-%m-%d}" for day in times.stamps], times.note
    (['2024-01-30', '2024-02-01'], 'day first')
    """
    times = _parsed(table, name, pattern)
    if times.dated:
        _check_years(table, name, times.stamps.year)  # type: ignore[attr-defined]
    if times.writers is None:
        write = writing.writer(table, name, times.stamps)
        times = times._replace(writers=None if write is None else {name: write})
    return times


def _check_years(table: Table, name: str, years: Any) -> None:
    """Raise for dates that the arithmetic of dates cannot hold."""
    out = np.flatnonzero((years < EARLIEST) | (years > LATEST))
    if out.size:
        row = int(out[0])
        table.refuse(
            name,
            f"a date of the year {years[row]} cannot be computed with; need {EARLIEST} to {LATEST}: "
            f"number the steps instead.",
            row,
        )


def _parsed(table: Table, name: str, pattern: str | None) -> Times:
    import pyarrow as pa

    empty = np.flatnonzero(table.missing(name))
    if empty.size:
        table.refuse(name, f"no time here ({empty.size:,} such rows); fill it in or delete the row.", int(empty[0]))
    kind = table.data[name].type
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return _from_stamps(table, name)
    if pattern is not None:
        return _by_pattern(table, name, pattern)
    if not (pa.types.is_temporal(kind) or pa.types.is_boolean(kind)):
        numbers = table.numbers(name)
        if numbers.problem is None and not numbers.unit:
            return _from_numbers(table, name, numbers.values)
    return _from_text(table, name)


def _from_stamps(table: Table, name: str) -> Times:
    import pandas as pd

    _check_zone(table, name, getattr(table.data[name].type, "tz", None))
    _check_years(table, name, _years(table.data[name]))
    stamps = pd.DatetimeIndex(pd.to_datetime(table.data[name].to_pandas()))
    if stamps.tz is None:
        return Times(stamps, "")
    return _of_one_zone(stamps.tz_localize(None), stamps.tz_convert(None), f"given in {stamps.tz}, ")


def _check_zone(table: Table, name: str, zone: str | None) -> None:
    """Raise for what is no zone of the tz database; pandas would open the files that some of it names."""
    from gatewise.forecasting.stored_axes import check_zone

    if zone == "tzlocal()":
        table.refuse(name, "the time zone is that of another machine; give the times in UTC.")
    if zone is None or re.fullmatch(r"[+-](?:[01]\d|2[0-3]):[0-5]\d", zone):
        return
    try:
        check_zone(zone)
    except GatewiseError as error:
        table.refuse(name, str(error))


def _years(column: Any) -> Array:
    """Return the year of each time of an Arrow column, however far; Arrow's own overflow without a word."""
    import pyarrow as pa

    kind = column.type
    unit = "D" if pa.types.is_date32(kind) else "ms" if pa.types.is_date64(kind) else kind.unit
    ticks = column.cast(pa.int32() if unit == "D" else pa.int64()).to_numpy().astype(np.int64)
    years: Array = ticks.astype(f"datetime64[{unit}]").astype("datetime64[Y]").astype(np.int64) + 1970
    return years


def _of_one_zone(wall: DatetimeIndex, utc: DatetimeIndex, origin: str = "given with offsets, ") -> Times:
    """Return days as days, and all else in UTC, where no hour is missing or doubled."""
    if (wall == wall.normalize()).all():
        return Times(wall, "days of their own time zone")
    return Times(utc, f"{origin}worked with in UTC")


def _by_pattern(table: Table, name: str, pattern: str) -> Times:
    import pandas as pd

    text = table.text(name).to_pandas()
    try:
        stamps = pd.DatetimeIndex(pd.to_datetime(text, format=pattern, errors="coerce", utc="%z" in pattern))
    except ValueError as error:
        table.refuse(name, f"cannot be read by the format {pattern!r} ({error}).")
    _refuse_unread(table, name, stamps, f"as the format {pattern!r} has it")
    write = None if "%z" in pattern else {name: partial(writing.by_pattern, pattern)}
    return Times(stamps.tz_localize(None), "", write)


def _from_numbers(table: Table, name: str, values: Array) -> Times:
    """Read epochs, dates written as one number, and step numbers."""
    import pandas as pd

    if np.isnan(values).any():
        table.refuse(name, "no time here; fill it in or delete the row.", int(np.flatnonzero(np.isnan(values))[0]))
    whole = bool((values == np.floor(values)).all())
    low, high = float(values.min()), float(values.max())
    dates = _dates_as_numbers(table, name, values) if whole else None
    if dates is not None:
        return dates
    for least, most, unit in _EPOCHS:
        if least <= low and high <= most:
            ticks = np.round(values * {"s": 1e6, "ms": 1e3, "us": 1, "ns": 1e-3}[unit]).astype("datetime64[us]")
            return Times(pd.DatetimeIndex(ticks), f"{_SECONDS[unit]} since 1970, in UTC")
    years = decimal_years.read(values)
    if years is not None:
        return Times(years.stamps, years.note, {name: years.write})
    if not whole and decimal_years.are_years(values):
        table.refuse(
            name, f"{values[0]:g} and the others are decimal years on no regular step; pass --every month --mean.", 0
        )
    if not whole or abs(values).max() > 2**53:
        table.refuse(name, f"{values[0]:g} is neither a date, an epoch nor a whole step number; pass --time-format.", 0)
    return Times(pd.Index(values.astype(np.int64)), "step numbers")


def _dates_as_numbers(table: Table, name: str, values: Array) -> Times | None:
    """Return 2024, 202401, 2024031 or 20240131 as dates; refuse the first cell that is none where most are."""
    import pandas as pd

    numbers = pd.Series(values.astype(np.int64))
    text = numbers.astype(str)
    digits = int(text.str.len().mode().iloc[0])
    if digits not in _DIGITS:
        return None
    years = numbers // 10 ** (digits - 4)
    if digits == 4 and not years.between(EARLIEST, LATEST).all():
        return None  # years too far back for dates are counted as steps
    short = _short_dates(numbers) if digits == 6 else None
    if short is not None:
        return short
    likely = text.str.len().eq(digits) & years.between(1500, 2199)
    if digits == 6 and likely.all() and _are_weeks(numbers):
        return _weeks(table, name, numbers)
    stamps = pd.DatetimeIndex(pd.to_datetime(text.where(likely), format=_DIGITS[digits], errors="coerce"))
    bad = np.flatnonzero(stamps.year != years)  # no time, or day 366 of a year that has 365
    if not bad.size:
        return Times(stamps, {4: "years"}.get(digits, f"read as {_DIGITS[digits]}"))
    if digits > 4 and bad.size < _MOSTLY * len(text):
        table.refuse(
            name, f"{text[bad[0]]} is no time; most others are when read as {_DIGITS[digits]}: correct it.", int(bad[0])
        )
    return None


def _short_dates(numbers: Series[Any]) -> Times | None:
    """Return 950131 as a date, where all numbers are such, of several months, and cannot be months as 199501 is."""
    import pandas as pd

    text = numbers.astype(str).str.zfill(6)
    stamps = pd.DatetimeIndex(pd.to_datetime(text, format="%y%m%d", errors="coerce"))
    months = pd.to_datetime(text, format="%Y%m", errors="coerce")
    if stamps.hasnans or (months.notna() & (numbers // 100).between(EARLIEST, LATEST)).all():
        return None
    return None if (numbers // 100).nunique() < 2 else Times(*_in_one_century(stamps, "read as %y%m%d"))


def _are_weeks(numbers: Series[Any]) -> bool:
    """Whether 202001 and the like are weeks: of several years, none above 53, most above 12."""
    week = numbers % 100
    return bool(week.between(1, 53).all() and (week > 12).mean() > _MOSTLY and (numbers // 100).nunique() > 1)


def _weeks(table: Table, name: str, numbers: Series[Any]) -> Times:
    """Return the Mondays of ISO weeks."""
    import pandas as pd

    days = numbers.astype(str) + "1"
    stamps = pd.DatetimeIndex(pd.to_datetime(days, format="%G%V%u", errors="coerce"))
    bad = np.flatnonzero(stamps.isna())
    if bad.size:
        table.refuse(name, f"{numbers[bad[0]]} is no week of the ISO calendar: correct it.", int(bad[0]))
    return Times(stamps, "weeks of the ISO calendar, by their Mondays")


def _from_text(table: Table, name: str) -> Times:
    """Take the way of reading that fits most of a sample, and insist on it."""
    text = table.text(name).to_pandas().astype("str")
    text = text.mask(text.str.len() > LONGEST, "")  # what is longer is no time, and some rules would take long over it
    sample = text.iloc[:: max(1, len(text) // SAMPLE)]
    ways: tuple[Callable[[Series[str]], Parsed], ...] = (_iso, _day_first, _month_first, _quarters, _named)
    fits = [int(np.count_nonzero(way(sample)[0].notna())) for way in ways]
    if not any(fits):
        table.refuse(
            name,
            f"{shown(table.text(name)[0].as_py())} is no time known; pass --time-format, as in '%d.%m.%Y %H:%M'.",
            0,
        )
    way = ways[int(np.argmax(fits))]
    if way in (_day_first, _month_first):
        way = _which_is_day(table, name, text)
    if way is _iso and text.str.contains(_ZONED).any():
        return _with_offsets(table, name, text)
    stamps, note = way(text)
    _refuse_unread(table, name, stamps, f"written as {text[stamps.notna()].iloc[0]!r} is")
    if not text.str.contains(_FOUR_DIGITS).any():
        stamps, note = _in_one_century(stamps, note)
    return Times(stamps, note)


def _in_one_century(stamps: DatetimeIndex, note: str) -> Parsed:
    """Return dates of two-digit years in the century that keeps them together, and none of them wholly ahead of today.

    The usual rule, 69 to 99 in the last century and 00 to 68 in this one, cuts a series that runs from 1960 to 1975.
    """
    import pandas as pd

    earlier = stamps.where(stamps.year < 2000, stamps - pd.DateOffset(years=100))
    leap_day = (stamps.year == 2000) & (stamps.month == 2) & (stamps.day == 29)
    apart = stamps.max() - stamps.min() > earlier.max() - earlier.min()
    if leap_day.any() or not (apart or stamps.min() > pd.Timestamp.now()):
        return stamps, note
    taken = f"two-digit years taken as {earlier.min().year} to {earlier.max().year}"
    return earlier, f"{note}, {taken}" if note else taken


def _refuse_unread(table: Table, name: str, stamps: DatetimeIndex, like: str) -> None:
    bad = np.flatnonzero(stamps.isna())
    if bad.size:
        cell = table.text(name)[int(bad[0])].as_py()
        table.refuse(name, f"{shown(cell)} is no time {like}; correct it or pass --time-format.", int(bad[0]))


def _iso(text: Series[str]) -> Parsed:
    return _read(text.str.replace(r" *(?:UTC|GMT)$", "Z", regex=True), "ISO8601"), ""


def _with_offsets(table: Table, name: str, text: Series[str]) -> Times:
    """Read times that carry an offset from UTC; each must."""
    bare = np.flatnonzero(~text.str.contains(_ZONED))
    if bare.size:
        cell = text.iloc[int(bare[0])]
        table.refuse(
            name, f"{shown(cell)} has no offset from UTC where others have; give it to all or none.", int(bare[0])
        )
    utc, wall = _iso(text)[0], _iso(text.str.replace(_OFFSET, "", regex=True))[0]
    _refuse_unread(table, name, utc, "with an offset from UTC as others are")
    return _of_one_zone(wall, utc)


def _read(text: Series[str], pattern: str) -> DatetimeIndex:
    """Return times without zone (in UTC where they have one), NaT where a cell is not of the pattern."""
    import pandas as pd

    return pd.DatetimeIndex(pd.to_datetime(text, format=pattern, errors="coerce", utc=True)).tz_localize(None)


def _day_first(text: Series[str]) -> Parsed:
    return _best(text, [f"%d-%m-{year}" for year in ("%Y", "%y")], dashes=True), "day first"


def _month_first(text: Series[str]) -> Parsed:
    return _best(text, [f"%m-%d-{year}" for year in ("%Y", "%y")], dashes=True), "month first"


def _best(text: Series[str], dates: list[str] | tuple[str, ...], dashes: bool = False) -> DatetimeIndex:
    """Return the reading by the date format and clock that fit the first cell, or the last tried."""
    if dashes:
        text = text.str.replace(r"^(\d{1,2})[./-](\d{1,2})[./-]", r"\1-\2-", regex=True)
    text = text.str.replace(r"(?<=\d)(?:T|, ?|\s+)(?=\d{1,2}:)", " ", regex=True)
    patterns = [f"{date} {clock}".strip() for date in dates for clock in _CLOCKS]
    first = text.iloc[:1]
    return _read(text, next((p for p in patterns if _read(first, p).notna().all()), patterns[0]))


def _which_is_day(table: Table, name: str, text: Series[str]) -> Callable[[Series[str]], Parsed]:
    """Return which of two numbers is the day, by those above 12; a point between them says day first."""
    parts = text.str.extract(_NUMERIC)
    first, second = (parts[k].fillna("0").astype(np.int64).to_numpy() for k in (0, 2))
    day, month = np.flatnonzero(first > 12), np.flatnonzero(second > 12)
    if day.size and month.size:
        rare, usual = sorted((day, month), key=len)
        row, other = int(rare[0]), text.iloc[int(usual[0])]
        table.refuse(name, f"{text.iloc[row]!r} beside {other!r}: day and month change places; correct it.", row)
    if not day.size and not month.size and parts[1].iloc[0] != ".":
        table.refuse(
            name,
            f"{text.iloc[0]!r}: day or month first? No day here is above 12; "
            f"pass --time-format, as in '%d{parts[1].iloc[0]}%m{parts[1].iloc[0]}%Y'.",
            0,
        )
    return _month_first if month.size else _day_first


def _quarters(text: Series[str]) -> Parsed:
    import pandas as pd

    parts = text.str.upper().str.extract(r"^(?:(?P<y>\d{4})\s*-?\s*Q(?P<q>[1-4])|Q(?P<p>[1-4])\s*-?\s*(?P<z>\d{4}))$")
    year, quarter = parts["y"].fillna(parts["z"]), parts["q"].fillna(parts["p"])
    months = (3 * pd.to_numeric(quarter) - 2).astype("Int64").astype("string").str.zfill(2)
    return _read((year.astype("string") + "-" + months).astype("str"), "%Y-%m"), "quarters"


def _named(text: Series[str]) -> Parsed:
    return named_months.read(text), ""

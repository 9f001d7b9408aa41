"""The times of a long frame: read as an index, written as they came, and brought to steps that all series share."""

from __future__ import annotations

import datetime
import re
from collections import Counter
from typing import Any

import numpy as np
import pandas as pd

from gatewise.errors import GatewiseTypeError, GatewiseValueError
from gatewise.forecasting.axes import step_of_numbers
from gatewise.forecasting.dates import date_range, keeps
from gatewise.forecasting.frequency import MOST_STEPS, exact_frequency, steps_between

ISO = {  # formats of dates as text that can be read in one way only
    r"\d{4}": "%Y",
    r"\d{4}-\d{2}": "%Y-%m",
    r"\d{4}-\d{2}-\d{2}": "%Y-%m-%d",
    r"\d{4}-\d{2}-\d{2} \d{2}:\d{2}": "%Y-%m-%d %H:%M",
    r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}": "%Y-%m-%dT%H:%M",
    r"\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}": "%Y-%m-%d %H:%M:%S",
    r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}": "%Y-%m-%dT%H:%M:%S",
    r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z": "%Y-%m-%dT%H:%M:%SZ",
}
DAYS = "date"  # how times are written that came as `datetime.date`


def read(column: pd.Series, what: str) -> tuple[Any, str]:
    """Return the times of a column as an index, and how to write others like them: see `written`.

    Raises
    ------
    GatewiseError
        If a time is missing, or is no date, period or whole number, or text that is no ISO date.

    Examples
    --------
    >>> index, form = read(pd.Series(["2024-01-31", "2024-02-29"], name="ds"), "y")
    >>> index[1], form
    (Timestamp('2024-02-29 00:00:00'), '%Y-%m-%d')
    """
    where = f"{what} column {column.name!r}"
    missing = np.flatnonzero(column.isna())
    if len(missing):
        raise GatewiseValueError(f"{where} has no time in row {missing[0]}; need one in every row: drop those rows.")
    first = column.iloc[0] if len(column) else None
    if isinstance(first, str):
        return _text(column, where)
    if not pd.api.types.is_object_dtype(column.dtype):
        return pd.Index(column), str(column.dtype)
    if all(type(value) is datetime.date for value in column):
        return pd.DatetimeIndex(pd.to_datetime(column)), DAYS
    try:
        return pd.DatetimeIndex(pd.to_datetime(column)), ""
    except (TypeError, ValueError) as error:
        raise GatewiseTypeError(
            f"{where} holds values such as {first!r} that are not dates of one time zone; need dates, periods or whole "
            f"numbers: use pd.to_datetime(..., utc=True) where zones are mixed."
        ) from error


def _text(column: pd.Series, where: str) -> tuple[Any, str]:
    """Read ISO dates."""
    cells = column.astype(str)
    pattern = next((pattern for pattern in ISO if re.fullmatch(pattern, cells.iloc[0])), None)
    odd = cells.iloc[:1] if pattern is None else cells[~cells.str.fullmatch(pattern)]
    if len(odd):
        raise GatewiseValueError(
            f"{where} holds the text {odd.iloc[0]!r}; need dates, or text that is an ISO date, all in one form, such "
            f"as 2024-01-31 or 2024-01-31 15:00: use pd.to_datetime(..., format=...)."
        )
    form = ISO[pattern or ""]
    try:
        return pd.DatetimeIndex(pd.to_datetime(cells, format=form)), form
    except ValueError as error:
        raise GatewiseValueError(
            f"{where} holds text that is no date ({error}); need dates of the calendar."
        ) from error


def written(index: Any, form: str) -> Any:
    """Return the times of an index as they stand in a long frame; `form` is what `read` said of it.

    Examples
    --------
    >>> written(pd.DatetimeIndex(["2024-02-29"]), "date").tolist()
    [datetime.date(2024, 2, 29)]
    """
    if form == DAYS:
        return np.asarray(index.date)
    if "%" in form:
        return index.strftime(form)
    try:
        return index.astype(form) if form else index
    except (pd.errors.OutOfBoundsDatetime, OverflowError):  # beyond what nanoseconds reach
        return index


def on_common_steps(tables: list[pd.DataFrame]) -> list[pd.DataFrame]:
    """Return tables on the step that most of them have, so that a short one, or one with gaps, has no other.

    One that does not fit these steps stays as it is.
    """
    frequencies: list[str | int | None] = []
    for table in tables:
        frequencies.append(_frequency(table.index, frequencies[-1] if frequencies else None))
    known = [one for one in frequencies if one is not None]
    if not known:
        return tables
    common = Counter(known).most_common(1)[0][0]
    return [
        table if frequency == common else _regridded(table, common)
        for table, frequency in zip(tables, frequencies, strict=True)
    ]


def _frequency(index: Any, like: str | int | None) -> str | int | None:
    """The step of dates or numbers, `like` if it fits; None where there are too few to see it, or they are neither."""
    if len(index) < 3:
        return None
    if isinstance(index, pd.DatetimeIndex) and isinstance(like, str) and keeps(index, like):
        return like
    try:
        if isinstance(index, pd.DatetimeIndex):
            return exact_frequency(index, "y")
        return step_of_numbers(index, "y") if pd.api.types.is_integer_dtype(index.dtype) else None
    except GatewiseValueError:
        return None


def _regridded(table: pd.DataFrame, step: str | int) -> pd.DataFrame:
    """Return the table with every step from its first to its last time, if all its times are on these steps."""
    first, last = table.index[0], table.index[-1]
    steps = (last - first) / step if isinstance(step, int) else steps_between(first, last, step)
    if steps > MOST_STEPS * len(table):
        return table
    if isinstance(step, int):
        grid: Any = pd.RangeIndex(first, last + step, step)
    else:
        grid = date_range(first, last, frequency=step)
    return table.reindex(grid) if table.index.isin(grid).all() else table

"""Dates with the name of a month, in any order: Jan-1-1995, 1 Jan 95, 1995 Jan, Sunday, January 1, 1995 10:30 PM."""

from __future__ import annotations

import calendar
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pandas import DatetimeIndex, Series

MONTHS = {
    name.lower(): number
    for number in range(1, 13)
    for name in (calendar.month_name[number], calendar.month_abbr[number])
} | {"sept": 9}
LAST_TWO_DIGITS = 68  # 68 is 2068 and 69 is 1969, as in strptime
_WEEKDAY = rf"(?i)^(?:{'|'.join(f'{day[:3]}(?:{day[3:]})?' for day in calendar.day_name)})\.?,?\s+"
_CLOCK = r"(?i)(?<=\d)(?:T|,?\s+)(\d{1,2}):(\d{2})(?::(\d{2}(?:\.\d+)?))?(?:\s*([AP]M))?$"
_MONTH, _BETWEEN = r"(?P<month>[A-Za-z]{3,9})", r"(?:st|nd|rd|th)?[\s.,/'’_-]*"
_DAY, _YEAR = r"(?P<day>\d{1,2})(?!\d)", r"(?P<year>\d{4}|\d\d)(?!\d)"
_PLAIN_YEAR = r"(?P<year>\d{4}|[4-9]\d|3[2-9])(?!\d)"
# On a tie the first order counts: 1 Jan 02 is the first of January.
_ORDERS = ((_DAY, _MONTH, _YEAR), (_YEAR, _MONTH, _DAY), (_MONTH, _DAY, _YEAR), (_MONTH, _YEAR), (_PLAIN_YEAR, _MONTH))


def read(text: Series[str]) -> DatetimeIndex:
    """Return dates with the name of a month, NaT where a cell is none or its parts are in another order.

    Parameters
    ----------
    text : Series of str (rows,)
        One column; all its cells have to be in one order, with a year.

    Examples
    --------
    >>> import pandas as pd
    >>> read(pd.Series(["Jan-31-1995", "Feb-28-1995"])).strftime("%Y-%m-%d").tolist()
    ['1995-01-31', '1995-02-28']
    >>> read(pd.Series(["1995 Jan", "31 Apr 1995"])).strftime("%Y-%m").tolist()
    ['1995-01', nan]
    """
    clock = text.str.extract(_CLOCK)
    dates = text.str.replace(_CLOCK, "", regex=True).str.replace(_WEEKDAY, "", regex=True)
    readings = [_in_order(dates, order) for order in _ORDERS]
    stamps: DatetimeIndex = max(readings, key=lambda one: np.count_nonzero(one.notna())) + time_of_day(clock)
    return stamps


def _in_order(dates: Series[str], order: tuple[str, ...]) -> DatetimeIndex:
    """Return the dates whose parts are in this order, NaT for the others."""
    import pandas as pd

    parts = dates.str.extract(f"^{_BETWEEN.join(order)}$")
    year, month = pd.to_numeric(parts["year"]), parts["month"].str.lower().map(MONTHS)
    short = parts["year"].str.len() == 2
    if order == (_MONTH, _YEAR) and short.all() and _are_days(month):
        return pd.DatetimeIndex(np.full(len(dates), np.datetime64("NaT", "us")))
    year = year.where(~short, year + np.where(year > LAST_TWO_DIGITS, 1900, 2000))
    day = pd.to_numeric(parts["day"]) if "day" in parts else 1
    frame = pd.DataFrame({"year": year, "month": month, "day": day})
    return pd.DatetimeIndex(pd.to_datetime(frame, errors="coerce"))


def _are_days(month: Series[Any]) -> bool:
    """Return whether the like of Jan-01, Jan-02 are days without a year, not months of 2001, 2002."""
    return bool(len(month) > 2 and (month.diff().iloc[1:] == 0).mean() > 0.5)


def time_of_day(clock: Any) -> Any:
    """Return the time since midnight, zero where none is written, NaT where it is none."""
    import pandas as pd

    hour, minute, second = (pd.to_numeric(clock[k]).fillna(0) for k in (0, 1, 2))
    half = clock[3].fillna("").str.upper()
    bad = (hour > 23) | (minute > 59) | (second >= 60) | ((half != "") & ~hour.between(1, 12))
    hour = hour.where(half == "", hour % 12 + 12 * (half == "PM"))
    return pd.to_timedelta((3600 * hour + 60 * minute + second).where(~bad).to_numpy(), unit="s")

"""Ranges of dates on any step that `frequency.exact_frequency` names, in any year that pandas can hold."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd

from gatewise.errors import GatewiseValueError
from gatewise.forecasting.frequency import DAY_OF_MONTH, Step, months_of, named_days

MONTHLY = re.compile(r"(B|Business)?(?:Month|Quarter|Year)(Begin|End)")  # pandas' offsets of whole months


def date_range(start: Any, end: Any = None, *, periods: Any = None, frequency: str, name: Any = None) -> Any:
    """Return the dates from `start`, or up to `end`, as `pandas.date_range`, which lacks days such as the 15th.

    Examples
    --------
    >>> date_range(pd.Timestamp("2024-01-31"), periods=3, frequency="1M-31").strftime("%m-%d").tolist()
    ['01-31', '02-29', '03-31']
    """
    known = end if start is None else start
    try:
        return _once(start, end, periods, frequency, name)
    except (pd.errors.OutOfBoundsDatetime, OverflowError) as error:
        if known.unit == "ns":  # from 1678 to 2262; microseconds reach further
            coarser = [None if time is None else time.as_unit("us") for time in (start, end)]
            return date_range(*coarser, periods=periods, frequency=frequency, name=name)
        raise GatewiseValueError(
            f"dates on the steps of {frequency!r} from {known} on are beyond what pandas can hold; "
            f"need dates of the years 1 to 9999, or whole numbers as the index."
        ) from error


def _once(start: Any, end: Any, periods: Any, frequency: str, name: Any) -> Any:
    """`date_range` without its second try."""
    pattern = DAY_OF_MONTH.fullmatch(frequency)
    if pattern is None:
        options: dict[str, Any] = {"periods": periods, "freq": frequency, "name": name}
        return pd.date_range(start, end, **options)
    size, day = (int(part) for part in pattern.groups())
    known = end if start is None else start
    month = (known.year - 1970) * 12 + known.month - 1
    count = periods or 1 + ((end.year - start.year) * 12 + end.month - start.month) // size
    months = month + size * (np.arange(count) - (count - 1 if start is None else 0))
    days = pd.DatetimeIndex(named_days(months, Step("months", size, day=day)), name=name).as_unit(known.unit)
    wall = known.tz_localize(None)
    return (days + (wall - wall.normalize())).tz_localize(known.tz)


def before(last: Any, count: int, frequency: str) -> Any:
    """Return the last `count` dates up to `last`, without a frequency; of months and weeks at a fraction of the cost.

    Examples
    --------
    >>> before(pd.Timestamp("2024-03-31"), 3, "ME").strftime("%m-%d").tolist()
    ['01-31', '02-29', '03-31']
    """
    step = _days_between(frequency) if last.tz is None else None
    if step is None:
        return date_range(None, last, periods=count, frequency=frequency)
    back = np.arange(1 - count, 1)
    if isinstance(step, int):
        days = np.datetime64(last.date(), "D") + step * back
    else:
        days = named_days((last.year - 1970) * 12 + last.month - 1 + step.size * back, step)
    try:
        return pd.DatetimeIndex(days).as_unit(last.unit) + (last - last.normalize())
    except (pd.errors.OutOfBoundsDatetime, OverflowError):
        return date_range(None, last, periods=count, frequency=frequency)


def keeps(index: Any, frequency: str) -> bool:
    """Whether ordered dates are every step from the first to the last.

    Examples
    --------
    >>> index = pd.DatetimeIndex(["2024-01-01", "2024-02-01", "2024-04-01"])
    >>> keeps(index, "MS"), keeps(index[:2], "MS")
    (False, True)
    """
    return bool(before(index[-1], len(index), frequency).equals(index))


def _days_between(frequency: str) -> Step | int | None:
    """Return a step of whole months, or the days of a step of weeks; None of others, which pandas is quick at."""
    pattern = DAY_OF_MONTH.fullmatch(frequency)
    if pattern is not None:
        return Step("months", int(pattern[1]), day=int(pattern[2]))
    offset = pd.tseries.frequencies.to_offset(frequency)
    if isinstance(offset, pd.offsets.Week):
        return 7 * int(offset.n)
    named = MONTHLY.fullmatch(type(offset).__name__)
    months = months_of(frequency)
    if named is None or months is None:
        return None
    return Step("months", months, month_end=named[2] == "End", business=bool(named[1]))

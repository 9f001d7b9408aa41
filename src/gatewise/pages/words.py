"""How pages say numbers, shares and dates."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

from gatewise.printing import MISSING, number

if TYPE_CHECKING:
    from pandas import Timestamp

SPACE = "\N{NO-BREAK SPACE}"
WITH_SECONDS = len("2024-01-01 00:00:00")

__all__ = [
    "MISSING",
    "SPACE",
    "compared",
    "count",
    "interval",
    "long_date",
    "number",
    "percent",
    "sentence",
    "short_date",
    "shortened",
    "signed",
    "span",
    "time_texts",
    "unbroken",
]


def percent(share: float | None) -> str:
    """Return a share as "97.3 %", and a dash where there is none."""
    if share is None or not math.isfinite(share):
        return MISSING
    digits = 0 if share in (0, 1) else 1
    return f"{100 * share:.{digits}f}{SPACE}%"


def count(number_of: int, thing: str) -> str:
    """Return "1 step" or "1,200 steps"."""
    return f"{number_of:,} {thing}{'' if number_of == 1 else 's'}"


def compared(value: float, base: float) -> str:
    """Return how `value` stands to `base`: "27 % below", "3 % above" or "level with"."""
    if not (math.isfinite(value) and math.isfinite(base) and base > 0):
        return "not comparable with"
    change = round(100 * (value / base - 1))
    return f"{abs(change)}{SPACE}% {'below' if change < 0 else 'above'}" if change else "level with"


def interval(low: float, high: float) -> str:
    """Return what the interval between two quantiles is called.

    Examples
    --------
    >>> interval(0.1, 0.9), interval(0.1, 0.6)
    ('80 % interval', 'interval from the 10 % to the 60 % quantile')
    """
    if abs(low + high - 1) < 1e-6:
        return f"{100 * (high - low):.4g} % interval"
    return f"interval from the {100 * low:.4g} % to the {100 * high:.4g} % quantile"


def signed(value: float | None) -> str:
    """Return `value` as text with a true minus sign."""
    return number(value).replace("-", "\N{MINUS SIGN}", 1)


def sentence(text: str) -> str:
    """Return `text` with a capital letter at its start, and no line break between a number and what it counts.

    Examples
    --------
    >>> sentence("error 3 % below (7 MW)").replace(SPACE, "_")
    'Error 3_% below (7_MW)'
    """
    return unbroken(text[:1].upper() + text[1:])


def unbroken(text: str) -> str:
    """Return `text` without a line break between a number and the word after it."""
    return re.sub(r"(?<=\d) (?=\S)", SPACE, text)


def shortened(text: str, longest: int = 60) -> str:
    """Return `text` cut to at most `longest` characters, an ellipsis in place of what is left out."""
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def time_texts(values: Any) -> list[str]:
    """Return a column as texts: dates without their midnights, times without empty seconds, else as they are.

    Examples
    --------
    >>> import pandas as pd
    >>> time_texts(pd.Series(pd.to_datetime(["2024-01-01", "2024-02-01"])))
    ['2024-01-01', '2024-02-01']
    """
    if values.dtype.kind == "M" and not getattr(values.dt, "tz", None) and (values == values.dt.normalize()).all():
        return [str(text) for text in values.dt.strftime("%Y-%m-%d")]
    texts = [str(value) for value in values]
    minutes = values.dtype.kind == "M" and all(text.endswith(":00") and len(text) == WITH_SECONDS for text in texts)
    return [text.removesuffix(":00") for text in texts] if minutes else texts


def long_date(day: Timestamp) -> str:
    """Return a date as "Wed, Jul 4, 2018", whatever the locale."""
    return f"{day.day_name()[:3]}, {short_date(day)}, {day.year}"


def span(first: Timestamp, last: Timestamp) -> str:
    """Return two dates as "Jul 3 – Sep 30, 2018"."""
    year = "" if first.year == last.year else f", {first.year}"
    return f"{short_date(first)}{year} – {short_date(last)}, {last.year}"


def short_date(day: Timestamp) -> str:
    """Return a date as "Jul 4", whatever the locale."""
    return f"{day.month_name()[:3]} {day.day}"

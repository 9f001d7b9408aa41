"""How pages say numbers, shares and dates."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from gatewise.printing import MISSING, number

if TYPE_CHECKING:
    from pandas import Timestamp

__all__ = ["MISSING", "compared", "count", "long_date", "number", "percent", "short_date", "shortened", "span"]

SPACE = "\N{NO-BREAK SPACE}"


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


def shortened(text: str, longest: int = 60) -> str:
    """Return `text` cut to at most `longest` characters, an ellipsis in place of what is left out."""
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


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

"""Whether the first line of a file holds names or is a row of values already."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

SAMPLE = 100  # rows looked at below the first
LONGEST = 18  # digits of a number that is the name of a column
_NUMBER = re.compile(r"[+-]?(?:\d[\d.,]*|[.,]\d+)(?:[eE][+-]?\d+)?")
_DATE = re.compile(
    r"\d{4}-\d{1,2}(?:-\d{1,2})?(?:[T ].*)?|\d{1,2}([./-])\d{1,2}\1\d{2,4}(?: .*)?|\d{4}/\d{1,2}/\d{1,2}(?: .*)?"
)


def is_row(data: Any) -> bool:
    """Return whether the first row of a table of text holds values, not names.

    Its cells must be of the kinds of the cells below, one of them a number or a date. Names that are numbers are
    those that count: the years or months of a wide table, or 0, 1, 2 as programs write them.

    Parameters
    ----------
    data : pyarrow.Table
        Of text, with the first line as its first row.

    Examples
    --------
    >>> import pyarrow as pa
    >>> is_row(pa.table({"0": ["2024-01-01", "2024-01-02"], "1": ["1.5", "2.5"]}))
    True
    >>> is_row(pa.table({"0": ["country", "Peru"], "1": ["1960", "4.5"], "2": ["1961", "4.4"]}))
    False
    """
    if len(data) < 2:
        return False
    first = [column[0].as_py() for column in data.columns]
    kinds = [_kind(cell) for cell in first]
    below = [_kind_of_all(column.slice(1, SAMPLE).to_pylist()) for column in data.columns]
    if any(one != other for one, other in zip(kinds, below, strict=True) if one and other) or None in kinds[:1]:
        return False
    if "date" in kinds:
        return True
    numbers = [cell for cell, kind in zip(first, kinds, strict=True) if kind == "number"]
    return bool(numbers) and not _count_up(numbers, others=len(numbers) < len(first))


def _kind(cell: str | None) -> str | None:
    if cell is None:
        return None
    if _DATE.fullmatch(cell):
        return "date"
    return "number" if _NUMBER.fullmatch(cell) else "text"


def _kind_of_all(cells: list[str | None]) -> str | None:
    """Return the kind that all cells share, "text" if they share none, None without any cell."""
    kinds = {_kind(cell) for cell in cells} - {None}
    return kinds.pop() if len(kinds) == 1 else ("text" if kinds else None)


def _count_up(numbers: list[str], others: bool) -> bool:
    """Return whether numbers in a first line are likely names: 0, or whole ones in equal steps; one beside text too."""
    if not all(number.isdecimal() and len(number) <= LONGEST for number in numbers):
        return False
    values = [int(number) for number in numbers]
    if len(values) == 1:
        return others or values[0] == 0
    steps = {after - before for before, after in pairwise(values)}
    return len(steps) == 1 and steps.pop() > 0 and (others or len(values) > 2 or values[0] in (0, 1))

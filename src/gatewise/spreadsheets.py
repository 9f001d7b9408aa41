"""Text for CSV files that people open in spreadsheets, which run cells such as "=1+1" as formulas.

Such a cell gets a single quote before it, which a spreadsheet shows or hides and never runs. Our own readers of CSV
take it off again, so that a name is the same in what was written and in what is read.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pandas import DataFrame

# What the first characters of a formula are; those of full width, as in East Asian text, count too.
FORMULA = r"[=+\-@\t\r\n\x{ff1d}\x{ff0b}\x{ff0d}\x{ff20}]"  # as Arrow's regular expressions have it
NUMBER = r"^[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?$"
_FORMULA = re.compile("'*[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)


def harmless(cell: str) -> str:
    """Return text as it can stand in a CSV file: what could be a formula, and is no number, after a single quote.

    Examples
    --------
    >>> harmless("=1+1"), harmless("-1.5"), harmless("shop A"), harmless("'=quoted")
    ("'=1+1", '-1.5', 'shop A', "''=quoted")
    """
    return f"'{cell}" if _FORMULA.match(cell) and not _NUMBER.fullmatch(cell) else cell


def original(cell: str) -> str:
    """Return the text of which `harmless` made a cell.

    Examples
    --------
    >>> original("'=1+1"), original("'-1.5"), original("'tis")
    ('=1+1', "'-1.5", "'tis")
    """
    return cell[1:] if cell[:1] == "'" and harmless(cell[1:]) == cell else cell


def to_csv(frame: DataFrame, **options: Any) -> str:
    r"""Return a frame as CSV without its index, of which no spreadsheet runs a cell or a name of a column.

    Parameters
    ----------
    frame : DataFrame
    **options
        Of `DataFrame.to_csv`.

    Examples
    --------
    >>> import pandas as pd
    >>> to_csv(pd.DataFrame({"@shop": ["=A", "B"], "change": [-1.5, 2.0]}))
    "'@shop,change\n'=A,-1.5\nB,2.0\n"
    """
    safe = frame.set_axis([_safe(name) for name in frame.columns], axis=1)
    for place, kind in enumerate(frame.dtypes):
        if kind.kind == "O":
            safe.isetitem(place, [_safe(cell) for cell in frame.iloc[:, place]])
    text: str = safe.to_csv(index=False, **options)
    return text


def _safe(cell: Any) -> Any:
    return harmless(cell) if isinstance(cell, str) else cell

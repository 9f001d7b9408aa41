"""How the times of a table are written, so that those of a forecast are written alike.

A way of writing is a tuple of tokens: a directive, or "'" and the text that stands there. It is what writes every cell
of a sample back as it came in.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from gatewise.errors import Array

if TYPE_CHECKING:
    from gatewise.tables.table import Table

Writer: TypeAlias = Callable[[Any], Any]  # from an index of times to a column

SAMPLE = 200  # cells that a way of writing has to write back
NUMBERS = ("%Y", "%Y%m", "%Y%j", "%Y%m%d", "%G%V", "%y%m%d", "%Y%m%d%H", "%Y%m%d%H%M", "%Y%m%d%H%M%S")
_TICKS = {"s": 1_000_000.0, "ms": 1e3, "us": 1.0, "ns": 1e-3}  # microseconds in a tick of an epoch
_TOKENS = re.compile(r"\d+|[^\W\d_]+|[\W_]+")
# On a tie the first directive is taken, and each only once. "-" is without leading zeros, "^" in capitals.
DIRECTIVES = (
    *("%Y", "%m", "%-m", "%d", "%-d", "%q", "%H", "%-H", "%M", "%S"),
    *("%b", "%^b", "%B", "%^B", "%y", "%I", "%-I", "%p", "%a", "%A"),
)
_ISO = ("%Y", "'-", "%m", "'-", "%d")


def writer(table: Table, name: str, times: Any) -> Writer | None:
    """Return what writes times as a column has them; None where dates and whole step numbers stay what they are.

    Parameters
    ----------
    table : Table
    name : str
        The column.
    times : DatetimeIndex or Index of int (rows,)
        What its cells were read as.

    Examples
    --------
    >>> import pandas as pd, gatewise.tables as tables
    >>> table = tables.as_table(pd.DataFrame({"day": ["1.2.2024", "2.2.2024"]}))
    >>> write = writer(table, "day", pd.DatetimeIndex(["2024-02-01", "2024-02-02"]))
    >>> write(pd.DatetimeIndex(["2024-03-05"]))
    ['5.3.2024']
    """
    import pyarrow as pa

    if times.dtype.kind != "M" or pa.types.is_temporal(table.data[name].type):
        return None
    rows = np.arange(0, len(times), max(1, len(times) // SAMPLE))
    cells, times = np.asarray(table.text(name).take(rows).to_pylist(), object), times[rows]
    if all(cell.isdecimal() for cell in cells):
        return _number_writer(cells, times)
    tokens = tokens_of(cells, times)
    return None if tokens is None or tokens[:5] == _ISO else partial(by_tokens, tokens)


def _number_writer(cells: Array, times: Any) -> Writer | None:
    pattern = next((p for p in NUMBERS if (np.asarray(times.strftime(p), object) == cells).all()), None)
    if pattern is not None:
        return partial(as_numbers, pattern)
    values, ticks = cells.astype(float), times.to_numpy().astype("datetime64[us]").astype(np.int64)
    scale = next((scale for scale in _TICKS.values() if np.allclose(values * scale, ticks, rtol=0, atol=1)), None)
    return None if scale is None else partial(as_epochs, scale)


def tokens_of(cells: Sequence[str] | Array, times: Any) -> tuple[str, ...] | None:
    """Return the tokens that write every cell as it stands; None if there is no such way.

    Examples
    --------
    >>> import pandas as pd
    >>> tokens_of(["JAN-1-95", "FEB-1-95"], pd.DatetimeIndex(["1995-01-01", "1995-02-01"]))
    ('%^b', "'-", '%-d', "'-", '%y')
    """
    rows = [_TOKENS.findall(cell) for cell in cells]
    if len({len(row) for row in rows}) != 1:
        return None
    tokens: list[str] = []
    for part in zip(*rows, strict=True):
        column = np.array(part, object)
        token = next((d for d in DIRECTIVES if d not in tokens and (_written(d, times) == column).all()), None)
        if token is None and (column != column[0]).any():
            return None
        tokens.append(f"'{column[0]}" if token is None else token)
    return tuple(tokens)


def by_tokens(tokens: Sequence[str], times: Any) -> list[str]:
    """Return times as text."""
    parts = [_written(token, times) for token in tokens]
    return ["".join(cells) for cells in zip(*parts, strict=True)]


def by_pattern(pattern: str, times: Any) -> list[str]:
    """Return times as text by a pattern of `strftime`."""
    return [str(cell) for cell in times.strftime(pattern)]


def as_numbers(pattern: str, times: Any) -> Array:
    """Return times as whole numbers such as 2024 or 20240131, int64 (times,)."""
    return np.array([int(cell) for cell in times.strftime(pattern)], np.int64)


def as_epochs(scale: float, times: Any) -> Array:
    """Return times as ticks since 1970, int64 (times,); `scale` is the length of one in microseconds."""
    ticks = times.to_numpy().astype("datetime64[us]").astype(np.int64)
    epochs: Array = np.round(ticks / scale).astype(np.int64)
    return epochs


def _written(token: str, times: Any) -> Array:
    if token.startswith("'"):
        return np.full(len(times), token[1:], object)
    if token == "%q":
        return np.array([str(quarter) for quarter in times.quarter], object)
    cells = np.asarray(times.strftime(token.replace("-", "").replace("^", "")), object)
    if "-" in token:
        return np.array([cell.lstrip("0") or "0" for cell in cells], object)
    return np.array([cell.upper() for cell in cells], object) if "^" in token else cells

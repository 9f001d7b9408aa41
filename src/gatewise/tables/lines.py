"""Rows as they come, one a line: CSV or JSON lines, read without looking ahead."""

from __future__ import annotations

import csv
import json
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from gatewise.errors import GatewiseValueError
from gatewise.limits import Limits
from gatewise.printing import shown
from gatewise.spreadsheets import original
from gatewise.tables.delimited import cells_up_to
from gatewise.tables.numerals import INFINITE, MISSING

DELIMITERS = (",", ";", "\t", "|")
_PLAIN = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)


class Row(NamedTuple):
    """The cells of one line; `names` are those of its columns, if they have any."""

    cells: list[Any]
    names: tuple[str, ...] | None = None

    def of(self, wanted: Sequence[str]) -> list[Any]:
        """Return the cells of some columns; a row without names must have these and no others.

        Examples
        --------
        >>> Row([1, 2], ("a", "b")).of(["b"])
        [2]
        """
        if self.names is None:
            if len(self.cells) != len(wanted):
                raise GatewiseValueError(f"has {len(self.cells)} cells; need {len(wanted)}: {', '.join(wanted)}.")
            return self.cells
        places = dict(zip(self.names, self.cells, strict=True))
        lacking = [name for name in wanted if name not in places]
        if lacking:
            raise GatewiseValueError(f"has no {lacking[0]!r}; need the columns {', '.join(wanted)}.")
        return [places[name] for name in wanted]


class Lines:
    """What is known of the lines of a stream: CSV or JSON lines, and the header, both told by the first line.

    Parameters
    ----------
    header : bool, optional
        Whether the first line of CSV holds names; told by whether it holds a cell that is neither number nor empty if
        None.
    names : sequence of str, optional
        Names of the columns, for CSV that goes on without its header.
    limits : Limits, optional
        Of the columns and cells of a row; the usual ones if None.

    Attributes
    ----------
    names : tuple of str or None
        The header of CSV.
    limits : Limits

    Examples
    --------
    >>> lines = Lines()
    >>> [lines.row(line) for line in ("a,b", "1,2", "")]
    [None, Row(cells=['1', '2'], names=('a', 'b')), None]
    >>> Lines().row('{"a": 1, "b": null}')
    Row(cells=[1, None], names=('a', 'b'))
    """

    def __init__(
        self, header: bool | None = None, names: Sequence[str] | None = None, limits: Limits | None = None
    ) -> None:
        self.limits = limits or Limits.usual()
        self.names = None if names is None else tuple(names)
        self._header = header
        self._delimiter: str | None = None  # "" of JSON lines

    def row(self, line: str) -> Row | None:
        """Return the row of a line, or None if it is empty or the header.

        Raises
        ------
        GatewiseError
            If it is no such line, has more or fewer cells than the header, or passes a limit.
        """
        text = line.strip("\ufeff\r\n")
        if not text.strip():
            return None
        first = self._delimiter is None
        if first:
            is_json = text.lstrip()[0] in "{["
            self._delimiter = "" if is_json else max(DELIMITERS, key=text.count)
        row = self._csv_row(text) if self._delimiter else _json_row(text)
        self.limits.check("columns", len(row.cells), "it")
        if not self._delimiter:
            return row
        cells = row.cells
        if first and self._is_header(cells):
            self._take_header(cells)
            return None
        if self.names is not None and len(cells) != len(self.names):
            raise GatewiseValueError(f"has {len(cells)} cell(s); the header has {len(self.names)}.")
        return Row(cells, self.names)

    def _csv_row(self, text: str) -> Row:
        try:
            with cells_up_to(self.limits.field):
                row = Row(next(csv.reader([text], delimiter=self._delimiter or ",", strict=False)))
        except csv.Error as error:
            if "field larger" in str(error):
                self.limits.check("field", self.limits.field + 1, "it")
            raise GatewiseValueError(f"is no CSV ({error}).") from error
        return Row([original(cell) for cell in row.cells]) if "'" in text else row

    def _is_header(self, cells: list[str]) -> bool:
        if self._header is not None:
            return self._header
        stripped = tuple(cell.strip() for cell in cells)
        return not all(_is_value(cell) for cell in stripped) if self.names is None else stripped == self.names

    def _take_header(self, cells: list[str]) -> None:
        names = tuple(cell.strip() for cell in cells)
        _check_once(names, "the header has")
        self.names = names


def number(cell: Any, name: str) -> float:
    """Return a cell as a number, NaN if it is empty or one of the words for that.

    Decimal commas, grouped thousands and units are refused: one cell does not tell 1,234 from 1.234, as a whole column
    does.

    Raises
    ------
    GatewiseError
        If it is anything else; the message begins with the name of the column.

    Examples
    --------
    >>> number(" 1.5e3", "a"), number(None, "a"), number("n/a", "a")
    (1500.0, nan, nan)
    """
    if cell is None:
        return math.nan
    if isinstance(cell, bool) or not isinstance(cell, int | float | str):
        raise GatewiseValueError(f"{name} is {shown(cell)}; need a number.")
    if isinstance(cell, str):
        text = cell.strip()
        if not text or text.lower() in MISSING:
            return math.nan
        if not _PLAIN.fullmatch(text):
            raise GatewiseValueError(f"{name} is {shown(cell)}; need a number such as -1234.5, or nothing.")
        cell = float(text)
    value = _as_float(cell)
    if math.isinf(value):
        raise GatewiseValueError(f"{name} is {shown(cell)}, which is not finite; need a number, or nothing.")
    return value


def _as_float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _is_value(cell: str) -> bool:
    word = cell.lower()
    return not cell or bool(_PLAIN.fullmatch(cell)) or word in MISSING or word in INFINITE


def _json_row(text: str) -> Row:
    try:
        parsed = json.loads(text, object_pairs_hook=_object)
        if "\\u" in text:  # of escapes, halves of characters make text that cannot be written
            json.dumps(parsed, ensure_ascii=False).encode()
    except GatewiseValueError:
        raise
    except (ValueError, RecursionError) as error:
        raise GatewiseValueError(f"is no JSON ({error}).") from error
    if isinstance(parsed, Mapping):
        return Row(list(parsed.values()), tuple(parsed))
    if isinstance(parsed, list):
        return Row(parsed)
    raise GatewiseValueError(f"is {shown(parsed)}; need a JSON object or list.")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object of JSON, which must not have a name twice."""
    mapping = dict(pairs)
    if len(mapping) < len(pairs):
        _check_once([name for name, _ in pairs], "has")
    return mapping


def _check_once(names: Sequence[str], begin: str) -> None:
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise GatewiseValueError(f"{begin} {shown(twice[0])} twice; need a name of its own for each column.")

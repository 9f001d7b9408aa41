"""Numbers and tables as text, for reports, pages and the command line alike; tables as HTML, for notebooks."""

from __future__ import annotations

import html
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

MISSING = "–"
DIGITS = 3  # that the smallest number of a column shows, as long as the largest shows at most `MOST`
MOST = 6
LONGEST = 8  # decimals; smaller numbers are written with exponents
SHORTEST = 6  # columns that a cut text keeps
BETWEEN = 3  # columns between two cells
QUOTED = 40  # characters of a quoted cell
LONGEST_NAME = 100  # characters of a name in a list
WIDE = 10_000  # columns, where nobody says how many there are


def number(value: float | None) -> str:
    """Return `value` as text for people: 1,234 or 12.3 or 0.0123, and a dash where there is none."""
    if value is None or not math.isfinite(value):
        return MISSING
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.3g}"


def shown(value: Any) -> str:
    """Return what a cell or a name holds, as a message quotes it: cut, and with no characters that act on a terminal.

    Examples
    --------
    >>> shown("a" * 100), shown([1, 2])
    ("'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa…'", 'a list')
    """
    if isinstance(value, list | tuple | dict):
        return f"a {type(value).__name__}"
    if isinstance(value, str):
        return repr(value if len(value) <= QUOTED else value[: QUOTED - 1] + "…")
    text = repr(value)
    return text if len(text) <= QUOTED else text[: QUOTED - 1] + "…"


def listed(names: Iterable[Any], most: int = 20) -> str:
    """Return names joined by commas, the first few of many; each cut where it is far too long for a message."""
    names = [name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + "…" for name in map(str, names)]
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def aligned(values: Sequence[float | None], decimals: int | None = None) -> list[str]:
    """Return numbers as text with the same decimals, as a column of a table shows them; a dash where there is none.

    Examples
    --------
    >>> aligned([3.2059, 12.5, None])
    ['3.21', '12.50', '–']
    >>> aligned([1234567.0, 800.0])
    ['1,234,567', '800']
    """
    known = [value for value in values if value is not None and math.isfinite(value)]
    decimals = _decimals(known) if decimals is None else decimals
    form = f",.{decimals}f" if decimals <= LONGEST else f".{DIGITS}g"
    return [MISSING if value is None or not math.isfinite(value) else f"{value:{form}}" for value in values]


def _decimals(values: Sequence[float]) -> int:
    """Return how many decimals show the smallest number well and the largest not too long."""
    sizes = [math.floor(math.log10(abs(value))) for value in values if value]
    if not sizes:
        return 0
    return max(0, min(DIGITS - 1 - min(sizes), MOST - 1 - max(sizes)))


def column_texts(columns: Mapping[str, Sequence[float]]) -> dict[str, list[str]]:
    """Return columns of numbers in one unit as text, all with the same decimals and none with exponents or commas.

    Whole numbers stay whole; else the middle one of all sizes shows four digits.
    """
    known = [value for column in columns.values() for value in column if math.isfinite(value)]
    sizes = sorted(math.floor(math.log10(abs(value))) for value in known if value)
    decimals = 0
    if not all(value == round(value) for value in known):
        decimals = max(0, DIGITS - sizes[len(sizes) // 2])
    form = f".{decimals}f" if decimals <= LONGEST else f".{DIGITS + 1}g"
    return {
        name: [MISSING if not math.isfinite(value) else f"{value:{form}}" for value in column]
        for name, column in columns.items()
    }


def text_table(
    header: Sequence[str], rows: Iterable[Sequence[Any]], right: Sequence[int] = (), width: int | None = None
) -> str:
    """Return a plain-text table; columns numbered in `right` are set flush right.

    Within `width` columns where that is given: texts are then cut with an ellipsis, numbers never.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table

    names, *cells = _fitted([list(header), *([str(cell) for cell in row] for row in rows)], right, width)
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for k, name in enumerate(names):
        table.add_column(name, justify="right" if k in right else "left", no_wrap=True)
    for row in cells:
        table.add_row(*row)
    out = io.StringIO()
    plain: dict[str, Any] = {"color_system": None, "markup": False, "emoji": False, "highlight": False}
    console = Console(file=out, width=WIDE, force_jupyter=False, **plain)  # in a notebook it would show it
    console.print(table)
    return "\n".join(line.rstrip() for line in out.getvalue().rstrip().splitlines())


def _fitted(rows: list[list[str]], right: Sequence[int], width: int | None) -> list[list[str]]:
    """Return rows whose texts are cut so that all columns fit; as they are where numbers alone do not leave room."""
    from rich.cells import cell_len, set_cell_size

    if width is None:
        return rows
    sizes = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]
    texts = sorted((k for k in range(len(sizes)) if k not in right), key=sizes.__getitem__)
    room = width - sum(sizes[k] for k in right) - BETWEEN * (len(sizes) - 1)
    if room < SHORTEST * len(texts):
        return rows
    for place, k in enumerate(texts):  # the short ones first: what they leave is for the long ones
        sizes[k] = min(sizes[k], room // (len(texts) - place))
        room -= sizes[k]
    return [
        [
            cell if cell_len(cell) <= size else f"{set_cell_size(cell, size - 1)}…"
            for cell, size in zip(row, sizes, strict=True)
        ]
        for row in rows
    ]


def html_table(
    header: Sequence[str], rows: Iterable[Sequence[Any]], right: Sequence[int] = (), caption: str = ""
) -> str:
    """Return a table as HTML for a notebook, every text escaped; columns numbered in `right` are set flush right.

    Examples
    --------
    >>> html_table(["layer"], [["<GRU>"]])[-76:]
    '<tbody><tr><td style="text-align:left">&lt;GRU&gt;</td></tr></tbody></table>'
    """

    def line(tag: str, cells: Sequence[Any]) -> str:
        sides = ("right" if k in right else "left" for k in range(len(cells)))
        return "".join(
            f'<{tag} style="text-align:{side}">{html.escape(str(cell))}</{tag}>'
            for side, cell in zip(sides, cells, strict=True)
        )

    body = "".join(f"<tr>{line('td', row)}</tr>" for row in rows)
    words = f'<caption style="text-align:left">{html.escape(caption)}</caption>' if caption else ""
    return f"<table>{words}<thead><tr>{line('th', header)}</tr></thead><tbody>{body}</tbody></table>"


def is_number(text: str) -> bool:
    """Whether Python reads a text as a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True

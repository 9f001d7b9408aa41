"""Tables as text, for reports and the command line, and as HTML, for notebooks."""

from __future__ import annotations

import html
import io
from collections.abc import Iterable, Sequence
from typing import Any


def text_table(header: Sequence[str], rows: Iterable[Sequence[Any]], right: Sequence[int] = ()) -> str:
    """Return a plain-text table; columns numbered in `right` are set flush right."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for k, name in enumerate(header):
        table.add_column(name, justify="right" if k in right else "left", no_wrap=True)
    for row in rows:
        table.add_row(*(str(cell) for cell in row))
    out = io.StringIO()
    Console(file=out, width=200, color_system=None, markup=False, emoji=False, highlight=False).print(table)
    return "\n".join(line.rstrip() for line in out.getvalue().rstrip().splitlines())


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

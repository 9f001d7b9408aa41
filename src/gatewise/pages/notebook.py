"""A page as an object: text that can be saved, and that a notebook shows."""

from __future__ import annotations

import html
import os
import re
from pathlib import Path

from gatewise.storage import write_whole

TITLE = re.compile(r"<title>(.*?)</title>", re.DOTALL)
HEIGHT = 800  # pixels of the frame in a notebook


class Page(str):
    """The HTML of one page: a `str` for all purposes.

    In a notebook it stands in a frame of its own, which cannot reach the notebook: the frame may run the page's scripts
    and save what the page offers as a file, nothing else.

    Examples
    --------
    >>> import tempfile, pathlib, gatewise as gw
    >>> page = gw.report(gw.GRU(3, 8, rng=0), title="A fresh GRU")
    >>> path = page.save(pathlib.Path(tempfile.mkdtemp()) / "report.html")
    >>> path.name, path.read_text(encoding="utf-8") == page, repr(page)[:20]
    ('report.html', True, "<Page 'A fresh GRU: ")
    """

    __slots__ = ()

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the page to a file, whole or not at all, and return its path.

        Raises
        ------
        GatewiseError
            If the file cannot be written.
        """
        write_whole(path, self.encode())
        return Path(path)

    def __repr__(self) -> str:
        return f"<Page {self._title()!r}, {len(self.encode()) / 1e6:.1f} MB; page.save('report.html') writes it>"

    def _title(self) -> str:
        match = TITLE.search(self)
        return html.unescape(match[1]) if match else ""

    def _repr_html_(self) -> str:
        return (
            f'<iframe srcdoc="{html.escape(self)}" title="{html.escape(self._title())}" sandbox="allow-scripts '
            f'allow-downloads" style="width:100%;height:{HEIGHT}px;border:1px solid #8884"></iframe>'
        )

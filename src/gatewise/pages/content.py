"""What a page is made of, before it is a page: plain data, every text still unescaped."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Download:
    """A file that the page carries with it: its name, its text, and what the link to it says."""

    name: str
    text: str
    label: str

    @property
    def address(self) -> str:
        """The file as a data URI."""
        encoded = base64.b64encode(self.text.encode()).decode()
        return f"data:text/csv;charset=utf-8;base64,{encoded}"


@dataclass(frozen=True)
class TextTable:
    """A small table of texts; the first column names the row."""

    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    open: bool = False
    each: int = 0
    """Rows of one series, where the page shows only those of the series that is picked; 0: all rows are shown."""
    copy: bool = False
    """Whether a button copies the table."""
    download: Download | None = None


@dataclass(frozen=True)
class Result:
    """One row of the headline's table; `width` is its bar in percent of the longest."""

    name: str
    label: str
    value: str
    width: float
    second: str = ""
    against: str = ""


@dataclass(frozen=True)
class Results:
    """A table with bars: what the model reaches, beside the methods it is compared with."""

    caption: str
    first: str
    measure: str
    unit: str
    second: str
    rows: Sequence[Result]


@dataclass(frozen=True)
class Windows:
    """Buttons that move the window of a figure: lengths in units of its axis with their labels, 0 for all of it."""

    lengths: Mapping[float, str]
    dates: bool = False


@dataclass(frozen=True)
class Example:
    """One row of the data as a small picture: lines as (x, y) points in a box of 100 × 32."""

    label: str
    caption: str
    lines: Sequence[str]
    pick: str = ""
    """The choice of a control that shows more of it, if there is one."""
    colors: Sequence[str] = ()
    """Names of the colors of the lines; by default the first four of the style sheet."""
    band: str = ""
    """Points of a filled polygon below the lines."""


@dataclass(frozen=True)
class Section:
    """One figure with its words: heading, a line of introduction, what it shows for who cannot see it."""

    id: str
    heading: str
    intro: str
    alt: str = ""
    figure: Any = None
    legend: Mapping[str, str] = field(default_factory=dict)
    muted: Sequence[str] = ()
    windows: Windows | None = None
    tables: Sequence[TextTable] = ()
    half: bool = False
    picks: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Controls that pick what the figure shows: a label and its choices each."""
    store: Mapping[str, Any] = field(default_factory=dict)
    """What the page's script fills the figure with, by the numbers of the choices, as in "0-2"."""
    scales: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Color scales drawn beside the legend: what they are of, and the texts at their ends."""
    examples: Sequence[Example] = ()
    key: Mapping[str, str] = field(default_factory=dict)
    """What the colors of the examples' lines are: names of colors with their titles."""
    more: tuple[str, str] = ("gates", "See its gates")
    """Id of the section that shows more of an example, and the text of the link to it."""
    results: Results | None = None
    warning: str = ""

"""What a page is made of, before it is a page: plain data, every text still unescaped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class TextTable:
    """A small table of texts; the first column names the row."""

    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    open: bool = False


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
    """The headline's table: what was reached, beside what it is to be held against."""

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
    """Where a control of the page can show more of it: the value to pick there."""


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

"""Which column of a table of series is what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypedDict, Unpack

from gatewise.tables.table import as_names, with_tuples

ROW = "row"  # what steps in the file's order are called


class Layout(TypedDict, total=False):
    """How the rows of a table become steps: the last four of `SeriesRoles`."""

    in_order: bool
    wide: bool
    every: str | None
    aggregate: str | None


class SeriesRoles(NamedTuple):
    """Which column is what: one target with `series` (long table), or one or more without (wide).

    Attributes
    ----------
    time : str
    targets : tuple of str
    series : str or None
        Tells several series apart.
    known, past, static : tuple of str
        Known ahead, known up to now, and constant in a series.
    time_format : str or None
        Of the times, in the letters of `strftime`.
    parts : tuple of str
        The columns that make the time together, if they are several; `time` then lists them.
    in_order : bool
        Whether rows are steps in the file's order; `time` then is a name for their numbers.
    wide : bool
        Whether months, quarters or years stand side by side; the other roles are those of the table made of it.
    every, aggregate : str or None
        The period, such as "month", to which rows are gathered, and how: by their "sum" or "mean".
    """

    time: str
    targets: tuple[str, ...]
    series: str | None = None
    known: tuple[str, ...] = ()
    past: tuple[str, ...] = ()
    static: tuple[str, ...] = ()
    time_format: str | None = None
    parts: tuple[str, ...] = ()
    in_order: bool = False
    wide: bool = False
    every: str | None = None
    aggregate: str | None = None

    @classmethod
    def of(
        cls,
        time: str | Sequence[str] | None = None,
        target: str | Sequence[str] = (),
        series: str | None = None,
        known: str | Sequence[str] = (),
        past: str | Sequence[str] = (),
        static: str | Sequence[str] = (),
        time_format: str | None = None,
        **layout: Unpack[Layout],
    ) -> SeriesRoles:
        """Build roles where one column may be given by its bare name; `time` may be several, or left open."""
        names = as_names(time or ())
        parts = names if len(names) > 1 else ()
        columns = (as_names(target), series, as_names(known), as_names(past), as_names(static))
        name = ROW if layout.get("in_order") else ", ".join(names)
        return cls(name, *columns, time_format, parts, **layout)

    @classmethod
    def from_json(cls, described: Mapping[str, Any]) -> SeriesRoles:
        """Build what `_asdict` gave and JSON kept."""
        return cls(**with_tuples(described))

    @property
    def named(self) -> list[str]:
        """All columns that are named."""
        series = [] if self.series is None else [self.series]
        times = [] if self.in_order or not self.time else self.parts or [self.time]
        return [*times, *self.targets, *series, *self.known, *self.past, *self.static]

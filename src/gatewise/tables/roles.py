"""Which column of a table of series is what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypedDict, Unpack

import pandas as pd

from gatewise import plain
from gatewise.errors import GatewiseValueError
from gatewise.tables.table import as_names, with_tuples

ROW = "row"  # what steps in the file's order are called


class Layout(TypedDict, total=False):
    """How the rows of a table become steps: the last four of `SeriesRoles`."""

    in_order: bool
    wide: bool
    every: str | None
    aggregate: str | None


def check_time_format(described: Any) -> None:
    """Raise unless a file's format of times is None, or one that pandas can read times by."""
    if plain.optional(plain.text, "time_format", described) is None:
        return
    try:
        pd.to_datetime(["0"], format=described, errors="coerce")
    except Exception as error:  # of many kinds: pandas makes a regular expression of it
        raise GatewiseValueError(f"time_format is {described!r}, by which no time can be read ({error}).") from error


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
        """Build what `_asdict` gave and JSON kept; raise unless it is that."""
        plain.known_keys("roles", described, cls._fields)
        roles = cls(**with_tuples(described))
        for name in ("targets", "known", "past", "static", "parts"):
            plain.texts(name, list(getattr(roles, name)))
        for name in ("series", "every", "aggregate"):
            plain.optional(plain.text, name, getattr(roles, name))
        plain.text("time", roles.time)
        check_time_format(roles.time_format)
        plain.flag("in_order", roles.in_order), plain.flag("wide", roles.wide)
        if not roles.targets and not roles.wide:  # the values of a wide table have no name
            raise GatewiseValueError("roles has no targets; need at least one.")
        return roles

    @property
    def named(self) -> list[str]:
        """All columns that are named."""
        series = [] if self.series is None else [self.series]
        times = [] if self.in_order or not self.time else self.parts or [self.time]
        return [*times, *self.targets, *series, *self.known, *self.past, *self.static]

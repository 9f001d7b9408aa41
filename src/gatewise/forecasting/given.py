"""What users hand to a forecaster, in whichever form, as series and numbers beside them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Self

import pandas as pd

from gatewise.errors import GatewiseValueError
from gatewise.forecasting import levels, long, reading
from gatewise.forecasting.long import LongForm, Names, Tables
from gatewise.forecasting.reading import Container


class Given(NamedTuple):
    """Series and covariates: long frames taken apart, text encoded.

    Attributes
    ----------
    y : any container but a long frame
        Of a long frame, a list of Series.
    X, static : any, of numbers
    levels : mapping of str to tuple of str
        Of the columns of X that were text.
    form : LongForm or None
        Of the long frame that y was.
    """

    y: Any
    X: Any
    static: Any
    levels: Mapping[str, tuple[str, ...]]
    form: LongForm | None

    @classmethod
    def of(cls, y: Any, X: Any, static: Any, names: Names) -> Self:
        """Read series as a user passes them; `names` says which columns of a long frame are what."""
        form = None
        if long.is_long(y, names):
            form, y, X, static = _from_long(long.read(y, names), X, static)
        of_text = levels.levels_in(X, "X")
        static = levels.encoded(static, levels.levels_in(static, "static"), "static")
        return cls(y, levels.encoded(X, of_text, "X"), static, of_text, form)

    def split(self) -> tuple[Container, list[pd.Series]]:
        """Return the container that forecasts come back in, and one Series for each series."""
        container, parts = reading.split(self.y)
        return (container if self.form is None else Container("long", container.names, self.form)), parts


def _from_long(tables: Tables, X: Any, static: Any) -> tuple[LongForm, list[pd.Series], Any, Any]:
    """Return the form, a Series of the target for each id, the other columns joined with X, and static."""
    form = tables.form
    static, parts = long.static_table(tables, static)
    y = [part[form.target].rename(name) for name, part in zip(tables.names, parts, strict=True)]
    return form, y, beside_long(form, tables.names, parts, X, "X"), static


def beside_long(form: LongForm, names: tuple[Any, ...], parts: list[pd.DataFrame], X: Any, what: str) -> Any:
    """Return the further columns of the tables of a long frame, joined with those of X; None if there are none."""
    further = [column for column in parts[0] if column != form.target]
    beside = [part[further] for part in parts] if further else None
    if X is None:
        return beside
    tables = X if isinstance(X, list | tuple) else long.tables_like(form, names, X, what)
    if beside is None:
        return list(tables)
    twice = [column for column in tables[0] if column in further]
    if twice:
        raise GatewiseValueError(
            f"{what} has the column {twice[0]!r}, and so has the long frame of y; need it once: drop one of them."
        )
    return [part.join(table) for part, table in zip(beside, tables, strict=True)]

"""What a fitted forecaster knows, and how it goes on: the forecast from the end, and the state after new rows."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from gatewise.errors import Array, GatewiseValueError
from gatewise.forecasting import calendar, reading
from gatewise.forecasting.axes import Axis, stamps
from gatewise.forecasting.calendar import Part
from gatewise.forecasting.covariates import Covariates
from gatewise.forecasting.fitted import Fitted
from gatewise.forecasting.given import beside_long
from gatewise.forecasting.levels import encoded
from gatewise.forecasting.long import arranged, read, tables_like
from gatewise.forecasting.panel import Panel
from gatewise.forecasting.reading import Container
from gatewise.printing import listed

FORMS = {
    "series": "a Series, or an array (time,)",
    "frame": "a DataFrame with a column a series",
    "list": "a list of Series or arrays",
    "array": "an array (time,)",
    "matrix": "an array (time, series)",
}


class State(NamedTuple):
    """The fitted parts, the last rows of each series, and where they end.

    Attributes
    ----------
    fitted : Fitted
    panel : Panel
        The last rows of each series, as many as a forecast reads.
    axes : tuple of Axis
    container : Container
        What the series came in.
    covariates : Covariates
    calendar : list of (str, int)
        Features of the time stamps, the last columns of `panel.known`.
    seasons : tuple of int
    change : float64 (series,)
        Mean absolute change from one step to the next when the series were fitted: the unit of `score`.
    """

    fitted: Fitted
    panel: Panel
    axes: tuple[Axis, ...]
    container: Container
    covariates: Covariates
    calendar: list[Part]
    seasons: tuple[int, ...]
    change: Array

    def ahead(self, X_future: Any, horizon: int) -> Panel:
        """The panel with the next `horizon` steps of every series, of which covariates and calendar are known."""
        known = self.covariates.known
        self._check_future(X_future, horizon)
        tables = self._tables(X_future, "X_future")
        columns = []
        for i, axis in enumerate(self.axes):
            name = reading.label(self.container, i)
            x = reading.future_rows(tables[i], known, axis, horizon, name) if known else np.zeros((horizon, 0))
            dates = dated_features(self.calendar, axis.future(horizon), axis.length)
            columns.append(np.concatenate([self.covariates.scaled(x, known), dates], axis=1))
        return self.panel.extended(columns)

    def forecast(self, X_future: Any) -> Array:
        """Quantiles (series, horizon, levels) from the end of each series."""
        horizon = self.fitted.plan.horizon
        panel = self.ahead(X_future, horizon)
        return self.fitted.forecast(panel, panel.ends(horizon))

    def updated(self, y_new: Any, X_new: Any) -> State:
        """The state after new rows."""
        return self.continued(y_new, X_new).trimmed()

    def continued(self, y_new: Any, X_new: Any) -> State:
        """The state after new rows, with all that it had before."""
        parts, X_new = self._new_parts(y_new, X_new)
        self._check_covariates(X_new)
        tables = self._tables(X_new, "X_new")
        grown = [self._grown(i, part, tables[i]) for i, part in enumerate(parts)]
        y, known, past, axes = (list(column) for column in zip(*grown, strict=True))
        return self._replace(panel=Panel.of(y, known, past, self.panel.static, self.panel.first), axes=tuple(axes))

    def apart(self, y_new: Any, X_new: Any) -> tuple[State, list[pd.Series], list[pd.DataFrame]]:
        """The state of a list of series, and new rows and covariates as such lists, with every step, NaN for gaps."""
        parts, X_new = self._new_parts(y_new, X_new)
        self._check_covariates(X_new)
        tables = self._tables(X_new, "X")
        y, X = [], []
        for i, (part, axis) in enumerate(zip(parts, self.axes, strict=True)):
            values, x = self._new_rows(i, part, tables[i]) if len(part) else (part, np.zeros((0, 0)))
            index = axis.future(len(values))
            y.append(pd.Series(np.asarray(values), index))
            X.append(pd.DataFrame(x, index, pd.Index(self.covariates.columns)) if len(part) else pd.DataFrame())
        covariates = self.covariates._replace(levels={})
        container = Container("list", self.container.names)
        return self._replace(container=container, covariates=covariates), y, X

    def trimmed(self) -> State:
        """The state with no more rows than the next forecast reads."""
        tail = self.panel.tail(self.fitted.plan.memory)
        begun = self.panel.stop - (tail.stop - tail.start)
        return self._replace(fitted=self.fitted.advanced(self.panel, begun), panel=tail)

    def _check_future(self, X_future: Any, horizon: int) -> None:
        known = self.covariates.known
        if known and X_future is None:
            raise GatewiseValueError(
                f"X_future is None; need the next {horizon} steps of "
                f"{', '.join(self.covariates.as_given(known))}: pass them, or fit again with past_covariates= naming "
                f"what is known up to now only."
            )
        if X_future is not None and not known:
            raise GatewiseValueError("X_future is given; need none: no covariate of the fit is known ahead.")

    def _check_covariates(self, X_new: Any) -> None:
        if self.covariates.columns and X_new is None:
            needed = self.covariates.as_given(self.covariates.columns)
            raise GatewiseValueError(f"X_new is None; need the columns {', '.join(needed)}.")

    def _tables(self, X: Any, what: str) -> list[Any]:
        """One X of numbers for each series."""
        form = self.container.form
        if form is not None and X is not None and not isinstance(X, list | tuple | np.ndarray):
            X = tables_like(form, self.container.names, X, what)
        self._check_text(X, what)
        return reading.per_series(encoded(X, self.covariates.levels, what), self.container, what)

    def _check_text(self, X: Any, what: str) -> None:
        """Raise if a frame lacks a column of text: by the name that the user knows."""
        names = self.covariates.known if what == "X_future" else self.covariates.columns
        needed = self.covariates.as_given(names)
        of_text = [name for name in needed if name in self.covariates.levels]
        for frame in X if isinstance(X, list | tuple) else [X]:
            lacking = [name for name in of_text if isinstance(frame, pd.DataFrame) and name not in frame]
            if lacking:
                raise GatewiseValueError(f"{what} lacks {', '.join(lacking)}; need the columns {', '.join(needed)}.")

    def _new_parts(self, y_new: Any, X_new: Any) -> tuple[list[pd.Series], Any]:
        """One new Series for each series that was fitted, in their order, and the covariates beside them."""
        form, names = self.container.form, self.container.names
        if form is None:
            return self._matching(y_new), X_new
        long = read(y_new, form.names, "y_new")
        unknown = [] if form.id is None else sorted(set(long.names) - set(names), key=str)
        if unknown:
            raise GatewiseValueError(f"y_new holds {unknown[0]!r}; need series of the fit: {listed(map(repr, names))}.")
        tables = arranged(long.names, long.tables, names)
        X_new = beside_long(form, names, tables, X_new, "X_new")
        _, parts = reading.split([table[form.target].rename(name) for name, table in zip(names, tables, strict=True)])
        return parts, X_new

    def _matching(self, y_new: Any) -> list[pd.Series]:
        """One new Series for each series that was fitted, in their order."""
        container, parts = reading.split(y_new, "y_new")
        if len(parts) != len(self.axes) or (container.kind == "frame") != (self.container.kind == "frame"):
            raise GatewiseValueError(
                f"y_new holds {len(parts)} series in a {type(y_new).__name__}; need all {len(self.axes)} of the fit, "
                f"in what they came in: {FORMS[self.container.kind]}."
            )
        if container.kind == "frame":
            lacking = [name for name in self.container.names if name not in container.names]
            if lacking:
                raise GatewiseValueError(f"y_new lacks {lacking[0]!r}; need the columns {list(self.container.names)}.")
            parts = [parts[container.names.index(name)] for name in self.container.names]
        first = y_new[0] if isinstance(y_new, list | tuple) else y_new
        if isinstance(first, pd.Series | pd.DataFrame):
            return parts
        return [part.set_axis(axis.future(len(part))) for part, axis in zip(parts, self.axes, strict=True)]

    def _grown(self, number: int, part: pd.Series, table: Any) -> tuple[Array, Array, Array, Axis]:
        """Values, known and past columns of a series with its new rows, and its new axis."""
        axis = self.axes[number]
        old = slice(int(self.panel.start[number]), int(self.panel.stop[number]))
        y, known, past = self.panel.y[old], self.panel.known[old], self.panel.past[old]
        if not len(part):
            return y, known, past, axis
        values, x = self._new_rows(number, part, table)
        future = axis.future(len(values))
        dates = dated_features(self.calendar, future, axis.length)
        return (
            np.concatenate([y, values]),
            np.concatenate([known, np.concatenate([self.covariates.known_of(x), dates], axis=1)]),
            np.concatenate([past, self.covariates.past_of(x)]),
            axis.moved(future[-1], len(values)),
        )

    def _new_rows(self, number: int, part: pd.Series, table: Any) -> tuple[Array, Array]:
        """Values (steps,) and covariates (steps, columns) of every step up to the last new one; NaN for gaps."""
        name, columns = reading.label(self.container, number, "y_new"), self.covariates.columns
        part = part.set_axis(self.axes[number].matched(part.index, name))
        steps = self.axes[number].steps_to(part.index, name)
        count = int(steps.max())
        values, x = np.full(count, np.nan), np.full((count, len(columns)), np.nan)
        values[steps - 1] = part.to_numpy()
        if columns:
            x[steps - 1] = reading.beside(table, columns, part, f"X_new of {name}")
        return values, x


def dated_features(parts: list[Part], index: Any, first: int) -> Array:
    """The calendar's features of an index whose first step is the series' step number `first`."""
    dates = None if isinstance(index, pd.RangeIndex) else stamps(index)
    return calendar.features(parts, dates, first + np.arange(len(index)))

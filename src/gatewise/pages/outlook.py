"""What is known of a forecaster on its series before anything is drawn: observations, forecasts, backtest, order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from gatewise.comparison import MODEL, Comparison
from gatewise.errors import GatewiseValueError
from gatewise.pages.words import interval

if TYPE_CHECKING:
    from pandas import DataFrame, Series

    from gatewise.estimators.forecaster import RecurrentForecaster
    from gatewise.forecasting.backtest import Backtest


@dataclass(frozen=True)
class Outlook:
    """A forecaster with its series, numbered as the forecaster has them.

    Attributes
    ----------
    model : RecurrentForecaster
    names : list of str
    observed : list of Series
        Every observation of each series that is known.
    ahead : tuple of DataFrame, or None
        The next steps of each series, one column per level; None if the known-ahead covariates are missing.
    frame : DataFrame or None
        The same as one table: the series (if there are several), the time, lower, median, upper.
    backtest : Backtest or None
    tested : dict of int to int
        Number of a series in the backtest, by its number here.
    comparisons : mapping of str to Comparison
        By target.
    units : list of str
        Of each series.
    order : list of int
        Numbers of the series, those with the largest error in the backtest first.
    problem : str
        Why there is no backtest; else empty.
    """

    model: RecurrentForecaster
    names: Sequence[str]
    observed: Sequence[Series[Any]]
    ahead: tuple[DataFrame, ...] | None
    frame: DataFrame | None
    backtest: Backtest | None
    tested: Mapping[int, int]
    comparisons: Mapping[str, Comparison]
    units: Sequence[str]
    order: Sequence[int]
    problem: str = ""

    @property
    def several(self) -> bool:
        """Whether there is more than one series."""
        return len(self.names) > 1

    @property
    def ends(self) -> tuple[float, float]:
        """The outermost levels."""
        levels = [float(level) for level in self.model.quantiles]
        return min(0.5, *levels), max(0.5, *levels)

    @property
    def interval(self) -> str:
        """What the interval is called, as in "80 % interval"; empty if there is none."""
        low, high = self.ends
        return interval(low, high) if low < high else ""

    @property
    def unit(self) -> str:
        """The unit of all series; empty where they differ."""
        return self.units[0] if len({*self.units}) == 1 else ""

    def comparison(self, number: int) -> Comparison | None:
        """Return the model beside the simple methods on one series; None where it was not tested."""
        if self.backtest is None or number not in self.tested:
            return None
        return self.backtest.comparison([self.tested[number]], self.units[number])


def read_outlook(model: RecurrentForecaster, y: Any, X: Any, ahead: Any, measured: Any) -> Outlook:
    """Return what is known; `measured` is what `tables.forecast` returned, without it the backtest is made here."""
    if y is None:
        raise GatewiseValueError("x is None; a RecurrentForecaster needs its series: pass y as x.")
    seen = model.inspect(ahead)
    numeric, given = model.apart(y, X)
    observed, names = _observed(seen, given.y)
    backtest, problem = rolled(numeric, given.y, given.X) if measured is None else (measured.backtest, measured.problem)
    tested = {} if backtest is None else _tested(backtest, names)
    if measured is None:
        comparisons = {} if backtest is None else {"": backtest.comparison()}
    else:
        comparisons = measured.comparisons
    frame = _frame(model, names, seen.forecasts) if measured is None else measured.forecast
    units = [""] * len(names) if measured is None else _units(measured, names)
    known = (model, names, observed, seen.forecasts, frame, backtest, tested, comparisons, units)
    return Outlook(*known, order=_order(backtest, tested, len(names)), problem=problem)


def rolled(model: RecurrentForecaster, y: Any, X: Any) -> tuple[Backtest | None, str]:
    """Return the backtest of a model on the last part of y, as a flow over a table makes it; or why there is none."""
    from gatewise.forecasting.backtest import backtest, usual_windows

    lengths = [len(one) for one in y] if isinstance(y, list | tuple) else [len(y)]
    if min(lengths) < model.horizon + 2:
        return None, f"every series needs at least {model.horizon + 2} steps for a horizon of {model.horizon}"
    return backtest(model, y, X, windows=usual_windows(lengths, model.horizon)), ""


def _observed(seen: Any, y: Any) -> tuple[list[Series[Any]], list[str]]:
    """Return all observations of each series with its name: those of y where it ends as the forecaster's do."""
    from gatewise.forecasting import reading

    container, parts = reading.split(y)
    series, _ = reading.regular_series(container, parts, None)
    given = [pd.Series(one.y, one.axis.past(len(one.y))) for one in series]
    names = [reading.label(container, k) if name is None else str(name) for k, name in enumerate(container.names)]
    if len(given) != len(seen.observed):
        return list(seen.observed), [str(name) for name in seen.names]
    pairs = zip(given, seen.observed, strict=True)
    return [longer if len(longer) and longer.index[-1] == last.index[-1] else last for longer, last in pairs], names


def _tested(backtest: Backtest, names: Sequence[str]) -> dict[int, int]:
    """Return the number in the backtest of each series that was tested, by its number."""
    places = {str(name): k for k, name in enumerate(backtest.names)}
    return {number: places[name] for number, name in enumerate(names) if name in places}


def _units(measured: Any, names: Sequence[str]) -> list[str]:
    """Return the unit of each series: of its target, or of the only one."""
    units, targets = measured.task.units, measured.task.roles.targets
    return [units.get(name if name in targets and len(targets) > 1 else targets[0]) or "" for name in names]


def _order(backtest: Backtest | None, tested: Mapping[int, int], number_of: int) -> list[int]:
    """Return the numbers of the series: largest scaled error first, then those that were not tested."""
    if backtest is None:
        return list(range(number_of))
    errors = np.full(number_of, -1.0)
    for number, place in tested.items():
        error = backtest.comparison([place]).measures[MODEL]["mase"]
        errors[number] = -0.5 if error is None or not np.isfinite(error) else error
    order: list[int] = np.argsort(-errors, kind="stable").tolist()
    return order


def _frame(model: Any, names: Sequence[str], forecasts: Sequence[DataFrame] | None) -> DataFrame | None:
    """Return the forecasts as one table, as `tables.forecast` does."""
    if forecasts is None:
        return None
    levels = [float(level) for level in model.quantiles]
    columns = {"lower": min(0.5, *levels), "median": 0.5, "upper": max(0.5, *levels)}
    parts = []
    for name, quantiles in zip(names, forecasts, strict=True):
        dated = isinstance(quantiles.index, pd.DatetimeIndex | pd.PeriodIndex)
        part = pd.DataFrame({title: quantiles[level].to_numpy() for title, level in columns.items()})
        part.insert(0, str(quantiles.index.name or ("time" if dated else "step")), quantiles.index)
        if len(names) > 1:
            part.insert(0, "series", name)
        parts.append(part)
    table: DataFrame = pd.concat(parts, ignore_index=True)
    return table

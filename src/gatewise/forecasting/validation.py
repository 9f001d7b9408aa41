"""Rolling origins as one long table, in the form that the field calls cross-validation."""

from __future__ import annotations

from typing import Any

import pandas as pd

from gatewise.forecasting import reading, times
from gatewise.forecasting.backtest import Backtest
from gatewise.forecasting.given import Given
from gatewise.forecasting.long import PLAIN, LongForm


def table_of(measured: Backtest, given: Given) -> Any:
    """Return a row for each series, origin and step; see `RecurrentForecaster.cross_validation`."""
    form = (given.form or PLAIN)._replace(indexed=())
    container, parts = given.split()
    series, _ = reading.regular_series(container, parts, None)
    tables = [_table(measured, number, one.axis.past(len(one.y)), form) for number, one in enumerate(series)]
    return form.write(measured.names, tables)


def _table(measured: Backtest, number: int, index: Any, form: LongForm) -> pd.DataFrame:
    """The rows of a series, whose steps are `index`, one window after the other."""
    median, parts = measured.levels.index(0.5), []
    for window in measured.windows:
        ahead, quantiles = window.steps[number], window.quantiles[number, 0]
        cutoff = index[index.get_indexer(ahead[:1]) - 1].repeat(len(ahead))
        columns = {"cutoff": times.written(cutoff, form.times), form.target: window.truth[number]}
        columns |= {"model": quantiles[:, median]} | {level: quantiles[:, k] for k, level in enumerate(measured.levels)}
        parts.append(pd.DataFrame(columns, index=ahead))
    return pd.concat(parts)

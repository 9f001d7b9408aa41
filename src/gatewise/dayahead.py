"""The demo's forecaster: traffic of the next 24 hours at once, issued at midnight, with the calendar known ahead.

A seasonal reference (the median of the same hour in six weeks) is right on most days. One GRU and one dense layer
learn what it misses: they read the last day hour by hour, then the 24 hours to come, of which they know the calendar
and the reference, and give the residual for each. Every statistic comes from the training hours alone.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from gatewise.batches import Samples
from gatewise.errors import Array
from gatewise.layers import GRU, Dense, Sequential
from gatewise.optimizers import AdamW
from gatewise.schedules import OneCycle
from gatewise.training import History, train

if TYPE_CHECKING:
    from pandas import DataFrame

DAY = 24
WEEK = 7 * DAY
CONTEXT = DAY
HORIZON = DAY
TEST_DAYS = 90
METHODS = ("model", "same_hour_last_week", "same_hour_yesterday")
REFERENCE_WEEKS = 6
# Federal holidays on which traffic is that of a Sunday; the others change it little.
QUIET_HOLIDAYS = ("New Year", "Memorial", "Independence", "July 4th", "Labor", "Thanksgiving", "Christmas")


class Hours(NamedTuple):
    """Every hour of the series as the network sees it, (hours, ...)."""

    past: Array  # features of an hour that has been observed
    future: Array  # features of the same hour before it has
    target: Array  # residual over the reference, in standard deviations; 0 where there is none
    weight: Array  # 1 where there is a target, else 0
    reference: Array  # vehicles/h
    scale: float  # standard deviation of the residual, vehicles/h


class Outcome(NamedTuple):
    """What the demo made: the model, how it was trained, its forecasts and their errors."""

    model: Sequential
    history: History
    forecast: DataFrame
    metrics: dict[str, Any]


def run(frame: DataFrame, seed: int = 0, progress: bool = False) -> Outcome:
    """Train on all but the last 90 days of `frame`, as `datasets.i94()` gives it, and forecast each of those days.

    Returns the model, its history, a frame with the columns truth, model, same_hour_last_week and same_hour_yesterday
    (vehicles/h) for every hour of the 90 days, and the errors of the last three.
    """
    started = time.perf_counter()
    train_hours = len(frame) - TEST_DAYS * DAY
    hours = prepare(frame, train_hours)
    model, history = fit(hours, train_hours, seed, progress)
    forecast = compare(frame, predict(model, hours, range(train_hours, len(frame), DAY)))
    seconds = time.perf_counter() - started
    metrics: dict[str, Any] = {name: _errors(forecast[name] - forecast["truth"]) for name in METHODS}
    return Outcome(model, history, forecast, metrics | {"seconds": seconds, "seed": seed})


def prepare(frame: DataFrame, train_hours: int) -> Hours:
    """Features and targets of every hour; means and scales come from the first `train_hours` only."""
    index: Any = frame.index
    volume = frame["traffic_volume"].to_numpy(float)
    holidays = _holidays(index)
    reference = _reference(volume, holidays[0], index.day_of_week.to_numpy())
    residual = volume - reference
    scale = float(np.nanstd(residual[:train_hours]))
    seen = np.isfinite(residual)
    target = np.where(seen, residual / scale, 0)
    level = (reference - np.nanmean(volume[:train_hours])) / np.nanstd(volume[:train_hours])
    known = np.column_stack([np.nan_to_num(level), *_calendar(index), *holidays])
    zero, one = np.zeros(len(frame)), np.ones(len(frame))
    past = np.column_stack([np.clip(target, -5, 5), seen, zero, known])
    future = np.column_stack([zero, zero, one, known])
    past, future, target, weight = (a.astype(np.float32) for a in (past, future, target, seen))
    return Hours(past, future, target, weight, reference, scale)


def fit(hours: Hours, train_hours: int, seed: int, progress: bool = False) -> tuple[Sequential, History]:
    """Train on windows that start every four hours and end within the training hours."""
    epochs, batch_size = 10, 64
    origins = np.arange(WEEK, train_hours - HORIZON + 1, 4)
    samples = windows(hours, origins)
    rng = np.random.default_rng(seed)
    model = Sequential(GRU(samples.x.shape[2], 64, rng=rng), Dense(64, 1, rng=rng))
    for name in ("1.weight", "1.bias"):
        model.params[name][...] = 0  # start at the reference itself
    updates = epochs * -(-len(origins) // batch_size)
    history = train(
        model,
        samples.x,
        samples.y,
        weights=samples.weights,
        loss="mae",
        optimizer=AdamW(OneCycle(5e-3, updates, pct_start=0.2), weight_decay=1e-3),
        epochs=epochs,
        batch_size=batch_size,
        clip=1.0,
        rng=rng,
        progress=progress,
    )
    return model, history


def windows(hours: Hours, origins: Any) -> Samples:
    """One row for each origin (the first hour to forecast): the context before it, the horizon after it.

    x is (n, CONTEXT + HORIZON, features), y (n, CONTEXT + HORIZON, 1), weights (n, CONTEXT + HORIZON), 0 in the
    context and where there is no target.
    """
    origins = np.asarray(origins)[:, None]
    before, after = origins + np.arange(-CONTEXT, 0), origins + np.arange(HORIZON)
    x = np.concatenate([hours.past[before], hours.future[after]], axis=1)
    y = np.concatenate([np.zeros_like(hours.target[before]), hours.target[after]], axis=1)
    weights = np.concatenate([np.zeros_like(hours.weight[before]), hours.weight[after]], axis=1)
    return Samples(x, y[:, :, None], weights=weights)


def predict(model: Sequential, hours: Hours, origins: Any) -> Array:
    """Forecasts (origins, 24) in vehicles/h for the 24 hours from each origin on."""
    residual, _ = model(windows(hours, origins).x)
    rows = np.asarray(origins)[:, None] + np.arange(HORIZON)
    forecast: Array = hours.reference[rows] + hours.scale * residual[:, -HORIZON:, 0].astype(float)
    return forecast


def compare(frame: DataFrame, forecasts: Array) -> DataFrame:
    """The last hours of `frame` with `forecasts` (days, 24) beside truth and the two naive methods."""
    import pandas as pd

    volume = frame["traffic_volume"].astype(float)
    columns = {
        "truth": volume,
        "same_hour_last_week": volume.shift(WEEK),
        "same_hour_yesterday": volume.shift(DAY),
    }
    table = pd.DataFrame(columns).iloc[-forecasts.size :]
    table.insert(1, "model", forecasts.ravel())
    return table


def _errors(residual: Any) -> dict[str, float]:
    return {"mae": float(residual.abs().mean()), "rmse": float(np.sqrt((residual**2).mean()))}


def _reference(volume: Array, quiet: Array, weekday: Array) -> Array:
    """Median of the same hour in the six weeks before; of the six Sundays before where the hour is on a quiet holiday.

    Quiet holidays are no reference for other days. Everything used is at least a day old; NaN where there is none.
    """
    usable = np.where(quiet, np.nan, volume)
    first = np.where(quiet, DAY * (weekday + 1), WEEK)
    rows = np.arange(len(volume))[:, None] - first[:, None] - WEEK * np.arange(REFERENCE_WEEKS)
    found = np.where(rows >= 0, usable[np.maximum(rows, 0)], np.nan)
    some = ~np.isnan(found).all(axis=1)
    reference = np.full(len(volume), np.nan)
    reference[some] = np.nanmedian(found[some], axis=1)
    return reference


def federal_holidays(index: Any) -> Any:
    """Names of the federal holidays around the days of `index`, a Series by date."""
    import pandas as pd
    from pandas.tseries.holiday import USFederalHolidayCalendar

    margin = pd.Timedelta("9D")
    return USFederalHolidayCalendar().holidays(index[0] - margin, index[-1] + margin, return_name=True)


def _holidays(index: Any) -> list[Array]:
    """Whether each hour is on a quiet holiday, the day before one, the day after one, or another federal holiday."""
    import pandas as pd

    named, days, day = federal_holidays(index), index.normalize(), pd.Timedelta("1D")
    quiet = named.index[[name.startswith(QUIET_HOLIDAYS) for name in named]]
    return [days.isin(quiet), days.isin(quiet - day), days.isin(quiet + day), days.isin(named.index.difference(quiet))]


def _calendar(index: Any) -> list[Array]:
    """Hour of the day and day of the year as angles, weekday one-hot."""
    hour = 2 * np.pi * index.hour.to_numpy() / DAY
    season = 2 * np.pi * index.day_of_year.to_numpy() / 365.25
    angles = [f(a) for a in (hour, 2 * hour, season) for f in (np.sin, np.cos)]
    weekday = index.day_of_week.to_numpy()
    return angles + [weekday == k for k in range(7)]

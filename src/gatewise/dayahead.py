"""The demo: traffic of the next 24 hours, issued at midnight, by a `RecurrentForecaster` that knows the holidays."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from gatewise.errors import Array
from gatewise.forecasting.references import median
from gatewise.training import History
from gatewise.training.runs import NOWHERE, Keeping

if TYPE_CHECKING:
    from pandas import DataFrame

    from gatewise.estimators import RecurrentForecaster

DAY = 24
WEEK = 7 * DAY
HORIZON = DAY
TEST_DAYS = 90
USUAL_WEEKS = 6
METHODS = ("model", "same_hour_last_week", "same_hour_yesterday")
# Federal holidays on which traffic is that of a Sunday; the others change it little.
QUIET_HOLIDAYS = ("New Year", "Memorial", "Independence", "July 4th", "Labor", "Thanksgiving", "Christmas")


class Outcome(NamedTuple):
    """What the demo made: the model, how it was trained, its forecasts and their errors."""

    model: RecurrentForecaster
    history: History
    forecast: DataFrame
    metrics: dict[str, Any]


def run(frame: DataFrame, seed: int = 0, progress: bool = False, keeping: Keeping = NOWHERE) -> Outcome:
    """Fit to all but the last 90 days of `frame`, as `datasets.i94()` gives it, and forecast each of those days.

    Returns the model, its history, a frame with the columns truth, model, same_hour_last_week, same_hour_yesterday,
    lower and upper (vehicles/h; the last two hold 80 % between them) for every hour of the 90 days, and the errors.
    The model has seen the last day when it is returned: its next forecast starts after it.
    """
    started = time.perf_counter()
    volume = frame["traffic_volume"].astype(float)
    known = known_ahead(volume)
    train_hours = len(frame) - TEST_DAYS * DAY
    model = fit(volume[:train_hours], known[:train_hours], seed, progress, keeping)
    forecast = compare(frame, roll(model, volume[train_hours:], known[train_hours:]))
    seconds = time.perf_counter() - started
    metrics: dict[str, Any] = {name: _errors(forecast[name] - forecast["truth"]) for name in METHODS}
    return Outcome(
        model,
        model.history_,
        forecast,
        metrics | {"coverage": _coverage(forecast), "seconds": seconds, "seed": seed},
    )


def fit(
    volume: Any, known: DataFrame, seed: int, progress: bool = False, keeping: Keeping = NOWHERE
) -> RecurrentForecaster:
    """Return a forecaster of the next 24 hours, fitted to a Series of volumes with what `known_ahead` gives."""
    from gatewise.estimators import RecurrentForecaster

    forecaster = RecurrentForecaster(HORIZON, season=DAY, random_state=seed, verbose=progress)
    return forecaster.fit(volume, known, **keeping._asdict())


def roll(model: RecurrentForecaster, volume: Any, known: DataFrame) -> DataFrame:
    """Forecast day after day, each from the midnight it begins at; columns are the levels 0.1, 0.5 and 0.9."""
    import pandas as pd

    parts = []
    for first in range(0, len(volume), DAY):
        day = slice(first, first + DAY)
        parts.append(model.predict_quantiles(known.iloc[day]))
        model.update(volume.iloc[day], known.iloc[day])
    rolled: DataFrame = pd.concat(parts)
    return rolled


def compare(frame: DataFrame, quantiles: DataFrame) -> DataFrame:
    """The hours of `quantiles` with truth, the forecast, the two naive methods, and the interval."""
    import pandas as pd

    volume = frame["traffic_volume"].astype(float)
    columns = {
        "truth": volume,
        "model": quantiles[0.5],
        "same_hour_last_week": volume.shift(WEEK),
        "same_hour_yesterday": volume.shift(DAY),
        "lower": quantiles[0.1],
        "upper": quantiles[0.9],
    }
    table: DataFrame = pd.DataFrame(columns).loc[quantiles.index]
    return table


def known_ahead(volume: Any) -> DataFrame:
    """What is known of every hour of a Series of volumes a day before: its holidays and its usual volume.

    For hours to come, append them to the Series as NaN.
    """
    known = holidays(volume.index)
    quiet = known["quiet_holiday"].to_numpy() > 0
    known["usual"] = _usual(volume.to_numpy(), quiet, volume.index.day_of_week.to_numpy())
    return known


def _usual(volume: Array, quiet: Array, weekday: Array) -> Array:
    """Median of the same hour in the six weeks before; of the six Sundays before where the hour is on a quiet holiday.

    Quiet holidays are no reference for other days. Everything used is at least a day old; NaN where there is none.
    """
    usable = np.where(quiet, np.nan, volume)
    first = np.where(quiet, DAY * (weekday + 1), WEEK)
    rows = np.arange(len(volume))[:, None] - first[:, None] - WEEK * np.arange(USUAL_WEEKS)
    return median(np.where(rows >= 0, usable[np.maximum(rows, 0)], np.nan))


def holidays(index: Any) -> DataFrame:
    """Whether each hour is on a quiet holiday, the day before one, the day after one, or another federal holiday."""
    import pandas as pd

    named, days, day = federal_holidays(index), index.normalize(), pd.Timedelta("1D")
    quiet = named.index[[name.startswith(QUIET_HOLIDAYS) for name in named]]
    columns = {
        "quiet_holiday": quiet,
        "before_holiday": quiet - day,
        "after_holiday": quiet + day,
        "other_holiday": named.index.difference(quiet),
    }
    return pd.DataFrame({name: days.isin(dates).astype(float) for name, dates in columns.items()}, index)


def federal_holidays(index: Any) -> Any:
    """Names of the federal holidays around the days of `index`, a Series by date."""
    import pandas as pd
    from pandas.tseries.holiday import USFederalHolidayCalendar

    margin = pd.Timedelta("9D")
    return USFederalHolidayCalendar().holidays(index[0] - margin, index[-1] + margin, return_name=True)


def _errors(residual: Any) -> dict[str, float]:
    return {"mae": float(residual.abs().mean()), "rmse": float(np.sqrt((residual**2).mean()))}


def _coverage(forecast: DataFrame) -> float:
    """Share of the measured hours within the interval."""
    measured = forecast.dropna(subset="truth")
    return float(measured["truth"].between(measured["lower"], measured["upper"]).mean())

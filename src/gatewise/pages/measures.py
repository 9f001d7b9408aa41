"""What the report says in numbers and words: errors by hour, weekday and day, taken from a table of forecasts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gatewise.errors import Array, GatewiseTypeError, GatewiseValueError, check_names

if TYPE_CHECKING:
    from pandas import DataFrame, DatetimeIndex, Timestamp

FORECASTS = {
    "model": "Model",
    "same_hour_last_week": "Same hour last week",
    "same_hour_yesterday": "Same hour yesterday",
}
SERIES = {"truth": "Measured", **FORECASTS}
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MISSING = "–"


def check_forecast(forecast: DataFrame) -> DataFrame:
    """Return a copy of `forecast` with float columns in the order of `SERIES` and a plain time index."""
    import pandas as pd

    if not isinstance(forecast.index, pd.DatetimeIndex):
        found = type(forecast.index).__name__
        raise GatewiseTypeError(f"forecast has a {found}; need a DatetimeIndex: use forecast.set_index('time').")
    check_names("forecast", map(str, forecast.columns), SERIES)
    if not len(forecast):
        raise GatewiseValueError("forecast has 0 rows; need at least one hour.")
    return forecast[list(SERIES)].astype(float).tz_localize(None).sort_index().rename_axis("time")


def check_metrics(metrics: Mapping[str, Any]) -> None:
    """Raise unless `metrics` has an MAE and an RMSE for the model and both baselines."""
    _check_has("metrics", metrics, [*FORECASTS, "seconds", "seed"])
    for name in FORECASTS:
        _check_has(f"metrics[{name!r}]", metrics[name], ["mae", "rmse"])


def _check_has(what: str, found: Mapping[str, Any], needed: Sequence[str]) -> None:
    check_names(what, [name for name in needed if name in found], needed)


def times(frame: DataFrame) -> DatetimeIndex:
    """Return the index of `frame` as what it is."""
    import pandas as pd

    return pd.DatetimeIndex(frame.index)


def absolute_errors(forecast: DataFrame) -> DataFrame:
    """Return |forecast − truth| for the model and both baselines, NaN where the truth is missing."""
    return forecast[list(FORECASTS)].sub(forecast["truth"], axis=0).abs()


def errors_by_hour(forecast: DataFrame) -> DataFrame:
    """Return the mean absolute error for each hour of day, 0 to 23, with a column `label` such as "17:00"."""
    table = absolute_errors(forecast).groupby(times(forecast).hour).mean().reindex(range(24))
    return table.assign(label=[f"{hour:02d}:00" for hour in range(24)])


def errors_by_weekday(forecast: DataFrame) -> DataFrame:
    """Return the mean absolute error for each day of week, 0 (Monday) to 6, with a column `label`."""
    table = absolute_errors(forecast).groupby(times(forecast).day_of_week).mean().reindex(range(7))
    return table.assign(label=list(WEEKDAYS))


def errors_by_day(forecast: DataFrame, named_days: Mapping[str, str] | None = None) -> DataFrame:
    """Return the mean absolute error of each date, the hours it rests on (`hours`), and a `label` with any name."""
    names = named_days or {}
    errors = absolute_errors(forecast)
    groups = errors.groupby(times(forecast).normalize())
    table = groups.mean().assign(hours=groups["model"].count())
    labels = (long_date(day) + (f" · {name}" if (name := names.get(f"{day:%Y-%m-%d}")) else "") for day in times(table))
    return table.assign(label=list(labels))


def worst(table: DataFrame, count: int) -> DataFrame:
    """Return the `count` rows where the model erred most, worst first; rows without an error are left out."""
    return table.dropna(subset=["model"]).sort_values("model", ascending=False, kind="stable").head(count)


def loss_series(history: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return the losses that `history` has, by name, with their titles."""
    both = {"loss": "Training", "validation_loss": "Validation"}
    return {name: title for name, title in both.items() if np.isfinite(losses(history, name)).any()}


def losses(history: Sequence[Mapping[str, Any]], name: str) -> Array:
    """Return one entry over all epochs, float64 (epochs,), NaN where it is missing."""
    return np.array([np.nan if (loss := record.get(name)) is None else loss for record in history], dtype=float)


def headline(metrics: Mapping[str, Any]) -> str:
    """Return the main result in words."""
    mae, base = float(metrics["model"]["mae"]), float(metrics["same_hour_last_week"]["mae"])
    if not math.isfinite(mae):
        return "The mean error is not known"
    return f"Mean error {number(mae)} vehicles/h, {compared(mae, base)} same hour last week"


def compared(value: float, base: float) -> str:
    """Return how `value` stands to `base`: "27 % below", "3 % above" or "level with"."""
    if not (math.isfinite(value) and math.isfinite(base) and base > 0):
        return "not comparable with"
    change = round(100 * (value / base - 1))
    return f"{abs(change)}\N{NO-BREAK SPACE}% {'below' if change < 0 else 'above'}" if change else "level with"


def number(value: float | None) -> str:
    """Return `value` as text for people: 1,234 or 12.3 or 0.0123, and a dash where there is none."""
    if value is None or not math.isfinite(value):
        return MISSING
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.3g}"


def long_date(day: Timestamp) -> str:
    """Return a date as "Wed, Jul 4, 2018", whatever the locale."""
    return f"{day.day_name()[:3]}, {short_date(day)}, {day.year}"


def span(first: Timestamp, last: Timestamp) -> str:
    """Return two dates as "Jul 3 – Sep 30, 2018"."""
    year = "" if first.year == last.year else f", {first.year}"
    return f"{short_date(first)}{year} – {short_date(last)}, {last.year}"


def short_date(day: Timestamp) -> str:
    """Return a date as "Jul 4", whatever the locale."""
    return f"{day.month_name()[:3]} {day.day}"

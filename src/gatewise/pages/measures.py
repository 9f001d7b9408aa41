"""What the demo's page says in numbers: errors by hour, weekday and day, taken from a table of forecasts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gatewise.comparison import Comparison
from gatewise.errors import GatewiseTypeError, GatewiseValueError, check_names
from gatewise.pages.words import long_date, sentence

if TYPE_CHECKING:
    from pandas import DataFrame, DatetimeIndex

FORECASTS = {
    "model": "Model",
    "same_hour_last_week": "Same hour last week",
    "same_hour_yesterday": "Same hour yesterday",
}
SERIES = {"truth": "Measured", **FORECASTS}
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
UNIT = "vehicles/h"
INTERVAL = ("lower", "upper")


def check_forecast(forecast: DataFrame) -> DataFrame:
    """Return a copy of `forecast` with float columns in the order of `SERIES`, any interval last, and a plain index."""
    import pandas as pd

    if not isinstance(forecast.index, pd.DatetimeIndex):
        kind = type(forecast.index).__name__
        raise GatewiseTypeError(f"forecast has a {kind}; need a DatetimeIndex: use forecast.set_index('time').")
    columns = [str(name) for name in forecast.columns]
    needed = [*SERIES, *INTERVAL] if set(INTERVAL) & set(columns) else [*SERIES]
    check_names("forecast", columns, needed)
    if not len(forecast):
        raise GatewiseValueError("forecast has 0 rows; need at least one hour.")
    return forecast[needed].astype(float).tz_localize(None).sort_index().rename_axis("time")


def check_metrics(metrics: Mapping[str, Any]) -> None:
    """Raise unless `metrics` has an MAE and an RMSE for the model and both baselines."""
    _check_has("metrics", metrics, [*FORECASTS, "seconds", "seed"])
    for name in FORECASTS:
        _check_has(f"metrics[{name!r}]", metrics[name], ["mae", "rmse"])


def _check_has(what: str, present: Mapping[str, Any], needed: Sequence[str]) -> None:
    check_names(what, [name for name in needed if name in present], needed)


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


def headline(metrics: Mapping[str, Any]) -> str:
    """Return the main result in words: the model beside the best simple method."""
    if not math.isfinite(float(metrics["model"]["mae"])):
        return "The mean error is not known"
    methods = {name: metrics[name] for name in FORECASTS}
    return sentence(Comparison(methods, {name: title.lower() for name, title in FORECASTS.items()}, unit=UNIT).verdict)

"""What a forecaster reached: rolling forecasts of the end of each series, beside the naive methods."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from gatewise.comparison import MODEL, Comparison
from gatewise.errors import GatewiseValueError
from gatewise.forecasting.simple import LABELS
from gatewise.pages.content import Result, Results, Section, TextTable
from gatewise.pages.forecasts import forecast_section, is_dated, windows_for
from gatewise.pages.inside import Inside
from gatewise.pages.words import count, number, percent, shortened

if TYPE_CHECKING:
    from pandas import DataFrame, Series

    from gatewise.estimators.forecaster import RecurrentForecaster
    from gatewise.forecasting.backtest import Backtest

Comparisons = Mapping[str, Comparison]

NAMES = {MODEL: "Model"} | {method: label[0].upper() + label[1:] for method, label in LABELS.items()}
COLORS = {"model": "model", "seasonal_naive": "second", "naive": "third", "drift": "fourth", "mean": "fifth"}
MEASURES = {
    "mae": "MAE",
    "rmse": "RMSE",
    "mase": "MASE",
    "smape": "sMAPE",
    "pinball": "Pinball",
    "coverage": "Coverage",
}
SHOWN, LOOKED_AT = 4, 6


def rolled(model: RecurrentForecaster, y: Any, X: Any) -> Backtest:
    """Return the backtest of a model on the last part of y: the same as a flow over a table makes."""
    from gatewise.forecasting.backtest import backtest, usual_windows

    if y is None:
        raise GatewiseValueError("x is None; a RecurrentForecaster needs the series to look at: pass y as x.")
    lengths = [len(one) for one in y] if isinstance(y, list | tuple) else [len(y)]
    return backtest(model, y, X, windows=usual_windows(lengths, model.horizon))


def headline(comparisons: Comparisons) -> str:
    """Return the main result in words."""
    if len(comparisons) == 1:
        verdict = next(iter(comparisons.values())).verdict
        return verdict[0].upper() + verdict[1:]
    worth = sum(one.worth_it for one in comparisons.values())
    return f"Better than the best simple method on {worth} of {len(comparisons)} targets"


def lede(model: RecurrentForecaster, measures: DataFrame, forecasts: DataFrame) -> str:
    """Return how it was tested."""
    windows = int(forecasts["window"].nunique())
    series = int(forecasts["series"].nunique())
    several = f" of {series:,} series" if series > 1 else ""
    covered = percent(_measure(measures, "model", "coverage"))
    low, high = min(model.quantiles), max(model.quantiles)
    return (
        f"{count(windows, 'forecast')} of {count(model.horizon, 'step')} each{several}, by a copy fitted to what lies "
        f"before. {covered} of the values lie within the interval from {low:g} to {high:g}."
    )


def _measure(measures: DataFrame, method: str, name: str) -> float:
    """Return one measure over all windows."""
    every: Any = measures.loc["all"]
    return float(every[name][method])


def results(comparisons: Comparisons) -> Results:
    """Return a row for each method, of several targets for each target and method."""
    several = len(comparisons) > 1
    rows = [row for target, one in comparisons.items() for row in result_rows(one, f"{target}: " if several else "")]
    return Results("Errors in the unit of the series", "Forecast", "MAE", "", "RMSE", rows)


def result_rows(one: Comparison, prefix: str = "") -> list[Result]:
    """Return a row for each method of a comparison."""
    longest = max((one.error(method) for method in one.measures if np.isfinite(one.error(method))), default=0.0) or 1.0
    texts, second = one.texts("mae"), one.texts("rmse")
    rows = []
    for method in one.measures:
        against = "" if method == MODEL else f"model {one.against(method)}".removesuffix(" with")
        width = 100 * one.error(method) / longest if np.isfinite(one.error(method)) else 0.0
        label = prefix + (NAMES.get(method) or one.name(method).capitalize())
        rows.append(Result(COLORS.get(method, "second"), label, texts[method], width, second[method], against))
    return rows


def sections(model: RecurrentForecaster, comparisons: Comparisons, forecasts: DataFrame) -> list[Section]:
    """Return a section for each of the series that were hardest, and the table of all measures."""
    hardest = _hardest(forecasts)
    made = [_series_section(model, forecasts, name, k, len(hardest)) for k, name in enumerate(hardest[:SHOWN])]
    several = len(comparisons) > 1
    tables = [_measure_table(one, f"All measures{f' of {target}' * several}") for target, one in comparisons.items()]
    if len(hardest) > 1:
        tables.append(_series_table(forecasts))
    intro = "Over all forecasts; MASE is the mean error in units of the seasonal naive one within the fit."
    return [*made, Section(id="measures", heading="Errors", intro=intro, tables=tables)]


def next_sections(model: RecurrentForecaster, ahead: Any) -> list[Section]:
    """Return what comes after the last observation of the first few series; none where what is known ahead lacks."""
    seen = model.inspect(ahead)
    if seen.forecasts is None:
        return []
    several = len(seen.names) > 1
    names = [f": {shortened(str(name), 40)}" if several else "" for name in seen.names[:SHOWN]]
    series = zip(names, seen.observed, seen.forecasts, strict=False)
    return [_next_section(model, k, *one) for k, one in enumerate(series)]


def _low(model: RecurrentForecaster) -> float:
    return min(0.5, *map(float, model.quantiles))


def _high(model: RecurrentForecaster) -> float:
    return max(0.5, *map(float, model.quantiles))


def _next_section(model: RecurrentForecaster, k: int, title: str, observed: Series, forecast: DataFrame) -> Section:
    """Return the forecast of series k after the last of its observations, as many as show what is usual."""
    usual = max(3 * model.horizon, 2 * max(model.seasons_, default=1))
    low, high = _low(model), _high(model)
    columns = (
        {"model": forecast[0.5]}
        if low == high
        else {"lower": forecast[low], "model": forecast[0.5], "upper": forecast[high]}
    )
    table = pd.concat([observed.iloc[-usual:].to_frame("truth"), pd.DataFrame(columns)])
    return forecast_section(
        _plain_index(table),
        {"truth": "Measured", "model": "Forecast"},
        intro=f"The {count(model.horizon, 'step')} after the last observation, from all that was observed.",
        id=f"next-{k}",
        heading=f"What comes next{title}",
    )


def _plain_index(table: DataFrame) -> DataFrame:
    """Return the table with an index that can be drawn: times without a zone, or numbers."""
    table.index = table.index.to_timestamp() if isinstance(table.index, pd.PeriodIndex) else table.index
    if isinstance(table.index, pd.DatetimeIndex):
        table.index = table.index.tz_localize(None)
    return table.rename_axis("time" if is_dated(table) else "step")


def _hardest(forecasts: DataFrame) -> list[Any]:
    """Return the names of the series, those with the largest error in their own spread first."""
    error = (forecasts["model"] - forecasts["truth"]).abs().groupby(forecasts["series"]).mean()
    spread = forecasts["truth"].groupby(forecasts["series"]).std().replace(0, np.nan)
    return list((error / spread).fillna(0).sort_values(ascending=False, kind="stable").index)


def _series_section(model: RecurrentForecaster, forecasts: DataFrame, name: Any, k: int, several: int) -> Section:
    levels = [float(level) for level in model.quantiles]
    part = forecasts[forecasts["series"] == name]
    part = part[~part.index.duplicated(keep="last")].sort_index()
    table = part[["truth", "model", "seasonal_naive"]].astype(float)
    table = table.rename(columns={"seasonal_naive": "second"})
    if min(levels) < max(levels):
        table = table.assign(lower=part[min(levels)].astype(float), upper=part[max(levels)].astype(float))
    table = _plain_index(table)
    names = {"truth": "Measured", "model": "Model", "second": "Seasonal naive"}
    windows = windows_for(table)
    drag = " Drag the window in the strip below, or use the buttons." if windows else ""
    title = f": {shortened(str(name), 40)}" if several > 1 else ""
    return forecast_section(
        table,
        names,
        intro=f"Each forecast of {count(model.horizon, 'step')} made at once, from what was known before it.{drag}",
        id=f"forecast-{k}",
        heading=f"Forecast against measurement{title}",
        muted=("second",),
        windows=windows,
    )


def _measure_table(one: Comparison, caption: str) -> TextTable:
    columns = {label: one.texts(measure) for measure, label in MEASURES.items()}
    rows = [[NAMES.get(method, method), *(texts[method] for texts in columns.values())] for method in one.measures]
    return TextTable(caption, ["Method", *columns], rows, open=True)


def _series_table(forecasts: DataFrame, most: int = 100) -> TextTable:
    """Return the mean absolute error of each series, the hardest first."""
    rows = []
    for name in _hardest(forecasts)[:most]:
        part = forecasts[forecasts["series"] == name]
        errors = [number(float((part[method] - part["truth"]).abs().mean())) for method in NAMES]
        rows.append([shortened(str(name)), *errors])
    return TextTable("Mean absolute error of each series, hardest first", ["Series", *NAMES.values()], rows)


def looked_into(model: RecurrentForecaster, compare: Any = None) -> Inside | None:
    """Return the first network with the last windows it can be given, or None where the forecaster has none."""
    seen = model.inspect(windows=LOOKED_AT)
    if seen.windows is None:
        return None
    several = len(seen.names) > 1
    starts = zip(seen.window_series, seen.window_starts, strict=True)
    rows = [_window_name(int(series) if several else None, first) for series, first in starts]
    return Inside(seen.networks[0], seen.windows, rows=rows, features=seen.features, compare=compare)


def _window_name(series: int | None, first: Any) -> str:
    """Return from when on a window forecasts, and of which series where there are several."""
    when = f"{first:%Y-%m-%d %H:%M}".removesuffix(" 00:00") if isinstance(first, pd.Timestamp) else f"{first}"
    return f"From {when} on" if series is None else f"Series {series + 1}, from {when} on"


def facts(model: RecurrentForecaster) -> dict[str, str]:
    """Return what the fit decided."""
    seasons: Sequence[int] = model.seasons_
    shares = ", ".join(f"{100 * share:.0f} % of the {name} path" for name, share in model.shares_.items())
    some = f"{count(len(model.networks_), 'network')}, context {count(model.context_, 'step')}; the first is shown here"
    return {
        "Reference": f"{model.reference_}; seasons of {', '.join(map(str, seasons)) or 'no'} steps",
        "Forecast": f"the reference, {shares}",
        "Networks": some if model.networks_ else "none: the reference and the linear path did better alone",
    }

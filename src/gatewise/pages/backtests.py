"""How far off the forecasts of a backtest were: beside the simple methods, over time, and series by series."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from gatewise.comparison import MODEL, Comparison
from gatewise.pages import drawing
from gatewise.pages.content import Result, Results, Section, TextTable
from gatewise.pages.forecasts import (
    ENDS,
    Drawn,
    drawn,
    forecast_figure,
    has_interval,
    packed,
    plain_index,
    windows_for,
    with_plain_index,
)
from gatewise.pages.outlook import Outlook
from gatewise.pages.profiles import profile_sections
from gatewise.pages.upcoming import pickable, series_pick
from gatewise.pages.words import count, sentence, shortened

if TYPE_CHECKING:
    from pandas import DataFrame

MEASURES = {
    "mae": "MAE",
    "rmse": "RMSE",
    "mase": "MASE",
    "smape": "sMAPE",
    "pinball": "Pinball",
    "coverage": "Coverage",
}
IN_UNIT = (
    "Mean absolute error (MAE) and root mean squared error (RMSE) of the backtest. MASE is the mean absolute error "
    "divided by that of the seasonal naive method on the training part."
)
SCALED = (
    "Mean absolute scaled error (MASE) and mean absolute error (MAE) of the backtest. The scaled error of a series is "
    "its mean absolute error divided by that of the seasonal naive method on its training part; MASE is the mean over "
    "all series, so that large and small ones count alike."
)
MOST = 100  # series in the table of errors
SIMPLE = "second"
"""The name of the best simple method in figures."""


def backtest_sections(outlook: Outlook) -> list[Section]:
    """Return how far off the forecasts were, the forecasts themselves, and where they are better and worse."""
    if outlook.backtest is None:
        return []
    forecasts = outlook.backtest.forecasts()
    best = best_simple(outlook)
    return [
        _errors_section(outlook),
        *_figure_sections(outlook, forecasts, best),
        *profile_sections(outlook, forecasts, best),
    ]


def best_simple(outlook: Outlook) -> tuple[str, str]:
    """Return the best simple method over all series, and what it is called."""
    assert outlook.backtest is not None
    comparison = outlook.backtest.comparison()
    method = comparison.best or "naive"
    return method, sentence(comparison.name(method))


def result_rows(comparison: Comparison, prefix: str = "") -> list[Result]:
    """Return a row for each method of a comparison of errors."""
    errors = [comparison.error(method) for method in comparison.measures]
    longest = max((error for error in errors if np.isfinite(error)), default=0.0) or 1.0
    best, (first, second) = comparison.best, (_texts(comparison, name) for name in columns_of(comparison))
    rows, colors = [], cycle(drawing.SLOTS[2:])
    for method, error in zip(comparison.measures, errors, strict=True):
        against = "" if method == MODEL else f"model {comparison.against(method)}".removesuffix(" with")
        color = MODEL if method == MODEL else SIMPLE if method == best else next(colors)
        is_best = method == best and len(comparison.simple) > 1
        label = prefix + _title(comparison, method) + (" (best simple method)" if is_best else "")
        width = 100 * error / longest if np.isfinite(error) else 0.0
        rows.append(Result(color, label, first[method], width, second[method], against))
    return rows


def columns_of(comparison: Comparison) -> tuple[str, str]:
    """Return the measure that decides, and the one that stands beside it."""
    return ("mase", "mae") if comparison.by == "mase" else ("mae", "rmse")


def _title(comparison: Comparison, method: str) -> str:
    return "Model" if method == MODEL else sentence(shortened(comparison.name(method), 40))


def _texts(comparison: Comparison, measure: str) -> dict[str, str]:
    """Return a measure of each method without the unit, which stands above the column."""
    in_unit = f" {comparison.unit}" if comparison.unit and measure in ("mae", "rmse") else ""
    return {method: text.removesuffix(in_unit) for method, text in comparison.texts(measure).items()}


def unit_of(comparisons: Iterable[Comparison]) -> str:
    """Return the unit that all comparisons share; empty where they differ."""
    units = {one.unit for one in comparisons}
    return units.pop() if len(units) == 1 else ""


def _errors_section(outlook: Outlook) -> Section:
    several = len(outlook.comparisons) > 1
    pairs = outlook.comparisons.items()
    rows = [row for target, one in pairs for row in result_rows(one, _prefix(target, one) if several else "")]
    tables = [_measure_table(one, "All measures" + (f" of {target}" if several else "")) for target, one in pairs]
    if outlook.several:
        tables.append(_series_table(outlook))
    return Section(
        id="errors",
        heading="How far off the forecasts were",
        intro=SCALED if _by_scaled(outlook) else IN_UNIT,
        results=_results(outlook, rows),
        tables=tables,
    )


def _by_scaled(outlook: Outlook) -> bool:
    """Whether the scaled error decides: one comparison over several series."""
    return any(one.by == "mase" for one in outlook.comparisons.values())


def _results(outlook: Outlook, rows: list[Result]) -> Results:
    """Return the table of errors with its heads: in the unit of the series, or scaled."""
    if _by_scaled(outlook):
        return Results("Errors in units of each series", "Forecast", "MASE", "", "MAE", rows)
    unit = unit_of(outlook.comparisons.values())
    return Results("Errors in the unit of the series", "Forecast", "MAE", unit, "RMSE", rows)


def _prefix(target: str, comparison: Comparison) -> str:
    """Return what stands before the methods of one of several targets."""
    return f"{target} ({comparison.unit}): " if comparison.unit else f"{target}: "


def _measure_table(comparison: Comparison, caption: str) -> TextTable:
    columns = {label: _texts(comparison, measure) for measure, label in MEASURES.items()}
    methods = comparison.measures
    rows = [[_title(comparison, method), *(texts[method] for texts in columns.values())] for method in methods]
    return TextTable(caption, ["Method", *columns], rows, copy=True)


def _series_table(outlook: Outlook) -> TextTable:
    """Return the mean absolute error of each series, the worst first."""
    rows, header = [], ["Series"]
    for number in outlook.order[:MOST]:
        one = outlook.comparison(number)
        if one is not None:
            names = [_title(one, method) for method in one.measures]
            header = ["Series", *names, "Best simple method", "Coverage"]
            best = "–" if one.best is None else one.name(one.best)
            texts = _texts(one, "mae").values()
            rows.append([shortened(outlook.names[number]), *texts, best, one.texts("coverage")[MODEL]])
    return TextTable("Mean absolute error of each series, largest scaled error first", header, rows, copy=True)


def _figure_sections(outlook: Outlook, forecasts: DataFrame, best: tuple[str, str]) -> list[Section]:
    """Return the forecasts against what was measured; of several series, the one that is picked."""
    groups = dict(iter(forecasts.groupby("series", sort=False)))
    names = {"truth": "Measured", "model": "Model", SIMPLE: best[1]}
    picked = pickable(outlook)
    series = [_series(outlook, number, groups, best[0]) for number in picked]
    first = series[0]
    if first is None:
        return []
    windows = windows_for(first.main)
    drag = " Drag the window in the strip below, or use the buttons." if windows else ""
    steps, number_of = count(outlook.model.horizon, "step"), count(len(first.main), "time")
    store = {"series": [None if one is None else packed(one, names) for one in series]}
    return [
        Section(
            id="backtest",
            heading="Forecasts against measured values",
            intro=f"Each line is one forecast of {steps}, made at once from what was known before it; it starts at the "
            f"last observation before it.{drag}",
            alt=f"Line chart of measured values and of forecasts of {steps} each, over {number_of}.",
            figure=forecast_figure(first, names, outlook.interval, (SIMPLE,), windows),
            legend={**names, **({"interval": outlook.interval} if has_interval(first.main) else {})},
            muted=(SIMPLE,),
            windows=windows,
            picks=series_pick(outlook),
            store=store if outlook.several else {},
        )
    ]


def _series(outlook: Outlook, number: int, groups: dict[Any, DataFrame], method: str) -> Drawn | None:
    """Return a series with its forecasts; None where it was not tested."""
    if outlook.backtest is None or number not in outlook.tested:
        return None
    part = groups[outlook.backtest.names[outlook.tested[number]]]
    low, high = outlook.ends
    columns = {"truth": part["truth"], "model": part["model"], SIMPLE: part[method]}
    if low < high:
        columns |= dict(zip(ENDS, (part[low], part[high]), strict=True))
    table = pd.DataFrame(columns).astype(float)
    table = table.set_axis(plain_index(part.index))
    forecasts = [table[(part["window"] == window).to_numpy()] for window in part["window"].unique()]
    observed = with_plain_index(outlook.observed[number])
    before = observed[observed.index < table.index.min()].iloc[-2 * outlook.model.horizon :].to_frame("truth")
    main = table[~table.index.duplicated(keep="last")].sort_index()
    main = pd.concat([before.reindex(columns=main.columns), main]).rename_axis(table.index.name)
    return drawn(main, forecasts, observed)

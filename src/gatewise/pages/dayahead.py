"""The demo's page: a day-ahead forecast of hourly traffic beside two naive methods."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gatewise.pages import measures
from gatewise.pages.content import Result, Results, Section, TextTable, Windows
from gatewise.pages.learning import loss_sections
from gatewise.pages.measures import FORECASTS, SERIES
from gatewise.pages.page import render, require
from gatewise.pages.words import compared, number, percent, span

if TYPE_CHECKING:
    from pandas import DataFrame

    from gatewise.errors import Array
    from gatewise.pages.inside import Inside

UNIT = "vehicles/h"
DAY = 86_400_000.0


def day_ahead_page(
    *,
    title: str,
    history: Sequence[Mapping[str, Any]],
    forecast: DataFrame,
    metrics: Mapping[str, Any],
    facts: Mapping[str, str],
    named_days: Mapping[str, str] | None = None,
    model: Any = None,
    x: Array | None = None,
    features: Sequence[str] | None = None,
    days: Sequence[str] | None = None,
) -> str:
    """Return the report of a day-ahead forecast as one HTML page.

    Parameters
    ----------
    title : str
        Name of the report, shown above the headline.
    history : sequence of mappings
        One record an epoch: `epoch`, `loss` and, where there is one, `validation_loss`, as `train` returns them.
    forecast : DataFrame
        Indexed by time (hours); columns `truth`, `model`, `same_hour_last_week`, `same_hour_yesterday`, float,
        vehicles/h; NaN where there is no value. `lower` and `upper`, where given, are an interval.
    metrics : mapping
        `{"model": {"mae", "rmse"}, "same_hour_last_week": {…}, "same_hour_yesterday": {…}, "seconds", "seed"}`;
        errors in vehicles/h, time in seconds. `coverage`, where given, is the share of values within the interval.
    facts : mapping of str to str
        What is worth knowing of data and model, in order, the source and its attribution among it.
    named_days : mapping of str to str, optional
        Names of dates, as `{"2018-07-04": "Independence Day"}`, shown where a day's error is.
    model : RecurrentForecaster or Layer, optional
        What forecast: the page shows its gates, gradient flow, weights and certificate.
    x : ndarray (n, time, D), optional
        For a layer: rows as it takes them, a few days of the forecast. A forecaster knows its own.
    features, days : sequence of str, optional
        For a layer: names of the D inputs, and of the rows of x.

    Returns
    -------
    str
        The page, below 3 MB. The same input gives the same text.

    Raises
    ------
    GatewiseError
        If Bokeh, Jinja2 or xarray is absent, or the forecast or the metrics lack something.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from gatewise.pages import day_ahead_page
    >>> hours = pd.date_range("2018-09-01", periods=48, freq="h", name="time")
    >>> names = ["truth", "model", "same_hour_last_week", "same_hour_yesterday"]
    >>> forecast = pd.DataFrame(np.random.default_rng(0).uniform(0, 5000, (48, 4)), hours, names)
    >>> metrics = {name: {"mae": 190.0, "rmse": 280.0} for name in names[1:]} | {"seconds": 1.0, "seed": 0}
    >>> page = day_ahead_page(title="Try", history=[], forecast=forecast, metrics=metrics, facts={})
    >>> page[:15], len(page) < 3_000_000
    ('<!doctype html>', True)
    """
    require()
    measures.check_metrics(metrics)
    forecast = measures.check_forecast(forecast)
    sections = [
        _forecast_section(forecast),
        _profile_section("hour", "hour of day", measures.errors_by_hour(forecast), every=6),
        _profile_section("weekday", "day of week", measures.errors_by_weekday(forecast), every=1),
    ]
    sections += [_day_section(forecast, named_days), *loss_sections(history)]
    inside = _inside(model, x, days or (), features or ())
    if inside is not None:
        from gatewise.pages.inside_sections import inside_facts, inside_sections

        sections += inside_sections(inside)
        facts = {**facts, **inside_facts(inside)}
    words = {"title": title, "headline": measures.headline(metrics), "lede": _lede(forecast, metrics)}
    return render(**words, results=_results(metrics), sections=sections, facts=facts)


def _inside(model: Any, x: Array | None, days: Sequence[str], features: Sequence[str]) -> Inside | None:
    """Return the network to look into and the rows to do it with, if there is one."""
    from gatewise.layers import Layer
    from gatewise.pages.inside import Inside

    if isinstance(model, Layer):
        return None if x is None else Inside(model, x, rows=days, features=features, compare="rnn")
    if model is None:
        return None
    from gatewise.pages.series import looked_into

    return looked_into(model, compare="rnn")


def _lede(forecast: DataFrame, metrics: Mapping[str, Any]) -> str:
    times = measures.times(forecast)
    missing = int(forecast["truth"].isna().sum())
    gaps = f", {missing:,} of them without a reading" if missing else ""
    covered = metrics.get("coverage")
    inside = "" if covered is None else f"{percent(covered)} of the values lie within the interval. "
    return (
        f"Tested on {span(times[0], times[-1])}: {len(forecast):,} hours{gaps}. {inside}"
        f"The run took {number(metrics['seconds'])} seconds with seed {metrics['seed']}."
    )


def _results(metrics: Mapping[str, Any]) -> Results:
    """Return a row for each way to forecast: its errors as text, and its bar in percent of the longest."""
    model = float(metrics["model"]["mae"])
    longest = max((float(metrics[name]["mae"]) for name in FORECASTS if metrics[name]["mae"] > 0), default=1.0)
    rows = []
    for name, label in FORECASTS.items():
        mae, rmse = float(metrics[name]["mae"]), float(metrics[name]["rmse"])
        against = "" if name == "model" else f"model {compared(model, mae)}".removesuffix(" with")
        width = 100 * mae / longest if mae > 0 else 0.0
        rows.append(Result(name, label, number(mae), width, number(rmse), against))
    return Results(f"Errors in {UNIT}", "Forecast", "MAE", UNIT, "RMSE", rows)


def _forecast_section(forecast: DataFrame) -> Section:
    from gatewise.pages.forecasts import forecast_section

    return forecast_section(
        forecast,
        SERIES,
        unit="vehicles per hour",
        intro="Vehicles per hour, each day forecast at once. Drag the window in the strip below, or use the buttons.",
        muted=("same_hour_last_week", "same_hour_yesterday"),
        windows=Windows({7 * DAY: "1 week", 14 * DAY: "2 weeks", 30 * DAY: "30 days", 0: "All"}, dates=True),
    )


def _profile_section(id: str, along: str, table: DataFrame, every: int) -> Section:
    """Return the mean error along hours or weekdays, of which every `every`-th is labeled."""
    from gatewise.pages.figures import profile_figure

    return Section(
        id=id,
        heading=f"Error by {along}",
        intro="Mean absolute error, vehicles per hour.",
        alt=f"Line chart of the mean absolute error by {along}. " + _extremes(table),
        figure=profile_figure(table, every),
        legend=FORECASTS,
        tables=[_profile(f"Mean absolute error by {along}, vehicles/h", along.split()[0].capitalize(), table)],
        half=True,
    )


def _day_section(forecast: DataFrame, named_days: Mapping[str, str] | None) -> Section:
    from gatewise.pages.figures import day_figure

    table = measures.errors_by_day(forecast, named_days)
    worst = measures.worst(table, 5)
    return Section(
        id="day",
        heading="Which days went wrong",
        intro="Mean absolute error of each day, vehicles per hour; the days with the largest errors carry their date.",
        alt="Bar chart of the model's mean absolute error of each day. " + _extremes(table),
        figure=day_figure(table),
        legend={name: FORECASTS[name] for name in ("model", "same_hour_last_week")},
        tables=[_profile("The five days with the largest error of the model, vehicles/h", "Day", worst, open=True)],
    )


def _profile(caption: str, what: str, table: DataFrame, *, open: bool = False) -> TextTable:
    rows = [
        [str(row["label"]), *(number(float(row[name])) for name in FORECASTS)]
        for row in table.to_dict(orient="records")
    ]
    return TextTable(caption, [what, *FORECASTS.values()], rows, open)


def _extremes(table: DataFrame) -> str:
    """Return where the model erred least and most, in words."""
    ranked = measures.worst(table, len(table))
    if not len(ranked):
        return "No error is known."
    high, low = ranked.iloc[0], ranked.iloc[-1]
    return (
        f"The model's error is largest for {high['label']} ({number(high['model'])} vehicles/h) "
        f"and smallest for {low['label']} ({number(low['model'])})."
    )

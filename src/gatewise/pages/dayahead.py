"""The demo's page: a day-ahead forecast of hourly traffic beside two naive methods."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gatewise.pages import measures
from gatewise.pages.content import Download, Result, Results, Section, TextTable, Windows
from gatewise.pages.learning import loss_sections
from gatewise.pages.measures import FORECASTS, SERIES, UNIT
from gatewise.pages.page import render, require
from gatewise.pages.words import compared, interval, number, percent, sentence, span
from gatewise.printing import aligned

if TYPE_CHECKING:
    from pandas import DataFrame

    from gatewise.errors import Array
    from gatewise.pages.inside import Inside

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
        One record per epoch: `epoch`, `loss` and, where there is one, `validation_loss`, as `train` returns them.
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
    levels = getattr(model, "quantiles", ())
    held = sentence(interval(min(levels), max(levels))) if levels else "Interval"
    sections = [
        _forecast_section(forecast, held),
        _profile_section("hour", "hour of day", measures.errors_by_hour(forecast), every=6),
        _profile_section("weekday", "day of week", measures.errors_by_weekday(forecast), every=1),
    ]
    sections.append(_day_section(forecast, named_days))
    folded, network = list(loss_sections(history)), _inside(model, x, days or (), features or ())
    if network is not None:
        from gatewise.pages.inside_sections import inside_facts, inside_sections

        folded += inside_sections(network)
        facts = {**facts, **inside_facts(network)}
    return render(
        title=title,
        headline=measures.headline(metrics),
        lede=_lede(forecast, metrics, held),
        results=_results(metrics),
        sections=sections,
        inside=folded,
        facts=facts,
    )


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


def _lede(forecast: DataFrame, metrics: Mapping[str, Any], held: str) -> str:
    times = measures.times(forecast)
    missing = int(forecast["truth"].isna().sum())
    gaps = f", {missing:,} of them without a reading" if missing else ""
    covered = metrics.get("coverage")
    inside = "" if covered is None else f"The {held[:1].lower() + held[1:]} held {percent(covered)} of the values. "
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


def _forecast_section(forecast: DataFrame, held: str) -> Section:
    from gatewise.pages.forecasts import drawn, forecast_figure, has_interval

    muted = ("same_hour_last_week", "same_hour_yesterday")
    windows = Windows({7 * DAY: "1 week", 14 * DAY: "2 weeks", 30 * DAY: "30 days", 0: "All"}, dates=True)
    days = [day for _, day in forecast.groupby(measures.times(forecast).normalize())]
    first, last = measures.times(forecast)[[0, -1]]
    return Section(
        id="forecast",
        heading="Forecast against measurement",
        intro="Vehicles per hour, each day forecast at once: its line starts at the last reading before it. Drag the "
        "window in the strip below, or use the buttons.",
        alt=f"Line chart of measured and forecast vehicles per hour, {span(first, last)}. "
        f"Measured values reach {number(float(forecast['truth'].max()))}.",
        figure=forecast_figure(drawn(forecast, days, forecast["truth"]), SERIES, held, muted, windows),
        legend={**SERIES, **({"interval": held} if has_interval(forecast) else {})},
        muted=muted,
        windows=windows,
        tables=[_last_day(forecast, days[-1], held)],
    )


def _last_day(forecast: DataFrame, day: DataFrame, held: str) -> TextTable:
    """Return the last of the forecasts as a table, with all of them as a file."""
    titles = SERIES | {"lower": f"{held}: from", "upper": "to"}
    columns = [
        [f"{time:%Y-%m-%d %H:%M}" for time in measures.times(day)],
        *(aligned(day[name].tolist()) for name in day),
    ]
    return TextTable(
        "The last day as a table, vehicles/h",
        ["Hour", *(titles[str(name)] for name in day)],
        list(zip(*columns, strict=True)),
        copy=True,
        download=Download("forecast.csv", forecast.to_csv(float_format="%.6g"), "Download all hours as CSV"),
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

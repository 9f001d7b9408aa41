"""Assembles reports: figures, numbers and words in, one HTML page out that reads nothing from any network."""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from gatewise.errors import GatewiseError
from gatewise.pages.measures import (
    FORECASTS,
    SERIES,
    check_forecast,
    check_metrics,
    compared,
    errors_by_day,
    errors_by_hour,
    errors_by_weekday,
    headline,
    loss_series,
    losses,
    number,
    span,
    times,
    worst,
)

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True)
class Table:
    """A small table of texts; the first column names the row."""

    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Section:
    """One figure with its words: heading, a line of introduction, what it shows for who cannot see it."""

    id: str
    heading: str
    intro: str
    alt: str
    figure: Any
    legend: Mapping[str, str] = field(default_factory=dict)
    muted: Sequence[str] = ()
    windows: Mapping[int, str] = field(default_factory=dict)
    table: Table | None = None
    table_open: bool = False
    half: bool = False


def require() -> None:
    """Raise a `GatewiseError` that says what to install unless Bokeh and Jinja2 are there."""
    missing = [name for name in ("bokeh", "jinja2") if not _importable(name)]
    if missing:
        raise GatewiseError(
            f"a report needs {' and '.join(missing)}, not installed here: run pip install 'gatewise[report]'."
        )


def day_ahead_page(
    *,
    title: str,
    history: Sequence[Mapping[str, Any]],
    forecast: DataFrame,
    metrics: Mapping[str, Any],
    facts: Mapping[str, str],
    named_days: Mapping[str, str] | None = None,
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
        vehicles/h; NaN where there is no value.
    metrics : mapping
        `{"model": {"mae", "rmse"}, "same_hour_last_week": {…}, "same_hour_yesterday": {…}, "seconds", "seed"}`;
        errors in vehicles/h, time in seconds.
    facts : mapping of str to str
        What is worth knowing of data and model, in order, the source and its attribution among it.
    named_days : mapping of str to str, optional
        Names of dates, as `{"2018-07-04": "Independence Day"}`, shown where a day's error is.

    Returns
    -------
    str
        The page, below 3 MB. The same input gives the same text.

    Raises
    ------
    GatewiseError
        If Bokeh or Jinja2 is absent, or the forecast or the metrics lack something.

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
    check_metrics(metrics)
    forecast = check_forecast(forecast)
    sections = [_forecast_section(forecast), _hour_section(forecast), _weekday_section(forecast)]
    sections += [_day_section(forecast, named_days), *_loss_sections(history)]
    words = {"title": title, "headline": headline(metrics), "lede": _lede(forecast, metrics)}
    return render(**words, results=_results(metrics), sections=sections, facts=facts)


def render(
    *,
    title: str,
    headline: str,
    lede: str,
    results: Sequence[Mapping[str, Any]],
    sections: Sequence[Section],
    facts: Mapping[str, str],
) -> str:
    """Return a page with these parts. Every text is escaped; figures are Bokeh models."""
    import jinja2

    from gatewise import __version__

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("gatewise.pages", ""),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {"sort_keys": False, "separators": (",", ":")}
    words = {"title": title, "headline": headline, "lede": lede, "version": __version__}
    items = [_embedded(section) for section in sections]
    parts = {"results": results, "sections": sections, "facts": facts, "items": items, "bokeh": _bokeh_script()}
    return environment.get_template("template.html.jinja").render(**words, **parts)


def _importable(name: str) -> bool:
    try:
        importlib.import_module(name)
    except ImportError:
        return False
    return True


def _bokeh_script() -> str:
    """Return BokehJS without the addresses it would load extras from (MathJax, icon fonts, maps): none is used."""
    from bokeh.resources import Resources

    script = "\n".join(Resources(mode="inline", components=["bokeh"], log_level="warn").js_raw)
    return re.sub(r"""(["`])https?://(?!www\.w3\.org/)[^"`]*\1""", '"about:blank"', script)


def _embedded(section: Section) -> dict[str, Any]:
    """Return the figure as JSON for `Bokeh.embed.embed_item`, with ids that depend on nothing but the figure."""
    from bokeh.core.types import ID
    from bokeh.embed import json_item

    names: dict[str, str] = {}

    def plain(value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            return {name: plain(part, name) for name, part in value.items()}
        if isinstance(value, list):
            return [plain(part) for part in value]
        return names.setdefault(value, f"{section.id}-{len(names)}") if key in ("id", "root_id") else value

    item: dict[str, Any] = plain(dict(json_item(section.figure, ID(f"plot-{section.id}"))))
    return item


def _lede(forecast: DataFrame, metrics: Mapping[str, Any]) -> str:
    missing = int(forecast["truth"].isna().sum())
    gaps = f", {missing:,} of them without a reading" if missing else ""
    return (
        f"Tested on {span(times(forecast)[0], times(forecast)[-1])}: {len(forecast):,} hours{gaps}. "
        f"The run took {number(metrics['seconds'])} seconds with seed {metrics['seed']}."
    )


def _results(metrics: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return a row for each way to forecast: its errors as text, and its bar in percent of the longest."""
    model = float(metrics["model"]["mae"])
    longest = max((float(metrics[name]["mae"]) for name in FORECASTS if metrics[name]["mae"] > 0), default=1.0)
    rows = []
    for name, label in FORECASTS.items():
        mae, rmse = float(metrics[name]["mae"]), float(metrics[name]["rmse"])
        against = "" if name == "model" else f"model {compared(model, mae)}".removesuffix(" with")
        width = f"{100 * mae / longest:.1f}" if mae > 0 else "0"
        rows.append(
            {"name": name, "label": label, "mae": number(mae), "rmse": number(rmse), "against": against, "width": width}
        )
    return rows


def _forecast_section(forecast: DataFrame) -> Section:
    from gatewise.pages.figures import forecast_figure

    dates = span(times(forecast)[0], times(forecast)[-1])
    return Section(
        id="forecast",
        heading="Forecast against measurement",
        intro="Vehicles per hour, each day forecast at once. Drag the window in the strip below, or use the buttons.",
        alt=f"Line chart of measured and forecast traffic in vehicles per hour, {dates}. "
        f"Measured values reach {number(forecast['truth'].max())}.",
        figure=forecast_figure(forecast),
        legend=SERIES,
        muted=("same_hour_last_week", "same_hour_yesterday"),
        windows={7: "1 week", 14: "2 weeks", 30: "30 days", 0: "All"},
    )


def _hour_section(forecast: DataFrame) -> Section:
    from gatewise.pages.figures import profile_figure

    table = errors_by_hour(forecast)
    return Section(
        id="hour",
        heading="Error by hour of day",
        intro="Mean absolute error, vehicles per hour.",
        alt="Line chart of the mean absolute error by hour of day. " + _extremes(table),
        figure=profile_figure(table, every=6),
        legend=FORECASTS,
        table=_profile("Mean absolute error by hour of day, vehicles/h", "Hour", table),
        half=True,
    )


def _weekday_section(forecast: DataFrame) -> Section:
    from gatewise.pages.figures import profile_figure

    table = errors_by_weekday(forecast)
    return Section(
        id="weekday",
        heading="Error by day of week",
        intro="Mean absolute error, vehicles per hour.",
        alt="Line chart of the mean absolute error by day of week. " + _extremes(table),
        figure=profile_figure(table, every=1),
        legend=FORECASTS,
        table=_profile("Mean absolute error by day of week, vehicles/h", "Day", table),
        half=True,
    )


def _day_section(forecast: DataFrame, named_days: Mapping[str, str] | None) -> Section:
    from gatewise.pages.figures import day_figure

    table = errors_by_day(forecast, named_days)
    return Section(
        id="day",
        heading="Which days went wrong",
        intro="Mean absolute error of each day, vehicles per hour; the days the model found hardest carry their date.",
        alt="Bar chart of the model's mean absolute error of each day. " + _extremes(table),
        figure=day_figure(table),
        legend={name: FORECASTS[name] for name in ("model", "same_hour_last_week")},
        table=_profile("The five days with the largest error of the model, vehicles/h", "Day", worst(table, 5)),
        table_open=True,
    )


def _loss_sections(history: Sequence[Mapping[str, Any]]) -> list[Section]:
    """Return the section on training, or none where no loss was recorded."""
    from gatewise.pages.figures import loss_figure

    names = loss_series(history)
    if not names:
        return []
    told = _lowest(history, *list(names.items())[-1])
    return [
        Section(
            id="loss",
            heading="Training",
            intro=f"Loss after each epoch. {told}",
            alt=f"Line chart of the loss by epoch. {told}",
            figure=loss_figure(history),
            legend=names,
            table=_losses(history, names),
        )
    ]


def _lowest(history: Sequence[Mapping[str, Any]], name: str, title: str) -> str:
    """Return when this loss was lowest, in words."""
    values = losses(history, name)
    low = int(np.nanargmin(values))
    return f"{title} loss is lowest, {number(values[low])}, after epoch {history[low]['epoch']} of {len(history)}."


def _losses(history: Sequence[Mapping[str, Any]], names: Mapping[str, str]) -> Table:
    columns = [[str(record["epoch"]) for record in history]]
    columns += [[number(value) for value in losses(history, name)] for name in names]
    return Table("Loss by epoch", ["Epoch", *names.values()], list(zip(*columns, strict=True)))


def _profile(caption: str, what: str, table: DataFrame) -> Table:
    rows = [
        [str(row["label"]), *(number(float(row[name])) for name in FORECASTS)]
        for row in table.to_dict(orient="records")
    ]
    return Table(caption, [what, *FORECASTS.values()], rows)


def _extremes(table: DataFrame) -> str:
    """Return where the model erred least and most, in words."""
    ranked = worst(table, len(table))
    if not len(ranked):
        return "No error is known."
    high, low = ranked.iloc[0], ranked.iloc[-1]
    return (
        f"The model's error is largest for {high['label']} ({number(high['model'])} vehicles/h) "
        f"and smallest for {low['label']} ({number(low['model'])})."
    )

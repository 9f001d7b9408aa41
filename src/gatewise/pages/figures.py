"""The figures of a report: data in, a Bokeh figure out.

Colors here are middle tones that can be read on white and on black; the page's script repaints every renderer from
the style sheet by its name (`truth`, `model`, …), so that light, dark and print each have their own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from bokeh.core.properties import value
from bokeh.layouts import column
from bokeh.models import (
    ColumnDataSource,
    DataRange1d,
    DatetimeTickFormatter,
    FixedTicker,
    HoverTool,
    NumeralTickFormatter,
    PanTool,
    Range1d,
    RangeTool,
    WheelZoomTool,
)
from bokeh.models.annotations import BoxAnnotation
from bokeh.plotting import figure

from gatewise.pages.measures import FORECASTS, SERIES, loss_series, losses, number, short_date, times, worst

if TYPE_CHECKING:
    from pandas import DataFrame

COLORS = {
    "truth": "#7d8590",
    "model": "#2f81f7",
    "same_hour_last_week": "#c9731a",
    "same_hour_yesterday": "#9a6dd7",
    "loss": "#7d8590",
    "validation_loss": "#2f81f7",
}
DASHES = {"same_hour_last_week": "6 3", "same_hour_yesterday": "2 2"}
DAY = pd.Timedelta(days=1)
INK = "#7d8590"
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Liberation Sans', sans-serif"


def forecast_figure(forecast: DataFrame, days: int = 14) -> Any:
    """Return forecast against truth with a strip below that moves the window; it opens on the last `days` days."""
    source = _source(forecast)
    first, last = times(forecast)[0], times(forecast)[-1] + pd.Timedelta(hours=1)
    window = Range1d(start=max(first, last - days * DAY), end=last, bounds=(first, last), name="window")
    main = _figure(340, x_axis_type="datetime", x_range=window, y_range=_from_zero(forecast[list(SERIES)]))
    _dates(main)
    for name in reversed(SERIES):
        _line(main, source, name, muted=name in DASHES)
    main.add_tools(PanTool(dimensions="width"), WheelZoomTool(dimensions="width", modifiers="ctrl"))
    _hover(main, "@time{%a, %b %-d, %Y, %H:%M}", SERIES, formatters={"@time": "datetime"})
    return column(main, _overview(source, main, first, last), sizing_mode="stretch_width", spacing=4)


def loss_figure(history: Sequence[Mapping[str, Any]]) -> Any:
    """Return training and, where there is one, validation loss by epoch, the lowest point marked."""
    names = loss_series(history)
    table = pd.DataFrame({name: losses(history, name) for name in names})
    table.index = pd.Index([int(record["epoch"]) for record in history], name="epoch")
    source = _source(table)
    plot = _figure(280, y_range=_from_zero(table, zero=False))
    plot.xaxis[0].ticker.update(min_interval=1, num_minor_ticks=0)
    plot.yaxis.formatter = NumeralTickFormatter(format="0.[0000]")
    for name in names:
        _line(plot, source, name, marker=True)
    _hover(plot, "Epoch @epoch", names)
    _mark_lowest(plot, table)
    return plot


def profile_figure(table: DataFrame, every: int) -> Any:
    """Return the mean error of model and baselines along hours or weekdays; every `every`-th tick is labeled."""
    source = _source(table.rename_axis("place"))
    plot = _figure(280, y_range=_fitted(), x_range=Range1d(start=-0.4, end=len(table) - 0.6))
    plot.xaxis.ticker = FixedTicker(ticks=list(range(0, len(table), every)))
    plot.xaxis.major_label_overrides = dict(enumerate(table["label"]))
    for name in reversed(FORECASTS):
        _line(plot, source, name, marker=True)
    _hide_from_legend(plot)
    _hover(plot, "@label", FORECASTS)
    return plot


def day_figure(table: DataFrame) -> Any:
    """Return the model's error of each day as bars, same hour last week as dots, the worst days named."""
    source = _source(table.rename_axis("time"))
    plot = _figure(300, x_axis_type="datetime", y_range=_fitted(padding=0.3))
    plot.x_range.update(range_padding=0.04)
    _dates(plot)
    style = {"source": source, "line_color": None}
    plot.vbar(x="time", top="model", width=0.72 * DAY, name="model", fill_color=COLORS["model"], **style)
    other = "same_hour_last_week"
    plot.scatter(x="time", y=other, size=5, name=other, fill_color=COLORS[other], **style)
    _hide_from_legend(plot)
    _hover(plot, "@label", {**FORECASTS, "hours": "Hours measured"})
    _name_worst(plot, table)
    return plot


def _figure(height: int, **options: Any) -> Any:
    plot: Any = figure(height=height, sizing_mode="stretch_width", tools="", toolbar_location=None, **options)
    plot.update(min_border=0, min_border_left=52, min_border_right=12, outline_line_color=None, lod_threshold=None)
    plot.update(background_fill_color=None, border_fill_color=None)
    for axis in plot.axis:
        axis.update(axis_line_color=INK, major_tick_line_color=INK, minor_tick_line_color=None, major_tick_in=0)
        axis.update(major_label_text_color=INK, major_label_text_font=FONT, major_label_text_font_size="12px")
        axis.ticker.desired_num_ticks = 5
    plot.yaxis[0].update(axis_line_color=None, major_tick_line_color=None)
    plot.yaxis[0].formatter = NumeralTickFormatter(format="0,0")
    plot.xgrid.visible = False
    plot.ygrid[0].update(grid_line_color=INK, grid_line_alpha=0.25)
    return plot


def _source(table: DataFrame) -> Any:
    """Return the table with, beside each column of floats, its text for tooltips: NaN becomes a dash."""
    numbers = table.select_dtypes("number")
    texts = {f"{name}_text": [number(entry) for entry in numbers[name]] for name in numbers}
    columns = {str(name): table[name].to_numpy() for name in table}
    return ColumnDataSource({str(table.index.name): table.index.to_numpy(), **columns, **texts})


def _line(plot: Any, source: Any, name: str, *, muted: bool = False, marker: bool = False) -> None:
    x = source.column_names[0]
    style = {"source": source, "name": name, "color": COLORS[name], "muted_alpha": 0.1}
    width = 1.4 if name in DASHES else 2
    plot.line(x, name, line_width=width, line_dash=DASHES.get(name, "solid"), line_join="round", **style)
    plot.renderers[-1].muted = muted
    if marker:
        plot.scatter(x, name, size=4 if name in DASHES else 6, **style)


def _hover(plot: Any, heading: str, names: Mapping[str, str], **options: Any) -> None:
    """Show, above and below the pointer's place on the first axis, every value there in one box."""
    rows = "".join(_hover_row(name, title) for name, title in names.items())
    text = f'<div style="font-weight:600">{heading}</div>{rows}'
    known = [renderer for renderer in plot.renderers if renderer.name in ("model", "loss")][:1]
    tool = HoverTool(tooltips=text, mode="vline", renderers=known, attachment="horizontal", show_arrow=False, **options)
    plot.add_tools(tool)


def _hover_row(name: str, title: str) -> str:
    swatch = f'<span style="color:var(--{name},transparent)">●</span>'
    value_ = f'<span style="font-variant-numeric:tabular-nums">@{name}_text</span>'
    title = f'<span style="flex:1;padding-right:12px">{title}</span>'
    return f'<div style="display:flex;gap:6px">{swatch}{title}{value_}</div>'


def _hide_from_legend(plot: Any) -> None:
    """Let the legend hide these lines, and the range fit the rest, where elsewhere it mutes them."""
    for renderer in plot.renderers:
        renderer.tags = ["hides"]


def _fitted(padding: float = 0.1) -> Any:
    """Return a range from zero that follows the lines shown."""
    return DataRange1d(start=0, only_visible=True, range_padding=padding)


def _from_zero(table: DataFrame, *, zero: bool = True) -> Any:
    """Return a fixed range over the finite values of `table`, from zero unless told otherwise."""
    values = table.to_numpy(dtype=float)
    values = values[np.isfinite(values)]
    high = float(values.max()) if values.size else 1.0
    low = 0.0 if zero or not values.size else float(values.min())
    spread = (high - low) or abs(high) or 1.0
    return Range1d(start=low - (0.0 if zero else 0.05 * spread), end=low + 1.05 * spread)


def _dates(plot: Any) -> None:
    plot.xaxis.formatter = DatetimeTickFormatter(days="%b %-d", months="%b %Y", hours="%b %-d %H:%M", hourmin="%H:%M")


def _overview(source: Any, main: Any, first: pd.Timestamp, last: pd.Timestamp) -> Any:
    """Return the strip below the forecast: all of the truth, with a window to drag."""
    strip = _figure(72, x_axis_type="datetime", x_range=Range1d(start=first, end=last), y_range=main.y_range)
    _dates(strip)
    strip.min_border_top = 4
    strip.yaxis.visible = strip.ygrid.visible = False
    strip.line("time", "truth", source=source, name="truth", color=COLORS["truth"], line_width=0.8)
    box = BoxAnnotation(fill_color=COLORS["model"], fill_alpha=0.18, line_color=COLORS["model"], line_alpha=0.6)
    strip.add_tools(RangeTool(x_range=main.x_range, overlay=box))
    return strip


def _mark_lowest(plot: Any, table: DataFrame) -> None:
    """Ring the lowest point of the last column."""
    name = str(table.columns[-1])
    low = table[[name]].dropna().nsmallest(1, name)
    style = {"size": 13, "fill_alpha": 0, "line_color": COLORS[name], "line_width": 1.5}
    plot.scatter(low.index.to_numpy(), low[name].to_numpy(), name=name, **style)


def _name_worst(plot: Any, table: DataFrame, count: int = 4, apart: int = 8) -> None:
    """Write the date over the worst days, leaving out those too near to a worse one."""
    named: list[pd.Timestamp] = []
    for day in times(worst(table, 3 * count)):
        if len(named) < count and all(abs(day - other) > apart * DAY for other in named):
            named.append(day)
    texts = [short_date(day) for day in named]
    style = {"text_align": "center", "text_font": value(FONT), "text_font_size": "12px", "text_color": INK}
    heights = table[["model", "same_hour_last_week"]].max(axis=1).loc[named].to_numpy()
    plot.text(named, heights, texts, y_offset=-6, name="note", level="annotation", **style)

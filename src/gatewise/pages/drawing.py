"""How figures are drawn: Bokeh plots, lines and hover boxes that look alike on every page.

Colors here are middle tones that can be read on white and on black; the page's script repaints every renderer from
the style sheet by its name (`truth`, `model`, …), so that light, dark and print each have their own.
"""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from bokeh.models import (
    BoxZoomTool,
    ColumnDataSource,
    DataRange1d,
    DatetimeTickFormatter,
    HoverTool,
    NumeralTickFormatter,
    PanTool,
    Range1d,
    RangeTool,
    WheelZoomTool,
)
from bokeh.models.annotations import BoxAnnotation
from bokeh.plotting import figure

from gatewise.pages.words import number

if TYPE_CHECKING:
    from pandas import DataFrame

INK = "#7d8590"
BLUE, ORANGE, PURPLE = "#2f81f7", "#c9731a", "#9a6dd7"
COLORS = {
    "truth": INK,
    "model": BLUE,
    "interval": BLUE,
    "same_hour_last_week": ORANGE,
    "same_hour_yesterday": PURPLE,
    "loss": INK,
    "validation_loss": BLUE,
    "first": BLUE,
    "second": ORANGE,
    "third": PURPLE,
    "fourth": "#3a9c6b",
    "fifth": "#d0559b",
    "sixth": INK,
    "seventh": "#2a9aa8",
}
SLOTS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh")
DASHES = {"same_hour_last_week": "6 3", "same_hour_yesterday": "2 2"}
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Liberation Sans', sans-serif"
WIDE = 52


def plot(height: int, **options: Any) -> Any:
    """Return an empty figure in the page's manner; `options` are those of `bokeh.plotting.figure`."""
    new: Any = figure  # Bokeh's types do not know all that it takes
    drawn = new(height=height, sizing_mode="stretch_width", tools="", toolbar_location=None, **options)
    drawn.update(min_border=0, min_border_left=WIDE, min_border_right=12, outline_line_color=None, lod_threshold=None)
    drawn.update(background_fill_color=None, border_fill_color=None)
    for axis in drawn.axis:
        axis.update(axis_line_color=INK, major_tick_line_color=INK, minor_tick_line_color=None, major_tick_in=0)
        axis.update(major_label_text_color=INK, major_label_text_font=FONT, major_label_text_font_size="12px")
        axis.update(axis_label_text_color=INK, axis_label_text_font=FONT, axis_label_text_font_size="12px")
        axis.update(axis_label_text_font_style="normal", axis_label_standoff=6)
        axis.ticker.desired_num_ticks = 5
    drawn.yaxis[0].update(axis_line_color=None, major_tick_line_color=None)
    drawn.xgrid.visible = False
    drawn.ygrid[0].update(grid_line_color=INK, grid_line_alpha=0.25)
    return drawn


def source(table: DataFrame, name: str | None = None) -> Any:
    """Return the table with, beside each column of floats, its text for hover boxes: NaN becomes a dash."""
    numbers = table.select_dtypes("number")
    texts = {f"{name}_text": [number(entry) for entry in numbers[name]] for name in numbers}
    return ColumnDataSource({str(table.index.name): table.index.to_numpy(), **arrays(table), **texts}, name=name)


def arrays(table: DataFrame) -> dict[str, Any]:
    """Return the columns of a table as arrays by their names."""
    return {str(name): table[name].to_numpy() for name in table}


def line(drawn: Any, data: Any, name: str, *, muted: bool = False, marker: bool = False) -> None:
    """Draw column `name` of `data` over its first column, in the color and dash of that name."""
    x = data.column_names[0]
    style = {"source": data, "name": name, "color": COLORS[name], "muted_alpha": 0.1}
    width = 1.4 if name in DASHES else 2
    drawn.line(x, name, line_width=width, line_dash=DASHES.get(name, "solid"), line_join="round", **style)
    drawn.renderers[-1].muted = muted
    if marker:
        drawn.scatter(x, name, size=4 if name in DASHES else 6, **style)


def band(drawn: Any, data: Any, low: str, high: str) -> None:
    """Fill between two columns of `data`: the interval."""
    style = {"source": data, "name": "interval", "fill_color": COLORS["interval"], "muted_alpha": 0.0}
    drawn.varea(data.column_names[0], low, high, fill_alpha=0.2, **style)


def hover(drawn: Any, heading: str, names: Mapping[str, str], **options: Any) -> None:
    """Show, above and below the pointer's place, every value there in one box; `names` maps columns to their titles.

    `options` are those of Bokeh's `HoverTool`; `heading` is a template of it, titles are plain text.
    """
    rows = "".join(hover_row(name, quoted(title), f"@{name}_text") for name, title in names.items())
    style: dict[str, Any] = {"mode": "vline", "attachment": "horizontal", "show_arrow": False}
    text = f'<div style="font-weight:600">{heading}</div>{rows}'
    drawn.add_tools(HoverTool(tooltips=text, **(style | options)))


def quoted(text: str) -> str:
    """Return `text` for a hover box: neither markup nor one of Bokeh's `@names` and `$names`."""
    return html.escape(text).replace("@", "&#64;").replace("$", "&#36;")


def hover_row(name: str, label: str, template: str) -> str:
    """Return a line of a hover box: a dot in the color `name`, a label (quoted), and Bokeh's template of a value."""
    swatch = f'<span style="color:var(--{name},transparent)">●</span>'
    value = f'<span style="font-variant-numeric:tabular-nums">{template}</span>'
    title = f'<span style="flex:1;padding-right:12px">{label}</span>'
    return f'<div style="display:flex;gap:6px">{swatch}{title}{value}</div>'


def first_line(drawn: Any) -> list[Any]:
    """Return, in a list, the renderer that hover boxes follow: the model's."""
    return [renderer for renderer in drawn.renderers if renderer.name in ("model", "loss", "first")][:1]


def hide_from_legend(drawn: Any) -> None:
    """Let the legend hide these lines, and the range fit the rest, where elsewhere it mutes them."""
    for renderer in drawn.renderers:
        renderer.tags = ["hides"]


def fitted(padding: float = 0.1) -> Any:
    """Return a range from zero that follows the lines shown."""
    return DataRange1d(start=0, only_visible=True, range_padding=padding)


def spread(values: Any, *, zero: bool = False) -> Any:
    """Return a fixed range over the finite `values` with some air; with `zero` from zero, unless all are far above."""
    values = np.asarray(values, dtype=float)
    values = values[np.isfinite(values)]
    high, low = (float(values.max()), float(values.min())) if values.size else (1.0, 0.0)
    low = 0.0 if zero and 0 < low < 0.3 * high else low
    width = (high - low) or abs(high) or 1.0
    return Range1d(start=low if zero and low == 0 else low - 0.05 * width, end=low + 1.05 * width)


def thousands(drawn: Any) -> None:
    """Write numbers on the y axis as 1,000."""
    drawn.yaxis.formatter = NumeralTickFormatter(format="0,0.[000]")


def dates(drawn: Any) -> None:
    """Write times on the x axis as Jul 4, and hours below a day."""
    drawn.xaxis.formatter = DatetimeTickFormatter(days="%b %-d", months="%b %Y", hours="%b %-d %H:%M", hourmin="%H:%M")


def pan_and_wheel(drawn: Any) -> None:
    """Let a drag move the window and the wheel, with Ctrl held, change its length."""
    drawn.add_tools(PanTool(dimensions="width"), WheelZoomTool(dimensions="width", modifiers="ctrl"))


def box_and_wheel(drawn: Any) -> None:
    """Let a drag across zoom in, a double click undo it, and the wheel zoom with Ctrl held."""
    style: dict[str, Any] = {"fill_color": BLUE, "fill_alpha": 0.15, "line_color": BLUE, "line_alpha": 0.6}
    overlay = BoxAnnotation(**style, level="overlay", visible=False)
    zoom = BoxZoomTool(dimensions="width", overlay=overlay)
    drawn.add_tools(zoom, WheelZoomTool(dimensions="width", modifiers="ctrl"))


def overview(data: Any, main: Any, name: str, first: Any, last: Any, **options: Any) -> Any:
    """Return a strip for below `main`: all of column `name`, with a window to drag."""
    strip = plot(72, x_range=Range1d(start=first, end=last, name="whole"), y_range=main.y_range, **options)
    strip.min_border_top = 4
    strip.yaxis.visible = strip.ygrid.visible = False
    strip.line(data.column_names[0], name, source=data, name=name, color=COLORS[name], line_width=0.8)
    box = BoxAnnotation(fill_color=BLUE, fill_alpha=0.18, line_color=BLUE, line_alpha=0.6)
    strip.add_tools(RangeTool(x_range=main.x_range, overlay=box))
    return strip

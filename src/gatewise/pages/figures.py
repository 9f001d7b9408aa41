"""Figures of errors: along hours, weekdays, months or steps ahead, and day by day."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd
from bokeh.core.properties import value
from bokeh.models import FixedTicker, Range1d

from gatewise.pages import drawing
from gatewise.pages.measures import FORECASTS, times, worst
from gatewise.pages.words import short_date

if TYPE_CHECKING:
    from pandas import DataFrame

DAY = pd.Timedelta(days=1)


def profile_figure(table: DataFrame, every: int, names: Mapping[str, str] = FORECASTS) -> Any:
    """Return the mean error of model and other methods along hours or weekdays; every `every`-th tick is labeled."""
    source = drawing.source(table.rename_axis("place"))
    plot = drawing.plot(280, y_range=drawing.fitted(), x_range=Range1d(start=-0.4, end=len(table) - 0.6))
    plot.xaxis.ticker = FixedTicker(ticks=list(range(0, len(table), every)))
    plot.xaxis.major_label_overrides = dict(enumerate(table["label"]))
    drawing.thousands(plot)
    for name in reversed([*names]):
        drawing.line(plot, source, name, marker=True)
    drawing.hide_from_legend(plot)
    drawing.hover(plot, "@label", names, renderers=drawing.first_line(plot))
    return plot


def day_figure(table: DataFrame) -> Any:
    """Return the model's error of each day as bars, same hour last week as dots, the worst days named."""
    source = drawing.source(table.rename_axis("time"))
    plot = drawing.plot(300, x_axis_type="datetime", y_range=drawing.fitted(padding=0.3))
    plot.x_range.update(range_padding=0.04)
    drawing.dates(plot)
    drawing.thousands(plot)
    style = {"source": source, "line_color": None}
    plot.vbar(x="time", top="model", width=0.72 * DAY, name="model", fill_color=drawing.COLORS["model"], **style)
    other = "same_hour_last_week"
    plot.scatter(x="time", y=other, size=5, name=other, fill_color=drawing.COLORS[other], **style)
    drawing.hide_from_legend(plot)
    names = {**FORECASTS, "hours": "Hours measured"}
    drawing.hover(plot, "@label", names, renderers=drawing.first_line(plot))
    _name_worst(plot, table)
    return plot


def _name_worst(plot: Any, table: DataFrame, count: int = 4, apart: int = 8) -> None:
    """Write the date over the worst days, leaving out those too near to a worse one."""
    named: list[pd.Timestamp] = []
    for day in times(worst(table, 3 * count)):
        if len(named) < count and all(abs(day - other) > apart * DAY for other in named):
            named.append(day)
    texts = [short_date(day) for day in named]
    style = {"text_align": "center", "text_font": value(drawing.FONT), "text_font_size": "12px"}
    heights = table[["model", "same_hour_last_week"]].max(axis=1).loc[named].to_numpy()
    shown = {"text_color": drawing.INK, "y_offset": -6, "name": "note", "level": "annotation"}
    plot.text(named, heights, texts, **style, **shown)

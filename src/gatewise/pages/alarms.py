"""Values of a forecaster's series that it would not have expected one step before: a figure and a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from gatewise.forecasting.anomalies import looked_back
from gatewise.pages import drawing
from gatewise.pages.content import Section, TextTable
from gatewise.pages.forecasts import Drawn, forecast_figure, windows_for, with_plain_index
from gatewise.pages.words import count, time_texts
from gatewise.printing import aligned

if TYPE_CHECKING:
    from pandas import DataFrame

    from gatewise.pages.outlook import Outlook

RATE = 0.01
MOST = 2000  # values of a series
ALL = 20_000  # values of all series
ROWS = 50  # of the table
NAMES = {"truth": "Measured", "model": "Forecast one step before"}
KINDS = {"spike": "far from its forecast", "shift": "on one side for long", "stuck": "the same again and again"}


def alarm_sections(outlook: Outlook, y: Any, X: Any) -> list[Section]:
    """Return the values that raise an alarm; nothing where y is not what the forecaster has seen, or none does."""
    most = max(1, min(MOST, ALL // len(outlook.names)))
    frames = looked_back(outlook.model._state, y, X, rate=RATE, most=most)
    raised = [int(frame["alarm"].sum()) for frame in frames]
    if not sum(raised):
        return []
    number = int(np.argmax(raised))
    drawn = _drawn(frames[number])
    seen = sum(int(frame["p_value"].notna().sum()) for frame in frames)
    shown = f" The figure shows {outlook.names[number]}." if outlook.several else ""
    section = Section(
        id="alarms",
        heading="Unusual values",
        intro=(
            f"Of the last {count(seen, 'value')} {sum(raised):,} raise an alarm: they lie where the forecaster would "
            f"not have expected them one step before. In series that go on as they "
            f"were, {100 * RATE:g} % do.{shown}"
        ),
        alt="Line chart of measured values, their forecasts one step before, and the values that raise an alarm.",
        figure=_figure(drawn),
        legend={**NAMES, "second": "Raises an alarm"},
        windows=windows_for(drawn.main),
        tables=[_table(outlook, frames)],
    )
    return [section]


def _drawn(frame: DataFrame) -> Drawn:
    """Return the values with the forecast of each."""
    columns = {"truth": frame["value"], "model": frame["forecast"], "second": frame["value"].where(frame["alarm"])}
    main = with_plain_index(pd.DataFrame(columns))
    main = main.assign(anchor=main["truth"].fillna(main["model"]))
    return Drawn(main, main.drop(columns="truth"))


def _figure(drawn: Drawn) -> Any:
    """Return forecasts and values as the page draws them, with a mark at each alarm."""
    figure = forecast_figure(drawn, NAMES, "", windows=windows_for(drawn.main))
    plot = figure.children[0]
    marks = drawing.source(drawn.main[["second"]].dropna(), "marks")
    style = {"source": marks, "name": "second", "color": drawing.COLORS["second"], "size": 8}
    plot.scatter(marks.column_names[0], "second", **style)
    return figure


def _table(outlook: Outlook, frames: list[DataFrame]) -> TextTable:
    """Return the alarms, the most unusual first."""
    parts = []
    for name, frame in zip(outlook.names, frames, strict=True):
        part = frame[frame["alarm"]]
        parts.append(part.assign(time=part.index.to_series(), series=name))
    every = pd.concat(parts, ignore_index=True).sort_values("p_value", kind="stable").head(ROWS)
    columns = [time_texts(every["time"]), *(aligned(every[name].tolist()) for name in ("value", "forecast"))]
    columns += [[f"{p:.2g}" for p in every["p_value"]], [KINDS[kind] for kind in every["kind"]]]
    header = ["Time", "Value", "Forecast", "p-value", "Why"]
    if outlook.several:
        columns, header = [every["series"].tolist(), *columns], ["Series", *header]
    return TextTable("The most unusual values", header, [list(row) for row in zip(*columns, strict=True)])

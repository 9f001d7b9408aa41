"""The section on forecasts: measured values, the model's with its interval, and what it is held against, over time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from bokeh.layouts import column
from bokeh.models import Range1d

from gatewise.pages import drawing
from gatewise.pages.content import Section, Windows
from gatewise.pages.words import number, span

if TYPE_CHECKING:
    from pandas import DataFrame

DAY = pd.Timedelta(days=1)
LENGTHS = {
    "1 day": DAY,
    "1 week": 7 * DAY,
    "2 weeks": 14 * DAY,
    "30 days": 30 * DAY,
    "1 year": 365 * DAY,
    "5 years": 5 * 365 * DAY,
}


def forecast_section(
    forecast: DataFrame,
    names: Mapping[str, str],
    *,
    unit: str = "",
    intro: str = "",
    id: str = "forecast",
    heading: str = "Forecast against measurement",
    muted: Sequence[str] = (),
    windows: Windows | None = None,
) -> Section:
    """Return the section of one series: `forecast` has the columns `names` (with their titles), and times or steps.

    Columns `lower` and `upper`, where there are some, are drawn as a band.
    """
    first, last = forecast.index[0], forecast.index[-1]
    period = span(first, last) if is_dated(forecast) else f"steps {first} to {last}"
    highest = number(float(forecast["truth"].max()))
    return Section(
        id=id,
        heading=heading,
        intro=intro,
        alt=f"Line chart of measured and forecast values{f' in {unit}' if unit else ''}, {period}. "
        f"Measured values reach {highest}.",
        figure=forecast_figure(forecast, names, muted, windows),
        legend={**names, **({"interval": "Interval"} if has_interval(forecast) else {})},
        muted=muted,
        windows=windows,
    )


def has_interval(forecast: DataFrame) -> bool:
    """Whether the frame has the two ends of an interval."""
    return {"lower", "upper"} <= set(forecast.columns)


def is_dated(frame: DataFrame) -> bool:
    """Whether the rows are times, not steps."""
    return isinstance(frame.index, pd.DatetimeIndex)


def forecast_figure(
    forecast: DataFrame, names: Mapping[str, str], muted: Sequence[str] = (), windows: Windows | None = None
) -> Any:
    """Return forecast against truth with a strip below that moves the window; it opens on the second length."""
    source = drawing.source(forecast)
    window = _window(forecast, windows)
    first, last = window.bounds
    kind = "datetime" if is_dated(forecast) else "linear"
    values = forecast[[*names, *(["lower", "upper"] if has_interval(forecast) else [])]]
    main = drawing.plot(340, x_axis_type=kind, x_range=window, y_range=drawing.spread(values, zero=True))
    drawing.thousands(main)
    if has_interval(forecast):
        drawing.band(main, source, "lower", "upper")
    for name in reversed([*names]):
        drawing.line(main, source, name, muted=name in muted)
    drawing.pan_and_wheel(main)
    _hover(main, forecast, names)
    strip = drawing.overview(source, main, "truth", first, last, x_axis_type=kind)
    if is_dated(forecast):
        drawing.dates(main)
        drawing.dates(strip)
    return column(main, strip, sizing_mode="stretch_width", spacing=4)


def _window(forecast: DataFrame, windows: Windows | None) -> Any:
    """Return the range of the x axis: all of it, or at its end the second of the lengths."""
    first, last = forecast.index[0], forecast.index[-1] + spacing(forecast)
    if windows is None:
        return Range1d(start=first, end=last, bounds=(first, last), name="window")
    length: Any = float([*windows.lengths][1])
    length = pd.Timedelta(milliseconds=length) if is_dated(forecast) else length
    return Range1d(start=max(first, last - length), end=last, bounds=(first, last), name="window")


def _hover(main: Any, forecast: DataFrame, names: Mapping[str, str]) -> None:
    place, options = f"Step @{forecast.index.name}", {}
    if is_dated(forecast):
        hour = ", %H:%M" if spacing(forecast) < DAY else ""
        place = f"@{forecast.index.name}{{%a, %b %-d, %Y{hour}}}"
        options = {"formatters": {f"@{forecast.index.name}": "datetime"}}
    rows = dict(names)
    if has_interval(forecast):
        rows |= {"lower": "Interval from", "upper": "to"}
    drawing.hover(main, place, rows, renderers=drawing.first_line(main), **options)


def spacing(frame: DataFrame) -> Any:
    """Return the usual distance between two rows, a Timedelta or a number; one hour, or one, where there is one row."""
    if not is_dated(frame):
        steps = np.diff(frame.index.to_numpy())
        return float(np.median(steps)) if steps.size else 1.0
    steps = np.diff(pd.DatetimeIndex(frame.index).as_unit("ns").asi8)
    return pd.Timedelta(int(np.median(steps)), unit="ns") if steps.size else pd.Timedelta(hours=1)


def windows_for(frame: DataFrame) -> Windows | None:
    """Return lengths of time that suit the spacing and the length of the frame; none where all of it fits."""
    if not is_dated(frame):
        return None
    step = spacing(frame)
    total = frame.index[-1] - frame.index[0] + step
    fitting = [(length, text) for text, length in LENGTHS.items() if 20 * step <= length < total]
    if len(fitting) < 2:
        return None
    lengths = {length.total_seconds() * 1000: text for length, text in fitting[:3]}
    return Windows(lengths | {0: "All"}, dates=True)

"""The figure of a forecast: measured values, the forecast with its interval, and a simple method, over time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
from bokeh.layouts import column
from bokeh.models import Range1d

from gatewise.pages import drawing
from gatewise.pages.content import Windows

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
ENDS = ("lower", "upper")
JOINED = ("model", *ENDS)


class Drawn(NamedTuple):
    """One series as it is drawn: two frames with the same kind of index, times or steps.

    Attributes
    ----------
    main : DataFrame
        One row per time: columns truth, model and others, lower and upper if there is an interval; NaN for none. Its
        column anchor is where the hover box of a time stands.
    lines : DataFrame
        The same columns but truth, one forecast after the other: each starts at the last observation before it, and a
        row of NaN stands between two of them.
    """

    main: DataFrame
    lines: DataFrame


def drawn(main: DataFrame, forecasts: Sequence[DataFrame], observed: Any) -> Drawn:
    """Return a series with its forecasts, each joined to the last value of `observed` (a Series) before it."""
    columns = [name for name in main.columns if name != "truth"]
    known = observed.dropna()
    pieces = []
    for forecast in forecasts:
        piece = forecast[columns]
        origin = known[known.index < forecast.index[0]].iloc[-1:]
        joint = pd.DataFrame({name: origin if name in JOINED else np.nan for name in columns}, index=origin.index)
        gap = pd.DataFrame(np.nan, index=piece.index[-1:], columns=columns)
        pieces += [joint[columns], piece, gap]
    lines = pd.concat(pieces).astype(float) if pieces else main[columns].iloc[:0]
    main = main.assign(anchor=main["truth"].fillna(main["model"]))
    return Drawn(main, lines.rename_axis(str(main.index.name)))


def plain_index(index: Any) -> Any:
    """Return an index that can be drawn: times without a zone, or numbers; years where times reach too far."""
    if isinstance(index, pd.PeriodIndex | pd.DatetimeIndex):
        try:
            times = index.to_timestamp() if isinstance(index, pd.PeriodIndex) else index.tz_localize(None)
            return times.as_unit("ns").rename("time")
        except (pd.errors.OutOfBoundsDatetime, OverflowError):
            return pd.Index(index.year + (index.month - 1) / 12, name="step")
    return index.rename("step")


def with_plain_index(table: Any) -> Any:
    """Return a frame or Series with an index that can be drawn."""
    return table.set_axis(plain_index(table.index))


def has_interval(forecast: DataFrame) -> bool:
    """Whether the frame has the two ends of an interval."""
    return set(ENDS) <= set(forecast.columns)


def is_dated(frame: DataFrame) -> bool:
    """Whether the rows are times, not steps."""
    return isinstance(frame.index, pd.DatetimeIndex)


def forecast_figure(
    series: Drawn, names: Mapping[str, str], interval: str, muted: Sequence[str] = (), windows: Windows | None = None
) -> Any:
    """Return forecasts and measured values with a strip below that moves the window.

    `names` maps the columns that are drawn to their titles; `interval` is the title of the interval.
    """
    main, lines = (drawing.source(table, name) for table, name in zip(series, ("main", "lines"), strict=True))
    window = _window(series.main, windows)
    kind = "datetime" if is_dated(series.main) else "linear"
    low, high = limits(series.main, names)
    values = Range1d(start=low, end=high, name="values")
    plot = drawing.plot(340, x_axis_type=kind, x_range=window, y_range=values)
    drawing.thousands(plot)
    if has_interval(series.main):
        drawing.band(plot, lines, *ENDS)
    for name in reversed([*names]):
        drawing.line(plot, main if name == "truth" else lines, name, muted=name in muted)
    drawing.pan_and_wheel(plot)
    _hover(plot, main, series.main, names, interval)
    strip = drawing.overview(main, plot, "truth", *window.bounds, x_axis_type=kind)
    if is_dated(series.main):
        drawing.dates(plot)
        drawing.dates(strip)
    return column(plot, strip, sizing_mode="stretch_width", spacing=4)


def limits(main: DataFrame, names: Mapping[str, str]) -> tuple[float, float]:
    """Return the ends of the axis of values."""
    shown = drawing.spread(main[[*names, *(ENDS if has_interval(main) else ())]], zero=True)
    return float(shown.start), float(shown.end)


def ends(main: DataFrame) -> tuple[Any, Any]:
    """Return the ends of the axis of time."""
    return main.index[0], main.index[-1] + spacing(main)


def packed(series: Drawn, names: Mapping[str, str]) -> dict[str, Any]:
    """Return the series as plain data for the page's script, values to six digits."""
    first, last = ends(series.main)
    dated = is_dated(series.main)
    bounds = [_milliseconds(pd.DatetimeIndex([time]))[0] if dated else float(time) for time in (first, last)]
    sources = {name: _columns(table) for name, table in zip(("main", "lines"), series, strict=True)}
    return {"sources": sources, "x": bounds, "y": list(limits(series.main, names))}


def _columns(table: DataFrame) -> dict[str, list[Any]]:
    index = _milliseconds(table.index) if is_dated(table) else table.index.to_numpy(float).tolist()
    columns = {str(name): [_plain(value) for value in table[name]] for name in table}
    return {str(table.index.name): index, **columns}


def _plain(value: float) -> float | None:
    return float(f"{value:.6g}") if np.isfinite(value) else None


def _milliseconds(index: Any) -> list[int]:
    times: list[int] = pd.DatetimeIndex(index).as_unit("ms").asi8.tolist()
    return times


def _window(main: DataFrame, windows: Windows | None) -> Any:
    """Return the range of the x axis: all of it, or at its end the second of the lengths."""
    first, last = ends(main)
    if windows is None:
        return Range1d(start=first, end=last, bounds=(first, last), name="window")
    length: Any = float([*windows.lengths][1])
    length = pd.Timedelta(milliseconds=length) if is_dated(main) else length
    return Range1d(start=max(first, last - length), end=last, bounds=(first, last), name="window")


def _hover(plot: Any, source: Any, main: DataFrame, names: Mapping[str, str], interval: str) -> None:
    """Show all values of a time, those of the model and of what was measured alike."""
    index = main.index.name
    place, options = f"Step @{index}", {}
    if is_dated(main):
        hour = ", %H:%M" if spacing(main) < DAY else ""
        place = f"@{index}{{%a, %b %-d, %Y{hour}}}"
        options = {"formatters": {f"@{index}": "datetime"}}
    rows = dict(names)
    if has_interval(main):
        rows |= {"lower": f"{interval} from", "upper": "to"}
    anchor = plot.line(index, "anchor", source=source, line_alpha=0)
    drawing.hover(plot, place, rows, renderers=[anchor], **options)


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

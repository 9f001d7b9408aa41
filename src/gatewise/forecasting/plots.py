"""The picture of a forecast: what was observed, the median and an interval; by matplotlib, or else by Bokeh."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from gatewise.errors import Array, GatewiseValueError, check_choice, check_number
from gatewise.forecasting.given import Given
from gatewise.forecasting.inspection import observed
from gatewise.forecasting.long import Names
from gatewise.forecasting.state import State
from gatewise.printing import listed

LIBRARIES = ("matplotlib", "bokeh")
MOST = 12  # series in one picture
INK, BLUE = "#7d8590", "#2f81f7"  # of what was observed and of the model, as on the report page
SIZE = (8.0, 2.6)  # inches, of the picture of one series
HEIGHT = 260  # pixels of one


class Curve(NamedTuple):
    """One series as it is drawn, on an index of times without a zone or of numbers.

    Attributes
    ----------
    title : str
    observed : Series
    forecast : DataFrame
        Columns low, median and high; the first row is the last observation.
    """

    title: str
    observed: pd.Series
    forecast: pd.DataFrame


def curves_of(state: State, quantiles: Array, history: Any, names: Any) -> list[Curve]:
    """Return what is drawn of the series called `names`, or of the first twelve.

    Parameters
    ----------
    state : State
    quantiles : float64 (series, horizon, 3)
        Lower end, median and upper end.
    history : int, any container of the series, or None
    names : name or list of names, or None
    """
    observations = _history(state, history, 4 * quantiles.shape[1])
    curves = []
    for k in _chosen(state.container.names, names):
        forecast = pd.DataFrame(quantiles[k], state.axes[k].future(quantiles.shape[1]), ["low", "median", "high"])
        name = state.container.names[k]
        curves.append(_curve("" if name is None else str(name), observations[k], forecast))
    return curves


def _history(state: State, history: Any, usual: int) -> list[pd.Series]:
    """The observations of each series: those that are given, or the last ones."""
    if history is None or isinstance(history, int | np.integer):
        check_number("history", usual if history is None else history, 1, integer=True)
        return [observed(state, k).iloc[-(history or usual) :] for k in range(len(state.axes))]
    form, names = state.container.form, state.container.names
    _, parts = Given.of(history, None, None, Names() if form is None else form.names).split()
    by_name = {part.name: part for part in parts}
    if len(by_name) == len(parts) and set(names) <= set(by_name):
        parts = [by_name[name] for name in names]
    if len(parts) != len(names):
        raise GatewiseValueError(f"history holds {len(parts)} series; need the {len(names)} of the fit, or a number.")
    return [part.sort_index() for part in parts]


def _chosen(names: Sequence[Any], wanted: Any) -> list[int]:
    """Return the numbers of the series that are wanted."""
    if wanted is None:
        return list(range(min(len(names), MOST)))
    wanted = wanted if isinstance(wanted, list | tuple) else [wanted]
    absent = [name for name in wanted if name not in names]
    if absent or not wanted:
        raise GatewiseValueError(f"series is {wanted!r}; need some of {listed(map(repr, names))}.")
    return [names.index(name) for name in wanted]


def _curve(title: str, observations: pd.Series, forecast: pd.DataFrame) -> Curve:
    """Let a forecast begin at the last observation, and give both an index that can be drawn."""
    seen = observations.dropna().iloc[-1:]
    if len(seen) and seen.index[0] < forecast.index[0]:
        forecast = pd.concat([pd.DataFrame(dict.fromkeys(forecast, seen)), forecast])
    return Curve(title, observations.set_axis(_plain(observations.index)), forecast.set_axis(_plain(forecast.index)))


def draw(curves: Sequence[Curve], interval: str, library: str | None) -> Any:
    """Draw the curves, one below the other.

    Parameters
    ----------
    curves : sequence of Curve
    interval : str
        What the legend calls the interval.
    library : "matplotlib", "bokeh" or None
        None for the first of them that is installed.

    Returns
    -------
    Axes, array of Axes, or a model of Bokeh
    """
    if library is not None:
        check_choice("library", library, LIBRARIES)
    installed = [name for name in LIBRARIES if find_spec(name) is not None and library in (None, name)]
    if not installed:
        need = library or "matplotlib or Bokeh"
        raise GatewiseValueError(f"plot needs {need}, which is not installed: pip install {library or LIBRARIES[0]}.")
    return {"matplotlib": _matplotlib, "bokeh": _bokeh}[installed[0]](curves, interval)


def _plain(index: Any) -> Any:
    """Times without a zone, or numbers."""
    if isinstance(index, pd.PeriodIndex):
        return index.to_timestamp()
    return index.tz_localize(None) if isinstance(index, pd.DatetimeIndex) else index


def _matplotlib(curves: Sequence[Curve], interval: str) -> Any:
    from matplotlib import pyplot

    size = (SIZE[0], SIZE[1] * len(curves))
    _, axes = pyplot.subplots(len(curves), figsize=size, squeeze=False, layout="constrained")
    for axis, one in zip(axes[:, 0], curves, strict=True):
        axis.plot(one.observed.index, one.observed.to_numpy(), color=INK, label="observed")
        axis.fill_between(
            one.forecast.index, one.forecast["low"], one.forecast["high"], color=BLUE, alpha=0.2, lw=0, label=interval
        )
        axis.plot(one.forecast.index, one.forecast["median"].to_numpy(), color=BLUE, label="median")
        axis.set_title(one.title, loc="left")
    axes[0, 0].legend(loc="upper left", frameon=False)
    return axes[0, 0] if len(curves) == 1 else axes[:, 0]


def _bokeh(curves: Sequence[Curve], interval: str) -> Any:
    from bokeh.layouts import column
    from bokeh.plotting import figure

    new: Any = figure  # Bokeh's types do not know all that it takes
    drawn = []
    for one in curves:
        kind = "datetime" if isinstance(one.observed.index, pd.DatetimeIndex) else "linear"
        plot = new(height=HEIGHT, sizing_mode="stretch_width", title=one.title, x_axis_type=kind)
        times, ends = one.forecast.index.to_numpy(), [one.forecast[name].to_numpy() for name in ("low", "high")]
        plot.varea(times, *ends, fill_color=BLUE, fill_alpha=0.2, legend_label=interval)
        observations = one.observed.to_numpy()
        plot.line(one.observed.index.to_numpy(), observations, color=INK, line_width=1.5, legend_label="observed")
        plot.line(times, one.forecast["median"].to_numpy(), color=BLUE, line_width=2, legend_label="median")
        plot.legend.location = "top_left"
        drawn.append(plot)
    return drawn[0] if len(drawn) == 1 else column(*drawn, sizing_mode="stretch_width")

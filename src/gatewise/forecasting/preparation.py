"""From what users pass to what a forecaster is fitted to: series on even steps, covariates, seasons and calendar."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from gatewise.errors import Array, GatewiseValueError
from gatewise.forecasting import calendar, reading
from gatewise.forecasting.axes import Axis
from gatewise.forecasting.calendar import Part
from gatewise.forecasting.covariates import Covariates, Statics
from gatewise.forecasting.fitted import Fitted
from gatewise.forecasting.frequency import natural_seasons, related_seasons
from gatewise.forecasting.given import Given
from gatewise.forecasting.panel import Panel
from gatewise.forecasting.plan import spread
from gatewise.forecasting.reading import Container, RegularSeries
from gatewise.forecasting.state import State, dated_features


class Prepared(NamedTuple):
    """Series that a forecaster can be fitted to.

    Attributes
    ----------
    panel : Panel
    length : int
        Median number of steps of the series.
    axes : tuple of Axis
    container : Container
        What the series came in.
    covariates : Covariates
    calendar : list of (str, int)
        Features of the time stamps, the last columns of `panel.known`.
    seasons : tuple of int
        Those named and those that the time stamps suggest, the shortest first.
    """

    panel: Panel
    length: int
    axes: tuple[Axis, ...]
    container: Container
    covariates: Covariates
    calendar: list[Part]
    seasons: tuple[int, ...]

    def fitted(self, fitted: Fitted) -> State:
        """The state of a forecaster that was fitted to these series."""
        parts = (self.axes, self.container, self.covariates, self.calendar, self.seasons)
        return State(fitted, self.panel, *parts, spread(self.panel, 1)).trimmed()


def prepare(
    given: Given,
    *,
    past_covariates: Sequence[str],
    seasons: tuple[int, ...],
    dated: bool,
    like: Sequence[Part] | None = None,
) -> Prepared:
    """Return the series of `RecurrentForecaster.fit`, checked; `dated` says whether the time stamps are features.

    With `like` these features are those, of another fit.
    """
    container, parts = given.split()
    regular, columns = reading.regular_series(container, parts, given.X)
    series = [_from_first_seen(one) for one in regular]
    covariates = Covariates.fit(columns, past_covariates, series, given.levels)
    statics = Statics.fit(given.static, len(series))
    axes = tuple(one.axis for one in series)
    length = int(np.median([len(one.y) for one in series]))
    seconds = _common_seconds(axes)
    every = {int(season) for season in seasons if season > 1}
    features: list[Part] = []
    if dated:
        every |= set(_suggested_seasons(axes[0], seconds, seasons))
        features = _calendar(axes, seconds, seasons, length) if like is None else list(like)
    panel = _panel(series, covariates, statics.values, features)
    return Prepared(panel, length, axes, container, covariates, features, tuple(sorted(every)))


def _suggested_seasons(axis: Axis, seconds: float | None, named: tuple[int, ...]) -> list[int]:
    """The days, weeks and years of dated series; of others what belongs to the seasons named."""
    if seconds is None:
        return [related for season in named for related in related_seasons(season)]
    return list(natural_seasons(seconds, workdays=axis.frequency == "B"))


def _calendar(axes: Sequence[Axis], seconds: float | None, named: tuple[int, ...], length: int) -> list[Part]:
    """Features of the time stamps; the place in the season of a single series without dates."""
    if seconds is None and len(axes) > 1:
        return []
    return calendar.parts_for(seconds, (seconds or 0.0) * length, named[0] if named else None, length)


def _panel(series: Sequence[RegularSeries], covariates: Covariates, static: Array, parts: list[Part]) -> Panel:
    """Lay series end to end, their covariates standardized and the calendar beside them."""
    dates = [dated_features(parts, one.axis.stamps(len(one.y)), 0) for one in series]
    known = [np.concatenate([covariates.known_of(one.x), d], axis=1) for one, d in zip(series, dates, strict=True)]
    first = np.array([one.axis.number_of_first(len(one.y)) for one in series])
    return Panel.of([one.y for one in series], known, [covariates.past_of(one.x) for one in series], static, first)


def _from_first_seen(series: RegularSeries) -> RegularSeries:
    """The series from its first observation on; raise if it has none."""
    seen = np.flatnonzero(np.isfinite(series.y))
    if not len(seen):
        raise GatewiseValueError(f"{series.name} has no observation; need at least one: leave it out.")
    first = int(seen[0])
    return series._replace(
        y=series.y[first:], x=series.x[first:], axis=replace(series.axis, length=len(series.y) - first)
    )


def _common_seconds(axes: Sequence[Axis]) -> float | None:
    """Length of a step of all series in seconds, None of plain numbers; raise if they differ."""
    frequencies = sorted({repr(axis.frequency) for axis in axes})
    if len(frequencies) > 1:
        raise GatewiseValueError(f"y mixes steps of {', '.join(frequencies)}; need one frequency.")
    seconds = [axis.seconds for axis in axes]
    return None if None in seconds else float(np.median(np.array(seconds, float)))

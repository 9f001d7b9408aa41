"""Rolling origins: forecasts made at several places near the end of the series, beside the simple methods."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn.base import clone

from gatewise.comparison import MODEL, Comparison
from gatewise.errors import Array, GatewiseValueError, check_number
from gatewise.forecasting import reading
from gatewise.forecasting.lengths import no_doubts
from gatewise.forecasting.measures import NAMES, measures
from gatewise.forecasting.panel import Panel
from gatewise.forecasting.plan import spread
from gatewise.forecasting.reading import RegularSeries
from gatewise.forecasting.settings import levels_of
from gatewise.forecasting.simple import LABELS, SIMPLE, plain_panel, quantiles
from gatewise.training.runs import UNKEPT, Part, Run, part_of

METHODS = (MODEL, *SIMPLE)
WINDOWS = 12  # forecasts at most, where nobody says how many
CLEARLY = 0.9  # of the error with the usual season, below which another season is that of the simple methods
PARTS = 5  # all of them together are at most one such part of the shortest series


def usual_windows(lengths: Sequence[int], horizon: int) -> int:
    """Return how many forecasts measure a model on series of these lengths, where nobody says how many."""
    return max(1, min(WINDOWS, min(lengths) // (PARTS * horizon)))


class Rolling(NamedTuple):
    """The series with their covariates as pandas objects, and how the origins roll."""

    series: list[RegularSeries]
    columns: list[str]
    static: Any
    horizon: int
    windows: int
    stride: int

    def cut(self, window: int) -> int:
        """Rows after the origin of a window, from 0."""
        return self.horizon + (self.windows - 1 - window) * self.stride

    @property
    def longest(self) -> int:
        """Rows of the longest series."""
        return max(len(one.y) for one in self.series)

    def part(self, one: RegularSeries, rows: slice) -> tuple[pd.Series, pd.DataFrame | None]:
        """Rows of a series and of its covariates."""
        index = one.axis.past(len(one.y))[rows]
        x = pd.DataFrame(one.x[rows], index, self.columns) if self.columns else None
        return pd.Series(one.y[rows], index), x

    def past(self, window: int) -> Panel:
        """What lies before the origin of a window, without covariates."""
        return plain_panel([one.y[: len(one.y) - self.cut(window)] for one in self.series])

    def parts(self, before: int, after: int) -> tuple[list[pd.Series], list[pd.DataFrame] | None]:
        """All series from `before` to `after` rows before their ends."""
        cut = [self.part(one, slice(max(0, len(one.y) - before), len(one.y) - after)) for one in self.series]
        return [y for y, _ in cut], [x for _, x in cut if x is not None] or None


class Measured(NamedTuple):
    """What a window shows: forecasts of all methods beside what came.

    Attributes
    ----------
    steps : list of Index
        The steps ahead of each series.
    quantiles : float64 (series, methods, horizon, levels)
    truth : float64 (series, horizon)
    scale : float64 (series, horizon)
        The unit of MASE.
    """

    steps: list[Any]
    quantiles: Array
    truth: Array
    scale: Array


@dataclass(frozen=True)
class Backtest:
    """What rolling origins showed: made once, read by whoever prints, writes or draws it.

    Attributes
    ----------
    windows : list of Measured
        One an origin, the earliest first.
    levels : tuple of float
        Of the quantiles.
    names : list
        Of the series.
    horizon : int
        Steps that each forecast has.
    season : int
        Steps of the season that the simple methods have; 1 for none.
    """

    windows: list[Measured]
    levels: tuple[float, ...]
    names: list[Any]
    horizon: int
    season: int

    def measures(self, series: Sequence[int] | None = None) -> pd.DataFrame:
        """Return a row for each window and method, then one a method over "all"; of some series, or of all.

        Its `attrs` hold the best simple method, the measure that decides, and the verdict in words.
        """
        groups = [*((k + 1, [window]) for k, window in enumerate(self.windows)), ("all", self.windows)]
        rows, labels = [], []
        for label, group in groups:
            rows += self._measured(group, series)
            labels += [(label, method) for method in METHODS]
        index = pd.MultiIndex.from_tuples(labels, names=["window", "method"])
        table = pd.DataFrame(rows, index=index, columns=list(NAMES))
        said = self.comparison(series)
        table.attrs = {"best_simple": said.best, "by": said.by, "worth_it": said.worth_it, "verdict": said.verdict}
        return table

    def forecasts(self) -> pd.DataFrame:
        """Return a row for each step of each series in each window."""
        median = self.levels.index(0.5)
        frames = []
        for number, window in enumerate(self.windows):
            for i, name in enumerate(self.names):
                quantiles = window.quantiles[i]
                columns: dict[Any, Any] = {"series": name, "window": number + 1, "truth": window.truth[i]}
                columns |= {method: quantiles[k, :, median] for k, method in enumerate(METHODS)}
                columns |= {level: quantiles[0, :, k] for k, level in enumerate(self.levels)}
                frames.append(pd.DataFrame(columns, index=window.steps[i]))
        return pd.concat(frames)

    def comparison(self, series: Sequence[int] | None = None, unit: str = "") -> Comparison:
        """Return the model beside the simple methods, over all windows; of some series (by number), or of all.

        The mean absolute error decides of one series, the scaled one of several, whose sizes may differ.
        """
        rows = self._measured(self.windows, series)
        count = len(self.names) if series is None else len(series)
        by = "mase" if count > 1 and np.isfinite(rows[0]["mase"]) else "mae"
        methods, names = dict(zip(METHODS, rows, strict=True)), dict(LABELS)
        if self.season > 1:
            names["seasonal_naive"] += f" of {self.season} steps"
        else:  # it is the last value, which has the better name
            methods["seasonal_naive"] = methods.pop("seasonal_naive")
        return Comparison(methods, names, by=by, unit=unit, series=count)

    def _measured(self, windows: list[Measured], series: Sequence[int] | None) -> list[dict[str, float]]:
        """Return the measures of each method."""
        some = slice(None) if series is None else list(series)
        truth, scale, quantiles = (
            np.concatenate([getattr(window, name)[some] for window in windows])
            for name in ("truth", "scale", "quantiles")
        )
        return [measures(truth, quantiles[:, k], self.levels, scale) for k in range(len(METHODS))]


def backtest(
    forecaster: Any,
    y: Any,
    X: Any = None,
    static: Any = None,
    *,
    windows: int,
    stride: int | None = None,
    refit: bool = False,
    run: Run = UNKEPT,
) -> Backtest:
    """Return what rolling origins show of a forecaster; see `RecurrentForecaster.backtest`.

    `run` keeps the trainings of its fits.
    """
    stride = forecaster.horizon if stride is None else stride
    check_number("windows", windows, 1, integer=True)
    check_number("stride", stride, 1, integer=True)
    check_number("horizon", forecaster.horizon, 1, integer=True)
    container, parts = reading.split(y)
    series, columns = reading.regular_series(container, parts, X)
    rolling = Rolling(series, columns, static, forecaster.horizon, windows, stride)
    _check_lengths(rolling)
    levels = levels_of(forecaster.quantiles)
    fitted, forecasts, season = None, [], 1
    for window in range(windows):
        cut = rolling.cut(window)
        if fitted is None or refit:
            fitted = _fit(forecaster, rolling, cut, levels, part_of(run, f"window {window + 1}"))
            season = _season(fitted, rolling.past(0)) if window == 0 else season
        else:
            fitted.update(*rolling.parts(cut + stride, cut))
        forecasts.append(_forecast(fitted, rolling, cut))
    measured = _measured(rolling, np.stack(forecasts), season, levels)
    names = [reading.label(container, i) if name is None else name for i, name in enumerate(container.names)]
    return Backtest(measured, levels, names, forecaster.horizon, season)


def _check_lengths(rolling: Rolling) -> None:
    need = rolling.cut(0) + 2
    for one in rolling.series:
        if len(one.y) < need or not np.isfinite(one.y[: len(one.y) - rolling.cut(0)]).any():
            raise GatewiseValueError(
                f"{one.name} has {len(one.y)} rows; need at least {need}, some of them observed before the first "
                f"of {rolling.windows} windows: ask for fewer, or a shorter stride."
            )


def _fit(forecaster: Any, rolling: Rolling, cut: int, levels: tuple[float, ...], part: Part | None) -> Any:
    y, x = rolling.parts(rolling.longest, cut)
    with no_doubts():
        return clone(forecaster).set_params(quantiles=levels).fit(y, x, rolling.static, checkpoint=part)


def _forecast(fitted: Any, rolling: Rolling, cut: int) -> Array:
    """Quantiles (series, horizon, levels) of the model from `cut` rows before the ends."""
    _, x = rolling.parts(cut, cut - rolling.horizon)
    return np.stack([part.to_numpy() for part in fitted.predict_quantiles(_known_ahead(fitted, x))])


def _measured(rolling: Rolling, model: Array, season: int, levels: tuple[float, ...]) -> list[Measured]:
    """Return the forecasts of the model (windows, series, horizon, levels) beside those of the simple methods."""
    simple = quantiles(rolling.past, rolling.windows, season, rolling.horizon, levels)
    both = np.concatenate([model[:, :, None], simple], axis=2)
    measured = []
    for window in range(rolling.windows):
        ahead, _ = rolling.parts(rolling.cut(window), rolling.cut(window) - rolling.horizon)
        truth, scale = np.stack([part.to_numpy() for part in ahead]), spread(rolling.past(window), season)
        steps = [part.index for part in ahead]
        measured.append(Measured(steps, both[window], truth, np.repeat(scale[:, None], rolling.horizon, axis=1)))
    return measured


def _season(fitted: Any, panel: Panel) -> int:
    """The longest season named, else the shortest that the time stamps suggest, or 1.

    Another of `fitted.seasons_` where the seasonal naive method was clearly better with it in the past.
    """
    named = [] if fitted.season is None else np.ravel(fitted.season).tolist()
    usual = int(max(named, default=min(fitted.seasons_, default=1)))
    unit, shortest = spread(panel, usual), int((panel.stop - panel.start).min())
    errors = {usual: CLEARLY}
    for season in fitted.seasons_:
        if 2 * season <= shortest and season != usual and (unit > 0).any():
            errors[season] = float((spread(panel, season)[unit > 0] / unit[unit > 0]).mean())
    return min(errors, key=errors.__getitem__)


def _known_ahead(fitted: Any, x: list[pd.DataFrame] | None) -> Any:
    """The covariates a forecast may see."""
    known = [name for name in fitted.feature_names_in_ if name not in fitted.past_covariates] if x else []
    return [part[known] for part in x] if x and known else None

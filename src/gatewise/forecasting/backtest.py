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
from gatewise.forecasting.simple import LABELS, SIMPLE

METHODS = (MODEL, *SIMPLE)
WINDOWS = 12  # forecasts at most, where nobody says how many
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
    """

    windows: list[Measured]
    levels: tuple[float, ...]
    names: list[Any]
    horizon: int

    def measures(self, series: Sequence[int] | None = None) -> pd.DataFrame:
        """Return a row for each window and method, then one a method over "all"; of some series, or of all."""
        groups = [*((k + 1, [window]) for k, window in enumerate(self.windows)), ("all", self.windows)]
        rows, labels = [], []
        for label, group in groups:
            rows += self._measured(group, series)
            labels += [(label, method) for method in METHODS]
        index = pd.MultiIndex.from_tuples(labels, names=["window", "method"])
        return pd.DataFrame(rows, index=index, columns=list(NAMES))

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
        """Return the model beside the simple methods, over all windows; of some series (by number), or of all."""
        rows = self._measured(self.windows, series)
        return Comparison(dict(zip(METHODS, rows, strict=True)), LABELS, unit=unit)

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
) -> Backtest:
    """Return what rolling origins show of a forecaster; see `RecurrentForecaster.backtest`."""
    stride = forecaster.horizon if stride is None else stride
    check_number("windows", windows, 1, integer=True)
    check_number("stride", stride, 1, integer=True)
    check_number("horizon", forecaster.horizon, 1, integer=True)
    container, parts = reading.split(y)
    series, columns = reading.regular_series(container, parts, X)
    rolling = Rolling(series, columns, static, forecaster.horizon, windows, stride)
    _check_lengths(rolling)
    levels = levels_of(forecaster.quantiles)
    fitted, measured = None, []
    for window in range(windows):
        cut = rolling.cut(window)
        if fitted is None or refit:
            fitted = _fit(forecaster, rolling, cut, levels)
        else:
            fitted.update(*rolling.parts(cut + stride, cut))
        measured.append(_measured(fitted, rolling, cut, levels))
    names = [reading.label(container, i) if name is None else name for i, name in enumerate(container.names)]
    return Backtest(measured, levels, names, forecaster.horizon)


def _check_lengths(rolling: Rolling) -> None:
    need = rolling.cut(0) + 2
    for one in rolling.series:
        if len(one.y) < need or not np.isfinite(one.y[: len(one.y) - rolling.cut(0)]).any():
            raise GatewiseValueError(
                f"{one.name} has {len(one.y)} rows; need at least {need}, some of them observed before the first "
                f"of {rolling.windows} windows: ask for fewer, or a shorter stride."
            )


def _fit(forecaster: Any, rolling: Rolling, cut: int, levels: tuple[float, ...]) -> Any:
    y, x = rolling.parts(rolling.longest, cut)
    with no_doubts():
        return clone(forecaster).set_params(quantiles=levels).fit(y, x, rolling.static)


def _measured(fitted: Any, rolling: Rolling, cut: int, levels: tuple[float, ...]) -> Measured:
    """Forecast from `cut` rows before the ends by the model and by the simple methods."""
    ahead, x = rolling.parts(cut, cut - rolling.horizon)
    model = np.stack([part.to_numpy() for part in fitted.predict_quantiles(_known_ahead(fitted, x))])
    past, _ = rolling.parts(rolling.longest, cut)
    panel = _panel(past)
    season = _season(fitted)
    simple = [method(panel, season, fitted.horizon, levels) for method in SIMPLE.values()]
    return Measured(
        [part.index for part in ahead],
        np.stack([model, *simple], axis=1),
        np.stack([part.to_numpy() for part in ahead]),
        np.repeat(spread(panel, season)[:, None], rolling.horizon, axis=1),
    )


def _season(fitted: Any) -> int:
    """The longest season the user named; else the shortest that the time stamps suggest, or 1."""
    named = [] if fitted.season is None else np.ravel(fitted.season).tolist()
    return int(max(named, default=min(fitted.seasons_, default=1)))


def _known_ahead(fitted: Any, x: list[pd.DataFrame] | None) -> Any:
    """The covariates a forecast may see."""
    known = [name for name in fitted.feature_names_in_ if name not in fitted.past_covariates] if x else []
    return [part[known] for part in x] if x and known else None


def _panel(past: list[pd.Series]) -> Panel:
    """A panel without covariates."""
    none = [np.zeros((len(part), 0)) for part in past]
    return Panel.of([part.to_numpy() for part in past], none, none, np.zeros((len(past), 0)), np.zeros(len(past), int))

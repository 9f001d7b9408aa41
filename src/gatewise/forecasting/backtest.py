"""Rolling origins: forecasts made at several places near the end of the series, beside the naive methods."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn.base import clone

from gatewise.errors import Array, GatewiseValueError, check_number
from gatewise.forecasting import intervals, reading
from gatewise.forecasting.folds import MOST_HELD_OUT
from gatewise.forecasting.measures import NAMES, measures
from gatewise.forecasting.panel import Panel
from gatewise.forecasting.plan import Plan, spread
from gatewise.forecasting.reading import RegularSeries
from gatewise.forecasting.references import Reference
from gatewise.forecasting.settings import levels_of
from gatewise.forecasting.windows import Windows

METHODS = ("model", "seasonal_naive", "naive", "drift")


class Rolling(NamedTuple):
    """The series with their covariates as pandas objects, and how the origins roll."""

    tables: list[RegularSeries]
    columns: list[str]
    static: Any
    horizon: int
    windows: int
    stride: int

    def cut(self, window: int) -> int:
        """Rows after the origin of a window, from 0."""
        return self.horizon + (self.windows - 1 - window) * self.stride

    def part(self, table: RegularSeries, rows: slice) -> tuple[pd.Series, pd.DataFrame | None]:
        """Rows of a series and of its covariates."""
        index = table.axis.past(len(table.y))[rows]
        x = pd.DataFrame(table.x[rows], index, self.columns) if self.columns else None
        return pd.Series(table.y[rows], index), x

    def parts(self, before: int, after: int) -> tuple[list[pd.Series], list[pd.DataFrame] | None]:
        """All series from `before` to `after` rows before their ends."""
        cut = [self.part(t, slice(max(0, len(t.y) - before), len(t.y) - after)) for t in self.tables]
        return [y for y, _ in cut], [x for _, x in cut if x is not None] or None


def backtest(
    forecaster: Any, y: Any, X: Any, static: Any, *, windows: int, stride: int, refit: bool
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the measures (window, method) and the forecasts; see `RecurrentForecaster.backtest`."""
    check_number("windows", windows, 1, integer=True)
    check_number("stride", stride, 1, integer=True)
    check_number("horizon", forecaster.horizon, 1, integer=True)
    container, series = reading.split(y)
    tables, columns = reading.tables(container, series, X)
    rolling = Rolling(tables, columns, static, forecaster.horizon, windows, stride)
    _check_lengths(rolling)
    levels = levels_of(forecaster.quantiles)
    fitted, parts = None, []
    for window in range(windows):
        cut = rolling.cut(window)
        if fitted is None or refit:
            fitted = _fit(forecaster, rolling, cut, levels)
        else:
            fitted.update(*rolling.parts(cut + stride, cut))
        parts.append(_window(fitted, rolling, window, levels))
    names = [reading.label(container, i) if name is None else name for i, name in enumerate(container.names)]
    every = np.concatenate([values for values, _, _ in parts])
    truth = np.concatenate([truth for _, truth, _ in parts])
    scale = np.concatenate([scale for _, _, scale in parts])
    return _measured(every, truth, scale, levels, windows), _forecasts(parts, rolling, levels, names)


def _check_lengths(rolling: Rolling) -> None:
    need = rolling.cut(0) + 2
    for table in rolling.tables:
        if len(table.y) < need or not np.isfinite(table.y[: len(table.y) - rolling.cut(0)]).any():
            raise GatewiseValueError(
                f"{table.name} has {len(table.y)} rows; need at least {need}, some of them observed before the first "
                f"of {rolling.windows} windows: ask for fewer, or a shorter stride."
            )


def _fit(forecaster: Any, rolling: Rolling, cut: int, levels: tuple[float, ...]) -> Any:
    y, x = rolling.parts(max(len(table.y) for table in rolling.tables), cut)
    return clone(forecaster).set_params(quantiles=levels).fit(y, x, rolling.static)


def _window(fitted: Any, rolling: Rolling, window: int, levels: tuple[float, ...]) -> tuple[Array, Array, Array]:
    """Quantiles (series, methods, horizon, levels), truth (series, horizon) and the unit of MASE (series, horizon)."""
    cut = rolling.cut(window)
    ahead, x = rolling.parts(cut, cut - rolling.horizon)
    predicted = np.stack([part.to_numpy() for part in fitted.predict_quantiles(_known(fitted, x))])
    past, _ = rolling.parts(max(len(table.y) for table in rolling.tables), cut)
    panel = _plain_panel(past)
    season = _season(fitted)
    plain = [_plain(panel, reference, fitted, levels) for reference in _references(season)]
    truth = np.stack([part.to_numpy() for part in ahead])
    scale = np.repeat(spread(panel, season)[:, None], rolling.horizon, axis=1)
    return np.stack([predicted, *plain], axis=1), truth, scale


def _season(fitted: Any) -> int:
    """The longest season the user named; else the shortest that the time stamps suggest, or 1."""
    named = [] if fitted.season is None else np.ravel(fitted.season).tolist()
    return int(max(named, default=min(fitted.seasons_, default=1)))


def _known(fitted: Any, x: list[pd.DataFrame] | None) -> Any:
    """The covariates a forecast may see: those known ahead."""
    known = [name for name in fitted.feature_names_in_ if name not in fitted.past_covariates] if x else []
    return [part[known] for part in x] if x and known else None


def _references(season: int) -> list[Reference]:
    return [Reference("seasonal", season), Reference("naive"), Reference("drift")]


def _plain_panel(past: list[pd.Series]) -> Panel:
    none = [np.zeros((len(part), 0)) for part in past]
    return Panel.of([part.to_numpy() for part in past], none, none, np.zeros((len(past), 0)), np.zeros(len(past), int))


def _plain(panel: Panel, reference: Reference, fitted: Any, levels: tuple[float, ...]) -> Array:
    """Quantiles (series, horizon, levels) of a naive method, calibrated on its own errors in the past."""
    horizon = fitted.horizon
    length = int((panel.stop - panel.start).max())
    noise = spread(panel, reference.season)
    plan = Plan(horizon, 1, length, 1, (), reference, 0, noise, np.where(noise > 0, noise, 1.0))
    windows = Windows(panel, plan, panel.origins(panel.start + 1, panel.stop).thinned(MOST_HELD_OUT))
    error = windows.targets(windows.reference)
    offsets = intervals.offsets(np.repeat(error[..., None], len(levels), axis=2), levels, intervals.growth(error))
    ahead = Windows(panel, plan, panel.ends())
    values = ahead.reference[..., None] + ahead.noise[..., None] * offsets
    return intervals.monotone(values, levels)


def _measured(every: Array, truth: Array, scale: Array, levels: tuple[float, ...], windows: int) -> pd.DataFrame:
    count = len(truth) // windows
    rows, labels = [], []
    for window in (*range(1, windows + 1), "all"):
        at = slice(None) if isinstance(window, str) else slice((window - 1) * count, window * count)
        for k, method in enumerate(METHODS):
            rows.append(measures(truth[at], every[at, k], levels, scale[at]))
            labels.append((window, method))
    index = pd.MultiIndex.from_tuples(labels, names=["window", "method"])
    return pd.DataFrame(rows, index=index, columns=list(NAMES))


def _forecasts(
    parts: list[tuple[Array, Array, Array]], rolling: Rolling, levels: tuple[float, ...], names: list[Any]
) -> pd.DataFrame:
    frames = []
    median = levels.index(0.5)
    for window, (values, truth, _) in enumerate(parts):
        ahead, _ = rolling.parts(rolling.cut(window), rolling.cut(window) - rolling.horizon)
        for i, series in enumerate(ahead):
            columns: dict[Any, Any] = {"series": names[i], "window": window + 1, "truth": truth[i]}
            columns |= {method: values[i, k, :, median] for k, method in enumerate(METHODS)}
            columns |= {level: values[i, 0, :, k] for k, level in enumerate(levels)}
            frames.append(pd.DataFrame(columns, index=series.index))
    return pd.concat(frames)

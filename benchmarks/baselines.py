"""What the estimators are compared with: plain methods of scikit-learn and of the forecasting textbooks.

A labeled set's baseline is `fit(X, y) -> predict`, a series' baseline is `fit(series, horizon, season) -> forecast`,
where `forecast(history)` gives the next `horizon` values after a history that begins as the training series did.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import convolutions
import numpy as np
import pandas as pd
from numpy.typing import NDArray

Array = NDArray[Any]
Predict = Callable[[Any], Array]
Forecast = Callable[[pd.Series], Array]
LONGEST_SEASON = 24  # of exponential smoothing
DAYS = 7  # a week of daily seasons: the second season of most hourly series


def resample(X: Any, steps: int) -> Array:
    """Return (n, steps · channels): each channel of each sequence, linearly interpolated to `steps` even points."""
    rows = [np.asarray(x, float).reshape(len(x), -1) for x in X]
    grid = np.linspace(0, 1, steps)
    return np.array(
        [[np.interp(grid, np.linspace(0, 1, len(row)), channel) for channel in row.T] for row in rows]
    ).reshape(len(rows), -1)


def _on_resampled(model: Any) -> Callable[[Any, Array], Predict]:
    """A model of scikit-learn on standardized series of the training part's median length, at most 500 steps."""

    def fit(X: Any, y: Array) -> Predict:
        steps = int(min(np.median([len(x) for x in X]), 500))
        fitted = model().fit(resample(X, steps), y)
        return lambda Z: fitted.predict(resample(Z, steps))

    return fit


def _on_convolutions(model: Any) -> Callable[[Any, Array], Predict]:
    """A ridge of scikit-learn on what random convolutions of the resampled sequences give (`convolutions.py`)."""

    def fit(X: Any, y: Array) -> Predict:
        steps = int(np.clip(np.median([len(x) for x in X]), 9, 2000))
        width = np.asarray(X[0]).reshape(len(X[0]), -1).shape[1]

        def features(Z: Any) -> Array:
            return convolutions.features(resample(Z, steps).reshape(-1, width, steps))

        fitted = model().fit(features(X), y)
        return lambda Z: fitted.predict(features(Z))

    return fit


def _pipeline(model: Any) -> Any:
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), model)


def _svm() -> Any:
    from sklearn.svm import SVC

    return _pipeline(SVC(C=10))


def _ridge_classifier() -> Any:
    from sklearn.linear_model import RidgeClassifierCV

    return _pipeline(RidgeClassifierCV(np.logspace(-2, 4, 13)))


def _neighbor() -> Any:
    from sklearn.neighbors import KNeighborsClassifier

    return KNeighborsClassifier(1)


def _majority() -> Any:
    from sklearn.dummy import DummyClassifier

    return DummyClassifier()


def _svm_regression() -> Any:
    from sklearn.compose import TransformedTargetRegressor
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVR

    return TransformedTargetRegressor(_pipeline(SVR(C=10)), transformer=StandardScaler())


def _ridge() -> Any:
    from sklearn.linear_model import RidgeCV

    return _pipeline(RidgeCV(np.logspace(-2, 4, 13)))


def _neighbor_regression() -> Any:
    from sklearn.neighbors import KNeighborsRegressor

    return KNeighborsRegressor(1)


def _mean() -> Any:
    from sklearn.dummy import DummyRegressor

    return DummyRegressor()


CLASSIFIERS = {
    "majority": _on_resampled(_majority),
    "1-NN": _on_resampled(_neighbor),
    "ridge": _on_resampled(_ridge_classifier),
    "RBF SVM": _on_resampled(_svm),
    "convolutions": _on_convolutions(_ridge_classifier),
}
REGRESSORS = {
    "mean": _on_resampled(_mean),
    "1-NN": _on_resampled(_neighbor_regression),
    "ridge": _on_resampled(_ridge),
    "RBF SVM": _on_resampled(_svm_regression),
    "convolutions": _on_convolutions(_ridge),
}


def naive(series: pd.Series, horizon: int, season: int | None) -> Forecast:
    """The last value seen."""
    return lambda history: np.full(horizon, history.dropna().iloc[-1])


def drift(series: pd.Series, horizon: int, season: int | None) -> Forecast:
    """The line through the first and the last value seen."""

    def forecast(history: pd.Series) -> Array:
        values = _filled(history)
        return values[-1] + np.arange(1, horizon + 1) * (values[-1] - values[0]) / (len(values) - 1)

    return forecast


def seasonal_naive(series: pd.Series, horizon: int, season: int | None) -> Forecast:
    """The last season again; the last value without one."""
    return lambda history: np.resize(_filled(history)[-(season or 1) :], horizon)


def autoregression(series: pd.Series, horizon: int, season: int | None, order: int = 9) -> Forecast:
    """AR(9) with a constant by least squares, iterated; of lower order where there are under 40 points."""
    order = min(order, max(1, len(series) // 4 - 1))
    return _iterated(series, horizon, range(1, order + 1), calendar=False)


def seasonal_autoregression(series: pd.Series, horizon: int, season: int | None) -> Forecast:
    """Iterated least squares on recent lags, those around one season, seven seasons and two; hour and weekday.

    The calendar comes in as indicator columns where the series is dated and its points are shorter than a day.
    """
    if not season:
        return autoregression(series, horizon, season)
    wanted = [*range(1, 10), season - 1, season, season + 1, 2 * season, 2 * season + 1]
    week = DAYS * season
    wanted += [week - 1, week, week + 1] if len(series) >= 3 * week else []
    return _iterated(series, horizon, sorted({lag for lag in wanted if 0 < lag <= len(series) // 3}), calendar=True)


def _iterated(series: pd.Series, horizon: int, lags: Sequence[int], calendar: bool) -> Forecast:
    steps, values = np.asarray(lags), _filled(series)
    rows = np.arange(steps.max(), len(values))
    known = _calendar(series.index) if calendar else np.ones((len(series), 1))
    rows = rows[np.isfinite(series.to_numpy(float)[rows])]
    x = np.column_stack([values[rows[:, None] - steps], known[rows]])
    weights = np.linalg.lstsq(x, values[rows], rcond=None)[0]

    def forecast(history: pd.Series) -> Array:
        path = np.concatenate([_filled(history), np.zeros(horizon)])
        ahead = _calendar_ahead(history.index, horizon) if calendar else np.ones((horizon, 1))
        for k in range(horizon):
            row = len(history) + k
            path[row] = np.concatenate([path[row - steps], ahead[k]]) @ weights
        return path[len(history) :]

    return forecast


def direct_autoregression(series: pd.Series, horizon: int, season: int | None) -> Forecast:
    """One ridge regression for each step ahead: the last season, the same point in seasons before, calendar.

    Strength by generalized cross-validation. Falls back on `autoregression` without a season or with few of them.
    """
    if not season or len(series) < 8 * season:
        return autoregression(series, horizon, season)
    seasons = [j for j in (1, 2, 3, DAYS) if len(series) >= 3 * j * season]
    models = [_fit_direct(series, k, season, seasons) for k in range(1, horizon + 1)]

    def forecast(history: pd.Series) -> Array:
        values, origin = _filled(history), np.array([len(history) - 1])
        ahead = _calendar_ahead(history.index, horizon)
        rows = [_direct_features(values, origin, k, season, seasons) for k in range(1, horizon + 1)]
        known = [np.column_stack([row, ahead[[k]]]) for k, row in enumerate(rows)]
        return np.array([model.predict(x)[0] for model, x in zip(models, known, strict=True)])

    return forecast


def _fit_direct(series: pd.Series, lead: int, season: int, seasons: Sequence[int]) -> Any:
    values, target = _filled(series), series.to_numpy(float)
    origins = np.arange((max(seasons) + 1) * season + lead, len(values) - lead)
    origins = origins[np.isfinite(target[origins + lead])]
    x = _direct_features(values, origins, lead, season, seasons)
    known = _calendar(series.index)[origins + lead]
    return _ridge().fit(np.column_stack([x, known]), target[origins + lead])


def _direct_features(values: Array, origins: Array, lead: int, season: int, seasons: Sequence[int]) -> Array:
    recent = values[origins[:, None] - np.arange(min(season, 48))]
    back = [season * max(j, -(-lead // season)) for j in seasons]
    return np.column_stack([recent, values[origins[:, None] + lead - np.array(back)]])


def theta(series: pd.Series, horizon: int, season: int | None) -> Forecast:
    """Theta method of statsmodels, fitted anew at each origin; it removes the season by itself."""
    from statsmodels.tsa.forecasting.theta import ThetaModel

    def forecast(history: pd.Series) -> Array:
        kept = pd.Series(_filled(history)[-20 * (season or 100) :])
        seasonal = bool(season) and len(kept) >= 2 * (season or 1)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = ThetaModel(kept, period=season if seasonal else 1, deseasonalize=seasonal)
            found = model.fit().forecast(horizon).to_numpy()
        return found

    return forecast


def ets(series: pd.Series, horizon: int, season: int | None) -> Forecast:
    """Exponential smoothing of the form with the smallest AICc (statsforecast's AutoETS), fitted anew at each origin.

    Seasons of more than 24 points are taken off by the package's MSTL first, as its authors advise.
    """
    from statsforecast.models import MSTL, AutoETS

    def forecast(history: pd.Series) -> Array:
        values = _filled(history)[-20 * (season or 100) :]
        seasonal = season if season and len(values) >= 2 * season else 1
        trend = AutoETS(model="ZZN") if seasonal > LONGEST_SEASON else None
        model = AutoETS(season_length=seasonal) if trend is None else MSTL(seasonal, trend_forecaster=trend)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found: Array = model.forecast(values, h=horizon)["mean"]
        return found

    return forecast


FORECASTERS = {"naive": naive, "drift": drift, "AR(9)": autoregression, "theta": theta, "ETS": ets}
SEASONAL_FORECASTERS = {
    "naive": naive,
    "drift": drift,
    "seasonal naive": seasonal_naive,
    "AR(9)": autoregression,
    "seasonal AR": seasonal_autoregression,
    "direct AR": direct_autoregression,
    "theta": theta,
    "ETS": ets,
}
NEEDS = {"theta": "statsmodels", "ETS": "statsforecast"}
SIMPLE = ("naive", "drift", "seasonal naive", "theta", "ETS")  # what anybody would try first


def _filled(series: pd.Series) -> Array:
    """The values with gaps filled in by straight lines."""
    return series.astype(float).reset_index(drop=True).interpolate(limit_direction="both").to_numpy()


def _calendar_ahead(index: pd.Index, horizon: int) -> Array:
    """The rows of `_calendar` for the `horizon` points that follow `index`."""
    if not isinstance(index, pd.DatetimeIndex):
        return np.ones((horizon, 1))
    freq = index.freq or pd.infer_freq(index[-50:])
    return _calendar(pd.date_range(index[-1], periods=horizon + 1, freq=freq))[1:]


def _calendar(index: pd.Index) -> Array:
    """A column of ones; for a dated index of steps under a day, indicators of weekday and of hour by kind of day."""
    if not isinstance(index, pd.DatetimeIndex) or index[1] - index[0] >= pd.Timedelta("1D"):
        return np.ones((len(index), 1))
    hour = index.hour.to_numpy()[:, None] == np.arange(24)
    weekday = index.day_of_week.to_numpy()[:, None]
    kinds = [hour, weekday == np.arange(4), hour * (weekday == 5), hour * (weekday == 6)]
    return np.column_stack(kinds).astype(float)

"""`RecurrentForecaster`: series in, the next steps and their quantiles out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from gatewise import descriptions
from gatewise.errors import Array, GatewiseTypeError, GatewiseValueError, check_choice, check_number
from gatewise.forecasting import calendar, fitting, reading
from gatewise.forecasting.axes import Axis
from gatewise.forecasting.covariates import Covariates, Statics
from gatewise.forecasting.frequency import natural_seasons, related_seasons
from gatewise.forecasting.inspection import ForecasterInspection, inspect
from gatewise.forecasting.recurrent import CELLS, NetworkSettings
from gatewise.forecasting.serialization import from_parts, to_parts
from gatewise.forecasting.settings import Settings, levels_of
from gatewise.forecasting.state import State, common_seconds, from_first_seen, panel_of
from gatewise.training import History

Seasons = int | Sequence[int] | None


class RecurrentForecaster(BaseEstimator):  # type: ignore[misc]
    """Forecast one or many series: a GRU on what a simple reference and a linear path miss.

    Parameters
    ----------
    horizon : int
        Steps ahead that every forecast has.
    context : int, optional
        Steps the network reads back; by default the horizon, at least 24 and at most 168, and a third of the series.
    quantiles : sequence of float
        Levels that `predict_quantiles` gives, between 0 and 1.
    season : int or sequence of int, optional
        Steps in a season, such as 24 for the day of hourly data. Days, weeks and years of dated series are found
        without it.
    past_covariates : sequence of str
        Columns of X that are known only up to now; all others must be known ahead.
    calendar : bool
        Whether hour, weekday and month of dated series are features.
    cell : {"gru", "lstm", "rnn"}
    hidden_size, num_layers : int
    dropout : float
    alpha : float
        Decay of weights (AdamW).
    max_iter : int
        Updates of the weights of each network.
    learning_rate_init : float
        Highest rate of the one-cycle schedule.
    batch_size : int
        Windows an update.
    n_networks : int
        Networks that are averaged.
    random_state : int, RandomState or None
    verbose : bool
        Whether to draw a progress bar.

    Attributes
    ----------
    reference_ : str
        The reference that was best: naive, drift, mean, seasonal naive, or a median of seasons.
    seasons_ : tuple of int
    context_ : int
    shares_ : dict
        Share in [0, 1] of the linear path and of the networks, chosen on the validation tail.
    phases_ : int
        Parts of a season that have a linear path each; 1 where all share one.
    networks_ : tuple of Sequential
    history_ : History
        Training on all but the validation tail, with the loss on it.
    n_features_in_ : int
        Columns of X.
    feature_names_in_ : ndarray of str
        Their names; only if there are any.

    Notes
    -----
    The last fifth of every series (at least a horizon, at most half) chooses reference and strength of the ridge
    regression together, whether it differs by the phase of the season (Hastie and Tibshirani, Journal of the Royal
    Statistical Society B 55, 1993), the shares of both paths, and calibrates the quantiles (Romano, Patterson and
    Candès, arXiv 1905.03222); then both paths are fitted again on everything. Residual networks over a simple
    forecast: Smyl, International Journal of Forecasting 36 (2020).

    Examples
    --------
    >>> import numpy as np, pandas as pd, gatewise as gw
    >>> index = pd.date_range("2024-01-01", periods=200, freq="D")
    >>> y = pd.Series(10 + np.sin(np.arange(200) * 2 * np.pi / 7), index)
    >>> forecaster = gw.RecurrentForecaster(7, season=7, max_iter=20, random_state=0).fit(y)
    >>> forecast = forecaster.predict()
    >>> forecast.index[0], bool(abs(forecast.iloc[0] - y.iloc[4]) < 0.05)
    (Timestamp('2024-07-19 00:00:00'), True)
    """

    def __init__(
        self,
        horizon: int,
        *,
        context: int | None = None,
        quantiles: Sequence[float] = (0.1, 0.5, 0.9),
        season: Seasons = None,
        past_covariates: Sequence[str] = (),
        calendar: bool = True,
        cell: str = "gru",
        hidden_size: int = 64,
        num_layers: int = 1,
        dropout: float = 0.0,
        alpha: float = 1e-3,
        max_iter: int = 400,
        learning_rate_init: float = 5e-3,
        batch_size: int = 64,
        n_networks: int = 2,
        random_state: Any = None,
        verbose: bool = False,
    ) -> None:
        self.horizon = horizon
        self.context = context
        self.quantiles = quantiles
        self.season = season
        self.past_covariates = past_covariates
        self.calendar = calendar
        self.cell = cell
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.dropout = dropout
        self.alpha = alpha
        self.max_iter = max_iter
        self.learning_rate_init = learning_rate_init
        self.batch_size = batch_size
        self.n_networks = n_networks
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, y: Any, X: Any = None, static: Any = None) -> Self:
        """Fit to one or many series.

        Parameters
        ----------
        y : Series, DataFrame with one column a series, list of Series or arrays, or array (time,) or (time, series)
            Observations at even steps: dates, periods or whole numbers as index. NaN and absent dates are gaps.
        X : DataFrame or array (time, columns), or for a list of series a list of them, optional
            Covariates beside y; a DataFrame is matched by its index.
        static : DataFrame or array (series, columns), optional
            Numbers that belong to a series as a whole, one row a series.

        Returns
        -------
        RecurrentForecaster
            This object.

        Raises
        ------
        GatewiseError
            If an option, a series, a date or a column cannot be used; it is named.
        """
        self._check_options()
        container, parts = reading.split(y)
        tables, columns = reading.tables(container, parts, X)
        tables = [from_first_seen(table) for table in tables]
        covariates = Covariates.fit(columns, self.past_covariates, tables)
        statics = Statics.fit(static, len(tables))
        axes = tuple(table.axis for table in tables)
        seasons, features = self._time(axes, int(np.median([len(table.y) for table in tables])))
        panel = panel_of(tables, covariates, statics.values, features)
        settings = self._settings(seasons, len(covariates.known), int(np.median([len(table.y) for table in tables])))
        rng = np.random.default_rng(check_random_state(self.random_state).randint(2**31))
        fitted, history = fitting.fit(panel, settings, rng, bool(self.verbose))
        self._take(State(fitted, panel, axes, container, covariates, features, seasons).trimmed(), history)
        return self

    def predict(self, X_future: Any = None) -> Any:
        """Return the median of the next `horizon` steps, in the container that y came in.

        Parameters
        ----------
        X_future : DataFrame or array (horizon, columns), or a list of them, optional
            The covariates known ahead for those steps; needed if there are any.
        """
        state = self._fitted_state()
        values = state.forecast(X_future)[..., state.fitted.levels.index(0.5)]
        return state.container.pack(
            [pd.Series(row, index=axis.future(self.horizon)) for row, axis in zip(values, state.axes, strict=True)]
        )

    def predict_quantiles(self, X_future: Any = None) -> Any:
        """Return every level of `quantiles` for the next `horizon` steps.

        Parameters
        ----------
        X_future : DataFrame or array (horizon, columns), or a list of them, optional
            As in `predict`.

        Returns
        -------
        DataFrame, list of them, or array
            For a Series a column a level; for a DataFrame columns (series, level); for a list a DataFrame each; for
            arrays (horizon, levels) or (horizon, series, levels). Levels never cross.
        """
        state = self._fitted_state()
        names = [float(level) for level in self.quantiles]
        values = state.forecast(X_future)[..., [state.fitted.levels.index(level) for level in names]]
        return state.container.pack_levels(
            [
                pd.DataFrame(part, index=axis.future(self.horizon), columns=pd.Index(names, name="quantile"))
                for part, axis in zip(values, state.axes, strict=True)
            ]
        )

    def update(self, y_new: Any, X_new: Any = None) -> Self:
        """Take new observations, without fitting again: the next forecast starts after them.

        Parameters
        ----------
        y_new : as y in `fit`
            The same series, at later steps; steps left out are gaps.
        X_new : as X in `fit`
            All covariates at those steps; needed if there are any.

        Returns
        -------
        RecurrentForecaster
            This object.
        """
        self._state = self._fitted_state().updated(y_new, X_new)
        return self

    def backtest(
        self,
        y: Any,
        X: Any = None,
        windows: int = 5,
        *,
        static: Any = None,
        stride: int | None = None,
        refit: bool = False,
        return_forecasts: bool = False,
    ) -> Any:
        """Forecast from rolling origins at the end of y and measure the errors; this object is not changed.

        A copy is fitted once, to what lies before the first origin, and updated from origin to origin.

        Parameters
        ----------
        y, X, static
            As in `fit`.
        windows : int
            Number of origins.
        stride : int, optional
            Steps from one origin to the next; by default `horizon`.
        refit : bool
            Whether to fit again at every origin.
        return_forecasts : bool
            Whether to return the forecasts too.

        Returns
        -------
        measures : DataFrame
            Rows (window, method): windows from 1 on and "all"; methods model, seasonal_naive, naive, drift. Columns
            mae, rmse, mase, smape, pinball, and coverage of the outermost quantiles.
        forecasts : DataFrame
            With `return_forecasts`: a row for each step; columns series, window, truth, one a method, one a quantile.
        """
        from gatewise.forecasting.backtest import backtest

        measures, forecasts = backtest(
            self, y, X, static, windows=windows, stride=self.horizon if stride is None else stride, refit=refit
        )
        return (measures, forecasts) if return_forecasts else measures

    def inspect(self, X_future: Any = None, *, windows: int = 6) -> ForecasterInspection:
        """Return what this forecaster last saw, forecasts next, and gives its networks to read.

        Parameters
        ----------
        X_future : DataFrame or array (horizon, columns), or a list of them, optional
            As in `predict`; without it there are no forecasts where covariates are known ahead.
        windows : int
            Highest number of example windows of the networks.

        Returns
        -------
        ForecasterInspection
            Names, observations, forecasts, networks, windows and what the features are called.
        """
        check_number("windows", windows, 1, integer=True)
        return inspect(self._fitted_state(), X_future, windows)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_state")

    def _named_season(self) -> int:
        """The longest season the user named; else the shortest that was found, or 1."""
        return max(_seasons(self.season), default=min(self.seasons_, default=1))

    def _to_parts(self) -> tuple[dict[str, Any], dict[str, Array]]:
        if not self.__sklearn_is_fitted__():
            raise GatewiseValueError("this RecurrentForecaster is not fitted, so there is nothing to save: fit it.")
        description, arrays = to_parts(self._state)
        description["params"] = descriptions.params_to_json(self.get_params(deep=False))
        description["history"] = list(self.history_)
        return description, arrays

    @classmethod
    def _from_parts(cls, description: dict[str, Any], arrays: dict[str, Array]) -> Self:
        self = cls(**descriptions.params_from_json(description["params"], cls))
        self._check_options()
        state = from_parts(description, arrays)
        levels = levels_of(self.quantiles)
        if state.fitted.plan.horizon != self.horizon or state.fitted.levels != levels:
            raise GatewiseValueError("its horizon or quantiles are not those of its arrays: the file is damaged.")
        self._take(state, History(description["history"]))
        return self

    def _check_options(self) -> None:
        for name in ("horizon", "hidden_size", "num_layers", "max_iter", "batch_size", "n_networks"):
            check_number(name, getattr(self, name), 1, integer=True)
        if self.context is not None:
            check_number("context", self.context, 1, integer=True)
        for season in _seasons(self.season):
            check_number("season", season, 1, integer=True)
        check_choice("cell", self.cell, CELLS)
        check_number("dropout", self.dropout, 0, 0.99)
        check_number("alpha", self.alpha, 0)
        check_number("learning_rate_init", self.learning_rate_init, 0, open_low=True)
        if isinstance(self.quantiles, str | float) or not len(self.quantiles):
            raise GatewiseTypeError(f"quantiles is {self.quantiles!r}; need levels such as (0.1, 0.5, 0.9).")
        for level in self.quantiles:
            check_number("quantiles", level, 0, open_low=True)
            if level >= 1:
                raise GatewiseValueError(f"quantiles holds {level}; need levels between 0 and 1.")
        if isinstance(self.past_covariates, str):
            raise GatewiseTypeError("past_covariates is a string; need a list of column names: put it in brackets.")

    def _fitted_state(self) -> State:
        check_is_fitted(self)
        return self._state

    def _time(self, axes: Sequence[Axis], length: int) -> tuple[tuple[int, ...], list[calendar.Part]]:
        """Seasons to look for, shortest first, and the calendar's features, for series of this length."""
        seconds, given = common_seconds(axes), _seasons(self.season)
        seasons = {int(m) for m in given if m > 1}
        if not self.calendar:
            return tuple(sorted(seasons)), []
        if seconds is None:
            seasons |= {m for season in given for m in related_seasons(season)}
        else:
            seasons |= set(natural_seasons(seconds, axes[0].frequency == "B"))
        if seconds is None and len(axes) > 1:
            return tuple(sorted(seasons)), []
        first = given[0] if given else None
        return tuple(sorted(seasons)), calendar.parts_for(seconds, (seconds or 0.0) * length, first, length)

    def _settings(self, seasons: tuple[int, ...], drivers: int, length: int) -> Settings:
        context = self.context or max(4, min(max(24, self.horizon), 168, length // 3))
        network = NetworkSettings(
            self.cell,
            self.hidden_size,
            self.num_layers,
            self.dropout,
            self.alpha,
            self.max_iter,
            self.learning_rate_init,
            self.batch_size,
        )
        levels = levels_of(self.quantiles)
        return Settings(self.horizon, context, seasons, drivers, levels, self.n_networks, network)

    def _take(self, state: State, history: History) -> None:
        """Keep a fitted state, and show what it holds."""
        fitted, columns = state.fitted, state.covariates.columns
        self._state, self.history_ = state, history
        self.reference_ = str(fitted.plan.reference)
        self.seasons_ = state.seasons
        self.context_ = fitted.plan.context
        self.shares_ = {"linear": fitted.linear_share, "network": fitted.network_share}
        self.phases_ = 1 if fitted.linear is None else len(fitted.linear.weight)
        self.networks_ = fitted.networks
        self.n_features_in_ = len(columns)
        if columns:
            self.feature_names_in_ = np.asarray(columns, dtype=object)


def _seasons(season: Seasons) -> tuple[int, ...]:
    if season is None:
        return ()
    return tuple(season) if isinstance(season, list | tuple | np.ndarray) else (season,)  # type: ignore[return-value]

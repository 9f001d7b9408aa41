"""`RecurrentForecaster`: series in, the next steps and their quantiles out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from numbers import Real
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypedDict, Unpack, overload

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval

from gatewise import descriptions
from gatewise.arrays import is_collection
from gatewise.errors import Array, GatewiseValueError, check_number
from gatewise.estimators import elsewhere, identity
from gatewise.estimators.callbacks import CallbackSupportMixin, NetworkEpochs, with_callbacks
from gatewise.estimators.forecasts import Forecast, Forecasts, Quantiles
from gatewise.estimators.parameters import CONSTRAINTS, COUNT, CheckedParameters
from gatewise.estimators.whole import whole_or_unchanged
from gatewise.forecasting import fitting
from gatewise.forecasting.given import Given
from gatewise.forecasting.lengths import judge_horizon
from gatewise.forecasting.long import Names
from gatewise.forecasting.preparation import Prepared, prepare
from gatewise.forecasting.recurrent import NetworkSettings
from gatewise.forecasting.serialization import from_parts, to_parts
from gatewise.forecasting.settings import Settings, checked_levels, levels_of
from gatewise.forecasting.state import State
from gatewise.limits import Limits
from gatewise.training import History
from gatewise.training.epochs import Callback
from gatewise.training.runs import Keeping, Run

if TYPE_CHECKING:
    from narwhals.typing import IntoDataFrameT as Frame
    from pandas import DataFrame, Series

Seasons = int | Sequence[int] | None
SHARED = ("cell", "hidden_size", "num_layers", "alpha", "learning_rate_init", "random_state", "verbose")
LEAST_CONTEXT = 4  # steps, in series that are next to nothing
DAY, WEEK = 24, 168  # hours; a day is read at least and a week at most, whatever the step


class FitOptions(TypedDict, total=False):
    """Keywords of `RecurrentForecaster.fit`."""

    id: Any
    time: Any
    target: Any
    callbacks: Sequence[Callback]
    checkpoint: Any
    every: int | str
    resume: bool


class RecurrentForecaster(CallbackSupportMixin, Forecasts[Forecast, Quantiles], CheckedParameters):  # type: ignore[misc]
    """Forecast one or many series: a GRU on what simple methods and a linear path, weighed, miss.

    Parameters
    ----------
    horizon : int
        Steps ahead that every forecast has.
    context : int, optional
        Steps the network reads back; by default the horizon, at least 24 and at most 168, and a third of the series.
    quantiles : sequence of float
        Levels that `predict_quantiles` gives, between 0 and 1.
    season : int or sequence of int, optional
        Steps in a season, such as 24 for the day of hourly data. Those of dated series, a day, a week and a year, are
        tried without it.
    past_covariates : sequence of str
        Columns of X that are known only up to now; all others must be known ahead.
    calendar : bool
        Whether hour, weekday and month of dated series are features.
    cell : str or class
        "gru", "lstm", "rnn" or another name or class of a recurrent layer.
    hidden_size, num_layers : int
    dropout : float
    alpha : float
        Decay of weights (AdamW).
    max_updates : int
        Highest number of updates of the weights of each network, rounded to whole epochs.
    max_iter : int, optional
        Highest number of epochs of each network, which are passes over its training windows; None for as many as
        `max_updates` allows, up to 100. The bound that is reached first ends the training.
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
        What is weighed into the forecast that networks add to, in percent over all series: simple methods, and the best
        reference (naive, drift, mean, seasonal naive, or a median of seasons) with its linear path.
    seasons_ : tuple of int
        Steps in each season that was tried, the shortest first.
    context_ : int
        Steps that the networks read back.
    shares_ : dict
        Share in [0, 1] of the linear path ("linear", within its part of the weighted mean) and of the networks
        ("network"), selected on held-out windows.
    phases_ : int
        Parts of a season that have a linear path each; 1 where all share one.
    networks_ : tuple of Sequential
        Fitted to everything; empty where the weighted mean did better alone.
    history_ : History
        Training of the last network by which the shares were selected, with its loss on held-out windows; empty where
        the series are too short to hold any out.
    n_features_in_ : int
        Columns of X.
    feature_names_in_ : ndarray of str
        Their names; only if there are any.

    Notes
    -----
    The last fifth of every series (of short ones up to three folds in the second half) is held out. There reference and
    penalty of the ridge regression are selected together, then whether it differs by the phase of the season (Hastie
    and Tibshirani, Journal of the Royal Statistical Society B 55, 1993). Its forecasts are weighed with those of last
    value, drift, season before, Theta (Assimakopoulos and Nikolopoulos, International Journal of Forecasting 16, 2000)
    and exponential smoothing (Hyndman et al., Forecasting with Exponential Smoothing, 2008), of each form and of all by
    their Akaike weights (Kolassa, International Journal of Forecasting 27, 2011). The weights have the lowest held-out
    error over all series, are shrunk to usual ones where windows are few, and move for each series to what was better
    there than usual. Then the share of networks is selected, and the quantiles are calibrated (Romano, Patterson and
    Candès, arXiv 1905.03222). On short series one network is trained for a moment at first; where it does not lessen
    the error clearly, no other is. At last everything is fitted again to all observations.
    Residual networks over a simple forecast: Smyl, International Journal of Forecasting 36 (2020).

    Examples
    --------
    >>> import numpy as np, pandas as pd, gatewise as gw
    >>> index = pd.date_range("2024-01-01", periods=200, freq="D")
    >>> y = pd.Series(10 + np.sin(np.arange(200) * 2 * np.pi / 7), index)
    >>> forecaster = gw.RecurrentForecaster(7, season=7, max_updates=20, random_state=0).fit(y)
    >>> forecast = forecaster.predict()
    >>> forecast.index[0], bool(abs(forecast.iloc[0] - y.iloc[4]) < 0.05)
    (Timestamp('2024-07-19 00:00:00'), True)
    """

    _parameter_constraints: ClassVar = {
        **{name: CONSTRAINTS[name] for name in SHARED},
        "horizon": [COUNT],
        "context": [COUNT, None],
        "quantiles": ["array-like"],
        "season": [COUNT, "array-like", None],
        "past_covariates": ["array-like"],
        "calendar": ["boolean"],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "max_updates": [COUNT],
        "max_iter": [COUNT, None],
        "batch_size": [COUNT],
        "n_networks": [COUNT],
    }
    _renamed: ClassVar = {"members": "n_networks"}

    def __init__(
        self: RecurrentForecaster[Any, Any],
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
        max_updates: int = 400,
        learning_rate_init: float = 5e-3,
        batch_size: int = 64,
        n_networks: int = 2,
        random_state: Any = None,
        verbose: bool = False,
        max_iter: int | None = None,
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
        self.max_updates = max_updates
        self.max_iter = max_iter
        self.learning_rate_init = learning_rate_init
        self.batch_size = batch_size
        self.n_networks = n_networks
        self.random_state = random_state
        self.verbose = verbose

    @overload
    def fit(
        self, y: Series[Any], X: Any = None, static: Any = None, **options: Unpack[FitOptions]
    ) -> RecurrentForecaster[Series[Any], DataFrame]: ...
    @overload
    def fit(
        self, y: Frame, X: Any = None, static: Any = None, **options: Unpack[FitOptions]
    ) -> RecurrentForecaster[Frame, Frame]: ...
    @overload
    def fit(
        self, y: Array, X: Any = None, static: Any = None, **options: Unpack[FitOptions]
    ) -> RecurrentForecaster[Array, Array]: ...
    @overload
    def fit(
        self, y: Sequence[Any], X: Any = None, static: Any = None, **options: Unpack[FitOptions]
    ) -> RecurrentForecaster[list[Any], list[Any]]: ...
    @whole_or_unchanged
    @with_callbacks
    def fit(
        self,
        y: Any,
        X: Any = None,
        static: Any = None,
        *,
        id: Any = None,
        time: Any = None,
        target: Any = None,
        callbacks: Sequence[Callback] = (),
        checkpoint: Any = None,
        every: int | str = 1,
        resume: bool = False,
    ) -> RecurrentForecaster[Any, Any]:
        """Fit to one or many series.

        Parameters
        ----------
        y : Series, DataFrame with one column per series, list of Series or arrays, or array (time,) or (time, series)
            Observations at even steps: dates, periods or whole numbers as index. NaN, what is masked in a masked array
            and absent dates are gaps. An index of numbers that lie on no common step is refused, as such dates are.
            Or a long frame of pandas, polars or another library that narwhals reads, with a row for each series and
            time in any order: a column of ids (none for one series), one of times (dates, text that is ISO dates,
            periods or whole numbers) and one of values; ids and times may be the index. Forecasts come back like it.
            Such a frame of Dask is fitted by `gatewise.distributed.fit_series`, which see.
        X : DataFrame or array (time, columns), or for a list of series a list of them, optional
            Covariates beside y; a DataFrame is matched by its index. Text, categories and the like become a column of 0
            and 1 for each level; a level that the fit did not see counts as none of them, with a warning. Beside a long
            frame, one with the same columns of ids and times; further columns of y are covariates too.
        static : DataFrame or array (series, columns), optional
            Numbers, or text, that belong to a series as a whole, one row per series. Beside a long frame, one with the
            column of ids or with the ids as index, or names of columns of y.
        id, time, target : str, optional
            Names of these columns of a long frame; without them "unique_id", "ds" and "y", or what else is clear.
        callbacks : sequence of callable
            Each is called as `callback(record, network)` after every epoch of every network; that network stops if one
            returns True. `set_callbacks` takes those of scikit-learn (1.9 or later).
        checkpoint : str or path, optional
            A file that holds where the fit stands, replaced in one step as it goes; its folder must exist. SIGINT and
            SIGTERM then let the batches under way be finished, write, and raise `gatewise.TrainingInterrupted`.
        every : int or str
            Epochs of a network between two writes, or a time such as "30 s", "5 min" or "1 h".
        resume : bool
            Whether to go on from what the checkpoint holds: the fit ends with the bits of one that was never stopped.
            Data and parameters are those that it was begun with; where `random_state` is no number, the seed that was
            drawn then counts. Without a file, the fit begins.

        Returns
        -------
        RecurrentForecaster
            This object.

        Raises
        ------
        GatewiseError
            If an option, a series, a date or a column cannot be used; it is named. If the checkpoint is that of another
            fit.
        TrainingInterrupted
            With a checkpoint, after SIGINT or SIGTERM in the main thread.

        Warns
        -----
        GatewiseWarning
            If the series are too short to try forecasts of `horizon` steps on them at least twice.

        Notes
        -----
        A fit that ends early, by an error, a callback that raises or Ctrl-C, leaves this object as it was: not fitted,
        or fitted as before.

        Examples
        --------
        >>> import numpy as np, pandas as pd, gatewise as gw
        >>> months = pd.date_range("2020-01-01", periods=48, freq="MS").strftime("%Y-%m")
        >>> y = pd.DataFrame({"shop": ["A"] * 48 + ["B"] * 48, "month": [*months, *months], "sales": np.arange(96.0)})
        >>> forecaster = gw.RecurrentForecaster(2, max_updates=20, random_state=0)
        >>> forecaster.fit(y, id="shop", time="month", target="sales").predict().round().values.tolist()
        [['A', '2024-01', 48.0], ['A', '2024-02', 49.0], ['B', '2024-01', 96.0], ['B', '2024-02', 97.0]]
        """
        self._check_options()
        if is_collection(y):
            beside = {"X": X, "static": static, "callbacks": callbacks or None}
            keeping = {"checkpoint": checkpoint, "every": every, "resume": resume}
            return elsewhere.fit_series(self, y, beside, id=id, time=time, target=target, **keeping)
        given = Given.of(y, X, static, Names(id, time, target))
        data = prepare(
            given, past_covariates=self.past_covariates, seasons=_seasons(self.season), dated=bool(self.calendar)
        )
        judge_horizon(self.horizon, data.panel.stop - data.panel.start)
        drawn = int(check_random_state(self.random_state).randint(2**31))
        with Keeping(checkpoint, every, resume).run(partial(identity.of_series, self, data)) as run:
            rng = np.random.default_rng(run.remember("seed", lambda: drawn))
            epochs = NetworkEpochs(self, X=X, y=y)
            settings = self._settings(data, [*callbacks, *epochs.hooks], run)
            fitted, history = fitting.fit(data.panel, settings, rng, bool(self.verbose))
        self._take(data.fitted(fitted), history)
        epochs.close()
        return self

    def _to_parts(self) -> tuple[dict[str, Any], dict[str, Array]]:
        if not self.__sklearn_is_fitted__():
            raise GatewiseValueError("this RecurrentForecaster is not fitted, so there is nothing to save: fit it.")
        description, arrays = to_parts(self._state)
        description["params"] = self._parameters_to_json()
        description["history"] = [  # without the time it took, so that equal fits are equal files
            {name: value for name, value in record.items() if name != "seconds"} for record in self.history_
        ]
        return description, arrays

    @classmethod
    def _from_parts(cls, description: dict[str, Any], arrays: dict[str, Array], limits: Limits) -> Self:
        self = cls(**descriptions.params_from_json(cls._with_new_names(description["params"]), cls))
        self._check_options()
        state = from_parts(description, arrays, limits)
        levels = levels_of(self.quantiles)
        if state.fitted.plan.horizon != self.horizon or state.fitted.levels != levels:
            raise GatewiseValueError("its horizon or quantiles are not those of its arrays: the file is damaged.")
        self._take(state, History.checked(description["history"]))
        return self

    @classmethod
    def _with_new_names(cls, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return the parameters of an old file; `max_iter` counts updates in files that have no `max_updates`."""
        params = super()._with_new_names(params)
        if "max_updates" not in params and "max_iter" in params:
            params["max_updates"] = params.pop("max_iter")
        return params

    def _check_options(self) -> None:
        """Raise unless all options can be used: each by its constraint, then what is in the sequences."""
        self._check_parameters()
        for season in _seasons(self.season):
            check_number("season", season, 1, integer=True)
        checked_levels("quantiles", self.quantiles)

    def _settings(self, data: Prepared, callbacks: Sequence[Callback], run: Run) -> Settings:
        context = self.context or max(LEAST_CONTEXT, min(max(DAY, self.horizon), WEEK, data.length // 3))
        options = {name: getattr(self, name) for name in NetworkSettings._fields if name not in ("callbacks", "run")}
        network = NetworkSettings(**options, callbacks=tuple(callbacks), run=run)
        drivers = len(data.covariates.known)
        return Settings(
            self.horizon, context, data.seasons, drivers, levels_of(self.quantiles), self.n_networks, network
        )

    def _take(self, state: State, history: History) -> None:
        """Keep a fitted state, and show what it holds."""
        fitted, columns = state.fitted, state.covariates.as_given(state.covariates.columns)
        self._state, self.history_ = state, history
        self.reference_ = fitted.reference
        self.seasons_ = state.seasons
        self.context_ = fitted.plan.context
        self.shares_ = {"linear": fitted.linear_share, "network": fitted.network_share}
        self.phases_ = 1 if fitted.linear is None else len(fitted.linear.weight)
        self.networks_ = fitted.networks
        self.n_features_in_ = len(columns)
        self.__dict__.pop("feature_names_in_", None)
        if columns:
            self.feature_names_in_ = np.asarray(columns, dtype=object)


def _seasons(season: Seasons) -> tuple[int, ...]:
    if season is None:
        return ()
    return tuple(season) if isinstance(season, list | tuple | np.ndarray) else (season,)  # type: ignore[return-value]

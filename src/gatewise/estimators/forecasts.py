"""What a fitted forecaster does: forecast, take new observations, measure itself, show itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Generic, Literal, Self

import pandas as pd
from sklearn.utils.validation import check_is_fitted

from gatewise.errors import check_number
from gatewise.estimators.evaluation import Evaluated
from gatewise.estimators.forecast_streaming import ForecastStepping
from gatewise.estimators.summaries import Summarized, form_of
from gatewise.estimators.watching import Watching
from gatewise.forecasting import horizons, plots
from gatewise.forecasting.inspection import ForecasterInspection, inspect
from gatewise.forecasting.settings import checked_levels
from gatewise.forecasting.state import State
from gatewise.layers import Layer
from gatewise.layers.layer import generator

if TYPE_CHECKING:  # with defaults, so that `RecurrentForecaster` alone is a type too; in `typing` from 3.13 on
    from typing_extensions import TypeVar

    Forecast = TypeVar("Forecast", default=Any)
    Quantiles = TypeVar("Quantiles", default=Any)
else:
    from typing import TypeVar

    Forecast, Quantiles = TypeVar("Forecast"), TypeVar("Quantiles")


class Forecasts(ForecastStepping, Watching, Evaluated, Summarized, Generic[Forecast, Quantiles]):
    """The verbs of a fitted `RecurrentForecaster`, which sets what stands here without a value.

    For type checkers it is generic: in the container of forecasts, which is that of the series, and in that of
    quantiles.
    """

    horizon: int
    quantiles: Sequence[float]
    _state: State

    def predict(self, X_future: Any = None, *, horizon: int | None = None) -> Forecast:
        """Return the median of the next steps, in the container that y came in.

        Parameters
        ----------
        X_future : DataFrame or array (horizon, columns), or a list of them, optional
            The covariates known ahead for those steps; needed if there are any. Beside a long frame, one with the same
            columns of ids and times; one without ids is the same for all series.
        horizon : int, optional
            Number of steps; by default those of the fit. Fewer are the first of them. For more, the forecaster takes
            its own medians for observations and goes on from them, again and again; covariates known only up to now
            are at their mean then.

        Raises
        ------
        GatewiseError
            If `horizon` is no whole number from 1 on, or X_future does not hold so many steps.

        Examples
        --------
        >>> import numpy as np, gatewise as gw
        >>> y = np.tile([1.0, 2.0, 4.0, 3.0], 20)
        >>> forecaster = gw.RecurrentForecaster(4, season=4, max_updates=20, random_state=0).fit(y)
        >>> forecaster.predict(horizon=6).round(2).tolist()
        [1.0, 2.0, 4.0, 3.0, 1.0, 2.0]
        """
        state = self._fitted_state()
        values = horizons.distribution(state, X_future, _checked_horizon(horizon)).median
        forecast: Forecast = state.container.pack(
            [pd.Series(row, index=axis.future(len(row))) for row, axis in zip(values, state.axes, strict=True)]
        )
        return forecast

    def predict_quantiles(
        self, X_future: Any = None, *, levels: Sequence[float] | None = None, horizon: int | None = None
    ) -> Quantiles:
        """Return quantiles of the next steps.

        Parameters
        ----------
        X_future : DataFrame or array (horizon, columns), or a list of them, optional
            As in `predict`.
        levels : sequence of float, optional
            Any between 0 and 1; by default `quantiles`. A fit with these as its `quantiles` gives the same numbers.
            Levels below 0.005 and above 0.995 lie on exponential tails.
        horizon : int, optional
            As in `predict`. Beyond the fitted horizon H the distances from the median are those of step H times
            (h / H)^p at step h, where p, from 0 to 1, is the power by which they grew up to H.

        Returns
        -------
        DataFrame, list of them, or array
            For a Series a column a level; for a DataFrame columns (series, level); for a list a DataFrame each; for
            arrays (horizon, levels) or (horizon, series, levels); for a long frame such a frame with a column a level.
            Levels never cross.

        Raises
        ------
        GatewiseError
            If a level is not between 0 and 1, or lies beyond those of a forecaster that an earlier version saved; or
            as `predict` does.

        Examples
        --------
        >>> import numpy as np, gatewise as gw
        >>> y = np.random.default_rng(0).normal(size=200).cumsum()
        >>> forecaster = gw.RecurrentForecaster(3, max_updates=20, random_state=0).fit(y)
        >>> forecaster.predict_quantiles(levels=(0.05, 0.95), horizon=5).shape
        (5, 2)
        """
        state = self._fitted_state()
        names = checked_levels("levels", levels) if levels is not None else [float(level) for level in self.quantiles]
        values = horizons.distribution(state, X_future, _checked_horizon(horizon)).quantile(names)
        quantiles: Quantiles = horizons.packed(state, values, pd.Index(names, name="quantile"))
        return quantiles

    def sample(self, n: int, rng: Any = None, X_future: Any = None, *, horizon: int | None = None) -> Quantiles:
        """Draw paths of the next steps: each step as `predict_quantiles` has it, and steps tied as past errors were.

        Sums, maxima and times of crossing over the horizon have their distribution over the paths. The ties between
        steps are a Gaussian copula, whose correlations are those of the held-out errors' ranks. Paths of several series
        are drawn apart.

        Parameters
        ----------
        n : int
            Number of paths.
        rng : int or Generator, optional
        X_future : DataFrame or array (horizon, columns), or a list of them, optional
            As in `predict`.
        horizon : int, optional
            As in `predict_quantiles`.

        Returns
        -------
        DataFrame, list of them, or array
            For a Series a column a path, (horizon, n); for a DataFrame columns (series, path); for a list a DataFrame
            each; for arrays (horizon, n) or (horizon, series, n); for a long frame such a frame with a column a path.

        Raises
        ------
        GatewiseError
            If an earlier version saved this forecaster, which knows a few levels only; or as `predict` does.

        Examples
        --------
        >>> import numpy as np, gatewise as gw
        >>> y = np.random.default_rng(0).normal(size=200).cumsum()
        >>> forecaster = gw.RecurrentForecaster(5, max_updates=20, random_state=0).fit(y)
        >>> total = forecaster.sample(1000, rng=0).sum(axis=0)
        >>> total.shape
        (1000,)
        """
        check_number("n", n, 1, integer=True)
        state = self._fitted_state()
        values = horizons.paths(state, n, generator(rng), X_future, _checked_horizon(horizon))
        drawn: Quantiles = horizons.packed(state, values, pd.RangeIndex(n, name="path"))
        return drawn

    def update(self, y_new: Any, X_new: Any = None) -> Self:
        """Take new observations, without fitting again: the next forecast starts after them.

        Parameters
        ----------
        y_new : as y in `fit`
            The same series, at later steps; steps left out are gaps. A long frame may leave out series.
        X_new : as X in `fit`
            All covariates at those steps; needed if there are any.

        Returns
        -------
        RecurrentForecaster
            This object.
        """
        self._state = self._fitted_state().updated(y_new, X_new)
        return self

    def plot(
        self,
        X_future: Any = None,
        *,
        history: Any = None,
        series: Any = None,
        levels: Sequence[float] | None = None,
        horizon: int | None = None,
        library: Literal["matplotlib", "bokeh"] | None = None,
    ) -> Any:
        """Draw the last observations and the forecast with its interval; one series below the other.

        Parameters
        ----------
        X_future, horizon
            As in `predict`.
        history : int or as y in `fit`, optional
            How many of the last observations to draw, of those that a forecast reads; or the series to draw. By default
            four times as many as the forecast has steps.
        series : name or list of names, optional
            Of the series to draw; without it the first twelve.
        levels : sequence of float, optional
            The lowest and the highest are the ends of the interval; by default those of `quantiles`.
        library : "matplotlib" or "bokeh", optional
            By default matplotlib if it is installed, else Bokeh.

        Returns
        -------
        matplotlib Axes (an array of them for several series), or a Bokeh figure (a column of them)

        Examples
        --------
        >>> import numpy as np, gatewise as gw
        >>> forecaster = gw.RecurrentForecaster(4, max_updates=20, random_state=0).fit(np.sin(np.arange(60.0)))
        >>> figure = forecaster.plot(history=20, library="bokeh")  # bokeh.plotting.show(figure) opens it
        >>> [entry.label.value for entry in figure.legend[0].items]
        ['80 % interval', 'observed', 'median']
        """
        state = self._fitted_state()
        asked = self.quantiles if levels is None else checked_levels("levels", levels)
        low, high = float(min(asked)), float(max(asked))
        quantiles = horizons.distribution(state, X_future, _checked_horizon(horizon)).quantile([low, 0.5, high])
        curves = plots.curves_of(state, quantiles, history, series)
        return plots.draw(curves, f"{100 * (high - low):.3g} % interval", library)

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

    def _fitted_state(self) -> State:
        check_is_fitted(self)
        return self._state

    def _parts_for_summary(self) -> tuple[Sequence[Layer], tuple[str, ...]]:
        fitted = self._fitted_state().fitted
        terms = [f"reference: {fitted.reference}"]
        if fitted.linear is not None and fitted.linear_share:
            terms.append(f"{fitted.linear_share:.2f} of a ridge regression")
        if fitted.networks:
            terms.append(f"{fitted.network_share:.2f} of {form_of(fitted.networks)}")
        steps = f"{self.horizon} steps ahead, the networks read {fitted.plan.context} steps back"
        return fitted.networks, (f"{type(self).__name__}: {steps}", " + ".join(terms))


def _checked_horizon(horizon: int | None) -> int | None:
    if horizon is not None:
        check_number("horizon", horizon, 1, integer=True)
    return horizon

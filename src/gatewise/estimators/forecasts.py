"""What a fitted forecaster does: forecast, take new observations, measure itself, show itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Generic, Literal, Self, overload

import pandas as pd
from sklearn.utils.validation import check_is_fitted

from gatewise.errors import check_number
from gatewise.estimators.summaries import Summarized, form_of
from gatewise.forecasting.inspection import ForecasterInspection, inspect
from gatewise.forecasting.state import State
from gatewise.layers import Layer

if TYPE_CHECKING:  # with defaults, so that `RecurrentForecaster` alone is a type too; in `typing` from 3.13 on
    from typing_extensions import TypeVar

    Forecast = TypeVar("Forecast", default=Any)
    Quantiles = TypeVar("Quantiles", default=Any)
else:
    from typing import TypeVar

    Forecast, Quantiles = TypeVar("Forecast"), TypeVar("Quantiles")


class Forecasts(Summarized, Generic[Forecast, Quantiles]):
    """The verbs of a fitted `RecurrentForecaster`, which sets what stands here without a value.

    For type checkers it is generic: in the container of forecasts, which is that of the series, and in that of
    quantiles.
    """

    horizon: int
    quantiles: Sequence[float]
    _state: State

    def predict(self, X_future: Any = None) -> Forecast:
        """Return the median of the next `horizon` steps, in the container that y came in.

        Parameters
        ----------
        X_future : DataFrame or array (horizon, columns), or a list of them, optional
            The covariates known ahead for those steps; needed if there are any.
        """
        state = self._fitted_state()
        values = state.forecast(X_future)[..., state.fitted.levels.index(0.5)]
        forecast: Forecast = state.container.pack(
            [pd.Series(row, index=axis.future(self.horizon)) for row, axis in zip(values, state.axes, strict=True)]
        )
        return forecast

    def predict_quantiles(self, X_future: Any = None) -> Quantiles:
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
        quantiles: Quantiles = state.container.pack_levels(
            [
                pd.DataFrame(part, index=axis.future(self.horizon), columns=pd.Index(names, name="quantile"))
                for part, axis in zip(values, state.axes, strict=True)
            ]
        )
        return quantiles

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

    @overload
    def backtest(
        self,
        y: Any,
        X: Any = None,
        windows: int = 5,
        *,
        static: Any = None,
        stride: int | None = None,
        refit: bool = False,
        return_forecasts: Literal[False] = False,
    ) -> pd.DataFrame: ...
    @overload
    def backtest(
        self,
        y: Any,
        X: Any = None,
        windows: int = 5,
        *,
        static: Any = None,
        stride: int | None = None,
        refit: bool = False,
        return_forecasts: Literal[True],
    ) -> tuple[pd.DataFrame, pd.DataFrame]: ...
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
            Rows (window, method): windows from 1 on and "all"; methods model, seasonal_naive, naive, drift, mean.
            Columns mae, rmse, mase, smape, pinball, and coverage of the outermost quantiles.
        forecasts : DataFrame
            With `return_forecasts`: a row for each step; columns series, window, truth, one a method, one a quantile.
        """
        from gatewise.forecasting.backtest import backtest

        measured = backtest(self, y, X, static, windows=windows, stride=stride, refit=refit)
        return (measured.measures(), measured.forecasts()) if return_forecasts else measured.measures()

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

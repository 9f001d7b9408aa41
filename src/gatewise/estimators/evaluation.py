"""How well a forecaster does: rolling origins, cross-validation in the field's form, and a score for searches."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from typing import TYPE_CHECKING, Any, Literal, Self, TypedDict, Unpack, overload

import pandas as pd

from gatewise.forecasting.given import Given
from gatewise.forecasting.levels import channels
from gatewise.forecasting.long import Names
from gatewise.forecasting.scoring import mean_scaled_error
from gatewise.forecasting.state import State

if TYPE_CHECKING:
    from narwhals.typing import IntoDataFrameT as Frame

    from gatewise.forecasting.backtest import Backtest


class CrossValidationOptions(TypedDict, total=False):
    """Keywords of `RecurrentForecaster.cross_validation`."""

    windows: int
    stride: int | None
    refit: bool
    static: Any
    id: Any
    time: Any
    target: Any


class Evaluated:
    """What measures a `RecurrentForecaster`; none of it changes the forecaster."""

    past_covariates: Sequence[str]
    _state: State

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
        id: Any = None,
        time: Any = None,
        target: Any = None,
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
        id: Any = None,
        time: Any = None,
        target: Any = None,
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
        id: Any = None,
        time: Any = None,
        target: Any = None,
    ) -> Any:
        """Forecast from rolling origins at the end of y and measure the errors; this object is not changed.

        A copy is fitted once, to what lies before the first origin, and updated from origin to origin.

        Parameters
        ----------
        y, X, static, id, time, target
            As in `fit`; the columns of a long frame are by default those of the fit.
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
            Rows (window, method): windows from 1 on and "all"; methods "model" and the simple ones, "seasonal_naive"
            first.
            Columns mae, rmse, mase, smape, pinball, and coverage of the outermost quantiles.
        forecasts : DataFrame
            With `return_forecasts`: a row for each step; columns series, window, truth, one a method, one a quantile.
        """
        measured = self._rolled(self.apart(y, X, static, Names(id, time, target)), windows, stride, refit)
        return (measured.measures(), measured.forecasts()) if return_forecasts else measured.measures()

    @overload
    def cross_validation(self, y: Frame, X: Any = None, **options: Unpack[CrossValidationOptions]) -> Frame: ...
    @overload
    def cross_validation(self, y: Any, X: Any = None, **options: Unpack[CrossValidationOptions]) -> pd.DataFrame: ...
    def cross_validation(
        self,
        y: Any,
        X: Any = None,
        *,
        windows: int = 5,
        stride: int | None = None,
        refit: bool = False,
        static: Any = None,
        id: Any = None,
        time: Any = None,
        target: Any = None,
    ) -> Any:
        """Return the forecasts from rolling origins as one long frame; this object is not changed.

        They are those that `backtest` measures.

        Parameters
        ----------
        y, X, static, id, time, target
            As in `fit`; the columns of a long frame are by default those of the fit.
        windows : int
            Number of origins.
        stride : int, optional
            Steps from one origin to the next; by default `horizon`.
        refit : bool
            Whether to fit again at every origin.

        Returns
        -------
        DataFrame
            A row for each series, origin and step: unique_id, ds, cutoff (the last step that the forecast knows), y,
            model (the median), and a column a level. Of a long frame in its library, with its names for the first
            two and for y.

        Examples
        --------
        >>> import numpy as np, pandas as pd, gatewise as gw
        >>> y = pd.Series(np.arange(60.0), pd.period_range("2020-01", periods=60, freq="M"), name="sales")
        >>> forecaster = gw.RecurrentForecaster(2, max_updates=20, random_state=0)
        >>> table = forecaster.cross_validation(y, windows=2)
        >>> table.columns.tolist(), table["cutoff"].astype(str).tolist()
        (['unique_id', 'ds', 'cutoff', 'y', 'model', 0.1, 0.5, 0.9], ['2024-08', '2024-08', '2024-10', '2024-10'])
        """
        from gatewise.forecasting.validation import table_of

        parts = self.apart(y, X, static, Names(id, time, target))
        return table_of(self._rolled(parts, windows, stride, refit), parts[1])

    def score(self, y: Any, X: Any = None) -> float:
        """Return how well the medians meet y: minus the mean absolute scaled error, at best 0.

        y goes on where the fit, or the last `update`, ended. It is forecast `horizon` steps at a time, each time with
        all of y before them known; this object is not changed. The unit of a series is its mean absolute change from
        one step to the next in the fit, so that −1 is as far off as the series moves in a step. Several series count
        alike.

        `GridSearchCV` and `cross_val_score` use it with y as their first argument, X as their second, and a splitter
        that keeps the order: `cv=TimeSeriesSplit(...)`.

        Parameters
        ----------
        y : as in `fit`
            The same series, at later steps.
        X : as in `fit`, optional
            All covariates at these steps; needed if there are any.

        Returns
        -------
        float

        Raises
        ------
        GatewiseError
            If y begins before the end of the fit, or lacks a series or a covariate.

        Examples
        --------
        >>> import numpy as np, gatewise as gw
        >>> from sklearn.model_selection import GridSearchCV, TimeSeriesSplit
        >>> y = np.sin(np.arange(120.0))
        >>> search = GridSearchCV(
        ...     gw.RecurrentForecaster(4, max_updates=10, n_networks=1, random_state=0),
        ...     {"season": [None, 44]},
        ...     cv=TimeSeriesSplit(2, test_size=8),
        ... )
        >>> search.fit(y).best_estimator_.predict().shape
        (4,)
        """
        return -mean_scaled_error(self._fitted_state(), y, X)

    def apart(self, y: Any, X: Any = None, static: Any = None, names: Names | None = None) -> tuple[Self, Given]:
        """Return series and covariates without long frames and text, and a copy that names their columns so.

        Parameters
        ----------
        y, X, static
            As in `fit`.
        names : Names, optional
            Columns of a long frame, by default those of the fit.
        """
        given = Given.of(y, X, static, self._names(y, names or Names()))
        other = copy(self)
        other.past_covariates = channels(self.past_covariates, given.levels)
        return other, given

    def _fitted_state(self) -> State:
        raise NotImplementedError

    def _names(self, y: Any, names: Names) -> Names:
        """The columns of a long frame: those named, or else those of the fit that y has."""
        form = self._state.container.form if hasattr(self, "_state") else None
        if form is None or any(name is not None for name in names):
            return names
        columns = [*getattr(y, "columns", ()), *getattr(getattr(y, "index", None), "names", ())]
        return form.names if all(name is None or name in columns for name in form.names) else names

    def _rolled(self, parts: tuple[Self, Given], windows: int, stride: int | None, refit: bool) -> Backtest:
        from gatewise.forecasting.backtest import backtest

        other, given = parts
        return backtest(other, given.y, given.X, given.static, windows=windows, stride=stride, refit=refit)

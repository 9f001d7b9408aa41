"""`GatewiseForecaster`: the forecaster as one of sktime; the only module that imports sktime."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd

from gatewise.errors import GatewiseValueError
from gatewise.estimators.forecaster import RecurrentForecaster, Seasons

try:
    from sktime.forecasting.base import BaseForecaster, ForecastingHorizon
except ImportError as error:
    raise ImportError("gatewise.estimators.sktime needs sktime, which is not installed: pip install sktime.") from error


class GatewiseForecaster(BaseForecaster):  # type: ignore[misc]
    """`RecurrentForecaster` with sktime's interface: `fit(y, X, fh)`, `predict(fh)`, `predict_quantiles`, `update`.

    Parameters
    ----------
    season : int or sequence of int, optional
        Steps in a season.
    context : int, optional
        Steps the network reads back.
    cell : str or class
    hidden_size, max_updates, n_networks : int
        As in `RecurrentForecaster`.
    max_iter : int, optional
        As in `RecurrentForecaster`.
    levels : sequence of float
        The `quantiles` of `RecurrentForecaster`; `predict_quantiles` gives any others as well.
    random_state : int, RandomState or None

    Attributes
    ----------
    forecaster_ : RecurrentForecaster
        With the furthest step of `fh` as its horizon; X is known ahead.

    Raises
    ------
    ImportError
        On import of this module, if sktime is absent.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from gatewise.estimators.sktime import GatewiseForecaster
    >>> y = pd.Series(np.sin(np.arange(60)), pd.period_range("2020-01", periods=60, freq="M"))
    >>> forecaster = GatewiseForecaster(max_updates=20, n_networks=1, random_state=0).fit(y, fh=[1, 3])
    >>> forecaster.predict().index.astype(str).tolist()
    ['2025-01', '2025-03']
    """

    _tags: ClassVar[dict[str, Any]] = {
        "authors": ["gatewise"],
        "python_dependencies": ["gatewise"],
        "y_inner_mtype": "pd.Series",
        "X_inner_mtype": "pd.DataFrame",
        "scitype:y": "univariate",
        "capability:exogenous": True,
        "capability:missing_values": True,
        "capability:random_state": True,
        "property:randomness": "derandomized",
        "capability:insample": False,
        "capability:pred_int": True,
        "capability:pred_int:insample": False,
        "requires-fh-in-fit": True,
    }

    def __new__(cls, *_: Any, **params: Any) -> Self:
        """Refuse old names of parameters, as `RecurrentForecaster` does."""
        RecurrentForecaster._refuse_old_names(params)
        new: Self = super().__new__(cls)
        return new

    def __init__(
        self,
        season: Seasons = None,
        context: int | None = None,
        cell: str = "gru",
        hidden_size: int = 64,
        max_updates: int = 400,
        n_networks: int = 2,
        levels: Sequence[float] = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95),
        random_state: Any = None,
        max_iter: int | None = None,
    ) -> None:
        self.season = season
        self.context = context
        self.cell = cell
        self.hidden_size = hidden_size
        self.max_updates = max_updates
        self.max_iter = max_iter
        self.n_networks = n_networks
        self.levels = levels
        self.random_state = random_state
        super().__init__()

    def _fit(self, y: Any, X: Any, fh: Any) -> GatewiseForecaster:
        self.forecaster_ = RecurrentForecaster(
            int(max(fh.to_relative(self.cutoff))),
            season=self.season,
            context=self.context,
            cell=self.cell,
            hidden_size=self.hidden_size,
            max_updates=self.max_updates,
            max_iter=self.max_iter,
            n_networks=self.n_networks,
            quantiles=tuple(self.levels),
            random_state=self.random_state,
        ).fit(y, X)
        self._seen = y.index[-1]
        return self

    def _predict(self, fh: Any, X: Any) -> Any:
        rows = self._rows(fh)
        values = self.forecaster_.predict(self._ahead(X)).to_numpy()[rows]
        return pd.Series(values, index=fh.to_absolute_index(self.cutoff), name=self._y.name)

    def _predict_quantiles(self, fh: Any, X: Any, alpha: Sequence[float]) -> Any:
        rows = self._rows(fh)
        asked = sorted({float(level) for level in alpha})
        quantiles = self.forecaster_.predict_quantiles(self._ahead(X), levels=asked)
        values = quantiles[[float(level) for level in alpha]].to_numpy()[rows]
        name = self._get_varnames()[0]
        columns = pd.MultiIndex.from_product([[name], alpha])
        return pd.DataFrame(values, index=fh.to_absolute_index(self.cutoff), columns=columns)

    def _update(self, y: Any, X: Any = None, update_params: bool = True) -> GatewiseForecaster:
        """Take new observations; with `update_params`, fit again to all of them, as sktime's contract says."""
        if update_params:
            return self._fit(self._y, self._X, self._fh)
        new = y.index > self._seen
        if new.any():
            self.forecaster_.update(y[new], None if X is None else X.loc[X.index > self._seen])
            self._seen = y.index[-1]
        return self

    def _rows(self, fh: Any) -> Any:
        steps = np.asarray(fh.to_relative(self.cutoff), dtype=int)
        if steps.min() < 1 or steps.max() > self.forecaster_.horizon:
            raise GatewiseValueError(
                f"fh asks for steps {steps.min()} to {steps.max()}; need 1 to {self.forecaster_.horizon}: fit with it."
            )
        return steps - 1

    def _ahead(self, X: Any) -> Any:
        """X at every step up to the horizon; sktime gives only the steps of fh."""
        if not self.forecaster_.n_features_in_:
            return None
        steps = ForecastingHorizon(range(1, self.forecaster_.horizon + 1), is_relative=True)
        return X.reindex(steps.to_absolute_index(self.cutoff))

    @classmethod
    def get_test_params(cls, parameter_set: str = "default") -> list[dict[str, Any]]:
        """Return two sets of small options, for sktime's own tests."""
        small = {"hidden_size": 4, "max_updates": 5, "n_networks": 1, "random_state": 0}
        return [small, {**small, "cell": "lstm", "season": 4, "context": 5}]

"""What a fitted forecaster says of new values: which of them it did not expect."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from gatewise.forecasting.anomalies import Watch
from gatewise.forecasting.state import State


class Watching(ABC):
    """The part of a forecaster that raises alarms."""

    @abstractmethod
    def _fitted_state(self) -> State:
        """Return the state; raise unless there is one."""

    def anomalies(self, y_new: Any, X_new: Any = None, rate: float = 0.01) -> Any:
        """Return how new values differ from what was to be expected, and which of them raise an alarm.

        This object is not changed: `update` takes the values.

        Parameters
        ----------
        y_new, X_new
            As in `update`.
        rate : float
            Share of false alarms among the values of series that go on as they were, at the most 0.5.

        Returns
        -------
        DataFrame, or a list of them
            For a Series or an array a row a value: `value`; `forecast`, its median one step before; `score`, how far
            out it lies, in standard deviations of a normal distribution; `p_value`, the share of values at least as
            suspicious in series that go on as they were, NaN in a gap; `alarm`, whether that is at most the rate;
            `kind`, why: "spike", far from the forecast; "shift", on one side of it for long; "stuck", the same value
            again and again; or "". For a DataFrame columns (series, measure), for a list a DataFrame each.

        Raises
        ------
        GatewiseError
            If the rate is out of range, or the values cannot be used.

        Notes
        -----
        The p-values of the forecaster are held against those of the values before, as they come, so that the rate of
        false alarms holds even where its intervals are too narrow or too wide; see `gatewise.forecasting.alarms`.

        Examples
        --------
        >>> import numpy as np, pandas as pd, gatewise as gw
        >>> index = pd.date_range("2024-01-01", periods=300, freq="D")
        >>> y = pd.Series(np.random.default_rng(0).normal(10, 1, 300), index)
        >>> forecaster = gw.RecurrentForecaster(1, season=7, max_updates=20, random_state=0).fit(y[:200])
        >>> y.iloc[250] = 20
        >>> found = forecaster.anomalies(y[200:], rate=0.01)
        >>> found["kind"].iloc[50], int(found["alarm"].sum()) < 5
        ('spike', True)
        """
        return self.watch(rate).update(y_new, X_new)

    def watch(self, rate: float = 0.01) -> Watch:
        """Return an object that does what `anomalies` does as values come: its `update(y_new, X_new=None)`.

        It remembers what it has seen, and does not change this object.
        """
        return Watch(self._fitted_state(), rate)

"""Horizons that the data cannot judge: not chosen by themselves, and allowed with a warning."""

import numpy as np
import pandas as pd
import pytest

import gatewise as gw
from gatewise import tables
from gatewise.errors import GatewiseWarning
from gatewise.forecasting.lengths import held_out_forecasts, usual_horizon

SMALL = {"max_updates": 4, "n_networks": 1, "hidden_size": 4, "random_state": 0}


@pytest.mark.parametrize(
    ("wanted", "lengths", "chosen"), [(10, [12] * 9, 3), (12, [144], 12), (7, [3], 1), (24, [60, 80], 17)]
)
def test_the_usual_horizon_is_a_quarter_at_most(wanted, lengths, chosen):
    assert usual_horizon(wanted, np.array(lengths)) == chosen


def test_held_out_forecasts_are_counted_over_series():
    assert held_out_forecasts(4, np.array([12, 11, 3])) == 2 + 1


@pytest.mark.parametrize(
    ("horizon", "message"),
    [
        (10, "horizon is 10, and the longest series has 12 steps: they allow no held-out forecast of so many"),
        (5, "they allow one held-out forecast .*; need 15 steps, or a horizon of 4 at most"),
    ],
)
def test_more_is_allowed_with_a_warning(horizon, message):
    with pytest.warns(GatewiseWarning, match=message):
        fitted = gw.RecurrentForecaster(horizon, **SMALL).fit(np.arange(12.0))
    assert len(fitted.predict()) == horizon


def test_what_the_data_can_judge_and_a_backtest_do_not_warn():
    forecaster = gw.RecurrentForecaster(4, **SMALL).fit(np.arange(12.0))
    assert len(forecaster.backtest(np.arange(12.0), windows=1)) > 0
    assert len(gw.RecurrentForecaster(6, **SMALL).fit([np.arange(12.0)] * 2).predict()) == 2


def test_a_table_gets_the_horizon_that_it_can_judge():
    years = pd.DataFrame({"year": range(1960, 2020, 5), "life": np.linspace(50, 70, 12)})
    task = tables.read_forecast_task(tables.as_table(years), tables.SeriesRoles.of("year", "life"))
    assert task.horizon == 3
    asked = tables.read_forecast_task(tables.as_table(years), tables.SeriesRoles.of("year", "life"), 10)
    assert asked.horizon == 10
    assert any("they allow no held-out forecast" in note for note in asked.notes)
    assert len(asked.fit(backtest=False).forecast) == 10

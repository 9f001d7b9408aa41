"""Backtests: rolling origins know nothing of the future, and show the naive methods beside the model."""

import numpy as np
import pandas as pd
import pytest

import gatewise as gw

FAST = {"max_updates": 60, "n_networks": 1, "hidden_size": 8, "random_state": 0}


def test_backtest_has_every_method_beside_the_model():
    index = pd.date_range("2024-01-01", periods=300, freq="h")
    y = pd.Series(np.sin(np.arange(300) * np.pi / 12) + 0.3 * np.random.default_rng(0).normal(size=300), index)
    forecaster = gw.RecurrentForecaster(12, season=24, **FAST)
    measured, forecasts = forecaster.backtest(y, windows=3, stride=6, return_forecasts=True)
    methods = ["model", "seasonal_naive", "naive", "drift", "mean", "theta", "ets"]
    assert measured.index.get_level_values("method").unique().tolist() == methods
    assert measured.index.get_level_values("window").unique().tolist() == [1, 2, 3, "all"]
    assert np.isfinite(measured.to_numpy()).all()
    assert not hasattr(forecaster, "reference_")
    last = forecasts[forecasts["window"] == 3]
    assert last.index.equals(index[-12:])
    np.testing.assert_array_equal(last["truth"], y.iloc[-12:])
    np.testing.assert_array_equal(last["seasonal_naive"], y.iloc[-36:-24])
    np.testing.assert_array_equal(last["naive"], np.repeat(y.iloc[-13], 12))
    np.testing.assert_allclose(last["mean"], np.repeat(y.iloc[:-12].mean(), 12))
    error = (forecasts["truth"] - forecasts["model"]).abs()
    assert measured.loc[("all", "model"), "mae"] == pytest.approx(error.mean())
    unit = np.abs(y.iloc[24:-12].to_numpy() - y.iloc[:-36].to_numpy()).mean()
    assert measured.loc[(3, "model"), "mase"] == pytest.approx(error[forecasts["window"] == 3].mean() / unit)


def test_seasonal_naive_is_that_of_the_season_named():
    index = pd.date_range("2024-01-01", periods=500, freq="h")
    y = pd.Series(np.random.default_rng(0).normal(size=500), index)
    forecaster = gw.RecurrentForecaster(6, season=(24, 168), **FAST)
    _, forecasts = forecaster.backtest(y, windows=1, return_forecasts=True)
    np.testing.assert_array_equal(forecasts["seasonal_naive"], y.iloc[-6 - 168 : -168])


def test_without_a_season_the_last_value_has_its_own_name():
    measured = gw.RecurrentForecaster(2, **FAST).backtest(pd.Series(np.arange(40) % 5 // 4.0), windows=2)
    assert measured.loc[("all", "naive"), "mae"] == measured.loc[("all", "seasonal_naive"), "mae"]
    assert measured.attrs["best_simple"] != "seasonal_naive"


def test_a_week_is_the_season_of_the_simple_methods_where_it_is_clearly_better_than_the_day_named():
    index = pd.date_range("2024-01-01", periods=600, freq="h")
    y = pd.Series(np.tile(np.random.default_rng(0).normal(size=168), 4)[:600], index)
    _, forecasts = gw.RecurrentForecaster(6, season=24, **FAST).backtest(y, windows=1, return_forecasts=True)
    np.testing.assert_array_equal(forecasts["seasonal_naive"], forecasts["truth"])


@pytest.mark.parametrize("refit", [False, True])
def test_backtest_knows_nothing_of_the_future(refit):
    """What comes after an origin, past-only covariates too, does not change the forecasts made there."""
    rng = np.random.default_rng(1)
    y = pd.Series(rng.normal(size=90).cumsum())
    X = pd.DataFrame({"ahead": rng.normal(size=90), "behind": rng.normal(size=90)})
    changed_y, changed_x = y.copy(), X.copy()
    changed_y[82:] += 1000
    changed_x.loc[82:, "behind"] += 1000
    forecaster = gw.RecurrentForecaster(4, past_covariates=["behind"], **FAST)
    _, one = forecaster.backtest(y, X, windows=3, refit=refit, return_forecasts=True)
    _, other = forecaster.backtest(changed_y, changed_x, windows=3, refit=refit, return_forecasts=True)
    columns = ["model", "seasonal_naive", "drift", "theta", "ets", 0.1, 0.9]
    np.testing.assert_array_equal(one[columns][:8], other[columns][:8])
    assert (one["model"][8:] != other["model"][8:]).all()


def test_backtest_of_many_series_and_of_too_short_ones():
    rng = np.random.default_rng(2)
    series = [pd.Series(rng.normal(size=n).cumsum(), name=f"s{n}") for n in (30, 18, 25)]
    measured, forecasts = gw.RecurrentForecaster(3, **FAST).backtest(series, windows=2, return_forecasts=True)
    assert forecasts["series"].unique().tolist() == ["s30", "s18", "s25"]
    assert len(forecasts) == 3 * 2 * 3
    assert measured.loc[("all", "model"), "mase"] > 0
    best = measured.loc["all"]["mase"].drop("model").idxmin()
    assert (measured.attrs["by"], measured.attrs["best_simple"]) == ("mase", best)
    assert measured.attrs["verdict"].startswith("mean absolute scaled error of 3 series (MASE) ")
    with pytest.raises(gw.GatewiseError, match=r"y\[1\] \(s18\) has 18 rows; need at least 20"):
        gw.RecurrentForecaster(3, **FAST).backtest(series, windows=6)

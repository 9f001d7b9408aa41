"""What a forecaster lets others look at."""

import numpy as np
import pandas as pd
import pytest

import gatewise as gw

OPTIONS = {"n_networks": 1, "hidden_size": 16, "context": 8, "random_state": 0}


def logistic(length):
    """A series for which networks are of use."""
    y = np.full(length, 0.3)
    for t in range(length - 1):
        y[t + 1] = 3.8 * y[t] * (1 - y[t])
    return y


def test_one_series_shows_its_last_windows():
    y = pd.Series(logistic(200), pd.date_range("2024-01-01", periods=200), name="flow")
    forecaster = gw.RecurrentForecaster(2, **OPTIONS).fit(y)
    seen = forecaster.inspect(windows=3)
    assert seen.networks == forecaster.networks_
    assert len(seen.networks) == 1
    assert seen.windows.shape == (3, 10, len(seen.features)) == (3, 10, seen.networks[0].layers[0].input_size)
    assert seen.window_series.tolist() == [0, 0, 0]
    assert list(seen.window_starts) == [y.index[-2], y.index[-4], y.index[-6]]
    assert seen.features[:6] == ("value", "deviation", "seen", "age", "ahead", "place")
    pd.testing.assert_series_equal(seen.observed[0], y.iloc[-len(seen.observed[0]) :], check_freq=False)
    pd.testing.assert_series_equal(seen.forecasts[0][0.5], forecaster.predict(), check_names=False)
    assert (seen.reference, seen.shares, seen.seasons) == (
        forecaster.reference_,
        forecaster.shares_,
        forecaster.seasons_,
    )


def test_many_series_show_one_window_each():
    y = [pd.Series(logistic(120 - 3 * k), name=f"s{k}") for k in range(4)]
    X = [pd.DataFrame({"ahead": np.sin(np.arange(len(one))), "behind": np.cos(np.arange(len(one)))}) for one in y]
    forecaster = gw.RecurrentForecaster(1, past_covariates=["behind"], **OPTIONS).fit(y, X, static=[1, 2, 3, 4])
    seen = forecaster.inspect(windows=3)
    assert seen.names == ("s0", "s1", "s2", "s3")
    assert seen.window_series.tolist() == [0, 1, 2]
    assert seen.window_starts == (119, 116, 113)
    assert seen.features[6:] == ("ahead", "behind", "static 1")
    assert seen.known_ahead == ("ahead",)
    assert seen.forecasts is None
    ahead = forecaster.inspect([pd.DataFrame({"ahead": [0.5]}, [len(one)]) for one in y])
    assert [len(part) for part in ahead.forecasts] == [1] * 4
    assert ahead.forecasts[0].columns.tolist() == [0.1, 0.5, 0.9]


def test_without_networks_there_are_no_windows():
    forecaster = gw.RecurrentForecaster(2, **OPTIONS).fit(np.arange(6.0) ** 1.5)
    seen = forecaster.inspect()
    assert seen.networks == ()
    assert seen.windows is None
    assert seen.window_starts == ()
    with pytest.raises(gw.GatewiseError, match="windows is 0"):
        forecaster.inspect(windows=0)

"""What the whole forecaster must beat."""

import numpy as np
import pytest

import gatewise as gw


@pytest.mark.parametrize("length", [40, 100])
def test_a_series_that_repeats_itself_exactly_goes_on(length):
    y = np.arange(float(length)) % 12
    found = gw.RecurrentForecaster(3, season=12, max_updates=5, n_networks=1, hidden_size=4, random_state=0).fit(y)
    np.testing.assert_allclose(found.predict(), np.arange(length, length + 3) % 12, atol=1e-6)
    np.testing.assert_allclose(np.ptp(found.predict_quantiles(), axis=1), 0, atol=1e-6)


def test_a_linear_series_is_forecast_as_well_as_by_its_own_equation():
    """AR(2): one-step error within a tenth of that of the true equation."""
    rng = np.random.default_rng(4)
    noise = rng.normal(size=900)
    y = np.zeros(900)
    for t in range(2, 900):
        y[t] = 1.5 * y[t - 1] - 0.7 * y[t - 2] + noise[t]
    found = gw.RecurrentForecaster(1, max_updates=150, n_networks=1, hidden_size=16, random_state=0).fit(y[:600])
    errors = []
    for t in range(600, 800):
        errors.append(found.predict()[0] - y[t])
        found.update(y[t : t + 1])
    assert np.mean(np.abs(errors)) < 1.1 * np.mean(np.abs(noise[600:800]))


def test_a_nonlinear_series_is_forecast_better_than_by_a_line():
    """The logistic map: no linear method does better than its mean; the network must."""
    y = np.empty(700)
    y[0] = 0.3
    for t in range(699):
        y[t + 1] = 3.8 * y[t] * (1 - y[t])
    found = gw.RecurrentForecaster(1, max_updates=250, n_networks=1, hidden_size=16, random_state=0)
    measured = found.backtest(y, windows=40)
    assert measured.loc[("all", "model"), "mae"] < 0.5 * np.abs(y - y.mean()).mean()
    assert measured.loc[("all", "model"), "mae"] < 0.5 * measured.loc[("all", "seasonal_naive"), "mae"]

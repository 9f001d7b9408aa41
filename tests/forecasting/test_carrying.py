"""What a forecaster learned of some series, for others: common parts are taken over, those of a series are its own."""

import numpy as np
import pytest

import gatewise as gw
from gatewise.forecasting.carrying import carried
from gatewise.forecasting.panel import Panel


@pytest.fixture(scope="module")
def state():
    rng = np.random.default_rng(0)
    y = [10 * (k + 1) + np.arange(60) % 4 + rng.normal(size=60) / 5 for k in range(3)]
    return gw.RecurrentForecaster(2, season=4, max_updates=3, n_networks=1, random_state=0).fit(y)._state


def panel_of(state, *series):
    nothing = [np.zeros((len(y), state.panel.known.shape[1])) for y in series]
    past = [np.zeros((len(y), state.panel.past.shape[1])) for y in series]
    return Panel.of(list(series), nothing, past, np.zeros((len(series), 0)), np.zeros(len(series), int))


def test_a_series_has_its_own_scales_and_methods(state):
    y = np.tile([1.0, 2.0, 4.0, 3.0], 15)
    other = carried(state.fitted, panel_of(state, y, 1000 * y))
    np.testing.assert_allclose(other.plan.size[1], 1000 * other.plan.size[0])
    np.testing.assert_array_equal(other.calibration.scale, [1, 1])
    np.testing.assert_array_equal(other.calibration.lowest, [0, 0])
    assert all(len(one.criterion) == 2 for one in other.combination.methods.smoothed.values())


def test_what_is_common_is_that_of_the_fit(state):
    other = carried(state.fitted, panel_of(state, np.tile([1.0, 2.0, 4.0, 3.0], 15)))
    np.testing.assert_allclose(other.combination.weights, state.fitted.combination.weights.mean(axis=0)[None])
    assert other.linear is state.fitted.linear
    assert other.networks is state.fitted.networks
    assert other.plan.reference == state.fitted.plan.reference


def test_a_repeated_pattern_goes_on(state):
    panel = panel_of(state, 50 + np.tile([1.0, 2.0, 4.0, 3.0], 15))
    ahead = panel.extended([np.zeros((2, panel.known.shape[1]))])
    found = carried(state.fitted, panel).forecast(ahead, ahead.ends(2))
    assert found.shape == (1, 2, 3)
    np.testing.assert_allclose(found[0, :, 1], [51, 52], atol=0.5)

"""Simple methods beside the path: which there are, what they forecast together, and how they go on."""

import numpy as np
import pandas as pd
import pytest
from support.panels import panel_of, settings_for

import gatewise as gw
from gatewise.forecasting.combination import Method, Methods, methods_for, prior_weights
from gatewise.forecasting.panel import Origins
from gatewise.forecasting.selection import make_plans
from gatewise.forecasting.windows import Windows

FAST = {"max_updates": 5, "n_networks": 1, "hidden_size": 4, "random_state": 0}


def seasonal(length, seed):
    t = np.arange(length)
    noise = np.random.default_rng(seed).normal(size=length)
    return 50 + 0.5 * t + 8 * np.sin(t * np.pi / 2) + noise


def fitted_to(*series, seasons=(4,)):
    panel = panel_of(*series)
    plan = make_plans(panel, settings_for(5, *seasons))[0]
    return panel, plan, Methods.fit(panel, methods_for(plan.seasons, min(map(len, series))))


def test_methods_follow_the_seasons_that_a_length_holds():
    assert methods_for((), 30) == tuple(map(Method, ("naive", "drift", "ANN", "AAN", "AAdN", "theta")))
    assert Method("AAdA", 12) in methods_for((12,), 24)
    assert Method("AAdA", 12) not in methods_for((12,), 23)
    of_two = methods_for((24, 168), 1000)
    assert Method("MAM", 24) in of_two
    assert Method("MAM", 168) not in of_two
    assert Method("ANA", 168) in of_two
    assert Method("ANA", 8766) not in methods_for((24, 8766), 20_000)


def test_what_is_usual_sums_to_one_and_trusts_the_path_with_rows_and_long_seasons():
    few, many = (prior_weights(methods_for((), 100), rows) for rows in (30, 300))
    assert few.sum() == pytest.approx(many.sum()) == pytest.approx(1)
    assert few[0] < many[0] < prior_weights(methods_for((52,), 300), 300)[0]


def test_likely_forms_are_those_of_the_season_that_there_is():
    _, _, methods = fitted_to(seasonal(80, 0), seasonal(60, 1))
    likely = methods.likely
    np.testing.assert_allclose(likely.sum(axis=1), 1)
    levels = [k for k, method in enumerate(methods.members) if method.season == 1]
    assert likely[:, levels].sum() < 1e-6


def test_a_combination_is_the_weighed_mean_of_path_and_methods():
    panel, plan, methods = fitted_to(seasonal(80, 0), seasonal(60, 1))
    windows = Windows(panel, plan, panel.ends())
    path = np.full((2, 5), 7.0)
    weights = np.zeros((2, 2 + len(methods.members)))
    weights[:, 0], weights[0, 2], weights[1, 1] = 0.25, 0.75, 0.75
    found = methods.weighed(weights).forecast(windows, path)
    each = methods.forecast(windows)
    np.testing.assert_allclose(found[0], 0.25 * 7 + 0.75 * each[0, 0], rtol=0.01)
    np.testing.assert_allclose(found[1], 0.25 * 7 + 0.75 * methods.likely[1] @ each[:, 1], rtol=0.01)


def test_a_combination_without_methods_is_the_path():
    panel, plan, methods = fitted_to(seasonal(80, 0))
    alone = methods.weighed(np.eye(1, 2 + len(methods.members)))
    assert alone.methods.members == ()
    path = np.arange(5.0)[None]
    np.testing.assert_array_equal(alone.forecast(Windows(panel, plan, panel.ends()), path), path)


def test_no_method_reads_beyond_its_origin():
    y = seasonal(80, 0)
    panel, plan, methods = fitted_to(y)
    changed = y.copy()
    changed[60:] = 1e6
    here = Origins(np.array([60, 50]), np.zeros(2, int))
    one, other = (methods.forecast(Windows(p, plan, here)) for p in (panel, panel_of(changed)))
    np.testing.assert_array_equal(one, other)


def test_an_outlier_does_not_send_a_method_out_of_sight():
    y = 100 * np.exp(-0.2 * np.arange(30.0))
    y[-1] = 1e5
    panel, plan, methods = fitted_to(y, seasons=())
    found = methods.forecast(Windows(panel, plan, panel.ends()))
    assert np.abs(found - 1e5).max() <= (8 + 2 * 4) * plan.size[0]


def test_words_name_shares_once_a_method():
    y = pd.Series(seasonal(80, 0), pd.period_range("2000Q1", periods=80, freq="Q"))
    words = gw.RecurrentForecaster(4, season=4, **FAST).fit(y).reference_
    assert words.count("exponential smoothing") == 1
    shares = [int(part.split("%")[0]) for part in words.split(", ")]
    assert shares == sorted(shares, reverse=True)
    assert 97 <= sum(shares) <= 102


def test_a_saved_forecaster_forecasts_the_same_and_goes_on_the_same(tmp_path):
    y = seasonal(400, 2)
    forecaster = gw.RecurrentForecaster(4, season=4, **FAST).fit(y[:300])
    gw.save(forecaster, tmp_path / "a.safetensors")
    loaded = gw.load(tmp_path / "a.safetensors")
    assert len(forecaster._state.fitted.combination.methods.smoothed) > 1
    for part in (y[300:301], y[301:390]):
        np.testing.assert_array_equal(forecaster.predict(), loaded.predict())
        for one in (forecaster, loaded):
            one.update(part)
    np.testing.assert_array_equal(forecaster.predict(), loaded.predict())


def test_states_go_on_over_updates_as_over_the_whole_series():
    """Rows taken in one after the other lead to the forecast of the same methods from the whole series at once."""
    y = seasonal(420, 3)
    forecaster = gw.RecurrentForecaster(4, season=4, **FAST).fit(y[:300])
    fitted = forecaster._state.fitted
    start = 300 - (forecaster._state.panel.stop - forecaster._state.panel.start)[0]
    whole = panel_of(y[start:])
    expected = fitted.combination.methods.forecast(Windows(whole, fitted.plan, whole.ends()))
    for k in range(300, 420, 7):
        forecaster.update(y[k : min(k + 7, 420)])
    state = forecaster._state
    found = state.fitted.combination.methods.forecast(Windows(state.panel, state.fitted.plan, state.panel.ends()))
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_a_series_that_is_nearly_a_line_is_forecast_as_one():
    rng = np.random.default_rng(5)
    y = 1000 + 20 * np.arange(60) + rng.normal(size=60)
    found = gw.RecurrentForecaster(6, **FAST).fit(y).predict()
    truth = 1000 + 20 * np.arange(60, 66)
    assert np.abs(found - truth).mean() < 0.2 * np.abs(y[-1] - truth).mean()


def test_series_too_short_to_judge_go_on_smoothly():
    """Twelve points and a horizon of ten: no step ahead jumps out of the line of its neighbors."""
    rng = np.random.default_rng(6)
    series = [np.exp(rng.normal(5, 1) + np.cumsum(rng.normal(0.05, 0.02, size=12))) for _ in range(20)]
    for y, ahead in zip(series, gw.RecurrentForecaster(10, **FAST).fit(series).predict(), strict=True):
        steps = np.diff(np.concatenate([y[-1:], ahead]))
        assert np.abs(np.diff(steps)).max() < 2 * np.abs(np.diff(y)).max()
        assert np.isfinite(ahead).all()

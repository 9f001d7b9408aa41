"""Weights of several forecasts: what is better counts more, what nobody judged keeps what is usual."""

import numpy as np
import pytest

from gatewise.forecasting.weighing import mean_of_seen, panel_weights, series_weights

TRUTH = np.random.default_rng(0).normal(size=300)
PRIOR = np.array([0.5, 0.3, 0.2])
EVEN = np.ones(300)


def noisy(*sizes):
    rng = np.random.default_rng(1)
    return np.stack([TRUTH + size * rng.normal(size=300) for size in sizes])


def test_weights_lie_on_the_simplex_and_favor_what_is_near_the_truth():
    weights = panel_weights(TRUTH, noisy(2.0, 2.0, 0.1), EVEN, PRIOR, 300)
    assert weights.sum() == pytest.approx(1)
    assert (weights >= 0).all()
    assert weights[2] > 0.9


def test_an_average_of_independent_errors_beats_each():
    forecasts = noisy(1.0, 1.0, 1.0)
    weights = panel_weights(TRUTH, forecasts, EVEN, PRIOR, 300)
    np.testing.assert_allclose(weights, 1 / 3, atol=0.1)
    alone = np.abs(forecasts - TRUTH).mean(axis=1)
    assert np.abs(weights @ forecasts - TRUTH).mean() < 0.7 * alone.min()


def test_few_windows_leave_what_is_usual():
    forecasts = noisy(1.0, 1.1, 0.9)
    np.testing.assert_allclose(panel_weights(TRUTH, forecasts, EVEN, PRIOR, 0.2), PRIOR, atol=0.02)


def test_points_that_do_not_count_say_nothing():
    forecasts = noisy(0.1, 2.0, 2.0)
    forecasts[:, 150:] = noisy(2.0, 2.0, 0.1)[:, 150:]
    early = (np.arange(300) < 150).astype(float)
    assert panel_weights(TRUTH, forecasts, early, PRIOR, 300)[0] > 0.9
    assert panel_weights(TRUTH, forecasts, 1 - early, PRIOR, 300)[2] > 0.9


def test_what_repeats_the_truth_exactly_takes_all_weight():
    weights = panel_weights(TRUTH, noisy(1.0, 0.0, 0.0), EVEN, PRIOR, 300)
    np.testing.assert_allclose(weights, [0, 0.6, 0.4])


def test_a_series_moves_weight_to_what_was_better_there_than_usual():
    errors = np.array([[1.0, 1.0, 1.0], [1.0, 2.0, 3.0], [3.0, 2.0, 1.0], [np.nan] * 3, [0.0] * 3])
    weights = series_weights(PRIOR, errors)
    np.testing.assert_allclose(weights.sum(axis=1), 1)
    assert weights[1, 0] > weights[0, 0] > weights[2, 0]
    assert weights[2, 2] > weights[0, 2] > weights[1, 2]
    np.testing.assert_allclose(weights[3], weights[4])


def test_series_that_err_alike_keep_the_weights_of_the_panel():
    np.testing.assert_allclose(series_weights(PRIOR, np.array([[1.0, 2.0, 4.0], [10.0, 20.0, 40.0]])), [PRIOR] * 2)


def test_the_mean_of_what_is_seen_is_nan_where_nothing_is():
    values = np.array([[1.0, np.nan, 3.0], [np.nan] * 3])
    np.testing.assert_array_equal(mean_of_seen(values, 1), [2, np.nan])

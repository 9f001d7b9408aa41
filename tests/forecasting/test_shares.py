"""Shares of a forecast, and how far they are shrunk where their gain is in doubt."""

import numpy as np
import pytest

from gatewise.forecasting.shares import best_share, shrinkage

TRUTH = np.random.default_rng(0).normal(size=(400, 2))


@pytest.mark.parametrize(("forecast", "low", "high"), [(TRUTH, 1, 1), (2 * TRUTH, 0.49, 0.5), (-TRUTH, 0, 0)])
def test_the_best_share_is_the_one_with_the_lowest_error(forecast, low, high):
    share, error = best_share(TRUTH, forecast)
    assert low <= share <= high
    expected = np.abs(TRUTH - np.round(share, 1) * forecast).mean()
    assert error == pytest.approx(expected * (1.03 if share < 1 else 1), abs=1e-12)


def test_a_whole_forecast_stays_whole_within_the_standard_error():
    noisy = TRUTH[:6] + np.random.default_rng(1).normal(size=(6, 2))
    assert best_share(TRUTH[:6], noisy)[0] == 1


def test_weights_say_which_windows_count():
    forecast = np.concatenate([TRUTH[:200], 2 * TRUTH[200:]])
    late = (np.arange(400) >= 200)[:, None].astype(float)
    assert best_share(TRUTH, forecast, 1 - late)[0] == 1
    assert best_share(TRUTH, forecast, late)[0] == pytest.approx(0.5, abs=0.01)


def test_shrinkage_follows_its_formula():
    forecast = TRUTH + 0.9 * np.random.default_rng(2).normal(size=TRUTH.shape)
    gains = (np.abs(TRUTH) - np.abs(TRUTH - forecast)).mean(axis=1)
    error = gains.std() / np.sqrt(400 / np.sqrt(2))
    assert shrinkage(TRUTH, forecast) == pytest.approx(1 / (1 + (error / (3 * gains.mean())) ** 2))
    assert shrinkage(TRUTH, -TRUTH) == 0
    assert shrinkage(TRUTH, TRUTH) > 0.999

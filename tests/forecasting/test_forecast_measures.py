"""Measures of forecasts, by hand."""

import numpy as np
import pytest

from gatewise.forecasting.measures import measures


def test_measures_by_hand():
    truth = np.array([1.0, 2.0, np.nan])
    quantiles = np.array([[0.0, 2.0, 3.0], [3.0, 4.0, 5.0], [0, 0, 0]])
    found = measures(truth, quantiles, (0.1, 0.5, 0.9), np.array([2.0, 4.0, 1.0]))
    assert found["mae"] == 1.5
    assert found["rmse"] == pytest.approx(np.sqrt(2.5))
    assert found["mase"] == 0.5
    assert found["smape"] == pytest.approx(100 * (1 / 3 + 2 / 6) * 2 / 2)
    assert found["coverage"] == 0.5
    losses = [0.1, 0.5, 0.2, 0.9, 1.0, 0.3]  # 0.1·1, 0.5·1, 0.1·2; 0.9·1, 0.5·2, 0.1·3
    assert found["pinball"] == pytest.approx(np.mean(losses))

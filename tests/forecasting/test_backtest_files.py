"""A backtest in a file: every kind of index comes back, and damage is told."""

import numpy as np
import pandas as pd
import pytest

import gatewise as gw
from gatewise.forecasting.backtest import METHODS, Backtest, Measured
from gatewise.forecasting.backtest_files import from_parts, to_parts

INDEXES = [
    pd.date_range("2024-03-30", periods=6, freq="h"),
    pd.date_range("2024-03-30 22:00", periods=6, freq="h", tz="Europe/Berlin"),
    pd.date_range("1500-01-01", periods=6, freq="YS", unit="s"),
    pd.period_range("2024Q1", periods=6, freq="Q"),
    pd.RangeIndex(10, 70, 10),
]


def a_backtest(index):
    rng = np.random.default_rng(0)
    windows = [
        Measured(
            [index[k : k + 3]] * 2, rng.normal(size=(2, len(METHODS), 3, 3)), rng.normal(size=(2, 3)), np.ones((2, 3))
        )
        for k in (0, 3)
    ]
    return Backtest(windows, (0.1, 0.5, 0.9), ["a", "b"], 3, 24)


@pytest.mark.parametrize("index", INDEXES, ids=["dates", "zone", "old", "periods", "numbers"])
def test_it_comes_back(index):
    before = a_backtest(index)
    after = from_parts(*to_parts(before))
    pd.testing.assert_frame_equal(after.forecasts(), before.forecasts(), check_freq=False, check_index_type=False)
    pd.testing.assert_frame_equal(after.measures(), before.measures())


def test_damage_is_told_and_other_methods_are_no_backtest():
    description, arrays = to_parts(a_backtest(INDEXES[0]))
    with pytest.raises(gw.GatewiseError, match=r"truth has shape"):
        from_parts(description, arrays | {"truth": arrays["truth"][:, :1]})
    assert from_parts(description | {"methods": ["model", "naive"]}, arrays) is None

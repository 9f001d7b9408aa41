"""The adapter to sktime: what the forecaster says under its interface; skipped where sktime is absent."""

import importlib
import sys

import numpy as np
import pandas as pd
import pytest

import gatewise as gw

SMALL = {"max_updates": 20, "n_networks": 1, "hidden_size": 8, "random_state": 0}
INDEX = pd.period_range("2015-01", periods=90, freq="M")
Y = pd.Series(np.sin(np.arange(90)) + 0.1 * np.random.default_rng(0).normal(size=90), INDEX)


def test_without_sktime_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "sktime", None)
    monkeypatch.setitem(sys.modules, "sktime.forecasting.base", None)
    monkeypatch.delitem(sys.modules, "gatewise.estimators.sktime", raising=False)
    with pytest.raises(ImportError, match="pip install sktime"):
        importlib.import_module("gatewise.estimators.sktime")


@pytest.mark.peers
@pytest.mark.filterwarnings("ignore")
def test_it_says_what_the_forecaster_says():
    pytest.importorskip("sktime")
    from gatewise.estimators.sktime import GatewiseForecaster

    adapter = GatewiseForecaster(season=12, **SMALL).fit(Y[:80], fh=[1, 2, 5])
    plain = gw.RecurrentForecaster(5, season=12, quantiles=adapter.levels, **SMALL).fit(Y[:80])
    np.testing.assert_array_equal(adapter.predict(), plain.predict().iloc[[0, 1, 4]])
    assert adapter.predict().index.tolist() == [INDEX[80], INDEX[81], INDEX[84]]
    found = adapter.predict_quantiles(alpha=[0.1, 0.9])
    np.testing.assert_allclose(found, plain.predict_quantiles()[[0.1, 0.9]].iloc[[0, 1, 4]])
    adapter.update(Y[80:85], update_params=False)
    np.testing.assert_array_equal(adapter.predict(), plain.update(Y[80:85]).predict().iloc[[0, 1, 4]])

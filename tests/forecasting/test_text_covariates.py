"""Text among the covariates: one column a level, kept in files, levels nobody saw, numbers that are no text."""

import copy
import re

import numpy as np
import pandas as pd
import pytest

import gatewise as gw
from gatewise.errors import GatewiseWarning

SMALL = {"max_updates": 4, "n_networks": 1, "hidden_size": 4, "random_state": 0}
DAYS = pd.date_range("2024-01-01", periods=90)
SKY = np.random.default_rng(0).choice(["sun", "rain", "snow"], size=90)
EFFECT = {"sun": 5.0, "rain": -5.0, "snow": 0.0}
Y = pd.Series([20 + EFFECT[sky] for sky in SKY], DAYS) + 0.1 * np.random.default_rng(1).normal(size=90)
X = pd.DataFrame({"sky": SKY, "warm": np.cos(np.arange(90.0))}, DAYS)


def forecaster(**options):
    return gw.RecurrentForecaster(4, **{**SMALL, **options})


@pytest.fixture(scope="module")
def fitted():
    return forecaster().fit(Y[:80], X[:80])


def test_a_level_is_a_column(fitted):
    levels = pd.get_dummies(X["sky"]).add_prefix("sky=").assign(warm=X["warm"]).astype(float)
    expected = forecaster().fit(Y[:80], levels[:80]).predict(levels[80:])
    pd.testing.assert_series_equal(fitted.predict(X[80:]), expected)
    assert fitted.feature_names_in_.tolist() == ["sky", "warm"]
    assert fitted.n_features_in_ == 2
    assert (fitted.predict(X[80:]) - Y[80:84]).abs().max() < 1.5


@pytest.mark.parametrize(
    "as_written", [lambda s: s.astype("category"), lambda s: s.astype("string"), lambda s: s.astype(object)]
)
def test_text_is_text_however_it_is_held(fitted, as_written):
    other = X.assign(sky=as_written(X["sky"]))
    found = forecaster().fit(Y[:80], other[:80])
    pd.testing.assert_series_equal(found.predict(other[80:]), fitted.predict(X[80:]))


def test_a_file_keeps_the_levels(fitted, tmp_path):
    gw.save(fitted, tmp_path / "sky.safetensors")
    loaded = gw.load(tmp_path / "sky.safetensors")
    assert loaded.feature_names_in_.tolist() == ["sky", "warm"]
    kept = copy.deepcopy(fitted)
    for one in (kept, loaded):
        one.update(Y[80:82], X[80:82])
    pd.testing.assert_series_equal(loaded.predict(X[82:]), kept.predict(X[82:]))


def test_an_unseen_level_is_none_of_them_and_warns():
    found = forecaster().fit(Y[:80], X[:80])
    missing = found.predict(X[80:].assign(sky=None).astype({"sky": "object"}))
    with pytest.warns(
        GatewiseWarning, match="'sky' holds 'fog', which the fit did not see: it counts as none of 'rain'"
    ):
        unseen = found.predict(X[80:].assign(sky="fog"))
    pd.testing.assert_series_equal(unseen, missing)
    several = forecaster().fit([Y[:80], Y[:79]], [X[:80], X[:79]])
    with pytest.warns(GatewiseWarning) as caught:
        several.predict([X[79:].assign(sky="fog")] * 2)
    assert len(caught) == 1


def test_text_that_lacks_is_named_as_it_was_given(fitted):
    with pytest.raises(gw.GatewiseError, match="X_future lacks sky; need the columns sky, warm"):
        fitted.predict(X[["warm"]][80:])
    with pytest.raises(gw.GatewiseError, match="X_new lacks sky"):
        fitted.update(Y[82:], X[["warm"]][82:])


def test_text_may_be_known_up_to_now_only():
    found = forecaster(past_covariates=["sky"]).fit(Y[:80], X[:80])
    assert found._state.covariates.known == ("warm",)
    assert len(found.predict(X[["warm"]][80:])) == 4
    table = found.backtest(Y, X, windows=2)
    assert np.isfinite(table.loc[("all", "model"), "mae"])
    assert forecaster(past_covariates=["sky", "warm"]).fit(Y[:80], X[:80]).predict().shape == (4,)


def test_text_describes_whole_series():
    series = [Y[:60], Y[20:80]]
    table = pd.DataFrame({"kind": ["shop", "stall"]})
    found = forecaster().fit(series, static=table)
    np.testing.assert_array_equal(found._state.panel.static, [[1, -1], [-1, 1]])


def test_booleans_are_numbers():
    found = forecaster().fit(Y[:80], pd.DataFrame({"sunny": SKY[:80] == "sun"}, DAYS[:80]))
    assert found._state.covariates.columns == ("sunny",)
    assert len(found.predict(pd.DataFrame({"sunny": SKY[80:] == "sun"}, DAYS[80:]))) == 4


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ([f"ticket {k}" for k in range(90)], "X column 'sky' is text with 90 levels; need 50 at most"),
        (["1.5", "2"] * 45, "X column 'sky' holds numbers as text, such as '1.5'; need numbers"),
        (DAYS, "column 'sky' has dtype datetime64"),
    ],
)
def test_what_is_no_category_is_refused(column, message):
    with pytest.raises(gw.GatewiseError, match=re.escape(message)):
        forecaster().fit(Y, X.assign(sky=column))


def test_numbers_that_name_categories_may_be_such():
    found = forecaster().fit(Y, X.assign(sky=pd.Categorical(["1", "2"] * 45)))
    assert found._state.covariates.columns == ("sky=1", "sky=2", "warm")


def test_an_array_lacks_the_names_of_text(fitted):
    with pytest.raises(gw.GatewiseError, match="X_future is a ndarray; need a DataFrame: the columns sky"):
        fitted.predict(np.zeros((4, 2)))

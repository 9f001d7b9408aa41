"""`score`, and what scikit-learn's searches make of it."""

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit, cross_val_score

import gatewise as gw

SMALL = {"max_updates": 4, "n_networks": 1, "hidden_size": 4, "random_state": 0}
MONTHS = pd.date_range("2015-01-01", periods=96, freq="MS")
rng = np.random.default_rng(0)
Y = pd.Series(10 + 3 * np.sin(np.arange(96) * 2 * np.pi / 12) + 0.3 * rng.normal(size=96), MONTHS, name="load")
SPLIT = TimeSeriesSplit(2, test_size=6)


def forecaster(horizon=4, **options):
    return gw.RecurrentForecaster(horizon, **{**SMALL, **options})


def test_the_score_is_minus_the_scaled_error():
    fitted = forecaster().fit(Y[:80])
    before = fitted.predict()
    unit = Y[:80].diff().abs().mean()
    first = (fitted.predict() - Y[80:84]).abs().mean() / unit
    assert fitted.score(Y[80:84]) == pytest.approx(-first)
    assert fitted.score(Y[80:82]) == pytest.approx(-(fitted.predict() - Y[80:84])[:2].abs().mean() / unit)
    errors = [
        (fitted.predict() - Y[80:84]).abs(),
        (forecaster().fit(Y[:80]).update(Y[80:84]).predict() - Y[84:88]).abs(),
    ]
    assert fitted.score(Y[80:88]) == pytest.approx(-pd.concat(errors).mean() / unit)
    pd.testing.assert_series_equal(fitted.predict(), before)


def test_the_unit_does_not_matter_and_series_count_alike():
    frame = pd.DataFrame({"a": Y, "b": 1000 * Y})
    fitted = forecaster().fit(frame[:80])
    assert fitted.score(frame[80:]) == pytest.approx(
        forecaster().fit(frame[["a"]][:80]).score(frame[["a"]][80:]), rel=0.3
    )
    assert fitted.score(frame[["b", "a"]][80:]) == fitted.score(frame[80:])


def test_a_file_keeps_the_unit(tmp_path):
    fitted = forecaster().fit(Y[:80])
    gw.save(fitted, tmp_path / "unit.safetensors")
    assert gw.load(tmp_path / "unit.safetensors").score(Y[80:]) == fitted.score(Y[80:])


def test_covariates_are_those_of_the_steps_measured():
    driver = rng.normal(size=(96, 1))
    y = 10 * driver[:, 0] + 0.1 * rng.normal(size=96)
    fitted = forecaster().fit(y[:80], driver[:80])
    assert fitted.score(y[80:], driver[80:]) > -0.3
    assert fitted.score(y[80:83], driver[80:83]) > -0.3
    assert fitted.score(y[80:], rng.normal(size=(16, 1))) < -0.5
    with pytest.raises(gw.GatewiseError, match="X_new is None; need the columns 0"):
        fitted.score(y[80:])


def test_gaps_and_long_frames_are_measured_where_something_is():
    long = pd.DataFrame({"unique_id": "a", "ds": MONTHS, "y": Y.to_numpy()})
    fitted = forecaster().fit(long[:80])
    assert fitted.score(long[80:]) == pytest.approx(forecaster().fit(Y[:80]).score(Y[80:]))
    assert np.isfinite(fitted.score(long[90:]))
    with pytest.raises(gw.GatewiseError, match="y holds no value to measure on"):
        fitted.score(long[80:].assign(y=np.nan))
    with pytest.raises(gw.GatewiseError, match="y is empty"):
        forecaster().fit(Y[:80]).score(Y[:0])
    with pytest.raises(gw.GatewiseError, match="need steps after 2021-08-01"):
        fitted.score(long)


SHORT = Y[-50:]
CONTAINERS = {"series": SHORT, "array": SHORT.to_numpy(), "matrix": np.stack([SHORT, -SHORT], axis=1)}
CONTAINERS["frame"] = pd.DataFrame({"a": SHORT, "b": SHORT[::-1].to_numpy()})


@pytest.mark.parametrize("container", CONTAINERS)
def test_a_grid_search_tunes(container):
    y = CONTAINERS[container]
    search = GridSearchCV(forecaster(), {"season": [None, 7], "alpha": [1e-3]}, cv=SPLIT, error_score="raise")
    search.fit(y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert len(search.best_estimator_.predict()) == 4


def test_cross_val_score_is_what_a_search_finds():
    found = cross_val_score(forecaster(season=7), SHORT, cv=SPLIT, error_score="raise")
    search = GridSearchCV(forecaster(), {"season": [7]}, cv=SPLIT, error_score="raise", refit=False).fit(SHORT)
    assert found.mean() == pytest.approx(search.cv_results_["mean_test_score"][0])
    assert (found < 0).all()


def test_a_search_passes_covariates_and_a_gap():
    driver = pd.DataFrame({"driver": rng.normal(size=96), "sky": ["sun", "rain"] * 48}, MONTHS)
    y = Y + 10 * driver["driver"]
    search = GridSearchCV(
        forecaster(), {"context": [4, 6]}, cv=TimeSeriesSplit(2, test_size=6, gap=2), error_score="raise"
    )
    search.fit(y, driver)
    assert np.isfinite(search.best_score_)

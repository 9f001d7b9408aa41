"""`RecurrentForecaster`: containers and indices, what it may know, what it must beat, and what it refuses."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

import gatewise as gw
from gatewise.storage import read_tensors, tensor_bytes

FAST = {"max_updates": 40, "n_networks": 1, "hidden_size": 8, "random_state": 0}
HOURS = pd.date_range("2024-01-01", periods=400, freq="h", name="time")


def forecaster(horizon=6, **options):
    return gw.RecurrentForecaster(horizon, **{**FAST, **options})


def wave(count, period=24, noise=0.2, seed=0):
    t = np.arange(count)
    return 10 + 3 * np.sin(2 * np.pi * t / period) + noise * np.random.default_rng(seed).normal(size=count)


@pytest.fixture(scope="module")
def hourly():
    return pd.Series(wave(len(HOURS)), HOURS, name="load")


@pytest.fixture(scope="module")
def fitted(hourly):
    return forecaster(season=24).fit(hourly)


@pytest.mark.parametrize(
    ("index", "first"),
    [
        (pd.date_range("2024-01-31", periods=60, freq="ME"), pd.Timestamp("2029-01-31")),
        (pd.date_range("2024-01-01", periods=60, freq="B"), pd.Timestamp("2024-03-25")),
        (pd.date_range("2024-03-30", periods=60, freq="h", tz="Europe/Berlin"), "2024-04-01 13:00+02:00"),
        (pd.period_range("2000", periods=60, freq="Q"), pd.Period("2015Q1")),
        (pd.RangeIndex(10, 130, 2), 130),
        (pd.Index(range(1960, 2020)), 2020),
        (pd.date_range("2024-01-01", periods=61, freq="W").delete(30), pd.Timestamp("2025-03-09")),
    ],
)
def test_the_future_index_goes_on(index, first):
    y = pd.Series(wave(60, 7), index, name="some")
    found = forecaster(3).fit(y).predict()
    assert found.index[0] == (pd.Timestamp(first) if isinstance(first, str) else first)
    assert len(found) == 3
    assert found.name == "some"
    assert isinstance(found.index, type(index) | pd.RangeIndex)
    assert np.isfinite(found).all()


def test_containers_come_back_as_they_came(hourly):
    frame = pd.DataFrame({"a": hourly, "b": 5 - 2 * hourly})
    found = forecaster().fit(frame)
    assert list(found.predict().columns) == ["a", "b"]
    assert found.predict_quantiles().columns.tolist() == [(n, q) for n in "ab" for q in (0.1, 0.5, 0.9)]
    np.testing.assert_array_equal(found.predict_quantiles().xs(0.5, axis=1, level="quantile"), found.predict())
    values = frame.to_numpy()
    matrix = forecaster().fit(values)
    assert matrix.predict().shape == (6, 2)
    assert matrix.predict_quantiles().shape == (6, 2, 3)
    assert forecaster().fit(values[:, 0]).predict().shape == (6,)
    several = forecaster().fit([hourly.rename(None), hourly.iloc[-90:], hourly.iloc[200:240]])
    assert [part.name for part in several.predict()] == [None, "load", "load"]
    assert several.predict()[2].index[0] == HOURS[240]
    assert several.predict_quantiles()[1].columns.tolist() == [0.1, 0.5, 0.9]


def test_order_of_rows_does_not_matter(hourly, fitted):
    shuffled = hourly.sample(frac=1, random_state=0)
    pd.testing.assert_series_equal(forecaster(season=24).fit(shuffled).predict(), fitted.predict())


def test_equal_seeds_give_equal_forecasts(hourly, fitted):
    again = forecaster(season=24).fit(hourly)
    pd.testing.assert_frame_equal(again.predict_quantiles(), fitted.predict_quantiles())


def test_unit_and_level_do_not_matter(hourly, fitted):
    for scale, level in ((1e9, -1e10), (1e-6, 0.0), (-1.0, 3.0)):
        other = forecaster(season=24).fit(level + scale * hourly)
        if scale < 0:
            continue
        expected = level + scale * fitted.predict()
        error = np.abs(other.predict() - expected).max() / abs(scale)
        assert error < 0.05


def test_quantiles_do_not_cross_and_come_as_asked(hourly):
    levels = (0.95, 0.05, 0.3, 0.7)
    found = forecaster(12, quantiles=levels, season=24).fit(hourly).predict_quantiles()
    assert tuple(found.columns) == levels
    assert (np.diff(found[sorted(levels)].to_numpy(), axis=1) >= 0).all()


def test_update_is_what_a_longer_past_would_give(hourly):
    """The state after `update` is that of a forecaster with the same parameters that had seen all of it."""
    cut = 350
    found = forecaster(season=24).fit(hourly.iloc[:cut])
    before = found.predict()
    stepwise = clone(found).fit(hourly.iloc[:cut])
    found.update(hourly.iloc[cut:])
    for row in range(cut, len(hourly)):
        stepwise.update(hourly.iloc[row : row + 1])
    pd.testing.assert_frame_equal(found.predict_quantiles(), stepwise.predict_quantiles())
    assert found.predict().index[0] == HOURS[-1] + pd.Timedelta("1h")
    assert not np.allclose(found.predict(), before)
    shifted = clone(found).fit(hourly.iloc[:cut]).update(hourly.iloc[cut:] + 5)
    assert np.abs(shifted.predict() - found.predict()).max() > 0.05


def test_update_may_leave_a_gap(hourly):
    found = forecaster(season=24).fit(hourly.iloc[:300]).update(hourly.iloc[310:320])
    again = forecaster(season=24).fit(hourly.iloc[:300])
    padded = hourly.iloc[300:320].copy()
    padded.iloc[:10] = np.nan
    pd.testing.assert_series_equal(found.predict(), again.update(padded).predict())


def test_gaps_are_allowed(hourly):
    y = hourly.copy()
    y.iloc[np.random.default_rng(0).choice(400, 80, replace=False)] = np.nan
    y.iloc[:3] = y.iloc[-2:] = np.nan
    found = forecaster(24, season=24).fit(y).predict()
    assert found.index[0] == HOURS[-1] + pd.Timedelta("1h")
    assert np.abs(found.to_numpy() - (10 + 3 * np.sin(2 * np.pi * np.arange(400, 424) / 24))).mean() < 0.5
    dropped = forecaster(24, season=24).fit(y.iloc[3:-2].dropna())
    pd.testing.assert_index_equal(dropped.predict().index, HOURS[-2:].union(found.index)[:24], check_names=True)


def test_odd_series_do_not_break_the_others():
    rng = np.random.default_rng(0)
    walks = [rng.normal(size=n).cumsum() for n in (40, 15, 60, 25)]
    odd = [np.full(30, 7.0), np.array([3.0]), np.array([np.nan, 4.0, np.nan, np.nan]), -1e12 * walks[0] + 1e15]
    found = forecaster(4).fit([*walks, *odd])
    parts = found.predict_quantiles()
    assert all(np.isfinite(part).all(axis=None) for part in parts)
    np.testing.assert_allclose(parts[4], 7.0)
    np.testing.assert_allclose(parts[5], 3.0)
    np.testing.assert_allclose(parts[6], 4.0)
    assert parts[6].index[0] == 4


def test_static_numbers_are_read():
    """The drift of a series is its static number: after a level shift of the noise only that tells it."""
    rng = np.random.default_rng(1)
    slopes = np.repeat([1.0, -1.0], 40)
    walks = [s * np.arange(12) + 4 * rng.normal(size=12) for s in slopes]
    told = forecaster(3).fit(walks, static=slopes)
    untold = forecaster(3).fit(walks)
    truth = [s * np.arange(12, 15) for s in slopes]
    errors = [np.mean(np.abs(np.stack(one.predict()) - truth)) for one in (told, untold)]
    assert errors[0] < 0.8 * errors[1]


def test_a_driver_known_ahead_is_used():
    rng = np.random.default_rng(2)
    driver = rng.normal(size=460)
    y = pd.Series(3 * driver + 0.1 * rng.normal(size=460))
    X = pd.DataFrame({"driver": driver, "noise": rng.normal(size=460)})
    found = forecaster(10).fit(y[:400], X[:400])
    forecast = found.predict(X[400:])
    assert forecast.index[0] == 400
    assert np.abs(forecast - y[400:410]).mean() < 0.3
    array = forecaster(10).fit(y[:400].to_numpy(), X[:400].to_numpy())
    np.testing.assert_allclose(array.predict(X[400:410].to_numpy()), forecast)
    found.update(y[400:405], X[400:405])
    assert np.abs(found.predict(X[405:415]) - y[405:415]).mean() < 0.3


def test_a_driver_known_up_to_now_is_used():
    rng = np.random.default_rng(3)
    driver = rng.normal(size=400)
    y = np.concatenate([[0.0], 3 * driver[:-1]]) + 0.1 * rng.normal(size=400)
    X = pd.DataFrame({"driver": driver})
    found = forecaster(1, past_covariates=["driver"]).fit(y[:399], X[:399])
    assert abs(found.predict()[0] - 3 * driver[398]) < 0.5
    assert found.n_features_in_ == 1
    assert found.feature_names_in_.tolist() == ["driver"]


def test_save_and_load(hourly, tmp_path):
    index = pd.date_range(HOURS[0], periods=500, freq="h")
    X = pd.DataFrame({"known": np.cos(np.arange(500)), "seen": np.sin(np.arange(500))}, index)
    frame = pd.DataFrame({"a": hourly, 7: hourly[::-1].to_numpy()}).iloc[:380]
    noisy = forecaster(5, past_covariates=["seen"], season=(24,)).fit(frame, X[:380], static=[1, 2])
    noisy._state = noisy._state._replace(fitted=replace(noisy._state.fitted, network_share=0.5))
    noisy.networks_ = noisy._state.fitted.networks
    path = tmp_path / "forecaster.safetensors"
    gw.save(noisy, path, info={"made": "here"})
    loaded = gw.load(path)
    assert repr(loaded) == repr(noisy)
    assert loaded.reference_ == noisy.reference_
    pd.testing.assert_frame_equal(loaded.predict_quantiles(X), noisy.predict_quantiles(X))
    for one in (loaded, noisy):
        one.update(frame.iloc[-4:].set_axis(X.index[380:384]), X[380:384])
    pd.testing.assert_frame_equal(loaded.predict(X), noisy.predict(X))
    with pytest.raises(gw.GatewiseError, match="not fitted"):
        gw.save(forecaster(), path)


@pytest.mark.parametrize("name", ["offsets", "size", "panel.known", "panel.stop", "linear.weight", "mean", "panel.y"])
def test_a_damaged_file_is_refused(fitted, tmp_path, name):
    path = tmp_path / "forecaster.safetensors"
    gw.save(fitted, path)
    arrays, header, _ = read_tensors(path)
    arrays[name] = np.zeros((3, *arrays[name].shape[1:]), arrays[name].dtype)
    path.write_bytes(tensor_bytes(arrays, header))
    with pytest.raises(gw.GatewiseError, match=re.escape(str(path))):
        gw.load(path)


def test_it_is_an_estimator(hourly):
    found = forecaster(5, season=24)
    assert clone(found).get_params() == found.get_params()
    assert "season=24" in repr(found)
    with pytest.raises(NotFittedError):
        found.predict()
    assert found.fit(hourly) is found
    assert not hasattr(clone(found), "reference_")
    assert found.set_params(horizon=3).fit(hourly).predict().shape == (3,)


@pytest.mark.parametrize(("old", "new"), [("members", "n_networks")])
def test_old_names_are_refused_with_the_new_one(old, new):
    for use in (lambda: forecaster(**{old: 3}), lambda: forecaster().set_params(**{old: 3})):
        with pytest.raises(TypeError, match=f"no parameter '{old}' any more; need '{new}'"):
            use()


def test_a_file_with_an_old_name_is_read(fitted, tmp_path):
    path = tmp_path / "forecaster.safetensors"
    gw.save(fitted, path)
    arrays, header, _ = read_tensors(path)
    assert any("max_updates" in text for text in header.values())
    old = {
        key: text.replace('"max_iter": null', '"members": 1').replace('"n_networks": 1, ', "")
        for key, text in header.items()
    }
    old = {key: text.replace("max_updates", "max_iter") for key, text in old.items()}
    path.write_bytes(tensor_bytes(arrays, old))
    loaded = gw.load(path)
    assert (loaded.max_updates, loaded.max_iter) == (fitted.max_updates, None)
    pd.testing.assert_series_equal(loaded.predict(), fitted.predict())


def test_a_cell_is_a_name_or_a_class(hourly, tmp_path):
    options = {"context": 4, "max_updates": 2}
    one, other = (forecaster(2, cell=cell, **options).fit(hourly) for cell in ("lstm", gw.LSTM))
    pd.testing.assert_series_equal(one.predict(), other.predict())
    gw.save(other, tmp_path / "forecaster.safetensors")
    assert gw.load(tmp_path / "forecaster.safetensors").cell == "lstm"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"horizon": 0}, "'horizon' parameter of RecurrentForecaster must be an int in the range [1, inf). Got 0"),
        ({"horizon": 2.5}, "'horizon' parameter of RecurrentForecaster must be an int in the range [1, inf). Got 2.5"),
        ({"quantiles": (0.1, 1.0)}, "quantiles holds 1.0"),
        ({"quantiles": ()}, "quantiles is ()"),
        ({"cell": "transformer"}, "cell is 'transformer'"),
        ({"season": (7, -1)}, "season is -1"),
        ({"dropout": 1.0}, "'dropout' parameter"),
        ({"season": -1}, "'season' parameter of RecurrentForecaster must be"),
        ({"context": 0}, "'context' parameter of RecurrentForecaster must be"),
        ({"past_covariates": ["wind"]}, "past_covariates names 'wind'"),
        (
            {"past_covariates": "wind"},
            "'past_covariates' parameter of RecurrentForecaster must be an array-like. Got 'wind'",
        ),
    ],
)
def test_bad_options_are_refused(hourly, options, message):
    with pytest.raises(gw.GatewiseError, match=re.escape(message)):
        forecaster(**options).fit(hourly)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.array([1.0, 1e200, 2.0]), "y is beyond 1e+100 at 1"),
        (pd.Series([-1e150, 2.0], name="flow"), "y 'flow' is beyond 1e+100 at 0"),
        ("text", "y is a str that holds no numbers"),
        ([], "holds no"),
        (pd.Series([np.nan] * 9, name="flow"), "y 'flow' has no observation"),
        (pd.DataFrame({"a": [1.0, 2], "b": np.nan}), "y 'b' has no observation"),
        ([np.arange(9.0), [np.nan, np.nan]], "y[1] has no observation"),
        (pd.Series([1.0, np.inf], pd.date_range("2024-01-01", periods=2)), "infinite at 2024-01-02"),
        (pd.Series(["a", "b"], name="flow"), "y 'flow' has dtype"),
        (pd.Series([1.0, 2], [HOURS[0], HOURS[0]]), "2024-01-01 00:00:00 more than once"),
        (pd.Series([1.0, 2, 3], ["x", "y", "z"]), "need dates, periods or whole numbers"),
        (
            pd.Series(range(30), [*pd.date_range("2024-01-01", periods=29), pd.Timestamp("2024-02-03 01:17:03")]),
            "off its steps",
        ),
        (pd.Series([1.0], [pd.Timestamp("2024-01-01")]), "one date and no frequency"),
        (np.zeros((3, 3, 3)), "y has shape (3, 3, 3)"),
        ([pd.Series(range(9)), pd.Series(range(9), pd.date_range("2024", periods=9))], "mixes steps"),
    ],
)
def test_bad_series_are_named(y, message):
    with pytest.raises(gw.GatewiseError, match=re.escape(message)):
        forecaster(2).fit(y)


def test_bad_covariates_are_named(hourly):
    X = pd.DataFrame({"wind": np.arange(400.0), "rain": 1.0}, HOURS)
    for bad, message in (
        (X.assign(rain=HOURS), "column 'rain' has dtype"),
        (X.assign(rain="1.5"), "column 'rain' holds numbers as text"),
        (X.assign(rain=np.nan), "column 'rain' has no value"),
        (X.assign(rain=np.inf), "column 'rain' is infinite at 2024-01-01"),
        (X.to_numpy()[:50], "has shape (50, 2); need (400, columns)"),
        (X.set_axis(HOURS + pd.Timedelta("999D")), "none of the index of y"),
    ):
        with pytest.raises(gw.GatewiseError, match=re.escape(message)):
            forecaster().fit(hourly, bad)
    found = forecaster().fit(hourly.iloc[:300], X.iloc[:300])
    for future, message in (
        (None, "need the next 6 steps of wind, rain"),
        (X[["wind"]].iloc[300:], "lacks rain"),
        (X.iloc[301:], "lacks 2024-01-13 12:00:00"),
        (X.to_numpy()[:3], "has shape (3, 2); need (6, 2)"),
    ):
        with pytest.raises(gw.GatewiseError, match=re.escape(message)):
            found.predict(future)
    with pytest.raises(gw.GatewiseError, match="X_new is None; need the columns wind, rain"):
        found.update(hourly.iloc[300:])
    with pytest.raises(gw.GatewiseError, match="no covariate of the fit is known ahead"):
        forecaster().fit(hourly).predict(X)


def test_bad_updates_are_named(hourly, fitted):
    for bad, message in (
        (hourly.iloc[-3:], "has 2024-01-17 13:00:00; need steps after 2024-01-17 15:00:00"),
        (pd.Series([1.0], [HOURS[-1] + pd.Timedelta("90min")]), "off the steps of 'h'"),
        (pd.Series([1.0]), "need dates, as y in fit has"),
        (pd.DataFrame({"load": [1.0]}), "need all 1 of the fit, in what they came in: a Series"),
    ):
        with pytest.raises(gw.GatewiseError, match=re.escape(message)):
            fitted.update(bad)
    assert fitted.predict().index[0] == HOURS[-1] + pd.Timedelta("1h")

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import gatewise as gw

RAGGED = [np.array([[1.0, 10.0], [3.0, np.nan], [2.0, 30.0]]), np.array([[6.0, 20.0]])]
ORDERED = "a row's window holds the rows before it, so that their order is what it is about"


def expected_failures(estimator):
    if not isinstance(estimator, gw.SequenceWindower):
        return {}
    return {"check_methods_sample_order_invariance": ORDERED, "check_methods_subset_invariance": ORDERED}


@parametrize_with_checks(
    [gw.SequenceScaler(), gw.SequencePadder(), gw.SequenceWindower(window=3, flatten=True)],
    expected_failed_checks=expected_failures,
)
def test_the_contract_of_scikit_learn(estimator, check):
    check(estimator)


def test_the_scaler_standardizes_over_all_observed_steps():
    scaler = gw.SequenceScaler().fit(RAGGED)
    np.testing.assert_allclose(scaler.mean_, [3.0, 20.0])
    np.testing.assert_allclose(scaler.scale_, [np.std([1, 3, 2, 6]), np.std([10, 30, 20])])
    first, second = scaler.transform(RAGGED)
    assert np.isnan(first[1, 1])
    np.testing.assert_allclose(second, [[3 / np.std([1, 3, 2, 6]), 0]])
    for back, came in zip(scaler.inverse_transform([first, second]), RAGGED, strict=True):
        np.testing.assert_allclose(back, came)


def test_the_scaler_agrees_with_scikit_learn_on_steps():
    X = np.random.default_rng(0).normal(3, 5, size=(7, 11, 4))
    expected = StandardScaler().fit_transform(X.reshape(77, 4)).reshape(X.shape)
    np.testing.assert_allclose(gw.SequenceScaler().fit_transform(X), expected, rtol=1e-12)


def test_a_table_is_one_channel_to_the_scaler():
    X = np.array([[1.0, 2.0], [3.0, 4.0]])
    np.testing.assert_allclose(gw.SequenceScaler().fit_transform(X), (X - 2.5) / X.std())


@pytest.mark.parametrize("options", [{"with_mean": False}, {"with_std": False}])
def test_the_scaler_can_leave_one_part_out(options):
    scaler = gw.SequenceScaler(**options).fit(RAGGED)
    assert (scaler.mean_ == 0).all() == (not scaler.with_mean)
    assert (scaler.scale_ == 1).all() == (not scaler.with_std)


def test_a_constant_channel_is_only_centered():
    X = np.full((3, 4, 1), 0.1)
    np.testing.assert_allclose(gw.SequenceScaler().fit_transform(X), 0, atol=1e-15)


def test_frames_stay_frames():
    frames = [pd.DataFrame({"a": [1.0, 2.0], "b": [0.0, 4.0]}, index=[5, 6]), pd.DataFrame({"a": [3.0], "b": [5.0]})]
    scaler = gw.SequenceScaler().fit(frames)
    first, _ = scaler.transform(frames)
    assert list(first.columns) == ["a", "b"]
    assert list(first.index) == [5, 6]
    assert list(scaler.feature_names_in_) == ["a", "b"]
    with pytest.raises(gw.GatewiseError, match=r"X\[0\] has the columns b, a; need exactly a, b, in this order"):
        scaler.transform([frames[0][["b", "a"]]])


def test_single_channels_keep_their_axes():
    X = [np.array([1.0, 2.0, 3.0]), np.array([4.0])]
    assert [x.shape for x in gw.SequenceScaler().fit_transform(X)] == [(3,), (1,)]
    assert [x.shape for x in gw.SequenceScaler().fit_transform([x[:, None] for x in X])] == [(3, 1), (1, 1)]


@pytest.mark.parametrize("kind", [gw.SequenceScaler, gw.SequencePadder])
def test_tables_become_frames_when_asked_for(kind):
    table = pd.DataFrame({"t0": [1.0, 2.0], "t1": [3.0, 5.0]}, index=["x", "y"])
    transformer = kind().set_output(transform="pandas")
    found = transformer.fit_transform(table)
    assert list(found.columns) == ["t0", "t1"]
    assert list(found.index) == ["x", "y"]
    found = transformer.fit(RAGGED).transform(RAGGED)
    assert not isinstance(found, pd.DataFrame)


def test_the_padder_fills_up_and_tells_lengths():
    padder = gw.SequencePadder().fit(RAGGED)
    found = padder.transform(RAGGED)
    np.testing.assert_array_equal(found[0], RAGGED[0])
    np.testing.assert_array_equal(found[1], [[6, 20], [np.nan, np.nan], [np.nan, np.nan]])
    np.testing.assert_array_equal(padder.lengths(RAGGED), [3, 1])


def test_the_padder_cuts_only_where_it_is_told_to():
    found = gw.SequencePadder(length=2, value=-1).fit_transform(RAGGED)
    np.testing.assert_array_equal(found, [[[1, 10], [3, np.nan]], [[6, 20], [-1, -1]]])
    assert gw.SequencePadder(length=5).fit_transform(RAGGED).shape == (2, 5, 2)
    assert list(gw.SequencePadder(length=2).fit(RAGGED).lengths(RAGGED)) == [2, 1]
    names = gw.SequencePadder(length=3).fit(np.ones((2, 2))).get_feature_names_out()
    assert list(names) == ["x0", "x1", "pad0"]
    with pytest.raises(gw.GatewiseError, match="length is 0; need at least 1"):
        gw.SequencePadder(length=0).fit(RAGGED)


def test_what_the_padder_gives_is_read_as_the_list_it_came_from():
    rng = np.random.default_rng(0)
    X = [rng.normal(size=(length, 2)) for length in (3, 9, 1, 5)]
    y = [0, 1, 0, 1]
    model = gw.RecurrentClassifier(hidden_size=4, max_iter=2, random_state=0)
    pipeline = make_pipeline(gw.SequencePadder(), clone(model)).fit(X, y)
    np.testing.assert_array_equal(pipeline.predict_proba(X), model.fit(X, y).predict_proba(X))


def test_windows_end_with_their_row():
    series = np.arange(8.0).reshape(4, 2)
    found = gw.SequenceWindower(window=2).fit_transform(series)
    assert found.shape == (4, 2, 2)
    np.testing.assert_array_equal(found[0], [[0, 1], [0, 1]])
    np.testing.assert_array_equal(found[3], [[4, 5], [6, 7]])


def test_flat_windows_are_frames_with_names():
    table = pd.DataFrame({"a": [1.0, 2.0, 3.0], "b": [4.0, 5.0, 6.0]})
    windower = gw.SequenceWindower(window=2, flatten=True).set_output(transform="pandas")
    found = windower.fit_transform(table)
    assert list(found.columns) == ["a_lag1", "b_lag1", "a_lag0", "b_lag0"]
    np.testing.assert_array_equal(found.iloc[2], [2, 5, 3, 6])
    assert Ridge().fit(found, [1, 2, 3]).predict(found).shape == (3,)


@pytest.mark.parametrize(("horizon", "shape"), [(1, (7,)), (3, (5, 3))])
def test_targets_follow_their_windows(horizon, shape):
    series = np.arange(10.0)
    X, y = gw.SequenceWindower(window=3).windows(series[:, None], series, horizon=horizon)
    assert X.shape == (len(y), 3, 1)
    assert y.shape == shape
    for window, target in zip(X[:, :, 0], y.reshape(len(y), -1), strict=True):
        np.testing.assert_array_equal(np.concatenate([window, target]), window[0] + np.arange(3 + horizon))


def test_windows_every_few_steps_and_of_all_channels():
    series = np.arange(20.0).reshape(10, 2)
    X, y = gw.SequenceWindower(window=3).windows(series, step=2)
    np.testing.assert_array_equal(X[:, 0, 0], [0, 4, 8, 12])
    np.testing.assert_array_equal(y, series[[3, 5, 7, 9]])


def test_series_that_are_too_short_and_targets_that_do_not_fit():
    windower = gw.SequenceWindower(window=3)
    with pytest.raises(gw.GatewiseError, match="X has 3 steps; need 4 for one window and what comes after it"):
        windower.windows(np.ones((3, 1)))
    with pytest.raises(gw.GatewiseError, match="y has 2 rows and X 5"):
        windower.windows(np.ones((5, 1)), [1, 2])
    with pytest.raises(gw.GatewiseError, match="X is not one series"):
        windower.fit(np.ones((2, 3, 1)))

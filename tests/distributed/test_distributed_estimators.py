"""Estimators fitted to partitions: the same wherever they lie, and as good as fitted in one place."""

import dask.array as da
import dask.bag as db
import dask.dataframe as dd
import distributed
import numpy as np
import pandas as pd
import pytest

import gatewise as gw
from gatewise.estimators.partitions import Moments, merged_surveys, note, survey

SIZES = (30, 20, 0, 14)


def bytes_of(model):
    learned = b"".join(value.tobytes() for value in model.model_.params.values())
    return learned + np.array(model.loss_curve_).tobytes() + b"".join(value.tobytes() for value in model._inputs)


def table():
    return np.random.default_rng(0).normal(5, 3, size=(sum(SIZES), 7))


def regressor(**options):
    return gw.RecurrentRegressor(hidden_size=3, max_iter=3, random_state=0, **options)


def classifier(**options):
    return gw.RecurrentClassifier(hidden_size=3, max_iter=3, random_state=0, **options)


def test_an_array_gives_the_bytes_of_one_process(two_workers):
    X = table()
    y = X.sum(axis=1)
    here = gw.distributed.fit(regressor(), X, y, partitions=SIZES)
    X_parts, y_parts = da.from_array(X, chunks=(SIZES, -1)), da.from_array(y, chunks=(SIZES,))
    there = gw.distributed.fit(regressor(), X_parts, y_parts, client=two_workers)
    assert bytes_of(there) == bytes_of(here)
    assert np.array_equal(there.predict(X), here.predict(X))
    assert there.n_features_in_ == 7


def test_fit_of_a_frame_takes_the_cluster_of_the_current_client(two_workers):
    X = pd.DataFrame(table(), columns=list("abcdefg")).assign(label=np.where(table()[:, 0] > 5, "high", "low"))
    parts = dd.from_pandas(X, npartitions=3, sort=False)
    sizes = tuple(parts.map_partitions(len).compute(scheduler="synchronous"))
    options = {"class_weight": "balanced", "early_stopping": True, "n_networks": 2}
    with distributed.Client(two_workers.cluster):
        there = classifier(**options).fit(parts.drop(columns="label"), parts["label"])
    here = gw.distributed.fit(classifier(**options), X.drop(columns="label"), X["label"], partitions=sizes)
    assert bytes_of(there) == bytes_of(here)
    assert list(there.classes_) == ["high", "low"]
    assert list(there.feature_names_in_) == list("abcdefg")
    assert there.predict(X.drop(columns="label")).shape == (len(X),)


def test_bags_of_ragged_sequences_with_gaps_and_a_target_per_step(two_workers):
    rng = np.random.default_rng(1)
    X = [rng.normal(size=(rng.integers(3, 9), 2)) for _ in range(20)]
    X[3][1, 0] = np.nan
    y = [x[:, 1].cumsum() for x in X]
    here = gw.distributed.fit(regressor(output="all"), X, y, partitions=4)
    bags = (db.from_sequence(X, npartitions=4), db.from_sequence(y, npartitions=4))
    there = gw.distributed.fit(regressor(output="all"), *bags, client=two_workers)
    assert bytes_of(there) == bytes_of(here)
    assert there._inputs.gaps.tolist() == [True, False]


def test_it_learns_as_in_one_place():
    X = np.random.default_rng(2).normal(size=(300, 8))
    y = np.where(X[:, -3:].sum(axis=1) > 0, "up", "down")
    options = {"max_iter": 15, "n_networks": 1, "ridge_share": 0, "noise": 0}
    parted = gw.distributed.fit(classifier().set_params(**options), X[:200], y[:200], partitions=3)
    assert parted.score(X[200:], y[200:]) > 0.85
    assert parted.loss_curve_[-1] < 0.7 * parted.loss_curve_[0]


def test_a_survey_of_partitions_is_that_of_all_sequences():
    X, weights = table(), np.arange(64) % 3
    y = np.stack([X.sum(axis=1), X[:, 0]], axis=1)
    X[5, 3:5] = np.nan
    whole = regressor().set_params(ridge_share=0).fit(X, y, weights)
    parts = [survey(regressor(), X[rows], y[rows], weights[rows]) for rows in (slice(30), slice(30, 50), slice(50, 64))]
    found = regressor()
    note(found, merged_surveys(merged_surveys(parts[0], None), merged_surveys(parts[1], parts[2])))
    for name in ("mean", "scale", "gaps"):
        np.testing.assert_allclose(getattr(found._inputs, name), getattr(whole._inputs, name), rtol=1e-13)
    np.testing.assert_allclose(found._mean, whole._mean, rtol=1e-13)
    np.testing.assert_allclose(found._scale, whole._scale, rtol=1e-13)
    assert found._downsampling == whole._downsampling


def test_moments_of_nothing_and_of_constants():
    nothing = Moments.of(np.empty((0, 2)), np.empty((0, 2), bool))
    constant = Moments.of(np.full((4, 2), 3.0), np.ones((4, 2), bool))
    both = nothing.with_others(constant).with_others(nothing)
    assert both.mean.tolist() == [3, 3]
    assert both.spread.tolist() == [0, 0]
    with pytest.raises(gw.GatewiseError, match="unit"):
        Moments.of(np.full((2, 1), 1e200) * [[1], [-1]], np.ones((2, 1), bool))


def test_a_fit_continues_from_its_checkpoint_with_the_same_bytes(tmp_path):
    X = table()
    y = X.sum(axis=1)
    kept = {"checkpoint": tmp_path / "fit.checkpoint", "partitions": SIZES}
    first = gw.distributed.fit(regressor(), X, y, **kept)
    longer = gw.distributed.fit(regressor(), X, y, **kept, resume=True)
    assert bytes_of(longer) == bytes_of(first)
    with pytest.raises(gw.GatewiseError, match="another training"):
        gw.distributed.fit(regressor(), X[::-1], y, **kept, resume=True)


def test_a_warm_start_goes_on():
    X = table()
    y = X.sum(axis=1)
    model = gw.distributed.fit(regressor(warm_start=True), X, y, partitions=SIZES)
    before = bytes_of(model)
    inputs = model._inputs
    gw.distributed.fit(model, X * 2, y, partitions=SIZES)
    assert bytes_of(model) != before
    assert model._inputs is inputs


@pytest.mark.parametrize(
    ("model", "change", "message"),
    [
        (gw.RecurrentForecaster(3), {}, "RecurrentForecaster"),
        (regressor(ridge_share=0.5), {}, "ridge"),
        (regressor(alpha=-1.0), {}, "alpha"),
        (regressor(), {"y": table()[:10, 0]}, "10 rows"),
        (regressor(), {"y": np.full(64, np.nan)}, "partition 0"),
        (regressor(), {"sample_weight": np.zeros(64)}, "no sequence"),
        (regressor(), {"X": [np.zeros((3, 2))] * 40 + [np.zeros((3, 1))] * 24}, "partition"),
    ],
)
def test_what_cannot_be_fitted_is_refused_and_leaves_the_estimator_alone(model, change, message):
    arguments = {"X": table(), "y": table()[:, 0], "sample_weight": None} | change
    with pytest.raises(gw.GatewiseError, match=message):
        gw.distributed.fit(model, **arguments, partitions=None if len(arguments["y"]) == 10 else 3)
    assert not hasattr(model, "model_")
    assert not hasattr(model, "n_features_in_")

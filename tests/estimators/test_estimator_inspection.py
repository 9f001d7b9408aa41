import numpy as np

import gatewise as gw

OPTIONS = {"hidden_size": 3, "max_iter": 1, "n_networks": 2, "random_state": 0}


def ragged():
    rng = np.random.default_rng(0)
    X = [rng.normal(size=(n, 2)) for n in (5, 3, 7, 4, 6, 5)]
    X[1][1, 1] = np.nan
    return X


def test_a_classifier_shows_what_it_reads_and_answers():
    X, y = ragged(), list("abaabb")
    model = gw.RecurrentClassifier(**OPTIONS).fit(X, y)
    seen = model.inspect(X, y)
    assert seen.networks == model.model_.layers
    assert seen.features == ("Channel 1", "Channel 2", "Channel 2: observed", "Channel 2: since")
    assert seen.x.shape == (6, 7, 4)
    assert seen.x.dtype == np.float32
    assert seen.lengths.tolist() == [5, 3, 7, 4, 6, 5]
    np.testing.assert_array_equal(seen.values[1, :3], X[1])
    np.testing.assert_allclose(seen.prediction, model.predict_proba(X), rtol=1e-12)
    np.testing.assert_array_equal(model.classes_[seen.truth], y)
    np.testing.assert_array_equal(seen.target, seen.truth)
    of_one, _ = seen.networks[0](seen.x, lengths=seen.lengths)
    value, gradient = seen.loss(of_one, seen.target)
    assert np.isfinite(value)
    assert gradient.shape == (6, 2)


def test_a_regressor_shows_values_in_the_unit_of_y():
    X, y = ragged(), 100 + np.arange(12.0).reshape(6, 2)
    model = gw.RecurrentRegressor(**OPTIONS | {"n_networks": 1}).fit(X, y)
    seen = model.inspect(X, y)
    assert seen.networks == (model.model_,)
    np.testing.assert_array_equal(seen.prediction, model.predict(X))
    np.testing.assert_allclose(seen.truth, y, rtol=1e-6)
    np.testing.assert_allclose(seen.target.mean(axis=0), 0, atol=1e-6)


def test_without_targets_there_is_no_truth():
    model = gw.RecurrentRegressor(**OPTIONS).fit(ragged(), np.arange(6.0))
    seen = model.inspect(ragged()[:2])
    assert seen.target is None
    assert seen.truth is None
    assert seen.outputs.shape == (2, 1)

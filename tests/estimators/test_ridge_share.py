"""The ridge beside the networks: when there is one, what share it has, and what else an estimator does with it."""

import numpy as np
import pytest
from ragged import answers, assert_same_rows, both, fitted, ragged
from scipy.special import softmax

import gatewise as gw
from gatewise.estimators import mixing

ONE = {"hidden_size": 3, "max_iter": 1, "n_networks": 1, "random_state": 0}


def rhythms(n=24, time=300, seed=0):
    """Long sequences whose class is how quickly they swing, from anywhere in their swing."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    swing = np.arange(time) * np.array([0.2, 0.23])[y][:, None] + rng.uniform(0, 6, size=(n, 1))
    return np.sin(swing) + 0.3 * rng.normal(size=(n, time)), np.array(["slow", "quick"])[y]


def test_few_long_sequences_are_left_to_the_ridge():
    X, y = rhythms(100)
    model = gw.RecurrentClassifier(hidden_size=8, n_networks=1, random_state=0).fit(X[:24], y[:24])
    assert model.ridge_share_ == 1
    assert model.score(X[24:], y[24:]) > 0.95
    assert model.n_iter_ == 15, "networks without a share are trained briefly"
    seen = model.inspect(X[:3])
    assert seen.x.shape == (3, 100, 1), "means over three steps"
    assert seen.steps.tolist() == [100, 100, 100]
    assert seen.values.shape == (3, 300, 1)
    np.testing.assert_allclose(seen.x[:, 1, 0], (X[:3, 3:6].mean(axis=1) - X[:24].mean()) / X[:24].std(), atol=1e-5)
    assert "has 100% of the answer" in str(model.summary())
    assert "means over 3 steps" in str(model.summary())


@both
@pytest.mark.parametrize("share", [0.3, 1])
def test_a_sequence_is_answered_alike_alone_among_others_and_from_a_file(kind, share, tmp_path):
    X, slope = ragged()
    X[0][1, 0] = np.nan
    model = fitted(kind, X, slope, ridge_share=share, downsample=2)
    assert model.ridge_share_ == share
    expected = answers(model, X)
    assert_same_rows(np.concatenate([answers(model, [x]) for x in X[:6]]), expected[:6])
    assert_same_rows(answers(model, X[::-1])[::-1], expected)
    gw.save(model, tmp_path / "m")
    loaded = gw.load(tmp_path / "m")
    assert loaded.ridge_share_ == share
    assert_same_rows(answers(loaded, X), expected)


def test_shares_mix_probabilities():
    X, slope = ragged(40)
    alone = {s: fitted(gw.RecurrentClassifier, X, slope, ridge_share=s).predict_proba(X) for s in (0, 0.25, 1)}
    np.testing.assert_allclose(alone[0.25], 0.75 * alone[0] + 0.25 * alone[1], atol=1e-6)
    np.testing.assert_allclose(alone[0.25].sum(axis=1), 1)
    assert np.abs(alone[0] - alone[1]).max() > 0.1


def test_shares_mix_numbers():
    X, slope = ragged(40)
    alone = {s: fitted(gw.RecurrentRegressor, X, slope, ridge_share=s).predict(X) for s in (0, 0.25, 1)}
    np.testing.assert_allclose(alone[0.25], 0.75 * alone[0] + 0.25 * alone[1], atol=1e-6)


@pytest.mark.parametrize(
    ("options", "rows"), [({"output": "all"}, 12), ({}, mixing.FEWEST - 1), ({"ridge_share": 0}, 12)]
)
def test_some_fits_have_no_ridge(options, rows):
    X = np.random.default_rng(0).normal(size=(rows, 5))
    y = X > 0 if "output" in options else X[:, 0] > 0
    model = gw.RecurrentClassifier(**ONE | options).fit(X, y)
    assert model.ridge_share_ == 0
    assert "ridge" not in str(model.summary())


@pytest.mark.parametrize("rows", [1, 2])
def test_a_share_may_be_asked_for_with_hardly_a_row(rows):
    X, y = np.random.default_rng(0).normal(size=(rows, 5)), np.arange(rows) + 2.0
    np.testing.assert_allclose(gw.RecurrentRegressor(**ONE, ridge_share=1).fit(X, y).predict(X), y, atol=0.01)
    assert gw.RecurrentClassifier(**ONE, ridge_share=1).fit(X, y).predict(X).tolist() == y.tolist()


def test_a_share_outside_0_to_1_is_refused():
    with pytest.raises(gw.GatewiseError, match="ridge_share"):
        gw.RecurrentClassifier(ridge_share=1.5).fit(*rhythms(12, 5))


def test_going_on_keeps_the_share():
    X, slope = ragged(20)
    model = fitted(gw.RecurrentRegressor, X, slope, ridge_share=0.5, warm_start=True)
    before = model.predict(X)
    weights = model._ridge.path.coefficients
    model.partial_fit(X, slope)
    assert model._ridge.path.coefficients is weights
    assert np.abs(model.predict(X) - before).max() > 0
    model.fit(X, -slope)
    assert model.ridge_share_ == 0.5
    assert np.corrcoef(model._ridge.path.coefficients[0], weights[0])[0, 1] < 0.5
    model = gw.RecurrentRegressor(**ONE).partial_fit(X, slope)
    assert model.ridge_share_ == 0, "partial_fit alone has networks alone"


def test_weights_count_in_the_ridge():
    X, slope = ragged(30)
    lies = np.arange(30) % 3 == 0
    weights = np.where(lies, 1e-3, 1.0)
    y = np.where(lies, -slope, slope)
    model = gw.RecurrentRegressor(**ONE, ridge_share=1).fit(X, y, sample_weight=weights)
    assert model.score(X, slope) > 0.9


def test_the_share_is_that_with_the_lowest_error_on_folds():
    rng = np.random.default_rng(0)
    y = np.arange(30) % 3
    good, bad = 4.0 * np.eye(3)[y] + rng.normal(size=(30, 3)), rng.normal(size=(30, 3))
    rows = np.ones(30, bool)

    def beside(ridge):
        return mixing.RidgeBeside(mixing.OfClasses(), None, 1.0, y, np.ones(30), None, ridge)

    assert beside(good).best_share(bad, rows) > 0.8
    assert beside(good).is_ahead(bad, rows) == (beside(good).best_share(bad, rows) == 1)
    assert beside(bad).best_share(good, rows) < 0.2
    assert not beside(bad).is_ahead(good, rows)
    assert not beside(good).is_ahead(good, rows)
    assert beside(30 * good).is_certain() == ((good.argmax(axis=1) == y).all())
    assert 0.2 < beside(good).best_share(4.0 * np.eye(3)[y] + rng.normal(size=(30, 3)), rows) < 0.8


def test_folds_have_their_part_of_each_class():
    y = np.repeat([0, 1, 2], [30, 6, 3])
    folds = mixing.OfClasses().folds(y, np.random.default_rng(0))
    assert [np.bincount(folds[y == k]).tolist() for k in range(3)] == [[10] * 3, [2] * 3, [1] * 3]


def test_the_scale_makes_probabilities_true():
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(4000, 3))
    y = np.array([rng.choice(3, p=p) for p in softmax(2.5 * scores, axis=1)])
    assert 2.3 < mixing.OfClasses().scale(scores, y, np.ones(4000)) < 2.7
    right = np.eye(3)[y[:40]]
    assert mixing.OfClasses().scale(right, y[:40], np.ones(40)) < 10, "no certainty from 40 rows"

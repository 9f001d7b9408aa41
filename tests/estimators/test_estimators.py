"""What classifier and regressor have in common: how X is read, rows on their own, reproducibility."""

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
from ragged import SMALL, answers, assert_same_rows, both, fitted, ragged
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

import gatewise as gw
from gatewise.estimators.sequences import Inputs, Sequences, read_sequences

SMALL_RIDGE = 500  # features; what is asserted here holds for any number
MINI_BATCHES = "rows are trained in batches, and a row given twice is not in one batch with itself"


@pytest.fixture(autouse=True)
def small_ridge(monkeypatch):
    """Fits in a third of the time."""
    monkeypatch.setattr("gatewise.convolutions.fitting.SIZE", SMALL_RIDGE)


@parametrize_with_checks(
    [
        gw.RecurrentClassifier(hidden_size=4, batch_size=256, learning_rate_init=0.05, max_iter=15, n_networks=1),
        gw.RecurrentRegressor(hidden_size=4, batch_size=64, learning_rate_init=0.05, max_iter=15, n_networks=1),
    ],
    expected_failed_checks=lambda estimator: {"check_sample_weight_equivalence_on_dense_data": MINI_BATCHES},
)
def test_the_contract_of_scikit_learn(estimator, check):
    check(estimator)


# Rows on their own


@both
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"cell": "lstm", "num_layers": 2, "bidirectional": True, "dropout": 0.2},
        {"cell": "rnn", "pooling": "last", "bidirectional": True},
        {"pooling": "mean", "n_networks": 1},
        {"pooling": "max", "segments": 0, "hidden_size": 1},
    ],
    ids=str,
)
def test_a_sequence_is_answered_alike_alone_and_among_others(kind, options):
    X, slope = ragged()
    model = fitted(kind, X, slope, **options)
    together = answers(model, X)
    assert_same_rows(np.concatenate([answers(model, [x]) for x in X]), together)
    order = np.random.default_rng(1).permutation(len(X))
    assert_same_rows(answers(model, [X[i] for i in order]), together[order])


@both
@pytest.mark.parametrize("gaps", [False, True])
def test_lists_arrays_and_frames_are_one(kind, gaps):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(12, 7, 2))
    X[3, 2:4, 0] = X[5, 0] = np.nan if gaps else 0
    slope = X[:, -1, 0]
    models = [fitted(kind, form, slope) for form in (X, list(X), [pd.DataFrame(x) for x in X], np.asfortranarray(X))]
    expected = answers(models[0], X)
    for model in models:
        for form in (X, list(X), tuple(X), X.tolist()):
            assert_same_rows(answers(model, form), expected)


@both
def test_a_table_is_sequences_of_one_channel(kind):
    X = np.random.default_rng(0).normal(size=(12, 7))
    model = fitted(kind, X, X[:, 0])
    assert (model.n_features_in_, model.n_channels_in_) == (7, 1)
    expected = answers(model, X)
    assert_same_rows(answers(model, X[:, :, None]), expected)
    assert_same_rows(answers(model, list(X)), expected)
    assert answers(model, [X[0, :3]]).shape[0] == 1
    other = fitted(kind, X[:, :, None], X[:, 0])
    assert_same_rows(answers(other, X), expected)
    assert_same_rows(answers(other, X[:, :4]), answers(other, X[:, :4, None]))


@both
def test_nan_at_the_end_of_an_array_is_the_end(kind):
    X, slope = ragged()
    padded = gw.SequencePadder().fit_transform(X)
    model, other = fitted(kind, X, slope), fitted(kind, padded, slope)
    assert_same_rows(answers(model, X), answers(other, X))
    assert_same_rows(answers(model, X), answers(model, padded))


@both
def test_a_fit_alone_decides_which_numbers_come_out(kind):
    X, slope = ragged()
    first, again = (fitted(kind, X, slope) for _ in range(2))
    assert_same_rows(answers(first, X), answers(again, X))
    other = fitted(kind, X, slope, random_state=1)
    assert not np.allclose(answers(first, X), answers(other, X))
    one, same = (fitted(kind, X, slope, random_state=np.random.RandomState(5)) for _ in range(2))
    assert_same_rows(answers(one, X), answers(same, X))


# Gaps


def test_a_gap_is_filled_and_said():
    values = np.array([[[1.0, 5.0], [np.nan, 7.0], [3.0, np.nan], [np.nan, np.nan]]])
    inputs = Inputs(np.array([2.0, 6.0]), np.array([1.0, 2.0]), np.array([True, False]))
    x = inputs.encode(Sequences(values, np.array([3]), "list"))
    expected = [
        [-1, -0.5, 1, 0],
        [-1, 0.5, 0, np.log(2)],
        [1, 0.5, 1, 0],
        [0, 0, 0, 0],
    ]
    np.testing.assert_allclose(x[0, :3], expected[:3], rtol=1e-6)
    assert x.dtype == np.float32
    assert not x[0, 3, 2:].any()


def test_what_was_never_seen_is_the_mean():
    inputs = Inputs(np.array([5.0]), np.array([2.0]), np.array([True]))
    x = inputs.encode(Sequences(np.array([[[np.nan], [np.nan], [9.0]]]), np.array([3]), "list"))
    np.testing.assert_allclose(x[0], [[0, 0, np.log(2)], [0, 0, np.log(3)], [2, 1, 0]], rtol=1e-6)


def test_statistics_leave_gaps_and_padding_out():
    X = [np.array([[1.0, 4.0], [3.0, np.nan]]), np.array([[5.0, 6.0]])]
    inputs = Inputs.of(read_sequences(gw.RecurrentClassifier(), X, reset=True))
    np.testing.assert_allclose(inputs.mean, [3, 5])
    np.testing.assert_allclose(inputs.scale, [np.std([1, 3, 5]), 1])
    assert inputs.gaps.tolist() == [False, True]
    assert inputs.size == 4


def test_outliers_and_huge_numbers_stay_within_bounds():
    X = np.random.default_rng(0).normal(size=(20, 5, 2)) * [1e300, 1e-300]
    found = read_sequences(gw.RecurrentClassifier(), X, reset=True)
    inputs = Inputs.of(found)
    np.testing.assert_allclose(inputs.encode(found).std(axis=(0, 1)), 1, rtol=1e-5)
    X[0, 0, 1] = 1e10
    assert np.abs(inputs.encode(found)).max() == 10


@both
def test_a_model_that_saw_no_gap_carries_the_last_value_on(kind):
    X, slope = ragged()
    model = fitted(kind, X, slope)
    broken, filled = (copy.deepcopy(X) for _ in range(2))
    for gap, full in zip(broken, filled, strict=True):
        gap[1, 0], full[1, 0] = np.nan, full[0, 0]
    assert_same_rows(answers(model, broken), answers(model, filled))


def test_whether_a_value_is_there_can_be_all_that_tells():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(80, 10, 1)), np.arange(80) % 2
    for x, label in zip(X, y, strict=True):
        x[rng.choice(9, size=4 if label else 2, replace=False)] = np.nan
    model = gw.RecurrentClassifier(hidden_size=12, max_iter=60, n_networks=1, random_state=0).fit(X[:60], y[:60])
    assert model.score(X[60:], y[60:]) > 0.9


# What is refused


@pytest.mark.parametrize(
    ("X", "message"),
    [
        ([np.ones((3, 2)), np.ones((4, 1))], r"X\[1\] has 1 channels and X\[0\] has 2"),
        ([np.ones((3, 2)), np.ones((0, 2))], r"X\[1\] has shape \(0, 2\); .*at least one step"),
        ([np.ones((3, 2)), np.ones((2, 2, 2))], r"X\[1\] has shape \(2, 2, 2\)"),
        ([np.ones(3), np.array(["a", "b"])], r"X\[1\] cannot be read as numbers"),
        ([np.ones((3, 1)), np.array([[1.0], [np.inf]])], r"X\[1\] holds infinity at step 1, channel 0"),
        ([np.ones((3, 1)), np.ones((3, 1)) * 1j], "Complex data not supported"),
        ([[1.0, 2.0], []], r"X\[1\] has shape \(0,\)"),
        (np.full((2, 3, 1), np.inf), "X contains infinity"),
        (np.full((2, 3), -np.inf), "X contains infinity"),
        (np.ones((2, 0, 3)), r"X has shape \(2, 0, 3\)"),
        (np.ones((2, 3, 4, 5)), "dim 4"),
        (np.ones(5), "Expected 2D array, got 1D array"),
        ([], "Expected 2D array, got 1D array"),
        ("text", "could not convert string to float"),
        ([pd.DataFrame({"a": [1]}), pd.DataFrame({"b": [1]})], r"X\[1\] has the columns b; need exactly a"),
    ],
    ids=lambda value: value[:20] if isinstance(value, str) else "",
)
@both
def test_sequences_that_cannot_be_used(kind, X, message):
    with pytest.raises(gw.GatewiseError, match=message):
        kind(**SMALL).fit(X, [0, 1][: len(X)])


@both
@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"cell": "transformer"}, "cell is 'transformer'; need one of 'gru', 'lstm', 'rnn'"),
        ({"cell": gw.Dense}, "cell is the class Dense; need one of a recurrent layer"),
        ({"cell": 3}, "'cell' parameter"),
        ({"solver": "lbfgs"}, "'solver' parameter of Recurrent.* must be a str among .*Got 'lbfgs'"),
        ({"pooling": "sum"}, "'pooling' parameter"),
        ({"hidden_size": 0}, r"'hidden_size' parameter of Recurrent.* must be an int in the range \[1, inf\). Got 0"),
        ({"num_layers": 1.5}, "'num_layers' parameter"),
        ({"bidirectional": "no"}, "'bidirectional' parameter"),
        ({"batch_size": "big"}, "'batch_size' parameter"),
        ({"max_iter": 0}, "'max_iter' parameter"),
        ({"alpha": -1}, "'alpha' parameter"),
        ({"dropout": 2}, "'dropout' parameter"),
        ({"input_dropout": 2}, "'input_dropout' parameter"),
        ({"noise": "much"}, "'noise' parameter"),
        ({"n_networks": 0}, "'n_networks' parameter"),
        ({"segments": -1}, "'segments' parameter"),
        ({"learning_rate_init": 0}, "'learning_rate_init' parameter"),
        ({"validation_fraction": 0, "early_stopping": True}, "'validation_fraction' parameter"),
        ({"validation_fraction": 1.0, "early_stopping": True}, "leaves none of 30 sequences to train on"),
        ({"output": "middle"}, "'output' parameter"),
    ],
    ids=lambda value: "" if isinstance(value, str) else str(value),
)
def test_parameters_that_cannot_be_used(kind, option, message):
    with pytest.raises(gw.GatewiseError, match=message):
        fitted(kind, *ragged(), **option)


@both
def test_other_channels_than_in_the_fit(kind):
    X, slope = ragged()
    model = fitted(kind, X, slope)
    with pytest.raises(gw.GatewiseError, match=r"X has 2 channels, but Recurrent\w+ was fitted with 3"):
        model.predict([x[:, :2] for x in X])
    with pytest.raises(gw.GatewiseError, match=r"X has shape .* needs \(n, time, 3\)"):
        model.predict(np.ones((4, 7)))
    with pytest.raises(NotFittedError, match="call fit"):
        clone(model).predict(X)


@both
@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (np.ones(3), r"sample_weight has shape \(3,\); need \(30,\)"),
        (np.zeros(30), "zero for every sequence"),
        (-np.ones(30), "below 0"),
        (["a"] * 30, "cannot be read as numbers"),
    ],
    ids=str,
)
def test_weights_that_cannot_be_used(kind, weights, message):
    X, slope = ragged()
    with pytest.raises(gw.GatewiseError, match=message):
        kind(**SMALL).fit(X, slope > 0, sample_weight=weights)


# Weights


@both
def test_a_sequence_of_no_weight_is_not_there(kind):
    X, slope = ragged()
    weights = np.ones(30)
    weights[[3, 7]] = 0
    y = slope > 0
    spoiled = [np.full_like(x, 1e6) if w == 0 else x for x, w in zip(X, weights, strict=True)]
    model = kind(**SMALL).fit(spoiled, y, sample_weight=weights)
    kept = [x for x, w in zip(X, weights, strict=True) if w]
    other = kind(**SMALL).fit(kept, y[weights > 0], sample_weight=np.ones(28))
    assert_same_rows(answers(model, X), answers(other, X))


@both
def test_only_ratios_of_weights_matter(kind):
    X, slope = ragged()
    y, weights = slope > 0, np.linspace(1, 2, 30)
    one, eight = (kind(**SMALL).fit(X, y, sample_weight=factor * weights) for factor in (1, 8))
    np.testing.assert_allclose(answers(one, X), answers(eight, X), rtol=1e-4)


# Going on


@both
def test_warm_start_goes_on_from_the_weights(kind):
    X, slope = ragged(60)
    cold = fitted(kind, X, slope, max_iter=40)
    warm = copy.deepcopy(cold).set_params(warm_start=True, max_iter=1, learning_rate_init=1e-4)
    y = slope > 0 if kind is gw.RecurrentClassifier else slope
    assert warm.fit(X, y).loss_ < 1.5 * cold.loss_
    assert cold.set_params(max_iter=1, learning_rate_init=1e-4).fit(X, y).loss_ > 1.5 * warm.loss_


@both
def test_partial_fits_learn(kind):
    X, slope = ragged(60)
    y = slope > 0 if kind is gw.RecurrentClassifier else slope
    model = kind(hidden_size=8, random_state=0)
    for _ in range(15):
        assert model.partial_fit(X, y) is model
    assert model.n_iter_ == len(model.loss_curve_) == 15
    assert model.loss_ < 0.5 * model.loss_curve_[0]


@both
def test_early_stopping_keeps_the_best_weights(kind):
    X, slope = ragged(60)
    rng = np.random.default_rng(0)
    noisy = slope + rng.normal(size=60)
    model = fitted(kind, X, noisy, early_stopping=True, max_iter=300, n_iter_no_change=3, validation_fraction=0.25)
    assert model.n_iter_ < 300
    assert len(model.validation_scores_) == model.n_iter_
    assert model.best_validation_score_ in model.validation_scores_
    assert model.validation_scores_.index(model.best_validation_score_) <= model.n_iter_ - 3
    assert fitted(kind, X, slope).validation_scores_ is None
    strict = fitted(kind, X, noisy, early_stopping=True, max_iter=300, n_iter_no_change=3, tol=1e6)
    assert strict.n_iter_ == 4


@both
def test_progress_goes_to_a_terminal_only(kind, capsys):
    fitted(kind, *ragged(), verbose=True)
    assert capsys.readouterr().out == ""


# In scikit-learn's company


@both
def test_grid_search_with_lists(kind):
    X, slope = ragged()
    y = slope > 0 if kind is gw.RecurrentClassifier else slope
    in_processes = 2 if kind is gw.RecurrentClassifier else 1
    search = GridSearchCV(kind(**SMALL), {"cell": ["gru", "rnn"]}, cv=2, n_jobs=in_processes)
    search.fit(X, y)
    assert len(search.cv_results_["mean_test_score"]) == 2
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.best_estimator_.predict(X).shape == (30,)


@both
def test_cross_validation_and_pipelines_with_arrays(kind):
    X = np.random.default_rng(0).normal(size=(24, 6, 2))
    y = X[:, :, 0].sum(axis=1)
    y = y > 0 if kind is gw.RecurrentClassifier else y
    scores = cross_val_score(make_pipeline(gw.SequenceScaler(), kind(**SMALL)), X, y, cv=3)
    assert scores.shape == (3,)
    assert np.isfinite(scores).all()


@both
def test_pickles_and_copies_answer_alike(kind):
    X, slope = ragged()
    model = fitted(kind, X, slope)
    for twin in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        assert_same_rows(answers(twin, X), answers(model, X))
    assert clone(model).get_params() == model.get_params()

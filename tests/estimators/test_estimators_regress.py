import numpy as np
import pytest
from sklearn.metrics import r2_score

import gatewise as gw

SMALL = {"hidden_size": 8, "max_iter": 3, "n_networks": 2, "ridge_share": 0, "random_state": 0}
LEARNS = {"hidden_size": 16, "max_iter": 40, "n_networks": 1, "random_state": 0}


def ragged(n=120, seed=0, longest=15):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(length, 2)) for length in rng.integers(4, longest + 1, size=n)]


def middle(X):
    return np.array([x[:, 0].mean() for x in X])


@pytest.mark.parametrize("cell", ["gru", "lstm", "rnn"])
def test_a_number_a_sequence(cell):
    X = ragged()
    y = 1000 + 50 * middle(X)
    model = gw.RecurrentRegressor(cell=cell, **LEARNS).fit(X[:80], y[:80])
    assert model.score(X[80:], y[80:]) > 0.9
    assert model.predict(X[80:]).shape == (40,)


def test_products_over_time_need_the_recurrent_part():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 6, 1))
    y = (X[:, 1:, 0] * X[:, :-1, 0]).sum(axis=1)
    model = gw.RecurrentRegressor(**LEARNS | {"max_iter": 60}).fit(X[:300], y[:300])
    assert model.score(X[300:], y[300:]) > 0.7


def test_several_numbers_a_sequence_on_their_own_scales():
    X = ragged()
    y = np.column_stack([1e6 * middle(X), 1e-6 * np.array([x[-1, 1] for x in X]), np.full(len(X), 7.0)])
    model = gw.RecurrentRegressor(**LEARNS).fit(X[:80], y[:80])
    found = model.predict(X[80:])
    assert found.shape == (40, 3)
    assert min(r2_score(y[80:, :2], found[:, :2], multioutput="raw_values")) > 0.7
    np.testing.assert_allclose(found[:, 2], 7, atol=0.5)


def test_the_answer_is_the_mean_of_the_networks():
    X = ragged(40)
    model = gw.RecurrentRegressor(**SMALL | {"n_networks": 3}).fit(X, middle(X))
    x, lengths = gw.SequencePadder(value=0).fit_transform(X), np.array([len(x) for x in X])
    x = ((x - model._inputs.mean) / model._inputs.scale).astype(np.float32)
    single = [member(x, lengths=lengths)[0][:, 0].astype(float) for member in model.model_.layers]
    assert len(single) == 3
    assert np.std(single, axis=0).max() > 0.1
    np.testing.assert_allclose(model.predict(X), np.mean(single, axis=0) * model._scale + model._mean, atol=1e-5)


def test_one_column_stays_one_column():
    X = ragged(20)
    assert gw.RecurrentRegressor(**SMALL).fit(X, middle(X)[:, None]).predict(X).shape == (20, 1)


@pytest.mark.parametrize("several", [False, True])
def test_numbers_a_step(several):
    X = ragged()
    y = [np.cumsum(x, axis=0) if several else np.cumsum(x[:, 0]) for x in X]
    model = gw.RecurrentRegressor(output="all", **LEARNS).fit(X[:80], y[:80])
    assert model.score(X[80:], y[80:]) > 0.8
    assert [found.shape for found in model.predict(X)] == [target.shape for target in y]
    flat = (np.concatenate(y[80:]), np.concatenate(model.predict(X[80:])))
    assert model.score(X[80:], y[80:]) == pytest.approx(r2_score(*flat), abs=1e-5)


def test_steps_without_a_target_are_not_learned_from():
    X = ragged(60)
    y = [np.cumsum(x[:, 0]) for x in X]
    rng = np.random.default_rng(0)
    gaps = [np.where(rng.uniform(size=len(row)) < 0.3, np.nan, row) for row in y]
    model = gw.RecurrentRegressor(output="all", **LEARNS).fit(X, gaps)
    assert model.score(X, y) > 0.8
    assert np.isfinite(model.score(X, gaps))
    with pytest.raises(gw.GatewiseError, match="y holds nothing but NaN"):
        model.fit(X, [np.full(len(x), np.nan) for x in X])


def test_numbers_a_step_of_arrays():
    padded = gw.SequencePadder().fit_transform(ragged(12))
    y = np.nan_to_num(padded[:, :, 0])
    model = gw.RecurrentRegressor(output="all", **SMALL).fit(padded, y)
    found = model.predict(padded)
    np.testing.assert_array_equal(np.isnan(found), np.isnan(padded[:, :, 0]))
    assert len(model.predict(list(padded[:2, :4]))) == 2


def test_weights_of_sequences_move_the_answer():
    rng = np.random.default_rng(0)
    X, y = 0.01 * rng.normal(size=(40, 5, 1)), np.arange(40) % 2
    weights = np.where(y == 1, 3.0, 1.0)
    model = gw.RecurrentRegressor(**LEARNS | {"hidden_size": 4}).fit(X, y, sample_weight=weights)
    assert model.predict(X).mean() == pytest.approx(0.75, abs=0.08)
    assert model.score(X, y, weights) == pytest.approx(r2_score(y, model.predict(X), sample_weight=weights))


@pytest.mark.parametrize("output", ["last", "all"])
def test_early_stopping_reports_r2(output):
    X = ragged(60)
    y = middle(X) if output == "last" else [x[:, 0] for x in X]
    model = gw.RecurrentRegressor(output=output, early_stopping=True, **LEARNS).fit(X, y, sample_weight=np.ones(60))
    assert model.best_validation_score_ > 0.5
    assert model.validation_scores_[0] < model.best_validation_score_ <= 1


def test_what_is_held_out_can_be_one_sequence():
    X = ragged(4)
    model = gw.RecurrentRegressor(early_stopping=True, **SMALL).fit(X, middle(X))
    assert np.isnan(model.best_validation_score_)


@pytest.mark.parametrize(
    ("y", "options", "message"),
    [
        (None, {}, "requires y to be passed, but the target y is None"),
        (np.zeros(3), {}, "y has 3 targets and X has 12 sequences"),
        (np.full(12, np.nan), {}, "y contains NaN"),
        (np.full(12, np.inf), {}, "y contains infinity"),
        (["a"] * 12, {}, "could not convert string"),
        (np.zeros((12, 2, 2)), {}, "dim 3"),
        ([np.zeros(3)] * 12, {"output": "all"}, r"y\[0\] has shape \(3,\) and X\[0\] has \d+ steps"),
        ([np.zeros(3)] * 11, {"output": "all"}, "y has 11 rows and X has 12 sequences"),
    ],
    ids=str,
)
def test_targets_that_cannot_be_used(y, options, message):
    with pytest.raises(gw.GatewiseError, match=message):
        gw.RecurrentRegressor(**SMALL, **options).fit(ragged(12), y)


def test_going_on_needs_the_same_targets():
    X = ragged(12)
    model = gw.RecurrentRegressor(**SMALL).fit(X, middle(X))
    with pytest.raises(gw.GatewiseError, match=r"y has 2 target\(s\); the fit had 1"):
        model.partial_fit(X, np.zeros((12, 2)))


@pytest.mark.parametrize("output", ["last", "all"])
def test_scales_of_targets_survive_a_file(tmp_path, output):
    X = ragged(20)
    y = np.column_stack([middle(X), 1e5 + middle(X)])
    y = y if output == "last" else [np.repeat(row[None], len(x), axis=0) for row, x in zip(y, X, strict=True)]
    model = gw.RecurrentRegressor(output=output, **SMALL).fit(X, y)
    gw.save(model, tmp_path / "m")
    for found, expected in zip(gw.load(tmp_path / "m").predict(X), model.predict(X), strict=True):
        np.testing.assert_array_equal(found, expected)

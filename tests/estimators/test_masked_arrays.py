"""Masked arrays: what is masked is missing to an estimator, and layers and training take plain arrays only."""

import numpy as np
import pandas as pd
import pytest

import gatewise as gw

FILL = -9999.0
SMALL = {"hidden_size": 4, "max_iter": 2, "n_networks": 1, "random_state": 0}


def masked(shape, seed=0):
    """Normal numbers, a fifth of them masked and holding a fill value."""
    rng = np.random.default_rng(seed)
    mask = rng.random(shape) < 0.2
    return np.ma.masked_array(np.where(mask, FILL, rng.normal(size=shape)), mask)


FORMS = {
    "table": masked((20, 8)),
    "array": masked((20, 8, 2)),
    "float32": masked((20, 8, 2)).astype(np.float32),
    "integers": np.ma.masked_equal((masked((20, 8)).data * 10).astype(int), int(FILL * 10)),
    "list": [masked((6 + k % 3, 2), k) for k in range(20)],
}


def filled(X):
    """The same with NaN where it is masked, made by hand."""
    if isinstance(X, list):
        return [filled(part) for part in X]
    values = np.array(X.data, dtype=X.dtype if X.dtype.kind == "f" else float)
    values[np.ma.getmaskarray(X)] = np.nan
    return values


@pytest.mark.parametrize("form", FORMS)
def test_a_masked_value_of_x_is_a_missing_one(form):
    X, y = FORMS[form], np.arange(20) % 2
    classifiers = [gw.RecurrentClassifier(**SMALL).fit(some, y) for some in (X, filled(X))]
    one, other = (model.predict_proba(some) for model, some in zip(classifiers, (X, filled(X)), strict=True))
    np.testing.assert_array_equal(one, other)
    regressors = [gw.RecurrentRegressor(**SMALL).fit(some, y).predict(some) for some in (X, filled(X))]
    np.testing.assert_array_equal(*regressors)


def test_masked_steps_at_the_end_are_past_the_end():
    X = np.ma.masked_array(np.zeros((3, 5)), np.arange(5) >= np.array([[5], [3], [2]]))
    np.testing.assert_array_equal(gw.SequencePadder().fit(X).lengths(X), [5, 3, 2])


def test_transformers_see_what_is_missing():
    X = FORMS["array"]
    found = gw.SequenceScaler().fit_transform(X)
    np.testing.assert_array_equal(np.isnan(found), X.mask)
    windower = gw.SequenceWindower(3)
    np.testing.assert_array_equal(windower.fit_transform(FORMS["table"]), windower.transform(filled(FORMS["table"])))


def test_a_masked_target_per_step_is_no_target():
    X, y = np.random.default_rng(0).normal(size=(12, 6, 1)), masked((12, 6))
    found = [gw.RecurrentRegressor(output="all", **SMALL).fit(X, some).predict(X) for some in (y, filled(y))]
    np.testing.assert_array_equal(*found)


@pytest.mark.parametrize("kind", [gw.RecurrentClassifier, gw.RecurrentRegressor])
def test_a_sequence_without_a_target_is_refused(kind):
    y = np.ma.masked_array(np.arange(20) % 2, np.arange(20) == 7)
    model = kind(**SMALL).fit(FORMS["table"], y.data)
    for use in (model.fit, model.partial_fit, model.score, model.inspect):
        with pytest.raises(gw.GatewiseError, match=r"masked|NaN"):
            use(FORMS["table"], y)


def test_masked_labels_of_steps_are_refused():
    X, y = np.zeros((4, 6, 1)), np.ma.masked_equal(np.arange(24).reshape(4, 6) % 3, 2)
    for labels in (y, list(y)):
        with pytest.raises(gw.GatewiseError, match=r"8 label\(s\) masked"):
            gw.RecurrentClassifier(output="all", **SMALL).fit(X, labels)


def test_a_mask_that_hides_nothing_changes_nothing():
    y = np.ma.masked_array(np.array(["a", "b"] * 10), False)
    assert gw.RecurrentClassifier(**SMALL).fit(np.ma.masked_array(FORMS["table"].data), y).predict(FORMS["table"]).size


def test_a_masked_weight_is_refused():
    weights = np.ma.masked_array(np.ones(20), np.arange(20) == 3)
    with pytest.raises(gw.GatewiseError, match="not finite"):
        gw.RecurrentRegressor(**SMALL).fit(FORMS["table"], np.arange(20.0), sample_weight=weights)


def forecaster(**options):
    return gw.RecurrentForecaster(3, context=4, calendar=False, **{**SMALL, **options})


def test_a_masked_value_of_a_series_is_a_gap():
    y = masked(60)
    matrix = masked((60, 2))
    for some in (y, matrix, [y, y[10:]]):
        one, other = (forecaster().fit(values).predict() for values in (some, filled(some)))
        np.testing.assert_array_equal(np.stack(one, -1), np.stack(other, -1))


def test_masked_covariates_and_new_rows_are_gaps():
    y, X, new, ahead = masked(60), masked((60, 2), 1), masked(4, 2), masked((4, 2), 3)
    found = []
    for form in (lambda values: values, filled):
        fitted = forecaster().fit(form(y), form(X)).update(form(new), form(ahead))
        found.append(fitted.predict(form(ahead)))
    np.testing.assert_array_equal(*found)
    assert np.isfinite(found[0]).all()


def test_a_masked_number_of_a_series_is_refused():
    static = np.ma.masked_array([[1.0], [2.0]], [[False], [True]])
    with pytest.raises(gw.GatewiseError, match="static column 0 is nan in row 1"):
        forecaster().fit(pd.DataFrame(np.random.default_rng(0).normal(size=(40, 2))), static=static)


X = np.ma.masked_array(np.zeros((2, 3, 1), np.float32), mask=[[[0], [1], [0]]] * 2)


def trained(x, y):
    model = gw.Sequential(gw.GRU(1, 2, rng=0), gw.Dense(2, 1, rng=0))
    return gw.train(model, x, y, loss=gw.losses.mse, optimizer=gw.optimizers.SGD(0.1), epochs=1)


@pytest.mark.parametrize(
    "use",
    [
        lambda: gw.GRU(1, 2, rng=0)(X),
        lambda: gw.GRU(1, 2, rng=0)(np.ma.masked_all((2, 3, 1), np.float32)),
        lambda: gw.LSTM(1, 2, rng=0).forward(X),
        lambda: gw.Dense(1, 2, rng=0)(X),
        lambda: gw.Dropout(0.5)(X),
        lambda: gw.Noise(0.5)(X),
        lambda: gw.Last()(X),
        lambda: gw.Embedding(3, 2, rng=0)(X[:, :, 0].astype(int)),
        lambda: gw.GRU(1, 2, rng=0)(X.data, np.ma.zeros((1, 2, 2), np.float32)),
        lambda: gw.GRU(1, 2, rng=0)(X.data, lengths=np.ma.masked_array([3, 2], [False, True])),
        lambda: gw.losses.mse(X, X.data),
        lambda: gw.losses.mse(X.data, X),
        lambda: gw.losses.mse(X.data, X.data, weights=np.ma.ones(2)),
        lambda: gw.losses.cross_entropy(np.zeros((2, 3)), np.ma.masked_array([0, 1], [False, True])),
        lambda: trained(X, X.data),
        lambda: trained(X.data, X),
    ],
)
def test_layers_losses_and_training_take_no_masked_array(use):
    with pytest.raises(gw.GatewiseError, match=r"is a masked array with \d+ value\(s\) masked; need a plain array"):
        use()

"""Fitted classifiers and regressors as C: their scaling, gaps, means over parts, and networks side by side."""

import warnings

import numpy as np
import pytest
from c_files import COMPILERS, needs_compiler, self_test

import gatewise as gw
from gatewise.interop.c import run, to_c

SMALL = {"hidden_size": 4, "max_iter": 1, "random_state": 0, "ridge_share": 0}


def sequences(gaps=False):
    rng = np.random.default_rng(0)
    X = [(rng.normal(size=(rng.integers(6, 12), 2)) * [1, 100] + [5, 1e4]).astype(np.float32) for _ in range(12)]
    for x in X if gaps else []:
        x[rng.random(len(x)) < 0.4, 1] = np.nan
    return X


def labels(X):
    return np.array(['"no"' if np.nanmean(x[:, 0]) < 5 else "ja, *sehr*/ö" for x in X])


def numbers(X):
    return np.array([[np.nanmean(x), 1e-6 * np.nanstd(x)] for x in X])


MODELS = {
    "classifier": lambda X: gw.RecurrentClassifier(**SMALL).fit(X, labels(X)),
    "one network": lambda X: gw.RecurrentClassifier(n_networks=1, segments=0, **SMALL).fit(X, labels(X)),
    "regressor": lambda X: gw.RecurrentRegressor(cell="lstm", dropout=0.1, num_layers=2, **SMALL).fit(X, numbers(X)),
    "each step": lambda X: gw.RecurrentRegressor(output="all", **SMALL).fit(X, [x[:, 0] for x in X]),
}


def fitted(name, gaps=False):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # one epoch is too few
        return MODELS[name](sequences(gaps))


def truth(model, x):
    y = model.predict_proba([x]) if hasattr(model, "classes_") else model.predict([x])
    return np.asarray(y[0])


@needs_compiler
@pytest.mark.parametrize(("name", "gaps"), [(name, False) for name in MODELS] + [("classifier", True)])
def test_estimators_give_what_they_predict(name, gaps, tmp_path):
    model, path = fitted(name, gaps), tmp_path / "model.c"
    to_c(model, path, max_steps=20)
    assert self_test(path, COMPILERS[-1], "-O1") == 0
    for x in sequences(gaps)[:2]:
        expected = truth(model, x.astype(np.float64))
        y = run(path, x).reshape(expected.shape)
        np.testing.assert_allclose(y, expected, rtol=2e-5, atol=1e-5 if hasattr(model, "classes_") else 1e-9)


def test_labels_stand_in_the_file_whatever_they_are(tmp_path):
    to_c(fitted("one network"), tmp_path / "model.c")
    text = (tmp_path / "model.c").read_text()
    assert 'model_labels[MODEL_OUTPUTS] = {\n    "\\042no\\042",\n    "ja, *sehr*/\\303\\266"};' in text


def test_what_a_stream_cannot_say_is_refused_with_what_to_do(tmp_path):
    model = fitted("classifier")
    with pytest.raises(gw.GatewiseError, match=r"layer 0.1.1 \(Pool\) .*with max_steps= \(2 numbers each\)"):
        to_c(model, tmp_path / "model.c")
    model._downsampling = 3
    with pytest.raises(gw.GatewiseError, match=r"means over 3 steps.*fit with downsample=1"):
        to_c(model, tmp_path / "model.c", max_steps=20)
    X = sequences()
    beside = gw.RecurrentClassifier(**SMALL | {"ridge_share": 0.5}).fit(X, labels(X))
    with pytest.raises(gw.GatewiseError, match=r"a ridge .* share of 50% .*ridge_share=0"):
        to_c(beside, tmp_path / "model.c")
    with pytest.raises(gw.GatewiseError, match="RecurrentForecaster cannot be written as C"):
        to_c(gw.RecurrentForecaster(4, max_updates=1).fit(np.arange(60.0)), tmp_path / "model.c")

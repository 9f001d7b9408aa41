"""Fits that a signal ends and that go on from their checkpoint: the same bytes as one that nothing ended."""

import importlib.util
import os
import signal
from pathlib import Path

import numpy as np
import pytest
import sklearn
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

import gatewise as gw
from gatewise.training.loop import TrainingLoop

rng = np.random.default_rng(0)
X, y = rng.normal(size=(48, 7, 2)), np.arange(48) % 2
T = np.arange(400)
WAVES = [np.where(np.sin(T / 9.7 + k) > 0, np.sin(T / 3.1 + k), 2 * np.sin(T / 1.9 + k)) for k in range(2)]
SERIES = np.stack(WAVES, axis=1) + 0.05 * rng.normal(size=(400, 2))
SMALL = {"hidden_size": 3, "max_iter": 3, "random_state": 0}
STOPPING = {"early_stopping": True, "n_iter_no_change": 2, "validation_fraction": 0.2}
MODELS = {
    "classifier": (lambda **o: gw.RecurrentClassifier(**SMALL | STOPPING | o), (X, y)),
    "regressor": (lambda **o: gw.RecurrentRegressor(**SMALL | {"ridge_share": 0, "dropout": 0.2} | o), (X, X[:, 0, 0])),
    "forecaster": (
        lambda **o: gw.RecurrentForecaster(4, n_networks=2, max_updates=12, **SMALL | {"max_iter": None} | o),
        (SERIES,),
    ),
}
ROUGH = {"ridge_share": 0, "n_networks": 1}


@pytest.fixture
def after(monkeypatch):
    """Let something happen after a number of batches, counted over all trainings."""
    monkeypatch.setattr("gatewise.convolutions.fitting.SIZE", 500)
    step = TrainingLoop.step

    def patch(number, act=lambda: os.kill(os.getpid(), signal.SIGTERM)):
        count, patch.batches = iter(range(1, 10**6)), 0

        def counted(self):
            step(self)
            patch.batches = next(count)
            if patch.batches == number:
                act()

        monkeypatch.setattr(TrainingLoop, "step", counted)

    return patch


def saved(model, tmp_path):
    gw.save(model, tmp_path / "model.safetensors")
    return (tmp_path / "model.safetensors").read_bytes()


def curves(model):
    names = ("loss_curve_", "validation_scores_", "n_iter_", "history_")
    told = {name: getattr(model, name) for name in names if hasattr(model, name)}
    if "history_" in told:
        told["history_"] = [{key: v for key, v in record.items() if key != "seconds"} for record in told["history_"]]
    return told


@pytest.mark.parametrize("name", MODELS)
def test_a_fit_that_a_signal_ends_goes_on_with_the_same_bytes(name, after, tmp_path):
    make, data = MODELS[name]
    after(None)
    whole = make().fit(*data)
    batches, expected = after.batches, saved(whole, tmp_path)
    assert batches > 8
    for number in (1, batches // 2, batches):
        path, model = tmp_path / f"{number}.checkpoint", make()
        after(number)
        with pytest.raises(gw.TrainingInterrupted) as caught:
            model.fit(*data, checkpoint=path)
        assert caught.value.signal == signal.SIGTERM
        with pytest.raises(NotFittedError):
            model.predict(*data[:1] if name != "forecaster" else [])
        after(None)
        assert model.set_params(verbose=True).fit(*data, checkpoint=path, resume=True) is model
        assert after.batches <= batches - number
        model.set_params(verbose=False)
        assert saved(model, tmp_path) == expected
        assert curves(model) == curves(whole)
    after(None)
    again = make().fit(*data, checkpoint=path, resume=True)
    assert after.batches == 0, "a complete fit has nothing left to train"
    assert saved(again, tmp_path) == expected


def test_networks_side_by_side_of_which_one_fails_are_not_complete(after, tmp_path):
    make, data = MODELS["forecaster"]
    before = gw.get_num_threads()
    gw.set_num_threads(2)
    try:
        after(None)
        expected, path = saved(make().fit(*data), tmp_path), tmp_path / "run.checkpoint"

        def fail():
            raise RuntimeError("no more")

        after(after.batches - 5, fail)
        with pytest.raises(RuntimeError, match="no more"):
            make().fit(*data, checkpoint=path)
        after(None)
        assert saved(make().fit(*data, checkpoint=path, resume=True), tmp_path) == expected
    finally:
        gw.set_num_threads(before)


@pytest.mark.parametrize("random_state", [None, np.random.RandomState(3)])
def test_the_seed_that_was_drawn_is_in_the_checkpoint(random_state, after, tmp_path):
    path, model = tmp_path / "run.checkpoint", gw.RecurrentRegressor(**SMALL | ROUGH | {"random_state": random_state})
    after(2)
    with pytest.raises(gw.TrainingInterrupted):
        model.fit(X, y, checkpoint=path)
    after(None)
    results = []
    for _ in range(2):
        copy = tmp_path / "copy.checkpoint"
        copy.write_bytes(path.read_bytes())
        results.append(model.fit(X, y, checkpoint=copy, resume=True).predict(X))
    assert np.array_equal(*results)
    assert not np.array_equal(model.fit(X, y).predict(X), results[0])


def test_the_checkpoint_of_another_fit_is_refused_by_name(tmp_path):
    path, model = tmp_path / "run.checkpoint", gw.RecurrentClassifier(**SMALL | ROUGH)
    expected = model.fit(X, y, checkpoint=path).predict_proba(X)

    def refused(match, model=model, data=(X, y), path=path, **options):
        with pytest.raises(gw.GatewiseError, match=match):
            model.fit(*data, checkpoint=path, resume=True, **options)

    refused("parameters hidden_size is 3 in it and 4", gw.RecurrentClassifier(**SMALL | ROUGH | {"hidden_size": 4}))
    refused("parameters random_state is 0 in it and 1", gw.RecurrentClassifier(**SMALL | ROUGH | {"random_state": 1}))
    refused("what is RecurrentClassifier.fit in it", gw.RecurrentRegressor(**SMALL | ROUGH))
    refused("X is float64 .* in it", data=(2 * X, y))
    refused("y is int64 .* in it", data=(X, 1 - y))
    refused("targets classes", data=(X, np.array(["a", "b"])[y]))
    refused("weights is absent in it", sample_weight=np.arange(48) % 3)
    refused("going on from is nothing in it", gw.RecurrentClassifier(**SMALL | ROUGH, warm_start=True).fit(X, y))
    assert np.array_equal(model.predict_proba(X), expected), "a refused fit leaves the one before"
    with pytest.raises(gw.GatewiseError, match="resume is True, and there is no checkpoint"):
        model.fit(X, y, resume=True)
    gw.RecurrentForecaster(2, **SMALL).fit(SERIES[:60], checkpoint=tmp_path / "f")
    refused("what is RecurrentForecaster.fit in it", path=tmp_path / "f")
    refused("horizon is 2 in it", gw.RecurrentForecaster(3, **SMALL), (SERIES[:60],), tmp_path / "f")
    refused("data y is float64", gw.RecurrentForecaster(2, **SMALL), (2 * SERIES[:60],), tmp_path / "f")


def test_a_warm_start_that_a_signal_ends_goes_on_too(after, tmp_path):
    def started():
        return gw.RecurrentClassifier(**SMALL | ROUGH).fit(X, y).set_params(warm_start=True)

    path, expected = tmp_path / "run.checkpoint", saved(started().fit(X, y), tmp_path)
    model = started()
    before = model.predict_proba(X)
    after(4)
    with pytest.raises(gw.TrainingInterrupted):
        model.fit(X, y, checkpoint=path)
    assert np.array_equal(model.predict_proba(X), before)
    after(None)
    assert saved(model.fit(X, y, checkpoint=path, resume=True), tmp_path) == expected


def test_pipelines_and_searches_take_a_checkpoint_or_leave_it(tmp_path):
    path = tmp_path / "run.checkpoint"
    pipeline = make_pipeline(gw.SequenceScaler(), gw.RecurrentClassifier(**SMALL | ROUGH))
    pipeline.fit(X, y, recurrentclassifier__checkpoint=path)
    assert path.exists()
    with sklearn.config_context(enable_metadata_routing=True):
        search = GridSearchCV(gw.RecurrentClassifier(**SMALL | ROUGH), {"hidden_size": [2, 3]}, cv=2)
        assert search.fit(X, y).best_estimator_.predict(X).shape == (48,)
        forecaster = gw.RecurrentForecaster(2, **SMALL).set_fit_request(checkpoint=True)
        assert forecaster.get_metadata_routing().fit.requests["checkpoint"] is True


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_killed_fit_ends_with_the_same_bytes():
    spec = importlib.util.spec_from_file_location("kills", Path(__file__).parents[2] / "reliability" / "kills.py")
    kills = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(kills)

    def fit(final, checkpoint):
        model = gw.RecurrentClassifier(**SMALL | STOPPING | ROUGH | {"max_iter": 12})
        gw.save(model.fit(X, y, **kills.fit_options(checkpoint)), final)

    kills.CASES["small"] = fit
    counts = kills.campaign("small", runs=1, seed=os.getpid() % 2**16)
    assert counts["kills"] >= 1
    assert not kills.broken(counts), dict(counts)

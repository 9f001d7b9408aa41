"""Pipelines and transformers in files: they answer alike, and files that lie about them are refused."""

import json

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import save as to_bytes
from sklearn.decomposition import PCA
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, Normalizer, RobustScaler, StandardScaler

import gatewise as gw
from gatewise import files
from gatewise.estimators import steps

SMALL = {"hidden_size": 4, "max_iter": 2, "n_networks": 1, "random_state": 0}


def table():
    return pd.DataFrame(np.random.default_rng(0).normal(3, 2, size=(12, 6)), columns=[f"t{k}" for k in range(6)])


def again(model, path):
    gw.save(model, path, info={"of": "May"})
    assert files.read_info(path) == {"of": "May"}
    return gw.load(path)


@pytest.mark.parametrize("kind", [StandardScaler, MinMaxScaler, MaxAbsScaler, RobustScaler, Normalizer])
def test_scalers_before_an_estimator(kind, tmp_path):
    X = table()
    y = np.where(X["t0"] > 3, "high", "low")
    scaler = kind().set_output(transform="pandas")
    pipeline = Pipeline([("scale", scaler), ("none", "passthrough"), ("network", gw.RecurrentClassifier(**SMALL))])
    pipeline.fit(X, y)
    loaded = again(pipeline, tmp_path / "pipeline.safetensors")
    assert type(loaded) is Pipeline
    assert [name for name, _ in loaded.steps] == ["scale", "none", "network"]
    np.testing.assert_array_equal(loaded.predict_proba(X), pipeline.predict_proba(X))
    assert isinstance(loaded[:1].transform(X), pd.DataFrame)
    assert loaded.steps[0][1].get_params() == scaler.get_params()
    np.testing.assert_array_equal(loaded.feature_names_in_, X.columns)
    with pytest.raises(ValueError, match="feature names"):
        loaded.predict(X[["t1", "t0", *X.columns[2:]]])


def test_sequences_of_several_channels(tmp_path):
    X = [np.random.default_rng(k).normal(k, 1, size=(5 + k % 3, 2)) for k in range(9)]
    pipeline = make_pipeline(gw.SequenceScaler(), gw.SequencePadder(7), gw.RecurrentRegressor(**SMALL)).fit(X, range(9))
    loaded = again(pipeline, tmp_path / "m")
    np.testing.assert_array_equal(loaded.predict(X), pipeline.predict(X))
    assert np.isnan(loaded.named_steps["sequencepadder"].value)
    with pytest.raises(gw.GatewiseError, match="channels"):
        loaded.predict(np.zeros((3, 5, 4)))


def test_transformers_alone_and_pipelines_in_pipelines(tmp_path):
    series = np.random.default_rng(2).normal(size=(20, 2))
    windower = gw.SequenceWindower(3, flatten=True).fit(series)
    np.testing.assert_array_equal(again(windower, tmp_path / "w").transform(series), windower.transform(series))
    inner = make_pipeline(StandardScaler(), gw.SequenceWindower(3))
    outer = make_pipeline(inner, gw.RecurrentRegressor(**SMALL)).fit(series, series[:, 0])
    np.testing.assert_array_equal(again(outer, tmp_path / "p").predict(series), outer.predict(series))


def test_what_cannot_be_saved_is_named_with_what_can(tmp_path):
    X = table()
    network = gw.RecurrentRegressor(**SMALL)
    with pytest.raises(
        gw.GatewiseError, match="step 'pca' of the pipeline: cannot save a PCA; need a layer"
    ) as refusal:
        gw.save(make_pipeline(PCA(2), network).fit(X, X["t0"]), tmp_path / "m")
    listed = [*steps.RECURRENT, *steps.TRANSFORMERS, "Pipeline", "passthrough"]
    assert all(name in str(refusal.value) for name in listed)
    assert listed == [name for name in listed if name == "passthrough" or name == "Pipeline" or steps._kind(name)]
    with pytest.raises(gw.GatewiseError, match=r"step 'standardscaler' of the pipeline: .* not fitted"):
        gw.save(make_pipeline(StandardScaler(), network), tmp_path / "m")
    with pytest.raises(gw.GatewiseError, match="memory="):
        gw.save(Pipeline([("a", StandardScaler().fit(X))], memory=str(tmp_path)), tmp_path / "m")
    with pytest.raises(gw.GatewiseError, match="cannot save a Mine"):
        gw.save(type("Mine", (StandardScaler,), {})().fit(X), tmp_path / "m")
    odd = gw.SequencePadder(value=np.float64).fit(X)
    with pytest.raises(gw.GatewiseError, match="cannot save value="):
        gw.save(odd, tmp_path / "m")
    assert not list(tmp_path.iterdir())


def forge(path, change):
    """Save a pipeline whose description and arrays `change` has changed."""
    description, arrays = steps.to_parts(make_pipeline(StandardScaler().fit(table().to_numpy()), "passthrough"))
    description = json.loads(json.dumps(description))
    change(description, description["steps"][0][1], arrays)
    header = {"format": files.FORMAT, "model": json.dumps(description), "info": "{}"}
    path.write_bytes(to_bytes(arrays, metadata=header))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d, s, a: s.update(type="PCA"), "describes a 'PCA'"),
        (lambda d, s, a: s.update(type="os.system"), "describes a 'os.system'"),
        (lambda d, s, a: s.update(type=["x"]), "a type is"),
        (lambda d, s, a: s["params"].update(copy="no"), "copy of its"),
        (lambda d, s, a: s["params"].update(other=1), "has unknown other"),
        (lambda d, s, a: s["numbers"].update(transform_=3, transform=3), "need results of a fit"),
        (lambda d, s, a: s["numbers"].update(__class__=3), "need results of a fit"),
        (lambda d, s, a: s["numbers"].update(n_samples_seen_="many"), "need a number"),
        (lambda d, s, a: s["numbers"].pop("n_features_in_"), "cannot be read"),
        (lambda d, s, a: s.update(output={"transform": "spark"}), "transform is 'spark'"),
        (lambda d, s, a: a.update({"0.mean_": np.zeros(5)}), r"mean_ float64 \(5,\)"),
        (lambda d, s, a: a.update({"0.fit": np.zeros(6)}), "need results of a fit"),
        (lambda d, s, a: d["steps"][0].__setitem__(0, 7), "names of its steps.* is 7"),
        (lambda d, s, a: d.pop("steps"), "cannot be read"),
        (lambda d, s, a: d.update(params={"memory": "/tmp"}), "need transform_input, verbose only"),
    ],
)
def test_files_that_lie_are_refused(change, message, tmp_path):
    path = tmp_path / "m"
    forge(path, lambda *parts: None)
    gw.load(path).transform(table().to_numpy())
    forge(path, change)
    with pytest.raises(gw.GatewiseError, match=message):
        gw.load(path)

"""Fitted estimators written to ONNX: the graph answers as they do, at other sizes, lengths and gaps."""

import numpy as np
import onnx
import pytest
from onnx_models import CASES, SMALL, fitted, others, padded, sequences

import gatewise as gw
from gatewise.interop.onnx import Graph


@pytest.mark.parametrize("name", CASES)
def test_a_classifier_answers_alike(name):
    model, data = fitted(gw.RecurrentClassifier, name)
    content = gw.to_onnx(model)
    onnx.checker.check_model(onnx.load_from_string(content), full_check=True)
    X = others(data)
    label, probabilities = gw.from_onnx(content).run(padded(X))
    assert (label.dtype, probabilities.dtype) == (object, np.float32)
    wanted, labels = model.predict_proba(X), model.predict(X)
    if name != "steps":
        np.testing.assert_array_equal(label, labels)
        np.testing.assert_allclose(probabilities, wanted, atol=1e-6)
        return
    for i, (row, one) in enumerate(zip(wanted, labels, strict=True)):
        np.testing.assert_allclose(probabilities[i, : len(row)], row, atol=1e-6)
        assert np.isnan(probabilities[i, len(row) :]).all()
        np.testing.assert_array_equal(label[i, : len(one)], one)


@pytest.mark.parametrize("name", ["networks", "ridge", "steps"])
def test_a_regressor_answers_alike(name):
    model, data = fitted(gw.RecurrentRegressor, name)
    X = others(data)
    (found,) = gw.from_onnx(gw.to_onnx(model)).run(padded(X))
    wanted = model.predict(X)
    if name == "steps":
        found = np.concatenate([row[: len(x)] for row, x in zip(found, X, strict=True)])
        wanted = np.concatenate(wanted)
    np.testing.assert_allclose(found, wanted, rtol=1e-8)


def test_float64_keeps_the_data_as_they_are():
    X = [1e6 + x.astype(np.float64) for x in sequences(24, 12, 2, False)]
    model = gw.RecurrentRegressor(**SMALL, ridge_share=0.5).fit(X, [x[:, 0].mean() for x in X])
    feeds = padded(X, np.float64)
    (found,) = gw.from_onnx(gw.to_onnx(model, dtype="float64")).run(feeds)
    np.testing.assert_allclose(found, model.predict(X), rtol=1e-12)
    with pytest.raises(gw.GatewiseError, match="x has dtype float64; need float32"):
        gw.from_onnx(gw.to_onnx(model)).run(feeds)
    with pytest.raises(gw.GatewiseError, match="dtype is 'float64' and the layer has float32"):
        gw.to_onnx(gw.GRU(2, 2, rng=0), dtype="float64")


def test_several_targets_stand_side_by_side():
    X = sequences(20, 6, 1, False)
    y = np.column_stack([np.arange(20.0), -np.arange(20.0)])
    model = gw.RecurrentRegressor(**SMALL, ridge_share=0.0).fit(X, y)
    (found,) = gw.from_onnx(gw.to_onnx(model)).run(padded(X))
    np.testing.assert_allclose(found, model.predict(X), rtol=1e-6, atol=1e-6)


def test_without_lengths_all_steps_count():
    model, data = fitted(gw.RecurrentClassifier, "ridge")
    graph = gw.from_onnx(gw.to_onnx(model, lengths=False))
    assert [one.name for one in graph.inputs] == ["x"]
    x = np.stack([x[:6] for x in sequences(4, 14, *data[1:], seed=3)])
    np.testing.assert_allclose(graph.run([x])[1], model.predict_proba(list(x)), atol=1e-6)


@pytest.mark.parametrize(("labels", "dtype"), [([3, 7], np.int64), ([0.5, 1.5], np.float64), ([False, True], np.bool_)])
def test_labels_keep_their_kind(labels, dtype):
    X = sequences(20, 6, 1, False)
    y = np.array(labels)[np.arange(20) % 2]
    model = gw.RecurrentClassifier(**SMALL, ridge_share=0.0)
    if dtype == np.float64:  # the classes of a fit are whole numbers or text
        model.fit(X, np.arange(20) % 2).classes_ = np.array(labels)
    else:
        model.fit(X, y)
    label, _ = gw.from_onnx(gw.to_onnx(model)).run(padded(X))
    assert label.dtype == dtype
    np.testing.assert_array_equal(label, model.predict(X))


def test_what_a_graph_of_an_estimator_is():
    model, _ = fitted(gw.RecurrentClassifier, "networks")
    graph = gw.from_onnx(gw.to_onnx(model))
    assert isinstance(graph, Graph)
    assert [(one.name, one.shape) for one in graph.inputs] == [("x", (None, None, 2)), ("lengths", (None,))]
    assert graph.outputs == ("label", "probabilities")


def test_what_cannot_be_written_is_refused_by_name():
    with pytest.raises(gw.GatewiseError, match="RecurrentClassifier is not fitted"):
        gw.to_onnx(gw.RecurrentClassifier())
    with pytest.raises(
        gw.GatewiseError, match=r"a RecurrentForecaster cannot be written to ONNX.*exponential smoothing"
    ):
        gw.to_onnx(gw.RecurrentForecaster(3))
    with pytest.raises(gw.GatewiseError, match="state=True was given for an estimator"):
        gw.to_onnx(fitted(gw.RecurrentClassifier, "networks")[0], state=True)
    model, _ = fitted(gw.RecurrentClassifier, "networks")
    model.classes_ = np.array([1, "a"], dtype=object)
    with pytest.raises(gw.GatewiseError, match=r"the classes are \[1, 'a'\]; ONNX needs all text"):
        gw.to_onnx(model)

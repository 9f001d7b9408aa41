"""What Gatewise writes, run by ONNX Runtime, and what PyTorch writes now, read here; skipped where they are absent."""

import io
import warnings

import numpy as np
import pytest
from onnx_models import CASES, MODELS, fitted, inputs_of, others, padded

import gatewise as gw

pytestmark = pytest.mark.peers


@pytest.fixture
def run():
    """A function that runs a model on named inputs."""
    runtime = pytest.importorskip("onnxruntime")
    return lambda content, feeds: runtime.InferenceSession(content).run(None, feeds)


@pytest.mark.parametrize("lengths", [False, True])
@pytest.mark.parametrize("name", [name for name, model in MODELS.items() if model.dtype == np.float32])
def test_onnx_runtime_gives_what_the_model_does(run, name, lengths):
    model, rng = MODELS[name], np.random.default_rng(0)
    content = gw.to_onnx(model, lengths=lengths)
    for B, T in ((3, 5), (1, 1), (7, 12)):
        feeds = inputs_of(model, name, B, T, rng, lengths=lengths)
        y = run(content, feeds)[0]
        np.testing.assert_allclose(y, model(feeds["x"], lengths=feeds.get("lengths"))[0], rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("kind", [gw.RecurrentClassifier, gw.RecurrentRegressor])
def test_onnx_runtime_answers_as_the_estimator_does(run, kind, name):
    model, data = fitted(kind, name)
    X = others(data)
    found = run(gw.to_onnx(model), padded(X))[-1]
    wanted = model.predict_proba(X) if kind is gw.RecurrentClassifier else model.predict(X)
    for row, one in zip(found, wanted, strict=True):
        one = np.asarray(one)
        row = row[: len(one)] if name == "steps" else row
        np.testing.assert_allclose(row, one, rtol=1e-7, atol=1e-5)


def test_labels_are_text(run):
    model, data = fitted(gw.RecurrentClassifier, "networks")
    label, _ = run(gw.to_onnx(model), padded(others(data)))
    assert label.tolist() == model.predict(others(data)).tolist()


@pytest.mark.parametrize("kind", ["GRU", "LSTM", "RNN"])
def test_a_module_of_pytorch_comes_through_onnx_and_back(run, kind):
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    module = getattr(torch.nn, kind)(3, 4, num_layers=2, bidirectional=True, batch_first=True).eval()
    x, file = torch.randn(2, 5, 3), io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        axes = {"x": {0: "batch", 1: "time"}}
        torch.onnx.export(module, (x,), file, dynamo=False, input_names=["x"], dynamic_axes=axes)
    layer = gw.from_onnx(file.getvalue())
    for name, value in module.state_dict().items():
        np.testing.assert_array_equal(layer.params[name], value.numpy())
    longer = torch.randn(4, 9, 3)
    wanted = module(longer)[0].detach().numpy()
    np.testing.assert_allclose(layer(longer.numpy())[0], wanted, atol=1e-5)
    np.testing.assert_allclose(run(gw.to_onnx(layer), {"x": longer.numpy()})[0], wanted, atol=1e-5)

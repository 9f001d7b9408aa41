"""The passes of training against the plain ones, of which they leave out checks and copies."""

import numpy as np
import pytest

import gatewise as gw
from gatewise.batches import Samples
from gatewise.layers import Dropout, Last, Noise, Parallel, Pool
from gatewise.training import gradients as module
from gatewise.training.gradients import batch_gradients

LENGTHS = np.array([7, 3, 1, 5])


def network(kind):
    """A model of several layers, and whether its output keeps the time axis."""
    if kind == "last":
        return gw.Sequential(gw.GRU(3, 5, rng=0), Last(), gw.Dense(5, 2, rng=1)), False
    if kind == "steps":
        layers = gw.Dense(3, 4, "tanh", rng=0), gw.RNN(4, 3, rng=1), Dropout(0.2), gw.Dense(3, 2, rng=2)
        return gw.Sequential(*layers), True
    if kind == "checkpoint":
        return gw.Sequential(gw.GRU(3, 2, rng=0, tape="checkpoint")), True
    stack = gw.GRU(3, 4, num_layers=2, bidirectional=True, dropout=0.3, rng=0)
    deep = gw.Sequential(stack, Pool(8, bidirectional=True), Dropout(0.1))
    one = gw.Sequential(Dropout(0.2), Noise(0.1), Parallel(deep, Pool(3, "mean", parts=4)), gw.Dense(36, 2, rng=1))
    return one, False


@pytest.mark.parametrize("kind", ["last", "steps", "checkpoint", "parallel"])
@pytest.mark.parametrize("lengths", [None, LENGTHS])
def test_gradients_are_those_of_the_plain_passes(monkeypatch, kind, lengths):
    rng = np.random.default_rng(0)
    model, keeps_time = network(kind)
    x = rng.normal(size=(4, 7, 3)).astype(np.float32)
    y = rng.normal(size=(4, 7, 2) if keeps_time else (4, 2)).astype(np.float32)
    batch = Samples(x, y, lengths)
    value, _, lean = batch_gradients(model, gw.losses.mse, batch, np.random.default_rng(3))
    monkeypatch.setattr(module, "_fits", lambda *both: False)
    plain_value, _, plain = batch_gradients(model, gw.losses.mse, batch, np.random.default_rng(3))
    assert list(lean) == list(plain) == list(model.params)
    assert value == pytest.approx(plain_value, rel=1e-6)
    for name, gradient in plain.items():
        np.testing.assert_allclose(lean[name], gradient, rtol=2e-5, atol=1e-7)


def test_a_layer_with_passes_of_its_own_keeps_them():
    rng = np.random.default_rng(0)

    class Loud(gw.Dense):
        def forward(self, x, state=None, *, lengths=None, training=False, rng=None):
            y, state, tape = super().forward(x, state, lengths=lengths)
            return 3 * y, state, tape

        def backward(self, tape, dy, dstate=None):
            return super().backward(tape, 3 * dy, dstate)

    model = gw.Sequential(Last(), Loud(3, 1, rng=0))
    batch = Samples(rng.normal(size=(4, 7, 3)).astype(np.float32), np.zeros((4, 1), np.float32))
    prediction = model(batch.x)[0]
    plain = gw.Sequential(Last(), gw.Dense(3, 1, rng=0))
    np.testing.assert_allclose(prediction, 3 * plain(batch.x)[0], rtol=1e-6)
    found, of_plain = (batch_gradients(one, gw.losses.mse, batch) for one in (model, plain))
    assert found.value == pytest.approx(9 * of_plain.value, rel=1e-5)
    np.testing.assert_allclose(found.gradients["1.weight"], 9 * of_plain.gradients["1.weight"], rtol=1e-5)


@pytest.mark.parametrize("what", ["x", "length", "gradient"])
def test_what_does_not_fit_is_said_as_by_the_plain_passes(what):
    rng = np.random.default_rng(0)
    model, _ = network("last")
    x, y = rng.normal(size=(4, 7, 3)).astype(np.float32), np.zeros((4, 2), np.float32)
    lengths, loss = LENGTHS, gw.losses.mse
    if what == "x":
        x[0, 0, 0] = np.nan
    elif what == "length":
        lengths = np.array([7, 3, 0, 5])
    else:

        def loss(prediction, target, *, weights=None):
            return 1.0, prediction[:, :1]

    words = {"x": "not finite", "length": r"lengths\[2\] is 0", "gradient": r"layer 2 \(Dense\): dy has shape"}
    with pytest.raises(gw.GatewiseError, match=words[what]):
        batch_gradients(model, loss, Samples(x, y, lengths))

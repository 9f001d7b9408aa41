"""Steps of models: layers in turn and side by side, pools, and what cannot step."""

import copy

import numpy as np
import pytest

import gatewise as gw
from gatewise.layers import Dropout, Last, Noise, Parallel, Pool


def data(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def every_step():
    return gw.Sequential(
        Noise(0.3),
        gw.Dense(3, 5, "tanh", rng=0),
        Dropout(0.5),
        gw.GRU(5, 8, rng=1),
        gw.LSTM(8, 6, rng=2),
        gw.Dense(6, 2, rng=3),
    )


def side_by_side():
    return gw.Sequential(
        Parallel(gw.GRU(3, 4, rng=0), gw.Sequential(gw.RNN(3, 5, rng=1), Dropout(0.2))), gw.Dense(9, 2, rng=2)
    )


def last_of_all():
    return gw.Sequential(gw.GRU(3, 8, rng=0), Last(), gw.Dense(8, 2, rng=1))


def pools(parts):
    deep = gw.Sequential(gw.GRU(3, 8, rng=0), Pool(8))
    return gw.Sequential(Parallel(deep, Pool(3, ("mean",), parts=parts)), gw.Dense(24 + 3 * parts, 2, rng=1))


MODELS = {
    "every step": every_step,
    "side by side": side_by_side,
    "last": last_of_all,
    "pool": lambda: pools(1),
    "parts": lambda: pools(4),
}
models = pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
batches = pytest.mark.parametrize("batch", [None, 3])


def on_prefix(model, x, t):
    """What a model gives after step t of x (batch, time, D)."""
    y = model(x[:, : t + 1])[0]
    return y[:, -1] if model.keeps_time else y


@models
@batches
def test_each_step_gives_what_the_model_gives_on_the_prefix(make, batch):
    model, x = make(), data(batch or 1, 150, 3)
    stepper = model.stepper(batch)
    for t in range(x.shape[1]):
        y = stepper.step(x[:, t] if batch else x[0, t])
        expected = on_prefix(model, x, t)
        np.testing.assert_allclose(y, expected if batch else expected[0], atol=2e-6, err_msg=f"step {t}")


@models
@batches
def test_blocks_go_on_from_steps(make, batch):
    model, x = make(), data(batch or 1, 90, 3)
    stepper = model.stepper(batch)
    stepper.step(x[:, 0] if batch else x[0, 0])
    for start, end in ((1, 2), (2, 50), (50, 90)):
        block = stepper.process(x[:, start:end] if batch else x[0, start:end])
    expected = model(x)[0]
    expected = expected[:, 50:] if model.keeps_time else expected
    np.testing.assert_allclose(block, expected if batch else expected[0], atol=2e-6)


@models
def test_states_are_saved_loaded_copied_and_reset(make):
    model, x = make(), data(3, 40, 3)
    stepper = model.stepper(3)
    stepper.process(x[:, :20])
    saved, state, twins = stepper.state_dict(), stepper.state, [stepper.copy(), copy.deepcopy(stepper)]
    expected = stepper.process(x[:, 20:])
    loaded, set_ = model.stepper(3), model.stepper(3)
    loaded.load_state_dict(saved)
    set_.state = state
    for twin in (loaded, set_, *twins):
        np.testing.assert_array_equal(twin.process(x[:, 20:]), expected)
    assert all(isinstance(value, np.ndarray) for value in saved.values())
    stepper.reset(1)
    again, fresh = stepper.process(x[:, :1]), model.stepper(3).process(x[:, :1])
    assert [np.array_equal(a, b) for a, b in zip(again, fresh, strict=True)] == [False, True, False]


@models
def test_a_failed_load_changes_nothing(make):
    stepper = make().stepper(3)
    stepper.process(data(3, 10, 3))
    saved = stepper.state_dict()
    name = list(saved)[-1]
    with pytest.raises(gw.GatewiseError):
        stepper.load_state_dict(saved | {name: saved[name][..., :0]})
    with pytest.raises(gw.GatewiseError, match="lacks"):
        stepper.load_state_dict({})
    with pytest.raises(gw.GatewiseError, match="state"):
        stepper.state = (None,)
    for name, value in stepper.state_dict().items():
        np.testing.assert_array_equal(value, saved[name])


def test_an_embedding_reads_one_integer_a_step():
    model = gw.Sequential(gw.Embedding(10, 4, rng=0), gw.GRU(4, 5, rng=1))
    tokens = np.random.default_rng(0).integers(0, 10, (2, 20))
    expected = model(tokens)[0]
    one, two = model.stepper(), model.stepper(2)
    for t in range(20):
        np.testing.assert_allclose(one.step(tokens[0, t]), expected[0, t], atol=1e-6)
        np.testing.assert_allclose(two.step(tokens[:, t]), expected[:, t], atol=1e-6)
    one.reset()
    np.testing.assert_allclose(one.process(tokens[0]), expected[0], atol=1e-6)
    with pytest.raises(gw.GatewiseError, match=r"layer 0 .Embedding.: x"):
        one.step(10)


def test_outputs_for_every_step_are_refused_where_there_is_one_for_all():
    stepper, x = last_of_all().stepper(), data(7, 3)
    with pytest.raises(gw.GatewiseError, match="one output for all steps"):
        stepper.process(x, every_step=True)
    assert stepper.process(x).shape == stepper.process(x, every_step=False).shape == (2,)
    stepper = every_step().stepper()
    assert stepper.process(x).shape == (7, 2)
    assert stepper.process(x, every_step=False).shape == (2,)


def test_out_takes_the_output_of_a_model():
    for model in (every_step(), side_by_side(), last_of_all(), pools(1)):
        stepper, out = model.stepper(), np.empty(2, np.float32)
        assert stepper.step(data(3), out) is out
        stepper.reset()
        np.testing.assert_array_equal(stepper.step(data(3)), out)


class Unknown(gw.layers.Layer):
    def __init__(self):
        self.params, self.dtype = gw.layers.layer.Params(), np.dtype(np.float32)

    def forward(self, x, state=None, *, lengths=None, training=False, rng=None):
        return x, None, None

    def backward(self, tape, dy, dstate=None):
        return dy, None, {}

    def config(self):
        return {}


@pytest.mark.parametrize(
    ("layer", "why"),
    [
        (gw.GRU(3, 4, bidirectional=True, rng=0), "layer 1 .GRU.: GRU is bidirectional"),
        (Last(bidirectional=True), "layer 1 .Last.: .*reverse direction"),
        (Pool(3, bidirectional=True), "layer 1 .Pool.: .*reverse direction"),
        (Unknown(), "layer 1 .Unknown.: Unknown has no steps"),
    ],
    ids=["reverse", "last", "pool", "unknown"],
)
def test_what_cannot_step_says_why(layer, why):
    with pytest.raises(gw.GatewiseError, match=why):
        gw.Sequential(Dropout(0.1), layer).stepper()


def test_errors_name_the_layer_and_the_state_stays():
    model = every_step()
    stepper = model.stepper()
    stepper.step(data(3))
    before = stepper.state_dict()
    with pytest.raises(gw.GatewiseError, match=r"layer 1 .Dense.: x has shape"):
        stepper.step(data(4))
    with pytest.raises(gw.GatewiseError, match="not finite"):
        stepper.step(np.array([1, np.nan, 0], np.float32))
    for name, value in stepper.state_dict().items():
        np.testing.assert_array_equal(value, before[name])

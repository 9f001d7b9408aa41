"""Learning one observation at a time: real-time recurrent learning against BPTT, and the semantics of river."""

import signal

import numpy as np
import pytest
from small_training import assert_same, copies, per_step, sgd

import gatewise as gw
from gatewise.losses import mse
from gatewise.training.rtrl import Influence, RealTimeLoop

CELLS = [gw.GRU, gw.LSTM, gw.RNN, gw.MinGRU, lambda *sizes, **options: gw.GRU(*sizes, reset="before", **options)]
NAMES = ["gru", "lstm", "rnn", "mingru", "gru before"]


@pytest.mark.parametrize(("layers", "bias"), [(1, True), (1, False), (3, True)])
@pytest.mark.parametrize("cell", CELLS, ids=NAMES)
@pytest.mark.parametrize("hidden", [1, 5, 16])
def test_real_time_gradients_sum_to_those_of_bptt(cell, layers, bias, hidden):
    layer = cell(2, hidden, num_layers=layers, bias=bias, dtype=np.float64, rng=0)
    rng = np.random.default_rng(1)
    x, dy = rng.normal(size=(1, 40, 2)), rng.normal(size=(1, 40, hidden))
    y, state, tape = layer.forward(x)
    _, _, exact = layer.backward(tape, dy)
    stream, total = Influence(layer), {name: np.zeros_like(value) for name, value in layer.params.items()}
    for t in range(40):
        np.testing.assert_allclose(stream.step(x[:, t]), y[:, t], rtol=1e-12, atol=1e-14)
        for name, gradient in stream.gradients(dy[:, t]).items():
            total[name] += gradient
    np.testing.assert_allclose(stream.state, state, rtol=1e-12, atol=1e-14)
    for name, gradient in exact.items():
        np.testing.assert_allclose(total[name], gradient, rtol=1e-9, atol=1e-12 * np.abs(gradient).max())


def test_a_real_time_update_is_the_exact_gradient_of_the_newest_loss():
    streamed, by_hand = per_step(), per_step()
    x = np.random.default_rng(1).normal(size=(1, 12, 2))
    y = x.sum(axis=2, keepdims=True)
    loop, optimizer = RealTimeLoop(streamed, "mse", sgd(0.0)), sgd(1.0)
    for t in range(12):
        if t == 11:
            loop.optimizer = optimizer
        loop.add(x[:, t : t + 1], y[:, t : t + 1])
        loop.step()
    prediction, _, tape = by_hand.forward(x)
    dy = np.zeros_like(prediction)
    dy[:, 11:] = mse(prediction[:, 11:], y[:, 11:])[1]
    sgd(1.0).step(by_hand.params, by_hand.backward(tape, dy)[2])
    assert_same(streamed.params, copies(by_hand), rtol=1e-9, atol=1e-12)


def test_looking_back_one_step_for_each_is_train_stream_with_k1_1():
    learned, streamed = per_step(), per_step()
    x = np.random.default_rng(1).normal(size=(1, 12, 2))
    y = x.sum(axis=2, keepdims=True)
    learner = gw.OnlineRegressor(learned, optimizer=sgd(), look_back=5, clip=None)
    for t in range(12):
        learner.learn_one(x[0, t], y[0, t, 0])
    gw.train_stream(streamed, [(x, y)], loss="mse", optimizer=sgd(), k1=1, k2=5)
    assert_same(learned.params, copies(streamed))
    assert learner.steps == 12


@pytest.mark.parametrize("method", ["tbptt", "rtrl"])
def test_predicting_changes_nothing_and_learning_moves_on(method):
    model = per_step()
    learner = gw.OnlineRegressor(model, optimizer=sgd(0.0), method=method)
    x = np.random.default_rng(1).normal(size=(6, 2))
    whole, _ = model(x[None])
    for t in range(6):
        assert [learner.predict_one(x[t]) for _ in range(2)] == pytest.approx([whole[0, t, 0]] * 2, abs=1e-12)
        learner.learn_one(x[t], None if t == 2 else 0.5)
        assert np.isnan(learner.loss) == (t == 2)
    learner.reset()
    assert learner.predict_one(x[0]) == pytest.approx(whole[0, 0, 0], abs=1e-12)


@pytest.mark.parametrize("method", ["tbptt", "rtrl"])
def test_an_error_is_learned_away(method):
    learner = gw.OnlineRegressor(per_step(), optimizer=gw.optimizers.Adam(0.02), method=method)
    rng, errors = np.random.default_rng(0), []
    before = np.zeros(2)
    for _ in range(300):
        x = rng.normal(size=2)
        target = before[0] - x[1]
        errors.append(abs(learner.predict_one({"a": x[0], "b": x[1]}) - target))
        learner.learn_one({"b": x[1], "a": x[0]}, target)
        before = x
    assert np.mean(errors[-50:]) < 0.4 * np.mean(errors[:50])


def test_labels_come_as_they_come():
    model = gw.Sequential(gw.GRU(1, 6, rng=0), gw.Dense(6, 2, rng=1))
    learner = gw.OnlineClassifier(model, optimizer=gw.optimizers.Adam(0.05))
    assert learner.predict_one([1.0]) is None
    assert learner.predict_proba_one([1.0]) == {}
    for k in range(60):
        learner.learn_one([1.0], "even" if k % 2 == 0 else 1)
    learner.learn_one([1.0], None)
    assert learner.predict_one([1.0]) == 1
    assert sum(learner.predict_proba_one([1.0]).values()) == pytest.approx(1)
    with pytest.raises(gw.GatewiseError, match="y is 'odd', and the model's 2 outputs are for 'even', 1"):
        learner.learn_one([1.0], "odd")


def test_a_bad_observation_is_refused_and_forgotten():
    model = per_step()
    learner = gw.OnlineRegressor(model, optimizer=sgd())
    learner.learn_one({"a": 1.0, "b": 2.0}, 0.5)
    before, prediction = copies(model), learner.predict_one([1.0, 1.0])
    for x, y, text in [
        ({"a": 1.0}, 0.0, "x lacks b"),
        ({"a": 1.0, "b": np.nan}, 0.0, "x has nan as feature 'b'"),
        ([1.0], 0.0, "x has 1 feature"),
        ("ab", 0.0, "need numbers"),
        ([1.0, 1.0], np.inf, "y is inf"),
        ([1.0, 1.0], "high", "y is 'high'; need a number"),
        ([1.0, 1.0], [1.0, 2.0], "y has 2 number"),
    ]:
        with pytest.raises(gw.GatewiseError, match=text):
            learner.learn_one(x, y)
    assert_same(model.params, before)
    assert learner.predict_one([1.0, 1.0]) == prediction


@pytest.mark.parametrize("method", ["tbptt", "rtrl"])
def test_a_step_that_fails_ends_the_sequence_and_learning_goes_on(method):
    model = per_step()
    learner = gw.OnlineRegressor(model, optimizer=sgd(), method=method)
    learner.learn_one([1.0, 1.0], 0.5)
    with pytest.raises(gw.GatewiseError, match="finite"):
        learner.learn_one([1.0, 1.0], 1e300)
    learner.learn_one([1.0, 1.0], 0.5)
    assert np.isfinite(learner.loss)


@pytest.mark.parametrize(
    ("model", "text"),
    [
        (lambda: gw.Sequential(gw.Dense(2, 2, rng=0), gw.GRU(2, 3, rng=0)), "has recurrent layers after its first"),
        (lambda: gw.Dense(2, 1, rng=0), "need a recurrent layer"),
        (lambda: gw.GRU(2, 3, bidirectional=True, rng=0), "bidirectional=False"),
    ],
)
def test_what_real_time_learning_cannot_do_is_refused(model, text):
    with pytest.raises(gw.GatewiseError, match=text):
        gw.OnlineRegressor(model(), method="rtrl")


@pytest.mark.parametrize("method", ["tbptt", "rtrl"])
def test_a_step_that_is_interrupted_ends_the_sequence(method, monkeypatch):
    def learner():
        model = gw.Sequential(gw.GRU(1, 3, rng=0), gw.Dense(3, 1, rng=1))
        return gw.OnlineRegressor(model, optimizer=gw.optimizers.SGD(0.1), method=method)

    interrupted, fresh = learner(), learner()
    loop = type(interrupted._loop)
    with monkeypatch.context() as patch:
        patch.setattr(loop, "step", lambda self: signal.raise_signal(signal.SIGINT))
        with pytest.raises(KeyboardInterrupt):
            interrupted.learn_one([1.0], 2.0)
    for one in (interrupted, fresh):
        one.learn_one([0.5], 1.0)
    assert interrupted.steps == fresh.steps == 1
    assert interrupted.predict_one([0.3]) == fresh.predict_one([0.3])

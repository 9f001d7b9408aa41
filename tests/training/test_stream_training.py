"""Truncated backpropagation through time against plain training and against loops written by hand."""

import itertools
import tracemalloc

import numpy as np
import pytest
from small_training import assert_same, copies, per_step, sgd, step_by_hand

import gatewise as gw
from gatewise.losses import mse
from gatewise.training import StreamLoop, stream_loop
from gatewise.training.thinning import Thinned


def series(batch=3, time=24, seed=0):
    x = np.random.default_rng(seed).normal(size=(batch, time, 2))
    return x, np.cumsum(x.sum(axis=2, keepdims=True), axis=1) / 4


def cut(x, y, ends, resets=None):
    bounds = itertools.pairwise([0, *ends])
    return [(x[:, a:b], y[:, a:b], *([] if resets is None else [resets[:, a:b]])) for a, b in bounds]


def stack(cell=gw.GRU, seed=0, **options):
    recurrent = cell(2, 4, num_layers=2, dtype=np.float64, rng=seed, **options)
    return gw.Sequential(recurrent, gw.Dense(4, 1, dtype=np.float64, rng=seed + 1))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_one_window_of_all_steps_is_plain_training_bit_for_bit(dtype):
    x, y = (a.astype(dtype) for a in series())
    plain, streamed = (per_step().astype(dtype) for _ in range(2))
    epochs = gw.train(plain, x, y, loss="mse", optimizer=sgd(), epochs=4, batch_size=3, shuffle=False, clip=0.5)
    anew = np.zeros(x.shape[:2], bool)
    anew[:, 0] = True
    records = gw.train_stream(streamed, [(x, y, anew)] * 4, loss="mse", optimizer=sgd(), k1=24, k2=24, clip=0.5)
    assert_same(streamed.params, copies(plain))
    assert records["loss"] == pytest.approx(epochs["loss"], rel=1e-15)  # each is a sum over weights, divided by theirs
    assert records["gradient_norm"] == epochs["gradient_norm"]


@pytest.mark.parametrize("cell", [gw.GRU, gw.LSTM, gw.RNN, gw.MinGRU])
def test_the_state_is_carried_and_cut(cell):
    x, y = series()
    streamed, by_hand = stack(cell), stack(cell)
    gw.train_stream(streamed, [(x, y)], loss="mse", optimizer=sgd(), k1=8, clip=1.0)
    optimizer, state = sgd(), None
    for start in range(0, 24, 8):
        block = slice(start, start + 8)
        prediction, state, tape = by_hand.forward(x[:, block], state)
        grads = by_hand.backward(tape, mse(prediction, y[:, block])[1])[2]
        gw.clip_by_global_norm(grads, 1.0)
        optimizer.step(by_hand.params, grads)
    assert_same(streamed.params, copies(by_hand), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(("k1", "k2"), [(4, 12), (4, 10), (5, 6), (1, 7), (3, 100)])
def test_overlapping_windows_are_those_of_a_hand_written_loop(k1, k2):
    x, y = series()
    streamed, by_hand = stack(), stack()
    gw.train_stream(streamed, cut(x, y, [24]), loss="mse", optimizer=sgd(), k1=k1, k2=k2)
    optimizer, states = sgd(), [None]  # states[t]: before step t, of the weights with which it was last passed
    for end in [*range(k1, 24, k1), 24]:
        start, new = max(0, min(len(states) - 1, (end - 1) // k1 * k1 + k1 - k2)), min(k1, end - (end - 1) // k1 * k1)
        prediction, _, tape = by_hand.forward(x[:, start:end], states[start])
        _, gradient = mse(prediction[:, -new:], y[:, end - new : end])
        dy = np.concatenate([np.zeros_like(prediction[:, :-new]), gradient], axis=1)
        grads = by_hand.backward(tape, dy)[2]
        states, state = states[: start + 1], states[start]
        for t in range(start, end):
            _, state = by_hand(x[:, t : t + 1], state)
            states.append(state)
        optimizer.step(by_hand.params, grads)
    assert_same(streamed.params, copies(by_hand), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("ends", [[24], [1, 2, 3, 11, 24], [7, 14, 21, 24], range(1, 25)], ids=str)
def test_how_the_stream_is_cut_into_blocks_changes_nothing(ends):
    x, y = series()
    resets = np.random.default_rng(1).random((3, 24)) < 0.1
    trained = []
    for blocks in (cut(x, y, [24], resets), cut(x, y, ends, resets)):
        net = stack()
        gw.train_stream(net, iter(blocks), loss="mse", optimizer=sgd(), k1=5, k2=9)
        trained.append(copies(net))
    assert_same(*trained)


@pytest.mark.parametrize("cell", [gw.GRU, gw.LSTM])
def test_a_window_with_resets_has_the_gradients_of_its_pieces_apart(cell):
    x, y = series()
    resets = np.zeros((3, 24), bool)
    resets[0, [0, 10]] = resets[1, [0, 23]] = resets[2, [0, 6, 7, 15]] = True
    streamed, apart = stack(cell), stack(cell)
    gw.train_stream(streamed, [(x, y, resets)], loss="mse", optimizer=sgd(), k1=24)
    total = {name: np.zeros_like(value) for name, value in apart.params.items()}
    for row in range(3):
        for start, end in itertools.pairwise([*np.flatnonzero(resets[row]), 24]):
            piece = slice(row, row + 1), slice(start, end)
            prediction, _, tape = apart.forward(x[piece])
            grads = apart.backward(tape, (prediction - y[piece]) * 2 / y.size)[2]
            for name, grad in grads.items():
                total[name] += grad
    sgd().step(apart.params, total)
    assert_same(streamed.params, copies(apart), rtol=1e-12, atol=1e-14)


def test_resets_train_as_the_episodes_one_after_the_other():
    x, y = series(batch=1)
    resets = np.zeros((1, 24), bool)
    resets[0, [0, 8, 16]] = True
    streamed, apart = per_step(), per_step()
    gw.train_stream(streamed, [(x, y, resets)], loss="mse", optimizer=sgd(), k1=8, k2=16)
    optimizer = sgd()
    for start in (0, 8, 16):
        step_by_hand(apart, optimizer, x[:, start : start + 8], y[:, start : start + 8])
    assert_same(streamed.params, copies(apart), rtol=1e-12, atol=1e-14)


def test_steps_of_weight_0_do_not_count():
    x, y = series()
    weights = np.ones((3, 24))
    weights[1, 5:9] = weights[:, 16:] = 0
    spoiled = np.where(weights[..., None] == 0, np.nan, y)
    nets = [per_step() for _ in range(2)]
    for net, target in zip(nets, (y, spoiled), strict=True):
        records = gw.train_stream(net, [(x, target, None, weights)], loss="mse", optimizer=sgd(), k1=8)
        assert np.isnan(records["loss"]).tolist() == [False, False, True]
    assert_same(nets[0].params, copies(nets[1]))


def test_an_endless_stream_takes_constant_memory_and_stops_when_asked(monkeypatch):
    monkeypatch.setattr(stream_loop, "Thinned", lambda: Thinned(limit=20))
    x, y = series(time=4)
    net, sizes = per_step(), []

    def watch(record, model):
        if record["update"] in (100, 300):
            sizes.append(tracemalloc.get_traced_memory()[0])
        return record["update"] == 300

    tracemalloc.start()
    try:
        history = gw.train_stream(
            net, itertools.repeat((x, y)), loss="mse", optimizer=sgd(0.001), k1=4, k2=8, callbacks=[watch]
        )
    finally:
        tracemalloc.stop()
    assert sum(history["updates"]) == history[-1]["update"] == 300
    assert len(history) <= 20
    assert sizes[1] - sizes[0] < 60_000, "200 records are 120 kB"
    assert len(gw.train_stream(net, itertools.repeat((x, y)), loss="mse", optimizer=sgd(), k1=3, max_updates=7)) == 7


def test_a_loop_continues_bit_for_bit_from_its_state():
    x, y = series(time=40)
    resets = np.random.default_rng(1).random((3, 40)) < 0.05

    def loop():
        model = stack(gw.LSTM, dropout=0.3)
        return StreamLoop(model, "mse", gw.optimizers.Adam(0.01), k1=5, k2=8, clip=1.0, rng=4)

    first, second = loop(), loop()
    first.add(x[:, :23], y[:, :23], resets[:, :23])
    for _ in range(3):
        first.step()
    state = first.state_dict()
    second.model.params.update({name: value + 1 for name, value in second.model.params.items()})
    second.load_state_dict(state)
    for each in (first, second):
        each.add(x[:, 23:], y[:, 23:], resets[:, 23:])
        while each.waiting:
            each.step()
    assert_same(second.model.params, copies(first.model))
    assert second.records()["loss"] == first.records()["loss"]
    with pytest.raises(gw.GatewiseError, match="k1 5; need 6"):
        StreamLoop(stack(gw.LSTM), "mse", "adam", k1=6, k2=8).load_state_dict(state)


def test_an_embedding_reads_integers_and_classes_are_learned():
    text = np.tile(np.arange(5), 60)
    rows = gw.contiguous_rows(text[:-1], text[1:], batch=2, block=30)
    net = gw.Sequential(gw.Embedding(5, 4, rng=0), gw.GRU(4, 8, rng=1), gw.Dense(8, 5, rng=2))
    losses = [
        loss
        for _ in range(6)
        for loss in gw.train_stream(net, rows, loss="cross_entropy", optimizer=gw.optimizers.Adam(0.05), k1=10)["loss"]
    ]
    assert losses[-1] < 0.2 * losses[0]


def test_rows_of_series_go_on_from_block_to_block():
    x = [np.arange(7.0), np.arange(10.0, 19.0), np.arange(20.0, 24.0)]
    blocks = list(gw.contiguous_rows(x, [a[:, None] + [0, 100] for a in x], batch=3, block=4))
    whole, targets, resets = (np.concatenate(parts, axis=1) for parts in zip(*blocks, strict=True))
    assert [x.shape[1] for x, _, _ in blocks] == [4, 2]
    np.testing.assert_array_equal(whole.reshape(-1), np.concatenate(x)[:18])
    np.testing.assert_array_equal(targets[..., 1], whole[..., 0] + 100)
    assert np.flatnonzero(resets).tolist() == [0, 6, 7, 12, 16]


@pytest.mark.parametrize(
    ("model", "block", "options", "text"),
    [
        (lambda: gw.Sequential(per_step(), gw.Last()), None, {}, "layer 1.*stream needs one at every step"),
        (lambda: gw.GRU(2, 1, bidirectional=True, dtype=np.float64, rng=0), None, {}, "bidirectional=False"),
        (per_step, None, {"k2": 3}, "k2 is 3; need at least 4"),
        (per_step, (1,), {}, "a block has 1 parts; need"),
        (per_step, (np.zeros((2, 4, 2)), np.zeros((2, 3, 1))), {}, r"x has shape \(2, 4, 2\), y \(2, 3, 1\)"),
        (per_step, (np.zeros((3, 4, 2)), np.zeros((3, 4, 1)), np.zeros(4, bool)), {}, r"resets has shape \(4,\)"),
        (per_step, (np.zeros((2, 4, 2)), np.zeros((2, 4, 1))), {}, r"need the same rows, features"),
        (per_step, (np.zeros((3, 4, 2)), np.full((3, 4, 1), np.nan)), {}, "update 2: .* target, feature 0, sample 0"),
    ],
)
def test_what_does_not_fit_is_refused(model, block, options, text):
    x, y = series(time=4)
    blocks = [(x, y), *([] if block is None else [block])]
    with pytest.raises(gw.GatewiseError, match=text):
        gw.train_stream(model(), blocks, loss="mse", optimizer=sgd(), **({"k1": 4} | options))

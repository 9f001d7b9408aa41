"""Training on a stream that is interrupted and continued from its checkpoint, the place in the stream among it."""

import os
import signal

import numpy as np
import pytest

import gatewise as gw
from gatewise.training import checkpoint as checkpoints
from gatewise.training.checkpoint_file import Content, read, to_bytes

UPDATES = 13  # of 62 steps, 5 at a time


@pytest.fixture
def path(tmp_path):
    return tmp_path / "stream.checkpoint"


@pytest.fixture(autouse=True)
def every_update(monkeypatch):
    """Writes that do not wait until the one before has paid off."""
    monkeypatch.setattr(checkpoints, "SHARE", 0)


def blocks(change=0.0, count=9):
    """Blocks of unequal lengths, with a reset in the midst of one and weights in another."""
    rng = np.random.default_rng(2)
    for k, length in enumerate((7, 3, 11, 2, 9, 10, 1, 8, 11)[:count]):
        x = rng.normal(size=(3, length, 2)) + change * (k == 4)
        resets = np.zeros((3, length), bool)
        resets[1, length // 2] = k == 2
        weights = np.ones((3, length)) if k != 5 else rng.uniform(size=(3, length))
        yield x, x.sum(axis=2, keepdims=True), resets, weights


def train(path=None, stop=None, batches=None, number=signal.SIGTERM, **changes):
    model = gw.Sequential(
        gw.LSTM(2, 3, dtype=np.float64, rng=0), gw.Dropout(0.2), gw.Dense(3, 1, dtype=np.float64, rng=1)
    )

    def note(record, model):
        seen.append(record["update"])
        if record["update"] == stop:
            os.kill(os.getpid(), number)

    options = {"loss": "mse", "optimizer": gw.optimizers.Adam(0.02), "k1": 5, "k2": 8, "rng": 3, "callbacks": [note]}
    history = gw.train_stream(model, batches or blocks(), **{**options, "checkpoint": path, **changes})
    return model.params, [{k: v for k, v in record.items() if k != "seconds"} for record in history]


seen: list[int] = []


def assert_same(one, other):
    assert one[1] == other[1]
    for name, value in one[0].items():
        np.testing.assert_array_equal(other[0][name], value, err_msg=name)


@pytest.mark.parametrize("stop", [1, 2, 4, 7, UPDATES - 1, UPDATES])
def test_an_interrupted_stream_ends_with_the_same_bits(path, stop):
    wanted = train()
    seen.clear()
    with pytest.raises(gw.TrainingInterrupted, match=rf"SIGTERM ended the training after {stop} update") as caught:
        train(path, stop)
    assert caught.value.where.startswith(f"after {stop} update")
    assert_same(train(path, resume=True), wanted)
    assert seen == list(range(1, UPDATES + 1))
    assert_same(train(path, resume=True), wanted)  # complete


def test_a_signal_while_a_block_is_waited_for_ends_the_training(path):
    def slow():
        for k, block in enumerate(blocks()):
            if k == 6:
                os.kill(os.getpid(), signal.SIGTERM)
                pytest.fail("it goes on waiting")
            yield block

    with pytest.raises(gw.TrainingInterrupted, match=r"SIGTERM ended the training after 8 updates; .* holds it"):
        train(path, batches=slow())
    assert read(path).stages[0].now["beside"]["blocks"] == 6
    assert_same(train(path, resume=True), train())


def test_more_updates_may_follow_and_not_fewer(path):
    wanted = train()
    train(path, max_updates=3)
    train(path, max_updates=6, resume=True)
    with pytest.raises(gw.GatewiseError, match="max_updates is 5, and the checkpoint has 6; need at least as many"):
        train(path, max_updates=5, resume=True)
    assert_same(train(path, resume=True), wanted)


def test_a_stream_that_ended_itself_stays_ended(path):
    ended = train(path, callbacks=[lambda record, model: record["update"] == 4])
    assert_same(train(path, resume=True), ended)


@pytest.mark.parametrize(
    ("batches", "changes", "message"),
    [
        (blocks(change=1e-9), {}, r"the first 6 block\(s\) of batches are others than those that the checkpoint has"),
        (blocks(count=3), {}, r"batches gives 3 block\(s\), and the checkpoint has read 6; need the same stream"),
        (None, {"k2": 5}, "stream.checkpoint is the checkpoint of another training: k2 is 8 in it and 5 here"),
        (None, {"optimizer": "sgd"}, "optimizer type is Adam in it and SGD here"),
        (None, {"clip": 1.0}, "clip is None in it and 1.0 here"),
    ],
)
def test_another_stream_or_training_is_refused(path, batches, changes, message):
    with pytest.raises(gw.TrainingInterrupted):
        train(path, 7)
    before = path.read_bytes()
    with pytest.raises(gw.GatewiseError, match=message):
        train(path, batches=batches, resume=True, **changes)
    assert path.read_bytes() == before


CONTENT = {}


def kept_after_7(path):
    """The content of a checkpoint after 7 updates, made once."""
    if not CONTENT:
        with pytest.raises(gw.TrainingInterrupted):
            train(path, 7)
        CONTENT["one"] = read(path)
    return CONTENT["one"]


NAMES = ("k1", "updates", "steps", "seen", "rng", "history", "recent_norms")
WRONG = [{name: value} for name in NAMES for value in (None, "text", -1, [[1]], {}, True, 1e999)]
WRONG += [{"seen": 10**9}, {"k1": 6}]
WRONG += [{"state/.0.h": np.zeros((1, 2, 3))}, {"window/x": np.zeros((3, 4, 1))}, {"window/resets": np.full((3, 3), 2)}]
WRONG += [{"model/2.bias": np.array([np.inf])}, {"state/.0.h": np.full((1, 3, 3), np.nan)}]
WRONG += [
    {"history": {"every": 1, "open": None, "records": [3]}},
    {"history": {"every": 0, "open": None, "records": []}},
]


@pytest.mark.parametrize("wrong", WRONG, ids=[str(wrong)[:50] for wrong in WRONG])
def test_a_state_that_does_not_fit_is_refused(path, wrong):
    kept = kept_after_7(path)
    changed = kept.stages[0]._replace(state={**kept.stages[0].state, **wrong})
    path.write_bytes(to_bytes(Content(kept.run, kept.remembered, {0: changed})))
    with pytest.raises(gw.GatewiseError, match=r"stream\.checkpoint"):
        train(path, resume=True)

"""A checkpoint that is damaged, no checkpoint, or that of another training is refused by name, and left as it is."""

import os

import numpy as np
import pytest
from support.checkpointed import BATCH, ROWS, Fit, data, network

import gatewise as gw
from gatewise.schedules import OneCycle
from gatewise.storage import tensor_bytes
from gatewise.training import checkpoint as checkpoints
from gatewise.training.checkpoint_file import Content, read, to_bytes

optimizers = gw.optimizers


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.checkpoint"


@pytest.fixture(autouse=True)
def every_epoch(monkeypatch):
    """Writes that do not wait until the one before has paid off."""
    monkeypatch.setattr(checkpoints, "SHARE", 0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch_size": 5}, "batch_size is 4 in it and 5 here"),
        ({"loss": "mae"}, "loss is gatewise.losses.mse in it and gatewise.losses.mae here"),
        ({"optimizer": optimizers.Adam(0.5)}, "optimizer lr is 0.02 in it and 0.5 here"),
        ({"optimizer": optimizers.SGD()}, "training: optimizer type is Adam in it and SGD here. Need"),
        ({"optimizer": optimizers.Adam(OneCycle(0.05, 9))}, "optimizer lr is 0.02 in it and absent here"),
        ({"rng": 8}, "rng is PCG64 "),
        ({"rng": None}, "rng is PCG64 .* in it and fresh entropy here"),
        ({"patience": 3}, "patience is None in it and 3 here"),
        ({"clip": 1.0}, "clip is None in it and 1.0 here"),
        ({"validation": None}, r"data held out x is float64 \(2, 5, 2\) .* in it and absent here"),
        ({"weights": np.ones(ROWS)}, "data weights is absent in it"),
    ],
)
def test_the_checkpoint_of_another_training_is_refused_by_name(path, changes, message):
    fit = Fit()
    fit.interrupted(path, 7)
    before = path.read_bytes()
    with pytest.raises(gw.GatewiseError, match=message) as caught:
        fit(checkpoint=path, resume=True, **changes)
    assert str(path) in str(caught.value)
    assert path.read_bytes() == before


def test_another_model_or_other_numbers_are_refused(path):
    Fit().interrupted(path, 7)
    x, y = data()
    options = {"loss": "mse", "optimizer": optimizers.Adam(0.02), "epochs": 5, "batch_size": BATCH, "rng": 7}
    options |= {"validation": 0.1, "checkpoint": path, "resume": True}
    tiny = gw.GRU(2, 1, dtype=np.float64)
    other = gw.Sequential(gw.LSTM(2, 3, dtype=np.float64), gw.Last(), gw.Dense(3, 1, dtype=np.float64))
    with pytest.raises(gw.GatewiseError, match=r"is the checkpoint of another training: data x is float64"):
        gw.train(network(), x + 1, y, **options)
    with pytest.raises(gw.GatewiseError, match=r"model is 0.GRU.* in it and 0.LSTM.* here"):
        gw.train(other, x, y, **options)
    with pytest.raises(gw.GatewiseError, match=r"what is gatewise.train in it and gatewise.train_stream here"):
        gw.train_stream(tiny, [(x, x[..., :1])], loss="mse", optimizer="adam", k1=5, checkpoint=path, resume=True)


@pytest.mark.parametrize("resume", [False, True])
def test_no_other_file_is_ever_replaced(path, resume):
    contents = {"a table": b"a,b\n1,2\n", "nothing": b"", "other": tensor_bytes({}, {"format": "gatewise-2"})}
    for content in contents.values():
        path.write_bytes(content)
        with pytest.raises(gw.GatewiseError, match=r"run.checkpoint"):
            Fit()(checkpoint=path, resume=resume)
        assert path.read_bytes() == content


def test_what_cannot_be_is_said_before_the_training(path, tmp_path):
    fit = Fit(callbacks=[lambda record, model: pytest.fail("it trains")])
    with pytest.raises(gw.GatewiseError, match=r"cannot write .*absent"):
        fit(checkpoint=tmp_path / "absent" / "run.checkpoint")
    for every in ("soon", "5", "0.5 d", "-1 s"):
        with pytest.raises(gw.GatewiseError, match=r"every is .*; need a number of epochs, or a time such as"):
            fit(checkpoint=path, every=every)
    with pytest.raises(gw.GatewiseError, match="resume is True and there is no checkpoint; need its file"):
        fit(resume=True)
    with pytest.raises(gw.GatewiseError, match="checkpoint is 7; need the path of a file"):
        fit(checkpoint=7)
    with pytest.raises(gw.GatewiseError, match="every is 0; need at least 1"):
        fit(checkpoint=path, every=0)


def test_a_flipped_bit_is_refused(path):
    fit = Fit()
    fit.interrupted(path, 7)
    whole = path.read_bytes()
    for place in np.random.default_rng(0).integers(0, len(whole), 40):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
        with pytest.raises(gw.GatewiseError, match=r"run.checkpoint"):
            fit(checkpoint=path, resume=True)
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(gw.GatewiseError, match=r"run.checkpoint"):
        fit(checkpoint=path, resume=True)


NO = {"epoch": 10**400, "history": [{"loss": "low"}], "rng": {"bit_generator": "PCG64"}, "best": {"lowest": "x"}}
RATE = {"type": "Adam", "lr": 0.02, "betas": [0.9, 0.999], "eps": 1e-8, "weight_decay": 0.0}
STATES = [
    {"model/3.bias": np.array([np.nan])},
    {"model/3.bias": np.zeros(2)},
    {"model/3.bias": np.zeros(1, np.float32)},
    {"optimizer/3.bias/exp_avg": np.array([np.inf])},
    {"optimizer/3.bias/exp_avg": np.zeros(3)},
    {"optimizer/3.bias/steps": -1},
    {"optimizer/4.bias/steps": 1},
    {"order": np.zeros(20, int)},
    {"norms": np.zeros((2, 2))},
]
for name in ("epoch", "history", "rng", "best", "total", "seconds", "steps"):
    STATES += [{name: value} for value in (None, "text", -1.5, [], [1], {}, True, NO.get(name, 1e999))]
STATES = [state for state in STATES if state not in ({"total": -1.5}, {"seconds": -1.5})]  # these could be
NOWS = [{}, {"optimizer": {}}, {"optimizer": 3, "beside": {}}]
NOWS += [{"optimizer": {**RATE, "lr": rate}, "beside": {}} for rate in (-1, {"type": "Bad"}, {"named": "f"}, {}, None)]
WRONG = [{"state": state} for state in STATES] + [{"now": now} for now in NOWS]


@pytest.mark.parametrize("wrong", WRONG, ids=[str(wrong)[:60] for wrong in WRONG])
def test_a_state_that_does_not_fit_is_refused(path, wrong):
    fit = Fit()
    if not (kept := CONTENT.get("one")):
        fit.interrupted(path, 7)
        kept = CONTENT["one"] = read(path)
    stage = kept.stages[0]
    now = wrong.get("now", stage.now)
    changed = stage._replace(state={**stage.state, **wrong.get("state", {})}, now=now)
    path.write_bytes(to_bytes(Content(kept.run, kept.remembered, {0: changed})))
    with pytest.raises(gw.GatewiseError, match=r"run.checkpoint"):
        fit(checkpoint=path, resume=True)


CONTENT = {}


def test_a_write_that_fails_leaves_the_checkpoint_before(path, monkeypatch):
    fit = Fit()
    fit.interrupted(path, 7)
    before = path.read_bytes()

    def full(handle):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(gw.GatewiseError, match=r"cannot write .*run.checkpoint: No space left on device"):
            fit(checkpoint=path, resume=True)
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]


def test_records_that_json_cannot_hold_are_refused_at_once(path):
    def note(record, model):
        record["matrix"] = np.zeros((2, 2))

    with pytest.raises(gw.GatewiseError, match=r"cannot be written to a checkpoint .*holds a ndarray"):
        Fit(callbacks=[note])(checkpoint=path)

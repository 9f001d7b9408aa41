"""A loop that is stopped anywhere and continued from its state, as arrays and JSON, ends with the same bits."""

import io
import json
import subprocess
import sys

import numpy as np
import pytest

import gatewise as gw
from gatewise.batches import Samples
from gatewise.schedules import Cosine, OneCycle, WarmUp
from gatewise.training import BatchGradients, TrainingLoop

ROWS, EPOCHS, BATCH = 13, 4, 4
optimizers = gw.optimizers


def network(outputs=1, dtype=np.float64, steps=False):
    """Every source of randomness in a forward pass, in front of a small head."""
    recurrent = gw.GRU(2, 3, num_layers=2, dropout=0.3, dtype=dtype, rng=0)
    layers = [gw.Noise(0.1), gw.Dropout(0.2, variational=True), recurrent, gw.Last(), gw.Dropout(0.1)]
    return gw.Sequential(*(layers[:3] if steps else layers), gw.Dense(3, outputs, dtype=dtype, rng=1))


def samples(classes=0, dtype=np.float64, steps=False, ragged=False, weights=None):
    rng = np.random.default_rng(5)
    x = rng.normal(size=(ROWS, 5, 2)).astype(dtype)
    y = rng.integers(0, classes, (ROWS, 5)) if classes else x.sum(axis=2, keepdims=True)
    y = y if steps else y[:, -1]
    return Samples.checked(x, y, rng.integers(1, 6, ROWS) if ragged else None, weights)


def hole():
    """Weights that leave a whole batch out."""
    weights = np.linspace(0.5, 2, ROWS)
    weights[BATCH : 2 * BATCH] = 0
    return weights


class Case:
    """What builds a loop anew: nothing of one is in another."""

    def __init__(self, optimizer="adam", loss="mse", rng=7, model=None, data=None, class_weight=None, **options):
        self.optimizer, self.loss, self.rng, self.class_weight = optimizer, loss, rng, class_weight
        self.model, self.data, self.options = model or {}, data or {}, options

    def loop(self, rng=None, **changes):
        data = samples(**self.data).with_class_weight(self.class_weight)
        optimizer = self.optimizer() if callable(self.optimizer) else self.optimizer
        rng = rng or (self.rng() if callable(self.rng) else self.rng)
        options = {"batch_size": BATCH} | self.options | changes
        share = options.pop("validation", None)
        data, held_out = data.split(share)
        return TrainingLoop(network(**self.model), data, self.loss, optimizer, held_out=held_out, rng=rng, **options)


CASES = {
    "adam": Case(),
    "sgd": Case(lambda: optimizers.SGD(0.05)),
    "sgd momentum": Case(lambda: optimizers.SGD(0.05, momentum=0.9, weight_decay=0.1)),
    "sgd nesterov": Case(lambda: optimizers.SGD(0.05, 0.8, nesterov=True), clip=0.3),
    "rmsprop": Case("rmsprop"),
    "rmsprop centered": Case(lambda: optimizers.RMSprop(0.02, momentum=0.7, centered=True, weight_decay=0.1)),
    "adagrad": Case(lambda: optimizers.Adagrad(0.1)),
    "adamw": Case(lambda: optimizers.AdamW(0.02, weight_decay=0.3)),
    "one cycle": Case(lambda: optimizers.SGD(OneCycle(0.5, 16), momentum=0.5)),
    "warm-up": Case(lambda: optimizers.Adam(WarmUp(Cosine(0.1, 9), 4))),
    "in order": Case(shuffle=False, clip=0.5),
    "single precision": Case(model={"dtype": np.float32}, data={"dtype": np.float32}, loss="huber"),
    "validation": Case(validation=0.4, batch_size=3),
    "patience": Case(lambda: optimizers.SGD(2.0), validation=0.4, patience=1, tol=0.01),
    "patience of the training loss": Case(lambda: optimizers.SGD(1.0), patience=2),
    "classes": Case("adamw", "cross_entropy", model={"outputs": 3}, data={"classes": 3}, class_weight="balanced"),
    "lengths": Case(model={"steps": True}, data={"steps": True, "ragged": True}, patience=3, batch_size=5),
    "a batch without weight": Case(data={"weights": hole()}, shuffle=False),
    "one batch": Case(batch_size=99),
    "rows one by one": Case("sgd", batch_size=1, validation=0.5),
    "mersenne twister": Case(rng=lambda: np.random.Generator(np.random.MT19937(3))),
    "philox": Case(rng=lambda: np.random.Generator(np.random.Philox(3))),
}


def packed(state):
    """The state as bytes of a file: arrays without pickles, and JSON for all else."""
    arrays = {key: value for key, value in state.items() if isinstance(value, np.ndarray)}
    text = json.dumps({key: value for key, value in state.items() if key not in arrays})
    buffer = io.BytesIO()
    np.savez(buffer, json=np.frombuffer(text.encode(), np.uint8), **{f"array/{key}": arrays[key] for key in arrays})
    return buffer.getvalue()


def unpacked(content):
    with np.load(io.BytesIO(content), allow_pickle=False) as file:
        arrays = {key.removeprefix("array/"): file[key] for key in file if key != "json"}
        return arrays | json.loads(file["json"].tobytes())


def through_arrays_and_json(state):
    return unpacked(packed(state))


def advance(loop):
    """Take one batch, and end the epoch if it was the last; return False where the training is over."""
    loop.step()
    if loop.epoch_is_over:
        loop.end_epoch()
    return loop.epoch < EPOCHS and not loop.exhausted


def finished(loop):
    loop.restore_best()
    records = [{key: value for key, value in record.items() if key != "seconds"} for record in loop.history]
    weights = {name: (value.dtype.str, value.tobytes().hex()) for name, value in loop.model.params.items()}
    return weights, repr(records), loop.steps, loop.rng.random(3).tolist()


def uninterrupted(case):
    loop = case.loop()
    while advance(loop):
        pass
    return finished(loop)


@pytest.mark.parametrize("every", [1, 2, 5])
@pytest.mark.parametrize("name", CASES)
def test_stopped_after_every_few_steps_and_rebuilt(name, every):
    case = CASES[name]
    loop, count, going = case.loop(), 0, True
    while going:
        going = advance(loop)
        count += 1
        if count % every == 0:
            state = through_arrays_and_json(loop.state_dict())
            loop = case.loop(rng=type(loop.rng)(type(loop.rng.bit_generator)(99)))
            loop.load_state_dict(state)
    assert finished(loop) == uninterrupted(case)


def test_stopped_between_the_last_step_and_the_end_of_the_epoch():
    case = CASES["patience"]
    loop = case.loop()
    while loop.epoch < EPOCHS and not loop.exhausted:
        while not loop.epoch_is_over:
            loop.step()
        state = through_arrays_and_json(loop.state_dict())
        loop = case.loop()
        loop.load_state_dict(state)
        loop.end_epoch()
    assert finished(loop) == uninterrupted(case)


def test_the_same_loop_can_go_back():
    loop = CASES["rmsprop centered"].loop()
    for _ in range(6):
        advance(loop)
    state = loop.state_dict()
    while advance(loop):
        pass
    after = finished(loop)
    loop.load_state_dict(state)
    assert (loop.epoch, loop.position, loop.steps) == (1, 2, 6)
    while advance(loop):
        pass
    assert finished(loop) == after


def test_another_process_continues():
    name = "adamw"
    case = CASES[name]
    loop = case.loop()
    for _ in range(7):
        advance(loop)
    script = (
        "import test_loop as test; loop = test.CASES[sys.argv[1]].loop(rng=1)\n"
        "loop.load_state_dict(test.unpacked(sys.stdin.buffer.read()))\n"
        "while test.advance(loop): pass\n"
        "print(repr(test.finished(loop)))"
    )
    folder = __file__.rpartition("/")[0]
    result = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {folder!r})\n{script}", name],
        input=packed(loop.state_dict()),
        capture_output=True,
        check=True,
    )
    assert result.stdout.decode().strip() == repr(uninterrupted(case))


@pytest.mark.parametrize("name", ["validation", "patience", "lengths", "in order"])
def test_train_is_this_loop(name):
    case = CASES[name]
    loop = case.loop()
    options = {"batch_size": BATCH} | case.options
    model, data = network(**case.model), samples(**case.data)
    optimizer = case.optimizer() if callable(case.optimizer) else case.optimizer
    x, y, lengths, weights = data
    history = gw.train(
        model,
        x,
        y,
        loss=case.loss,
        optimizer=optimizer,
        epochs=EPOCHS,
        lengths=lengths,
        weights=weights,
        rng=case.rng,
        **options,
    )
    while advance(loop):
        pass
    weights, records, *_ = finished(loop)
    assert {name: (value.dtype.str, value.tobytes().hex()) for name, value in model.params.items()} == weights
    assert repr([{k: v for k, v in record.items() if k != "seconds"} for record in history]) == records


def test_the_state_is_a_copy_and_says_where_the_loop_is():
    loop = CASES["patience"].loop(patience=9)
    for _ in range(5):
        advance(loop)
    state = loop.state_dict()
    before = packed(state)
    advance(loop)
    assert packed(state) == before
    assert (state["epoch"], state["position"], state["steps"]) == (2, 1, 5)
    assert sorted(state["order"].tolist()) == list(range(8))
    assert len(state["history"]) == 2
    assert state["norms"].shape == (1,)
    assert state["recent_norms"].shape == (5,)
    assert {key.split("/")[0] for key in state if "/" in key} == {"model", "best", "optimizer"}
    assert state["seconds"] > 0


def test_a_new_loop_has_a_state_too():
    first, second = CASES["adam"].loop(), CASES["adam"].loop(rng=5)
    second.load_state_dict(through_arrays_and_json(first.state_dict()))
    while advance(second):
        pass
    assert finished(second) == uninterrupted(CASES["adam"])


def test_seconds_go_on():
    loop = CASES["adam"].loop()
    loop.step()
    state = loop.state_dict() | {"seconds": 1000.0}
    loop.load_state_dict(state)
    while not loop.epoch_is_over:
        loop.step()
    assert 1000 < loop.end_epoch()["seconds"] < 1100


def test_steps_and_epochs_come_in_their_order():
    loop = CASES["adam"].loop()
    with pytest.raises(gw.GatewiseError, match=r"the epoch has 4 batch\(es\) left"):
        loop.end_epoch()
    for _ in range(4):
        loop.step()
    with pytest.raises(gw.GatewiseError, match="the epoch has no batch left; need end_epoch"):
        loop.step()
    assert loop.end_epoch()["epoch"] == 1
    assert (loop.epoch, loop.position, loop.epoch_is_over) == (1, 0, False)
    assert np.isnan(loop.mean_loss)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rows": 12}, "state has rows 12; need 13"),
        ({"batch_size": 5}, "state has batch_size 5; need 4"),
        ({"epoch": -1}, "epoch is -1; need at least 0"),
        ({"position": 0.5}, "position is 0.5; need an integer"),
        ({"steps": None}, "state lacks steps"),
        ({"extra": 1}, "state has unknown extra"),
        ({"position": 5}, "position is 5; need at least 0 and at most 4"),
        ({"rng": {"bit_generator": "MT19937"}}, "rng of the state is of no PCG64, as this loop's generator is"),
        ({"rng": 5}, "rng of the state is of no PCG64"),
        ({"best": {"lowest": 1.0, "reference": 1.0}}, "best of the state lacks waited"),
        ({"order": np.zeros(0, int)}, "order of the state is no order of its 13 rows"),
        ({"order": np.zeros(13, int)}, "order of the state is no order of its 13 rows"),
        ({"model/5.bias": None}, "state lacks 5.bias"),
        ({"model/5.bias": np.zeros(2)}, r"model 5.bias has shape \(2,\); need \(1,\)"),
        ({"best/5.bias": np.zeros(1)}, "state lacks 2.weight_ih_l0"),
        ({"best/none": np.zeros(1)}, "and has unknown none"),
        ({"optimizer/steps": "two"}, "steps is 'two'; need an integer"),
    ],
)
def test_a_wrong_state_changes_nothing(changes, message):
    case = CASES["adam"]
    other = case.loop(rng=1)
    for _ in range(6):
        advance(other)
    state = {key: value for key, value in (other.state_dict() | changes).items() if value is not None}
    loop = case.loop()
    with pytest.raises(gw.GatewiseError, match=message):
        loop.load_state_dict(state)
    with pytest.raises(gw.GatewiseError, match="state is a list; need what state_dict"):
        loop.load_state_dict([1])
    while advance(loop):
        pass
    assert finished(loop) == uninterrupted(case)


class Halves(TrainingLoop):
    """A loop that computes the gradients of a batch in two parts, as two machines would."""

    def gradients(self, batch):
        parts = [super(Halves, self).gradients(batch.rows(rows)) for rows in (slice(2), slice(2, None))]
        parts = [part for part in parts if part.weight]
        weight = sum(part.weight for part in parts)
        mean = {name: sum(part.weight / weight * part.gradients[name] for part in parts) for name in self.model.params}
        return BatchGradients(sum(part.weight / weight * part.value for part in parts), weight, mean)


def test_gradients_may_be_computed_in_parts():
    x, y = samples()[:2]
    ends = []
    for kind in (TrainingLoop, Halves):
        model = gw.Sequential(gw.GRU(2, 3, dtype=np.float64, rng=0), gw.Last(), gw.Dense(3, 1, dtype=np.float64, rng=1))
        loop = kind(model, Samples(x, y), "mse", optimizers.Adam(0.01), batch_size=5, clip=0.5, rng=3)
        while advance(loop):
            pass
        ends.append(loop)
    np.testing.assert_allclose(ends[1].history["loss"], ends[0].history["loss"], rtol=1e-9)
    for name, value in ends[0].model.params.items():
        np.testing.assert_allclose(ends[1].model.params[name], value, rtol=1e-7)

"""Signals while a training runs: when it ends, what its weights are then, and what a script says."""

import os
import pickle
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest
from support.checkpointed import Fit, data, network

import gatewise as gw
from gatewise.training.checkpoint_file import read
from gatewise.training.signals import Watch, whole

BOTH = (signal.SIGINT, signal.SIGTERM)


def send(number):
    os.kill(os.getpid(), number)


class Interrupting(gw.optimizers.SGD):
    """Sends SIGINT in the midst of its third update, when half of the parameters have been changed."""

    moved = 0

    def _move(self, param, grad, lr, buffers, count):
        super()._move(param, grad, lr, buffers, count)
        self.moved += 1
        if self.moved == 2 * 10 + 5:
            send(signal.SIGINT)

    def _packed(self, grads):
        return None  # one parameter after the other, as large ones are updated


def weights_after(updates):
    model, rng = network(), np.random.default_rng(7)
    x, y = data()
    optimizer = gw.optimizers.SGD(0.1)
    order = rng.permutation(len(x))
    for k in range(updates):
        rows = order[4 * k : 4 * k + 4]
        prediction, _, tape = model.forward(x[rows], training=True, rng=rng)
        optimizer.step(model.params, model.backward(tape, gw.losses.mse(prediction, y[rows])[1])[2])
    return model.params


def test_without_a_checkpoint_the_weights_are_those_of_a_whole_update():
    model = network()
    with pytest.raises(KeyboardInterrupt) as caught:
        gw.train(model, *data(), loss="mse", optimizer=Interrupting(0.1), epochs=3, batch_size=4, rng=7)
    assert type(caught.value) is KeyboardInterrupt
    for name, value in weights_after(3).items():
        np.testing.assert_allclose(model.params[name], value, rtol=1e-12)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_handlers_are_as_they_were_and_the_users_own_are_called(tmp_path):
    def own(number, frame):
        calls.append(number)

    calls = []
    before = [signal.signal(number, own) for number in BOTH]
    try:
        Fit(callbacks=[lambda record, model: send(signal.SIGINT)])()
        assert calls == [signal.SIGINT] * 5  # without a checkpoint, at once
        for number in BOTH:
            Fit().interrupted(tmp_path / "a", 3, number=number)
            assert [signal.getsignal(number) for number in BOTH] == [own, own]
        assert calls == [signal.SIGINT] * 5
        with pytest.raises(ZeroDivisionError):
            Fit(callbacks=[lambda record, model: 1 / 0])(checkpoint=tmp_path / "a")
        assert [signal.getsignal(number) for number in BOTH] == [own, own]
    finally:
        for number, handler in zip(BOTH, before, strict=True):
            signal.signal(number, handler)


def test_what_was_ignored_stays_ignored(tmp_path):
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        fit = Fit(callbacks=[lambda record, model: send(signal.SIGINT)])(checkpoint=tmp_path / "a")
    finally:
        signal.signal(signal.SIGINT, before)
    assert len(fit.history) == 5


def test_a_second_signal_ends_at_once_with_the_checkpoint_before(tmp_path):
    path = tmp_path / "run.checkpoint"

    def impatient(record, model):
        if record["epoch"] == 4:
            before.append(path.read_bytes())
            send(signal.SIGTERM)
            send(signal.SIGINT)
            pytest.fail("it goes on")

    before = []
    with pytest.raises(gw.TrainingInterrupted, match=r"a second SIGINT ended the training at once; .* before"):
        Fit(callbacks=[impatient])(checkpoint=path)
    assert [path.read_bytes()] == before
    assert read(path).stages[0].state["epoch"] <= 3


def test_the_error_survives_a_process_boundary():
    error = gw.TrainingInterrupted(15, "run.checkpoint", "after 3 epochs", at_once=True)
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), vars(again)) == (str(error), vars(error))


def test_a_signal_after_the_last_batch_is_not_lost(tmp_path):
    path, fit = tmp_path / "run.checkpoint", Fit(epochs=2)
    with pytest.raises(gw.TrainingInterrupted, match="SIGINT ended the training when it was complete"):
        fit(checkpoint=path, callbacks=[lambda record, model: record["epoch"] == 2 and send(signal.SIGINT)])
    assert read(path).stages[0].state["epoch"] == 2
    assert len(fit(checkpoint=path, resume=True).history) == 2


def test_in_another_thread_signals_are_left_alone(tmp_path):
    def run():
        seen.append(signal.getsignal(signal.SIGTERM))
        Fit(callbacks=[lambda record, model: seen.append(signal.getsignal(signal.SIGTERM))])(checkpoint=tmp_path / "a")

    seen = []
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert len(seen) == 6
    assert set(seen) == {signal.getsignal(signal.SIGTERM)}


def test_signals_wait_while_something_is_whole():
    def run():
        with Watch():
            with whole:
                send(signal.SIGINT)
                steps.append("whole")
            steps.append("never")

    steps = []
    with pytest.raises(KeyboardInterrupt):
        run()
    assert steps == ["whole"]


SCRIPT = """
import os, signal, sys
import numpy as np, gatewise as gw
x = np.zeros((8, 3, 1), np.float32)
model = gw.Sequential(gw.GRU(1, 2, rng=0), gw.Last(), gw.Dense(2, 1, rng=1))
stop = lambda record, model: os.kill(os.getpid(), int(sys.argv[1]))
gw.train(model, x, x[:, 0], loss="mse", optimizer="sgd", epochs=99, callbacks=[stop], checkpoint=sys.argv[2])
print("complete")
"""


@pytest.mark.parametrize("number", BOTH)
def test_a_script_ends_with_a_message_and_a_code(tmp_path, number):
    command = [sys.executable, "-c", SCRIPT, str(int(number)), str(tmp_path / "run.checkpoint")]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "GATEWISE_KERNELS": "0"})
    assert done.returncode not in (0, None)
    assert done.stdout == ""
    last = done.stderr.splitlines()[-1]
    assert f"{signal.Signals(number).name} ended the training after 1 epoch; {tmp_path}/run.checkpoint holds it" in last
    assert "the same call with resume=True continues it" in last

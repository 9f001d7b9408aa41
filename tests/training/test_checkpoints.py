"""A training that is interrupted and continued from its checkpoint ends with the bytes of one that was not."""

import os
import shutil
import signal
import threading

import numpy as np
import pytest
from support.checkpointed import BATCHES, Fit, data, network, plain

import gatewise as gw
from gatewise.schedules import OneCycle
from gatewise.training import checkpoint as checkpoints
from gatewise.training.checkpoint import Checkpoint
from gatewise.training.checkpoint_file import read

optimizers = gw.optimizers


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.checkpoint"


@pytest.fixture(autouse=True)
def every_epoch(monkeypatch):
    """Writes that do not wait until the one before has paid off."""
    monkeypatch.setattr(checkpoints, "SHARE", 0)


def assert_same(one, other):
    for name, value in one.model.params.items():
        np.testing.assert_array_equal(other.model.params[name], value, err_msg=name)
    assert plain(one.history) == plain(other.history)


FITS = {
    "adam": Fit(),
    "momentum": Fit(lambda: optimizers.SGD(0.05, momentum=0.9, nesterov=True)),
    "a schedule": Fit(lambda: optimizers.AdamW(OneCycle(0.05, 25))),
    "patience": Fit(lambda: optimizers.RMSprop(0.3, centered=True), patience=2, tol=0.01, epochs=8),
    "no shuffling": Fit(shuffle=False, clip=0.1, validation=None, epochs=3, batch_size=5),
    "a generator": Fit(rng=(3, 1)),
}


@pytest.mark.parametrize("fit", FITS.values(), ids=FITS)
def test_a_checkpoint_changes_nothing(fit, path):
    fit()
    model, history = fit.model, fit.history
    fit(checkpoint=path)
    assert plain(fit.history) == plain(history)
    for name, value in model.params.items():
        np.testing.assert_array_equal(fit.model.params[name], value)


@pytest.mark.parametrize("after", [1, 2, BATCHES, BATCHES + 1, 13])
@pytest.mark.parametrize("fit", [fit for name, fit in FITS.items() if name != "no shuffling"])
def test_an_interrupted_training_ends_with_the_same_bytes(fit, path, after, tmp_path):
    fit()
    model, history = fit.model, fit.history
    error = fit.interrupted(path, after)
    epoch, batch = divmod(after, BATCHES)
    where = (
        f"in epoch {epoch + 1}, after {batch} of {BATCHES} batches"
        if batch
        else f"in epoch {epoch}, after 5 of 5 batches"
    )
    assert (error.signal, error.path, error.where) == (15, str(path), where)
    fit(checkpoint=path, resume=True)
    gw.save(model, tmp_path / "a")
    gw.save(fit.model, tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert plain(fit.history) == plain(history)


def test_it_can_be_interrupted_again_and_again(path):
    fit = Fit()
    fit()
    wanted = fit.model.params
    fit.interrupted(path, 2)
    for _ in range(4):
        fit.interrupted(path, 3, resume=True)
    fit(checkpoint=path, resume=True)
    assert all(np.array_equal(fit.model.params[name], value) for name, value in wanted.items())
    assert fit.history["epoch"] == [1, 2, 3, 4, 5]


def test_callbacks_are_called_once_an_epoch_and_what_they_change_is_kept(path):
    def run(stop=None, **options):
        optimizer, fit = optimizers.Adam(0.02), Fit()

        def note(record, model):
            record |= {"rate": optimizer.lr, "bias": model.params["3.bias"][0], "text": "ä"}
            optimizer.lr *= 0.5
            seen.append(record["epoch"])
            if record["epoch"] == stop:
                os.kill(os.getpid(), signal.SIGINT)

        return fit(optimizer=optimizer, callbacks=[note], **options)

    seen = []
    wanted = run()
    seen.clear()
    with pytest.raises(gw.TrainingInterrupted, match=r"SIGINT ended the training after 2 epochs; .* holds it"):
        run(stop=2, checkpoint=path)
    got = run(checkpoint=path, resume=True)
    assert seen == [1, 2, 3, 4, 5]
    assert_same(wanted, got)
    assert list(got.history[0]) == list(wanted.history[0])


def test_a_training_that_ended_itself_stays_ended(path):
    fit = Fit(callbacks=[lambda record, model: record["epoch"] == 2])
    fit(checkpoint=path)
    wanted, fit.options = (fit.model, fit.history), {**fit.options, "callbacks": ()}
    fit(checkpoint=path, resume=True)
    assert fit.history == wanted[1]
    assert all(np.array_equal(fit.model.params[name], value) for name, value in wanted[0].params.items())


def test_a_complete_training_can_be_given_more_epochs_and_not_fewer(path):
    few, many = Fit(epochs=3), Fit(epochs=5)
    few(checkpoint=path)
    many()
    model, history = many.model, many.history
    many(checkpoint=path, resume=True)
    assert plain(many.history) == plain(history)
    assert all(np.array_equal(many.model.params[name], value) for name, value in model.params.items())
    with pytest.raises(gw.GatewiseError, match="epochs is 3, and the checkpoint has 5; need at least as many"):
        few(checkpoint=path, resume=True)


def test_fresh_entropy_goes_on_with_the_same_numbers(path, tmp_path):
    fit = Fit(rng=None)
    fit.interrupted(path, 7)
    ends = []
    for name in ("a", "b"):
        shutil.copy(path, tmp_path / name)
        ends.append(fit(checkpoint=tmp_path / name, resume=True).model.params)
    assert all(np.array_equal(ends[0][name], value) for name, value in ends[1].items())


def test_a_generator_and_an_optimizer_that_have_moved_on_are_still_theirs(path):
    """As in a notebook, where the cell with the call alone is run again."""
    rng, optimizer, fit = np.random.default_rng(3), optimizers.Adam(0.02), Fit(rng=(3,))
    fit()
    wanted = fit.model.params
    fit.interrupted(path, 7, number=signal.SIGINT, rng=rng, optimizer=optimizer)
    fit(checkpoint=path, resume=True, rng=rng, optimizer=optimizer)
    assert all(np.array_equal(fit.model.params[name], value) for name, value in wanted.items())


def test_without_a_file_it_begins_and_without_resume_it_begins_anew(path):
    fit = Fit()
    fit()
    wanted = fit.model.params
    for resume in (True, False):
        fit(checkpoint=path, resume=resume)
        assert all(np.array_equal(fit.model.params[name], value) for name, value in wanted.items())
    Fit(epochs=2, rng=1)(checkpoint=path)
    assert len(read(path).stages[0].state["history"]) == 2


def test_a_folder_gets_a_file(tmp_path):
    fit = Fit(epochs=2)
    fit(checkpoint=str(tmp_path))
    assert os.listdir(tmp_path) == ["run.checkpoint"]
    wanted = fit.history
    assert fit(checkpoint=tmp_path, resume=True).history == wanted


def writes_of(monkeypatch, seconds, **options):
    """How often a training writes, if a write takes so many seconds."""
    import time

    now, count, write = [0.0], [], checkpoints.write_whole

    def slow(path, content):
        now[0] += seconds
        count.append(now[0])
        write(path, content)

    monkeypatch.setattr(checkpoints, "write_whole", slow)
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])

    def work(record, model):
        now[0] += 1.0

    Fit(epochs=40, callbacks=[work])(**options)
    return count


def test_writes_that_pay_come_every_epoch(path, monkeypatch):
    monkeypatch.setattr(checkpoints, "SHARE", 20)
    assert len(writes_of(monkeypatch, 0.01, checkpoint=path)) == 40


def test_slow_writes_are_rare(path, monkeypatch):
    monkeypatch.setattr(checkpoints, "SHARE", 20)
    assert [round(end, 1) for end in writes_of(monkeypatch, 0.5, checkpoint=path)] == [1.5, 12.0, 22.5, 33.0, 42.5]


def test_every_counts_epochs_or_seconds(path, monkeypatch):
    with monkeypatch.context() as patch:
        assert len(writes_of(patch, 0.0, checkpoint=path, every=7)) == 6  # 7, 14, …, 35 and the end
    assert writes_of(monkeypatch, 0.0, checkpoint=path, every="10 s") == [10, 20, 30, 40]


class Two:
    """Two trainings in threads of their own; the second sends a signal after 2 epochs if it is to be interrupted."""

    def __init__(self, path, seeds, interrupted=False, resume=False):
        self.models, self.errors, self.sent = [network(), network()], [], threading.Event()
        self.interrupted = interrupted
        with Checkpoint(path, resume=resume, run={"what": "two"}) as whole:
            seed = whole.remember("seed", seeds.pop)
            stages = [whole.stage(), whole.stage()]
            threads = [threading.Thread(target=self.train, args=(k, stages[k], seed + k)) for k in range(2)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            for error in self.errors:
                raise error

    def train(self, k, stage, seed):
        options = {"loss": "mse", "optimizer": "adam", "epochs": 6, "rng": seed, "checkpoint": stage}
        try:
            gw.train(self.models[k], *data(), **options, callbacks=[self.note if k else self.wait])
        except BaseException as error:
            self.errors.append(error)

    def note(self, record, model):
        if self.interrupted and record["epoch"] == 2:
            os.kill(os.getpid(), signal.SIGINT)
            self.sent.set()

    def wait(self, record, model):
        if self.interrupted and record["epoch"] == 3:
            assert self.sent.wait(20)


def test_several_trainings_side_by_side_share_a_file(path):
    wanted = Two(path, [4])
    with pytest.raises(gw.TrainingInterrupted):
        Two(path, [4], interrupted=True)
    places = [len(kept.state["history"]) for kept in read(path).stages.values()]
    assert places[0] < 6
    assert places[1] < 6
    got = Two(path, [], resume=True)  # the seed comes from the file
    for one, other in zip(wanted.models, got.models, strict=True):
        assert all(np.array_equal(one.params[name], value) for name, value in other.params.items())
    other, (x, _) = gw.GRU(2, 1, dtype=np.float64), data()
    options = {"loss": "mse", "optimizer": "adam", "epochs": 1}
    with (
        Checkpoint(path, resume=True, run={"what": "two"}) as whole,
        pytest.raises(gw.GatewiseError, match=r"run.checkpoint is the checkpoint of another training: model is 0\."),
    ):
        gw.train(other, x, x[..., :1], **options, checkpoint=whole.stage())

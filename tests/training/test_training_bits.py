"""One seed trains one model, byte for byte: on any number of threads, watched or not, whatever other threads do."""

import io
import sys
import threading
from contextlib import nullcontext

import numpy as np
import pytest
from kernel_cases import assert_identical, compiled, crowd, run_python, threads
from small_training import copies

import gatewise as gw

X = np.random.default_rng(0).normal(size=(70, 9, 3))
LENGTHS = np.arange(70) % 9 + 1
LABELS = np.arange(70) % 3
dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def network(dtype=np.float32):
    source = np.random.default_rng(5)
    return gw.Sequential(
        gw.GRU(3, 10, num_layers=2, dropout=0.2, bidirectional=True, dtype=dtype, rng=source),
        gw.Dropout(0.3),
        gw.Dense(20, 12, "tanh", dtype=dtype, rng=source),
        gw.LSTM(12, 9, dtype=dtype, rng=source),
        gw.Pool(9, parts=2),
        gw.Dense(36, 3, dtype=dtype, rng=source),
    )


def trained(dtype=np.float32, **options):
    """Weights after two epochs, and the losses of both."""
    net = network(dtype)
    history = gw.train(
        net,
        X.astype(dtype),
        LABELS,
        lengths=LENGTHS,
        loss="cross_entropy",
        optimizer="adam",
        epochs=2,
        batch_size=32,
        clip=1.0,
        rng=1,
        **options,
    )
    return copies(net) | {"loss": np.array([record["loss"] for record in history])}


@compiled
@dtypes
def test_threads_do_not_reach_what_is_trained(dtype):
    with crowd(1):
        need = trained(dtype)
    for count in (2, 3, 4, 8):
        with crowd(count):
            assert_identical(trained(dtype), need)
    with crowd(2, units=True):
        assert_identical(trained(dtype), need)
    with crowd(3, asleep=True):
        assert_identical(trained(dtype), need)


def streamed():
    """Weights after a stream with truncated backpropagation, and after one of single steps."""
    x, y = X[:34].astype(np.float32), X[:34, :, :1].astype(np.float32)
    net = gw.Sequential(gw.GRU(3, 8, rng=0), gw.Dense(8, 1, rng=1))
    gw.train_stream(net, [(x, y), (x, y)], loss="mse", optimizer="adam", k1=3, k2=6, rng=0)
    return copies(net)


@compiled
def test_threads_do_not_reach_what_a_stream_trains():
    with crowd(1):
        need = streamed()
    for count in (2, 4):
        with crowd(count):
            assert_identical(streamed(), need)


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_to_watch_a_training_does_not_change_it(monkeypatch):
    need, seen = trained(), []

    def watch(record, model):
        x = X[:4].astype(np.float32)
        seen.append(gw.trace(model, x, lengths=LENGTHS[:4], loss="cross_entropy", target=LABELS[:4]))
        model(x)

    monkeypatch.setattr(sys, "stderr", Terminal())
    assert_identical(trained(progress=True, callbacks=[watch]), need)
    assert len(seen) == 2
    assert_identical(trained(validation=(X[:9].astype(np.float32), LABELS[:9])), need)


def test_what_other_threads_do_does_not_change_a_training():
    with threads(2) if gw.kernels.enabled() else nullcontext():
        need, end, wrong = trained(), threading.Event(), []
        other, rows = network(), X.astype(np.float32)
        answer = other(rows)[0]

        def predict():
            while not end.is_set():
                if not np.array_equal(other(rows)[0], answer):
                    wrong.append(1)

        workers = [threading.Thread(target=predict) for _ in range(3)]
        for worker in workers:
            worker.start()
        try:
            for _ in range(3):
                assert_identical(trained(), need)
        finally:
            end.set()
            for worker in workers:
                worker.join()
    assert not wrong


SCRIPT = """
import hashlib
import numpy as np
import gatewise as gw

rng = np.random.default_rng(0)
x = rng.normal(size=(128, 20, 6)).astype(np.float32)
model = gw.Sequential(gw.GRU(6, 48, rng=rng), gw.Dense(48, 64, "relu", rng=rng), gw.Pool(64), gw.Dense(192, 2, rng=rng))
gw.train(model, x, x[:, 0, :2], loss="mse", optimizer="adam", epochs=1, batch_size=64, rng=0)
y, _, tape = model.forward(x)
_, _, gradients = model.backward(tape, y)
parts = [*model.params.values(), y, *gradients.values()]
print(hashlib.sha256(b"".join(part.tobytes() for part in parts)).hexdigest())
"""


def test_processes_with_other_numbers_of_threads_train_the_same_model():
    found = {
        run_python(SCRIPT, GATEWISE_NUM_THREADS=ours, OPENBLAS_NUM_THREADS=blas)
        for ours, blas in [("1", "1"), ("2", "2"), ("8", "4")]
    }
    assert len(found) == 1

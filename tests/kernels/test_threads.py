"""How many threads work, the pool, many Python threads at once, and forked children."""

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from kernel_cases import NAMES, assert_identical, compiled, layer_case, outcome, run_python, threads

import gatewise as gw
from gatewise.threads import run_together

forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")


@pytest.fixture
def kept():
    """Set the number of threads back afterwards."""
    before = gw.get_num_threads()
    yield before
    gw.set_num_threads(before)


# How many


def test_the_number_set_is_the_number_got(kept):
    for count in (1, 3, np.int64(2), 64):
        gw.set_num_threads(count)
        assert gw.get_num_threads() == count
        assert type(gw.get_num_threads()) is int


@pytest.mark.parametrize("count", [0, -1, 1.5, 2.0, True, "2", None, np.float64(2), np.nan])
def test_other_numbers_of_threads_are_refused(kept, count):
    with pytest.raises(gw.GatewiseError, match="count is"):
        gw.set_num_threads(count)
    assert gw.get_num_threads() == kept


COUNT = "import os, gatewise as gw; print(gw.get_num_threads(), len(os.sched_getaffinity(0)))"
affinity = pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="this system has no affinity")


@affinity
@pytest.mark.parametrize("setting", ["1", "5"])
def test_the_environment_sets_the_number(setting):
    assert run_python(COUNT, GATEWISE_NUM_THREADS=setting).split()[0] == setting


@affinity
@pytest.mark.parametrize("setting", ["", "0", "-2", "2.5", "many"])
def test_a_wrong_number_in_the_environment_is_ignored(setting):
    got, cores = run_python(COUNT, GATEWISE_NUM_THREADS=setting).split()
    assert got == cores


@affinity
def test_the_default_is_the_cores_of_the_process():
    script = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))});" + COUNT
    assert run_python(script, GATEWISE_NUM_THREADS="") == "1 1"


# The pool


def test_tasks_run_together_the_first_in_the_calling_thread():
    barrier, ran = threading.Barrier(3, timeout=30), {}

    def task(k):
        barrier.wait()  # each waits for all: one after the other, this would time out
        ran[k] = threading.get_ident()

    run_together([lambda k=k: task(k) for k in range(3)])
    assert sorted(ran) == [0, 1, 2]
    assert ran[0] == threading.get_ident()
    assert len(set(ran.values())) == 3
    run_together([lambda: ran.update(alone=threading.get_ident())])
    assert ran["alone"] == threading.get_ident()


@pytest.mark.parametrize(
    "failing",
    [
        0,
        1,
        2,
    ],
)
def test_an_error_is_raised_after_all_tasks_are_done(failing):
    done = []

    def task(k):
        if k == failing:
            raise ZeroDivisionError(str(k))
        time.sleep(0.02)
        done.append(k)

    with pytest.raises(ZeroDivisionError, match=str(failing)):
        run_together([lambda k=k: task(k) for k in range(3)])
    assert sorted(done) == [k for k in range(3) if k != failing]


# Many callers


@compiled
@pytest.mark.parametrize("name", NAMES)
def test_eight_python_threads_may_use_one_layer_at_once(name):
    layer, x, state, dy = layer_case(name, np.float32, B=6, T=9, H=40, num_layers=2)
    need = outcome(layer, x, state, dy)
    start = threading.Barrier(8, timeout=60)

    def work(_):
        start.wait()
        return [outcome(layer, x, state, dy) for _ in range(5)]

    for count in (1, 3):
        with threads(count), ThreadPoolExecutor(8) as pool:
            for results in pool.map(work, range(8)):
                for got in results:
                    assert_identical(got, need)


@compiled
def test_many_callers_and_more_threads_than_the_pool_holds_come_to_an_end():
    script = """
import threading
import numpy as np
import gatewise as gw
from gatewise.kernels import dispatch

dispatch.OPERATIONS_A_THREAD = 1e-3
gw.set_num_threads(16)
layers = [gw.GRU(3, 70, rng=0), gw.LSTM(3, 70, rng=0)]
x = [np.random.default_rng(0).normal(size=(B, 6, 3)).astype(np.float32) for B in (1, 2, 40)]
need = [layer(a)[0] for layer in layers for a in x]
wrong = []

def work():
    for _ in range(10):
        got = []
        for layer in layers:
            for a in x:
                y, _, tape = layer.forward(a)
                layer.backward(tape, y)
                got.append(y)
        if not all(np.array_equal(a, b) for a, b in zip(got, need, strict=True)):
            wrong.append(1)

workers = [threading.Thread(target=work) for _ in range(24)]
for worker in workers:
    worker.start()
for worker in workers:
    worker.join()
print("wrong" if wrong else "same")
"""
    assert run_python(script, timeout=60) == "same"


# Children

CHILD = """
import os, sys, warnings
import numpy as np
import gatewise as gw
from gatewise.kernels import dispatch

dispatch.OPERATIONS_A_THREAD = 1e-3
gw.set_num_threads(2)
layer = gw.GRU(3, 20, rng=0)
x = np.random.default_rng(0).normal(size=(6, 9, 3)).astype(np.float32)

def work():
    y, _, tape = layer.forward(x)
    dx, _, grads = layer.backward(tape, y)
    return [y, dx, *grads.values()]

def same(a, b):
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))

"""


@compiled
@forks
def test_a_forked_child_runs_layers_with_two_threads():
    script = """
warnings.simplefilter("ignore", DeprecationWarning)  # Python's, of forking beside threads
need = work()  # the parent has a pool by now
children = []
for _ in range(3):
    child = os.fork()
    if child == 0:
        try:
            fine = same(work(), need) and same(work(), need) and gw.get_num_threads() == 2
            grandchild = os.fork()
            if grandchild == 0:
                os._exit(0 if same(work(), need) else 1)
            fine = fine and os.waitpid(grandchild, 0)[1] == 0
        except BaseException:
            fine = False
        os._exit(0 if fine else 1)
    children.append(child)
    assert same(work(), need)
print(*(os.waitpid(child, 0)[1] for child in children))
"""
    assert run_python(CHILD + script, timeout=60) == "0 0 0"


@compiled
@forks
def test_a_child_forked_while_other_threads_work_runs_layers():
    script = """
import threading, time
warnings.simplefilter("ignore", DeprecationWarning)
need, end = work(), threading.Event()

def busy():
    while not end.is_set():
        work()

workers = [threading.Thread(target=busy, daemon=True) for _ in range(3)]
for worker in workers:
    worker.start()
codes = []
for _ in range(10):
    time.sleep(0.003)
    child = os.fork()
    if child == 0:
        os._exit(0 if same(work(), need) else 1)
    codes.append(os.waitpid(child, 0)[1])
end.set()
for worker in workers:
    worker.join()
print(*set(codes))
"""
    assert run_python(CHILD + script, timeout=60) == "0"


@compiled
@pytest.mark.parametrize("backend", ["loky", pytest.param("multiprocessing", marks=forks), "threading"])
def test_joblib_workers_run_layers(backend):
    script = f"""
warnings.simplefilter("ignore")  # joblib's own
from joblib import Parallel, delayed

def task(layer, x, k):
    gw.set_num_threads(2)
    y, _, tape = layer.forward(x)
    dx, _, grads = layer.backward(tape, y)
    return [y, dx, *grads.values()]

if __name__ == "__main__":
    need = task(layer, x, 0)
    results = Parallel(n_jobs=2, backend={backend!r})(delayed(task)(layer, x, k) for k in range(4))
    for result in results:
        for a, b in zip(result, need, strict=True):
            np.testing.assert_array_equal(a, b)
    print(len(results))
"""
    assert run_python(CHILD + script, timeout=100, JOBLIB_MULTIPROCESSING="1") == "4"

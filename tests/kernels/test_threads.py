"""How many threads work, the pool, many Python threads at once, forked children, and BLAS on one thread."""

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import pytest
import threadpoolctl
from kernel_cases import NAMES, assert_identical, compiled, layer_case, outcome, run_python, threads
from threadpoolctl import threadpool_info, threadpool_limits

import gatewise as gw
from gatewise.threads import product, run_together, single_threaded_blas

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


# BLAS


def blas_threads():
    """How many threads the BLAS of NumPy has."""
    found = [info for info in threadpool_info() if info["user_api"] == "blas"]
    own = [info for info in found if "numpy" in info["filepath"]]
    return [info["num_threads"] for info in own or found]


def release_blas():
    """Let any thread limit OpenBLAS: from threadpoolctl 3.7 on, only the first that ever did may do so again."""
    if ONE_CONTROLS:
        threadpoolctl.OpenBLASController.clear_controlling_thread(force=True)


ONE_CONTROLS = hasattr(getattr(threadpoolctl, "OpenBLASController", None), "clear_controlling_thread")


@pytest.fixture
def two_blas_threads():
    release_blas()
    before = blas_threads()
    threadpool_limits(2, user_api="blas")
    release_blas()
    if max(two := blas_threads(), default=1) < 2:
        pytest.skip("no BLAS with threads")
    yield two
    release_blas()
    threadpool_limits(max(before), user_api="blas")
    release_blas()


def test_blas_has_one_thread_inside_and_its_own_number_after(two_blas_threads):
    with single_threaded_blas():
        assert set(blas_threads()) == {1}
        with single_threaded_blas():
            assert set(blas_threads()) == {1}
        assert set(blas_threads()) == {1}
    assert blas_threads() == two_blas_threads


def test_the_number_comes_back_after_an_error(two_blas_threads):
    with pytest.raises(ZeroDivisionError), single_threaded_blas(), single_threaded_blas():
        raise ZeroDivisionError
    assert blas_threads() == two_blas_threads


def stay(entered, leave, left, end):
    with single_threaded_blas():
        entered.set()
        leave.wait(30)
    left.set()
    end.wait(30)


@contextmanager
def another_thread_inside():
    """A thread that is inside; the function given lets it leave, but not end."""
    entered, leave, left, end = (threading.Event() for _ in range(4))
    worker = threading.Thread(target=stay, args=(entered, leave, left, end))
    worker.start()
    assert entered.wait(30)

    def let_go():
        leave.set()
        assert left.wait(30)

    try:
        yield let_go
    finally:
        leave.set()
        end.set()
        worker.join(30)


def test_another_thread_may_go_in_and_out_first(two_blas_threads):
    with single_threaded_blas():
        with another_thread_inside():
            assert set(blas_threads()) == {1}
        assert set(blas_threads()) == {1}
    assert blas_threads() == two_blas_threads


def test_the_last_of_two_threads_gives_the_number_back_even_if_the_other_came_first(two_blas_threads):
    with another_thread_inside() as let_go:
        with single_threaded_blas():
            assert set(blas_threads()) == {1}
            let_go()
            assert set(blas_threads()) == {1}
        assert blas_threads() == two_blas_threads
    with single_threaded_blas():
        pass
    assert blas_threads() == two_blas_threads


def test_one_thread_after_the_other_has_one_blas_thread_inside(two_blas_threads):
    with single_threaded_blas():
        pass
    with another_thread_inside():
        assert set(blas_threads()) == {1}
    assert blas_threads() == two_blas_threads


def test_many_threads_going_in_and_out_leave_the_number_as_it_was(two_blas_threads):
    def work(_):
        for _ in range(50):
            with single_threaded_blas():
                pass

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert blas_threads() == two_blas_threads


def test_a_limit_of_the_user_is_kept():
    with threadpool_limits(1, user_api="blas"):
        before = blas_threads()
        with single_threaded_blas():
            pass
        assert blas_threads() == before


@pytest.mark.parametrize("name", ["gru_after", "lstm", "rnn_relu"])
def test_layers_leave_the_number_as_it_was(two_blas_threads, name):
    layer, x, state, dy = layer_case(name, np.float64)
    outcome(layer, x, state, dy)
    assert blas_threads() == two_blas_threads


@pytest.mark.parametrize(("M", "K", "N"), [(100, 128, 64), (1, 5000, 300), (300, 5000, 1), (30, 20, 10)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_product_does_not_depend_on_the_threads_of_blas(two_blas_threads, M, K, N, dtype):
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(M, K)).astype(dtype), rng.normal(size=(K, N)).astype(dtype)
    found = product(a, b)
    np.testing.assert_array_equal(found, product(a[None], b)[0])
    assert blas_threads() == two_blas_threads
    with single_threaded_blas():
        np.testing.assert_array_equal(found, a @ b)


def test_a_dense_layer_does_not_depend_on_the_threads_of_blas(two_blas_threads):
    dense = gw.Dense(128, 64, "tanh", rng=0)
    x, dy = (np.random.default_rng(0).normal(size=(300, n)).astype(np.float32) for n in (128, 64))

    def passes():
        y, _, tape = dense.forward(x)
        dx, _, grads = dense.backward(tape, dy)
        return {"y": y, "dx": dx, **grads}

    found = passes()
    with single_threaded_blas():
        assert_identical(found, passes())

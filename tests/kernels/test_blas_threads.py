"""BLAS on one thread: inside a time loop, and for products whose bits must not depend on its threads."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import pytest
import threadpoolctl
from kernel_cases import assert_identical, layer_case, outcome
from threadpoolctl import threadpool_info, threadpool_limits

import gatewise as gw
from gatewise.threads import product, single_threaded_blas


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

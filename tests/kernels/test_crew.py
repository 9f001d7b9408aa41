"""Workers that stay awake for a moment: what they are given is done, by them or by the caller."""

import threading
import time

import numpy as np
import pytest
from kernel_cases import assert_identical, compiled, layer_case, outcome, run_python, threads

pytestmark = compiled


@pytest.fixture
def crew(monkeypatch):
    """The module, as if there were three cores, with no workers yet; those of a test are asleep at its end."""
    from gatewise.kernels import crew

    monkeypatch.setattr(crew, "cores", lambda: 3)
    monkeypatch.setattr(crew, "_workers", [])
    yield crew
    wait_until(lambda: all(worker.is_asleep() for worker in crew._workers))


def wait_until(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(1e-3)


def lent(crew, count):
    """How many workers a caller gets who asks for `count`, and gives them back."""
    workers = crew.engage(count, brief=False)
    crew.release(workers)
    return len(workers)


def test_there_are_as_many_workers_as_cores_beside_the_callers(crew):
    assert [lent(crew, count) for count in (0, 1, 2, 5)] == [0, 1, 2, 2]


def test_one_caller_has_them_at_a_time(crew):
    workers = crew.engage(1, brief=False)
    assert not crew.engage(1, brief=False)
    crew.release(workers)
    assert lent(crew, 1) == 1


def test_a_worker_goes_to_sleep_and_is_not_woken_for_a_brief_task_that_comes_alone(crew, monkeypatch):
    assert lent(crew, 1) == 1
    (worker,) = crew._workers
    wait_until(worker.is_asleep)
    monkeypatch.setattr(crew, "RECENT", 0)
    assert not crew.engage(1, brief=True)
    monkeypatch.setattr(crew, "RECENT", 100)
    workers = crew.engage(1, brief=True)
    crew.release(workers)
    assert workers == [worker]


@pytest.mark.parametrize("name", ["gru_after", "lstm"])
def test_the_numbers_do_not_depend_on_who_computes_them(crew, monkeypatch, name):
    """Workers that begin at once, that are asleep, and that never begin."""
    layer, x, state, dy = layer_case(name, np.float32, B=7, T=11, H=20)
    with threads(3):
        found = [outcome(layer, x, state, dy) for _ in range(20)]
        wait_until(lambda: all(worker.is_asleep() for worker in crew._workers))
        found.append(outcome(layer, x, state, dy))
        crew._workers.clear()
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", lambda self: None)
            found.append(outcome(layer, x, state, dy))
        assert len(crew._workers) == 2
        crew._workers.clear()
    for other in found[1:]:
        assert_identical(other, found[0])


def test_a_task_that_an_interrupted_caller_left_is_over_before_the_next_begins(crew):
    from gatewise.kernels.crew import compiled

    _, post, _ = compiled()
    (worker,) = crew.engage(1, brief=False)
    first, second = np.zeros(16, np.int64), np.zeros(16, np.int64)
    worker.start(post, (first,))
    worker.start(post, (second,))
    while (result := worker.finish()) is None:
        worker.start(post, (second,))
    crew.release([worker])
    assert result == 0
    assert second[0] == 1
    assert worker.finish() is None


def test_where_no_thread_can_be_started_the_caller_does_everything(crew, monkeypatch):
    def refuse(thread):
        raise RuntimeError("can't start new thread")

    layer, x, state, dy = layer_case("gru_after", np.float32, B=8)
    with threads(2):
        need = outcome(layer, x, state, dy)
        crew._workers.clear()
        monkeypatch.setattr(threading.Thread, "start", refuse)
        assert not crew.engage(1, brief=False)
        assert_identical(outcome(layer, x, state, dy), need)


def test_an_error_in_the_callers_part_is_raised_after_the_workers_are_done(crew, monkeypatch):
    from gatewise.kernels import dispatch

    layer, x, state, dy = layer_case("gru_after", np.float32, B=8)

    def failing(run, arrays, share):
        raise ZeroDivisionError

    with threads(2):
        need = outcome(layer, x, state, dy)
        with monkeypatch.context() as patch:
            patch.setattr(dispatch, "_call", failing)
            with pytest.raises(ZeroDivisionError):
                layer(x)
        assert lent(crew, 2) == 2
        assert_identical(outcome(layer, x, state, dy), need)


def test_a_process_may_end_while_workers_are_awake():
    script = """
import numpy as np, gatewise as gw
from gatewise.kernels import dispatch
dispatch.OPERATIONS_A_THREAD = 1e-3
gw.set_num_threads(2)
layer = gw.GRU(3, 4, rng=0)
for _ in range(3):
    y, _ = layer(np.ones((4, 5, 3), np.float32))
print(y.shape)
"""
    assert run_python(script) == "(4, 5, 4)"

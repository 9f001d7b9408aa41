"""Threads that share the units of the same sequences: bit for bit what one thread makes, and no way to hang."""

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import pytest
from kernel_cases import (
    NAMES,
    assert_identical,
    assert_same_nan,
    compiled,
    forward,
    gradients,
    make,
    run_python,
    threads,
    values,
)

from gatewise import recurrence
from gatewise.threads import run_as_team, run_together

pytestmark = compiled
names = pytest.mark.parametrize("name", NAMES)


@contextmanager
def teams(count):
    """`count` threads that share units whatever the sizes; yields the sizes of the teams that were formed."""
    from gatewise.kernels import dispatch

    formed, plain = [], dispatch.Team

    def team(counter, size, shared):
        formed.append(size)
        return plain(counter, size, shared)

    with threads(count), pytest.MonkeyPatch.context() as patch:
        patch.setattr(dispatch, "ROWS_A_THREAD", 1000)
        patch.setattr(dispatch, "UNITS_A_THREAD", 1)
        patch.setattr(dispatch, "Team", team)
        yield formed


def everything(case, record=True):
    run = forward(case, record=record)
    found = values(run) | {f"inference {k}": a for k, a in enumerate(forward(case, keep=False).states)}
    return found | gradients(recurrence.backward(run, case.dh, case.dfinal))


@names
@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
@pytest.mark.parametrize(("B", "T", "D", "H"), [(1, 7, 3, 40), (3, 130, 5, 70), (8, 9, 65, 33), (2, 1, 1, 5)])
@pytest.mark.parametrize("ragged", [False, True])
def test_a_team_makes_what_one_thread_makes(name, dtype, B, T, D, H, ragged):
    case = make(name, dtype, B=B, T=T, D=D, H=H, ragged=ragged, seed=T)
    with threads(1):
        need, recomputed = everything(case), everything(case, record=False)
    for count in (2, 3):
        with teams(count) as formed:
            assert_identical(everything(case), need)
            assert_identical(everything(case, record=False), recomputed)
        assert set(formed) == {count}


@names
def test_nan_stays_in_its_sequence(name):
    case = make(name, np.float32, B=4, T=6, D=3, H=40, ragged=True, seed=1)
    case.x[2, 1] = np.nan
    with threads(1):
        need = everything(case)
    with teams(2):
        found = everything(case)
    assert_same_nan(found, need)


def test_only_wide_layers_with_few_sequences_share_units():
    def sizes(name, **shape):
        case = make(name, np.float32, T=2, D=3, **shape)
        with teams(2) as formed, pytest.MonkeyPatch.context() as patch:
            from gatewise.kernels import dispatch

            patch.setattr(dispatch, "ROWS_A_THREAD", 8)
            patch.setattr(dispatch, "UNITS_A_THREAD", 64)
            forward(case)
        return set(formed)

    assert sizes("gru_after", B=15, H=128) == {2}
    assert sizes("gru_after", B=16, H=128) == set()
    assert sizes("gru_after", B=15, H=127) == set()
    assert sizes("gru_before", B=1, H=256) == {2}


def test_with_a_large_matrix_more_sequences_share_units(monkeypatch):
    from gatewise.kernels import dispatch

    case = make("gru_after", np.float32, T=2, D=3, B=20, H=128)
    for size, need in [(case.weights.U.nbytes, {2}), (case.weights.U.nbytes + 1, set())]:
        with teams(2) as formed:
            monkeypatch.setattr(dispatch, "FAR", size)
            monkeypatch.setattr(dispatch, "ROWS_A_THREAD", 8)
            forward(case)
        assert set(formed) == need


def test_one_team_runs_at_a_time():
    inside, most = [], []

    def task():
        inside.append(1)
        most.append(len(inside))
        time.sleep(0.002)
        inside.pop()

    with ThreadPoolExecutor(6) as pool:
        for done in [pool.submit(run_as_team, [task, task]) for _ in range(12)]:
            done.result()
    assert max(most) <= 2


def test_many_callers_get_what_one_thread_makes():
    case = make("gru_after", np.float32, B=2, T=50, D=3, H=130, seed=3)
    with threads(1):
        need = everything(case)
    start = threading.Barrier(8, timeout=60)

    def work(_):
        start.wait()
        return [forward(case) for _ in range(20)]

    with teams(3) as formed, ThreadPoolExecutor(8) as pool:
        for runs in pool.map(work, range(8)):
            for run in runs:
                assert_identical(values(run), {name: need[name] for name in values(run)})
    assert 3 in formed


def test_a_member_that_fails_does_not_leave_the_others_waiting():
    from gatewise.kernels import dispatch
    from gatewise.kernels.meeting import meet

    def run(arguments):
        *_, counter, _, numbers = arguments
        _, _, u0, _, size = numbers
        if u0:
            raise MemoryError("no room")
        meet(counter, size)
        met.append(u0)

    met = []
    team = dispatch.Team(np.zeros(1, np.int64), 2, np.empty(0))
    shares = [dispatch.Share(np.array((0, 1, *units, 2)), team) for units in [(0, 8), (8, 16)]]
    tasks = [lambda share=share: dispatch._call(run, (np.zeros(1),), share) for share in shares]
    with pytest.raises(MemoryError, match="no room"):
        run_together(tasks)
    assert len(met) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_child_forked_from_within_a_team_can_form_one():
    script = """
import os
from gatewise.threads import run_as_team

def child():
    pid = os.fork()
    if pid:
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    else:
        run_as_team([int, int])
        os._exit(0)

run_as_team([child, int])
"""
    assert run_python(script) == "0"

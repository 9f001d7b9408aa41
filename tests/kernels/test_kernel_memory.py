"""Large and subnormal numbers, and memory: what is left of a call, and what is not ours."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest
from kernel_cases import (
    assert_identical,
    check,
    compiled,
    dtypes,
    forward,
    gradients,
    layer_case,
    make,
    names,
    numpys,
    outcome,
    run_python,
    values,
)

from gatewise import recurrence


@compiled
@names
@dtypes
def test_large_preactivations_saturate_as_in_numpy(name, dtype):
    sizes = np.array([0, 1e-30, 1e-3, 1, 9, 20, 40, 89, 104, 710, 1e4, 1e10, 1e30])
    sizes = np.concatenate([sizes, -sizes]).astype(dtype)
    for seed in range(4):
        case = make(name, dtype, B=2, T=3, D=2, H=len(sizes), seed=seed)
        rng = np.random.default_rng(seed)
        case.weights.b[:] = rng.choice(sizes, len(case.weights.b))
        # Of one sign and without U: differences of large numbers have no correct digits.
        same_side = np.copysign(rng.choice(sizes, len(case.weights.b)), case.weights.b)
        case.weights.c[:] = same_side[: len(case.weights.c)]
        if name == "rnn_relu":
            case.weights.U[:] = 0
        check(case)


@compiled
@names
@dtypes
def test_subnormal_numbers_are_not_flushed(name, dtype):
    f = np.finfo(dtype)
    case = make(name, dtype, B=3, T=1, D=2, H=19, seed=5)
    tiny = np.random.default_rng(6)
    case.x[:] = 0
    for a in (case.weights.b, case.weights.c):
        a[:] = 0
    for s in case.initial:
        s[:] = tiny.normal(0, float(f.tiny) / 50, s.shape)
    case.weights.U[:] = np.abs(case.weights.U)
    with np.errstate(under="ignore"):
        need, _ = numpys(case)
    got = forward(case)
    unit = float(f.smallest_subnormal)
    for label, a in values(need).items():
        if label.startswith("states"):
            assert np.count_nonzero(a) > 10
        np.testing.assert_allclose(values(got)[label], a, rtol=4 * f.eps, atol=30 * unit, err_msg=label)


@compiled
@names
@dtypes
def test_subnormal_gradients_are_not_flushed(name, dtype):
    f = np.finfo(dtype)
    case = make(name, dtype, B=3, T=1, D=2, H=19, seed=7)
    for d in (case.dh, *case.dfinal):
        d *= f.tiny / 4
    with np.errstate(under="ignore"):
        _, need = numpys(case)
    got = gradients(recurrence.backward(forward(case), case.dh, case.dfinal))
    for label, a in gradients(need).items():
        assert np.count_nonzero(got[label]) >= np.count_nonzero(a) // 2, label
        np.testing.assert_allclose(got[label], a, rtol=1e-4, atol=100 * float(f.smallest_subnormal), err_msg=label)


@compiled
@names
@dtypes
def test_a_call_leaves_nothing_behind_for_the_next(name, dtype):
    shapes = [(3, 4, 2, 5), (1, 1, 1, 1), (9, 3, 5, 33), (2, 7, 3, 17)]
    cases = [make(name, dtype, B=B, T=T, D=D, H=H, seed=1) for B, T, D, H in shapes]
    spoiled = make(name, dtype, B=16, T=20, D=40, H=70)
    for a in (spoiled.x, *spoiled.weights, *spoiled.initial, spoiled.dh, *spoiled.dfinal):
        a[:] = np.nan
    for case in cases:
        need = {}
        for bad in (False, True):
            for record in (True, False):
                if bad:
                    recurrence.backward(forward(spoiled, record=record), spoiled.dh, spoiled.dfinal)
                run = forward(case, record=record)
                if bad:
                    recurrence.backward(forward(spoiled, record=record), spoiled.dh, spoiled.dfinal)
                got = values(run) | gradients(recurrence.backward(run, case.dh, case.dfinal))
                assert_identical(got, need.setdefault(record, got))
                assert all(np.isfinite(a).all() for a in got.values())


@compiled
@names
def test_results_of_one_call_are_not_touched_by_the_next(name):
    layer, x, state, dy = layer_case(name, np.float32)
    first = outcome(layer, x, state, dy)
    kept = {label: a.copy() for label, a in first.items()}
    for seed in range(1, 4):
        other, x, state, dy = layer_case(name, np.float32, B=4 + seed, H=11 * seed, seed=seed)
        outcome(other, x, state, dy)
    assert_identical(first, kept)


GUARDED = """
import ctypes, mmap
import numpy as np
import gatewise as gw
from gatewise import kernels, recurrence
from kernel_cases import NAMES, make

libc = ctypes.CDLL(None, use_errno=True)
pages = []

def guarded(a):
    "A copy of `a` that ends where memory may not be read."
    size = -(-max(1, a.nbytes) // mmap.PAGESIZE) * mmap.PAGESIZE
    pages.append(mmap.mmap(-1, size + mmap.PAGESIZE))
    start = ctypes.addressof(ctypes.c_char.from_buffer(pages[-1]))
    assert libc.mprotect(ctypes.c_void_p(start + size), mmap.PAGESIZE, 0) == 0
    view = np.frombuffer(pages[-1], a.dtype, a.size, size - a.nbytes).reshape(a.shape)
    view[...] = a
    return view

gw.set_num_threads(1)
for name in NAMES:
    for dtype in (np.float32, np.float64):
        for B, T, D, H in [(1, 1, 1, 1), (3, 4, 2, 3), (9, 3, 17, 17), (2, 5, 5, 65)]:
            case = make(name, dtype, B=B, T=T, D=D, H=H)
            weights = recurrence.Weights(*map(guarded, case.weights))
            initial, dfinal = guarded(case.initial), guarded(case.dfinal)
            run = recurrence.forward(case.cell, guarded(case.x), weights, initial)
            states, record = guarded(run.states), guarded(run.record)
            for kept in (record, record[:0]):
                run = run._replace(states=states, record=kept)
                recurrence.backward(run, guarded(case.dh), dfinal)
print("done", len(pages) > 100)
import os
os._exit(0) if not __import__("sys").stdout.flush() else None
"""


@compiled
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="protects pages by Linux' mprotect")
def test_nothing_is_read_past_the_end_of_an_array():
    here = Path(__file__).parent
    paths = os.pathsep.join(filter(None, [str(here), str(here.parent / "support"), os.environ.get("PYTHONPATH")]))
    assert run_python(GUARDED, PYTHONPATH=paths) == "done True"

"""Every number of both passes is the same, bit for bit, for any number of threads and whoever does the work."""

import numpy as np
import pytest
from kernel_cases import (
    assert_close,
    assert_identical,
    compiled,
    crowd,
    dtypes,
    forward,
    gradients,
    layer_case,
    make,
    names,
    numpys,
    outcome,
    values,
)

import gatewise as gw
from gatewise import recurrence

pytestmark = compiled
COUNTS = (2, 3, 4, 8)


def everything(case, record=True):
    run = forward(case, record=record)
    return values(run) | gradients(recurrence.backward(run, case.dh, case.dfinal))


def pieces(case):
    from gatewise.kernels.pieces import plan

    return plan(*case.x.shape[:2], 10**9, False)[:2]


# The batch has as many pieces, and as many of them make a group.
SHAPES = [
    ((1, 9, 3, 33), (1, 1)),
    ((3, 41, 5, 19), (2, 2)),
    ((9, 13, 3, 17), (2, 2)),
    ((33, 5, 4, 9), (4, 3)),
    ((100, 3, 2, 8), (4, 1)),
    ((129, 6, 1, 5), (8, 1)),
]


@names
@dtypes
@pytest.mark.parametrize(("shape", "cut"), SHAPES)
def test_any_number_of_threads_makes_the_same_bits(name, dtype, shape, cut):
    B, T, D, H = shape
    case = make(name, dtype, B=B, T=T, D=D, H=H, ragged=B % 2 == 1, seed=B)
    assert pieces(case) == cut
    with crowd(1):
        need, again = everything(case), everything(case, record=False)
    for count in COUNTS:
        with crowd(count):
            assert_identical(everything(case), need)
            assert_identical(everything(case, record=False), again)
    with crowd(2, units=True):
        assert_identical(everything(case), need)
    with crowd(4, asleep=True):
        assert_identical(everything(case), need)


@names
@dtypes
def test_the_sums_of_pieces_are_those_of_numpy(name, dtype):
    case = make(name, dtype, B=67, T=7, D=3, H=11, ragged=True, seed=3)
    _, need = numpys(case)
    with crowd(3):
        assert_close(gradients(recurrence.backward(forward(case), case.dh, case.dfinal)), gradients(need))


OPTIONS = [{"num_layers": 2, "tape": "recompute"}, {"bidirectional": True}, {"bidirectional": True, "num_layers": 2}]
OPTIONS += [{"tape": "checkpoint"}, {"bias": False}]


@names
@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("ragged", [True, False])
def test_layers_make_the_same_bits(name, options, ragged):
    layer, x, state, dy = layer_case(name, np.float32, B=35, T=6, D=3, H=10, seed=4, **options)
    lengths = np.arange(35) % 6 + 1
    given = {"lengths": lengths} if ragged else {}
    with crowd(1):
        need = outcome(layer, x, state, dy, **given)
    for count in COUNTS:
        with crowd(count):
            assert_identical(outcome(layer, x, state, dy, **given), need)


def test_wide_layers_share_units_and_make_the_same_bits():
    case = make("gru_after", np.float32, B=40, T=3, D=5, H=520, seed=2)
    before = gw.get_num_threads()
    found = []
    try:
        for count in (1, 2, 3, 8):
            gw.set_num_threads(count)
            found.append(everything(case))
    finally:
        gw.set_num_threads(before)
    for other in found[1:]:
        assert_identical(other, found[0])


@pytest.mark.parametrize("far", [False, True])
def test_pieces_have_all_rows_and_depend_on_sizes_alone(far):
    from gatewise.kernels.pieces import MOST, plan

    for B in (1, 2, 3, 8, 15, 16, 31, 32, 64, 100, 300, 5000):
        for T in (0, 1, 2, 50, 1000):
            for most in (0, 1, 2, 5, 10**6):
                cut = plan(B, T, most, far)
                assert cut.pieces in (1, 2, 4, 8, 16)
                assert cut.pieces <= max(1, min(B, most, MOST))
                assert 1 <= cut.together <= cut.pieces
                assert 1 <= cut.steps <= max(1, T)
    assert plan(10**4, 1000, 10**6, far).pieces == 16

"""NaN and infinity go where those of NumPy go, and no further."""

import numpy as np
import pytest
from kernel_cases import assert_same_nan, compiled, dtypes, forward, gradients, make, names, numpys, values

from gatewise import recurrence

SPOTS = ["W", "U", "b", "c", "initial"]
BAD = [np.nan, np.inf, -np.inf]


def spoil(case, spot, value, rng):
    """Write `value` into one element of a weight, or of the initial state of one sequence."""
    array = case.initial[-1] if spot == "initial" else getattr(case.weights, spot)
    if not array.size:
        pytest.skip(f"{case.cell.form} has no {spot}")
    array[tuple(rng.integers(0, n) for n in array.shape)] = value


def check_nan(case):
    with np.errstate(all="ignore"):
        need, need_gradients = numpys(case)
    for record in (True, False):
        run = forward(case, record=record)
        got = values(run)
        assert_same_nan(got, {n: a for n, a in values(need).items() if n in got})
        assert_same_nan(gradients(recurrence.backward(run, case.dh, case.dfinal)), gradients(need_gradients))
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(np.isnan(forward(case, keep=False).states[0]), np.isnan(need.states[0]))


@compiled
@names
@dtypes
@pytest.mark.parametrize("value", BAD)
@pytest.mark.parametrize("spot", SPOTS)
def test_nan_comes_out_where_numpys_does(name, dtype, spot, value):
    for seed, H in enumerate([3, 16, 21]):
        case = make(name, dtype, B=3, T=4, D=2, H=H, seed=seed)
        spoil(case, spot, value, np.random.default_rng(seed))
        check_nan(case)


@compiled
@names
@dtypes
@pytest.mark.parametrize("value", BAD)
def test_an_input_that_is_not_finite_comes_out_as_in_numpy(name, dtype, value):
    case = make(name, dtype, B=3, T=4, D=2, H=3)
    case.x[1, 2, 0] = value
    check_nan(case)


def alone(case, row):
    """One sequence of a batch without the steps past its end."""
    single = case.rows([row])
    length = single.lengths[0]
    single.x, single.dh = (np.ascontiguousarray(a[:, :length]) for a in (single.x, single.dh))
    single.lengths = None
    return single


@compiled
@names
@dtypes
@pytest.mark.parametrize(
    "spot",
    ["W", "c", "U"],
)
def test_infinity_in_a_weight_does_not_reach_a_sequence_from_past_its_end(name, dtype, spot):
    for seed in range(3):
        case = make(name, dtype, B=3, T=4, D=2, H=5, ragged=True, seed=seed)
        spoil(case, spot, np.inf, np.random.default_rng(seed))
        for record in (True, False):
            dx, dinitial, _ = recurrence.backward(forward(case, record=record), case.dh, case.dfinal)
            for row, length in enumerate(case.lengths):
                single = alone(case, row)
                need = recurrence.backward(forward(single, record=record), single.dh, single.dfinal)
                np.testing.assert_array_equal(dx[row, :length], need[0][0])
                for a, b in zip(dinitial, need[1], strict=True):
                    np.testing.assert_array_equal(a[row], b[0])


@compiled
@names
@dtypes
@pytest.mark.parametrize("value", BAD)
def test_one_spoiled_sequence_leaves_the_others_alone(name, dtype, value):
    need = make(name, dtype, B=9, T=5, D=2, H=19)
    case = make(name, dtype, B=9, T=5, D=2, H=19)
    case.x[4, 2, 1], case.initial[-1][4, 7], case.dh[4, 3, 0] = value, value, value
    others = np.delete(np.arange(9), 4)
    for record in (True, False):
        clean, run = forward(need, record=record), forward(case, record=record)
        for name_, a in values(clean).items():
            np.testing.assert_array_equal(values(run)[name_][others], a[others], err_msg=name_)
        a, b = (recurrence.backward(r, k.dh, k.dfinal) for r, k in [(run, case), (clean, need)])
        np.testing.assert_array_equal(a[0][others], b[0][others])
        for x, y in zip(a[1], b[1], strict=True):
            np.testing.assert_array_equal(x[others], y[others])


@compiled
@names
@dtypes
@pytest.mark.parametrize("value", [np.nan, np.inf, 1e30])
def test_a_gradient_that_is_not_finite_goes_where_numpys_goes(name, dtype, value):
    case = make(name, dtype, B=3, T=4, D=2, H=19, seed=2)
    case.dh[1, 2, 5] = value
    check_nan(case)

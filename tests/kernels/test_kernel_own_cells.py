"""Kernels of cells that users define: equal to NumPy, named by their code, and left alone where they do not compile."""

import numpy as np
import pytest
from kernel_cases import Case, Weights, check, compiled, forward, values

from gatewise import kernels
from gatewise.activations import sigmoid, sigmoid_slope
from gatewise.cells.cell import plain_cell

pytestmark = compiled


def logistic(a):
    return 1 / (1 + np.exp(-a))


def minimal_forward(p, q, state_prev):
    (h_prev,) = state_prev
    f = logistic(p[0] + q[0])
    n = np.tanh(p[1] + f * q[1])
    return (n + f * (h_prev - n),), (f, n, q[1])


def minimal_backward(dstate, state, state_prev, record):
    (dh,), (h_prev,), (f, n, q_n) = dstate, state_prev, record
    da_n = dh * (1 - f) * (1 - n**2)
    da_f = (dh * (h_prev - n) + da_n * q_n) * f * (1 - f)
    return (da_f, da_n), (da_f, da_n * f), (dh * f,)


def mixing_forward(p, q, state_prev):
    (h_prev,) = state_prev
    z = sigmoid(p[0])
    return (h_prev + z * (p[1] - h_prev),), (z, p[1])


def mixing_backward(dstate, state, state_prev, record):
    (dh,), (h_prev,), (z, n) = dstate, state_prev, record
    return (dh * (n - h_prev) * sigmoid_slope(z), dh * z), (), (dh * (1 - z),)


def cell_of(forward, backward, recorded, recurrent=True):
    names = ("own", ("forget", "candidate"), ("f", "n"), ("hidden",), recorded)
    return plain_cell(*names, forward, backward, None, recurrent=recurrent)


MINIMAL = cell_of(minimal_forward, minimal_backward, ("f", "n", "q_n"))
MIXING = cell_of(mixing_forward, mixing_backward, ("z", "n"), recurrent=False)


def case_of(cell, dtype, B=5, T=70, D=3, H=33, ragged=True):
    rng = np.random.default_rng(0)

    def normal(*shape):
        return rng.normal(0, 0.6, shape).astype(dtype)

    G = len(cell.gates)
    Q = G if cell.recurrent else 0
    weights = Weights(normal(G * H, D), normal(Q * H, H) * H**-0.5, normal(G * H), normal(Q * H))
    lengths = rng.integers(1, T + 1, B) if ragged else None
    dh = normal(B, T, H)
    if ragged:
        dh[np.arange(T) >= lengths[:, None]] = 0
    return Case(cell, normal(B, T, D), weights, normal(1, B, H), lengths, dh, normal(1, B, H))


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
@pytest.mark.parametrize("cell", [MINIMAL, MIXING], ids=["minimal", "without U"])
def test_a_cell_of_ones_own_equals_numpy(cell, dtype):
    assert kernels.find(cell) is not None
    for ragged in (False, True):
        check(case_of(cell, dtype, ragged=ragged))


def root_forward(p, q, state_prev):
    (h_prev,) = state_prev
    r = np.sqrt((p[0] + q[0]) * (p[0] + q[0]) + h_prev * h_prev)
    return (r,), (r, p[0] + q[0])


def root_backward(dstate, state, state_prev, record):
    (dh,), (h_prev,), (r, a) = dstate, state_prev, record
    da = dh * a / r  # 0 / 0 where all is 0, as it is past the units
    return (da,), (da,), (dh * h_prev / r,)


@pytest.mark.filterwarnings("ignore:invalid value", "ignore:divide by zero")
@pytest.mark.parametrize("H", [1, 5, 33])
def test_a_derivative_that_is_nan_at_0_spoils_no_unit(H):
    cell = plain_cell("root", ("a",), ("a",), ("hidden",), ("r", "a"), root_forward, root_backward, None)
    case = case_of(cell, np.float64, B=2, T=5, H=H, ragged=True)
    check(case)
    assert all(np.isfinite(array).all() for array in values(forward(case)).values())


def test_what_does_not_compile_runs_in_numpy_and_says_so():
    def odd(p, q, state_prev):
        return (np.asarray([a.sum() for a in p]) + state_prev[0],), (p[0], p[1])

    cell = cell_of(odd, mixing_backward, ("z", "n"))
    with pytest.warns(UserWarning, match="'own' runs in NumPy"):
        assert kernels.find(cell) is None
    assert kernels.find(cell) is None  # said once


def test_what_changes_from_call_to_call_runs_in_numpy():
    rng = np.random.default_rng(0)

    def noisy(p, q, state_prev):
        return (p[0] * rng.normal() + state_prev[0],), (p[0], p[1])

    cell = cell_of(noisy, mixing_backward, ("z", "n"), recurrent=False)
    with pytest.warns(UserWarning, match="something else at each call"):
        assert kernels.find(cell) is None


def test_another_body_constant_or_helper_is_another_name():
    from gatewise.kernels.pointwise import digest

    def scaled(scale):
        return lambda p, q, state_prev: ((scale * p[0] + state_prev[0],), (p[0], p[1]))

    cells = [cell_of(scaled(scale), mixing_backward, ("z", "n"), recurrent=False) for scale in (1.0, 1.0, 2.0)]
    first, again, other = map(digest, cells)
    assert first == again != other
    assert len({digest(MINIMAL), digest(MIXING), first}) == 3

"""The compiled loops against the same loops in NumPy: numbers, the certificate, float32."""

import numpy as np
import pytest
from forms import FORMS
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_cases import DTYPES, NAMES, Case, check, compiled, dtypes, forward, gradients, make, names, threads

import gatewise as gw
from gatewise import kernels, recurrence
from gatewise.recurrence import Weights


@compiled
def test_all_plain_cells_have_a_kernel():
    assert {"gru_after", "lstm", "rnn_tanh", "rnn_relu"} <= set(NAMES)


@st.composite
def cases(draw):
    return make(
        draw(st.sampled_from(NAMES)),
        draw(st.sampled_from(DTYPES)),
        B=draw(st.sampled_from([1, 2, 5, 8, 9])),
        T=draw(st.sampled_from([0, 1, 2, 33])),
        D=draw(st.sampled_from([1, 2, 17])),
        H=draw(st.sampled_from([1, 3, 17, 63, 64, 65])),
        ragged=draw(st.booleans()),
        seed=draw(st.integers(0, 2**32 - 1)),
    )


@compiled
@given(st.data())
@settings(max_examples=150)
def test_kernels_equal_numpy(data):
    check(data.draw(cases()))


@compiled
@given(st.data(), st.integers(1, 3))
@settings(max_examples=60)
def test_kernels_equal_numpy_with_any_number_of_threads(data, count):
    with threads(count):
        check(data.draw(cases()))


@compiled
@names
@dtypes
@pytest.mark.parametrize(("B", "T"), [(1, 601), (5, 131), (7, 256), (300, 2)])
def test_kernels_equal_numpy_where_a_run_is_done_in_chunks(name, dtype, B, T):
    check(make(name, dtype, B=B, T=T, D=3, H=5, ragged=T % 2 == 1, seed=B))


@compiled
@names
@dtypes
def test_kernels_equal_numpy_where_every_size_is_large(name, dtype):
    check(make(name, dtype, B=17, T=3, D=130, H=200, seed=3))


@compiled
@names
def test_an_empty_batch_is_a_batch(name):
    layer = FORMS[name].make(2, 3, rng=0)
    y, _, tape = layer.forward(np.zeros((0, 4, 2), np.float32))
    dx, _, grads = layer.backward(tape, y)
    assert y.shape == (0, 4, 3)
    assert dx.shape == (0, 4, 2)
    assert not any(g.any() for g in grads.values())


@compiled
@names
@pytest.mark.parametrize(
    "options", [{}, {"num_layers": 2, "bidirectional": True, "dropout": 0.3, "tape": "recompute"}, {"bias": False}]
)
def test_the_certificate_passes_through_the_kernels(name, options):
    layer = FORMS[name].make(3, 5, rng=0, **options)
    assert kernels.find(layer.cell) is not None
    report = gw.gradcheck(layer, rng=1)
    assert report.ok, report
    ragged = gw.gradcheck(layer, np.random.default_rng(2).normal(size=(3, 4, 3)), lengths=[4, 1, 3], rng=2)
    assert ragged.ok, ragged


@compiled
@names
def test_float32_gradients_agree_with_float64(name):
    for seed in range(3):
        double = make(name, np.float64, B=8, T=20, D=5, H=33, ragged=True, seed=seed)
        cast = lambda arrays: tuple(a.astype(np.float32) for a in arrays)  # noqa: E731
        single = Case(
            double.cell,
            *cast([double.x]),
            Weights(*cast(double.weights)),
            *cast([double.initial]),
            double.lengths,
            *cast([double.dh]),
            *cast([double.dfinal]),
        )
        need, got = (gradients(recurrence.backward(forward(c), c.dh, c.dfinal)) for c in (double, single))
        for label, a in need.items():
            error = np.linalg.norm(got[label] - a)
            assert error <= 1e-4 * np.linalg.norm(a), (label, error)

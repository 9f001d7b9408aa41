"""Every cell as C: the same numbers as in Python over 1,000 steps, from the cell's own functions."""

import math

import numpy as np
import pytest
from c_files import each_compiler, needs_compiler, self_test
from forms import FORMS

import gatewise as gw
from gatewise.cells import FORMS as CELLS
from gatewise.interop.c import run, to_c
from gatewise.interop.c.cells import cell_text
from gatewise.interop.symbols import Recorder
from gatewise.layers import HardGRU, HardLSTM

X = np.random.default_rng(1).normal(size=(1000, 3)).astype(np.float32)


@pytest.fixture(autouse=True)
def _in_numpy(monkeypatch):
    monkeypatch.setattr("gatewise.kernels.find", lambda cell: None)


def of_input(function, name="OfInput", gates=1):
    """A layer h_t = function(p): what C makes of a function of arrays."""
    kind = gw.define_cell(
        name,
        gates=[f"gate_{k}" for k in range(gates)],
        forward=lambda p, q, state_prev: ((function(*p),), ()),
        backward=lambda dstate, state, state_prev, record: (tuple(0 * dstate[0] for _ in range(gates)), (), dstate),
        recurrent=False,
    )
    layer = kind(gates, 1, bias=False, dtype=np.float64)
    layer.params["weight_ih_l0"] = np.eye(gates)
    return layer


def in_c(layer, x, folder, weights="float64"):
    to_c(layer, folder / "function.c", weights=weights)
    return run(folder / "function.c", x)[:, 0]


def leaky():
    """A cell of one's own with two states, one of them called by a word of C."""

    def forward(p, q, state_prev):
        h, register = state_prev
        z, n = 0.5 * np.tanh(0.5 * p[0]) + 0.5, np.tanh(p[1] + q[1])
        new = np.where(register > h, 0.9 * register, register + 0.1 * z)
        return (z * h + (1 - z) * n * np.cos(new), new), (z, n)

    def backward(dstate, state, state_prev, record):
        dh, dc = dstate
        return (0 * dh, 0 * dh), (0 * dh, 0 * dh), (dh, dc)

    return gw.define_cell(
        "LeakyInC", gates=("keep", "double"), states=("hidden", "register"), forward=forward, backward=backward
    )


def every_cell(units=5):
    """All cells side by side, two layers each."""
    layers = [form.make(3, units, num_layers=2, rng=k) for k, form in enumerate(FORMS.values())]
    layers += [HardGRU(3, units, reset="before", slope="1/6", rng=20), HardLSTM(3, units, rng=21)]
    return gw.Parallel(*layers, leaky()(3, units, rng=9), gw.GRU(3, 15, reset="before", bias=False, rng=8))


@needs_compiler
@each_compiler
def test_every_cell_agrees_over_a_thousand_steps(tmp_path, compiler):
    model = every_cell()
    truth = model.astype(np.float64)(X[None].astype(np.float64))[0][0]
    for weights, limit in (("float32", 1e-5), ("float64", 1e-12)):
        path = tmp_path / f"cells_{weights}.c"
        to_c(model, path, weights=weights)
        assert np.abs(run(path, X, compiler=compiler) - truth).max() < limit
    assert self_test(path, compiler) == 0


@needs_compiler
def test_functions_are_exact_to_some_units_in_the_last_place(tmp_path):
    big = np.concatenate([np.linspace(-110, 110, 20001), np.geomspace(1e-30, 1, 2001), -np.geomspace(1e-30, 1, 2001)])
    x = np.unique(big.astype(np.float32)).astype(np.float64)[:, None]
    layers = [of_input(np.exp), of_input(np.tanh), of_input(lambda a: np.log(np.abs(a) + 1e-35))]
    model = gw.Parallel(*layers)
    for weights, kind, limit in (("float32", np.float32, 4), ("float64", np.float64, 4)):
        to_c(model, tmp_path / "f.c", weights=weights)
        y = run(tmp_path / "f.c", x.astype(kind))
        a = x.astype(kind).astype(np.float64)[:, 0]
        with np.errstate(over="ignore", under="ignore"):
            for k, truth in enumerate((np.exp(a), np.tanh(a))):
                rounded = truth.astype(kind)
                finite = np.isfinite(rounded) & (np.abs(rounded) > np.finfo(kind).tiny)
                spacing = np.spacing(np.abs(rounded[finite])).astype(np.float64)
                assert (np.abs(y[finite, k] - truth[finite]) / spacing).max() <= limit
                assert np.isinf(y[np.isinf(rounded), k]).all()
        inside = np.abs(a) > 1e-20
        assert np.abs(y[inside, 2] - np.log(np.abs(a[inside]))).max() <= 90 * np.finfo(kind).eps


@needs_compiler
def test_what_is_not_finite_stays_so(tmp_path):
    x = np.array([[np.inf], [-np.inf], [0.0], [-1.0], [np.nan]])
    functions = [np.exp, np.tanh, lambda a: np.log(np.abs(a))]
    to_c(gw.Parallel(*map(of_input, functions)), tmp_path / "f.c", weights="float64")
    with np.errstate(all="ignore"):
        truth = np.concatenate([function(x) for function in functions], axis=1)
    np.testing.assert_allclose(run(tmp_path / "f.c", x), truth, rtol=1e-12)


OPERATIONS = {
    "arithmetic": lambda a, b: (a - (b - 1)) / (2 - (a / (b * b + 1) - -a)) - (a - b - a * (b + a)),
    "powers": lambda a, b: a**3 + np.square(b) - (a * a + 1) ** 0.5 + np.reciprocal(2 + b * b) + (+a),
    "limits": lambda a, b: np.clip(a, -0.5, 0.25) + np.maximum(b, a) * np.minimum(a, 0) + np.fmax(a, 0) + abs(b),
    "choices": lambda a, b: np.where((a > b) & (b > 0) | ~(a < 0.5), a, np.where(b, -b, a)) + (a >= b).astype(a.dtype),
    "truths as numbers": lambda a, b: a * (b > 0) + b * (a <= b) + np.where(np.logical_not(a == b), 1, b),
    "functions": lambda a, b: np.sin(a) * np.cos(b) + np.sqrt(np.abs(a)) + np.sign(b) * np.exp(-a) + np.log(1 + b * b),
    "constants": lambda a, b: np.full_like(a, 0.1) + np.ones_like(a) * 1e-3 - np.zeros_like(b) + 2.0 * a.copy(),
    "shared": lambda a, b: (np.tanh(a + b) - 1) * (1 / (1 + np.exp(-a - b))) + np.tanh(a + b) / (1 + np.exp(-a - b)),
}


@needs_compiler
def test_operations_are_those_of_numpy(tmp_path):
    x = np.random.default_rng(0).normal(size=(400, 2)).round(1)
    layers = [of_input(function, gates=2) for function in OPERATIONS.values()]
    to_c(gw.Parallel(*layers), tmp_path / "f.c", weights="float64")
    truth = np.stack([function(*x.T) for function in OPERATIONS.values()], axis=1)
    np.testing.assert_allclose(run(tmp_path / "f.c", x), truth, rtol=1e-12, atol=1e-13)
    assert "#include <math.h> /* cos, sin, sqrt */" in (tmp_path / "f.c").read_text()


REFUSED = {
    "a branch": (lambda a: -a if np.any(a > 1e9) else a, "np.any cannot be written out"),
    "a method": (lambda a: -a if (a > 1e9).any() else a, "AttributeError: 'Symbol' object has no attribute 'any'"),
    "an unknown function": (lambda a: np.arctan(a), "np.arctan cannot be written out; need absolute, add"),
    "a power": (lambda a: np.abs(a) ** 1.5, "whole exponents from 1 to 8"),
    "an option": (lambda a: np.add(a, a, dtype=a.dtype), "np.add with dtype cannot be written out"),
    "an array": (lambda a: a + np.zeros(a.shape, a.dtype), "AttributeError: 'Symbol' object has no attribute 'shape'"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_functions_that_c_cannot_say_are_refused_by_name(case, tmp_path):
    function, message = REFUSED[case]
    with pytest.raises(gw.GatewiseError, match="forward of the cell 'OfInput' cannot be written out") as refusal:
        to_c(of_input(function), tmp_path / "f.c")
    assert message in str(refusal.value)
    assert not (tmp_path / "f.c").exists()


def test_a_step_reads_as_the_equations():
    (loop,) = cell_text(CELLS["gru/after"], 4, "float", "m").loops
    assert loop.lines[-4:] == (
        "const float r = m_sigmoid(p_r + q_r);",
        "const float n = m_tanh(p_n + r * q_n);",
        "const float z = m_sigmoid(p_z + q_z);",
        "h[j] = n + z * (h_prev - n);",
    )
    first, second = cell_text(CELLS["gru/before"], 4, "float", "m").loops
    assert first.lines[-1] == "s[j] = r * h_prev;"
    assert "const float q_n = q[j + 8];" in second.lines
    lstm = cell_text(CELLS["lstm"], 4, "double", "m")
    assert lstm.loops[0].lines[-3:] == (
        "const double c_t = f * c_prev + i * g;",
        "h[j] = o * m_tanh(c_t);",
        "c[j] = c_t;",
    )


def test_names_of_ones_own_may_be_words_of_c():
    text = "\n".join(cell_text(leaky().cell, 3, "float", "m").loops[0].lines)
    assert "register2[j] = " in text
    assert "const float register2_prev = register2[j];" in text


def test_symbols_have_no_value():
    symbol = Recorder().input("a")
    with pytest.raises(gw.GatewiseError, match="branches on a value"):
        bool(symbol > 0)
    with pytest.raises(gw.GatewiseError, match="the function asks for one number"):
        math.tanh(symbol)
    with pytest.raises(gw.GatewiseError, match=r"np\.logical_or got a number"):
        np.logical_or(symbol, symbol > 0)
    with pytest.raises(gw.GatewiseError, match="finite numbers"):
        symbol + np.inf

"""Cells that users define: against scalar loops, certified, copied, trained and traced."""

import copy
import math
import pickle
from itertools import product

import numpy as np
import pytest

import gatewise as gw
from gatewise.activations import sigmoid, sigmoid_slope, tanh, tanh_slope

D, H, B, T = 3, 4, 3, 5
LENGTHS = [5, 1, 3]


def minimal(p, q, state_prev):
    (h,) = state_prev
    f = sigmoid(p[0] + q[0])
    n = tanh(p[1] + f * q[1])
    return (h + f * (n - h),), (f, n, q[1])


def minimal_backward(dstate, state, state_prev, record):
    (dh,), (h,), (f, n, q_n) = dstate, state_prev, record
    da_n = dh * f * tanh_slope(n)
    da_f = (dh * (n - h) + da_n * q_n) * sigmoid_slope(f)
    return (da_f, da_n), (da_f, da_n * f), (dh * (1 - f),)


def coupled(p, q, state_prev):
    _, c_prev = state_prev
    i, g, o = sigmoid(p[0] + q[0]), tanh(p[1] + q[1]), sigmoid(p[2] + q[2])
    c = c_prev + i * (g - c_prev)
    return (o * tanh(c), c), (i, g, o)


def coupled_backward(dstate, state, state_prev, record):
    (dh, dc), (_, c), (_, c_prev), (i, g, o) = dstate, state, state_prev, record
    dc = dc + dh * o * tanh_slope(tanh(c))
    da = dc * (g - c_prev) * sigmoid_slope(i), dc * i * tanh_slope(g), dh * tanh(c) * sigmoid_slope(o)
    return da, da, (0 * dh, dc * (1 - i))


def coupled_record_gradients(dstate, state, state_prev, record):
    (dh, dc), (_, c), (_, c_prev), (i, g, o) = dstate, state, state_prev, record
    dc = dc + dh * o * tanh_slope(tanh(c))
    return (dh, dc), (dc * (g - c_prev), dc * i, dh * tanh(c))


def leaky(p, q, state_prev):
    z = sigmoid(p[0])
    return (state_prev[0] + z * (p[1] - state_prev[0]),), (z, p[1])


def leaky_backward(dstate, state, state_prev, record):
    (dh,), (h,), (z, n) = dstate, state_prev, record
    return (dh * (n - h) * sigmoid_slope(z), dh * z), (), (dh * (1 - z),)


Minimal = gw.define_cell(
    "Minimal",
    gates=("forget", "candidate"),
    recorded=("forget", "candidate", "recurrent_side"),
    forward=minimal,
    backward=minimal_backward,
)
Unbiased = gw.define_cell(
    "Unbiased", gates=("forget", "candidate"), forward=minimal, backward=minimal_backward, recurrent_bias=False
)
Coupled = gw.define_cell(
    "Coupled",
    gates=("input", "candidate", "output"),
    states=("hidden", "cell"),
    forward=coupled,
    backward=coupled_backward,
    record_gradients=coupled_record_gradients,
)
Leaky = gw.define_cell("Leaky", gates=("update", "candidate"), forward=leaky, backward=leaky_backward, recurrent=False)
CELLS = {cell.__name__: cell for cell in (Minimal, Unbiased, Coupled, Leaky)}


# The same cells in scalar loops: one unit at a time, p and q as lists of one number per gate.


def s(a):
    return 1 / (1 + math.exp(-a))


def minimal_unit(p, q, state):
    f = s(p[0] + q[0])
    return (h := (1 - f) * state[0] + f * math.tanh(p[1] + f * q[1]),), {"forget": f, "hidden": h}


def coupled_unit(p, q, state):
    i = s(p[0] + q[0])
    c = (1 - i) * state[1] + i * math.tanh(p[1] + q[1])
    h = s(p[2] + q[2]) * math.tanh(c)
    return (h, c), {"input": i, "hidden": h, "cell": c}


def leaky_unit(p, q, state):
    z = s(p[0])
    return (h := (1 - z) * state[0] + z * p[1],), {"update": z, "hidden": h}


UNITS = {"Minimal": minimal_unit, "Unbiased": minimal_unit, "Coupled": coupled_unit, "Leaky": leaky_unit}


def dot(row, vector):
    return sum(a * b for a, b in zip(row, vector, strict=True))


def one_direction(unit, gates, params, end, sequence, state, backward):
    """Outputs in the order of `sequence`, the last state (one list a state), and the values of each step."""
    W = params["weight_ih" + end]
    U = params.get("weight_hh" + end, [[0.0] * H] * len(W))
    b, c = (params.get(name + end, [0.0] * len(W)) for name in ("bias_ih", "bias_hh"))
    outputs, values = [None] * len(sequence), [None] * len(sequence)
    for t in range(len(sequence))[:: -1 if backward else 1]:
        p = [dot(W[k], sequence[t]) + b[k] for k in range(gates * H)]
        q = [dot(U[k], state[0]) + c[k] for k in range(gates * H)]
        units = [unit(p[j::H], q[j::H], [part[j] for part in state]) for j in range(H)]
        state = [list(part) for part in zip(*(new for new, _ in units), strict=True)]
        outputs[t], values[t] = state[0], {name: [named[name] for _, named in units] for name in units[0][1]}
    return outputs, state, values


def network(layer, x, state, length):
    """One sequence through the whole stack: outputs, final states, values of each run."""
    params = {name: value.tolist() for name, value in layer.params.items()}
    sequence, finals, runs = x[:length].tolist(), [], []
    for number in range(layer.num_layers):
        sides = []
        for k in range(layer.directions):
            start = [part[len(finals)].tolist() for part in state]
            end = f"_l{number}" + "_reverse" * k
            unit, gates = UNITS[type(layer).__name__], len(layer.cell.gates)
            outputs, final, values = one_direction(unit, gates, params, end, sequence, start, bool(k))
            sides.append(outputs)
            finals.append(final)
            runs.append(values)
        sequence = [[value for side in sides for value in side[t]] for t in range(length)]
    return sequence, finals, runs


@pytest.fixture
def in_numpy(monkeypatch):
    """No kernels, which would be compiled for a cell that one test has."""
    monkeypatch.setattr("gatewise.kernels.find", lambda cell: None)


def data(layer, given, seed=3):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(B, T, D)).astype(layer.dtype)
    state = layer(x[:, :0])[1]
    parts = state if isinstance(state, tuple) else (state,)
    parts = tuple(rng.normal(size=part.shape).astype(layer.dtype) * given for part in parts)
    return x, parts


def packed(layer, parts):
    return parts[0] if len(parts) == 1 else layer.State(*parts)


OPTIONS = list(product(CELLS, (1, 2), (False, True), (None, LENGTHS), (False, True)))


@pytest.mark.parametrize(("name", "layers", "bidirectional", "lengths", "given"), OPTIONS)
def test_outputs_states_and_tape_equal_scalar_loops(name, layers, bidirectional, lengths, given):
    layer = CELLS[name](D, H, num_layers=layers, bidirectional=bidirectional, dtype=np.float64, rng=0)
    x, parts = data(layer, given)
    y, final, tape = layer.forward(x, packed(layer, parts), lengths=lengths)
    final = final if isinstance(final, tuple) else (final,)
    np.testing.assert_array_equal(layer(x, packed(layer, parts), lengths=lengths)[0], y)
    for row, length in enumerate(lengths or [T] * B):
        outputs, finals, runs = network(layer, x[row], [part[:, row] for part in parts], length)
        np.testing.assert_allclose(y[row, :length], outputs, rtol=0, atol=1e-12)
        assert not y[row, length:].any()
        for k, part in enumerate(final):
            np.testing.assert_allclose(part[:, row], [run[k] for run in finals], rtol=0, atol=1e-12)
        for index, values in enumerate(runs):
            number, reverse = divmod(index, layer.directions)
            for value in set(values[0]).intersection((*layer.cell.recorded, *layer.cell.states)):
                kept = tape.values(value, number, bool(reverse))[row]
                np.testing.assert_allclose(kept[:length], [step[value] for step in values], rtol=0, atol=1e-12)
                assert not kept[length:].any()


@pytest.mark.parametrize(
    ("name", "layers", "bidirectional", "lengths"), list(product(CELLS, (1, 2), (False, True), (None, LENGTHS)))
)
def test_certificate(name, layers, bidirectional, lengths):
    layer = CELLS[name](D, H, num_layers=layers, bidirectional=bidirectional, dropout=0.3 * (layers > 1), rng=0)
    x, parts = data(layer, True)
    report = gw.gradcheck(layer, x, state=packed(layer, parts), lengths=lengths, samples=3)
    assert report.worst < 1e-8, str(report)


@pytest.mark.parametrize(("name", "dtype"), [("Coupled", np.float32), *((name, np.float64) for name in CELLS)])
def test_gradients_without_a_record_are_those_with_it(name, dtype):
    layers = [CELLS[name](D, H, bidirectional=True, dtype=dtype, rng=0, tape=tape) for tape in ("store", "recompute")]
    results = []
    for layer in layers:
        x, parts = data(layer, True)
        y, _, tape = layer.forward(x, packed(layer, parts), lengths=LENGTHS)
        dx, dstate, grads = layer.backward(tape, y)
        assert {a.dtype for a in (y, dx, *grads.values())} == {np.dtype(dtype)}
        assert list(grads) == list(layer.params)
        results.append([dx, *(dstate if isinstance(dstate, tuple) else (dstate,)), *grads.values()])
    tolerance = 1e-12 if dtype == np.float64 else 2e-6
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


def test_parameters_are_those_the_cell_has():
    assert list(Minimal(D, H).params) == ["weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"]
    assert list(Unbiased(D, H).params) == ["weight_ih_l0", "weight_hh_l0", "bias_ih_l0"]
    assert list(Leaky(D, H, init="orthogonal").params) == ["weight_ih_l0", "bias_ih_l0"]
    assert list(Leaky(D, H, bias=False).params) == ["weight_ih_l0"]
    assert {name: a.shape for name, a in Coupled(D, H).params.items()}["weight_hh_l0"] == (3 * H, H)


def test_states_and_tape_have_their_names():
    layer = Coupled(D, H, rng=0)
    x, parts = data(layer, True)
    y, state, tape = layer.forward(x, parts)
    assert state._fields == ("hidden", "cell")
    np.testing.assert_array_equal(tape.cell[:, -1], state.cell[0])
    np.testing.assert_array_equal(tape.hidden, y)
    assert Minimal(D, H).cell.recorded == ("forget", "candidate", "recurrent_side")
    assert Unbiased(D, H).cell.recorded == ("record_0", "record_1", "record_2")
    with pytest.raises(gw.GatewiseError, match=r"state is a ndarray; need Coupled\.State\(hidden, cell\)"):
        layer(x, parts[0])


@pytest.mark.parametrize("name", CELLS)
def test_jacobians_are_derivatives_of_a_step(name):
    layer = CELLS[name](D, H, dtype=np.float64, rng=0)
    x, parts = data(layer, True)
    J = gw.jacobians(layer, x, state=packed(layer, parts))[:, 0]
    start, step = np.concatenate([part[0] for part in parts], axis=-1), 1e-5

    def after(whole):
        final = layer(x[:, :1], packed(layer, tuple(np.split(whole[None], len(parts), axis=-1))))[1]
        return np.concatenate([part[0] for part in (final if isinstance(final, tuple) else (final,))], axis=-1)

    for k in range(start.shape[1]):
        unit = step * np.eye(start.shape[1])[k]
        np.testing.assert_allclose(J[:, :, k], (after(start + unit) - after(start - unit)) / (2 * step), atol=1e-8)


@pytest.mark.parametrize(
    ("spoil", "part"),
    [
        (lambda dp, dq, d: ((0.99 * dp[0], *dp[1:]), (0.99 * dq[0], *dq[1:]), d), "gate input"),
        (lambda dp, dq, d: ((dp[0], -dp[1], dp[2]), (dq[0], -dq[1], dq[2]), d), "gate candidate"),
        (lambda dp, dq, d: ((*dp[:2], 0 * dp[2]), (*dq[:2], 0 * dq[2]), d), "gate output"),
        (lambda dp, dq, d: (dp, dq, (d[0], 1.01 * d[1])), "state cell"),
    ],
)
def test_a_wrong_backward_is_caught_with_its_gate(spoil, part, in_numpy):
    def wrong(*arguments):
        return spoil(*coupled_backward(*arguments))

    cell = gw.define_cell("Wrong", gates=Coupled.cell.gates, states=("hidden", "cell"), forward=coupled, backward=wrong)
    report = gw.gradcheck(gw.Sequential(cell(D, H, num_layers=2, rng=0), gw.Dense(H, 2, rng=0)))
    assert not report.ok
    assert {check.part for check in report.checks if check.name == "0.weight_ih_l0"} == {part}
    assert f"0.weight_ih_l0, {part}" in report.table()
    assert not any(check.part for check in report.checks if check.name.startswith("1."))


def test_an_error_on_one_side_is_named_there_only(in_numpy):
    def wrong(*arguments):
        dp, (dq_f, dq_n), d = minimal_backward(*arguments)
        return dp, (dq_f, dp[1] + 0 * dq_n), d

    cell = gw.define_cell("Wrong", gates=("forget", "candidate"), forward=minimal, backward=wrong)
    parts = {check.name: check.part for check in gw.gradcheck(cell(D, H, rng=0)).checks}
    assert parts["weight_hh_l0"] == "gate candidate"


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda thing: pickle.loads(pickle.dumps(thing))])
def test_layers_and_states_are_copied_and_pickled(name, duplicate):
    layer = CELLS[name](D, H, dtype=np.float64, rng=0)
    x, _ = data(layer, True)
    y, state, tape = layer.forward(x)
    twin, final, same = duplicate((layer, state, tape))
    assert type(twin) is CELLS[name]
    np.testing.assert_array_equal(twin(x)[0], y)
    np.testing.assert_array_equal(twin.backward(same, y)[0], layer.backward(tape, y)[0])
    assert type(final) is type(state)


def test_it_stands_in_a_model_and_learns():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(64, 12, 1)).astype(np.float32)
    y = x.sum(axis=1)
    model = gw.Sequential(Coupled(1, 8, rng=0), gw.Last(), gw.Dense(8, 1, rng=0))
    history = gw.train(model, x, y, loss="mse", optimizer=gw.optimizers.Adam(0.02), epochs=15, rng=0)
    assert history[-1]["loss"] < 0.5 * history[0]["loss"]


def test_gradients_in_a_trace_are_those_given():
    pytest.importorskip("xarray")
    layer = Coupled(D, H, dtype=np.float64, rng=0)
    x, _ = data(layer, True)
    seen = gw.trace(layer, x, dy=np.ones((B, T, H)))
    i, da = seen["input"].values, layer.backward(layer.forward(x)[2], np.ones((B, T, H)))[2]["bias_ih_l0"][:H]
    np.testing.assert_allclose((seen["d_input"].values * i * (1 - i)).sum(axis=(0, 1)), da, rtol=1e-10)
    unknown = gw.trace(Leaky(D, H, dtype=np.float64, rng=0), x, dy=np.ones((B, T, H)))
    assert np.isnan(unknown["d_update"]).all()
    assert np.isfinite(unknown["d_hidden"]).all()

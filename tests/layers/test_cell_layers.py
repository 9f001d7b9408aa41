import copy
import pickle

import numpy as np
import pytest
from forms import FORMS, STEPS, pack, parts, random_state

import gatewise as gw


def pair(case, dtype=np.float64, bias=True):
    """A cell and a layer with the same weights."""
    layer_type, cell_type, options, *_ = FORMS[case]
    cell = cell_type(3, 5, dtype=dtype, bias=bias, rng=0, **options)
    layer = layer_type(3, 5, dtype=dtype, bias=bias, rng=1, **options)
    layer.params.update({f"{name}_l0": value for name, value in cell.params.items()})
    return cell, layer


def mapped(function, state):
    return gw.LSTMState(*map(function, state)) if isinstance(state, tuple) else function(state)


@pytest.mark.parametrize("case", STEPS)
@pytest.mark.parametrize("bias", [True, False])
def test_steps_are_those_of_the_layer(case, bias):
    cell, layer = pair(case, bias=bias)
    rng = np.random.default_rng(2)
    x = rng.normal(size=(4, 6, 3))
    initial = random_state(case, rng, (4, 5))
    y, final, tape = layer.forward(x, mapped(lambda a: a[None], initial))
    state, tapes = initial, []
    for t in range(6):
        state, step_tape = cell.forward(x[:, t], state)
        tapes.append(step_tape)
        np.testing.assert_allclose(parts(state)[0], y[:, t], rtol=1e-12, atol=1e-14)
        for name in FORMS[case].values:
            gate = getattr(step_tape, name)
            assert gate.shape == (4, 5)
            np.testing.assert_allclose(gate, getattr(tape, name)[:, t], rtol=1e-12, atol=1e-14)
    for own, whole in zip(parts(state), parts(final), strict=True):
        np.testing.assert_allclose(own, whole[0], rtol=1e-12, atol=1e-14)

    dy = rng.normal(size=y.shape)
    dfinal = random_state(case, rng, (4, 5))
    dx, dinitial, grads = layer.backward(tape, dy, mapped(lambda a: a[None], dfinal))
    dstate, total = dfinal, {name: np.zeros_like(value) for name, value in cell.params.items()}
    for t in reversed(range(6)):
        with_output = (parts(dstate)[0] + dy[:, t], *parts(dstate)[1:])
        dstate = pack(with_output)
        step_dx, dstate, step_grads = cell.backward(tapes[t], dstate)
        np.testing.assert_allclose(step_dx, dx[:, t], rtol=1e-10, atol=1e-12)
        assert list(step_grads) == list(cell.params)
        for name, gradient in step_grads.items():
            total[name] += gradient
    for own, whole in zip(parts(dstate), parts(dinitial), strict=True):
        np.testing.assert_allclose(own, whole[0], rtol=1e-10, atol=1e-12)
    for name, gradient in total.items():
        np.testing.assert_allclose(gradient, grads[f"{name}_l0"], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("case", STEPS)
def test_params_are_named_and_shaped_as_pytorchs(case):
    cell, _ = pair(case)
    G = FORMS[case].gates
    shapes = {"weight_ih": (G * 5, 3), "weight_hh": (G * 5, 5), "bias_ih": (G * 5,), "bias_hh": (G * 5,)}
    assert {name: value.shape for name, value in cell.params.items()} == shapes
    assert list(cell.params) == list(shapes)
    assert list(pair(case, bias=False)[0].params) == ["weight_ih", "weight_hh"]
    for value in cell.params.values():
        assert np.abs(value).max() <= 5**-0.5


@pytest.mark.parametrize("case", STEPS)
def test_the_state_starts_at_0(case):
    cell, _ = pair(case)
    x = np.random.default_rng(0).normal(size=(2, 3))
    zeros = mapped(np.zeros_like, random_state(case, np.random.default_rng(0), (2, 5)))
    for own, given in zip(parts(cell.forward(x)[0]), parts(cell.forward(x, zeros)[0]), strict=True):
        np.testing.assert_array_equal(own, given)


@pytest.mark.parametrize("case", STEPS)
@pytest.mark.parametrize("bias", [True, False])
def test_gradients_pass_the_certificate(case, bias):
    cell, _ = pair(case, np.float32, bias)
    report = gw.gradcheck(cell)
    assert report.ok, report
    states = {"state.h", "state.c"} if len(FORMS[case].cell.states) == 2 else {"state"}
    assert {check.name for check in report.checks} == {*cell.params, "x"} | states


@pytest.mark.parametrize("case", STEPS)
def test_float32_stays_float32(case):
    cell, _ = pair(case, np.float32)
    rng = np.random.default_rng(0)
    x, h = rng.normal(size=(2, 3)).astype(np.float32), random_state(case, rng, (2, 5), np.float32)
    state, tape = cell.forward(x, h)
    dx, dh, grads = cell.backward(tape, state)
    assert {a.dtype for a in (*parts(state), dx, *parts(dh), *grads.values())} == {np.dtype(np.float32)}
    assert {getattr(tape, name).dtype for name in FORMS[case].values} == {np.dtype(np.float32)}
    assert cell.dtype == np.float32
    double = cell.astype(np.float64)
    assert double.dtype == np.float64
    assert type(double) is type(cell)
    for own, more in zip(
        parts(state), parts(double.forward(x.astype(float), mapped(lambda a: a.astype(float), h))[0]), strict=True
    ):
        np.testing.assert_allclose(own, more, rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("case", STEPS)
@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda cell: pickle.loads(pickle.dumps(cell))])
def test_copies_are_whole_and_separate(case, duplicate):
    cell, _ = pair(case)
    x = np.random.default_rng(0).normal(size=(2, 3))
    before = parts(cell.forward(x)[0])[0]
    twin = duplicate(cell)
    np.testing.assert_array_equal(parts(twin.forward(x)[0])[0], before)
    twin.params["weight_ih"] *= 0.5
    assert (parts(twin.forward(x)[0])[0] != before).any()
    np.testing.assert_array_equal(parts(cell.forward(x)[0])[0], before)
    _, tape = cell.forward(x)
    np.testing.assert_array_equal(duplicate(tape).hidden, tape.hidden)


def test_lstm_returns_named_states():
    cell = gw.LSTMCell(3, 4, rng=0)
    state, tape = cell.forward(np.ones((2, 3), np.float32))
    assert isinstance(state, gw.LSTMState)
    np.testing.assert_array_equal(state.c, tape.cell)
    dh = cell.backward(tape, state)[1]
    assert isinstance(dh, gw.LSTMState)
    plain, _ = gw.LSTMCell(3, 4, rng=0).forward(np.ones((2, 3), np.float32), tuple(state))
    assert isinstance(plain, gw.LSTMState)


def test_errors():
    cell, x = gw.GRUCell(3, 5, dtype=np.float64, rng=0), np.ones((2, 3))
    h, tape = cell.forward(x)
    lstm = gw.LSTMCell(3, 5, dtype=np.float64, rng=0)
    wrong = [
        (lambda: cell.forward(x[0]), ValueError, r"x has shape \(3,\); need \(batch, 3\)"),
        (lambda: cell.forward(x[:, :2]), ValueError, r"x has shape \(2, 2\); need \(batch, 3\)"),
        (lambda: cell.forward(x.astype(np.float32)), TypeError, "x has dtype float32; need float64"),
        (lambda: cell.forward(x * np.nan), ValueError, "not finite"),
        (lambda: cell.forward(x, h[:, :4]), ValueError, r"h has shape \(2, 4\); need \(batch, 5\)"),
        (lambda: cell.forward(x, h[:1]), ValueError, r"has shape \(1, 1, 5\)"),
        (lambda: cell.forward(x, h.tolist()), TypeError, "h is a list; need a NumPy array"),
        (lambda: cell.backward(tape, h.astype(np.float32)), TypeError, "dh_next has dtype float32"),
        (lambda: cell.backward(tape.sequence, h), TypeError, "backward of GRUCell got a RecurrentTape as tape"),
        (lambda: gw.GRUCell(3, 4, rng=0).backward(tape, h), ValueError, "dh_next has shape"),
        (lambda: gw.GRUCell(4, 5, dtype=np.float64).backward(tape, h), ValueError, "the tape is another layer's"),
        (lambda: lstm.forward(x, h), TypeError, r"h is a ndarray; need gw.LSTMState\(h, c\)"),
        (lambda: lstm.forward(x, (h, h[:, :1])), ValueError, r"h has shape \(2, 1\); need \(batch, 5\)"),
        (lambda: gw.GRUCell(3, 5, "between"), ValueError, "reset is 'between'; need one of 'after', 'before'"),
        (lambda: gw.RNNCell(3, 5, "sine"), ValueError, "nonlinearity is 'sine'; need one of 'tanh', 'relu'"),
        (lambda: gw.LSTMCell(0, 5), ValueError, "input_size is 0; need at least 1"),
        (lambda: cell.params.update(weight=x), ValueError, "there is no parameter 'weight'"),
    ]
    for call, kind, message in wrong:
        with pytest.raises(gw.GatewiseError, match=message) as caught:
            call()
        assert isinstance(caught.value, kind)
    with pytest.raises(AttributeError, match="the tape holds no 'forget'"):
        _ = tape.forget

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import gatewise as gw


def big(dtype=np.float64, seed=0):
    return gw.Sequential(
        gw.Embedding(9, 3, dtype=dtype, rng=seed),
        gw.Dropout(0.2, variational=True),
        gw.LSTM(3, 4, num_layers=2, dropout=0.3, dtype=dtype, rng=seed + 1),
        gw.Sequential(gw.Dense(4, 5, "tanh", dtype=dtype, rng=seed + 2), gw.Dropout(0.1)),
        gw.GRU(5, 2, bidirectional=True, dtype=dtype, rng=seed + 3),
        gw.Last(bidirectional=True),
        gw.Dense(4, 3, dtype=dtype, rng=seed + 4),
    )


def small(dtype=np.float64):
    return gw.Sequential(
        gw.GRU(3, 4, dtype=dtype, rng=0), gw.LSTM(4, 2, dtype=dtype, rng=1), gw.Dense(2, 1, dtype=dtype, rng=2)
    )


def shares(model):
    """Whether every entry of params is the very array of its layer, all the way down."""
    for i, layer in enumerate(model.layers):
        if isinstance(layer, gw.Sequential) and not shares(layer):
            return False
        if not all(model.params[f"{i}.{name}"] is value for name, value in layer.params.items()):
            return False
    return len(model.params) == sum(len(layer.params) for layer in model.layers)


@given(batch=st.integers(1, 4), time=st.integers(1, 5), seed=st.integers(0, 99), ragged=st.booleans())
def test_forward_and_backward_are_the_layers_in_turn(batch, time, seed, ragged):
    rng = np.random.default_rng(seed)
    model = small()
    gru, lstm, dense = model.layers
    x = rng.normal(size=(batch, time, 3))
    lengths = rng.integers(1, time + 1, batch) if ragged else None
    h0 = rng.normal(size=(1, batch, 4))
    y, state, tape = model.forward(x, (h0, None, None), lengths=lengths)
    a, h, gru_tape = gru.forward(x, h0, lengths=lengths)
    b, hc, lstm_tape = lstm.forward(a, lengths=lengths)
    c, _, dense_tape = dense.forward(b, lengths=lengths)
    np.testing.assert_array_equal(y, c)
    assert isinstance(state, tuple)
    assert state[2] is None
    np.testing.assert_array_equal(state[0], h)
    np.testing.assert_array_equal(np.stack(state[1]), np.stack(hc))
    np.testing.assert_array_equal(tape[0].update, gru_tape.update)
    dy, dh = rng.normal(size=y.shape), rng.normal(size=h.shape)
    dx, dstate, grads = model.backward(tape, dy, (dh, None, None))
    db, _, dense_grads = dense.backward(dense_tape, dy)
    da, dhc, lstm_grads = lstm.backward(lstm_tape, db)
    expected, dh0, gru_grads = gru.backward(gru_tape, da, dh)
    np.testing.assert_array_equal(dx, expected)
    np.testing.assert_array_equal(dstate[0], dh0)
    np.testing.assert_array_equal(np.stack(dstate[1]), np.stack(dhc))
    assert dstate[2] is None
    assert list(grads) == list(model.params)
    for i, part in enumerate((gru_grads, lstm_grads, dense_grads)):
        for name, gradient in part.items():
            np.testing.assert_array_equal(grads[f"{i}.{name}"], gradient)
    np.testing.assert_array_equal(model(x, (h0, None, None), lengths=lengths)[0], y)


@pytest.mark.parametrize("lengths", [None, [5, 1, 3]])
def test_gradients_pass_the_certificate(lengths):
    for model in (small(), big()):
        report = gw.gradcheck(model, lengths=lengths)
        assert report.ok, report
        assert set(model.params) <= {check.name for check in report.checks}


def test_padding_is_ignored_both_ways():
    model = gw.Sequential(gw.Dropout(0.2), *small().layers, gw.Dropout(0.2))
    rng = np.random.default_rng(0)
    lengths = np.array([5, 1, 3])
    padding = np.arange(5) >= lengths[:, None]
    x, dy = rng.normal(size=(3, 5, 3)), rng.normal(size=(3, 5, 1))
    x[padding] = dy[padding] = 0
    clean, _, clean_tape = model.forward(x, lengths=lengths, training=True, rng=1)
    clean_dx, _, clean_grads = model.backward(clean_tape, dy)
    x[padding] = dy[padding] = np.nan
    y, _, tape = model.forward(x, lengths=lengths, training=True, rng=1)
    dx, _, grads = model.backward(tape, dy)
    np.testing.assert_array_equal(y, clean)
    np.testing.assert_array_equal(dx, clean_dx)
    assert not y[padding].any()
    assert not dx[padding].any()
    for name in grads:
        np.testing.assert_array_equal(grads[name], clean_grads[name])


def test_lengths_end_at_last():
    model = gw.Sequential(gw.GRU(3, 4, rng=0), gw.Last(), gw.Dense(4, 2, rng=1))
    x = np.random.default_rng(0).normal(size=(2, 5, 3)).astype(np.float32)
    whole = model(x, lengths=[5, 2])[0]
    cut = model(x[1:, :2])[0]
    np.testing.assert_allclose(whole[1:], cut, rtol=2e-5, atol=1e-6)
    assert not model.keeps_time
    assert small().keeps_time
    assert not gw.Sequential(model).keeps_time


def test_float32_stays_float32():
    model = big(np.float32)
    x = np.random.default_rng(0).integers(0, 9, (3, 5))
    y, state, tape = model.forward(x, lengths=[5, 1, 3], training=True, rng=0)
    dx, dstate, grads = model.backward(tape, np.ones_like(y))
    assert dx is None
    arrays = (y, *state[2], state[4], *dstate[2], dstate[4], *grads.values())
    assert {a.dtype for a in arrays} == {np.dtype(np.float32)}
    assert model.dtype == np.float32
    double = model.astype(np.float64)
    assert double.dtype == np.float64
    assert shares(double)
    assert model.params["2.weight_ih_l0"].dtype == np.float32
    np.testing.assert_allclose(model(x)[0], double(x)[0], rtol=2e-5, atol=1e-6)


def test_dropout_follows_rng():
    model, x = big(), np.arange(9).reshape(1, 9)
    runs = [model.forward(x, training=True, rng=3)[0] for _ in range(2)]
    np.testing.assert_array_equal(*runs)
    assert (model.forward(x, training=True, rng=4)[0] != runs[0]).any()
    assert (model(x)[0] != runs[0]).any()


def test_params_write_through_both_ways():
    model = big()
    assert shares(model)
    inner = model.layers[3].layers[0]
    model.params["3.0.weight"] = np.full((5, 4), 7.0)
    assert (inner.params["weight"] == 7).all()
    inner.params["weight"][0] = 8
    assert (model.params["3.0.weight"][0] == 8).all()
    inner.params["bias"] = np.arange(5.0)
    np.testing.assert_array_equal(model.params["3.0.bias"], np.arange(5.0))
    model.params["0.weight"] += 1
    np.testing.assert_array_equal(model.layers[0].params["weight"], model.params["0.weight"])
    assert shares(model)
    expected = ["0.weight", "2.weight_ih_l0", "2.weight_hh_l0"]
    assert list(model.params)[:3] == expected


@pytest.mark.parametrize("protocol", [None, *range(2, pickle.HIGHEST_PROTOCOL + 1)])
def test_copies_still_share_their_arrays(protocol):
    model, x = big(), np.arange(6).reshape(2, 3)
    twin = copy.deepcopy(model) if protocol is None else pickle.loads(pickle.dumps(model, protocol))
    assert shares(twin)
    np.testing.assert_array_equal(twin(x)[0], model(x)[0])
    twin.params["6.bias"] += 1
    np.testing.assert_allclose(twin(x)[0], model(x)[0] + 1, rtol=1e-12)
    copied = copy.copy(model)
    assert copied.params is model.params


def test_state_is_carried():
    model = small()
    x = np.random.default_rng(0).normal(size=(2, 6, 3))
    whole, final = model(x)
    first, state = model(x[:, :2])
    second, state = model(x[:, 2:], state)
    np.testing.assert_allclose(np.concatenate([first, second], axis=1), whole, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(state[0], final[0], rtol=1e-12)


def test_sizes_pass_through_nested_models():
    inner = gw.Sequential(gw.Dropout(0.1), gw.Dense(4, 6, rng=0))
    assert (inner.input_size, inner.output_size) == (4, 6)
    model = gw.Sequential(gw.GRU(3, 4, rng=0), inner, gw.Dropout(0.5), gw.Dense(6, 2, rng=1))
    assert (model.input_size, model.output_size) == (3, 2)
    assert model(np.zeros((1, 2, 3), np.float32))[0].shape == (1, 2, 2)
    assert gw.Sequential(gw.Last()).input_size is None
    assert gw.Sequential(gw.Last()).output_size is None
    assert gw.Sequential(gw.Embedding(5, 2), gw.GRU(2, 3)).input_size is None
    assert "Sequential(Dropout(p=0.1" in repr(model)


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        (lambda: [], "Sequential got no layers; need at least one"),
        (lambda: [gw.GRU(3, 4), 5], "layer 1 is a int; need a gatewise layer"),
        (lambda: [[gw.GRU(3, 4)]], "layer 0 is a list; need a gatewise layer"),
        (lambda: [gw.GRUCell(3, 4)], "layer 0 is a GRUCell; need a gatewise layer"),
        (
            lambda: [gw.GRU(3, 4), gw.Last(), gw.Dense(5, 2)],
            r"layer 2 \(Dense\) takes inputs of size 5; the layer before gives 4",
        ),
        (
            lambda: [gw.GRU(3, 4, bidirectional=True), gw.Dense(4, 2)],
            "takes inputs of size 4; the layer before gives 8",
        ),
        (lambda: [gw.Embedding(9, 3), gw.GRU(4, 4)], "takes inputs of size 4; the layer before gives 3"),
        (
            lambda: [gw.GRU(3, 4), gw.Sequential(gw.Dense(5, 2))],
            r"layer 1 \(Sequential\) takes inputs of size 5; the layer before gives 4",
        ),
        (
            lambda: [gw.GRU(3, 4), gw.Sequential(gw.Dense(4, 6)), gw.Dense(4, 2)],
            "takes inputs of size 4; the layer before gives 6",
        ),
        (
            lambda: [gw.GRU(3, 4), gw.Dropout(0.1), gw.Dense(4, 2, dtype=np.float64)],
            "layer 2 has dtype float64; those before have float32",
        ),
    ],
)
def test_layers_that_do_not_fit(layers, message):
    with pytest.raises(gw.GatewiseError, match=message):
        gw.Sequential(*layers())


def test_errors_name_the_layer():
    model = small()
    x = np.zeros((2, 5, 3))
    with pytest.raises(gw.GatewiseError, match=r"^layer 0 \(GRU\): x has shape \(2, 5, 2\)") as caught:
        model(x[..., :2])
    assert isinstance(caught.value, ValueError)
    with pytest.raises(gw.GatewiseError, match=r"^layer 0 \(GRU\): x has dtype float32") as caught:
        model(x.astype(np.float32))
    assert isinstance(caught.value, TypeError)
    with pytest.raises(gw.GatewiseError, match=r"^layer 1 \(LSTM\): state is a ndarray; need gw.LSTMState"):
        model(x, (None, np.zeros((1, 2, 2)), None))
    with pytest.raises(gw.GatewiseError, match=r"^layer 0 \(GRU\): lengths\[0\] is 6; need 1 to 5"):
        model(x, lengths=[6, 1])
    nested = gw.Sequential(gw.Dropout(0.1), gw.Sequential(gw.Last(), gw.Dense(3, 2, dtype=np.float64, rng=0)))
    with pytest.raises(gw.GatewiseError, match=r"^layer 1 \(Sequential\): layer 1 \(Dense\): x has shape \(2, 4\)"):
        nested(np.zeros((2, 5, 4)))
    y, _, tape = model.forward(x)
    with pytest.raises(gw.GatewiseError, match=r"^layer 2 \(Dense\): dy has shape \(2, 5\)"):
        model.backward(tape, y[..., 0])
    with pytest.raises(gw.GatewiseError, match="backward of Sequential got a tuple as tape"):
        model.backward(tape.tapes, y)
    for wrong in ((None, None), 5, np.zeros((1, 2, 4))):
        with pytest.raises(gw.GatewiseError, match=r"state must be a tuple with one entry per layer \(3\)"):
            model(x, wrong)
        with pytest.raises(gw.GatewiseError, match=r"dstate must be a tuple with one entry per layer \(3\)"):
            model.backward(tape, y, wrong)

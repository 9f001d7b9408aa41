import copy
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import gatewise as gw

PLAIN = {
    None: lambda a: a,
    "relu": lambda a: np.where(a > 0, a, 0),
    "tanh": np.tanh,
    "sigmoid": lambda a: 1 / (1 + np.exp(-a)),
}


def dense_and_x(shape, activation=None, dtype=np.float64, seed=0, **options):
    rng = np.random.default_rng(seed)
    layer = gw.Dense(shape[-1], 3, activation, dtype=dtype, rng=rng, **options)
    return layer, rng.normal(size=shape).astype(dtype)


@pytest.mark.parametrize("activation", PLAIN)
@given(shape=st.lists(st.integers(1, 4), min_size=2, max_size=4), bias=st.booleans(), seed=st.integers(0, 99))
def test_forward_is_the_formula(activation, shape, bias, seed):
    layer, x = dense_and_x(shape, activation, bias=bias, seed=seed)
    y, state, _ = layer.forward(x)
    b = layer.params["bias"] if bias else 0
    np.testing.assert_allclose(y, PLAIN[activation](np.einsum("...i,oi->...o", x, layer.params["weight"]) + b), 1e-12)
    assert state is None
    np.testing.assert_array_equal(layer(x)[0], y)
    assert layer(x)[1] is None


@pytest.mark.parametrize("activation", PLAIN)
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(4, 3), (2, 5, 3), (2, 2, 3, 4)])
def test_gradients_pass_the_certificate(activation, bias, shape):
    layer, x = dense_and_x(shape, activation, bias=bias)
    report = gw.gradcheck(layer, x)
    assert report.ok, report
    assert {check.name for check in report.checks} == {"x", *layer.params}


def test_gradients_with_lengths_pass_the_certificate():
    layer, x = dense_and_x((3, 5, 2), "sigmoid")
    report = gw.gradcheck(layer, x, lengths=[5, 1, 3])
    assert report.ok, report


def test_backward_by_hand():
    layer = gw.Dense(2, 1, "tanh", dtype=np.float64, rng=0)
    layer.params["weight"] = np.array([[0.5, -1.5]])
    layer.params["bias"] = np.array([0.25])
    x = np.array([[1.0, 2.0]])
    y, _, tape = layer.forward(x)
    dx, dstate, grads = layer.backward(tape, np.array([[3.0]]))
    da = 3 * (1 - np.tanh(-2.25) ** 2)
    np.testing.assert_allclose(y, [[np.tanh(-2.25)]], rtol=1e-14)
    np.testing.assert_allclose(dx, [[da * 0.5, da * -1.5]], rtol=1e-12)
    np.testing.assert_allclose(grads["weight"], [[da, 2 * da]], rtol=1e-12)
    np.testing.assert_allclose(grads["bias"], [da], rtol=1e-12)
    assert dstate is None
    assert list(grads) == ["weight", "bias"]


@pytest.mark.parametrize("garbage", [np.nan, np.inf, 1e9])
def test_padding_is_0_and_ignored_both_ways(garbage):
    layer, x = dense_and_x((3, 5, 2), "sigmoid")
    lengths = np.array([5, 1, 3])
    padding = np.arange(5) >= lengths[:, None]
    dy = np.random.default_rng(1).normal(size=(3, 5, 3))
    clean_x, clean_dy = np.where(padding[..., None], 0, x), np.where(padding[..., None], 0, dy)
    x[padding], dy[padding] = garbage, garbage
    y, _, tape = layer.forward(x, lengths=lengths)
    dx, _, grads = layer.backward(tape, dy)
    assert not y[padding].any()
    assert not dx[padding].any()
    whole, _, tape = layer.forward(clean_x)
    clean_dx, _, clean_grads = layer.backward(tape, clean_dy)
    np.testing.assert_array_equal(y[~padding], whole[~padding])
    np.testing.assert_array_equal(dx, clean_dx)
    for name in grads:
        np.testing.assert_array_equal(grads[name], clean_grads[name])


@pytest.mark.parametrize("activation", PLAIN)
def test_float32_stays_float32(activation):
    layer, x = dense_and_x((2, 4, 3), activation, np.float32)
    y, _, tape = layer.forward(x, lengths=[4, 2])
    dx, _, grads = layer.backward(tape, np.ones_like(y))
    assert {a.dtype for a in (y, dx, *grads.values(), *layer.params.values())} == {np.dtype(np.float32)}
    double = layer.astype(np.float64)(x.astype(np.float64), lengths=[4, 2])[0]
    np.testing.assert_allclose(y, double, rtol=2e-5, atol=1e-6)


def test_tape_keeps_the_pass_it_came_from():
    layer, x = dense_and_x((4, 2), "tanh")
    y, _, tape = layer.forward(x)
    dy = np.random.default_rng(2).normal(size=y.shape)
    first = layer.backward(tape, dy)
    x[...] = np.nan
    y[...] = np.nan
    for value in layer.params.values():
        value[...] = 0
    second = layer.backward(tape, dy)
    np.testing.assert_array_equal(first[0], second[0])
    for name, gradient in first[2].items():
        np.testing.assert_array_equal(gradient, second[2][name])


def test_starts_like_pytorchs_linear():
    layer = gw.Dense(100, 200, rng=0)
    for value in layer.params.values():
        assert 0.097 < np.abs(value).max() <= 0.1
        assert abs(value.mean()) < 0.01
    assert {name: value.shape for name, value in layer.params.items()} == {"weight": (200, 100), "bias": (200,)}
    np.testing.assert_array_equal(layer.params["weight"], gw.Dense(100, 200, rng=0).params["weight"])
    assert (layer.params["weight"] != gw.Dense(100, 200, rng=1).params["weight"]).all()


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda layer: pickle.loads(pickle.dumps(layer))])
def test_copies_are_whole_and_separate(duplicate):
    layer, x = dense_and_x((4, 2), "relu")
    twin = duplicate(layer)
    np.testing.assert_array_equal(twin(x)[0], layer(x)[0])
    assert twin.config() == layer.config()
    twin.params["weight"] += 1
    assert (twin.params["weight"] != layer.params["weight"]).all()


@pytest.mark.parametrize(
    ("x", "kind", "message"),
    [
        (np.zeros((2, 4)), ValueError, r"x has shape \(2, 4\); need \(axis 0, 3\)"),
        (np.zeros((2, 5, 4)), ValueError, r"x has shape \(2, 5, 4\); need \(axis 0, axis 1, 3\)"),
        (np.zeros(3), ValueError, r"x has shape \(3,\); need \(axis 0, 3\)"),
        (np.zeros((2, 3), np.float32), TypeError, "x has dtype float32; need float64"),
        (np.zeros((2, 3), int), TypeError, "x has dtype int64; need float64"),
        ([[1.0, 2.0, 3.0]], TypeError, "x is a list; need a NumPy array"),
        ([[1.0, 2.0], [3.0]], TypeError, "x is a list; need a NumPy array"),
        (np.array([[0, np.nan, 0]]), ValueError, r"not finite, the first nan at x\[0, 1\]"),
    ],
)
def test_wrong_input(x, kind, message):
    layer = gw.Dense(3, 2, dtype=np.float64, rng=0)
    with pytest.raises(gw.GatewiseError, match=message) as caught:
        layer.forward(x)
    assert isinstance(caught.value, kind)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"input_size": 0}, "input_size is 0; need at least 1"),
        ({"output_size": 2.0}, "output_size is 2.0; need an integer"),
        ({"activation": "gelu"}, "activation is 'gelu'; need one of None, 'sigmoid', 'tanh', 'relu'"),
        ({"dtype": np.float16}, "need float32 or float64"),
        ({"rng": "now"}, "rng is 'now'; need None, an integer"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(gw.GatewiseError, match=message):
        gw.Dense(**({"input_size": 3, "output_size": 2} | arguments))


def test_wrong_calls():
    layer, x = dense_and_x((2, 4, 3))
    y, _, tape = layer.forward(x)
    with pytest.raises(gw.GatewiseError, match=r"dy has shape \(2, 4, 2\); need \(2, 4, 3\)"):
        layer.backward(tape, y[..., :2])
    with pytest.raises(gw.GatewiseError, match="dy has dtype float32; need float64"):
        layer.backward(tape, y.astype(np.float32))
    with pytest.raises(gw.GatewiseError, match="backward of Dense got a tuple as tape"):
        layer.backward((x, y), y)
    with pytest.raises(gw.GatewiseError, match=r"lengths\[1\] is 5; need 1 to 4"):
        layer.forward(x, lengths=[4, 5])
    with pytest.raises(gw.GatewiseError, match=r"lengths need x \(batch, time, features\)"):
        layer.forward(x[:, 0], lengths=[4, 4])

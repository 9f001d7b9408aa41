"""Softmax and Reverse: the layers that models of other frameworks need."""

import numpy as np
import pytest

import gatewise as gw
from gatewise.descriptions import describe, rebuild

X = np.random.default_rng(0).normal(size=(3, 5, 4))


@pytest.mark.parametrize("layer", [gw.Softmax(), gw.Reverse()], ids=repr)
@pytest.mark.parametrize("lengths", [None, [5, 1, 3]])
def test_gradients_pass_the_certificate(layer, lengths):
    report = gw.gradcheck(layer, X, lengths=lengths)
    assert report.ok, report


def test_softmax_is_the_formula_for_any_axes_and_size_of_numbers():
    for x in (X, X[:, 0], X * 1000):
        y, state = gw.Softmax()(x)
        expected = np.array([[float(v) for v in row] for row in x.reshape(-1, 4)])
        expected = np.exp(expected - expected.max(axis=1)[:, None])
        expected /= expected.sum(axis=1)[:, None]
        np.testing.assert_allclose(y, expected.reshape(x.shape), rtol=1e-13)
        assert state is None
    y, _ = gw.Softmax()(X, lengths=[5, 1, 3])
    assert not y[1, 1:].any()
    np.testing.assert_allclose(y[2, :3].sum(axis=-1), 1)


def test_reverse_is_within_each_length_and_its_own_inverse():
    y, _ = gw.Reverse()(X, lengths=[5, 1, 3])
    for row, length in enumerate([5, 1, 3]):
        assert np.array_equal(y[row, :length], X[row, :length][::-1])
        assert not y[row, length:].any()
    assert np.array_equal(gw.Reverse()(gw.Reverse()(X)[0])[0], X)


def test_a_reversed_layer_is_the_reverse_direction_of_a_bidirectional_one():
    both = gw.GRU(4, 3, bidirectional=True, dtype="float64", rng=0)
    one = gw.GRU(4, 3, dtype="float64")
    one.params.update({name: both.params[f"{name}_reverse"] for name in one.params})
    y, _ = gw.Sequential(gw.Reverse(), one, gw.Reverse())(X, lengths=[5, 1, 3])
    assert np.array_equal(y, both(X, lengths=[5, 1, 3])[0][:, :, 3:])


def test_steps_and_descriptions():
    model = gw.Sequential(gw.RNN(4, 3, dtype="float64", rng=0), gw.Softmax())
    stream, whole = model.stepper(3), model(X)[0]
    np.testing.assert_allclose(np.stack([stream.step(X[:, t]) for t in range(5)], axis=1), whole, rtol=1e-12)
    with pytest.raises(gw.GatewiseError, match="Reverse cannot step"):
        gw.Sequential(gw.Reverse(), model).stepper()
    both = gw.Sequential(gw.Reverse(), *model.layers)
    again = rebuild(describe(both), dict(both.params))
    assert np.array_equal(again(X)[0], both(X)[0])


@pytest.mark.parametrize("layer", [gw.Softmax(), gw.Reverse()], ids=repr)
def test_tapes_and_types_are_checked(layer):
    _, _, tape = layer.forward(X)
    with pytest.raises(gw.GatewiseError, match="another layer's"):
        type(layer)().backward(tape, X)
    with pytest.raises(gw.GatewiseError, match="dtype"):
        layer(X.astype(int))

"""Small models, data and a training loop written by hand, for the tests of training."""

import numpy as np

import gatewise as gw
from gatewise.losses import mse


def model(dtype=np.float64, outputs=1, seed=0):
    return gw.Sequential(
        gw.GRU(2, 4, dtype=dtype, rng=seed), gw.Last(), gw.Dense(4, outputs, dtype=dtype, rng=seed + 1)
    )


def per_step(outputs=1, seed=0):
    return gw.Sequential(gw.GRU(2, 4, dtype=np.float64, rng=seed), gw.Dense(4, outputs, dtype=np.float64, rng=seed + 1))


def data(n=20, time=5, dtype=np.float64, seed=0):
    x = np.random.default_rng(seed).normal(size=(n, time, 2)).astype(dtype)
    return x, x.sum(axis=(1, 2), keepdims=True)[:, 0]


def sgd(lr=0.05):
    return gw.optimizers.SGD(lr)


def copies(net):
    return {name: value.copy() for name, value in net.params.items()}


def assert_same(arrays, expected, **tolerance):
    assert list(arrays) == list(expected)
    for name, value in arrays.items():
        np.testing.assert_allclose(value, expected[name], **({"rtol": 0, "atol": 0} | tolerance), err_msg=name)


def step_by_hand(net, optimizer, x, y, *, loss=mse, weights=None, lengths=None, clip=np.inf):
    """One update; returns the loss."""
    prediction, _, tape = net.forward(x, lengths=lengths)
    value, gradient = loss(prediction, y) if weights is None else loss(prediction, y, weights=weights)
    _, _, grads = net.backward(tape, gradient)
    gw.clip_by_global_norm(grads, clip)
    optimizer.step(net.params, grads)
    return value

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import gatewise as gw


@given(
    shape=st.lists(st.integers(1, 5), min_size=2, max_size=4),
    p=st.floats(0, 1),
    variational=st.booleans(),
    seed=st.integers(0, 99),
)
def test_training_is_a_mask_times_x(shape, p, variational, seed):
    x = np.random.default_rng(seed).normal(size=shape)
    drop = gw.Dropout(p, variational)
    y, state, tape = drop.forward(x, training=True, rng=seed)
    mask, _, _ = drop.forward(np.ones(shape), training=True, rng=seed)
    np.testing.assert_array_equal(y, x * mask)
    kept = 0.0 if p == 1 else 1 / (1 - p)
    assert ((mask == 0) | (np.abs(mask - kept) <= 1e-15 * kept)).all()
    if p in (0, 1):
        assert (mask == 1 - p).all()
    if variational and len(shape) > 2:
        assert (mask == mask[:, :1]).all()
    dx, dstate, grads = drop.backward(tape, x)
    np.testing.assert_array_equal(dx, x * mask)
    assert (state, dstate, grads) == (None, None, {})


@pytest.mark.parametrize("variational", [False, True])
def test_share_of_zeros_and_mean(variational):
    y, _, _ = gw.Dropout(0.3, variational).forward(np.ones((2000, 4, 25)), training=True, rng=0)
    assert abs((y == 0).mean() - 0.3) < 0.005
    assert abs(y.mean() - 1) < 0.01


def test_masks_of_steps_differ_unless_variational():
    x = np.ones((3, 10, 20))
    plain, _, _ = gw.Dropout(0.5).forward(x, training=True, rng=0)
    fixed, _, _ = gw.Dropout(0.5, variational=True).forward(x, training=True, rng=0)
    assert (plain != plain[:, :1]).any()
    assert (fixed == fixed[:, :1]).all()
    assert (fixed[0] != fixed[1]).any()


def test_inference_is_the_identity():
    x = np.random.default_rng(0).normal(size=(2, 3, 4))
    drop = gw.Dropout(0.9)
    np.testing.assert_array_equal(drop(x)[0], x)
    y, _, tape = drop.forward(x)
    np.testing.assert_array_equal(y, x)
    np.testing.assert_array_equal(drop.backward(tape, 2 * x)[0], 2 * x)


def test_masks_follow_rng():
    x = np.ones((5, 6, 7))
    drop = gw.Dropout(0.5)
    same = [drop.forward(x, training=True, rng=4)[0] for _ in range(2)]
    np.testing.assert_array_equal(*same)
    source = np.random.default_rng(4)
    np.testing.assert_array_equal(drop.forward(x, training=True, rng=source)[0], same[0])
    assert (drop.forward(x, training=True, rng=source)[0] != same[0]).any()
    assert (drop.forward(x, training=True)[0] != drop.forward(x, training=True)[0]).any()


@pytest.mark.parametrize("p", [0, 0.4, 1])
@pytest.mark.parametrize("variational", [False, True])
@pytest.mark.parametrize("lengths", [None, [5, 1, 3]])
def test_gradients_pass_the_certificate(p, variational, lengths):
    report = gw.gradcheck(gw.Dropout(p, variational), lengths=lengths)
    assert report.ok, report
    assert [check.name for check in report.checks] == ["x"]


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("garbage", [np.nan, np.inf])
def test_padding_is_0_and_ignored_both_ways(training, garbage):
    x = np.full((2, 4, 3), garbage)
    x[0], x[1, :2] = 1, 1
    drop = gw.Dropout(0.5)
    y, _, tape = drop.forward(x, lengths=[4, 2], training=training, rng=0)
    dx, _, _ = drop.backward(tape, x)
    assert not y[1, 2:].any()
    np.testing.assert_array_equal(dx, y)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtype_stays(dtype):
    x = np.ones((2, 3), dtype)
    drop = gw.Dropout(0.3)
    y, _, tape = drop.forward(x, training=True, rng=0)
    assert y.dtype == drop.backward(tape, y)[0].dtype == dtype


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda layer: pickle.loads(pickle.dumps(layer))])
def test_copies(duplicate):
    twin = duplicate(gw.Dropout(0.3, variational=True))
    assert repr(twin) == "Dropout(p=0.3, variational=True)"
    assert twin.params == {}


def test_wrong_arguments_and_calls():
    for p in (-0.1, 1.5, np.nan):
        with pytest.raises(gw.GatewiseError, match=r"p is .*; need at least 0 and at most 1"):
            gw.Dropout(p)
    with pytest.raises(gw.GatewiseError, match=r"p is '0.5'; need a number"):
        gw.Dropout("0.5")
    drop = gw.Dropout(0.5)
    with pytest.raises(gw.GatewiseError, match="need float32 or float64"):
        drop.forward(np.ones((2, 3), int))
    with pytest.raises(gw.GatewiseError, match="x is a list; need a NumPy array"):
        drop.forward([[1.0]])
    with pytest.raises(gw.GatewiseError, match=r"not finite, the first nan at x\[0, 0\]"):
        drop.forward(np.full((1, 1), np.nan))
    with pytest.raises(gw.GatewiseError, match="rng is 'x'; need None"):
        drop.forward(np.ones((2, 3)), training=True, rng="x")
    with pytest.raises(gw.GatewiseError, match=r"lengths\[0\] is 9; need 1 to 4"):
        drop.forward(np.ones((1, 4, 3)), lengths=[9])
    y, _, tape = drop.forward(np.ones((2, 3)))
    with pytest.raises(gw.GatewiseError, match=r"dy has shape \(2, 2\); need \(2, 3\)"):
        drop.backward(tape, y[:, :2])
    with pytest.raises(gw.GatewiseError, match="dy has dtype float32; need float64"):
        drop.backward(tape, y.astype(np.float32))
    with pytest.raises(gw.GatewiseError, match="backward of Dropout got a list as tape"):
        drop.backward([], y)

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import gatewise as gw


@given(
    batch=st.integers(0, 4),
    time=st.integers(1, 5),
    half=st.integers(1, 3),
    bidirectional=st.booleans(),
    ragged=st.booleans(),
    seed=st.integers(0, 99),
)
def test_forward_and_backward_are_the_formula(batch, time, half, bidirectional, ragged, seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(batch, time, 2 * half))
    lengths = rng.integers(1, time + 1, batch) if ragged else None
    last = gw.Last(bidirectional)
    y, state, tape = last.forward(x, lengths=lengths)
    dy = rng.normal(size=y.shape)
    dx, dstate, grads = last.backward(tape, dy)
    assert y.shape == (batch, 2 * half)
    assert (state, dstate, grads) == (None, None, {})
    expected = np.zeros_like(x)
    for b in range(batch):
        for k in range(2 * half):
            t = 0 if bidirectional and k >= half else (lengths[b] if ragged else time) - 1
            assert y[b, k] == x[b, t, k]
            expected[b, t, k] = dy[b, k]
    np.testing.assert_array_equal(dx, expected)


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("lengths", [None, [5, 1, 3]])
def test_gradients_pass_the_certificate(bidirectional, lengths):
    report = gw.gradcheck(gw.Last(bidirectional), lengths=lengths)
    assert report.ok, report


@pytest.mark.parametrize("kind", [gw.GRU, gw.LSTM, gw.RNN])
@pytest.mark.parametrize("lengths", [None, [6, 1, 4]])
def test_bidirectional_takes_the_finished_states_of_both_directions(kind, lengths):
    rng = np.random.default_rng(0)
    layer = kind(3, 4, bidirectional=True, dtype=np.float64, rng=rng)
    y, state = layer(rng.normal(size=(3, 6, 3)), lengths=lengths)
    h = state.h if kind is gw.LSTM else state
    taken, _ = gw.Last(bidirectional=True)(y, lengths=lengths)
    np.testing.assert_array_equal(taken, np.concatenate([h[0], h[1]], axis=-1))
    assert (gw.Last()(y, lengths=lengths)[0][0] != taken[0]).any()


def test_padding_is_ignored_both_ways():
    x = np.full((2, 4, 2), np.nan)
    x[0], x[1, :2] = 1, [[2, 3], [4, 5]]
    last = gw.Last()
    y, _, tape = last.forward(x, lengths=[4, 2])
    np.testing.assert_array_equal(y, [[1, 1], [4, 5]])
    assert not last.backward(tape, y)[0][1, [0, 2, 3]].any()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtype_stays_and_output_is_a_copy(dtype):
    x = np.ones((2, 3, 2), dtype)
    last = gw.Last()
    y, _, tape = last.forward(x)
    assert y.dtype == last.backward(tape, y)[0].dtype == dtype
    y[...] = 5
    assert (x == 1).all()


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda layer: pickle.loads(pickle.dumps(layer))])
def test_copies(duplicate):
    assert repr(duplicate(gw.Last(bidirectional=True))) == "Last(bidirectional=True)"
    assert not gw.Last.keeps_time


def test_wrong_input_and_calls():
    last = gw.Last()
    with pytest.raises(gw.GatewiseError, match=r"x has shape \(2, 3\); need \(batch, time, features\)"):
        last.forward(np.ones((2, 3)))
    with pytest.raises(gw.GatewiseError, match=r"x has shape \(2, 0, 3\); need at least one time step"):
        last.forward(np.ones((2, 0, 3)))
    with pytest.raises(gw.GatewiseError, match="x has 3 features; need an even number"):
        gw.Last(bidirectional=True).forward(np.ones((2, 2, 3)))
    with pytest.raises(gw.GatewiseError, match="need float32 or float64"):
        last.forward(np.ones((2, 2, 3), int))
    with pytest.raises(gw.GatewiseError, match="x is a list"):
        last.forward([[[1.0]]])
    with pytest.raises(gw.GatewiseError, match=r"lengths\[1\] is 0; need 1 to 2"):
        last.forward(np.ones((2, 2, 3)), lengths=[1, 0])
    y, _, tape = last.forward(np.ones((2, 2, 3)))
    with pytest.raises(gw.GatewiseError, match=r"dy has shape \(2, 2, 3\); need \(2, 3\)"):
        last.backward(tape, np.ones((2, 2, 3)))
    with pytest.raises(gw.GatewiseError, match="dy has dtype float32; need float64"):
        last.backward(tape, y.astype(np.float32))
    with pytest.raises(gw.GatewiseError, match="backward of Last got a"):
        last.backward(y, y)

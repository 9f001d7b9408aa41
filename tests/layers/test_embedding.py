import copy
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import gatewise as gw


@given(
    shape=st.lists(st.integers(0, 4), min_size=1, max_size=3), kind=st.sampled_from("bhilBHIL"), seed=st.integers(0, 99)
)
def test_forward_and_backward_are_the_formula(shape, kind, seed):
    rng = np.random.default_rng(seed)
    table = gw.Embedding(6, 3, dtype=np.float64, rng=rng)
    x = rng.integers(0, 6, shape).astype(kind)
    y, state, tape = table.forward(x)
    dy = rng.normal(size=y.shape)
    dx, dstate, grads = table.backward(tape, dy)
    assert y.shape == (*shape, 3)
    assert (state, dx, dstate) == (None, None, None)
    expected = np.zeros((6, 3))
    for at in np.ndindex(*shape):
        np.testing.assert_array_equal(y[at], table.params["weight"][int(x[at])])
        expected[int(x[at])] += dy[at]
    np.testing.assert_allclose(grads["weight"], expected, rtol=1e-13, atol=1e-14)
    np.testing.assert_array_equal(table(x)[0], y)


@pytest.mark.parametrize("lengths", [None, [5, 1, 3]])
def test_gradients_pass_the_certificate(lengths):
    table = gw.Embedding(7, 4, rng=0)
    report = gw.gradcheck(table, lengths=lengths, samples=28)
    assert report.ok, report
    assert [check.name for check in report.checks] == ["weight"]


@pytest.mark.parametrize("padding", [-1, 99, 2])
def test_padding_is_0_and_ignored_both_ways(padding):
    table = gw.Embedding(6, 2, dtype=np.float64, rng=0)
    x = np.array([[1, 2, 3, 1], [4, padding, padding, padding]])
    y, _, tape = table.forward(x, lengths=[4, 1])
    assert not y[1, 1:].any()
    dy = np.random.default_rng(0).normal(size=y.shape)
    dy[1, 1:] = np.nan
    _, _, grads = table.backward(tape, dy)
    expected = np.zeros((6, 2))
    expected[[1, 2, 3, 4]] = dy[0, 0] + dy[0, 3], dy[0, 1], dy[0, 2], dy[1, 0]
    np.testing.assert_allclose(grads["weight"], expected, rtol=1e-14)


def test_float32_stays_float32_and_output_is_a_copy():
    table = gw.Embedding(6, 2, rng=0)
    before = table.params["weight"].copy()
    for lengths in (None, [2]):
        y, _, tape = table.forward(np.array([[1, 2]]), lengths=lengths)
        grads = table.backward(tape, np.ones_like(y))[2]
        assert y.dtype == grads["weight"].dtype == np.float32
        y += 1
    np.testing.assert_array_equal(table.params["weight"], before)


def test_starts_standard_normal_from_the_seed():
    weight = gw.Embedding(200, 100, rng=3).params["weight"]
    assert abs(weight.mean()) < 0.02
    assert abs(weight.std() - 1) < 0.02
    np.testing.assert_array_equal(weight, gw.Embedding(200, 100, rng=3).params["weight"])


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda layer: pickle.loads(pickle.dumps(layer))])
def test_copies_are_whole_and_separate(duplicate):
    table = gw.Embedding(6, 2, rng=0)
    twin = duplicate(table)
    np.testing.assert_array_equal(twin.params["weight"], table.params["weight"])
    twin.params["weight"] += 1
    assert (twin.params["weight"] != table.params["weight"]).all()


@pytest.mark.parametrize(
    ("x", "kind", "message"),
    [
        (np.array([[0, 6]]), ValueError, r"x\[0, 1\] is 6; need 0 to 5"),
        (np.array([[-1, 2]]), ValueError, r"x\[0, 0\] is -1; need 0 to 5"),
        (np.array([[0.0, 1.0]]), TypeError, "x is float64; need an array of integers"),
        (np.array([[True]]), TypeError, "x is bool; need an array of integers"),
        ([[0, 1]], TypeError, "x is list; need an array of integers"),
    ],
)
def test_wrong_input(x, kind, message):
    with pytest.raises(gw.GatewiseError, match=message) as caught:
        gw.Embedding(6, 2, rng=0).forward(x)
    assert isinstance(caught.value, kind)


def test_wrong_arguments_and_calls():
    with pytest.raises(gw.GatewiseError, match="count is 0; need at least 1"):
        gw.Embedding(0, 2)
    with pytest.raises(gw.GatewiseError, match="size is True; need an integer"):
        gw.Embedding(3, True)
    table = gw.Embedding(6, 2, rng=0)
    y, _, tape = table.forward(np.array([[1, 2]]))
    with pytest.raises(gw.GatewiseError, match=r"dy has shape \(2, 2\); need \(1, 2, 2\)"):
        table.backward(tape, y[0])
    with pytest.raises(gw.GatewiseError, match="backward of Embedding got a NoneType as tape"):
        table.backward(None, y)
    with pytest.raises(gw.GatewiseError, match=r"lengths\[0\] is 0; need 1 to 2"):
        table.forward(np.array([[1, 2]]), lengths=[0])
    with pytest.raises(gw.GatewiseError, match=r"x has shape \(2,\); need \(batch, time\)"):
        table.forward(np.array([1, 2]), lengths=[1, 1])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", [np.uint8, np.int32, np.int64])
def test_gradients_of_a_row_are_summed_in_their_order(dtype, kind):
    rng = np.random.default_rng(0)
    x = (rng.zipf(1.5, (40, 50)) % 50).astype(kind)
    table = gw.Embedding(60, 7, dtype=dtype, rng=0)
    y, _, tape = table.forward(x, lengths=rng.integers(1, 51, 40))
    dy = (rng.standard_normal(y.shape) * 10.0 ** rng.integers(-6, 6, y.shape)).astype(dtype)
    grads = table.backward(tape, dy)[2]["weight"]
    expected = np.zeros((60, 7), dtype)
    np.add.at(expected, x, np.where((np.arange(50) < tape.lengths[:, None])[..., None], dy, 0))
    np.testing.assert_array_equal(grads, expected)
    assert grads.dtype == dtype
    assert grads.flags.c_contiguous
    assert grads.flags.writeable
    none = table.forward(x[:0])
    assert not table.backward(none[2], none[0])[2]["weight"].any()

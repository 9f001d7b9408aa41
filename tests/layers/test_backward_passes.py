"""The passes over time that a backward pass consists of come as a result, in the order of the tape."""

import numpy as np
import pytest

import gatewise as gw
from gatewise.layers.parts import recurrent_parts

B, T, D, H = 3, 5, 2, 4


def rows(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def assert_same(got, need):
    assert got.keys() == need.keys()
    for name, array in got.items():
        np.testing.assert_array_equal(array, need[name])


@pytest.mark.parametrize("lengths", [None, [5, 1, 3]])
@pytest.mark.parametrize("kind", [gw.GRU, gw.LSTM, gw.RNN])
def test_they_change_nothing_and_hold_the_gradients(kind, lengths):
    layer = kind(D, H, num_layers=2, bidirectional=True, dropout=0.3, dtype=np.float64, rng=0)
    y, _, tape = layer.forward(rows(B, T, D), lengths=lengths, training=True, rng=1)
    dy = rows(*y.shape, seed=1)
    dx, dstate, grads, passes = layer.backward_passes(tape, dy)
    need = layer.backward(tape, dy)
    np.testing.assert_array_equal(dx, need[0])
    np.testing.assert_array_equal(np.stack(dstate), np.stack(need[1]))
    assert_same(grads, need[2])
    assert len(passes) == 4
    for passed, run, suffix in zip(passes, tape.runs, ("_l0", "_l0_reverse", "_l1", "_l1_reverse"), strict=True):
        assert passed.run.states is run.states
        np.testing.assert_array_equal(passed.gradients.U, grads["weight_hh" + suffix])
        assert {d.shape for d in passed.dstates} == {(B, T, H)}
        for d in passed.dstates if lengths else ():
            assert not d[1, 1:].any()


def test_a_model_has_an_entry_a_layer():
    branches = gw.Parallel(gw.Dense(D, 3, rng=0), gw.Sequential(gw.GRU(D, H, rng=1), gw.LSTM(H, H, rng=2)))
    model = gw.Sequential(branches, gw.Dropout(0.2), gw.RNN(3 + H, 2, bidirectional=True, rng=3), gw.Last()).astype(
        float
    )
    y, _, tape = model.forward(rows(B, T, D), training=True, rng=1)
    dy = rows(*y.shape, seed=1)
    dx, _, grads, passes = model.backward_passes(tape, dy)
    need = model.backward(tape, dy)
    np.testing.assert_array_equal(dx, need[0])
    assert_same(grads, need[2])
    (dense, (first, second)), dropout, third, last = passes
    assert dense == dropout == last == ()
    assert [len(own) for own in (first, second, third)] == [1, 1, 2]
    parts = list(recurrent_parts(model, tape, passes))
    assert [part.prefix for part in parts] == ["0.1.0.", "0.1.1.", "2."]
    for part in parts:
        assert all(passed.run.states is run.states for passed, run in zip(part.passes, part.tape.runs, strict=True))
        np.testing.assert_array_equal(part.passes[0].gradients.W, grads[f"{part.prefix}weight_ih_l0"])
    assert [part.passes for part in recurrent_parts(model, tape)] == [(), (), ()]


def test_errors_name_the_layer():
    model = gw.Sequential(gw.GRU(D, H, dtype=np.float64, rng=0), gw.Dense(H, 2, dtype=np.float64, rng=1))
    _, _, tape = model.forward(rows(B, T, D))
    with pytest.raises(gw.GatewiseError, match=r"layer 1 \(Dense\): dy has shape"):
        model.backward_passes(tape, rows(B, T, 3))

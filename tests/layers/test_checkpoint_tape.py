"""tape="checkpoint" against the tape that keeps everything: the same numbers, in memory that grows as √T."""

import tracemalloc

import numpy as np
import pytest

import gatewise as gw

CELLS = [gw.GRU, gw.LSTM, gw.RNN, gw.MinGRU, lambda *sizes, **options: gw.GRU(*sizes, reset="before", **options)]


def pair(cell, **options):
    return [cell(3, 5, dtype=np.float64, rng=0, tape=tape, **options) for tape in ("store", "checkpoint")]


def passes(layer, x, **options):
    y, state, tape = layer.forward(x, training=True, rng=3, **options)
    dy = np.random.default_rng(2).normal(size=y.shape)
    dx, dstate, grads = layer.backward(tape, dy, state)
    return [y, np.asarray(state), dx, np.asarray(dstate)], grads, tape


@pytest.mark.parametrize("lengths", [None, [37, 1, 20, 7]], ids=["whole", "ragged"])
@pytest.mark.parametrize("directions", [1, 2])
@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("cell", CELLS, ids=["gru", "lstm", "rnn", "mingru", "gru before"])
def test_the_numbers_are_those_of_the_plain_pass(cell, layers, directions, lengths):
    options = {"num_layers": layers, "bidirectional": directions == 2, "dropout": 0.4 if layers > 1 else 0.0}
    plain, checkpointed = pair(cell, **options)
    x = np.random.default_rng(1).normal(size=(4, 37, 3))
    arrays, grads, tape = passes(plain, x, lengths=lengths)
    others, other_grads, other_tape = passes(checkpointed, x, lengths=lengths)
    for array, other in zip(arrays, others, strict=True):
        np.testing.assert_array_equal(other, array)
    for name, grad in grads.items():  # sums over chunks, in another order
        np.testing.assert_allclose(other_grads[name], grad, rtol=1e-12, atol=1e-13 * np.abs(grad).max())
    place = "hidden", layers - 1, directions == 2
    np.testing.assert_array_equal(other_tape.values(*place), tape.values(*place))


def test_the_certificate_holds():
    assert gw.gradcheck(gw.GRU(3, 4, num_layers=2, dropout=0.3, tape="checkpoint", rng=0)).ok
    assert gw.gradcheck(gw.LSTM(3, 4, bidirectional=True, tape="checkpoint", rng=0), lengths=[5, 3, 1]).ok


@pytest.mark.parametrize("steps", [0, 1, 2, 16, 17])
def test_any_number_of_steps(steps):
    x = np.random.default_rng(1).normal(size=(2, steps, 3))
    (arrays, grads, _), (others, other_grads, _) = (passes(layer, x) for layer in pair(gw.GRU, num_layers=2))
    for array, other in zip([*arrays, *grads.values()], [*others, *other_grads.values()], strict=True):
        np.testing.assert_allclose(other, array, rtol=1e-12, atol=1e-14)


def test_the_tape_holds_the_network_it_came_from_and_can_be_used_again():
    layer = gw.GRU(3, 4, dtype=np.float64, rng=0, tape="checkpoint")
    x = np.random.default_rng(1).normal(size=(2, 20, 3))
    y, _, tape = layer.forward(x)
    first = layer.backward(tape, np.ones_like(y))[2]
    x[:], y[:] = 0, 0
    for value in layer.params.values():
        value += 1
    second = layer.backward(tape, np.ones_like(y))[2]
    for name in first:
        np.testing.assert_array_equal(first[name], second[name])
    assert tape.update.shape == (2, 20, 4)


def test_passes_and_trace_see_every_step():
    x = np.random.default_rng(1).normal(size=(2, 20, 3))
    plain, checkpointed = pair(gw.LSTM, num_layers=2)
    for name, values in gw.trace(plain, x).items():
        np.testing.assert_array_equal(gw.trace(checkpointed, x)[name], values)


def peak(tape, steps, **options):
    """Most memory that a forward and a backward pass hold at a time, beside x, y, dy and dx; in numbers of floats."""
    layer = gw.GRU(1, 8, rng=0, tape=tape, dtype=np.float64, **options)
    x, dy = np.ones((1, steps, 1)), np.ones((1, steps, 8))
    layer.backward(layer.forward(x[:, :50])[2], dy[:, :50])
    tracemalloc.start()
    try:
        _, _, kept = layer.forward(x)
        layer.backward(kept, dy)
        return (tracemalloc.get_traced_memory()[1] - dy.nbytes - 2 * x.nbytes) / 8
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("layers", [1, 2])
def test_memory_grows_as_the_root_of_the_steps(layers):
    short, long = (peak("checkpoint", steps, num_layers=layers) for steps in (1600, 25_600))
    assert long < 6 * short, "16 times the steps"
    assert peak("store", 25_600, num_layers=layers) > 10 * long

"""One layer in one direction over time, without kernels: what is kept, what is left out, and what ends early."""

import numpy as np
import pytest

from gatewise import kernels, recurrence
from gatewise.cells import FORMS
from gatewise.recurrence import Weights

B, T, D, H = 3, 5, 2, 4
LENGTHS = np.array([5, 2, 3])


@pytest.fixture(autouse=True)
def no_kernels(monkeypatch):
    monkeypatch.setattr(kernels, "find", lambda cell: None)


@pytest.fixture(params=FORMS)
def drawn(request):
    """A cell, an input, weights and an initial state."""
    cell, rng = FORMS[request.param], np.random.default_rng(0)
    rows, kept = len(cell.gates) * H, len(cell.gates) * H * cell.recurrent
    weights = Weights(*(rng.normal(size=size) for size in ((rows, D), (kept, H), rows, kept)))
    return cell, rng.normal(size=(B, T, D)), weights, rng.normal(size=(len(cell.states), B, H))


@pytest.mark.parametrize("lengths", [None, LENGTHS])
def test_each_step_follows_from_the_one_before(drawn, lengths):
    cell, x, weights, initial = drawn
    run = recurrence.forward(cell, x, weights, initial, lengths)
    for row, last in enumerate([T] * B if lengths is None else lengths):
        state = tuple(initial[:, row : row + 1])
        for t in range(last):
            state, record = cell.step(x[row : row + 1, t] @ weights.W.T + weights.b, state, weights.U, weights.c)
            np.testing.assert_allclose(run.states[:, row, t], np.array(state)[:, 0], rtol=1e-12)
            for one, kept in zip(record, run.record, strict=True):
                np.testing.assert_allclose(kept[row, t], one[0], rtol=1e-12)
        np.testing.assert_allclose(run.final[:, row], np.array(state)[:, 0], rtol=1e-12)
        assert not run.states[:, row, last:].any()
        assert not run.record[:, row, last:].any()
    y, final = recurrence.output(cell, x, weights, initial, lengths)
    np.testing.assert_array_equal(y, run.states[0])
    np.testing.assert_array_equal(final, run.final)
    np.testing.assert_array_equal(run.previous()[:, :, 0], initial)
    np.testing.assert_array_equal(run.previous()[:, :, 1:], run.states[:, :, :-1])


def test_a_record_that_is_not_kept_is_computed_again(drawn):
    cell, x, weights, initial = drawn
    whole = recurrence.forward(cell, x, weights, initial, LENGTHS)
    run = recurrence.forward(cell, x, weights, initial, LENGTHS, record=False)
    assert run.record.shape == (0, B, T, H)
    np.testing.assert_array_equal(recurrence.recorded(run), whole.record)
    assert recurrence.recorded(whole) is whole.record
    dh = np.where(np.arange(T)[:, None] < LENGTHS[:, None, None], 1.0, 0.0) * np.ones(H)
    for one, other in zip(*(recurrence.backward(r, dh, whole.final) for r in (run, whole)), strict=True):
        for a, b in zip(one, other, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("lengths", [None, LENGTHS])
def test_only_what_is_asked_for_comes_back(drawn, lengths):
    cell, x, weights, initial = drawn
    run, rng = recurrence.forward(cell, x, weights, initial, lengths), np.random.default_rng(1)
    ends = np.full(B, T) if lengths is None else lengths
    dh = rng.normal(size=(B, T, H)) * (np.arange(T) < ends[:, None])[..., None]
    dfinal = rng.normal(size=run.final.shape)
    dx, whole = recurrence.backward_pass(run, dh, dfinal)
    none, bare = recurrence.backward_pass(run, dh, dfinal, keep_dstates=False, needs_dx=False)
    assert whole.dstates.shape == run.states.shape
    assert bare.dstates.shape == (len(cell.states), B, 0, H)
    assert (dx.shape, none.shape) == ((B, T, D), (0, T, D))
    np.testing.assert_array_equal(whole.dinitial, bare.dinitial)
    for one, other in zip(whole.gradients, bare.gradients, strict=True):
        np.testing.assert_array_equal(one, other)
    for row, end in enumerate(ends):
        # What reaches the last state is what came from its output and from the final state.
        np.testing.assert_allclose(whole.dstates[0, row, end - 1], dh[row, end - 1] + dfinal[0, row], rtol=1e-12)
        np.testing.assert_allclose(whole.dstates[1:, row, end - 1], dfinal[1:, row], rtol=1e-12)
        assert not whole.dstates[:, row, end:].any()
        assert not dx[row, end:].any()

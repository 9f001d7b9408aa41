"""Ten thousand forward and backward passes do not grow the process, and leave no reference cycles."""

import gc
import sys
from functools import partial

import numpy as np
import pytest
from forms import FORMS

import gatewise as gw

MODELS = {
    **{name: partial(form.make, 2, 3, rng=0) for name, form in FORMS.items()},
    "stack": lambda: gw.GRU(2, 3, num_layers=2, bidirectional=True, dropout=0.2, rng=0),
    "sequential": lambda: gw.Sequential(gw.GRU(2, 3, rng=0), gw.Last(), gw.Dense(3, 1, rng=1)),
}
X = np.random.default_rng(0).normal(size=(2, 3, 2)).astype(np.float32)
LENGTHS = np.array([3, 2])


def forward_and_backward(model):
    y, _, tape = model.forward(X, lengths=LENGTHS, training=True, rng=1)
    return model.backward(tape, y)


@pytest.fixture
def no_gc():
    """Only reference counts free memory, so that a cycle would stay and be seen."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_gc")
def test_ten_thousand_calls_do_not_grow_the_process():
    gru = gw.GRU(2, 3, rng=0)
    for _ in range(2000):  # caches and free lists fill up
        forward_and_backward(gru)
    before = sys.getallocatedblocks()
    for _ in range(10_000):
        forward_and_backward(gru)
    # One object kept from each call, an array for one, would be 10,000 blocks at least.
    assert sys.getallocatedblocks() - before < 1000


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.usefixtures("no_gc")
def test_calls_leave_nothing_and_no_cycles(model):
    model = MODELS[model]()
    for _ in range(20):
        forward_and_backward(model)
    rounds = [left_by(model) for _ in range(3)]  # what another thread of this process leaves is not in each of them
    assert min(kept for kept, _ in rounds) < 10
    assert min(cycles for _, cycles in rounds) == 0, "a cycle was left behind"


def left_by(model):
    """How many more objects there are after 50 calls, and how many of them are in cycles."""
    gc.collect()
    before = len(gc.get_objects())
    for _ in range(50):
        forward_and_backward(model)
    return len(gc.get_objects()) - before, gc.collect()


@pytest.mark.usefixtures("no_gc")
def test_these_checks_see_a_leak():
    """The measures above do notice one kept array, or one cycle, for each call."""
    gru, kept = gw.GRU(2, 3, rng=0), []
    for _ in range(2000):  # what caches drop for it is dropped before
        forward_and_backward(gru)
    before = sys.getallocatedblocks()
    for _ in range(5000):
        kept.append(forward_and_backward(gru)[0])
    assert sys.getallocatedblocks() - before > 4000
    gc.collect()
    cycle = [kept]
    cycle.append(cycle)
    del cycle
    assert gc.collect() > 0

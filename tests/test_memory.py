"""Ten thousand forward and backward passes do not grow the process, and leave no reference cycles."""

import gc
import json
import os
import sys
import warnings
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


def in_a_child(measure, *arguments):
    """What a function returns in a forked process, where only reference counts free memory.

    A cycle stays there and is seen, and no other thread leaves any, as those that dask keeps running do.
    """
    reader, writer = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of a fork beside other threads
        child = os.fork()
    if not child:
        try:
            gc.collect()
            gc.disable()
            os.write(writer, json.dumps(measure(*arguments)).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with open(reader, "rb") as answer:
        found = answer.read()
    os.waitpid(child, 0)
    assert found, "the child failed"
    return json.loads(found)


def test_ten_thousand_calls_do_not_grow_the_process():
    # One object kept from each call, an array for one, would be 10,000 blocks at least.
    assert in_a_child(blocks_after_calls, 10_000) < 1000


def blocks_after_calls(count, kept=None):
    """How many more blocks of memory there are after so many calls; `kept` takes a part of what each returns."""
    gru = gw.GRU(2, 3, rng=0)
    for _ in range(2000):  # caches and free lists fill up
        forward_and_backward(gru)
    before = sys.getallocatedblocks()
    for _ in range(count):
        dx = forward_and_backward(gru)[0]
        if kept is not None:
            kept.append(dx)
    return sys.getallocatedblocks() - before


@pytest.mark.parametrize("model", MODELS)
def test_calls_leave_nothing_and_no_cycles(model):
    kept, cycles = in_a_child(left_by, model)
    assert kept < 10
    assert cycles == 0, "a cycle was left behind"


def left_by(model):
    """How many more objects there are after 50 calls, and how many of them are in cycles."""
    model = MODELS[model]()
    for _ in range(20):
        forward_and_backward(model)
    gc.collect()
    before = len(gc.get_objects())
    for _ in range(50):
        forward_and_backward(model)
    return len(gc.get_objects()) - before, gc.collect()


def test_these_checks_see_a_leak():
    """The measures above do notice one kept array, or one cycle, for each call."""
    assert in_a_child(blocks_after_calls, 1000, []) >= 1000
    assert in_a_child(cycles_of_one) > 0


def cycles_of_one():
    """How many objects are collected after one cycle has been left."""
    gc.collect()
    cycle = [[]]
    cycle.append(cycle)
    del cycle
    return gc.collect()

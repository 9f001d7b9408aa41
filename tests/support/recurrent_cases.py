"""Recurrent layers with random weights, and all that their two passes take."""

from dataclasses import dataclass

import numpy as np
import pytest
from forms import FORMS, parts, random_state
from hypothesis import strategies as st

cells = pytest.mark.parametrize("cell", FORMS)
with_recurrent_weights = pytest.mark.parametrize("cell", [name for name in FORMS if FORMS[name].cell.recurrent])


@dataclass
class Case:
    """A layer with random weights, and all that its two passes take."""

    cell: str
    layer: object
    x: np.ndarray
    state: object
    lengths: np.ndarray | None
    dy: np.ndarray
    dstate: object

    def forward(self, layer=None):
        return (layer or self.layer).forward(self.x, self.state, lengths=self.lengths)

    def backward(self, tape, layer=None):
        return (layer or self.layer).backward(tape, self.dy, self.dstate)


def make(
    cell, *, B=3, T=4, D=2, H=3, layers=1, two=False, bias=True, ragged=False, state=True, dtype=np.float64, seed=0
):
    rng = np.random.default_rng(seed)
    layer = FORMS[cell].make(D, H, num_layers=layers, bidirectional=two, bias=bias, dtype=dtype)
    for value in layer.params.values():
        value[...] = rng.normal(0, 0.6, value.shape)
    shape = (layers * (1 + two), B, H)

    def states():
        return random_state(cell, rng, shape, dtype)

    return Case(
        cell,
        layer,
        rng.normal(size=(B, T, D)).astype(dtype),
        states() if state else None,
        rng.integers(1, T + 1, B) if ragged and T else None,
        rng.normal(size=(B, T, H * (1 + two))).astype(dtype),
        states(),
    )


@st.composite
def cases(draw, dtypes=(np.float32, np.float64)):
    return make(
        draw(st.sampled_from(list(FORMS))),
        B=draw(st.integers(1, 4)),
        T=draw(st.integers(0, 5)),
        D=draw(st.integers(1, 3)),
        H=draw(st.integers(1, 4)),
        layers=draw(st.integers(1, 3)),
        two=draw(st.booleans()),
        bias=draw(st.booleans()),
        ragged=draw(st.booleans()),
        state=draw(st.booleans()),
        dtype=draw(st.sampled_from(dtypes)),
        seed=draw(st.integers(0, 2**32 - 1)),
    )


def numbers(result):
    """All arrays of a result of forward or backward, in order."""
    first, state, third = result
    third = list(third.values()) if isinstance(third, dict) else []
    return [first, *parts(state), *third]


def assert_same(a, b):
    for x, y in zip(numbers(a), numbers(b), strict=True):
        np.testing.assert_array_equal(x, y)


# Against scalar loops

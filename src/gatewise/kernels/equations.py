"""What the loops ask a cell for, answered while they compile: its pointwise functions and its number of gates.

A cell is passed to a kernel as an empty tuple of a type of its own. The stubs below are replaced, for each such type,
by the functions in `gatewise.cells` themselves: the equations stand there and nowhere else.
"""

# mypy: disable-error-code="no-untyped-def, misc"
from __future__ import annotations

from typing import Any, NamedTuple

from numba import njit, types
from numba.extending import overload

from gatewise.cells import Cell, gru, lstm, rnn
from gatewise.kernels.vectors import load_several, store_several


class GRUAfter(NamedTuple):
    """Stands for `gru.RESET_AFTER`."""


class GRUBefore(NamedTuple):
    """Stands for `gru.RESET_BEFORE`."""


class LSTM(NamedTuple):
    """Stands for `lstm.LSTM`."""


class RNNTanh(NamedTuple):
    """Stands for `rnn.FORMS["tanh"]`."""


class RNNRelu(NamedTuple):
    """Stands for `rnn.FORMS["relu"]`."""


CELLS: dict[type, Cell] = {
    GRUAfter: gru.RESET_AFTER,
    GRUBefore: gru.RESET_BEFORE,
    LSTM: lstm.LSTM,
    RNNTanh: rnn.FORMS["tanh"],
    RNNRelu: rnn.FORMS["relu"],
}
TAGS = {cell: tag() for tag, cell in CELLS.items()}


def gate_count(cell):
    """G."""


def forward(cell, p, q, state_prev):
    """The cell's pointwise forward function: state, record."""


def backward(cell, dstate, state, state_prev, record):
    """Its derivative: dp, dq, dstate_prev."""


def load_gates(cell, array, index, stride, count):
    """One Vector a gate, `stride` elements apart."""


def load_state(cell, array, index, stride, count):
    """One Vector a state."""


def load_record(cell, array, index, stride, count):
    """One Vector a recorded value."""


def store_gates(cell, array, index, stride, values, count):
    """Write one Vector a gate."""


def store_state(cell, array, index, stride, values, count):
    """Write one Vector a state."""


def store_record(cell, array, index, stride, values, count):
    """Write one Vector a recorded value."""


def _cell(tag: types.NamedTuple) -> Cell:
    return CELLS[tag.instance_class]


@overload(gate_count)
def _gate_count(cell):
    G = len(_cell(cell).gates)
    return lambda cell: G


@overload(forward)
def _forward(cell, p, q, state_prev):
    pointwise = njit(_cell(cell).pointwise[0])
    return lambda cell, p, q, state_prev: pointwise(p, q, state_prev)


@overload(backward)
def _backward(cell, dstate, state, state_prev, record):
    pointwise = njit(_cell(cell).pointwise[1])
    return lambda cell, dstate, state, state_prev, record: pointwise(dstate, state, state_prev, record)


def _overload_memory(load: Any, store: Any, names: str) -> None:
    """Let `load` and `store` move as many Vectors as the cell has `names`."""

    @overload(load)
    def _(cell, array, index, stride, count):
        several = load_several(len(getattr(_cell(cell), names)))
        return lambda cell, array, index, stride, count: several(array, index, stride, count)

    @overload(store)
    def _(cell, array, index, stride, values, count):
        several = store_several(len(getattr(_cell(cell), names)))
        return lambda cell, array, index, stride, values, count: several(array, index, stride, values, count)


_overload_memory(load_gates, store_gates, "gates")
_overload_memory(load_state, store_state, "states")
_overload_memory(load_record, store_record, "recorded")

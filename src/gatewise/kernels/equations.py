"""What the loops ask a cell for while they are translated: its pointwise functions and how many values they move.

A cell is known beforehand: these functions run once, while a loop is made, and the equations of the cell itself become
its instructions. They stand in `cells` and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from itertools import repeat, zip_longest
from typing import Any

import numpy as np

from gatewise.cells import Cell
from gatewise.kernels import functions  # noqa: F401  what Vectors can do
from gatewise.kernels.translation import called
from gatewise.kernels.values import Vector
from gatewise.kernels.vectors import lifted, load_several, store_several

Vectors = tuple[Vector, ...]


def gate_count(cell: Cell) -> int:
    """Row blocks of W."""
    return len(cell.gates)


def state_count(cell: Cell) -> int:
    """States."""
    return len(cell.states)


def record_count(cell: Cell) -> int:
    """Recorded values."""
    return len(cell.recorded)


def first_products(cell: Cell) -> int:
    """Gates whose product is formed from h_{t-1}."""
    return cell.phases[0].products


def last_products(cell: Cell) -> int:
    """Gates whose product is formed from what the first of two phases makes."""
    return sum(phase.products for phase in cell.phases[1:])


def lead_gates(cell: Cell) -> int:
    """Gates of the first of two phases; 0 if there is but one."""
    return sum(phase.gates for phase in cell.phases[:-1])


def lead_recorded(cell: Cell) -> int:
    """Recorded values of the first of two phases; 0 if there is but one."""
    return sum(phase.recorded for phase in cell.phases[:-1])


@cache
def one_gradient(cell: Cell) -> bool:
    """Whether dq is dp, because all gates take the sums p + q alone: told by what the derivatives return, the same."""
    one = np.ones(1)
    many = partial(repeat, one)
    *lead, last = cell.phases
    states = tuple(many(len(cell.states)))
    with np.errstate(all="ignore"):
        returned = [phase.backward(one, one, tuple(many(phase.recorded))) for phase in lead]
        returned.append(last.backward(states, states, states, tuple(many(last.recorded))))
    pairs = [(dp, dq) for dps, dqs, _ in returned for dp, dq in zip_longest(dps, dqs)]
    return all(dp is dq for dp, dq in pairs)


def _memory(number: Callable[[Cell], int], whole: bool = False) -> tuple[Any, Any]:
    """Functions that load and store as many Vectors as a cell has of something, `stride` elements apart.

    If `whole`, lanes that are not meant are stored as 0.
    """

    def load(cell: Cell, array: Any, index: Any, stride: Any, count: Any) -> Any:
        return called(load_several(number(cell)), array, index, stride, count)

    def store(cell: Cell, array: Any, index: Any, stride: Any, values: Any, count: Any) -> None:
        called(store_several(number(cell), whole), array, index, stride, values, count)

    return load, store


load_state, store_state = _memory(lambda cell: len(cell.states))
# Of the last phase, which may be the only one; q is empty if the cell has no recurrent product. Stored are dp and dq,
# whose rows are multiplied whole: past the units, where a cell may make NaN of 0, they have to be 0.
load_p, store_p = _memory(lambda cell: cell.phases[-1].gates, whole=True)
load_q, store_q = _memory(lambda cell: cell.phases[-1].gates if cell.phases[0].products else 0, whole=True)
load_record, store_record = _memory(lambda cell: cell.phases[-1].recorded)
# Of the first of two phases.
load_lead, store_lead = _memory(lambda cell: cell.phases[0].gates, whole=True)
load_lead_record, store_lead_record = _memory(lambda cell: cell.phases[0].recorded)


def _as_vectors(values: Any, like: Vector) -> Any:
    """Values, among them numbers, as Vectors."""
    if isinstance(values, tuple):
        return tuple(_as_vectors(value, like) for value in values)
    return Vector(lifted(values, like.ir.type))


def forward(cell: Cell, p: Vectors, q: Vectors, state_prev: Vectors) -> Any:
    """The last phase's function: state, record."""
    return _as_vectors(cell.phases[-1].forward(p, q, state_prev), p[0])


def backward(cell: Cell, dstate: Vectors, state: Vectors, state_prev: Vectors, record: Vectors) -> Any:
    """Its derivative: dp, dq, dstate_prev."""
    return _as_vectors(cell.phases[-1].backward(dstate, state, state_prev, record), dstate[0])


def lead_forward(cell: Cell, p: Vectors, q: Vectors, h_prev: Vector) -> Any:
    """The first of two phases: its record."""
    return _as_vectors(cell.phases[0].forward(p, q, h_prev), h_prev)


def lead_operand(cell: Cell, record: Vectors, h_prev: Vector) -> Any:
    """What it makes for the second product: s."""
    operand: Any = cell.phases[0].operand
    return _as_vectors(operand(record, h_prev), h_prev)


def lead_backward(cell: Cell, ds: Vector, h_prev: Vector, record: Vectors) -> Any:
    """Its derivative: dp, dq, dh_prev."""
    return _as_vectors(cell.phases[0].backward(ds, h_prev, record), ds)


def only_with_two_phases(stage: Any) -> Any:
    """Return `stage(cell, meetings, …) -> meetings`; for cells of one phase it does nothing but return `meetings`."""

    def choice(cell: Cell, meetings: Any, *others: Any) -> Any:
        return called(stage, cell, meetings, *others) if len(cell.phases) > 1 else meetings

    return choice

"""What the loops ask a cell for, answered while they compile: its pointwise functions and how many values they move.

A cell is passed to a kernel as a `Tag` of a Numba type of its own. The stubs below are replaced, for each such type, by
the functions of the cell itself: the equations stand there and nowhere else. The type is named after a digest of those
functions, so that Numba's cache never gives a cell the code of another.
"""

# mypy: disable-error-code="no-untyped-def, no-untyped-call"
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import types
from numba.extending import NativeValue, models, overload, register_model, unbox

from gatewise.cells import Cell
from gatewise.kernels import arithmetic, functions  # noqa: F401  what Vectors can do
from gatewise.kernels.pointwise import digest, jitted
from gatewise.kernels.vectors import load_several, store_several

_cells: dict[str, Cell] = {}


class CellType(types.Type):
    """The Numba type of a cell."""

    def __init__(self, name: str) -> None:
        super().__init__(name=f"Cell({name})")
        self.cell = name


class Tag:
    """Stands for a cell among the arguments of a kernel."""

    def __init__(self, cell: Cell) -> None:
        name = f"{cell.name}, {digest(cell)}"
        _cells[name] = cell
        self._numba_type_ = CellType(name)


register_model(CellType)(models.OpaqueModel)


@unbox(CellType)
def _unbox(kind, value, context):
    return NativeValue(context.context.get_dummy_value())


def _cell(tag: CellType) -> Cell:
    return _cells[tag.cell]


def _number(of: Callable[[Cell], int]) -> Any:
    """A function that answers a tag with a number of its cell."""

    def number(cell):
        """Replaced below."""

    @overload(number)
    def _(cell):
        value = of(_cell(cell))
        return lambda cell: value

    return number


gate_count = _number(lambda cell: len(cell.gates))
state_count = _number(lambda cell: len(cell.states))
record_count = _number(lambda cell: len(cell.recorded))
# Gates whose product is formed from h_{t-1}, and those whose product is formed from what the first of two phases makes.
first_products = _number(lambda cell: cell.phases[0].products)
last_products = _number(lambda cell: sum(phase.products for phase in cell.phases[1:]))
# Gates and recorded values of the first of two phases; 0 if there is but one.
lead_gates = _number(lambda cell: sum(phase.gates for phase in cell.phases[:-1]))
lead_recorded = _number(lambda cell: sum(phase.recorded for phase in cell.phases[:-1]))


def _memory(number: Callable[[Cell], int], whole: bool = False) -> tuple[Any, Any]:
    """Functions that load and store as many Vectors as a cell has of something, `stride` elements apart.

    If `whole`, lanes that are not meant are stored as 0.
    """

    def load(cell, array, index, stride, count):
        """Replaced below."""

    def store(cell, array, index, stride, values, count):
        """Replaced below."""

    @overload(load)
    def _(cell, array, index, stride, count):
        several = load_several(number(_cell(cell)))
        return lambda cell, array, index, stride, count: several(array, index, stride, count)

    @overload(store)
    def _(cell, array, index, stride, values, count):
        several = store_several(number(_cell(cell)), whole)
        return lambda cell, array, index, stride, values, count: several(array, index, stride, values, count)

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


def forward(cell, p, q, state_prev):
    """The last phase's function: state, record."""


def backward(cell, dstate, state, state_prev, record):
    """Its derivative: dp, dq, dstate_prev."""


def lead_forward(cell, p, q, h_prev):
    """The first of two phases: its record."""


def lead_operand(cell, record, h_prev):
    """What it makes for the second product: s."""


def lead_backward(cell, ds, h_prev, record):
    """Its derivative: dp, dq, dh_prev."""


@overload(forward)
def _forward(cell, p, q, state_prev):
    function = jitted(_cell(cell).phases[-1].forward)
    return lambda cell, p, q, state_prev: function(p, q, state_prev)


@overload(backward)
def _backward(cell, dstate, state, state_prev, record):
    function = jitted(_cell(cell).phases[-1].backward)
    return lambda cell, dstate, state, state_prev, record: function(dstate, state, state_prev, record)


@overload(lead_forward)
def _lead_forward(cell, p, q, h_prev):
    function = jitted(_cell(cell).phases[0].forward)
    return lambda cell, p, q, h_prev: function(p, q, h_prev)


@overload(lead_operand)
def _lead_operand(cell, record, h_prev):
    function = jitted(_cell(cell).phases[0].operand)
    return lambda cell, record, h_prev: function(record, h_prev)


@overload(lead_backward)
def _lead_backward(cell, ds, h_prev, record):
    function = jitted(_cell(cell).phases[0].backward)
    return lambda cell, ds, h_prev, record: function(ds, h_prev, record)


def only_with_two_phases(stage: Any) -> Any:
    """Return `stage(cell, meetings, …) -> meetings`; for cells of one phase it does nothing but return `meetings`."""

    def choice(cell, meetings, a, b, c, d, e, team):
        """Replaced below."""

    @overload(choice, inline="always")
    def _(cell, meetings, a, b, c, d, e, team):
        if len(_cell(cell).phases) > 1:
            return lambda cell, meetings, a, b, c, d, e, team: stage(cell, meetings, a, b, c, d, e, team)
        return lambda cell, meetings, a, b, c, d, e, team: meetings

    return choice

"""The library's recurrent forms in one table: a form added to the library is tested wherever forms are."""

import inspect
from typing import Any, NamedTuple

import gatewise as gw
from gatewise import cells
from gatewise.layers import RECURRENT


class Form(NamedTuple):
    """A form of a cell: the classes that run it, and the options that choose it."""

    layer: type
    step: type | None
    """The layer that takes one step a call, if there is one."""
    options: dict[str, Any]
    cell: cells.Cell
    """The equations."""

    @property
    def gates(self):
        """Row blocks of W and U."""
        return len(self.cell.gates)

    @property
    def letters(self):
        """Letters of the values that the cell records."""
        letters = dict(zip(self.cell.gates, self.cell.letters, strict=True)) | {"recurrent_candidate": "q_n"}
        return [letters[name] for name in self.cell.recorded]

    @property
    def equations(self):
        """The docstring that states the cell's equations."""
        return inspect.getmodule(self.cell.phases[0].forward).__doc__

    @property
    def values(self):
        """Names of everything that a tape holds at each step."""
        return (*self.cell.recorded, *self.cell.states)

    def make(self, *sizes, **options):
        """A layer of this form."""
        return self.layer(*sizes, **self.options, **options)


# "gru_after", "gru_before", "lstm", "rnn_tanh", "rnn_relu": the identities without a mark that names of tests split at.
FORMS = {
    form.replace("/", "_"): Form(layer, getattr(gw, f"{layer.__name__}Cell", None), options, cells.FORMS[form])
    for layer in RECURRENT.values()
    for form, options in layer.form_options().items()
}

STEPS = [name for name, form in FORMS.items() if form.step]
"""The forms that have a layer for one step."""


def weight_shapes(form, D, H):
    """Shapes of W, U, b and c; U and c have no rows in a cell without recurrent weights."""
    rows, recurrent = FORMS[form].gates * H, FORMS[form].gates * H * FORMS[form].cell.recurrent
    return (rows, D), (recurrent, H), (rows,), (recurrent,)


def parts(state):
    """The arrays of a state: h, or h and c."""
    return tuple(state) if isinstance(state, tuple) else (state,)


def pack(arrays):
    """The state of these arrays, as layers take it."""
    return gw.LSTMState(*arrays) if len(arrays) == 2 else arrays[0]


def random_state(form, rng, shape, dtype=float):
    """A state of standard normal numbers."""
    return pack([rng.normal(size=shape).astype(dtype) for _ in FORMS[form].cell.states])

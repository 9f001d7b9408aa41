"""The library's recurrent forms, in one table for all tests: a form added here is tested wherever forms are."""

from typing import Any, NamedTuple

import gatewise as gw


class Form(NamedTuple):
    """A form of a cell: the classes that run it, how they are asked for it, and what it must be made of."""

    layer: type
    step: type
    """The layer that takes one step a call."""
    options: dict[str, Any]
    gates: int
    """Row blocks of W and U."""
    values: tuple[str, ...]
    """Everything a tape holds at each step."""

    @property
    def cell(self):
        """The equations."""
        return self.layer(1, 1, **self.options).cell

    def make(self, *sizes, **options):
        """A layer of this form."""
        return self.layer(*sizes, **self.options, **options)


FORMS = {
    "gru_after": Form(
        gw.GRU, gw.GRUCell, {"reset": "after"}, 3, ("reset", "update", "candidate", "recurrent_candidate", "hidden")
    ),
    "gru_before": Form(gw.GRU, gw.GRUCell, {"reset": "before"}, 3, ("reset", "update", "candidate", "hidden")),
    "lstm": Form(gw.LSTM, gw.LSTMCell, {}, 4, ("input", "forget", "candidate", "output", "hidden", "cell")),
    "rnn_tanh": Form(gw.RNN, gw.RNNCell, {"nonlinearity": "tanh"}, 1, ("hidden",)),
    "rnn_relu": Form(gw.RNN, gw.RNNCell, {"nonlinearity": "relu"}, 1, ("hidden",)),
}


def parts(state):
    """The arrays of a state: h, or h and c."""
    return tuple(state) if isinstance(state, tuple) else (state,)


def pack(arrays):
    """The state of these arrays, as layers take it."""
    return gw.LSTMState(*arrays) if len(arrays) == 2 else arrays[0]


def random_state(form, rng, shape, dtype=float):
    """A state of standard normal numbers."""
    return pack([rng.normal(size=shape).astype(dtype) for _ in FORMS[form].cell.states])

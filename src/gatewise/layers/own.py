"""Recurrent layers whose cells users define."""

from __future__ import annotations

import keyword
import sys
from collections import namedtuple
from collections.abc import Iterator, Sequence
from typing import Any

from gatewise.cells import FORMS, Cell
from gatewise.cells.cell import Pointwise, PointwiseBackward
from gatewise.cells.own import OwnRecordGradients, own_cell
from gatewise.errors import GatewiseTypeError, GatewiseValueError
from gatewise.layers.layer import Layer
from gatewise.layers.stack import Recurrent


class OwnRecurrent(Recurrent):
    """A recurrent layer of a cell that `gatewise.define_cell` made; its class attribute `cell` is that cell."""


OWN: dict[str, type[OwnRecurrent]] = {}
"""The layer class of every cell that users have defined, by its name; the latest definition of a name counts."""


def define_cell(
    name: str,
    *,
    gates: Sequence[str],
    states: Sequence[str] = ("hidden",),
    forward: Pointwise,
    backward: PointwiseBackward,
    recurrent_bias: bool = True,
    recurrent: bool = True,
    recorded: Sequence[str] | None = None,
    record_gradients: OwnRecordGradients | None = None,
) -> type[OwnRecurrent]:
    """Return the recurrent layer class of a cell of your own, given its equations and their derivatives.

    In each step the layer forms p = x_t Wᵀ + b and q = h_{t-1} Uᵀ + c, cuts both into gates, and hands them to
    `forward`. Both functions are pointwise: they get tuples of arrays (batch, H), work element by element, and return
    tuples of new arrays of that shape and dtype. They must not keep anything between calls.

    Parameters
    ----------
    name : str
        Name of the class: a Python name that no layer of the library has. Bind the class to the same name, so that it
        can be pickled; a file that `gatewise.save` writes holds the name, and loads where the same cell is defined.
    gates : sequence of str
        Names of the row blocks of W and U, in order.
    states : sequence of str
        Names of what is carried from step to step. The first is h, the output, and enters q.
    forward : callable
        `forward(p, q, state_prev) -> state, record`: p and q with one array per gate, state_prev and state with one
        per state, record with whatever `backward` needs beside them.
    backward : callable
        `backward(dstate, state, state_prev, record) -> dp, dq, dstate_prev`: from the gradient of each new state, that
        of each gate's p and q and of each state before; what h_{t-1} receives through q is added by the layer.
    recurrent_bias : bool
        Whether c is a parameter, `bias_hh`; else it is absent, and 0.
    recurrent : bool
        Whether there is U. Without it q is the empty tuple, and so is dq.
    recorded : sequence of str, optional
        Names of the recorded values on the tape and in a trace; if None those of the gates if there are as many, else
        `record_0`, `record_1`, ….
    record_gradients : callable, optional
        `record_gradients(dstate, state, state_prev, record) -> dstate, drecord`, for `gatewise.trace`: the gradient of
        each recorded value, and that of each state with what it passes to the others of its own step. If None, a trace
        has NaN for the gradients of recorded values, and for each state what reaches it from outside the step.

    Returns
    -------
    class
        A layer as `gatewise.RNN` is: `Name(input_size, hidden_size, *, num_layers=1, bidirectional=False, bias=True,
        dropout=0.0, dtype=float32, rng=None, init="uniform", tape="store")`. With several states its state is the
        named tuple `Name.State`.

    Raises
    ------
    GatewiseError
        If a name cannot be used or is taken, or a function, tried on small random arrays, fails, is not pointwise, or
        returns other numbers of arrays, shapes or dtypes than these. Whether `backward` is the derivative of `forward`
        is for `gatewise.gradcheck` to say.

    Notes
    -----
    Defining a name again replaces it; layers built before keep their cell. Kernels compile the same functions where
    they can: write NumPy functions of arrays and arithmetic, as the files in `gatewise.cells` do.

    Examples
    --------
    A leaky integrator, h_t = z ⊙ h_{t-1} + (1 − z) ⊙ tanh(p_n + q_n) with z = σ(p_z), checked against differences:

    >>> import numpy as np, gatewise as gw
    >>> def forward(p, q, state_prev):
    ...     (h,) = state_prev
    ...     z, n = 0.5 * np.tanh(0.5 * p[0]) + 0.5, np.tanh(p[1] + q[1])
    ...     return (z * h + (1 - z) * n,), (z, n)
    >>> def backward(dstate, state, state_prev, record):
    ...     (dh,), (h,), (z, n) = dstate, state_prev, record
    ...     da_z, da_n = dh * (h - n) * z * (1 - z), dh * (1 - z) * (1 - n * n)
    ...     return (da_z, da_n), (0 * da_z, da_n), (dh * z,)
    >>> Leaky = gw.define_cell("Leaky", gates=("keep", "candidate"), forward=forward, backward=backward)
    >>> layer = Leaky(3, 4, num_layers=2, bidirectional=True, rng=0)
    >>> gw.gradcheck(layer).ok
    True
    """
    _check_class_name(name)
    cell = own_cell(
        name,
        gates,
        states,
        forward,
        backward,
        recorded=recorded,
        record_gradients=record_gradients,
        recurrent=recurrent,
        recurrent_bias=recurrent_bias,
    )
    OWN[name] = layer = _layer_class(name, cell, sys._getframe(1).f_globals.get("__name__", "__main__"))
    return layer


def _layer_class(name: str, cell: Cell, module: str) -> type[OwnRecurrent]:
    """The class, which says of itself that it stands in `module`, where pickle then looks for it."""
    doc = f"A recurrent layer of the cell {name}: gates {', '.join(cell.gates)}; states {', '.join(cell.states)}."
    members = {"__module__": module, "__doc__": doc, "kind": name, "cell": cell}
    if len(cell.states) > 1:
        members["State"] = _state_class(f"{name}.State", cell.states, module)
    return type(name, (OwnRecurrent,), members)


def _state_class(name: str, states: Sequence[str], module: str) -> Any:
    """A named tuple of these states."""
    kind: Any = namedtuple("State", list(states))  # type: ignore[misc]
    kind.__module__, kind.__qualname__ = module, name
    return kind


def _check_class_name(name: str) -> None:
    if not isinstance(name, str) or not name.isidentifier() or keyword.iskeyword(name) or name.startswith("_"):
        raise GatewiseTypeError(f"name is {name!r}; need a Python name for the class, such as 'MinimalGatedUnit'.")
    taken = {*FORMS, *(cell.name for cell in FORMS.values()), *(layer.__name__.lower() for layer in _library(Layer))}
    if name.lower() in taken:
        raise GatewiseValueError(f"name is {name!r}, which the library has; need one of your own: choose another.")


def _library(kind: Any) -> Iterator[type[Layer]]:
    """Every layer class of the library."""
    for layer in kind.__subclasses__():
        if not issubclass(layer, OwnRecurrent) and layer.__module__.startswith("gatewise."):
            yield layer
            yield from _library(layer)

"""The simple recurrent network of Elman (1990), with tanh or relu.

    p_t = x_t Wᵀ + b
    q_t = h_{t-1} Uᵀ + c
    h_t = tanh(p_t + q_t)

With `nonlinearity="relu"`, tanh is replaced by relu(a) = max(a, 0). Shapes: see `cell.py`.
"""

from __future__ import annotations

from functools import partial

from gatewise.activations import ACTIVATIONS
from gatewise.cells.cell import Cell, Record, State
from gatewise.errors import Array


def _step(activation: str, p: Array, state_prev: State, U: Array, c: Array) -> tuple[State, Record]:
    (h_prev,) = state_prev
    return (ACTIVATIONS[activation].value(p + (h_prev @ U.T + c)),), ()


def _step_backward(
    activation: str, dstate: State, state: State, state_prev: State, record: Record, U: Array
) -> tuple[Array, Array, State]:
    (dh,), (h,) = dstate, state
    da = dh * ACTIVATIONS[activation].derivative(h)
    return da, da, (da @ U,)


FORMS = {
    name: Cell("rnn", ("candidate",), ("hidden",), (), partial(_step, name), partial(_step_backward, name))
    for name in ("tanh", "relu")
}

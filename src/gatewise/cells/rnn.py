"""The simple recurrent network of Elman (1990), with tanh or relu.

    p_t = x_t Wᵀ + b
    q_t = h_{t-1} Uᵀ + c
    h_t = tanh(p_t + q_t)

With `nonlinearity="relu"`, tanh is replaced by relu(a) = max(a, 0). Shapes: see `cell.py`.
"""

from __future__ import annotations

from gatewise.activations import RELU, TANH, Activation
from gatewise.cells.cell import Cell, Record, State
from gatewise.errors import Array


def _elman(activation: Activation) -> Cell:
    def step(p: Array, state_prev: State, U: Array, c: Array) -> tuple[State, Record]:
        (h_prev,) = state_prev
        return (activation.value(p + (h_prev @ U.T + c)),), ()

    def step_backward(
        dstate: State, state: State, state_prev: State, record: Record, U: Array
    ) -> tuple[Array, Array, State]:
        (dh,), (h,) = dstate, state
        da = dh * activation.derivative(h)
        return da, da, (da @ U,)

    return Cell("rnn", ("candidate",), ("hidden",), (), step, step_backward)


FORMS = {"tanh": _elman(TANH), "relu": _elman(RELU)}

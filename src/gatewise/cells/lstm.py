"""The long short-term memory with a forget gate (Gers, Schmidhuber and Cummins 2000), as PyTorch orders it.

    p_t = x_t Wᵀ + b
    q_t = h_{t-1} Uᵀ + c
    i = σ(p_i + q_i)
    f = σ(p_f + q_f)
    g = tanh(p_g + q_g)
    o = σ(p_o + q_o)
    c_t = f ⊙ c_{t-1} + i ⊙ g
    h_t = o ⊙ tanh(c_t)

Rows of W, U, b, c stand in the order i, f, g, o. Shapes: see `cell.py`.
"""

from __future__ import annotations

from gatewise.activations import SIGMOID, TANH
from gatewise.cells.cell import Cell, Record, State, join, split
from gatewise.errors import Array

GATES = ("input", "forget", "candidate", "output")


def _step(p: Array, state_prev: State, U: Array, c: Array) -> tuple[State, Record]:
    h_prev, c_prev = state_prev
    a_i, a_f, a_g, a_o = split(p + (h_prev @ U.T + c), 4)
    i = SIGMOID.value(a_i)
    f = SIGMOID.value(a_f)
    g = TANH.value(a_g)
    o = SIGMOID.value(a_o)
    c_t = f * c_prev + i * g
    h_t = o * TANH.value(c_t)
    return (h_t, c_t), (i, f, g, o)


def _step_backward(
    dstate: State, state: State, state_prev: State, record: Record, U: Array
) -> tuple[Array, Array, State]:
    dh, dc = dstate
    _, c_t = state
    _, c_prev = state_prev
    i, f, g, o = record
    tanh_c = TANH.value(c_t)
    do = dh * tanh_c
    dc = dc + dh * o * TANH.derivative(tanh_c)
    di, df, dg = dc * g, dc * c_prev, dc * i
    da = join(
        di * SIGMOID.derivative(i),
        df * SIGMOID.derivative(f),
        dg * TANH.derivative(g),
        do * SIGMOID.derivative(o),
    )
    return da, da, (da @ U, dc * f)


LSTM = Cell("lstm", GATES, ("hidden", "cell"), GATES, _step, _step_backward)

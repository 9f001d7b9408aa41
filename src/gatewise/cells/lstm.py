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

from gatewise.activations import sigmoid, sigmoid_slope, tanh, tanh_slope
from gatewise.cells.cell import Equations, Gates, Record, State, plain_cell
from gatewise.errors import Array

GATES = ("input", "forget", "candidate", "output")


def _forward(p: Gates, q: Gates, state_prev: State) -> tuple[State, Record]:
    p_i, p_f, p_g, p_o = p
    q_i, q_f, q_g, q_o = q
    _, c_prev = state_prev
    i = sigmoid(p_i + q_i)
    f = sigmoid(p_f + q_f)
    g = tanh(p_g + q_g)
    o = sigmoid(p_o + q_o)
    c_t = f * c_prev + i * g
    h_t = o * tanh(c_t)
    return (h_t, c_t), (i, f, g, o)


def _backward(dstate: State, state: State, state_prev: State, record: Record) -> tuple[Gates, Gates, State]:
    dh, dc_next = dstate
    _, c_t = state
    _, c_prev = state_prev
    i, f, g, o = record
    tanh_c = tanh(c_t)
    dc = dc_next + dh * o * tanh_slope(tanh_c)
    da_i = dc * g * sigmoid_slope(i)
    da_f = dc * c_prev * sigmoid_slope(f)
    da_g = dc * i * tanh_slope(g)
    da_o = dh * tanh_c * sigmoid_slope(o)
    da = (da_i, da_f, da_g, da_o)
    return da, da, (0 * dh, dc * f)  # h_{t-1} acts through q alone


def _record_gradients(dstate: State, state: State, state_prev: State, record: Record, U: Array) -> tuple[State, Record]:
    dh, dc_next = dstate
    _, c_t = state
    _, c_prev = state_prev
    i, _, g, o = record
    tanh_c = tanh(c_t)
    dc = dc_next + dh * o * tanh_slope(tanh_c)
    return (dh, dc), (dc * g, dc * c_prev, dc * i, dh * tanh_c)


EQUATIONS = Equations(
    """
p_t = x_t Wᵀ + b
q_t = h_{t-1} Uᵀ + c
i = σ(p_i + q_i)
f = σ(p_f + q_f)
g = tanh(p_g + q_g)
o = σ(p_o + q_o)
c_t = f ⊙ c_{t-1} + i ⊙ g
h_t = o ⊙ tanh(c_t)
""",
    """
do = dh_t ⊙ tanh(c_t)
dc_t = cback_t + dh_t ⊙ o ⊙ (1 − tanh(c_t) ⊙ tanh(c_t))
di = dc_t ⊙ g
df = dc_t ⊙ c_{t-1}
dg = dc_t ⊙ i
da_i = di ⊙ i ⊙ (1 − i)
da_f = df ⊙ f ⊙ (1 − f)
da_g = dg ⊙ (1 − g ⊙ g)
da_o = do ⊙ o ⊙ (1 − o)
dp_t = [da_i, da_f, da_g, da_o]
cback_{t-1} = dc_t ⊙ f
back_{t-1} = dp_t U
""",
)
LSTM = plain_cell(
    "lstm", GATES, ("i", "f", "g", "o"), ("hidden", "cell"), GATES, _forward, _backward, _record_gradients
)._replace(equations=EQUATIONS)

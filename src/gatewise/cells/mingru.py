"""The minimal gated recurrent unit, whose gate and candidate see the input alone (arXiv 2410.01201, section 3.1).

    p_t = x_t Wᵀ + b
    z = σ(p_z)
    n = p_n
    h_t = (1 − z) ⊙ h_{t-1} + z ⊙ n

There is no U: q is absent. The update gate z *writes*, unlike the GRU's, which keeps the old state; the candidate is
linear. Rows of W and b stand in the order z, n. Shapes: see `cell.py`. Source: Feng et al., *Were RNNs all we needed?*
"""

from __future__ import annotations

from gatewise.activations import sigmoid, sigmoid_slope
from gatewise.cells.cell import Equations, Gates, Record, State, plain_cell
from gatewise.errors import Array

GATES = ("update", "candidate")


def _forward(p: Gates, q: Gates, state_prev: State) -> tuple[State, Record]:
    p_z, n = p
    (h_prev,) = state_prev
    z = sigmoid(p_z)
    return ((1 - z) * h_prev + z * n,), (z, n)


def _backward(dstate: State, state: State, state_prev: State, record: Record) -> tuple[Gates, Gates, State]:
    (dh,) = dstate
    (h_prev,) = state_prev
    z, n = record
    da_z = dh * (n - h_prev) * sigmoid_slope(z)
    return (da_z, dh * z), (), (dh * (1 - z),)


def _record_gradients(dstate: State, state: State, state_prev: State, record: Record, U: Array) -> tuple[State, Record]:
    (dh,) = dstate
    (h_prev,) = state_prev
    z, n = record
    return dstate, (dh * (n - h_prev), dh * z)


EQUATIONS = Equations(
    """
p_t = x_t Wᵀ + b
z = σ(p_z)
n = p_n
h_t = (1 − z) ⊙ h_{t-1} + z ⊙ n
""",
    """
dn = dh_t ⊙ z
dz = dh_t ⊙ (n − h_{t-1})
da_z = dz ⊙ z ⊙ (1 − z)
dp_t = [da_z, dn]
back_{t-1} = dh_t ⊙ (1 − z)
""",
)
MINGRU = plain_cell(
    "mingru", GATES, ("z", "n"), ("hidden",), GATES, _forward, _backward, _record_gradients, recurrent=False
)._replace(equations=EQUATIONS)

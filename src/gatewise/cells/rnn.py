"""The simple recurrent network of Elman (1990), with tanh or relu.

    p_t = x_t Wᵀ + b
    q_t = h_{t-1} Uᵀ + c
    h_t = tanh(p_t + q_t)

With `nonlinearity="relu"`, tanh is replaced by relu(a) = max(a, 0). Shapes: see `cell.py`.
"""

from __future__ import annotations

from gatewise.activations import relu, relu_slope, tanh, tanh_slope
from gatewise.cells.cell import Equations, Gates, Record, State, plain_cell
from gatewise.errors import Array


def _tanh_forward(p: Gates, q: Gates, state_prev: State) -> tuple[State, Record]:
    (p_h,) = p
    (q_h,) = q
    return (tanh(p_h + q_h),), ()


def _tanh_backward(dstate: State, state: State, state_prev: State, record: Record) -> tuple[Gates, Gates, State]:
    (dh,) = dstate
    (h,) = state
    da = dh * tanh_slope(h)
    return (da,), (da,), (0 * da,)  # h_{t-1} acts through q alone


def _relu_forward(p: Gates, q: Gates, state_prev: State) -> tuple[State, Record]:
    (p_h,) = p
    (q_h,) = q
    return (relu(p_h + q_h),), ()


def _relu_backward(dstate: State, state: State, state_prev: State, record: Record) -> tuple[Gates, Gates, State]:
    (dh,) = dstate
    (h,) = state
    da = dh * relu_slope(h)
    return (da,), (da,), (0 * da,)


def _record_gradients(dstate: State, state: State, state_prev: State, record: Record, U: Array) -> tuple[State, Record]:
    return dstate, ()


TANH = Equations(
    """
p_t = x_t Wᵀ + b
q_t = h_{t-1} Uᵀ + c
h_t = tanh(p_t + q_t)
""",
    """
dp_t = dh_t ⊙ (1 − h_t ⊙ h_t)
back_{t-1} = dp_t U
""",
)
RELU = Equations(
    """
p_t = x_t Wᵀ + b
q_t = h_{t-1} Uᵀ + c
h_t = relu(p_t + q_t)
""",
    """
dp_t = dh_t ⊙ (h_t > 0)
back_{t-1} = dp_t U
""",
)
_NAMES = (("candidate",), ("a",), ("hidden",), ())
FORMS = {
    "tanh": plain_cell("rnn/tanh", *_NAMES, _tanh_forward, _tanh_backward, _record_gradients)._replace(equations=TANH),
    "relu": plain_cell("rnn/relu", *_NAMES, _relu_forward, _relu_backward, _record_gradients)._replace(equations=RELU),
}

"""The gated recurrent unit, in both published forms.

`RESET_AFTER` (arXiv 1406.1078v1, cuDNN, PyTorch) applies the reset gate to the finished product:

    p_t = x_t Wᵀ + b
    q_t = h_{t-1} Uᵀ + c
    r = σ(p_r + q_r)
    z = σ(p_z + q_z)
    n = tanh(p_n + r ⊙ q_n)
    h_t = n + z ⊙ (h_{t-1} − n)

`RESET_BEFORE` (arXiv 1406.1078v3 and 1412.3555) applies it to the state, so the candidate is

    n = tanh(p_n + (r ⊙ h_{t-1}) U_nᵀ + c_n)

The update gate z keeps the old state. Rows of W, U, b, c stand in the order r, z, n. Shapes: see `cell.py`.
"""

from __future__ import annotations

import numpy as np

from gatewise.activations import sigmoid, sigmoid_slope, tanh, tanh_slope
from gatewise.cells.cell import Cell, Equations, Gates, Phase, Record, State, diagonal, join, plain_cell, split
from gatewise.errors import Array

GATES = ("reset", "update", "candidate")
LETTERS = ("r", "z", "n")


def _after(p: Gates, q: Gates, state_prev: State) -> tuple[State, Record]:
    p_r, p_z, p_n = p
    q_r, q_z, q_n = q
    (h_prev,) = state_prev
    r = sigmoid(p_r + q_r)
    z = sigmoid(p_z + q_z)
    n = tanh(p_n + r * q_n)
    h = n + z * (h_prev - n)
    return (h,), (r, z, n, q_n)


def _after_backward(dstate: State, state: State, state_prev: State, record: Record) -> tuple[Gates, Gates, State]:
    (dh,) = dstate
    (h_prev,) = state_prev
    r, z, n, q_n = record
    da_n = dh * (1 - z) * tanh_slope(n)
    da_z = dh * (h_prev - n) * sigmoid_slope(z)
    da_r = da_n * q_n * sigmoid_slope(r)
    return (da_r, da_z, da_n), (da_r, da_z, da_n * r), (dh * z,)


def _after_record_gradients(
    dstate: State, state: State, state_prev: State, record: Record, U: Array
) -> tuple[State, Record]:
    (dh,) = dstate
    (h_prev,) = state_prev
    r, z, n, q_n = record
    dn = dh * (1 - z)
    dz = dh * (h_prev - n)
    da_n = dn * tanh_slope(n)
    return dstate, (da_n * q_n, dz, dn, da_n * r)


AFTER = Equations(
    """
p_t = x_t Wᵀ + b
q_t = h_{t-1} Uᵀ + c
r = σ(p_r + q_r)
z = σ(p_z + q_z)
n = tanh(p_n + r ⊙ q_n)
h_t = n + z ⊙ (h_{t-1} − n)
""",
    """
dn = dh_t ⊙ (1 − z)
da_n = dn ⊙ (1 − n ⊙ n)
dz = dh_t ⊙ (h_{t-1} − n)
da_z = dz ⊙ z ⊙ (1 − z)
dr = da_n ⊙ q_n
da_r = dr ⊙ r ⊙ (1 − r)
dp_t = [da_r, da_z, da_n]
dq_t = [da_r, da_z, da_n ⊙ r]
back_{t-1} = dh_t ⊙ z + dq_t U
""",
)
RESET_AFTER = plain_cell(
    "gru/after",
    GATES,
    LETTERS,
    ("hidden",),
    (*GATES, "recurrent_candidate"),
    _after,
    _after_backward,
    _after_record_gradients,
)._replace(equations=AFTER)


# With the reset gate before the product, a step has two products that wait for each other: q_r and q_z, then
# q_n = s U_nᵀ + c_n. The pointwise functions come in two phases, before and after the second product, and so do their
# derivatives.


def _reset(p: Gates, q: Gates, h_prev: Array) -> Record:
    (p_r,) = p
    (q_r,) = q
    return (sigmoid(p_r + q_r),)


def _reset_state(record: Record, h_prev: Array) -> Array:
    (r,) = record
    return r * h_prev


def _reset_backward(ds: Array, h_prev: Array, record: Record) -> tuple[Gates, Gates, Array]:
    (r,) = record
    da = (ds * h_prev * sigmoid_slope(r),)
    return da, da, ds * r


def _before(p: Gates, q: Gates, state_prev: State) -> tuple[State, Record]:
    p_z, p_n = p
    q_z, q_n = q
    (h_prev,) = state_prev
    z = sigmoid(p_z + q_z)
    n = tanh(p_n + q_n)
    h = n + z * (h_prev - n)
    return (h,), (z, n)


def _before_backward(dstate: State, state: State, state_prev: State, record: Record) -> tuple[Gates, Gates, State]:
    (dh,) = dstate
    (h_prev,) = state_prev
    z, n = record
    da_n = dh * (1 - z) * tanh_slope(n)
    da_z = dh * (h_prev - n) * sigmoid_slope(z)
    da = (da_z, da_n)
    return da, da, (dh * z,)


def _step_before(p: Array, state_prev: State, U: Array, c: Array) -> tuple[State, Record]:
    (h_prev,) = state_prev
    rz, n_rows = _blocks(h_prev)
    p_r, p_z, p_n = split(p, 3)
    q_r, q_z = split(h_prev @ U[rz].T + c[rz], 2)
    early = _reset((p_r,), (q_r,), h_prev)
    q_n = _reset_state(early, h_prev) @ U[n_rows].T + c[n_rows]
    state, late = _before((p_z, p_n), (q_z, q_n), state_prev)
    return state, early + late


def _step_before_backward(
    dstate: State, state: State, state_prev: State, record: Record, U: Array
) -> tuple[Array, Array, State]:
    (h_prev,) = state_prev
    rz, n_rows = _blocks(h_prev)
    (da_z, da_n), _, (dh_kept,) = _before_backward(dstate, state, state_prev, record[1:])
    ds = da_n @ U[n_rows]
    (da_r,), _, dh_reset = _reset_backward(ds, h_prev, record[:1])
    dp = join((da_r, da_z, da_n))
    return dp, dp, (dh_kept + dh_reset + dp[:, rz] @ U[rz],)


def _recurrent_gradient_before(dq: Array, h_prev: Array, record: Record) -> Array:
    rz, n_rows = _blocks(h_prev)
    s = _reset_state(record[:1], h_prev)
    return np.concatenate([dq[:, rz].T @ h_prev, dq[:, n_rows].T @ s])


def _before_record_gradients(
    dstate: State, state: State, state_prev: State, record: Record, U: Array
) -> tuple[State, Record]:
    (dh,) = dstate
    (h_prev,) = state_prev
    _, z, n = record
    dn = dh * (1 - z)
    dz = dh * (h_prev - n)
    ds = (dn * tanh_slope(n)) @ U[_blocks(dh)[1]]
    return dstate, (ds * h_prev, dz, dn)


def _jacobian_before(state: State, state_prev: State, record: Record, U: Array) -> Array:
    """diag(z) + diag(a_z) U_z + diag(a_n) U_n (diag(r) + diag(a_r) U_r), each a at a gradient of 1."""
    (h_prev,) = state_prev
    r, z, n = record
    U_r, U_z, U_n = np.split(U, 3)
    one = np.ones_like(h_prev)
    (a_z, a_n), _, (kept,) = _before_backward((one,), state, state_prev, (z, n))
    (a_r,), _, reset = _reset_backward(one, h_prev, (r,))
    ds = diagonal(reset) + a_r[..., None] * U_r
    J: Array = diagonal(kept) + a_z[..., None] * U_z + (a_n[..., None] * U_n) @ ds
    return J


def _blocks(h: Array) -> tuple[slice, slice]:
    """The rows of U that the gates r and z own, and those of the candidate n."""
    H = h.shape[-1]
    return slice(0, 2 * H), slice(2 * H, 3 * H)


BEFORE = Equations(
    """
p_t = x_t Wᵀ + b
q_rz = h_{t-1} U_rzᵀ + c_rz
r = σ(p_r + q_r)
z = σ(p_z + q_z)
s = r ⊙ h_{t-1}
q_n = s U_nᵀ + c_n
n = tanh(p_n + q_n)
h_t = n + z ⊙ (h_{t-1} − n)
""",
    """
dn = dh_t ⊙ (1 − z)
da_n = dn ⊙ (1 − n ⊙ n)
dz = dh_t ⊙ (h_{t-1} − n)
da_z = dz ⊙ z ⊙ (1 − z)
ds = da_n U_n
dr = ds ⊙ h_{t-1}
da_r = dr ⊙ r ⊙ (1 − r)
dp_t = [da_r, da_z, da_n]
back_{t-1} = dh_t ⊙ z + ds ⊙ r + [da_r, da_z] U_rz
""",
)
RESET_BEFORE = Cell(
    "gru/before",
    GATES,
    LETTERS,
    ("hidden",),
    GATES,
    _step_before,
    _step_before_backward,
    _before_record_gradients,
    _jacobian_before,
    _recurrent_gradient_before,
    (
        Phase(2, 1, 1, _reset, _reset_backward, _reset_state),
        Phase(1, 2, 2, _before, _before_backward),
    ),
    equations=BEFORE,
)
FORMS = {"after": RESET_AFTER, "before": RESET_BEFORE}

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

from gatewise.activations import SIGMOID, TANH
from gatewise.cells.cell import Cell, Record, State, join, split
from gatewise.errors import Array

GATES = ("reset", "update", "candidate")


def _step_after(p: Array, state_prev: State, U: Array, c: Array) -> tuple[State, Record]:
    (h_prev,) = state_prev
    p_r, p_z, p_n = split(p, 3)
    q_r, q_z, q_n = split(h_prev @ U.T + c, 3)
    r = SIGMOID.value(p_r + q_r)
    z = SIGMOID.value(p_z + q_z)
    n = TANH.value(p_n + r * q_n)
    h = n + z * (h_prev - n)
    return (h,), (r, z, n, q_n)


def _step_after_backward(
    dstate: State, state: State, state_prev: State, record: Record, U: Array
) -> tuple[Array, Array, State]:
    (dh,) = dstate
    (h_prev,) = state_prev
    r, z, n, q_n = record
    da_n = dh * (1 - z) * TANH.derivative(n)
    da_z = dh * (h_prev - n) * SIGMOID.derivative(z)
    da_r = da_n * q_n * SIGMOID.derivative(r)
    dp = join(da_r, da_z, da_n)
    dq = join(da_r, da_z, da_n * r)
    return dp, dq, (dh * z + dq @ U,)


def _step_before(p: Array, state_prev: State, U: Array, c: Array) -> tuple[State, Record]:
    (h_prev,) = state_prev
    rz, n_rows = _blocks(h_prev)
    p_r, p_z, p_n = split(p, 3)
    q_r, q_z = split(h_prev @ U[rz].T + c[rz], 2)
    r = SIGMOID.value(p_r + q_r)
    z = SIGMOID.value(p_z + q_z)
    n = TANH.value(p_n + (r * h_prev) @ U[n_rows].T + c[n_rows])
    h = n + z * (h_prev - n)
    return (h,), (r, z, n)


def _step_before_backward(
    dstate: State, state: State, state_prev: State, record: Record, U: Array
) -> tuple[Array, Array, State]:
    (dh,) = dstate
    (h_prev,) = state_prev
    r, z, n = record
    rz, n_rows = _blocks(h_prev)
    da_n = dh * (1 - z) * TANH.derivative(n)
    da_z = dh * (h_prev - n) * SIGMOID.derivative(z)
    ds = da_n @ U[n_rows]  # s = r ⊙ h_{t-1}
    da_r = ds * h_prev * SIGMOID.derivative(r)
    dp = join(da_r, da_z, da_n)
    return dp, dp, (dh * z + ds * r + dp[:, rz] @ U[rz],)


def _recurrent_gradient_before(dq: Array, h_prev: Array, record: Record) -> Array:
    rz, n_rows = _blocks(h_prev)
    r = record[0]
    return np.concatenate([dq[:, rz].T @ h_prev, dq[:, n_rows].T @ (r * h_prev)])


def _blocks(h: Array) -> tuple[slice, slice]:
    """The rows of U that the gates r and z own, and those of the candidate n."""
    H = h.shape[-1]
    return slice(0, 2 * H), slice(2 * H, 3 * H)


RESET_AFTER = Cell("gru", GATES, ("hidden",), (*GATES, "recurrent_candidate"), _step_after, _step_after_backward)
RESET_BEFORE = Cell("gru", GATES, ("hidden",), GATES, _step_before, _step_before_backward, _recurrent_gradient_before)
FORMS = {"after": RESET_AFTER, "before": RESET_BEFORE}

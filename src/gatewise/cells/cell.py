"""What a cell is: the names of its gates and states, and its two pure functions.

Shapes, with B rows (batch), H units and G gates:

    p (B, G·H)     x_t Wᵀ + b, the input side of the pre-activations
    U (G·H, H)     recurrent weights, gates stacked by rows
    c (G·H,)       recurrent bias
    state          one (B, H) array a name in `states`; the first is the output h
    record         one (B, H) array a name in `recorded`: what the backward pass needs beside the states
    dV             gradient of the scalar loss with respect to V, of V's shape
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from gatewise.errors import Array

State = tuple[Array, ...]
Record = tuple[Array, ...]

Step = Callable[[Array, State, Array, Array], tuple[State, Record]]
StepBackward = Callable[[State, State, State, Record, Array], tuple[Array, Array, State]]
RecurrentGradient = Callable[[Array, Array, Record], Array]


def recurrent_gradient(dq: Array, h_prev: Array, record: Record) -> Array:
    """dU = dqᵀ h_prev over all rows (T·B, ·) at once: for every cell whose q is h_{t-1} Uᵀ + c."""
    return dq.T @ h_prev


class Cell(NamedTuple):
    """A recurrent cell as data; the time loop, matrix gradients, stacking and lengths are written once elsewhere."""

    name: str
    gates: tuple[str, ...]
    """Names of the row blocks of W and U, in order."""
    states: tuple[str, ...]
    recorded: tuple[str, ...]
    step: Step
    """`step(p, state_prev, U, c) -> state, record`."""
    step_backward: StepBackward
    """`step_backward(dstate, state, state_prev, record, U) -> dp, dq, dstate_prev`."""
    recurrent_gradient: RecurrentGradient = recurrent_gradient
    """`recurrent_gradient(dq, h_prev, record) -> dU`, all arguments stacked over time and batch."""


def split(a: Array, parts: int) -> list[Array]:
    """Views of the `parts` gates that stand side by side on the last axis of `a`."""
    return np.split(a, parts, axis=-1)


def join(*gates: Array) -> Array:
    """The inverse of `split`."""
    return np.concatenate(gates, axis=-1)

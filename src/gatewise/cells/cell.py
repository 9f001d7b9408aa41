"""What a cell is: the names of its gates and states, and its equations as pure functions.

Shapes, with B rows (batch), H units and G gates:

    p (B, G·H)     x_t Wᵀ + b, the input side of the pre-activations
    q (B, G·H)     h_{t-1} Uᵀ + c, the recurrent side; (B, 0) if the cell has none
    U (G·H, H)     recurrent weights, gates stacked by rows; (0, H) if the cell has none
    c (G·H,)       recurrent bias; (0,) if the cell has no U, 0 if it has no recurrent bias
    state          one (B, H) array a name in `states`; the first is the output h
    record         one (B, H) array a name in `recorded`: what the backward pass needs beside the states
    dV             gradient of the scalar loss with respect to V, of V's shape

Functions called *pointwise* take p and q gate by gate, as tuples of G arrays (B, H), and work element by element
only; q is the empty tuple in a cell without U. They are the equations; the kernels compile the very same functions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from gatewise.errors import Array

State = tuple[Array, ...]
Record = tuple[Array, ...]
Gates = tuple[Array, ...]

Pointwise = Callable[[Gates, Gates, State], tuple[State, Record]]
PointwiseBackward = Callable[[State, State, State, Record], tuple[Gates, Gates, State]]
Step = Callable[[Array, State, Array, Array], tuple[State, Record]]
StepBackward = Callable[[State, State, State, Record, Array], tuple[Array, Array, State]]
RecurrentGradient = Callable[[Array, Array, Record], Array]
RecordGradients = Callable[[State, State, State, Record, Array], tuple[State, Record]]
Jacobian = Callable[[State, State, Record, Array], Array]


def recurrent_gradient(dq: Array, h_prev: Array, record: Record) -> Array:
    """dU = dqᵀ h_prev over all rows (T·B, ·) at once: for every cell whose q is h_{t-1} Uᵀ + c."""
    return dq.T @ h_prev


class Phase(NamedTuple):
    """One product of a step and the pointwise functions after it; a cell has one phase, the reset-before GRU two.

    The only, or last, phase makes the state:

        forward(p, q, state_prev) -> state, record
        backward(dstate, state, state_prev, record) -> dp, dq, dstate_prev, the last without what comes through q

    A phase before it makes the operand s of the last phase's product from h_{t-1}:

        forward(p, q, h_prev) -> record
        operand(record, h_prev) -> s
        backward(ds, h_prev, record) -> dp, dq, dh_prev

    Gates, products and recorded values are counted off in the order of the cell's names.
    """

    products: int
    """Gates whose q is formed first: q = h_{t-1} Uᵀ + c, in the last of two phases s Uᵀ + c."""
    gates: int
    """Gates whose p and q the functions take."""
    recorded: int
    """Values in the record that `forward` returns."""
    forward: Callable[..., Any]
    backward: Callable[..., Any]
    operand: Callable[[Record, Array], Array] | None = None


class Equations(NamedTuple):
    """One step of a cell as text, a line an equation, in the letters of the documentation's Mathematics page.

    `h_t` and `h_{t-1}`, `c_t` are states, `r`, `z`, … gates by their letters, `da_r` the gradient of a pre-activation,
    `back_t` and `cback_t` what comes back to h_t and c_t from step t + 1.
    """

    forward: str
    backward: str


class Cell(NamedTuple):
    """A recurrent cell as data; the time loop, matrix gradients, stacking and lengths are written once elsewhere."""

    form: str
    """Its identity: "gru/after", "gru/before", "lstm", "rnn/tanh", …; the part before "/" is the name of its layer."""
    gates: tuple[str, ...]
    """Names of the row blocks of W and U, in order."""
    letters: tuple[str, ...]
    """One letter per gate, as the equations have them."""
    states: tuple[str, ...]
    recorded: tuple[str, ...]
    step: Step
    """`step(p, state_prev, U, c) -> state, record`."""
    step_backward: StepBackward
    """`step_backward(dstate, state, state_prev, record, U) -> dp, dq, dstate_prev`."""
    record_gradients: RecordGradients
    """`record_gradients(dstate, state, state_prev, record, U) -> dstate, drecord`: the gradient of each recorded value,
    and that of each state with what it passes to the others of its own step; for any leading axes in place of B."""
    jacobian: Jacobian
    """`jacobian(state, state_prev, record, U) -> ∂state/∂state_prev` (..., S·H, S·H), for any leading axes."""
    recurrent_gradient: RecurrentGradient = recurrent_gradient
    """`recurrent_gradient(dq, h_prev, record) -> dU`, all arguments stacked over time and batch."""
    phases: tuple[Phase, ...] = ()
    """The pointwise functions in `step` and `step_backward`, for kernels to compile; none if there is no kernel."""
    recurrent: bool = True
    """Whether there is U; without it q is absent, and so is the recurrent bias."""
    recurrent_bias: bool = True
    """Whether c is a parameter; else it is 0."""
    equations: Equations | None = None
    """The step to follow with a pencil; None for a user's cell."""

    @property
    def name(self) -> str:
        """Name of the layer that has this form: "gru", "lstm", "rnn", …."""
        return self.form.partition("/")[0]

    def title(self, name: str) -> str:
        """Return what gate, recorded value or state `name` is called in text.

        Examples
        --------
        >>> from gatewise.cells import FORMS
        >>> [FORMS["lstm"].title(name) for name in ("forget", "candidate", "cell")]
        ['forget gate f', 'candidate', 'cell state c']
        """
        if name in self.states:
            return f"{name} state {name[0]}"
        if name in self.gates and name != "candidate":
            return f"{name} gate {self.letters[self.gates.index(name)]}"
        if name == "recurrent_candidate":
            return "recurrent side of the candidate, q_n"
        return name.replace("_", " ")


def plain_cell(
    form: str,
    gates: tuple[str, ...],
    letters: tuple[str, ...],
    states: tuple[str, ...],
    recorded: tuple[str, ...],
    forward: Pointwise,
    backward: PointwiseBackward,
    record_gradients: RecordGradients,
    recurrent: bool = True,
    recurrent_bias: bool = True,
) -> Cell:
    """Return the cell whose only recurrent product is q = h_{t-1} Uᵀ + c, or has none: all but the reset-before GRU.

    `forward(p, q, state_prev) -> state, record`; `backward(dstate, state, state_prev, record) -> dp, dq, dstate_prev`,
    the last without what h_{t-1} receives through q, which is dq U.
    """
    return Cell(
        form,
        gates,
        letters,
        states,
        recorded,
        PlainStep(forward),
        PlainStepBackward(backward),
        record_gradients,
        PlainJacobian(backward),
        phases=(Phase(len(gates) if recurrent else 0, len(gates), len(recorded), forward, backward),),
        recurrent=recurrent,
        recurrent_bias=recurrent and recurrent_bias,
    )


@dataclass(frozen=True)
class PlainStep:
    """The step of a plain cell; data, so that copies of a cell, pickled ones too, are equal to it."""

    forward: Pointwise

    def __call__(self, p: Array, state_prev: State, U: Array, c: Array, /) -> tuple[State, Record]:
        """`step` of `Cell`."""
        h_prev = state_prev[0]
        q = h_prev @ U.T + c
        H = h_prev.shape[-1]
        return self.forward(split(p, p.shape[-1] // H), split(q, q.shape[-1] // H), state_prev)


@dataclass(frozen=True)
class PlainStepBackward:
    """The backward step of a plain cell."""

    backward: PointwiseBackward

    def __call__(
        self, dstate: State, state: State, state_prev: State, record: Record, U: Array, /
    ) -> tuple[Array, Array, State]:
        """`step_backward` of `Cell`."""
        dp, dq, (dh, *others) = self.backward(dstate, state, state_prev, record)
        if not dq:
            return join(dp), np.empty((len(dh), 0), dh.dtype), (dh, *others)
        dq_joined = join(dq)
        return join(dp), dq_joined, (dh + dq_joined @ U, *others)


@dataclass(frozen=True)
class PlainJacobian:
    """∂state/∂state_prev of a plain cell.

    The backward step is pointwise but for dq U, and linear in dstate. So its values at dstate = 1 in one state and 0 in
    the others are the diagonals of which the Jacobian is made: diag(direct) + Σ over gates of diag(dq) U.
    """

    backward: PointwiseBackward

    def __call__(self, state: State, state_prev: State, record: Record, U: Array, /) -> Array:
        """`jacobian` of `Cell`."""
        h, S = state[0], len(state)
        H = h.shape[-1]
        gates = U.reshape(-1, H, H)
        result = np.zeros((*h.shape[:-1], S * H, S * H), h.dtype)
        for k in range(S):
            unit = tuple(np.full_like(h, j == k) for j in range(S))
            _, dq, direct = self.backward(unit, state, state_prev, record)
            rows = result[..., k * H : (k + 1) * H, :]
            for d, U_gate in zip(dq, gates, strict=True):
                rows[..., :H] += d[..., None] * U_gate
            for j, d in enumerate(direct):
                rows[..., j * H : (j + 1) * H] += diagonal(d)
        return result


def diagonal(d: Array) -> Array:
    """(..., H) as matrices (..., H, H) with these diagonals."""
    matrices: Array = d[..., None] * np.eye(d.shape[-1], dtype=d.dtype)
    return matrices


def split(a: Array, parts: int) -> Gates:
    """Views of the `parts` gates that stand side by side on the last axis of `a`."""
    size = a.shape[-1] // parts if parts else 0
    return tuple(a[..., k * size : (k + 1) * size] for k in range(parts))


def join(gates: Gates) -> Array:
    """The inverse of `split`."""
    return np.concatenate(gates, axis=-1)

"""The time loop, written once for every cell, and the matrix products that do not need to be inside it.

Everything here is time-major: a step's rows lie together. Shapes, with T steps, B rows, D inputs, H units, G gates:

    x (T, B, D)    state (B, H) each    valid (T, B, 1) or None: False where a sequence has ended
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gatewise.cells import Cell, Record, State
from gatewise.errors import Array
from gatewise.threads import single_threaded_blas


class Weights(NamedTuple):
    """The arrays of one direction of one layer, or their gradients."""

    W: Array  # (G·H, D)
    U: Array  # (G·H, H)
    b: Array  # (G·H,)
    c: Array  # (G·H,)


class Run(NamedTuple):
    """What one pass over time leaves behind for the backward pass."""

    cell: Cell
    x: Array  # (T, B, D)
    weights: Weights
    states: State  # (T + 1, B, H) each, the initial state first
    record: Record  # (T, B, H) each
    valid: Array | None  # (T, B, 1)

    @property
    def h_prev(self) -> Array:
        """The hidden state before each step (T, B, H): the output shifted by one, h_0 first."""
        h: Array = self.states[0][:-1]
        return h

    def final_state(self) -> State:
        """The state after the last valid step of each sequence, (B, H) each."""
        return tuple(s[-1] for s in self.states)


@single_threaded_blas()
def forward(cell: Cell, x: Array, weights: Weights, state: State, valid: Array | None = None) -> Run:
    """Run `cell` over all steps from `state`; a sequence that has ended keeps its last state."""
    W, U, b, c = weights
    T, B, H = len(x), *state[0].shape
    p = _rows(x) @ W.T
    p += b
    p = p.reshape(T, B, len(W))
    states = tuple(np.empty((T + 1, B, H), x.dtype) for _ in cell.states)
    record = tuple(np.empty((T, B, H), x.dtype) for _ in cell.recorded)
    _store(states, 0, state)
    for t in range(T):
        state_prev = state
        state, recorded = cell.step(p[t], state_prev, U, c)
        if valid is not None:
            state = _choose(valid[t], state, state_prev)
        _store(states, t + 1, state)
        _store(record, t, recorded)
    return Run(cell, x, weights, states, record, valid)


@single_threaded_blas()
def backward(run: Run, dh: Array, dstate: State) -> tuple[Array, State, Weights]:
    """Carry the gradients dh (T, B, H) of every output and `dstate` of the final state back through `run`.

    Returns dx (T, B, D), the gradient of the initial state, and those of the weights. dh must be 0 where a
    sequence has ended.
    """
    cell, x, (W, U, _, _), states, record, valid = run
    T, B, _ = dh.shape
    dp = np.empty((T, B, len(W)), x.dtype)
    dq = np.empty_like(dp)
    for t in reversed(range(T)):
        dstate = (dstate[0] + dh[t], *dstate[1:])
        dstate_next = dstate
        dp[t], dq[t], dstate = cell.step_backward(dstate, _at(states, t + 1), _at(states, t), _at(record, t), U)
        if valid is not None:
            dp[t], dq[t] = dp[t] * valid[t], dq[t] * valid[t]
            dstate = _choose(valid[t], dstate, dstate_next)
    dp, dq = _rows(dp), _rows(dq)
    dU = cell.recurrent_gradient(dq, _rows(run.h_prev), tuple(_rows(a) for a in record))
    gradients = Weights(dp.T @ _rows(x), dU, dp.sum(axis=0), dq.sum(axis=0))
    return (dp @ W).reshape(x.shape), dstate, gradients


def _rows(a: Array) -> Array:
    """(T, B, N) as (T·B, N)."""
    return a.reshape(-1, a.shape[-1])


def _at(arrays: tuple[Array, ...], t: int) -> tuple[Array, ...]:
    return tuple(a[t] for a in arrays)


def _store(arrays: tuple[Array, ...], t: int, values: tuple[Array, ...]) -> None:
    for a, value in zip(arrays, values, strict=True):
        a[t] = value


def _choose(valid: Array, new: State, old: State) -> State:
    """`new` where the sequence goes on, `old` where it has ended."""
    return tuple(np.where(valid, n, o) for n, o in zip(new, old, strict=True))

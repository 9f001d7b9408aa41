"""One layer in one direction over time: a kernel where there is one, else the time loop in NumPy.

The loop is written once for all cells; every matrix product that need not be inside it is outside.

Shapes, with B sequences, T steps, D inputs, H units, G gates:

    x (B, T, D)    lengths (B,) or None: from there on a sequence keeps its state
    state (S, B, H): one (B, H) for each of the S states of the cell
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gatewise import kernels
from gatewise.cells import Cell, State
from gatewise.errors import Array
from gatewise.threads import single_threaded_blas


class Weights(NamedTuple):
    """The arrays of one direction of one layer, or their gradients."""

    W: Array  # (G·H, D)
    U: Array  # (G·H, H); (0, H) if the cell has none
    b: Array  # (G·H,)
    c: Array  # (G·H,); (0,) if the cell has no U


class Run(NamedTuple):
    """What one pass over time leaves behind, for the backward pass among others."""

    cell: Cell
    x: Array  # (B, T, D)
    weights: Weights
    initial: Array  # (S, B, H)
    lengths: Array | None  # (B,)
    states: Array  # (S, B, T, H); 0 past each length
    record: Array  # (R, B, T, H), R recorded values; 0 past each length; (0, B, T, H) if they are to be computed again
    final: Array  # (S, B, H): after the last valid step

    def previous(self) -> Array:
        """The states before each step, (S, B, T, H): those after it shifted by one, the initial ones first."""
        T = self.x.shape[1]
        return np.concatenate([self.initial[:, :, None], self.states], axis=2)[:, :, :T]


def forward(
    cell: Cell,
    x: Array,
    weights: Weights,
    initial: Array,
    lengths: Array | None = None,
    *,
    keep: bool = True,
    record: bool = True,
) -> Run:
    """Run `cell` over all steps.

    Unless `keep`, the run holds the output, states[0], and the final state, and no backward pass can follow. Without
    `record`, gates are not kept but computed again in the backward pass.
    """
    kernel = kernels.find(cell) if len(x) else None
    if kernel:
        states, kept, final = kernel.forward(x, weights, initial, lengths, keep, record)
    else:
        states, kept, final = _forward(cell, x, weights, initial, lengths)
        kept = kept if record else kept[:0]
    return Run(cell, x, weights, initial, lengths, states, kept, final)


def output(cell: Cell, x: Array, weights: Weights, initial: Array, lengths: Array | None = None) -> tuple[Array, Array]:
    """Run `cell` over all steps, and return the output (B, T, H) and the final state alone."""
    kernel = kernels.find(cell) if len(x) else None
    if kernel:
        states, _, final = kernel.forward(x, weights, initial, lengths, False, False)
    else:
        states, _, final = _forward(cell, x, weights, initial, lengths)
    return states[0], final


class Pass(NamedTuple):
    """One backward pass, and what it carried from step to step."""

    run: Run
    dstates: Array  # (S, B, T, H): what reached each state from its output and from the next step; 0 past each length
    dinitial: Array  # (S, B, H)
    gradients: Weights


def backward(run: Run, dh: Array, dfinal: Array) -> tuple[Array, Array, Weights]:
    """Carry the gradients dh (B, T, H) of every output and `dfinal` of the final state back through `run`.

    Returns dx (B, T, D), the gradient of the initial state, and those of the weights. dh must be 0 where a sequence has
    ended.
    """
    dx, passed = backward_pass(run, dh, dfinal, keep_dstates=False)
    return dx, passed.dinitial, passed.gradients


def backward_pass(
    run: Run, dh: Array, dfinal: Array, *, keep_dstates: bool = True, needs_dx: bool = True
) -> tuple[Array, Pass]:
    """As `backward`, with the gradients that reached each state, or (S, B, 0, H) if not to `keep_dstates`.

    dx is (0, T, D) unless it `needs_dx`.
    """
    kernel = kernels.find(run.cell) if len(run.x) else None
    if kernel:
        dx, dinitial, parts, dstates = kernel.backward(run[1:7], dh, dfinal, keep_dstates, needs_dx)
        return dx, Pass(run, dstates, dinitial, Weights(*parts))
    dstates = np.zeros_like(run.states if keep_dstates else run.states[:, :, :0])
    again = run._replace(record=recorded(run))
    dx, dinitial, gradients = _backward(again, dh, dfinal, dstates if keep_dstates else None)
    return dx if needs_dx else dx[:0], Pass(run, dstates, dinitial, gradients)


def recorded(run: Run) -> Array:
    """Return the record of a run, computed again if it was not kept."""
    if len(run.record) == len(run.cell.recorded):
        return run.record
    return forward(*run[:5]).record


@single_threaded_blas()
def _forward(
    cell: Cell, x: Array, weights: Weights, initial: Array, lengths: Array | None
) -> tuple[Array, Array, Array]:
    W, U, b, c = weights
    B, T, _ = x.shape
    p, state = _by_time(x) @ W.T + b, tuple(initial)
    shape = (B, T, state[0].shape[-1])
    states, record = (np.zeros((len(names), *shape), x.dtype) for names in (cell.states, cell.recorded))
    for t in range(T):
        state_prev = state
        state, recorded = cell.step(p[t], state_prev, U, c)
        if lengths is None:
            _store(states, t, state)
            _store(record, t, recorded)
        else:
            valid = (t < lengths)[:, None]
            _store(states, t, tuple(np.where(valid, s, 0) for s in state))
            _store(record, t, tuple(np.where(valid, r, 0) for r in recorded))
            state = _choose(valid, state, state_prev)
    return states, record, np.array(state)


@single_threaded_blas()
def _backward(run: Run, dh: Array, dfinal: Array, dstates: Array | None = None) -> tuple[Array, Array, Weights]:
    cell, x, (W, U, _, _), _, lengths, states, record, _ = run
    B, T, _ = dh.shape
    dstate = tuple(dfinal)
    dp, dq = (np.empty((T, B, len(weight)), x.dtype) for weight in (W, U))
    previous = run.previous()
    for t in reversed(range(T)):
        dstate = (dstate[0] + dh[:, t], *dstate[1:])
        dstate_next = dstate
        dp[t], dq[t], dstate = cell.step_backward(dstate, _at(states, t), _at(previous, t), _at(record, t), U)
        valid = None if lengths is None else (t < lengths)[:, None]
        if dstates is not None:
            _store(dstates, t, dstate_next if valid is None else tuple(np.where(valid, d, 0) for d in dstate_next))
        if valid is not None:
            dp[t], dq[t] = np.where(valid, dp[t], 0), np.where(valid, dq[t], 0)
            dstate = _choose(valid, dstate, dstate_next)
    h_prev, gates = _rows(_by_time(previous[0])), tuple(_rows(_by_time(r)) for r in record)
    dx = (dp @ W).swapaxes(0, 1)
    dp, dq = _rows(dp), _rows(dq)
    dU = cell.recurrent_gradient(dq, h_prev, gates)
    gradients = Weights(dp.T @ _rows(_by_time(x)), dU, dp.sum(axis=0), dq.sum(axis=0))
    return np.ascontiguousarray(dx), np.array(dstate), gradients


def _by_time(a: Array) -> Array:
    """(B, T, N) as contiguous (T, B, N), where the rows of a step lie together."""
    return np.ascontiguousarray(a.swapaxes(0, 1))


def _rows(a: Array) -> Array:
    """(T, B, N) as (T·B, N)."""
    T, B, N = a.shape
    return a.reshape(T * B, N)


def _at(arrays: Array, t: int) -> tuple[Array, ...]:
    return tuple(a[:, t] for a in arrays)


def _store(arrays: Array, t: int, values: tuple[Array, ...]) -> None:
    for a, value in zip(arrays, values, strict=True):
        a[:, t] = value


def _choose(valid: Array, new: State, old: State) -> State:
    """`new` where the sequence goes on, `old` where it has ended."""
    return tuple(np.where(valid, n, o) for n, o in zip(new, old, strict=True))

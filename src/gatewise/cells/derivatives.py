"""One step of a cell against central differences, gate by gate: which line of a backward step is wrong."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gatewise.cells.cell import Cell
from gatewise.errors import Array

UNITS = 4
STEP = 1e-3


def derivative_errors(cell: Cell, seed: int = 0) -> dict[tuple[str, str], float]:
    """Return the largest relative error of each part of `cell.step_backward`, in float64, at one random step.

    Keys are ("p", gate) and ("q", gate) for the gradients of a gate's pre-activations, ("state", state) for what goes
    back to a state. An error is |claimed − measured| over the largest of both and the root mean square of the part.
    Nothing passes through time here, so that a wrong gate does not spoil the others.

    Examples
    --------
    >>> from gatewise.cells import FORMS
    >>> errors = derivative_errors(FORMS["gru/after"])
    >>> list(errors)[:3], max(errors.values()) < 1e-9
    ([('p', 'reset'), ('p', 'update'), ('p', 'candidate')], True)
    """
    rng, H = np.random.default_rng(seed), UNITS
    rows = len(cell.gates) * H
    U = rng.standard_normal((rows * cell.recurrent, H))
    p, c = rng.standard_normal((1, rows)), rng.standard_normal(rows * cell.recurrent)
    before, dstate = (tuple(rng.standard_normal((1, H)) for _ in cell.states) for _ in range(2))

    def loss() -> float:
        state, _ = cell.step(p, before, U, c)
        return float(sum(np.vdot(d, s) for d, s in zip(dstate, state, strict=True)))

    state, record = cell.step(p, before, U, c)
    dp, dq, dbefore = cell.step_backward(dstate, state, before, record, U)
    errors: dict[tuple[str, str], float] = {}
    for k, gate in enumerate(cell.gates):
        part = slice(k * H, (k + 1) * H)
        errors["p", gate] = _error(loss, p[0, part], dp[0, part])
        if cell.recurrent:
            errors["q", gate] = _error(loss, c[part], dq[0, part])  # q = h_{t-1} Uᵀ + c, and there is one row
    for name, values, claimed in zip(cell.states, before, dbefore, strict=True):
        errors["state", name] = _error(loss, values[0], claimed[0])
    return dict(sorted(errors.items(), key=lambda item: ("p", "q", "state").index(item[0][0])))


def _error(loss: Callable[[], float], values: Array, claimed: Array) -> float:
    """Relative error of the claimed derivatives by `values`, a view of an argument of `loss`."""
    measured = np.array([_central_difference(loss, values, k) for k in range(len(values))])
    scale = np.sqrt(np.mean(claimed**2))
    size = np.maximum(np.maximum(np.abs(claimed), np.abs(measured)), max(scale, 1e-8))
    return float(np.max(np.abs(claimed - measured) / size))


def _central_difference(loss: Callable[[], float], values: Array, index: int) -> float:
    """The fourth-order difference (8 (L₁ − L₋₁) − (L₂ − L₋₂)) / 12ε by one element."""
    start, losses = values[index], {}
    for k in (-2, -1, 1, 2):
        values[index] = start + k * STEP
        losses[k] = loss()
    values[index] = start
    return (8 * (losses[1] - losses[-1]) - (losses[2] - losses[-2])) / (12 * STEP)

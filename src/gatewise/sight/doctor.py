"""Where a NaN came from: a training step that was not finite, taken again slowly, and what most likely made it so.

Nothing here runs before a step has failed.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gatewise.errors import GatewiseError
from gatewise.sight.causes import REMEDIES, cause
from gatewise.sight.spots import Case, Spot, spots

NORMS_SHOWN = 5


class NonFiniteError(GatewiseError, ArithmeticError, ValueError):
    """A training step gave a loss or gradient that is not finite; it says where, why, and what to do.

    The step was not taken: the weights are those before it, or the best ones if `patience` was given.

    Attributes
    ----------
    cause : str
        "input", "padding", "target", "unscaled input", "unscaled target", "weights", "learning rate",
        "exploding recurrence", "loss" or "overflow".
    remedy : str
    epoch, batch : int
        From 1. In `train_stream` epoch is 0, and batch the number of the update.
    loss, gradient_norm : float
        As the failed step gave them; NaN if it did not come that far.
    gradient_norms : list of float
        Those of the last steps before it, the latest last.
    quantity : str
        What was not finite first, in the order of the computation: "x", "target", a parameter, a gate or state, "y",
        "loss", or a gradient, "d_hidden", "d_y", ….
    layer, parameter, gate : str or None
        The layer's name and place; the parameter that is not finite, or whose gradient is not; the gate.
    parameters : list of str
        All parameters that are not finite, or whose gradients are not.
    unit, sample, step : int or None
        Unit or feature, row of the arrays given to `train`, and time step, all from 0; in `train_stream` the row and
        the step of the window.
    history : History
        The epochs completed.

    Examples
    --------
    >>> import numpy as np, gatewise as gw
    >>> x = np.zeros((8, 30, 1), np.float32)
    >>> x[5, 17] = np.nan
    >>> model = gw.Sequential(gw.GRU(1, 4, rng=0), gw.Last())
    >>> try:
    ...     gw.train(model, x, x[:, -1:, 0] + np.zeros(4, np.float32), loss="mse", optimizer="adam", epochs=1)
    ... except gw.NonFiniteError as error:
    ...     print(error.cause, error.sample, error.step)
    input 5 17
    """

    cause: str
    remedy: str
    epoch: int
    batch: int
    loss: float
    gradient_norm: float
    gradient_norms: list[float]
    quantity: str
    layer: str | None
    parameter: str | None
    parameters: list[str]
    gate: str | None
    unit: int | None
    sample: int | None
    step: int | None
    history: Any


def examine(case: Case) -> NonFiniteError | None:
    """Return the error to raise, or None if every number is finite and the step failed for another reason."""
    with np.errstate(all="ignore"):
        spot = next(spots(case), None)
        if spot is None:
            return None
        likely, evidence = cause(case, spot)
        remedy = REMEDIES[likely]
        parameters = _parameters(case)
    sample = None if spot.row is None else int(case.rows[spot.row])
    what = str(case.error) if case.error else _outcome(case)
    norms = ", ".join(f"{norm:.3g}" for norm in list(case.norms)[-NORMS_SHOWN:]) or "none, this was the first step"
    spoiled = f" Not finite in it or its gradient: {', '.join(parameters)}." if parameters else ""
    error = NonFiniteError(
        f"{case.place}: {what} First not finite: {_described(spot, sample)}.{spoiled} "
        f"Gradient norms before: {norms}. Likely cause: {evidence}. "
        f"The weights are those of the batch before: {remedy}"
    )
    vars(error).update(spot._asdict())
    del error.row  # type: ignore[attr-defined]
    error.cause, error.remedy, error.sample, error.parameters = likely, remedy, sample, parameters
    error.epoch, error.batch, error.gradient_norms = case.epoch, case.number, list(case.norms)
    error.loss, error.gradient_norm, error.history = case.value, case.norm, None
    return error


def _parameters(case: Case) -> list[str]:
    """The parameters that are not finite, or else those whose gradients are not."""
    arrays = dict(case.model.params)
    if all(np.isfinite(value).all() for value in arrays.values()):
        if case.attempt.gradient is None:
            return []
        arrays = case.model.backward(case.attempt.tape, case.attempt.gradient)[2]
    return [name for name, value in arrays.items() if not np.isfinite(value).all()]


def _outcome(case: Case) -> str:
    return f"the loss is {case.value:g} and the gradient norm {case.norm:g}; need finite numbers."


def _described(spot: Spot, sample: int | None) -> str:
    unit = "feature" if spot.quantity in ("x", "y", "d_y", "target") else "unit"
    names = {"parameter": spot.parameter, "in": spot.layer, "gate": spot.gate, unit: spot.unit, "sample": sample}
    parts = [f"{name} {value}" for name, value in names.items() if value is not None and value != spot.quantity]
    return ", ".join([spot.quantity, *parts, *([] if spot.step is None else [f"time step {spot.step}"])])

"""What most likely made the numbers of a training step not finite, the evidence, and the remedy."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gatewise import recurrence
from gatewise.errors import Array
from gatewise.layers import Layer
from gatewise.layers.parts import plain_layers, recurrent_parts
from gatewise.sight.spots import Case, Spot

LARGE_DATA = 1e3  # standardized data stays far below it
LARGE_WEIGHT = 1e2  # starting weights are below 1
GROWTH = 1e2  # of gradient norms, from one step to any of the last ones
SATURATED = 1e-3  # distance of a gate from 0 or 1

REMEDIES = {
    "weights": "load or build the model anew, and look at where its weights came from.",
    "input": "fill the gaps before training (fit the fill on training data), or drop the row.",
    "padding": "drop rows that hold nothing, and pass the lengths of the others: lengths=.",
    "target": "fill it, drop the row, or give it weight 0: weights=.",
    "unscaled input": "scale the data: subtract the mean and divide by the standard deviation of the training rows.",
    "unscaled target": "scale the data: subtract the targets' mean and divide by their standard deviation.",
    "exploding recurrence": "pass clip=1, start with init='orthogonal', or use tanh, a GRU or an LSTM.",
    "learning rate": "lower the learning rate, pass clip=1, or scale the data.",
    "loss": "look at this loss where it is not finite; those of gatewise.losses are for every finite input.",
    "overflow": "lower the learning rate, pass clip=1, or scale the data.",
}


def cause(case: Case, spot: Spot) -> tuple[str, str]:
    """The likely cause, and what speaks for it."""
    if spot.quantity == "x":
        return _cause_in_input(case, spot)
    if spot.quantity == "target":
        return "target", "the target itself is not finite"
    if not case.norms and spot.quantity in case.model.params:
        return "weights", "the model's weights were not finite before the first step"
    return _cause_in_size(case) or _cause_in_growth(case, spot)


def _cause_in_input(case: Case, spot: Spot) -> tuple[str, str]:
    assert spot.row is not None
    batch = case.batch
    length = batch.x.shape[1] if batch.lengths is None else int(batch.lengths[spot.row])
    missing = ~np.isfinite(batch.x[spot.row, :length].reshape(length, -1))
    held = np.flatnonzero(~missing.all(axis=1))
    valid = int(held[-1]) + 1 if len(held) else 0
    if valid == 0 or (length - valid > 1 and not missing[:valid].any()):
        return "padding", f"the row holds nothing from step {valid} to its end, as if it were padding"
    return "input", f"{int(missing.any(axis=1).sum())} of the {length} steps of this row are not finite in the input"


def _cause_in_size(case: Case) -> tuple[str, str] | None:
    batch = case.batch
    for name, a in (("input", batch.x), ("target", batch.y)):
        finite = np.abs(a[np.isfinite(a)]) if a.dtype.kind == "f" else np.zeros(0)
        size = float(finite.max(initial=0))
        if size > LARGE_DATA:
            saturated = _saturation(case) if name == "input" else ""
            return f"unscaled {name}", f"the {name} is unscaled, with values up to {size:.3g}{saturated}"
    return None


def _saturation(case: Case) -> str:
    """How many gates of the failed step were open or shut for good, as a phrase."""
    if case.attempt.tape is None:
        return ""
    runs = [run for part in recurrent_parts(case.model, case.attempt.tape) for run in part.tape.runs]
    gates = [
        gate
        for run in runs
        for name, gate in zip(run.cell.recorded, recurrence.recorded(run), strict=True)
        if name in run.cell.gates and name != "candidate"
    ]
    if not gates:
        return ""
    shut = np.mean([np.mean(np.abs(gate - 0.5) > 0.5 - SATURATED) for gate in gates])
    return f", and {shut:.0%} of the gates are saturated"


def _cause_in_growth(case: Case, spot: Spot) -> tuple[str, str]:
    norms = list(case.norms)
    radius, name = max(((_radius(U), name) for name, U in _relu_weights(case.model)), default=(0.0, ""))
    if radius > 1 and (not norms or norms[0] > GROWTH):
        return "exploding recurrence", (
            f"a relu network explodes: the spectral radius of {name} is {radius:.3g}, "
            f"by which state and gradient grow at every step"
        )
    largest = max((float(np.nanmax(np.abs(p))) for p in case.model.params.values() if p.size), default=0.0)
    if norms and (largest > LARGE_WEIGHT or max(norms) > GROWTH * min(norms) or spot.quantity in case.model.params):
        return "learning rate", (
            f"the learning rate is too high: after {case.steps} step(s) the largest weight is {largest:.3g}"
        )
    if spot.quantity in ("loss", "d_y") and largest <= LARGE_WEIGHT:
        return "loss", "the loss is not finite although the model's output is"
    return "overflow", f"numbers outgrew {case.model.dtype}; the largest weight is {largest:.3g}"


def _relu_weights(model: Layer) -> Iterator[tuple[str, Array]]:
    for prefix, layer, _ in plain_layers(model):
        if getattr(layer, "nonlinearity", None) == "relu":
            for name, value in layer.params.items():
                if name.startswith("weight_hh"):
                    yield prefix + name, value


def _radius(U: Array) -> float:
    """Spectral radius; inf if U is not finite."""
    return float(np.abs(np.linalg.eigvals(U.astype(np.float64))).max()) if np.isfinite(U).all() else np.inf

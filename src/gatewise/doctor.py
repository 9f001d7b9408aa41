"""Where a NaN came from: a training step that was not finite, taken again slowly, and what most likely made it so.

Nothing here runs before a step has failed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from gatewise import recurrence
from gatewise.batches import Samples
from gatewise.errors import Array, GatewiseError
from gatewise.layers import Layer
from gatewise.layers.padding import valid_steps
from gatewise.layers.parts import Part, plain_layers, recurrent_parts
from gatewise.layers.stack import Recurrent
from gatewise.losses import Loss
from gatewise.recurrence import Run

LARGE_DATA = 1e3
LARGE_WEIGHT = 1e2
GROWTH = 1e2
SATURATED = 1e-3
NORMS_SHOWN = 5

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


class Spot(NamedTuple):
    """Where a number that is not finite stands; None where a question does not apply."""

    quantity: str
    layer: str | None = None
    parameter: str | None = None
    gate: str | None = None
    unit: int | None = None
    row: int | None = None  # in the batch
    step: int | None = None


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
        From 1.
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
        Unit or feature, row of the arrays given to `train`, and time step, all from 0.
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


@dataclass
class Attempt:
    """A training step as far as it came."""

    batch: Samples
    weights: Array | None
    prediction: Array | None = None
    tape: Any = None
    value: float = float("nan")
    gradient: Array | None = None
    norm: float = float("nan")
    error: GatewiseError | None = None


@dataclass
class Case:
    """All that is known about a failed step."""

    model: Layer
    loss: Loss
    attempt: Attempt
    rows: Array  # of the batch, in the user's arrays
    epoch: int
    number: int
    norms: Sequence[float]  # of the last steps before
    steps: int  # made before


def examine(case: Case) -> NonFiniteError | None:
    """Return the error to raise, or None if every number is finite and the step failed for another reason."""
    attempt = case.attempt
    with np.errstate(all="ignore"):
        spot = next(_spots(case), None)
        if spot is None:
            return None
        cause, evidence = _cause(case, spot)
        remedy = REMEDIES[cause]
        parameters = _parameters(case)
    sample = None if spot.row is None else int(case.rows[spot.row])
    what = str(attempt.error) if attempt.error else _outcome(attempt)
    norms = ", ".join(f"{norm:.3g}" for norm in list(case.norms)[-NORMS_SHOWN:]) or "none, this was the first step"
    spoiled = f" Not finite in it or its gradient: {', '.join(parameters)}." if parameters else ""
    error = NonFiniteError(
        f"epoch {case.epoch}, batch {case.number}: {what} First not finite: {_described(spot, sample)}.{spoiled} "
        f"Gradient norms before: {norms}. Likely cause: {evidence}. "
        f"The weights are those of the batch before: {remedy}"
    )
    vars(error).update(spot._asdict())
    del error.row  # type: ignore[attr-defined]
    error.cause, error.remedy, error.sample, error.parameters = cause, remedy, sample, parameters
    error.epoch, error.batch, error.gradient_norms = case.epoch, case.number, list(case.norms)
    error.loss, error.gradient_norm, error.history = attempt.value, attempt.norm, None
    return error


def _parameters(case: Case) -> list[str]:
    """The parameters that are not finite, or else those whose gradients are not."""
    arrays = dict(case.model.params)
    if all(np.isfinite(value).all() for value in arrays.values()):
        if case.attempt.gradient is None:
            return []
        arrays = case.model.backward(case.attempt.tape, case.attempt.gradient)[2]
    return [name for name, value in arrays.items() if not np.isfinite(value).all()]


def _outcome(attempt: Attempt) -> str:
    return f"the loss is {attempt.value:g} and the gradient norm {attempt.norm:g}; need finite numbers."


def _described(spot: Spot, sample: int | None) -> str:
    unit = "feature" if spot.quantity in ("x", "y", "d_y", "target") else "unit"
    names = {"parameter": spot.parameter, "in": spot.layer, "gate": spot.gate, unit: spot.unit, "sample": sample}
    parts = [f"{name} {value}" for name, value in names.items() if value is not None and value != spot.quantity]
    return ", ".join([spot.quantity, *parts, *([] if spot.step is None else [f"time step {spot.step}"])])


# Where: each of these yields what it finds, in the order in which a step computes.


def _spots(case: Case) -> Iterator[Spot]:
    yield from _in_weights(case)
    yield from _in_data(case)
    yield from _in_forward(case)
    yield from _in_loss(case)
    yield from _in_backward(case)


def _in_weights(case: Case) -> Iterator[Spot]:
    bad = {name: value for name, value in case.model.params.items() if not np.isfinite(value).all()}
    for name in bad:
        yield _in_parameter(case.model, name, bad[name], name)


def _in_parameter(model: Layer, name: str, value: Array, quantity: str) -> Spot:
    index = _first(value)
    assert index is not None
    for prefix, layer, _ in plain_layers(model):
        if isinstance(layer, Recurrent) and name.startswith(prefix) and name[len(prefix) :] in layer.params:
            gate, unit = divmod(index[0], layer.hidden_size)
            return Spot(quantity, _place(prefix, layer), name, layer.cell.gates[gate], unit)
    return Spot(quantity, None, name, None, index[0])


def _in_data(case: Case) -> Iterator[Spot]:
    batch, weights = case.attempt.batch, case.attempt.weights
    x = batch.x
    if batch.lengths is not None:
        valid = valid_steps(batch.lengths, x.shape[1])
        x = np.where(valid.reshape(valid.shape + (1,) * (x.ndim - 2)), x, 0)
    if (index := _first(x)) is not None:
        yield Spot("x", unit=_at(index, 2), row=index[0], step=_at(index, 1))
    y = batch.y
    if weights is not None and weights.shape == y.shape[: weights.ndim]:
        y = np.where(weights.reshape(weights.shape + (1,) * (y.ndim - weights.ndim)) != 0, y, 0)
    if (index := _first(y)) is not None:
        has_time = case.model.keeps_time and len(index) > 1
        step = index[1] if has_time else None
        yield Spot("target", unit=index[-1] if len(index) > 1 + has_time else None, row=index[0], step=step)


def _in_forward(case: Case) -> Iterator[Spot]:
    attempt = case.attempt
    if attempt.tape is None:
        yield from _layer_by_layer(case)
        return
    for part in recurrent_parts(case.model, attempt.tape):
        yield from _in_part(part)
    if attempt.prediction is not None:
        yield from _in_output(case.model, None, attempt.prediction)


def _layer_by_layer(case: Case) -> Iterator[Spot]:
    """Take a forward pass that was refused once more, without dropout, up to where it was refused."""
    x, lengths = case.attempt.batch.x, case.attempt.batch.lengths
    for prefix, layer, _ in plain_layers(case.model):
        try:
            x, _, tape = layer.forward(x, lengths=lengths)
        except GatewiseError:
            return
        lengths = lengths if layer.keeps_time else None
        if isinstance(layer, Recurrent):
            yield from _in_part(Part(prefix, layer, tape))
        yield from _in_output(layer, _place(prefix, layer), x)


def _in_output(layer: Layer, place: str | None, y: Array, name: str = "y") -> Iterator[Spot]:
    if (index := _first(y)) is not None:
        has_time = layer.keeps_time and len(index) > 2
        yield Spot(name, place, unit=_at(index, -1), row=index[0], step=index[1] if has_time else None)


def _in_part(part: Part) -> Iterator[Spot]:
    """The first step, in the order of each direction, at which a gate or state is not finite."""
    for k, run in enumerate(part.tape.runs):
        names = (*run.cell.recorded, *run.cell.states)
        values = np.stack([*recurrence.recorded(run), *run.states])
        if (spot := _earliest(values)) is not None:
            which, row, t, unit = spot
            name = names[which]
            gate = name if name in run.cell.recorded else None
            yield Spot(name, _place(part.prefix, part.layer, k), None, gate, unit, row, _in_x(part, run, k, row, t))


def _in_loss(case: Case) -> Iterator[Spot]:
    attempt = case.attempt
    if attempt.prediction is None or attempt.error:
        return
    if not np.isfinite(attempt.value):
        yield Spot("loss", row=_worst_row(case))
    if attempt.gradient is not None:
        yield from _in_output(case.model, None, attempt.gradient, "d_y")


def _worst_row(case: Case) -> int | None:
    """The row whose own loss is not finite, or the largest."""
    batch, weights = case.attempt.batch, case.attempt.weights
    assert case.attempt.prediction is not None
    losses = []
    for b in range(len(batch.x)):
        row = slice(b, b + 1)
        if weights is not None and not weights[row].any():
            losses.append(0.0)
            continue
        options = {} if weights is None else {"weights": weights[row]}
        losses.append(case.loss(case.attempt.prediction[row], batch.y[row], **options)[0])
    found = np.asarray(losses)
    return int(np.argmax(np.where(np.isfinite(found), found, np.inf)))


def _in_backward(case: Case) -> Iterator[Spot]:
    attempt = case.attempt
    if attempt.gradient is None:
        return
    _, _, grads, passes = case.model.backward_passes(attempt.tape, attempt.gradient)
    bad = {name: grad for name, grad in grads.items() if not np.isfinite(grad).all()}
    first = next(iter(bad), None)
    for part in reversed(list(recurrent_parts(case.model, attempt.tape, passes))):
        for k, (run, dstates, *_) in enumerate(part.passes):
            if (spot := _earliest(np.stack(dstates), backward=True)) is not None:
                which, row, t, unit = spot
                place, step = _place(part.prefix, part.layer, k), _in_x(part, run, k, row, t)
                yield Spot(f"d_{run.cell.states[which]}", place, first, None, unit, row, step)
    if first is not None:
        yield _in_parameter(case.model, first, bad[first], f"d_{first}")


def _first(a: Array) -> tuple[int, ...] | None:
    """Index of the first number that is not finite."""
    if a.dtype.kind != "f" or np.isfinite(a).all():
        return None
    return tuple(int(i) for i in np.argwhere(~np.isfinite(a))[0])


def _earliest(values: Array, backward: bool = False) -> tuple[int, int, int, int] | None:
    """(array, row, step, unit) of what is first not finite in (arrays, B, T, H): the lowest step, or the highest."""
    found = np.argwhere(~np.isfinite(values))
    if not len(found):
        return None
    order = np.lexsort((found[:, 0], found[:, 1], -found[:, 2] if backward else found[:, 2]))
    which, row, t, unit = (int(i) for i in found[order[0]])
    return which, row, t, unit


def _in_x(part: Part, run: Run, k: int, row: int, t: int) -> int:
    """Step t of a run in the order of x."""
    if k % part.tape.directions == 0:
        return t
    length = run.x.shape[1] if run.lengths is None else int(run.lengths[row])
    return length - 1 - t


def _place(prefix: str, layer: Layer, k: int = 0) -> str:
    place = f"layer {prefix[:-1]} ({type(layer).__name__})" if prefix else type(layer).__name__
    if not isinstance(layer, Recurrent):
        return place
    depth, reverse = divmod(k, layer.directions)
    return place + f", level {depth}" * (layer.num_layers > 1) + ", reverse" * reverse


def _at(index: tuple[int, ...], axis: int) -> int | None:
    return index[axis] if -len(index) <= axis < len(index) and len(index) > 1 else None


# Why.


def _cause(case: Case, spot: Spot) -> tuple[str, str]:
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
    batch = case.attempt.batch
    length = batch.x.shape[1] if batch.lengths is None else int(batch.lengths[spot.row])
    missing = ~np.isfinite(batch.x[spot.row, :length].reshape(length, -1))
    held = np.flatnonzero(~missing.all(axis=1))
    valid = int(held[-1]) + 1 if len(held) else 0
    if valid == 0 or (length - valid > 1 and not missing[:valid].any()):
        return "padding", f"the row holds nothing from step {valid} to its end, as if it were padding"
    return "input", f"{int(missing.any(axis=1).sum())} of the {length} steps of this row are not finite in the input"


def _cause_in_size(case: Case) -> tuple[str, str] | None:
    batch = case.attempt.batch
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
        if name not in ("candidate", "recurrent_candidate")
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

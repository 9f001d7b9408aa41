"""Where the numbers of a training step stopped being finite, in the order in which a step computes."""

from __future__ import annotations

import copy
from collections.abc import Generator, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from gatewise import recurrence
from gatewise.batches import Samples
from gatewise.errors import Array, GatewiseError
from gatewise.layers import Layer, Parallel, Sequential
from gatewise.layers.padding import blank, spread
from gatewise.layers.parts import Part, plain_layers, recurrent_parts
from gatewise.layers.stack import Recurrent
from gatewise.losses import Loss
from gatewise.recurrence import Run


class Spot(NamedTuple):
    """Where a number that is not finite stands; None where a question does not apply."""

    quantity: str
    layer: str | None = None
    parameter: str | None = None
    gate: str | None = None
    unit: int | None = None
    row: int | None = None  # in the batch
    step: int | None = None


@dataclass
class Attempt:
    """A training step as far as it came."""

    prediction: Array | None = None
    tape: Any = None
    gradient: Array | None = None  # of the loss with respect to the prediction


@dataclass
class Case:
    """All that is known about a failed step."""

    model: Layer
    loss: Loss
    batch: Samples
    rows: Array  # of the batch, in the user's arrays
    rng: np.random.Generator  # as it was before the step
    epoch: int  # 0 for a window of a stream
    number: int  # of the batch, or of the update
    norms: Sequence[float]  # of the last steps before
    steps: int  # made before
    value: float = float("nan")
    norm: float = float("nan")
    error: GatewiseError | None = None

    @property
    def place(self) -> str:
        """Where the step was, in words."""
        return f"epoch {self.epoch}, batch {self.number}" if self.epoch else f"update {self.number}"

    @property
    def weights(self) -> Array | None:
        """Weights of the batch in its loss."""
        return self.batch.loss_weights(self.model.keeps_time).get("weights")

    @cached_property
    def attempt(self) -> Attempt:
        """The step, taken once more."""
        attempt, rng = Attempt(), copy.deepcopy(self.rng)
        try:
            attempt.prediction, _, attempt.tape = self.model.forward(
                self.batch.x, lengths=self.batch.lengths, training=True, rng=rng
            )
            options = self.batch.loss_weights(self.model.keeps_time)
            _, attempt.gradient = self.loss(attempt.prediction, self.batch.y, **options)
        except GatewiseError:
            pass  # the step came no further
        return attempt


def spots(case: Case) -> Iterator[Spot]:
    """Yield every place at which the numbers of the step are not finite, in the order in which it computes them."""
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
    batch, weights = case.batch, case.weights
    if (index := _first(blank(batch.x, batch.lengths))) is not None:
        yield Spot("x", unit=_at(index, 2), row=index[0], step=_at(index, 1))
    y = batch.y
    if weights is not None and weights.shape == y.shape[: weights.ndim]:
        y = np.where(spread(weights, y.ndim) != 0, y, 0)
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
    with suppress(GatewiseError):
        yield from _in_layer(case.model, "", case.batch.x, case.batch.lengths)


def _in_layer(layer: Layer, prefix: str, x: Array, lengths: Array | None) -> Generator[Spot, None, Array]:
    """Yield the places in the forward pass of one layer, or of those it is made of; return its output."""
    if isinstance(layer, Parallel):
        outputs = []
        for i, branch in enumerate(layer.layers):
            outputs.append((yield from _in_layer(branch, f"{prefix}{i}.", x, lengths)))
        return np.concatenate(outputs, axis=-1)
    if isinstance(layer, Sequential):
        for i, inner in enumerate(layer.layers):
            x = yield from _in_layer(inner, f"{prefix}{i}.", x, lengths)
            lengths = lengths if inner.keeps_time else None
        return x
    x, _, tape = layer.forward(x, lengths=lengths)
    if isinstance(layer, Recurrent):
        yield from _in_part(Part(prefix, layer, tape))
    yield from _in_output(layer, _place(prefix, layer), x)
    return x


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
    if attempt.prediction is None or case.error:
        return
    if not np.isfinite(case.value):
        yield Spot("loss", row=_worst_row(case))
    if attempt.gradient is not None:
        yield from _in_output(case.model, None, attempt.gradient, "d_y")


def _worst_row(case: Case) -> int | None:
    """The row whose own loss is not finite, or the largest."""
    batch, weights = case.batch, case.weights
    assert case.attempt.prediction is not None
    losses = []
    for b in range(len(batch.x)):
        row = slice(b, b + 1)
        if weights is not None and not weights[row].any():
            losses.append(0.0)
            continue
        options = {} if weights is None else {"weights": weights[row]}
        losses.append(case.loss(case.attempt.prediction[row], batch.y[row], **options)[0])
    return int(np.argmax(np.nan_to_num(losses, nan=np.inf, posinf=np.inf, neginf=np.inf)))


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
    indices = np.argwhere(~np.isfinite(values))
    if not len(indices):
        return None
    order = np.lexsort((indices[:, 0], indices[:, 1], -indices[:, 2] if backward else indices[:, 2]))
    which, row, t, unit = (int(i) for i in indices[order[0]])
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

"""What is done with one partition in a step, and how the results of two are merged: pure functions."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from gatewise.batches import Samples
from gatewise.distributed.plan import Plan
from gatewise.errors import Array, GatewiseError, GatewiseValueError
from gatewise.layers import Layer
from gatewise.losses import Loss
from gatewise.optimizers import Optimizer, clip_by_global_norm
from gatewise.sight.doctor import examine
from gatewise.sight.spots import Case
from gatewise.training.gradients import BatchGradients, Mean, batch_gradients, clipped_step, mean_gradients, mean_over

NOTHING = BatchGradients(float("nan"), 0.0, {})


class Task(NamedTuple):
    """A model and what to do with it: what travels to every worker once a step."""

    model: Layer
    loss: Loss
    plan: Plan
    epoch: int = 0
    """From 0."""
    steps: Sequence[int] = ()
    """Of the epoch, from 0: one for a common step, several for local ones."""
    optimizer: Optimizer | None = None
    clip: float | None = None
    norms: Sequence[float] = ()
    """Gradient norms of the last steps before, and how many steps there were: for the diagnosis of one that fails."""
    made: int = 0
    batch_size: int = 0

    def batch(self, step: int, number: int, part: Samples) -> tuple[Array, Samples]:
        """Return the rows of a partition in a step, as numbers and as samples."""
        rows = self.plan.rows(self.epoch, step, number, self.plan.learned(len(part.x)))
        return rows, part.rows(rows, self.model.keeps_time)

    def gradients(self, model: Layer, step: int, number: int, part: Samples) -> BatchGradients:
        """Return the gradients of a model on the rows of a step; of weight 0 where there are none."""
        rows, batch = self.batch(step, number, part)
        if not len(rows):
            return NOTHING
        try:
            return batch_gradients(model, self.loss, batch, self.plan.masks(self.epoch, step, number))
        except GatewiseError as error:
            raise self.failure(model, step, number, part, error=error) from error

    def failure(self, model: Layer, step: int, number: int, part: Samples, **outcome: Any) -> GatewiseError:
        """Return the error that says why a step failed; the rows it names are those of the partition."""
        rows, batch = self.batch(step, number, part)
        rng = self.plan.masks(self.epoch, step, number)
        place = (self.epoch + 1, step + 1, list(self.norms), self.made)
        case = Case(model, self.loss, batch, rows, rng, *place, **outcome)
        where = f"epoch {self.epoch + 1}, batch {step + 1}"
        return examine(case) or (
            type(case.error)(f"{where}: {case.error}") if case.error is not None else overflow(where, case.norm)
        )


def overflow(where: str, norm: float) -> GatewiseError:
    """Return the error of a step whose gradient norm is too large, though nothing in it is."""
    return GatewiseValueError(f"{where}: the gradient norm is {norm:g}: scale the loss or pass clip=1.")


def gradients(task: Task, number: int, part: Samples) -> BatchGradients:
    """Return the gradients of one partition in a common step."""
    return task.gradients(task.model, task.steps[0], number, part)


def merged_gradients(a: BatchGradients, b: BatchGradients) -> BatchGradients:
    """Return the gradients of two sets of rows together."""
    return mean_gradients([a, b])


def mean(a: Array, b: Array, shares: tuple[float, float]) -> Array:
    """Return the mean of two arrays, each counted by its share, in their dtype."""
    kind = a.dtype.type
    with np.errstate(over="ignore", invalid="ignore"):
        result: Array = a * kind(shares[0])
        result += b * kind(shares[1])
    return result


@dataclass
class Local:
    """Where some local steps led: the weights and the optimizer's state, and what happened on the way."""

    weight: float
    """What the rows count; 0 if no step was made."""
    params: dict[str, Array]
    state: dict[str, Any]
    loss: Mean
    norm: Mean


def local_steps(task: Task, number: int, part: Samples) -> Local:
    """Return where the steps of one partition lead, with its own rows and a copy of model and optimizer."""
    model, optimizer = copy.deepcopy((task.model, task.optimizer))
    assert optimizer is not None
    local = Local(0.0, {}, {}, Mean(), Mean())
    for step in task.steps:
        found = task.gradients(model, step, number, part)
        if not found.weight:
            continue
        norm, applied = clipped_step(model, optimizer, found, task.clip)
        if not applied:
            raise task.failure(model, step, number, part, value=found.value, norm=norm)
        local.loss.add(found.value, found.weight)
        local.norm.add(norm, 1.0)
    local.weight, local.params, local.state = local.loss.weight, dict(model.params), optimizer.state_dict()
    return local


def merged_local(a: Local, b: Local) -> Local:
    """Return the mean of two places, each counted by the weight of its rows; of counts of steps the larger."""
    if not (a.weight and b.weight):
        return a if a.weight else b
    weight = a.weight + b.weight
    shares = (a.weight / weight, b.weight / weight)
    params = {name: mean(value, b.params[name], shares) for name, value in a.params.items()}
    state = {key: _merged_entry(a.state.get(key), b.state.get(key), shares) for key in {**a.state, **b.state}}
    return Local(weight, params, state, merged_means(a.loss, b.loss), merged_means(a.norm, b.norm))


def _merged_entry(a: Any, b: Any, shares: tuple[float, float]) -> Any:
    """An array of one or of both, or a count of steps."""
    if a is None or b is None:
        return b if a is None else a
    return mean(a, b, shares) if isinstance(a, np.ndarray) else max(a, b)


def check(task: Task, number: int, part: Samples) -> None:
    """Raise why a common step failed, if it did so in this partition."""
    found = task.gradients(task.model, task.steps[0], number, part)
    norm = clip_by_global_norm(found.gradients, np.inf)
    if found.weight and not (np.isfinite(found.value) and np.isfinite(norm)):
        raise task.failure(task.model, task.steps[0], number, part, value=found.value, norm=norm)


def validation(task: Task, number: int, part: Samples) -> Mean:
    """Return the loss of the model over the held-out rows of a partition."""
    part = task.plan.validation(part)
    return mean_over(task.model, task.loss, part, task.batch_size) if len(part.x) else Mean()


def merged_means(a: Mean, b: Mean) -> Mean:
    """Return the mean over what two means are of."""
    return Mean(a.total + b.total, a.weight + b.weight)

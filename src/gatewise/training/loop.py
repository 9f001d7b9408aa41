"""A training as an object that goes on one batch at a time, and whose state is numbers and arrays."""

from __future__ import annotations

import copy
import time
from collections import deque
from collections.abc import Mapping
from typing import Any

import numpy as np

from gatewise.batches import Samples
from gatewise.errors import (
    Array,
    GatewiseError,
    GatewiseTypeError,
    GatewiseValueError,
    check_names,
    check_number,
)
from gatewise.layers import Layer
from gatewise.layers.layer import Rng, generator
from gatewise.losses import Loss, named_loss
from gatewise.optimizers import Optimizer, named_optimizer
from gatewise.sight.doctor import examine
from gatewise.sight.spots import Case
from gatewise.threads import single_threaded_blas
from gatewise.training.best import Best
from gatewise.training.gradients import BatchGradients, Mean, batch_gradients, clipped_step, mean_loss
from gatewise.training.history import History, monitored
from gatewise.training.state import check_optimizer, check_weights, floats, joined, plain, records, separated

NORMS_KEPT = 20
"""Gradient norms of the last steps, for the diagnosis of one that fails."""
PARTS = ("model", "optimizer", "best")


class TrainingLoop:
    """A training that can be stopped after any batch and continued with the same bits, in another process too.

    `gatewise.train` is this loop: while an epoch has batches left, `step`; then `end_epoch`.

    Parameters
    ----------
    model : Layer
        Any layer or `Sequential`; its `params` change.
    samples : Samples
        Input, target, lengths and weights of the rows to train on.
    loss, optimizer, batch_size, clip, shuffle, patience, tol, rng
        As in `gatewise.train`.
    held_out : Samples, optional
        Rows for the validation loss.

    Attributes
    ----------
    epoch : int
        Epochs completed.
    position : int
        Batches taken of the epoch under way.
    steps : int
        Updates made; a batch whose weights are all 0 makes none.
    history : History
        A record for each epoch completed.

    Raises
    ------
    GatewiseError
        If an argument is of the wrong type or out of its range.

    Examples
    --------
    >>> import numpy as np, gatewise as gw
    >>> from gatewise.batches import Samples
    >>> from gatewise.training import TrainingLoop
    >>> def loop():
    ...     model = gw.Sequential(gw.GRU(1, 4, rng=0), gw.Last(), gw.Dense(4, 1, rng=1))
    ...     x = np.random.default_rng(0).normal(size=(64, 10, 1)).astype(np.float32)
    ...     return TrainingLoop(model, Samples(x, x.sum(axis=1)), "mse", "adam", batch_size=16, rng=0)
    >>> first = loop()
    >>> first.step()
    >>> first.step()
    >>> second = loop()
    >>> second.load_state_dict(first.state_dict())
    >>> for each in (first, second):
    ...     while not each.epoch_is_over:
    ...         each.step()
    >>> first.end_epoch()["loss"] == second.end_epoch()["loss"]
    True
    """

    def __init__(
        self,
        model: Layer,
        samples: Samples,
        loss: str | Loss,
        optimizer: str | Optimizer,
        *,
        held_out: Samples | None = None,
        batch_size: int = 32,
        clip: float | None = None,
        shuffle: bool = True,
        patience: int | None = None,
        tol: float = 0.0,
        rng: Rng = None,
    ) -> None:
        if not isinstance(model, Layer):
            raise GatewiseTypeError(f"model is a {type(model).__name__}; need a gatewise layer or Sequential.")
        check_number("batch_size", batch_size, 1, integer=True)
        if patience is not None:
            check_number("patience", patience, 1, integer=True)
        if clip is not None:
            check_number("clip", clip, 0, open_low=True)
        check_number("tol", tol, 0)
        self.model, self.samples, self.held_out = model, samples, held_out
        self.loss, self.optimizer = named_loss(loss), named_optimizer(optimizer)
        self.batch_size, self.clip, self.shuffle = int(batch_size), clip, bool(shuffle)
        self.patience, self.tol = patience, float(tol)
        self.rng = generator(rng)
        self.epoch = self.position = self.steps = 0
        self.history = History()
        self._best = Best(model.params, patience, tol)
        self._recent_norms: deque[float] = deque(maxlen=NORMS_KEPT)
        self._clear_epoch()

    def _clear_epoch(self) -> None:
        self.position = 0
        self._order = np.arange(0)  # rows in the order of the epoch; empty until its first batch is taken
        self._mean = Mean()
        self._norms: list[float] = []
        self._seconds, self._resumed = 0.0, time.perf_counter()

    @property
    def batches(self) -> int:
        """Batches in an epoch."""
        return -(-len(self.samples.x) // self.batch_size)

    @property
    def epoch_is_over(self) -> bool:
        """Whether every batch of the epoch has been taken, and `end_epoch` comes next."""
        return self.position >= self.batches

    @property
    def place(self) -> str:
        """Where the training stands, in words."""
        if not self.position:
            return f"after {self.epoch} epoch{'s' * (self.epoch != 1)}"
        return f"in epoch {self.epoch + 1}, after {self.position} of {self.batches} batches"

    @property
    def mean_loss(self) -> float:
        """Mean loss over the batches of this epoch as they were trained; NaN before the first."""
        return self._mean.value

    @property
    def exhausted(self) -> bool:
        """Whether `patience` epochs have passed without a lower loss."""
        return self._best.exhausted

    @single_threaded_blas()
    def step(self) -> None:
        """Take the next batch of the epoch: its gradients, clipped, and one step of the optimizer along them.

        A batch whose weights are all 0 changes nothing but the position.

        Raises
        ------
        NonFiniteError
            If the loss or a gradient is not finite; nothing of the batch has been applied.
        GatewiseError
            If the batch does not fit the model or the loss, or the epoch has no batch left.
        """
        rows = self._next_rows()
        batch = self.samples.rows(rows, self.model.keeps_time)
        before = self.rng.bit_generator.state
        try:
            gradients = self.gradients(batch)
        except GatewiseError as error:
            raise self._failure(batch, rows, before, error=error) from error
        if gradients.weight:
            norm = self.update(gradients)
            if not (np.isfinite(gradients.value) and np.isfinite(norm)):
                raise self._failure(batch, rows, before, value=gradients.value, norm=norm)
        self.position += 1

    def gradients(self, batch: Samples) -> BatchGradients:
        """Return the gradients of one batch; a subclass may compute them in parts or elsewhere."""
        return batch_gradients(self.model, self.loss, batch, self.rng)

    def update(self, gradients: BatchGradients) -> float:
        """Clip the gradients in place, take one step of the optimizer along them, and count their loss.

        Parameters
        ----------
        gradients : BatchGradients
            Of a batch, or of several together; the weight is not 0.

        Returns
        -------
        float
            The global norm of the gradients before they were clipped. If it or the loss is not finite, nothing has
            been applied.
        """
        norm, applied = clipped_step(self.model, self.optimizer, gradients, self.clip)
        if applied:
            self._mean.add(gradients.value, gradients.weight)
            self._norms.append(norm)
            self._recent_norms.append(norm)
            self.steps += 1
        return norm

    @single_threaded_blas()
    def end_epoch(self) -> dict[str, Any]:
        """Append the record of the epoch to the history, with the loss of the held-out rows, and return it.

        Raises
        ------
        GatewiseError
            If the epoch has batches left.
        """
        if not self.epoch_is_over:
            left = self.batches - self.position
            raise GatewiseValueError(f"the epoch has {left} batch(es) left; need none: call step() for each.")
        record: dict[str, Any] = {
            "epoch": self.epoch + 1,
            "loss": self._mean.value,
            "gradient_norm": float(np.mean(self._norms)) if self._norms else 0.0,
            "seconds": self._elapsed(),
        }
        if self.held_out is not None:
            record["validation_loss"] = mean_loss(self.model, self.loss, self.held_out, self.batch_size)
        self.history.append(record)
        self._best.note(monitored(record))
        self.epoch += 1
        self._clear_epoch()
        return record

    def restore_best(self) -> None:
        """With `patience`, put the weights of the best epoch so far into the model."""
        self._best.restore()

    def state_dict(self) -> dict[str, Any]:
        """Return a copy of the state: arrays and what JSON can hold, enough to continue bit for bit.

        Returns
        -------
        dict
            `epoch`, `position`, `steps`; `rng`, the state of the generator; of the epoch under way `order`, the rows in
            the order of its batches, its `total` and `weight` of the loss, gradient `norms` and `seconds`;
            `recent_norms`; `best`, the lowest losses and how long ago they were; `history`; `rows` and `batch_size`,
            which a loop that continues must share; arrays `model/NAME`, of the best epoch `best/NAME`, and
            `optimizer/KEY` as the optimizer's own `state_dict` has them. Numbers may be infinite or NaN, which Python's
            json writes and reads. Settings and data are not part of it.
        """
        parts: dict[str, Mapping[str, Any]] = {
            "model": self.model.params,
            "best": self._best.weights,
            "optimizer": self.optimizer.state_dict(),
        }
        return joined(self._numbers(), parts)

    def _numbers(self) -> dict[str, Any]:
        """The state without weights and optimizer."""
        return {
            "rows": len(self.samples.x),
            "batch_size": self.batch_size,
            "epoch": self.epoch,
            "position": self.position,
            "steps": self.steps,
            "rng": plain(self.rng.bit_generator.state),
            "order": self._order.copy(),
            "total": self._mean.total,
            "weight": self._mean.weight,
            "norms": np.array(self._norms, np.float64),
            "recent_norms": np.array(self._recent_norms, np.float64),
            "seconds": self._elapsed(),
            "best": self._best.numbers(),
            "history": [dict(record) for record in self.history],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a state that a loop with the same settings and data gave.

        Parameters
        ----------
        state : dict
            As `state_dict` returns it; copied.

        Raises
        ------
        GatewiseError
            If a name, type, shape or dtype does not fit, or the state is of a training with other rows, another batch
            size or another kind of random generator; nothing has been changed then.
        """
        numbers, parts = separated(state, PARTS)
        self._check_numbers(numbers)
        check_weights("model", parts["model"], self.model.params)
        if parts["best"]:
            check_weights("best", parts["best"], self.model.params)
        check_optimizer(parts["optimizer"], self.model.params)
        norms, recent = (floats(key, numbers[key]) for key in ("norms", "recent_norms"))
        history = records(numbers["history"])
        if len(history) != numbers["epoch"]:
            raise GatewiseValueError(
                f"state has {len(history)} records for {numbers['epoch']} epochs; need one for each."
            )
        self.optimizer.load_state_dict(parts["optimizer"])
        self.model.params.update(parts["model"])
        self._best.load(numbers["best"], parts["best"])
        self.rng.bit_generator.state = numbers["rng"]
        self._clear_epoch()
        self.epoch, self.position, self.steps = numbers["epoch"], numbers["position"], numbers["steps"]
        self._order = np.array(numbers["order"], np.intp)
        self._mean = Mean(numbers["total"], numbers["weight"])
        self._norms = norms
        self._recent_norms.clear()
        self._recent_norms.extend(recent)
        self._seconds = float(numbers["seconds"])
        self.history[:] = history

    def _check_numbers(self, numbers: dict[str, Any]) -> None:
        """Raise unless this loop can continue from the numbers of a state."""
        own = self._numbers()
        check_names("state", numbers, list(own))
        for key in ("rows", "batch_size"):
            if numbers[key] != own[key]:
                raise GatewiseValueError(f"state has {key} {numbers[key]}; need {own[key]}: give this loop the same.")
        for key, highest in {"epoch": np.inf, "position": self.batches, "steps": np.inf}.items():
            check_number(key, numbers[key], 0, highest, integer=True)
        for key in ("total", "weight", "seconds"):
            floats(key, [numbers[key]])
        check_names("best of the state", numbers["best"], list(own["best"]))
        for key, value in numbers["best"].items():
            check_number(f"{key} of the best", value, -np.inf, integer=key == "waited")
        order = np.asarray(numbers["order"])
        if (order.size or numbers["position"]) and not np.array_equal(np.sort(order), np.arange(own["rows"])):
            raise GatewiseValueError(f"order of the state is no order of its {own['rows']} rows.")
        try:
            copy.deepcopy(self.rng).bit_generator.state = numbers["rng"]
        except (TypeError, ValueError, KeyError) as error:
            kind = type(self.rng.bit_generator).__name__
            raise GatewiseValueError(
                f"rng of the state is of no {kind}, as this loop's generator is: pass an rng= of its kind."
            ) from error

    def _elapsed(self) -> float:
        return self._seconds + time.perf_counter() - self._resumed

    def _next_rows(self) -> Array:
        """The rows of the next batch; the first of an epoch draws the order of all."""
        if self.epoch_is_over:
            raise GatewiseValueError("the epoch has no batch left; need end_epoch() before the next step().")
        if not len(self._order):
            count = len(self.samples.x)
            self._order = self.rng.permutation(count) if self.shuffle else np.arange(count)
            self._resumed = time.perf_counter()
        start = self.position * self.batch_size
        return self._order[start : start + self.batch_size]

    def _failure(self, batch: Samples, rows: Array, before: Any, **outcome: Any) -> GatewiseError:
        """Return the error that says why a step failed; `before` is the generator's state before it."""
        rng = copy.deepcopy(self.rng)
        rng.bit_generator.state = before
        epoch, number, norms = self.epoch + 1, self.position + 1, list(self._recent_norms)
        case = Case(self.model, self.loss, batch, rows, rng, epoch, number, norms, self.steps, **outcome)
        error = examine(case)
        if error is not None:
            error.history = self.history
            return error
        where = f"epoch {epoch}, batch {number}"
        if case.error is not None:
            return type(case.error)(f"{where}: {case.error}")
        return GatewiseValueError(f"{where}: the gradient norm is {case.norm:g}: scale the loss or pass clip=1.")

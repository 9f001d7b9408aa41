"""The training loop whose rows lie in partitions, in this process or on the workers of a cluster."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from gatewise.batches import Samples
from gatewise.distributed.partitions import Partitions
from gatewise.distributed.plan import Plan
from gatewise.distributed.reading import empty
from gatewise.distributed.steps import (
    Local,
    Task,
    check,
    gradients,
    local_steps,
    merged_gradients,
    merged_local,
    merged_means,
    overflow,
    validation,
)
from gatewise.errors import GatewiseError, GatewiseValueError, check_number
from gatewise.layers import Layer
from gatewise.losses import Loss
from gatewise.optimizers import Optimizer
from gatewise.threads import single_threaded_blas
from gatewise.training import TrainingLoop
from gatewise.training.epochs import facts_but_data
from gatewise.training.identity import digest
from gatewise.training.signals import whole


class DistributedLoop(TrainingLoop):
    """A training over partitions; what comes out depends on them, and not on where they lie.

    A batch is one update: of the mean gradient over the rows that all partitions give, or with `sync_every` of the mean
    of what each partition's own steps led to. The state has the rows of each partition and the seed of their order
    in place of an order of rows.

    Parameters
    ----------
    model, loss, optimizer, batch_size, clip, shuffle, patience, tol, rng
        As in `gatewise.train`.
    parts : Partitions of Samples
    held_out : float or Partitions of Samples, optional
        The share of each partition's rows, taken from its end, or other rows, for the validation loss.
    sync_every : int
        Steps that each partition makes by itself before what it has learned is averaged with the others.
    """

    def __init__(
        self,
        model: Layer,
        parts: Partitions,
        loss: str | Loss,
        optimizer: str | Optimizer,
        *,
        held_out: float | Partitions | None = None,
        sync_every: int = 1,
        **settings: Any,
    ) -> None:
        super().__init__(model, empty(np.float32), loss, optimizer, **settings)
        check_number("sync_every", sync_every, 1, integer=True)
        if isinstance(held_out, int | float | np.number):
            check_number("validation", held_out, 0, 1, open_low=True)
        self.parts, self.sync_every = parts, int(sync_every)
        self._share = 0.0 if held_out is None or isinstance(held_out, Partitions) else float(held_out)
        self._others = held_out if isinstance(held_out, Partitions) else None
        self.seed = int(self.rng.integers(2**63))
        self.partition_rows: list[int] = parts.collect(learned_rows, self.plan(1))
        if not self.rows:
            raise GatewiseValueError(
                f"{len(parts)} partition(s) hold no row to train on: each is empty, held out or of weight 0."
            )

    @property
    def rows(self) -> int:
        """Rows that are trained on."""
        return sum(self.partition_rows)

    @property
    def batches(self) -> int:
        """Updates of the common weights in an epoch."""
        return -(-self._steps // self.sync_every)

    @property
    def _steps(self) -> int:
        return -(-self.rows // self.batch_size)

    def plan(self, steps: int | None = None) -> Plan:
        """Return which rows each partition gives to which step."""
        return Plan(self.seed, self._steps if steps is None else steps, self.shuffle, self._share)

    @single_threaded_blas()
    def step(self) -> None:
        """Take the next batch: an update from what all partitions give.

        Raises
        ------
        NonFiniteError
            If the loss or a gradient is not finite; nothing of the batch has been applied.
        GatewiseError
            If the rows do not fit the model or the loss, or the epoch has no batch left.
        """
        if self.epoch_is_over:
            raise GatewiseValueError("the epoch has no batch left; need end_epoch() before the next step().")
        first = self.position * self.sync_every
        task = self._task(range(first, min(first + self.sync_every, self._steps)))
        try:
            if self.sync_every == 1:
                self._common_step(task)
            else:
                self._take(self.parts.reduce(local_steps, merged_local, task))
        except GatewiseError as error:
            if hasattr(error, "gradient_norms"):
                error.history = self.history  # type: ignore[attr-defined]
            raise
        self.position += 1

    def _task(self, steps: range) -> Task:
        norms, batch_size = list(self._recent_norms), self.batch_size
        optimizer = self.optimizer if self.sync_every > 1 else None
        return Task(
            self.model, self.loss, self.plan(), self.epoch, steps, optimizer, self.clip, norms, self.steps, batch_size
        )

    def _common_step(self, task: Task) -> None:
        """One step of the optimizer along the mean gradient of all partitions."""
        found = self.parts.reduce(gradients, merged_gradients, task)
        if not found.weight:
            return
        writable = {name: np.require(value, requirements="W") for name, value in found.gradients.items()}
        norm = self.update(found._replace(gradients=writable))
        if not (np.isfinite(found.value) and np.isfinite(norm)):
            self.parts.collect(check, task)
            raise overflow(f"epoch {self.epoch + 1}, batch {self.position + 1}", norm)

    def _take(self, local: Local) -> None:
        """Go on from the mean of where the partitions' own steps led."""
        if not local.weight:
            return
        with whole:
            self.model.params.update(local.params)
            self.optimizer.load_state_dict(local.state)
        self._mean.add(local.loss.value, local.loss.weight)
        self._norms.append(local.norm.value)
        self._recent_norms.append(local.norm.value)
        self.steps += 1

    def validation_loss(self) -> float | None:
        """Return the mean loss over the held-out rows, computed where they lie; None if there are none."""
        if self._others is None and not self._share:
            return None
        task = self._task(range(0))
        if self._others is None:
            return self.parts.reduce(validation, merged_means, task).value
        all_of_them = task._replace(plan=task.plan._replace(held_out=1.0))
        return self._others.reduce(validation, merged_means, all_of_them).value

    def facts(self) -> dict[str, Any]:
        """Return what tells this training from others, the numbers in its partitions included."""
        data = self.parts.collect(digests)
        held_out = self._share if self._others is None else digest(np.array(self._others.collect(digests)))
        own = {"sync_every": self.sync_every, "held out": held_out, "partitions": len(data)}
        return facts_but_data(self) | own | {"data": digest(np.array(data))}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a state that a loop with the same settings and partitions gave; see `TrainingLoop`."""
        super().load_state_dict(state)
        self.seed = int(state["seed"])

    def _numbers(self) -> dict[str, Any]:
        own = {"seed": self.seed, "partition_rows": list(self.partition_rows), "sync_every": self.sync_every}
        return super()._numbers() | own

    def _check_numbers(self, numbers: dict[str, Any]) -> None:
        super()._check_numbers({**numbers, "position": 0})  # there is no order of rows to check beside it
        check_number("position", numbers["position"], 0, self.batches, integer=True)
        check_number("seed", numbers["seed"], 0, integer=True)
        if list(numbers["partition_rows"]) != self.partition_rows:
            raise GatewiseValueError(
                f"state is of partitions of {_some(numbers['partition_rows'])} rows; these have "
                f"{_some(self.partition_rows)}: give this loop the same partitions."
            )
        if numbers["sync_every"] != self.sync_every:
            raise GatewiseValueError(f"state has sync_every {numbers['sync_every']}; need {self.sync_every}.")


def learned_rows(plan: Plan, number: int, part: Samples) -> int:
    """Return how many rows of a partition are trained on."""
    return plan.learned(len(part.x))


def digests(common: None, number: int, part: Samples) -> str:
    """Return what tells the rows of a partition from others."""
    return "; ".join(map(digest, part))


def _some(rows: Any) -> str:
    shown = ", ".join(map(str, list(rows)[:5]))
    return f"{shown}, …" if len(rows) > 5 else shown

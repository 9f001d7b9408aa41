"""How long an estimator trains, in what portions, with which optimizer, and on which loss."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from gatewise import optimizers, schedules
from gatewise.errors import Array
from gatewise.losses import Loss
from gatewise.optimizers import Optimizer

UPDATES = 800
LEAST_EPOCHS, MOST_EPOCHS = 15, 200
WORK = 20_000_000
"""Steps of sequences to train on, all networks and epochs together, before there are fewer of those."""


MOST_STEPS = 128
FEW = 1500
"""Up to so many sequences "auto" averages steps, so that the networks read at most MOST_STEPS."""


def downsampling(estimator: Any, lengths: Array) -> int:
    """Return how many steps are averaged to one that the networks read, for training sequences of these lengths."""
    if estimator.output == "all":
        return 1
    if estimator.downsample != "auto":
        return int(estimator.downsample)
    if len(lengths) > FEW:
        return 1
    return math.ceil(int(lengths.max()) / MOST_STEPS)


class Plan(NamedTuple):
    """How long to train and in what portions."""

    epochs: int
    batch_size: int
    updates: int


def plan(estimator: Any, rows: int, work: int, *, briefly: bool = False) -> Plan:
    """Return the plan for a number of training sequences; small sets get more epochs, large ones larger batches.

    `work` counts the steps of an epoch, all networks together; much of it makes fewer epochs, and `briefly` the fewest.
    """
    batch = estimator.batch_size
    if batch == "auto":
        batch = int(np.clip(rows // 16, 16, 256))
    batch = min(batch, rows)
    a_pass = math.ceil(rows / batch)
    epochs = estimator.max_iter
    if epochs is None:
        most = np.clip(WORK // max(work, 1), LEAST_EPOCHS, MOST_EPOCHS)
        epochs = LEAST_EPOCHS if briefly else int(np.clip(math.ceil(UPDATES / a_pass), LEAST_EPOCHS, most))
    return Plan(epochs, batch, epochs * a_pass)


def optimizer(estimator: Any, updates: int | None) -> Optimizer:
    """Return the optimizer of an estimator; its rate warms up and falls to 0 over `updates`, or is constant if None."""
    peak, alpha = float(estimator.learning_rate_init), float(estimator.alpha)
    rate = peak if updates is None or updates < 2 else schedules.OneCycle(peak, updates, pct_start=0.2)
    if estimator.solver == "adam":
        return optimizers.AdamW(rate, weight_decay=alpha)
    if estimator.solver == "sgd":
        return optimizers.SGD(rate, momentum=0.9, nesterov=True, weight_decay=alpha)
    kind: Any = {"rmsprop": optimizers.RMSprop, "adagrad": optimizers.Adagrad}[estimator.solver]
    chosen: Optimizer = kind(rate, weight_decay=alpha)
    return chosen


class WeightedLoss(NamedTuple):
    """A loss whose gradient counts each weight as in the whole training set, not as in its batch.

    The value is Σ w·l / Σ w over the batch. The gradient is that of Σ w·l / (B·w̄) with w̄ the mean weight of all rows,
    so that a batch of light rows moves the network little.
    """

    loss: Loss
    mean: float

    def __call__(self, prediction: Array, target: Array, *, weights: Array | None = None) -> tuple[float, Array]:
        """Return the value and the gradient."""
        value, gradient = self.loss(prediction, target, weights=weights)
        if weights is None:
            return value, gradient
        share = float(np.sum(weights, dtype=np.float64)) / (len(prediction) * self.mean)
        return value, gradient * gradient.dtype.type(share)


class LossOverNetworks(NamedTuple):
    """The mean of a loss over networks whose outputs stand side by side."""

    loss: Loss
    networks: int

    def __call__(self, prediction: Array, target: Array, *, weights: Array | None = None) -> tuple[float, Array]:
        """Return the value and the gradient."""
        apart = prediction.reshape(*prediction.shape[:-1], self.networks, -1)
        repeated = np.repeat(np.expand_dims(target, prediction.ndim - 1), self.networks, axis=prediction.ndim - 1)
        value, gradient = self.loss(apart, repeated, weights=weights)
        return value, gradient.reshape(prediction.shape)

"""The network behind the estimators, what it is trained with, and its outputs for whole sets of sequences."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from gatewise import kernels, optimizers, schedules
from gatewise.errors import Array, GatewiseValueError, check_choice, check_number
from gatewise.layers import GRU, LSTM, RNN, Dense, Dropout, Layer, Noise, Parallel, Pool, Sequential
from gatewise.losses import Loss
from gatewise.optimizers import Optimizer

Network = Sequential | Parallel
CELLS: dict[str, Callable[..., Layer]] = {"gru": GRU, "lstm": LSTM, "rnn": RNN}
SOLVERS = ("adam", "sgd", "rmsprop", "adagrad")
POOLING = {"last": ("last",), "mean": ("mean",), "max": ("max",), "all": ("last", "mean", "max")}
FEW, MANY = 300, 5000
MEMBERS = 3
INPUT_DROPOUT, NOISE = 0.3, 0.2
UPDATES = 800
LEAST_EPOCHS, MOST_EPOCHS = 15, 200
WORK = 20_000_000
"""Steps of sequences to train on, all networks and epochs together, before there are fewer of those."""
ROWS_AT_ONCE = 512


def check_parameters(estimator: Any) -> None:
    """Raise unless the constructor arguments that both estimators share can be used."""
    check_choice("cell", estimator.cell, CELLS)
    check_choice("solver", estimator.solver, SOLVERS)
    check_choice("pooling", estimator.pooling, POOLING)
    check_choice("output", estimator.output, ("last", "all"))
    for name in ("hidden_size", "num_layers", "n_iter_no_change"):
        check_number(name, getattr(estimator, name), 1, integer=True)
    for name, automatic in (("batch_size", "auto"), ("max_iter", None), ("members", "auto")):
        if getattr(estimator, name) != automatic:
            check_number(name, getattr(estimator, name), 1, integer=True)
    for name, high in (("input_dropout", 1), ("noise", np.inf)):
        if getattr(estimator, name) != "auto":
            check_number(name, getattr(estimator, name), 0, high)
    check_number("segments", estimator.segments, 0, integer=True)
    check_number("dropout", estimator.dropout, 0, 1)
    check_number("alpha", estimator.alpha, 0)
    check_number("tol", estimator.tol, 0)
    check_number("learning_rate_init", estimator.learning_rate_init, 0, open_low=True)
    check_number("validation_fraction", estimator.validation_fraction, 0, 1, open_low=True)


def build(
    estimator: Any, channels: int, inputs: int, outputs: int, lengths: Array, rng: np.random.Generator
) -> Network:
    """Return the networks of an estimator for sequences of these lengths, side by side if there are several."""
    blur = disturbances(estimator, channels, len(lengths))
    count = members(estimator, len(lengths), int(lengths.sum()))
    found = [_member(estimator, inputs, outputs, blur, rng) for _ in range(count)]
    return Parallel(*found) if count > 1 else found[0]


def _member(estimator: Any, inputs: int, outputs: int, blur: list[Layer], rng: np.random.Generator) -> Sequential:
    """One network: disturbed input; a recurrent stack and summaries of its steps; a dense layer.

    Beside the summaries the dense layer reads means of the input over parts of the sequence. With `output="all"` it
    reads the steps themselves.
    """
    p, both = float(estimator.dropout), bool(estimator.bidirectional)
    stack: Any = CELLS[estimator.cell](
        inputs,
        estimator.hidden_size,
        num_layers=estimator.num_layers,
        bidirectional=both,
        dropout=p if estimator.num_layers > 1 else 0.0,
        rng=rng,
    )
    dropped = [Dropout(p)] if p else []
    deep: Sequential | Parallel = Sequential(stack, *dropped)
    if estimator.output == "last":
        pool = Pool(stack.output_size, POOLING[estimator.pooling], bidirectional=both)
        deep = Sequential(stack, pool, *dropped)
        if estimator.segments:
            deep = Parallel(deep, Pool(inputs, "mean", parts=estimator.segments))
    width: Any = deep.output_size
    return Sequential(*blur, deep, Dense(width, outputs, rng=rng))


def members(estimator: Any, rows: int, steps: int) -> int:
    """Return how many networks are trained side by side on a number of sequences with so many steps together."""
    if estimator.members != "auto":
        return int(estimator.members)
    affordable = MEMBERS * steps * plan(estimator, rows, 0).epochs <= WORK
    return MEMBERS if rows <= MANY and affordable else 1


def disturbances(estimator: Any, channels: int, rows: int) -> list[Layer]:
    """Return the layers that disturb the input in training: less the more sequences there are.

    Where several channels tell of the same, some may be missing; a single one only gets noise.
    """
    fade = math.sqrt(min(1.0, FEW / rows))
    several = estimator.automatic_disturbance and channels > 1
    automatic = {
        "input_dropout": INPUT_DROPOUT * min(1.0, (channels - 1) / 5) * fade if several else 0.0,
        "noise": NOISE * fade if estimator.automatic_disturbance and channels == 1 else 0.0,
    }
    p, std = (automatic[n] if getattr(estimator, n) == "auto" else getattr(estimator, n) for n in automatic)
    found: list[Layer] = [Dropout(p), Noise(std)]
    return [layer for layer, size in zip(found, (p, std), strict=True) if size > 0]


def checked(model: Layer, inputs: int, outputs: int, per_step: bool) -> Network:
    """Return a network that was read from a file; raise unless it gives `outputs` numbers for `inputs`."""
    for member in model.layers if isinstance(model, Parallel) else [model]:
        found = [getattr(member, name, None) for name in ("input_size", "output_size", "keeps_time", "dtype")]
        needed = [inputs, outputs, per_step, np.float32]
        if found != needed or not isinstance(member, Sequential) or not isinstance(member.layers[-1], Dense):
            raise GatewiseValueError(f"its network does not fit {inputs} inputs and {outputs} outputs: {model!r}.")
    assert isinstance(model, Sequential | Parallel)
    return model


class Plan(NamedTuple):
    """How long to train and in what portions."""

    epochs: int
    batch_size: int
    updates: int


def plan(estimator: Any, rows: int, work: int) -> Plan:
    """Return the plan for a number of training sequences; small sets get more epochs, large ones larger batches.

    `work` counts the steps of an epoch, all networks together; much of it makes fewer epochs.
    """
    batch = estimator.batch_size
    if batch == "auto":
        batch = int(np.clip(rows // 16, 16, 256))
    batch = min(batch, rows)
    a_pass = math.ceil(rows / batch)
    epochs = estimator.max_iter
    if epochs is None:
        most = np.clip(WORK // max(work, 1), LEAST_EPOCHS, MOST_EPOCHS)
        epochs = int(np.clip(math.ceil(UPDATES / a_pass), LEAST_EPOCHS, most))
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
    found: Optimizer = kind(rate, weight_decay=alpha)
    return found


class Weighed(NamedTuple):
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


class Together(NamedTuple):
    """The mean of a loss over networks whose outputs stand side by side."""

    loss: Loss
    networks: int

    def __call__(self, prediction: Array, target: Array, *, weights: Array | None = None) -> tuple[float, Array]:
        """Return the value and the gradient."""
        apart = prediction.reshape(*prediction.shape[:-1], self.networks, -1)
        repeated = np.repeat(np.expand_dims(target, prediction.ndim - 1), self.networks, axis=prediction.ndim - 1)
        value, gradient = self.loss(apart, repeated, weights=weights)
        return value, gradient.reshape(prediction.shape)


def outputs(model: Network, x: Array, lengths: Array | None) -> Array:
    """Return all networks' outputs for x (n, time, inputs): (networks, n, outputs) or (networks, n, time, outputs).

    What comes out for one sequence is the same, bit for bit, whatever sequences are beside it. With the kernels off it
    is the same to float64's precision.
    """
    if not kernels.enabled():
        model = model.astype(np.float64)
    parts: Any = model.layers if isinstance(model, Parallel) else [model]
    return np.stack([_outputs(part, x.astype(model.dtype), lengths) for part in parts])


def _outputs(member: Sequential, x: Array, lengths: Array | None) -> Array:
    *below, head = member.layers
    hidden, _ = Sequential(*below)(x, lengths=lengths)
    # BLAS would sum in another order for another number of rows.
    found = np.einsum("...i,oi->...o", hidden, head.params["weight"]) + head.params["bias"]
    wide: Array = found.astype(np.float64)
    return wide

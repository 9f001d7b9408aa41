"""One training loop: batches in, `forward`, loss, `backward`, clip, `step`; and nothing hidden in it."""

from __future__ import annotations

import copy
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from gatewise.batches import Samples
from gatewise.errors import Array, GatewiseError, GatewiseTypeError, GatewiseValueError, check_choice, check_number
from gatewise.layers import Layer
from gatewise.layers.layer import Rng, generator
from gatewise.layers.padding import valid_steps
from gatewise.losses import Loss, named_loss
from gatewise.optimizers import Optimizer, clip_by_global_norm, named_optimizer
from gatewise.progress import progress_bar
from gatewise.sight.doctor import examine
from gatewise.sight.spots import Attempt, Case
from gatewise.threads import single_threaded_blas

Callback = Callable[[dict[str, Any], Layer], Any]
NORMS_KEPT = 20
ClassWeight = str | Mapping[int, float] | Sequence[float] | Array


class History(list[dict[str, Any]]):
    """What happened in each epoch: `epoch`, `loss`, `gradient_norm`, `seconds`, and `validation_loss` if asked for.

    `history["loss"]` is the list of that entry over all epochs; `history.best_epoch` the epoch with the lowest
    validation loss (training loss without validation).

    Examples
    --------
    >>> history = History([{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": 0.25}])
    >>> history["loss"], history[0], history.best_epoch
    ([0.5, 0.25], {'epoch': 1, 'loss': 0.5}, 2)
    """

    def __getitem__(self, key: Any) -> Any:
        return [record[key] for record in self] if isinstance(key, str) else super().__getitem__(key)

    @property
    def best_epoch(self) -> int:
        """Number, from 1, of the epoch with the lowest monitored loss."""
        return 1 + int(np.argmin(np.nan_to_num([_monitored(record) for record in self], nan=np.inf)))


def train(
    model: Layer,
    x: Any,
    y: Any,
    *,
    loss: str | Loss,
    optimizer: str | Optimizer,
    epochs: int,
    batch_size: int = 32,
    lengths: Any = None,
    weights: Any = None,
    class_weight: ClassWeight | None = None,
    validation: float | tuple[Any, ...] | None = None,
    patience: int | None = None,
    tol: float = 0.0,
    clip: float | None = None,
    shuffle: bool = True,
    rng: Rng = None,
    callbacks: Sequence[Callback] = (),
    progress: bool = False,
) -> History:
    """Train a model in place.

    Parameters
    ----------
    model : Layer
        Any layer or `Sequential`; its `params` change.
    x : ndarray (n, time, features), or integers (n, time) for an `Embedding`
        Input, of the model's dtype.
    y : ndarray (n, ...)
        Targets as the loss takes them beside the model's output.
    loss : str or callable
        A function of `gatewise.losses`, its name, or any `(prediction, target, *, weights) -> (value, gradient)`.
    optimizer : str or Optimizer
        One of `gatewise.optimizers`, or its name in lower case for its defaults.
    epochs, batch_size : int
        Passes over all rows, and rows an update.
    lengths : array of int (n,), optional
        Valid steps of each row. If the model's output has a time axis, steps beyond them do not enter the loss.
    weights : array (n,) or (n, time), optional
        Weight of each row or step in the loss; 0 leaves it out, whatever stands there.
    class_weight : {"balanced"}, mapping or sequence, optional
        Weight of each class, for integer targets; "balanced" is n / (classes · count).
    validation : (x, y), (x, y, lengths), (x, y, lengths, weights) or float, optional
        Held-out rows, or the share of rows, taken from the end, that is held out.
    patience : int, optional
        Stop after so many epochs without a lower monitored loss, and restore the best weights.
    tol : float
        By how much a loss must be lower to count for `patience`.
    clip : float, optional
        Limit of the global gradient norm.
    shuffle : bool
        Whether rows come in random order.
    rng : int or numpy.random.Generator, optional
        Source of the order of rows and of dropout masks; fresh entropy if None.
    callbacks : sequence of callable
        Each is called as `callback(record, model)` after every epoch; training stops if one returns True.
    progress : bool
        Whether to draw a progress bar on standard error, if that is a terminal.

    Returns
    -------
    History
        A list of dicts, one an epoch. `loss` is the mean over the epoch's batches as they were trained.

    Raises
    ------
    GatewiseError
        If an argument does not fit.
    NonFiniteError
        If the loss or a gradient is not finite: it says where and why. Nothing of that batch has been applied, and with
        `patience` the best weights are restored.

    Examples
    --------
    >>> import numpy as np, gatewise as gw
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(64, 10, 1)).astype(np.float32)
    >>> y = x.sum(axis=1)
    >>> model = gw.Sequential(gw.GRU(1, 8, rng=0), gw.Last(), gw.Dense(8, 1, rng=1))
    >>> history = gw.train(model, x, y, loss="mse", optimizer=gw.optimizers.Adam(0.02), epochs=30, rng=0)
    >>> history["loss"][-1] < 0.1 * history["loss"][0]
    True
    """
    check_number("epochs", epochs, 1, integer=True)
    check_number("batch_size", batch_size, 1, integer=True)
    if patience is not None:
        check_number("patience", patience, 1, integer=True)
    if clip is not None:
        check_number("clip", clip, 0, open_low=True)
    if not isinstance(model, Layer):
        raise GatewiseTypeError(f"model is a {type(model).__name__}; need a gatewise layer or Sequential.")
    if callable(callbacks) or not all(map(callable, callbacks)):
        raise GatewiseTypeError(f"callbacks is {callbacks!r}; need a sequence of functions: pass [callback].")
    samples, held_out = _split(Samples.checked(x, y, lengths, weights), validation)
    samples = _with_class_weight(samples, class_weight)
    trainer = _Trainer(model, named_loss(loss), named_optimizer(optimizer), clip, generator(rng))
    check_number("tol", tol, 0)
    best = _Best(model, patience, tol)
    history = trainer.history
    total = epochs * -(-len(samples.x) // batch_size)
    with single_threaded_blas(), progress_bar(total, progress) as advance, best:
        for epoch in range(1, epochs + 1):
            record = trainer.epoch(epoch, samples, batch_size, shuffle, advance)
            if held_out is not None:
                record["validation_loss"] = trainer.evaluate(held_out, batch_size)
            history.append(record)
            best.note(_monitored(record))
            stops = [callback(record, model) for callback in callbacks]
            if any(isinstance(stop, bool | np.bool_) and stop for stop in stops) or best.exhausted:
                break
    return history


def _monitored(record: dict[str, Any]) -> float:
    value: float = record.get("validation_loss", record["loss"])
    return value


class _Trainer:
    """A model, what it is trained with, and the two things done to it."""

    def __init__(
        self, model: Layer, loss: Loss, optimizer: Optimizer, clip: float | None, rng: np.random.Generator
    ) -> None:
        self.model = model
        self.loss = loss
        self.optimizer = optimizer
        self.clip = clip
        self.rng = rng
        self.history = History()
        self.norms: deque[float] = deque(maxlen=NORMS_KEPT)
        self.steps = 0

    def epoch(
        self, number: int, samples: Samples, batch_size: int, shuffle: bool, advance: Callable[[str], None]
    ) -> dict[str, Any]:
        started = time.perf_counter()
        mean, norms = _Mean(), []
        order = self.rng if shuffle else None
        start = copy.deepcopy(order)
        for i, batch in enumerate(samples.batches(batch_size, order, self.model.keeps_time)):
            if share := self._share(batch):
                attempt = Attempt(batch, self._loss_weights(batch).get("weights"))
                if not self._update(attempt):
                    rows = np.arange(len(samples.x)) if start is None else start.permutation(len(samples.x))
                    raise self._failure(attempt, rows[i * batch_size : (i + 1) * batch_size], number, i + 1)
                mean.add(attempt.value, share)
                norms.append(attempt.norm)
            advance(f"epoch {number}, loss {mean.value:.4g}")
        return {
            "epoch": number,
            "loss": mean.value,
            "gradient_norm": float(np.mean(norms)) if norms else 0.0,
            "seconds": time.perf_counter() - started,
        }

    def evaluate(self, samples: Samples, batch_size: int) -> float:
        mean = _Mean()
        for batch in samples.batches(batch_size, trim=self.model.keeps_time):
            if share := self._share(batch):
                prediction, _ = self.model(batch.x, lengths=batch.lengths)
                value, _ = self.loss(prediction, batch.y, **self._loss_weights(batch))
                mean.add(value, share)
        return mean.value

    def _update(self, attempt: Attempt) -> bool:
        """Take one step, and return True; or leave the weights as they are because a number is not finite."""
        batch = attempt.batch
        weights = {} if attempt.weights is None else {"weights": attempt.weights}
        try:
            with np.errstate(over="ignore", invalid="ignore"):
                attempt.prediction, _, attempt.tape = self.model.forward(
                    batch.x, lengths=batch.lengths, training=True, rng=self.rng
                )
                attempt.value, attempt.gradient = self.loss(attempt.prediction, batch.y, **weights)
                _, _, grads = self.model.backward(attempt.tape, attempt.gradient)
                attempt.norm = clip_by_global_norm(grads, np.inf if self.clip is None else self.clip)
        except GatewiseError as error:
            attempt.error = error
            return False
        if not (np.isfinite(attempt.value) and np.isfinite(attempt.norm)):
            return False
        with np.errstate(over="ignore", invalid="ignore"):  # the next batch tells
            self.optimizer.step(self.model.params, grads)
        self.norms.append(attempt.norm)
        self.steps += 1
        return True

    def _failure(self, attempt: Attempt, rows: Array, epoch: int, number: int) -> GatewiseError:
        case = Case(self.model, self.loss, attempt, rows, epoch, number, self.norms, self.steps)
        found = examine(case)
        if found is not None:
            found.history = self.history
            found.__cause__ = attempt.error
            return found
        where, error = f"epoch {epoch}, batch {number}", attempt.error
        if error is None:
            return GatewiseValueError(f"{where}: the gradient norm is {attempt.norm:g}: scale the loss or pass clip=1.")
        named = type(error)(f"{where}: {error}")
        named.__cause__ = error
        return named

    def _loss_weights(self, batch: Samples) -> dict[str, Array]:
        """The keyword that gives the loss its weights: those of the batch, 0 past each length of a time axis."""
        weights = batch.weights
        if batch.lengths is not None and self.model.keeps_time:
            mask = valid_steps(batch.lengths, batch.x.shape[1])
            weights = mask if weights is None else _over_time(weights, mask) * _over_time(mask, weights)
        return {} if weights is None else {"weights": weights}

    def _share(self, batch: Samples) -> float:
        """What a batch counts in the mean over an epoch; 0 if every weight is 0 and there is nothing to learn."""
        weights = self._loss_weights(batch).get("weights")
        return float(len(batch.x) if weights is None else weights.sum())


class _Mean:
    """A running weighted mean."""

    def __init__(self) -> None:
        self._sum = self._weight = 0.0

    def add(self, value: float, weight: float) -> None:
        self._sum += weight * value
        self._weight += weight

    @property
    def value(self) -> float:
        return self._sum / self._weight if self._weight else float("nan")


class _Best:
    """Keeps the weights of the best epoch and puts them back at the end, however the end comes."""

    def __init__(self, model: Layer, patience: int | None, tol: float) -> None:
        self._params = model.params
        self._patience = patience
        self._tol = tol
        self._lowest = self._reference = np.inf
        self._kept: dict[str, Array] | None = None
        self._waited = 0

    def note(self, value: float) -> None:
        self._waited += 1
        if value < self._reference - self._tol:
            self._reference, self._waited = value, 0
        if self._patience is not None and value < self._lowest:
            self._lowest = value
            self._kept = {name: array.copy() for name, array in self._params.items()}

    @property
    def exhausted(self) -> bool:
        return self._patience is not None and self._waited >= self._patience

    def __enter__(self) -> _Best:
        return self

    def __exit__(self, *exc: object) -> None:
        if self._kept is not None:
            self._params.update(self._kept)


def _split(samples: Samples, validation: float | tuple[Any, ...] | None) -> tuple[Samples, Samples | None]:
    if validation is None:
        return samples, None
    if isinstance(validation, tuple | list):
        if not 2 <= len(validation) <= 4:
            raise GatewiseValueError(f"validation has {len(validation)} parts; need (x, y[, lengths[, weights]]).")
        return samples, Samples.checked(*validation)
    check_number("validation", validation, 0, 1, open_low=True)
    first = len(samples.x) - max(1, round(validation * len(samples.x)))
    if first < 1:
        raise GatewiseValueError(f"validation={validation} leaves no row of {len(samples.x)} to train on: lower it.")
    return samples.rows(slice(first)), samples.rows(slice(first, None))


def _with_class_weight(samples: Samples, class_weight: ClassWeight | None) -> Samples:
    if class_weight is None:
        return samples
    y = samples.y
    if not np.issubdtype(y.dtype, np.integer):
        raise GatewiseTypeError(f"class_weight needs integer targets; y has dtype {y.dtype}: encode the classes.")
    weights = np.ones(y.shape)
    if samples.lengths is not None and y.ndim > 1:
        weights *= valid_steps(samples.lengths, y.shape[1])
    if samples.weights is not None:
        weights *= _over_time(samples.weights, weights)
    counts = weights != 0
    weights[counts] *= _class_weights(class_weight, y[counts])[y[counts]]
    return samples._replace(weights=weights)


def _class_weights(class_weight: ClassWeight, y: Array) -> Array:
    """One weight a class, (classes,)."""
    if y.min() < 0:
        raise GatewiseValueError(f"y holds class {y.min()}; need 0 or more: number classes from 0, weigh padding 0.")
    classes = int(y.max()) + 1
    if isinstance(class_weight, str):
        check_choice("class_weight", class_weight, ("balanced",))
        counts = np.bincount(y.ravel(), minlength=classes)
        return y.size / (np.count_nonzero(counts) * np.maximum(counts, 1))
    if isinstance(class_weight, Mapping):
        return np.array([class_weight.get(k, 1.0) for k in range(classes)])
    found = np.asarray(class_weight, float)
    if found.ndim != 1 or len(found) < classes:
        raise GatewiseValueError(
            f"class_weight has shape {found.shape}; need one weight for each of {classes} classes."
        )
    return found


def _over_time(weights: Array, like: Array) -> Array:
    """Weights (n,) of rows as (n, 1) beside an array (n, time); others as they are."""
    return weights.reshape(weights.shape + (1,) * (like.ndim - weights.ndim))

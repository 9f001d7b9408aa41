"""The gradients of one batch, as a function of model, loss and batch that changes none of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from gatewise.batches import Samples
from gatewise.errors import Array
from gatewise.layers import Layer
from gatewise.layers.layer import generator
from gatewise.layers.padding import blank
from gatewise.losses import Loss
from gatewise.optimizers import Optimizer, clip_by_global_norm
from gatewise.training.signals import whole


class BatchGradients(NamedTuple):
    """What one batch says about a model.

    Because every loss is a mean, the gradients of several batches together are the mean of theirs, each counted by its
    `weight`; so is the value.
    """

    value: float
    """The loss, a mean over the batch; NaN if the weight is 0."""
    weight: float
    """What the batch counts in a mean over several: its rows, or the sum of the weights in its loss."""
    gradients: dict[str, Array]
    """∂value/∂params, with the keys, shapes and dtypes of `model.params`; empty if the weight is 0."""


def batch_gradients(model: Layer, loss: Loss, batch: Samples, rng: np.random.Generator | None = None) -> BatchGradients:
    """Return the loss of a model on one batch, what the batch counts, and the gradient of every parameter.

    Parameters
    ----------
    model : Layer
        Any layer or `Sequential`; it is not changed.
    loss : callable
        `loss(prediction, target, *, weights) -> (value, gradient)`, as in `gatewise.losses`.
    batch : Samples
        Input, target, and lengths and weights if there are any. Steps past a length, and what has weight 0, do not
        enter the loss.
    rng : numpy.random.Generator, optional
        Source of dropout masks and noise, which act as in training; fresh entropy if None. A batch of weight 0 draws
        nothing from it.

    Returns
    -------
    BatchGradients
        Numbers that are not finite come back as they are, without a warning.

    Raises
    ------
    GatewiseError
        If the batch does not fit the model or the loss, or the input is not finite.

    Examples
    --------
    >>> import numpy as np, gatewise as gw
    >>> from gatewise.batches import Samples
    >>> model = gw.Sequential(gw.GRU(1, 4, rng=0), gw.Last(), gw.Dense(4, 1, rng=1))
    >>> batch = Samples(np.ones((8, 5, 1), np.float32), np.ones((8, 1), np.float32))
    >>> value, weight, gradients = batch_gradients(model, gw.losses.mse, batch)
    >>> weight, gradients.keys() == model.params.keys()
    (8.0, True)
    """
    weight = batch.weight(model.keeps_time)
    if not weight:
        return BatchGradients(float("nan"), 0.0, {})
    passes = _learning_passes if _fits(model, batch) else _plain_passes
    with np.errstate(over="ignore", invalid="ignore"):
        value, gradients = passes(model, loss, batch, generator(rng))
    return BatchGradients(float(value), weight, gradients)


def _plain_passes(model: Layer, loss: Loss, batch: Samples, rng: np.random.Generator) -> tuple[float, dict[str, Array]]:
    """Return the loss and its gradient of every parameter."""
    prediction, _, tape = model.forward(batch.x, lengths=batch.lengths, training=True, rng=rng)
    value, gradient = loss(prediction, batch.y, **batch.loss_weights(model.keeps_time))
    _, _, gradients = model.backward(tape, gradient)
    return value, gradients


def _learning_passes(
    model: Layer, loss: Loss, batch: Samples, rng: np.random.Generator
) -> tuple[float, dict[str, Array]]:
    """Return the same, by passes that leave out checks, copies and what training does not need.

    Where something in between is not finite, or a gradient does not fit, the plain passes say so.
    """
    before = rng.bit_generator.state
    lengths = batch.lengths
    prediction, tape = model.learning_forward(blank(batch.x, lengths), lengths, rng)
    value, gradient = loss(prediction, batch.y, **batch.loss_weights(model.keeps_time))
    if not (np.isfinite(value) and type(gradient) is np.ndarray and gradient.shape == prediction.shape):
        rng.bit_generator.state = before
        return _plain_passes(model, loss, batch, rng)
    _, gradients = model.learning_backward(tape, blank(gradient, lengths) if model.keeps_time else gradient, False)
    return value, {name: gradients[name] for name in model.params}


def _fits(model: Layer, batch: Samples) -> bool:
    """Whether a model can take a batch as it is, without a check that would say what is wrong with it."""
    x, lengths = batch.x, batch.lengths
    fits = type(x) is np.ndarray and x.ndim == 3 and x.size > 0 and x.dtype == model.dtype
    fits = fits and x.shape[2] == getattr(model, "input_size", None) and bool(np.isfinite(x).all())
    if not fits or lengths is None:
        return fits
    whole = type(lengths) is np.ndarray and lengths.dtype == np.int64 and lengths.shape == x.shape[:1]
    return bool(whole and lengths.min() >= 1 and lengths.max() <= x.shape[1])


def clipped_step(
    model: Layer, optimizer: Optimizer, gradients: BatchGradients, clip: float | None
) -> tuple[float, bool]:
    """Clip the gradients in place and take one step of the optimizer along them, if they and the loss are finite.

    Returns the global norm of the gradients before they were clipped, and whether the step was taken.
    """
    norm = clip_by_global_norm(gradients.gradients, np.inf if clip is None else clip)
    finite = bool(np.isfinite(gradients.value) and np.isfinite(norm))
    if finite:
        with whole, np.errstate(over="ignore", invalid="ignore"):  # the next batch shows what overflows
            optimizer.step(model.params, gradients.gradients)
    return norm, finite


def mean_loss(model: Layer, loss: Loss, samples: Samples, batch_size: int) -> float:
    """Return the mean loss of a model over samples, batch by batch, without dropout; NaN if every weight is 0."""
    mean = Mean()
    for batch in samples.batches(batch_size, trim=model.keeps_time):
        if weight := batch.weight(model.keeps_time):
            prediction, _ = model(batch.x, lengths=batch.lengths)
            value, _ = loss(prediction, batch.y, **batch.loss_weights(model.keeps_time))
            mean.add(value, weight)
    return mean.value


@dataclass
class Mean:
    """A running weighted mean."""

    total: float = 0.0
    weight: float = 0.0

    def add(self, value: float, weight: float) -> None:
        """Let `value` count `weight` times."""
        self.total += weight * value
        self.weight += weight

    @property
    def value(self) -> float:
        """The mean so far; NaN of nothing."""
        return self.total / self.weight if self.weight else float("nan")

"""The gradients of one batch, as a function of model, loss and batch that changes none of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

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


def mean_gradients(parts: Sequence[BatchGradients]) -> BatchGradients:
    """Return the gradients of several batches together, as if they had been one.

    The terms are added in pairs, neighbors first, in an order that depends on how many parts there are and on nothing
    else: who computed a part, and when, does not change the result.

    Parameters
    ----------
    parts : sequence of BatchGradients
        Of the same model; those of weight 0 count nothing.

    Returns
    -------
    BatchGradients
        The sum of the weights, and the weighted mean of values and gradients, in arrays of their own.

    Examples
    --------
    >>> import numpy as np
    >>> parts = [BatchGradients(1.0, 2.0, {"w": np.ones(1)}), BatchGradients(4.0, 1.0, {"w": np.zeros(1)})]
    >>> mean_gradients(parts)
    BatchGradients(value=2.0, weight=3.0, gradients={'w': array([0.66666667])})
    """
    counted = [part for part in parts if part.weight]
    total = float(pairwise_sum([part.weight for part in counted])) if counted else 0.0
    if not total:
        return BatchGradients(float("nan"), 0.0, {})
    shares = [part.weight / total for part in counted]
    with np.errstate(over="ignore", invalid="ignore"):
        value = pairwise_sum([share * part.value for share, part in zip(shares, counted, strict=True)])
        gradients = {
            name: pairwise_sum([share * part.gradients[name] for share, part in zip(shares, counted, strict=True)])
            for name in counted[0].gradients
        }
    return BatchGradients(float(value), total, gradients)


def pairwise_sum(terms: Sequence[Any]) -> Any:
    """Return the sum of at least one term: that of the first half, plus that of the second; halves likewise."""
    if len(terms) == 1:
        return terms[0]
    half = (len(terms) + 1) // 2
    return pairwise_sum(terms[:half]) + pairwise_sum(terms[half:])


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
    return mean_over(model, loss, samples, batch_size).value


def mean_over(model: Layer, loss: Loss, samples: Samples, batch_size: int) -> Mean:
    """Return the same as a mean that others can be added to."""
    mean = Mean()
    for batch in samples.batches(batch_size, trim=model.keeps_time):
        if weight := batch.weight(model.keeps_time):
            prediction, _ = model(batch.x, lengths=batch.lengths)
            value, _ = loss(prediction, batch.y, **batch.loss_weights(model.keeps_time))
            mean.add(value, weight)
    return mean


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

"""A window of a stream: the gradients of its newest steps through all of it, from the state before it."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from gatewise.batches import Samples
from gatewise.errors import Array, GatewiseValueError, check_unmasked
from gatewise.layers import Layer
from gatewise.layers.trees import restarted
from gatewise.losses import Loss
from gatewise.training.gradients import BatchGradients


class States(NamedTuple):
    """States of a model at two steps of a window."""

    marked: Any
    """Before the step asked for."""
    final: Any
    """After the last step."""


class Window(NamedTuple):
    """Consecutive steps of a stream, (batch, K, …) each."""

    x: Array
    y: Array
    resets: Array
    """Where a row begins anew: its state is 0 before that step, and no gradient passes."""
    weights: Array | None
    """(batch, K), of each step in the loss; 1 if None."""

    def part(self, start: int, end: int | None = None) -> Window:
        """Return the steps from `start` to `end`."""
        weights = None if self.weights is None else self.weights[:, start:end]
        return Window(self.x[:, start:end], self.y[:, start:end], self.resets[:, start:end], weights)

    def followed_by(self, other: Window) -> Window:
        """Return these steps and those of `other` in arrays of their own."""
        weights: Array | None = None
        if self.weights is not None or other.weights is not None:
            weights = np.concatenate([w.resets + 1.0 if w.weights is None else w.weights for w in (self, other)], 1)
        x, y, resets = (np.concatenate(pair, axis=1) for pair in zip(self[:3], other[:3], strict=True))
        return Window(x, y, resets, weights)

    def samples(self) -> Samples:
        """Return input, target and weights as one batch."""
        return Samples(self.x, self.y, None, self.weights)


def window_gradients(
    model: Layer, loss: Loss, window: Window, new: int, mark: int, state: Any, rng: np.random.Generator | None = None
) -> tuple[BatchGradients, States]:
    """Return the gradients of the loss of the last `new` steps of a window, and states of the model in it.

    Parameters
    ----------
    model : Layer
        Its output has a time axis; it is not changed.
    loss : callable
        As in `gatewise.losses`.
    window : Window
        K steps.
    new : int
        Steps at the end whose loss counts; gradients reach back through the steps before them.
    mark : int
        0 to K.
    state : optional
        State before the window, a number that no gradient passes; zeros if None.
    rng : numpy.random.Generator, optional
        Source of dropout masks and noise.

    Returns
    -------
    gradients : BatchGradients
        With value NaN, weight 0 and no gradients if every weight is 0.
    states : States
        Of the same weights as the gradients.
    """
    steps = window.x.shape[1]
    starts = {0, mark, *np.flatnonzero(window.resets.any(axis=0)).tolist()}
    bounds = list(pairwise(sorted(starts | {steps})))
    predictions, tapes, marked = [], [], state
    with np.errstate(over="ignore", invalid="ignore"):
        for start, end in bounds:
            state = restarted(state, window.resets[:, start])
            marked = state if start == mark else marked
            prediction, state, tape = model.forward(window.x[:, start:end], state, training=True, rng=rng)
            predictions.append(prediction)
            tapes.append(tape)
        states = States(state if mark == steps else marked, state)
        batch = window.part(steps - new).samples()
        weight = batch.weight(per_step=True)
        if not weight:
            return BatchGradients(float("nan"), 0.0, {}), states
        value, gradient = loss(_last(predictions, new), batch.y, **batch.loss_weights(per_step=True))
        dy = _after_zeros(gradient, steps)
        gradients = _backward(model, tapes, bounds, window.resets, dy)
    return BatchGradients(float(value), weight, gradients), states


def _last(predictions: list[Array], new: int) -> Array:
    """The last `new` steps of predictions that follow one another."""
    whole = predictions[0] if len(predictions) == 1 else np.concatenate(predictions, axis=1)
    return whole[:, whole.shape[1] - new :]


def _after_zeros(gradient: Array, steps: int) -> Array:
    """The gradient of the last steps, with zeros for those before."""
    if gradient.shape[1] == steps:
        return gradient
    dy = np.zeros((len(gradient), steps, *gradient.shape[2:]), gradient.dtype)
    dy[:, steps - gradient.shape[1] :] = gradient
    return dy


def _backward(
    model: Layer, tapes: list[Any], bounds: list[tuple[int, int]], resets: Array, dy: Array
) -> dict[str, Array]:
    """Carry dy back through all pieces, the last first; the gradient of a state ends where a row was restarted."""
    total: dict[str, Array] = {}
    dstate = None
    for (start, end), tape in zip(reversed(bounds), reversed(tapes), strict=True):
        _, dstate, gradients = model.backward(tape, dy[:, start:end], dstate)
        dstate = restarted(dstate, resets[:, start])
        for name, gradient in gradients.items():
            total[name] = total[name] + gradient if name in total else gradient
    return total


def checked_block(before: Window | None, x: Any, y: Any, resets: Any = None, weights: Any = None) -> Window:
    """Return a block behind the steps `before`, in arrays of its own; raise unless its parts fit one another."""
    for name, part in (("x", x), ("y", y), ("resets", resets), ("weights", weights)):
        check_unmasked(name, part)
    x, y = np.asarray(x), np.asarray(y)
    if x.ndim < 2 or y.ndim < 2 or x.shape[:2] != y.shape[:2]:
        raise GatewiseValueError(
            f"x has shape {x.shape}, y {y.shape}; need x (batch, time, ...) and y (batch, time, ...) of a block."
        )
    flags = np.zeros(x.shape[:2], bool) if resets is None else np.asarray(resets)
    if flags.shape != x.shape[:2] or flags.dtype.kind not in "bi" or not np.isin(flags, (0, 1)).all():
        raise GatewiseValueError(
            f"resets has shape {flags.shape} and dtype {flags.dtype}; need {x.shape[:2]}, True where a row begins anew."
        )
    weights = None if weights is None else _checked_weights(weights, x.shape[:2])
    block = Window(x, y, flags.astype(bool), weights)
    if before is None:
        before = block.part(0, 0)
    for name, new, old in (("x", x, before.x), ("y", y, before.y)):
        if (len(new), new.shape[2:], new.dtype) != (len(old), old.shape[2:], old.dtype):
            raise GatewiseValueError(
                f"{name} has shape {new.shape} and dtype {new.dtype} in this block, {old.shape} and {old.dtype} "
                f"before; need the same rows, features and dtype in every block."
            )
    return before.followed_by(block)


def _checked_weights(weights: Any, shape: tuple[int, ...]) -> Array:
    array = np.asarray(weights)
    if array.shape != shape or array.dtype.kind not in "biuf" or not (np.isfinite(array) & (array >= 0)).all():
        raise GatewiseValueError(
            f"weights has shape {array.shape} and dtype {array.dtype}; need {shape}, finite numbers of at least 0."
        )
    return array

"""Fitted estimators as the data come: after each step, what they predict of all that has been seen."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from gatewise.errors import (
    Array,
    GatewiseError,
    GatewiseTypeError,
    GatewiseValueError,
    check_array,
    check_names,
    check_number,
)
from gatewise.estimators import builder
from gatewise.estimators.sequences import LIMIT, Inputs
from gatewise.layers import Stepper
from gatewise.layers.layer import prefixed
from gatewise.layers.stepper import checked_rows

FIRST = 64  # steps that there is room for at first; doubled whenever they are used up


class RunningInputs:
    """`Inputs.encode` step by step: standardized values, gaps filled with the last value seen."""

    def __init__(self, inputs: Inputs, rows: int) -> None:
        channels = len(inputs.mean)
        self._inputs = inputs
        self.state: dict[str, Array] = {
            "filled": np.zeros((rows, channels), np.float32),
            "since": np.zeros((rows, channels), np.int64),
            "steps": np.zeros(rows, np.int64),
        }

    def step(self, values: Array) -> Array:
        """Return the network's input (rows, inputs) for values (rows, channels), NaN where there is none."""
        mean, scale, gaps = self._inputs
        filled, since, steps = self.state.values()
        with np.errstate(over="ignore"):  # what lies beyond is cut off
            z = np.clip((values - mean) / scale, -LIMIT, LIMIT).astype(np.float32)
        seen = ~np.isnan(z)
        filled[seen] = z[seen]
        since += 1
        since[seen] = 0
        steps += 1
        if not gaps.any():
            return filled.copy()
        said = [seen[:, gaps], np.log1p(since[:, gaps]).astype(np.float32)]
        return np.concatenate([filled, *said], axis=1).astype(np.float32)

    def reset(self, rows: Any) -> None:
        """Forget what was seen of some rows."""
        for values in self.state.values():
            values[rows] = 0


class Prefix:
    """All inputs of the steps seen so far, (rows, time, inputs), and how many there are of each row."""

    def __init__(self, rows: int, inputs: int) -> None:
        self.x = np.zeros((rows, FIRST, inputs), np.float32)
        self.lengths = np.zeros(rows, np.int64)

    def append(self, x: Array) -> None:
        """Keep one more step (rows, inputs)."""
        if self.lengths.max() == self.x.shape[1]:
            self.x = np.concatenate([self.x, np.zeros_like(self.x)], axis=1)
        self.x[np.arange(len(x)), self.lengths] = x
        self.lengths += 1

    def seen(self) -> tuple[Array, Array]:
        """The inputs up to the longest row, 0 past each length, and the lengths."""
        return self.x[:, : self.lengths.max()], self.lengths

    def reset(self, rows: Any) -> None:
        """Forget some rows."""
        self.x[rows], self.lengths[rows] = 0, 0


class Stepping:
    """What gives a classifier or a regressor its stepper."""

    def stepper(self, batch: int | None = None) -> EstimatorStepper:
        """Return what takes one step at a time, and predicts after each what `predict` gives for the steps so far.

        Parameters
        ----------
        batch : int, optional
            How many streams run side by side, each step (batch, channels); None for a single one, (channels,).

        Returns
        -------
        EstimatorStepper
            It says which steps it has to keep.

        Raises
        ------
        GatewiseError
            If `batch` is no whole number from 1 on.
        NotFittedError
            Before `fit`.
        """
        check_is_fitted(self, "model_")
        return EstimatorStepper(self, batch)


class KeepsState(ABC):
    """What goes from step to step: `state` to read and to set, of what has it as named arrays."""

    @property
    def state(self) -> dict[str, Array]:
        """Copies of all that goes from step to step, as `state_dict` has them; None sets it back to the start."""
        return self.state_dict()

    @state.setter
    def state(self, arrays: Mapping[str, Array] | None) -> None:
        if arrays is None:
            self.reset()
        else:
            self.load_state_dict(arrays)

    @abstractmethod
    def state_dict(self) -> dict[str, Array]:
        """Return copies of all that goes from step to step as named arrays, to save and to load."""

    @abstractmethod
    def load_state_dict(self, arrays: Mapping[str, Array]) -> None:
        """Go on from what `state_dict` returned."""

    @abstractmethod
    def reset(self) -> None:
        """Forget all steps."""


class EstimatorStepper(KeepsState):
    """A fitted classifier or regressor that takes one step at a time and predicts what it predicts of the prefix.

    `estimator.stepper(batch=None)` makes one. Every step counts, also one that holds nothing but NaN. Recurrent
    networks go on from their states, so that their work does not grow. What is needed of all steps is kept and computed
    again: the inputs themselves, 4 bytes each, for means over `segments`, and for a reverse direction, for averages of
    several steps and for what stands beside the networks; then a step takes as long as a prediction of the prefix.
    With `output="all"`, or `segments=0`, and one direction, memory and time of a step stay the same for ever.

    Examples
    --------
    >>> import numpy as np, gatewise as gw
    >>> X = np.random.default_rng(0).normal(size=(40, 12, 2))
    >>> y = (X[:, :, 0].sum(axis=1) > 0).astype(int)
    >>> model = gw.RecurrentClassifier(hidden_size=8, max_iter=3, random_state=0).fit(X, y)
    >>> stream = model.stepper()
    >>> labels = [stream.step(x_t) for x_t in X[0]]
    >>> bool(labels[-1] == model.predict(X[:1])[0])
    True
    >>> bool(np.allclose(stream.predict_proba(), model.predict_proba(X[:1])[0], atol=1e-5))
    True
    """

    def __init__(self, estimator: Any, batch: int | None = None) -> None:
        if batch is not None:
            check_number("batch", batch, 1, integer=True)
        self.estimator, self.batch = estimator, batch
        self._rows = 1 if batch is None else int(batch)
        self._model, self._channels = estimator.model_, len(estimator._inputs.mean)
        self._inputs = RunningInputs(estimator._inputs, self._rows)
        self._networks = _steppers(estimator, self._rows)
        self._prefix = None if self._networks else Prefix(self._rows, estimator._inputs.size)
        self._outputs: Array | None = None

    def step(self, x: Any) -> Any:
        """Take one step, and return what `predict` gives for the steps seen so far.

        Parameters
        ----------
        x : array (channels,), or (batch, channels)
            In the units of X; NaN where there is no value. A number for one channel.

        Returns
        -------
        label or number, or ndarray (batch,), (targets,) or (batch, targets)

        Raises
        ------
        GatewiseError
            If x does not fit, or the estimator was fitted again; the state is then as before.
        """
        self._take(self._checked(x))
        return self._answer()

    def process(self, x: Any) -> Array:
        """Take the steps of a block (time, channels), or (batch, time, channels); return the answers after each."""
        values = np.asarray(x)
        axis = 0 if self.batch is None else 1
        if values.ndim <= axis or not values.shape[axis]:
            raise GatewiseValueError(f"x has shape {values.shape}; need a time axis with at least one step.")
        answers: Array = np.stack([self.step(values.take(t, axis)) for t in range(values.shape[axis])], axis=axis)
        return answers

    def predict_proba(self) -> Array:
        """Return the probability of each class after the last step, (classes,) or (batch, classes)."""
        if not hasattr(self.estimator, "classes_"):
            raise GatewiseTypeError(f"{type(self.estimator).__name__} has no classes; need a classifier.")
        probabilities: Array = self._of_batch(self.estimator._in_units(self._known_outputs()))
        return probabilities

    def reset(self, rows: Any = None) -> None:
        """Forget all steps, or those of some rows of the batch."""
        index = checked_rows(rows, self._rows)
        self._inputs.reset(index)
        for network in self._networks:
            network.reset(rows)
        if self._prefix is not None:
            self._prefix.reset(index)
        if rows is None:
            self._outputs = None

    def state_dict(self) -> dict[str, Array]:
        """Return copies of all that goes from step to step as named arrays, to save and to load."""
        arrays = prefixed("inputs", {name: value.copy() for name, value in self._inputs.state.items()})
        for k, network in enumerate(self._networks):
            arrays |= prefixed(f"network{k}", network.state_dict())
        if self._prefix is not None:
            x, lengths = self._prefix.seen()
            arrays |= {"prefix.x": x.copy(), "prefix.lengths": lengths.copy()}
        if self._outputs is not None:
            arrays["outputs"] = self._outputs.copy()
        return arrays

    def load_state_dict(self, arrays: Mapping[str, Array]) -> None:
        """Go on from what `state_dict` returned, here or in another process with the same estimator.

        Raises
        ------
        GatewiseError
            If a name, shape or dtype does not fit; nothing is changed then.
        """
        twin = type(self)(self.estimator, self.batch)
        check_names("the state", set(arrays) - {"outputs"}, twin.state_dict())
        for name, value in twin._inputs.state.items():
            value[:] = check_array(name, arrays[f"inputs.{name}"], value.shape, value.dtype)
        for k, network in enumerate(twin._networks):
            names = network.state_dict()
            network.load_state_dict({name: arrays[f"network{k}.{name}"] for name in names})
        if twin._prefix is not None:
            twin._load_prefix(arrays["prefix.x"], arrays["prefix.lengths"])
        if "outputs" in arrays:
            shape = (self._rows, self.estimator._output_count())
            twin._outputs = np.array(check_array("outputs", arrays["outputs"], shape, np.float64))
        self.__dict__.update(twin.__dict__)

    def copy(self) -> Self:
        """Return a stepper of the same estimator in the same state, which goes its own way from here."""
        twin = type(self)(self.estimator, self.batch)
        twin.load_state_dict(self.state_dict())
        return twin

    def _take(self, values: Array) -> None:
        x = self._inputs.step(values)
        if self._prefix is None:
            outputs = np.stack([network.step(x) for network in self._networks])
            self._outputs = np.asarray(self.estimator._combined(outputs.astype(np.float64)))
            return
        self._prefix.append(x)
        outputs = self.estimator._answers(*self._prefix.seen())
        if self.estimator._per_step:
            outputs = outputs[np.arange(self._rows), self._prefix.lengths - 1]
        self._outputs = np.asarray(outputs, np.float64)

    def _answer(self) -> Any:
        estimator, outputs = self.estimator, self._known_outputs()
        if hasattr(estimator, "classes_"):
            return self._of_batch(estimator.classes_[np.argmax(outputs, axis=-1)])
        values = estimator._in_units(outputs)
        return self._of_batch(values[:, 0] if estimator._single else values)

    def _of_batch(self, values: Array) -> Any:
        return values[0] if self.batch is None else values

    def _known_outputs(self) -> Array:
        if self._outputs is None:
            raise GatewiseValueError("nothing has been seen yet; need at least one step: call step.")
        return self._outputs

    def _checked(self, x: Any) -> Array:
        """Values (rows, channels); raise unless x is that, or the estimator is another than it was."""
        if self.estimator.model_ is not self._model:
            raise GatewiseValueError("the estimator was fitted again; need a new stepper: call stepper().")
        try:
            values = np.asarray(x, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise GatewiseTypeError(f"x cannot be read as numbers ({error}); need the channels of one step.") from error
        shape = (self._channels,) if self.batch is None else (self._rows, self._channels)
        if values.shape != shape and not (self._channels == 1 and values.shape == shape[:-1]):
            raise GatewiseValueError(f"x has shape {values.shape}; need {shape}: the channels of one step.")
        if np.isinf(values).any():
            raise GatewiseValueError("x holds infinity; need finite numbers, or NaN where a value is missing.")
        return values.reshape(self._rows, self._channels)

    def _load_prefix(self, x: Array, lengths: Array) -> None:
        assert self._prefix is not None
        check_array("prefix.lengths", lengths, (self._rows,), np.int64)
        check_array("prefix.x", x, (self._rows, int(lengths.max()), self.estimator._inputs.size), np.float32)
        self._prefix.x = np.concatenate([x, np.zeros_like(self._prefix.x)], axis=1)
        self._prefix.lengths = np.array(lengths)


def _steppers(estimator: Any, rows: int) -> list[Stepper]:
    """A stepper of each network; none if answers are not those of networks that can step."""
    if getattr(estimator, "_ridge", None) is not None or getattr(estimator, "_downsampling", 1) != 1:
        return []
    try:
        return [network.stepper(rows) for network in builder.networks_of(estimator.model_)]
    except GatewiseError:  # one that reads backward
        return []

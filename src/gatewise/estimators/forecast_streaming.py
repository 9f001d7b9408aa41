"""A fitted forecaster as the data come: one new value of each series, and the forecast from there."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Self

import numpy as np
import pandas as pd

from gatewise.errors import Array, GatewiseError, GatewiseTypeError, GatewiseValueError, check_array, check_names
from gatewise.estimators.streaming import KeepsState
from gatewise.forecasting.fitted import Fitted
from gatewise.forecasting.smoothing.smoothed import Smoothed
from gatewise.forecasting.state import State
from gatewise.layers.layer import prefixed


class ForecastStepping:
    """What gives a forecaster its stepper."""

    def stepper(self) -> ForecasterStepper:
        """Return what takes one new value of each series at a time, and forecasts from there.

        Returns
        -------
        ForecasterStepper
            `stepper.step(y_t)` gives what `update` and then `predict` give, in plain arrays; this object stays.

        Raises
        ------
        NotFittedError
            Before `fit`.
        """
        return ForecasterStepper(self)


class ForecasterStepper(KeepsState):
    """A fitted forecaster that takes one new value of each series at a time and forecasts from there.

    `forecaster.stepper()` makes one, which starts at the end of what the forecaster knows and leaves that as it is.
    Memory and work of a step depend on how far back a forecast reads, not on how many steps there have been.

    Examples
    --------
    >>> import numpy as np, gatewise as gw
    >>> y = np.tile([1.0, 2.0, 4.0, 3.0], 30)
    >>> forecaster = gw.RecurrentForecaster(4, season=4, max_updates=20, random_state=0).fit(y)
    >>> stream = forecaster.stepper()
    >>> stream.step(1.0).round(2).tolist()
    [2.0, 4.0, 3.0, 1.0]
    >>> stream.predict_quantiles().shape
    (4, 3)
    """

    def __init__(self, forecaster: Any) -> None:
        self.forecaster = forecaster
        state = forecaster._fitted_state()
        self._several = state.container.kind in ("frame", "matrix") or len(state.axes) > 1
        self._start = state._replace(container=type(state.container)("list", state.container.names))
        self._twin = copy.copy(forecaster)
        self._twin._state = self._start
        self._steps = 0

    def step(self, y: Any, X: Any = None, X_future: Any = None) -> Array:
        """Take the next value of each series, and return the median of the next `horizon` steps.

        Parameters
        ----------
        y : float, or array (series,)
            NaN for a gap.
        X : array (columns,), or (series, columns), optional
            All covariates at this step, in the order of the fit; needed if there are any. Where columns are text, a
            frame of one row, or a list of them; their indexes do not count.
        X_future : array (horizon, columns), or frame, or list of one a series, optional
            Those known ahead, after this step; needed if there are any.

        Returns
        -------
        ndarray (horizon,), or (horizon, series)
            What `update` and then `predict` give.

        Raises
        ------
        GatewiseError
            If a value or covariate does not fit; the state is then as before.
        """
        before = self._twin._state
        try:
            self.update(y, X)
            return self.predict(X_future)
        except GatewiseError:
            if self._twin._state is not before:
                self._twin._state, self._steps = before, self._steps - 1
            raise

    def process(self, y: Any, X: Any = None, X_future: Any = None) -> Array:
        """Take a block of steps, and return the forecasts after each.

        Parameters
        ----------
        y : array (time,), or (time, series)
        X, X_future : sequence of what `step` takes, one a step, optional

        Returns
        -------
        ndarray (time, horizon), or (time, horizon, series)

        Raises
        ------
        GatewiseError
            As `step` does; the state is then as before the block.
        """
        if np.ndim(y) < 1 or not len(y):
            raise GatewiseValueError(f"y has shape {np.shape(y)}; need a time axis with at least one step.")
        for name, given in (("X", X), ("X_future", X_future)):
            if given is not None and len(given) != len(y):
                raise GatewiseValueError(f"{name} has {len(given)} step(s); need one for each of {len(y)} in y.")
        before = self._twin._state, self._steps
        nothing = [None] * len(y)
        try:
            rows = zip(y, nothing if X is None else X, nothing if X_future is None else X_future, strict=True)
            return np.stack([self.step(*row) for row in rows])
        except GatewiseError:
            self._twin._state, self._steps = before
            raise

    def update(self, y: Any, X: Any = None) -> None:
        """Take the next value of each series without a forecast; arguments are those of `step`."""
        count = len(self._start.axes)
        try:
            values = np.asarray(y, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise GatewiseTypeError(f"y cannot be read as numbers ({error}); need one of each series.") from error
        if values.shape != ((count,) if self._several else ()) and values.shape != (count,):
            raise GatewiseValueError(f"y has shape {values.shape}; need one number of each of {count} series.")
        tables = None if X is None else self._tables(X)
        self._twin.update([one.reshape(1) for one in np.atleast_1d(values)], tables)
        self._steps += 1

    def predict(self, X_future: Any = None) -> Array:
        """Return the median of the next `horizon` steps, (horizon,) or (horizon, series)."""
        return self._packed([part.to_numpy() for part in self._twin.predict(self._ahead(X_future))])

    def predict_quantiles(self, X_future: Any = None, **options: Any) -> Array:
        """Return quantiles of the next steps, (horizon, levels) or (horizon, series, levels).

        `options` are those of the forecaster's own method.
        """
        parts = self._twin.predict_quantiles(self._ahead(X_future), **options)
        return self._packed([part.to_numpy() for part in parts])

    def reset(self) -> None:
        """Go back to where the stepper was made."""
        self._twin._state, self._steps = self._start, 0

    def state_dict(self) -> dict[str, Array]:
        """Return copies of all that goes from step to step as named arrays, to save and to load."""
        state = self._twin._state
        names = ("y", "known", "past", "start", "stop", "first")
        arrays = {"steps": np.array(self._steps)} | {name: np.array(getattr(state.panel, name)) for name in names}
        for k, smoothed in enumerate(_smoothed(state)):
            arrays |= prefixed(f"smoothed{k}", {name: value.copy() for name, value in smoothed.arrays().items()})
        return arrays

    def load_state_dict(self, arrays: Mapping[str, Array]) -> None:
        """Go on from what `state_dict` returned, here or in another process with the same forecaster.

        Raises
        ------
        GatewiseError
            If a name, shape or dtype does not fit; nothing is changed then.
        """
        check_names("the state", arrays, self.state_dict())
        panel, count = self._start.panel, len(self._start.axes)
        steps = int(check_array("steps", arrays["steps"], (), np.int64))
        if steps < 0:
            raise GatewiseValueError(f"steps is {steps}; need 0 or more.")
        rows = len(arrays["y"])
        shapes = {"y": (rows,), "known": (rows, panel.known.shape[1]), "past": (rows, panel.past.shape[1])}
        shapes |= dict.fromkeys(("start", "stop", "first"), (count,))
        parts = {
            name: np.array(check_array(name, arrays[name], shape, getattr(panel, name).dtype))
            for name, shape in shapes.items()
        }
        if not _laid_end_to_end(parts["start"], parts["stop"], rows):
            raise GatewiseValueError("start and stop do not cut y into series; need what state_dict returned.")
        axes = [axis.moved(axis.future(steps)[-1], steps) if steps else axis for axis in self._start.axes]
        fitted = _with_states(self._start, arrays)
        panel = type(panel)(static=panel.static, **parts)
        self._twin._state = self._start._replace(fitted=fitted, panel=panel, axes=tuple(axes))
        self._steps = steps

    def copy(self) -> Self:
        """Return a stepper of the same forecaster in the same state, which goes its own way from here."""
        twin = copy.copy(self)
        twin._twin = copy.copy(self._twin)
        return twin

    def _tables(self, X: Any) -> list[Any]:
        """Covariates of one step, (1, columns) for each series."""
        if _are_frames(X):
            frames = self._next(X)
            if any(len(frame) != 1 for frame in frames):
                raise GatewiseValueError(f"X has {[len(frame) for frame in frames]} rows; need one row, of this step.")
            return frames
        rows = np.asarray(X)
        count = len(self._start.axes)
        rows = np.broadcast_to(rows, (count, len(rows))) if rows.ndim == 1 else rows
        if rows.ndim != 2 or len(rows) != count:
            raise GatewiseValueError(
                f"X has shape {np.shape(X)}; need (columns,), or a row for each of {count} series."
            )
        return [row[None] for row in rows]

    def _ahead(self, X_future: Any) -> Any:
        if X_future is not None and _are_frames(X_future):
            return self._next(X_future)
        if X_future is None or isinstance(X_future, list):
            return X_future
        return [X_future] * len(self._start.axes)

    def _next(self, frames: Any) -> list[pd.DataFrame]:
        """A frame for each series, of which the first row is the step to come, whatever its index is."""
        axes = self._twin._state.axes
        each = frames if isinstance(frames, list) else [frames] * len(axes)
        if len(each) != len(axes):
            raise GatewiseValueError(f"X has {len(each)} frame(s); need one for each of {len(axes)} series.")
        return [frame.set_axis(axis.future(len(frame))) for frame, axis in zip(each, axes, strict=True)]

    def _packed(self, parts: list[Array]) -> Array:
        return np.stack(parts, axis=1) if self._several else parts[0]


def _smoothed(state: State) -> list[Smoothed]:
    """Exponential smoothing of a fitted forecaster, whose states follow the observations that are no longer kept."""
    combination = state.fitted.combination
    return [] if combination is None else list(combination.methods.smoothed.values())


def _with_states(state: State, arrays: Mapping[str, Array]) -> Fitted:
    """What is fitted, with the exponential smoothing that `arrays` hold."""
    combination = state.fitted.combination
    if combination is None:
        return state.fitted
    smoothed = {}
    for k, (method, one) in enumerate(combination.methods.smoothed.items()):
        known = {f"smoothed{k}.{name}": (name, value) for name, value in one.arrays().items()}
        parts = {n: check_array(key, arrays[key], value.shape, value.dtype) for key, (n, value) in known.items()}
        smoothed[method] = Smoothed(**{name: value.copy() for name, value in parts.items()})
    methods = replace(combination.methods, smoothed=smoothed)
    return replace(state.fitted, combination=replace(combination, methods=methods))


def _are_frames(X: Any) -> bool:
    every = X if isinstance(X, list) else [X]
    return bool(every) and all(isinstance(one, pd.DataFrame) for one in every)


def _laid_end_to_end(start: Array, stop: Array, rows: int) -> bool:
    """Whether the series that start and stop there fill all rows but the last."""
    return bool(start[0] == 0 and (start[1:] == stop[:-1]).all() and (start <= stop).all() and stop[-1] == rows - 1)

"""New values of a fitted forecaster's series, each held against what was forecast for it one step before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Self

import numpy as np
import pandas as pd

from gatewise import plain
from gatewise.errors import Array, GatewiseValueError, check_names, check_number
from gatewise.forecasting import reading
from gatewise.forecasting.alarms import RULES, Alarms
from gatewise.forecasting.panel import Origins, Panel
from gatewise.forecasting.reading import Container
from gatewise.forecasting.state import State

ROWS_AT_ONCE = 1000  # forecasts that stand in memory at once
HIGHEST = 0.5
TARGET = object()  # the column of y, whose name no covariate has
COLUMNS = ("value", "forecast", "score", "p_value", "alarm", "kind")


class Watch:
    """A forecaster that looks at new values as they come; `RecurrentForecaster.watch` makes one.

    Parameters
    ----------
    state : State
        Of the fitted forecaster; it is not changed.
    rate : float
        As in `RecurrentForecaster.anomalies`.

    Attributes
    ----------
    state : State
        After the values seen.

    Raises
    ------
    GatewiseError
        If the rate is out of range, or the forecaster was saved by a version that kept no whole distribution.
    """

    def __init__(self, state: State, rate: float = 0.01) -> None:
        check_number("rate", rate, 0, HIGHEST, open_low=True)
        if not state.fitted.calibration.has_tails:
            raise GatewiseValueError(
                "this forecaster was saved by a version that kept a few levels only; need the whole distribution to "
                "say how far out a value lies: fit again."
            )
        self.state, self.rate = state, float(rate)
        self._alarms = [Alarms(self.rate) for _ in state.axes]
        self._grain = [_grain(_values(state.panel, k)) for k in range(len(state.axes))]

    def update(self, y_new: Any, X_new: Any = None) -> Any:
        """Take new values, and return what was expected of each and whether it raises an alarm.

        Parameters
        ----------
        y_new, X_new
            As in `RecurrentForecaster.update`.

        Returns
        -------
        DataFrame, or a list of them
            As `RecurrentForecaster.anomalies`.
        """
        after = self.state.continued(y_new, X_new)
        frames = []
        for k, (before, now) in enumerate(zip(self.state.axes, after.axes, strict=True)):
            steps = now.length - before.length
            frames.append(self._frame(after, k, steps).set_axis(now.past(steps), axis=0))
        self.state = after.trimmed()
        return _packed(after, frames)

    def _frame(self, state: State, series: int, steps: int) -> pd.DataFrame:
        """Look at the last `steps` rows of a series."""
        values = _values(state.panel, series)
        new, before = values[len(values) - steps :], _before(values, steps)
        stop = int(state.panel.stop[series])
        origins = Origins(np.arange(stop - steps, stop), np.full(steps, series))
        medians, probabilities, repetitions = _expected(state, origins, new, before, self._grain[series])
        rows = []
        for value, last, median, probability, repetition in zip(
            new, before, medians, probabilities, repetitions, strict=True
        ):
            alarm = self._alarms[series].take(probability, repetition, value == last)
            rows.append((value, median, alarm.score, alarm.p_value, bool(alarm.kind), alarm.kind))
        return pd.DataFrame(rows, columns=list(COLUMNS)).astype({"alarm": bool, "kind": str})

    def numbers(self) -> dict[str, Any]:
        """Return what is remembered of the values seen, without the forecaster's state: plain enough for JSON."""
        return {"rate": self.rate, "grain": self._grain, "alarms": [alarms.numbers() for alarms in self._alarms]}

    def arrays(self) -> dict[str, Array]:
        """Return the arrays that belong to `numbers`."""
        parts = [alarms.ranks() for alarms in self._alarms]
        return {f"{k}.{rule}": array for k, part in enumerate(parts) for rule, array in part.items()}

    def load(self, numbers: Mapping[str, Any], arrays: Mapping[str, Array]) -> Self:
        """Continue from what `numbers` and `arrays` of a watch on the same series returned; return this object."""
        check_names("the watch", arrays, self.arrays())
        plain.known_keys("the watch", numbers, self.numbers())
        if numbers["rate"] != self.rate:
            raise GatewiseValueError(f"the watch had rate {numbers['rate']!r}; need {self.rate}: use the same.")
        count = len(self._alarms)
        self._grain = [plain.real("grain", grain, 0) for grain in plain.entries("grain", numbers["grain"], count)]
        described = plain.entries("alarms", numbers["alarms"], count)
        for k, (alarms, own) in enumerate(zip(self._alarms, described, strict=True)):
            alarms.load(own, {rule: arrays[f"{k}.{rule}"] for rule in RULES})
        return self


def _expected(state: State, origins: Origins, values: Array, before: Array, grain: float) -> tuple[Array, Array, Array]:
    """The median of each row, forecast from the row before; the probability of at most its value, and of a repetition.

    A value repeats the one `before` it if it is as near as half a grain.
    """
    parts = []
    for first in range(0, len(values), ROWS_AT_ONCE):
        some = slice(first, first + ROWS_AT_ONCE)
        ahead = state.fitted.distribution(state.panel, origins.at(some)).steps(slice(1))
        last = before[some, None]
        repetition = ahead.probability(last + grain / 2) - ahead.probability(last - grain / 2)
        parts.append(np.concatenate([ahead.median, ahead.probability(values[some, None]), repetition], axis=1))
    columns = np.concatenate([np.empty((0, 3)), *parts]).T
    return columns[0], columns[1], np.nan_to_num(columns[2], nan=1.0)


def _values(panel: Panel, series: int) -> Array:
    return panel.y[panel.start[series] : panel.stop[series]]


def _before(values: Array, steps: int) -> Array:
    """The value before each of the last `steps`; NaN where there is none."""
    return np.append(np.nan, values)[len(values) - steps : len(values)]


def _grain(values: Array) -> float:
    """The smallest difference between two of the values: 1 of counts, 0.1 of what has one decimal."""
    differences = np.diff(np.unique(values[np.isfinite(values)]))
    return float(differences.min()) if len(differences) else 0.0


def _packed(state: State, frames: list[pd.DataFrame]) -> Any:
    """The frames of all series in the container of the forecaster; for arrays, which have no names, as they are."""
    if state.container.kind in ("array", "matrix"):
        return frames[0] if state.container.kind == "array" else frames
    return state.container.pack_levels(frames, of="measure")


def looked_back(state: State, y: Any, X: Any = None, *, rate: float = 0.01, most: int = 2000) -> list[pd.DataFrame]:
    """Look at the last values of the series that a forecaster was fitted to, as if they came now.

    Parameters
    ----------
    state : State
        Of the fitted forecaster.
    y, X
        All that it was fitted to, and updated with.
    rate : float
        As in `RecurrentForecaster.anomalies`.
    most : int
        Values of each series at the most; at the most half of them.

    Returns
    -------
    list of DataFrame
        One a series, in the order of the forecaster; none if y does not end where the forecaster does or is a long
        frame, or the forecaster knows no whole distribution.
    """
    if state.container.kind == "long":
        return []
    container, parts = reading.split(y)
    series, columns = reading.regular_series(container, parts, X)
    ends = [one.axis.last for one in series] == [axis.last for axis in state.axes]
    if not ends or sorted(columns) != sorted(state.covariates.columns) or not state.fitted.calibration.has_tails:
        return []
    frames = [
        pd.DataFrame({TARGET: one.y} | dict(zip(columns, one.x.T, strict=True)), one.axis.past(len(one.y)))
        for one in series
    ]
    new = [min(most, len(frame) // 2) for frame in frames]
    begin = _rewound(state, np.array([len(frame) for frame in frames]))
    cuts = [len(frame) - count for frame, count in zip(frames, new, strict=True)]
    watch = Watch(begin.continued(*_split_off(frames, [slice(cut) for cut in cuts], columns)), rate)
    result: list[pd.DataFrame] = watch.update(*_split_off(frames, [slice(cut, None) for cut in cuts], columns))
    return result


def _split_off(frames: list[pd.DataFrame], rows: list[slice], columns: list[str]) -> tuple[Any, Any]:
    """Rows of each frame as y and X of a list of series."""
    some = [frame.iloc[part] for frame, part in zip(frames, rows, strict=True)]
    return [frame[TARGET] for frame in some], [frame[columns] for frame in some] if columns else None


def _rewound(state: State, lengths: Array) -> State:
    """The state before the first of `lengths` values of each series, in a list."""
    axes = [
        replace(axis, last=axis.past(int(count) + 1)[0], length=axis.length - int(count))
        for axis, count in zip(state.axes, lengths, strict=True)
    ]
    panel, count = state.panel, len(lengths)
    known, past = ([np.zeros((0, part.shape[1]))] * count for part in (panel.known, panel.past))
    first = panel.first + (panel.stop - panel.start) - lengths
    empty = Panel.of([np.zeros(0)] * count, known, past, panel.static, first)
    return state._replace(panel=empty, axes=tuple(axes), container=Container("list", (None,) * count))

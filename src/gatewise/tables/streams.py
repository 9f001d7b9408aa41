"""A saved model on rows as they come: one prediction for each, and a state to go on from.

What it is that a model reads of a row, and says of it, is one class a kind of model. All have `step(row)`, which takes
the row or raises and is as it was, and `numbers()`, `arrays()` and `load(numbers, arrays)` for the state.
"""

from __future__ import annotations

import copy
import math
import os
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from gatewise import plain
from gatewise.errors import Array, GatewiseError, GatewiseValueError
from gatewise.files import load, read_info
from gatewise.layers import Layer
from gatewise.layers.parts import example_input
from gatewise.printing import shown
from gatewise.tables.columns import YES_OR_NO, Column, columns_from_json
from gatewise.tables.lines import Row, number
from gatewise.tables.roles import SeriesRoles

Answer = dict[str, Any]
"""What a model says of a row, by name: numbers, text, or lists of numbers."""


class Stream(ABC):
    """A model that takes rows as they come."""

    kind: ClassVar[str]

    @abstractmethod
    def step(self, row: Row) -> Answer:
        """Take the next row and return the prediction after it.

        Raises
        ------
        GatewiseError
            If a cell cannot be used; the stream is then as before.
        """

    @abstractmethod
    def numbers(self) -> dict[str, Any]:
        """Return the state without `arrays`, plain enough for JSON."""

    @abstractmethod
    def arrays(self) -> dict[str, Array]:
        """Return the arrays of the state."""

    @abstractmethod
    def load(self, numbers: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:
        """Continue from a state."""


class LayerStream(Stream):
    """A layer or `Sequential`: a row is the input of a step, its columns in the order of the first row."""

    kind = "layer"

    def __init__(self, model: Layer) -> None:
        self._model, self._stepper = model, model.stepper()
        self._example = example_input(model, np.random.default_rng(0), (1, 1), any_size=1)[0, 0]
        self._names: list[str] | None = None

    def step(self, row: Row) -> Answer:  # noqa: D102
        names = self._names or list(row.names or [f"cell {k + 1}" for k in range(len(row.cells))])
        if len(names) != max(1, self._example.size):
            raise GatewiseValueError(f"has {len(names)} column(s); the model takes {self._example.size}.")
        values = [number(cell, name) for cell, name in zip(row.of(names), names, strict=True)]
        x = np.array(values).reshape(self._example.shape)
        if self._example.dtype.kind == "i":
            if x != np.round(x):
                raise GatewiseValueError(f"{names[0]} is {values[0]}; need a whole number, the place in a table.")
            output = self._stepper.step(x.astype(self._example.dtype))
        else:
            _check_filled(values, names)
            output = self._stepper.step(x.astype(self._model.dtype))
        self._names = names
        return {f"y{k + 1}": shortest(value) for k, value in enumerate(output)}

    def numbers(self) -> dict[str, Any]:  # noqa: D102
        return {"names": self._names}

    def arrays(self) -> dict[str, Array]:  # noqa: D102
        return self._stepper.state_dict()

    def load(self, numbers: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:  # noqa: D102
        self._stepper.load_state_dict(dict(arrays))
        self._names = _names(numbers["names"])


class ForecasterStream(Stream):
    """A fitted forecaster of one series: a row is its next value, with its time if there is such a column."""

    kind = "forecaster"

    def __init__(self, forecaster: Any, roles: SeriesRoles | None = None) -> None:
        self._forecaster = copy.copy(forecaster)
        self._forecaster._state = _one_series(forecaster._state)
        known = forecaster._state.covariates.known
        if known:
            raise GatewiseValueError(
                f"the model needs {', '.join(known)} known ahead, and a stream has no rows ahead; use gatewise "
                f"predict, or --anomalies, which looks at the row that came."
            )
        self._reader = SeriesRows(forecaster._state, roles)

    def step(self, row: Row) -> Answer:  # noqa: D102
        y, X, answer = self._reader.read(row, self._forecaster._state)
        self._forecaster.update(y, X)
        state = self._forecaster._state
        values = state.forecast(None)[0]
        levels = state.fitted.levels
        named = {"median" if level == 0.5 else f"{level:g}": values[:, k].tolist() for k, level in enumerate(levels)}
        return answer | {"median": named.pop("median")} | named

    def numbers(self) -> dict[str, Any]:  # noqa: D102
        from gatewise.forecasting.serialization import to_parts

        return {"state": to_parts(self._forecaster._state)[0]}

    def arrays(self) -> dict[str, Array]:  # noqa: D102
        from gatewise.forecasting.serialization import to_parts

        return to_parts(self._forecaster._state)[1]

    def load(self, numbers: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:  # noqa: D102
        from gatewise.forecasting.serialization import from_parts

        self._forecaster._state = _one_series(from_parts(plain.mapping("state", numbers["state"]), dict(arrays)))


class AnomalyStream(Stream):
    """A fitted forecaster of one series that holds each new value against what it had forecast for it."""

    kind = "anomalies"

    def __init__(self, forecaster: Any, rate: float, roles: SeriesRoles | None = None) -> None:
        from gatewise.forecasting.anomalies import Watch

        self._watch = Watch(_one_series(forecaster._state), rate)
        self._reader = SeriesRows(forecaster._state, roles)

    def step(self, row: Row) -> Answer:  # noqa: D102
        y, X, answer = self._reader.read(row, self._watch.state)
        frames = self._watch.update(y, X)
        frame = frames[0] if isinstance(frames, list) else frames
        names = ("value", "forecast", "score", "p_value", "alarm", "kind")
        last = frame.iloc[-1].tolist()
        return answer | dict(zip(names, last, strict=True))

    def numbers(self) -> dict[str, Any]:  # noqa: D102
        from gatewise.forecasting.serialization import to_parts

        return {"state": to_parts(self._watch.state)[0], "watch": self._watch.numbers()}

    def arrays(self) -> dict[str, Array]:  # noqa: D102
        from gatewise.forecasting.serialization import to_parts

        watched = {f"watch.{name}": array for name, array in self._watch.arrays().items()}
        return {f"state.{name}": array for name, array in to_parts(self._watch.state)[1].items()} | watched

    def load(self, numbers: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:  # noqa: D102
        from gatewise.descriptions import under
        from gatewise.forecasting.serialization import from_parts

        self._watch.load(numbers["watch"], under("watch.", dict(arrays)))
        state = from_parts(plain.mapping("state", numbers["state"]), under("state.", dict(arrays)))
        self._watch.state = _one_series(state)


class SeriesRows:
    """From a row to the new value of a forecaster's series, its time and its covariates."""

    def __init__(self, state: Any, roles: SeriesRoles | None) -> None:
        if roles is not None and (roles.wide or roles.every or roles.parts):
            raise GatewiseValueError(
                "the model was trained on steps made of several columns or rows; a stream needs a row a step: write "
                "the steps to a table and train on that."
            )
        name = state.container.names[0]
        self._roles = roles
        self._target = roles.targets[0] if roles is not None else None if name is None else str(name)
        self._columns = list(state.covariates.columns)

    def read(self, row: Row, state: Any) -> tuple[Any, Any, Answer]:
        """Return y and X as the forecaster's `update` takes them, and the time as an answer shows it."""
        import pandas as pd

        names = [*([self._target] if self._target else []), *self._columns]
        time = self._roles.time if self._roles and not self._roles.in_order else None
        if not self._target and row.names and len(row.names) == 1:
            names = [*row.names, *self._columns]
        cells = row.of([time, *names] if time else names or ["value"])
        values = [number(cell, name) for cell, name in zip(cells[bool(time) :], names or ["value"], strict=True)]
        axis = state.axes[0]
        index = self._index(cells[0], axis) if time else axis.future(1)
        y = pd.Series(values[:1], index, name=state.container.names[0])
        X = pd.DataFrame([values[1:]], index, self._columns) if self._columns else None
        as_given = str(cells[0]).strip() if time else _as_text(index[-1])
        answer = {"time": as_given} if axis.kind != "numbers" or time else {}
        kind = state.container.kind
        if kind == "frame":
            return y.to_frame(), X, answer
        return ([y], None if X is None else [X], answer) if kind == "list" else (y, X, answer)

    def _index(self, cell: Any, axis: Any) -> Any:
        """The time of a row, as an index."""
        import pandas as pd

        assert self._roles is not None
        if axis.kind == "numbers":
            value = number(cell, self._roles.time)
            if not value.is_integer() or abs(value) > 2**53:
                raise GatewiseValueError(f"{self._roles.time} is {shown(cell)}; need a whole number.")
            return pd.Index([int(value)])
        form = self._roles.time_format or "ISO8601"
        try:
            stamps = pd.DatetimeIndex([pd.to_datetime(str(cell), format=form)])
        except (ValueError, TypeError, OverflowError) as error:
            need = form if self._roles.time_format else "an ISO time such as 2024-05-31 14:00"
            raise GatewiseValueError(f"{self._roles.time} is {shown(cell)}; need {need}.") from error
        if stamps.hasnans:
            raise GatewiseValueError(f"{self._roles.time} is empty; need the time of the row.")
        return stamps.to_period(axis.frequency) if axis.kind == "periods" else stamps


def _one_series(state: Any) -> Any:
    """The state of a forecaster of one series, which takes the rows of a long frame as those of a list."""
    from gatewise.forecasting.reading import Container

    if len(state.axes) > 1:
        raise GatewiseValueError(
            f"the model forecasts {len(state.axes)} series; a stream is one: fit a model to one of them."
        )
    if state.covariates.levels:
        raise GatewiseValueError(
            f"the model reads text from {', '.join(state.covariates.levels)}; a stream needs numbers: fit a model to "
            f"columns of numbers."
        )
    if state.container.kind != "long":
        return state
    return state._replace(container=Container("list", state.container.names))


def _as_text(stamp: Any) -> str:
    return stamp.isoformat(sep=" ") if hasattr(stamp, "isoformat") else str(stamp)


def _check_filled(values: Sequence[float], names: Sequence[str]) -> None:
    for value, name in zip(values, names, strict=True):
        if math.isnan(value):
            raise GatewiseValueError(f"{name} is empty; the model needs a number.")


def shortest(value: Any) -> float:
    """Return a number with no more digits than tell it from its neighbors in its own dtype.

    Examples
    --------
    >>> shortest(np.float32(0.1))
    0.1
    """
    return float(str(value))


class SequenceStream(Stream):
    """A fitted classifier or regressor: a row is a step of one sequence, the prediction that for all steps so far."""

    kind = "sequence"

    def __init__(self, estimator: Any, columns: Sequence[Column] | None = None) -> None:
        self._stepper, self._columns = estimator.stepper(), columns
        self._classes = getattr(estimator, "classes_", None)
        self._names = None if columns is None else [column.name for column in columns]
        self._channels = int(estimator.n_features_in_)

    def step(self, row: Row) -> Answer:  # noqa: D102
        names = self._names or list(row.names or [f"cell {k + 1}" for k in range(len(row.cells))])
        cells = row.of(names)
        if self._columns is None:
            values = [number(cell, name) for cell, name in zip(cells, names, strict=True)]
        else:
            values = [v for cell, column in zip(cells, self._columns, strict=True) for v in encoded(cell, column)]
        if len(values) != self._channels:
            raise GatewiseValueError(f"has {len(values)} column(s); the model takes {self._channels}.")
        predicted = self._stepper.step(np.array(values))
        self._names = names
        if self._classes is None:
            flat = np.ravel(predicted)
            return {f"predicted_{k + 1}" if len(flat) > 1 else "predicted": float(v) for k, v in enumerate(flat)}
        chances = zip(self._classes, self._stepper.predict_proba(), strict=True)
        return {"predicted": _plain(predicted)} | {f"p({label})": float(p) for label, p in chances}

    def numbers(self) -> dict[str, Any]:  # noqa: D102
        return {"names": self._names}

    def arrays(self) -> dict[str, Array]:  # noqa: D102
        return dict(self._stepper.state_dict())

    def load(self, numbers: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:  # noqa: D102
        self._stepper.load_state_dict(dict(arrays))
        self._names = _names(numbers["names"])


def _names(described: Any) -> list[str] | None:
    """Return the names of the columns of a stream that a state describes."""
    return None if described is None else list(plain.texts("names", described))


def encoded(cell: Any, column: Column) -> list[float]:
    """Return the numbers that a model reads of a cell, as it was trained on its column.

    Examples
    --------
    >>> encoded("y", Column("on", "yes/no")), encoded("b", Column("x", "levels", levels=("a", "b")))
    ([1.0], [0.0, 1.0])
    >>> encoded("3.5 km/h", Column("speed", "number", unit="km/h"))
    [3.5]
    """
    if isinstance(cell, list | dict):
        raise GatewiseValueError(f"{column.name} is {shown(cell)}; need text or a number.")
    if column.kind == "number":
        if column.unit and isinstance(cell, str):
            cell = cell.strip().removesuffix(column.unit)
        return [number(cell, column.name)]
    word = "" if cell is None else str(cell).strip()
    if not word:
        return [math.nan] * len(column.channels)
    if column.kind == "levels":
        return [float(word == level) for level in column.levels]
    if word.casefold() not in YES_OR_NO:
        raise GatewiseValueError(f"{column.name} is {shown(cell)}; need yes or no, as the model was trained on.")
    return [YES_OR_NO[word.casefold()]]


def _plain(label: Any) -> Any:
    return label.item() if isinstance(label, np.generic) else label


def open_stream(path: str | os.PathLike[str], anomalies: float | None = None) -> Stream:
    """Return the saved model of a file as a stream.

    Parameters
    ----------
    path : str or path
        A layer, `Sequential`, classifier, regressor or forecaster, as `gatewise.save` or a command wrote it.
    anomalies : float, optional
        Of a forecaster, hold new values against its forecasts, at this rate of false alarms.

    Raises
    ------
    GatewiseError
        If the file cannot be read, or its model cannot run step by step.
    """
    model, info = load(path), read_info(path)
    try:
        return _stream_of(model, info, anomalies)
    except GatewiseError as error:
        raise type(error)(f"{os.fspath(path)}: {error}") from error
    except (KeyError, TypeError, AttributeError) as error:
        raise GatewiseValueError(
            f"{os.fspath(path)}: its description of the columns cannot be used ({error!r})."
        ) from error


def _stream_of(model: Any, info: Mapping[str, Any], anomalies: float | None) -> Stream:
    if isinstance(model, Layer) and anomalies is None:
        return LayerStream(model)
    from gatewise.estimators import RecurrentClassifier, RecurrentForecaster, RecurrentRegressor

    if isinstance(model, RecurrentForecaster):
        roles = SeriesRoles.from_json(info["roles"]) if info.get("command") == "forecast" else None
        return ForecasterStream(model, roles) if anomalies is None else AnomalyStream(model, anomalies, roles)
    if anomalies is not None:
        raise GatewiseValueError("holds no forecaster; need one to tell what is unusual: leave --anomalies out.")
    if isinstance(model, RecurrentClassifier | RecurrentRegressor):
        return SequenceStream(model, columns_from_json(info["columns"]) if "columns" in info else None)
    raise GatewiseValueError(
        f"holds a {type(model).__name__}; need a layer, Sequential, classifier, regressor or forecaster."
    )

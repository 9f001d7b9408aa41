"""From a model that knows its columns and a new table to predictions, and to the arrays that a page shows."""

from __future__ import annotations

import copy
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from gatewise import plain
from gatewise.errors import GatewiseError, GatewiseValueError
from gatewise.files import load, read_info
from gatewise.forecasting.frequency import Step
from gatewise.tables.classification import CLASSIFICATION
from gatewise.tables.columns import columns_from_json
from gatewise.tables.forecasts import described, forecast_frame
from gatewise.tables.regression import REGRESSION
from gatewise.tables.results import Result
from gatewise.tables.roles import SeriesRoles
from gatewise.tables.sequences import (
    SequenceRoles,
    Sequences,
    drop_unanswered,
    read_sequences,
    with_labels,
    with_targets,
)
from gatewise.tables.series import SeriesGrid, SeriesSchema, read_series
from gatewise.tables.table import as_table, counted
from gatewise.tables.taking import arranged

if TYPE_CHECKING:
    from pandas import DataFrame

    from gatewise.limits import Limits
    from gatewise.tables.table import Source, Table

OUTCOMES = {outcome.command: outcome for outcome in (CLASSIFICATION, REGRESSION)}
COMMANDS = ("forecast", *OUTCOMES)


class Prediction(NamedTuple):
    """What a model says of a table.

    Attributes
    ----------
    frame : DataFrame
        Of a forecaster: the columns of `ForecastResult.forecast`; else those of `SequenceResult.predictions`.
    notes : list of str
        What was read, and what was done to it.
    """

    frame: DataFrame
    notes: list[str]


class Inputs(NamedTuple):
    """What a model takes, of a table: `x` and `y` in the order of the model's `fit` (y None where unknown).

    Of sequences `channels` names the channels of x, with their units; of a forecaster `series` holds the series with
    all columns beside them, and which column is what.
    """

    x: Any
    y: Any
    notes: list[str]
    channels: list[str] | None = None
    series: tuple[SeriesGrid, SeriesRoles] | None = None


class Predictor(NamedTuple):
    """A model that knows its columns, ready for table after table.

    Attributes
    ----------
    command : str
        What made it: "forecast", "classify" or "regress".
    model : RecurrentForecaster, RecurrentClassifier or RecurrentRegressor
        It stays as it is.
    roles : SeriesRoles or SequenceRoles
    columns : SeriesSchema or list of Column
        What the model has seen of the columns.
    """

    command: str
    model: Any
    roles: Any
    columns: Any

    @classmethod
    def of(cls, model: Result | str | os.PathLike[str]) -> Predictor:
        """Return that of a result or of a file; raise if it does not know its columns."""
        name = "the result" if isinstance(model, Result) else os.fspath(model)
        description = model.description if isinstance(model, Result) else read_info(model)
        command = _command(description)
        if command is None:
            raise GatewiseValueError(
                f"{name} was not written by gatewise forecast, classify or regress, so it does not know its columns."
            )
        with _usable_description(name):
            columns = _series_columns(description) if command == "forecast" else _sequence_columns(description)
        return cls(command, model.model if isinstance(model, Result) else load(model), *columns)

    def predict(self, table: Source, *, limits: Limits | None = None) -> Prediction:
        """Predict from a table, as the function `predict` does."""
        table = as_table(table, limits)
        if self.command == "forecast":
            frame = _forecast(copy.copy(self.model), self.roles, self.columns, table)
        else:
            frame = self.of_sequences(read_sequences(table, self.roles, self.columns))
        return Prediction(frame, table.summary([]))

    def of_sequences(self, sequences: Sequences) -> DataFrame:
        """Predict from sequences that hold the columns of the model."""
        return OUTCOMES[self.command].predicted(self.model, sequences)


def predict(model: Result | str | os.PathLike[str], table: Source, *, limits: Limits | None = None) -> Prediction:
    r"""Predict from a new table, as `gatewise predict` does.

    Parameters
    ----------
    model : Result or path
        What `forecast`, `classify` or `regress` returned, or a file that their commands or `Result.save` wrote.
    table : path, DataFrame or Table
        With the columns that the model was trained on, by name and type; others are ignored. A forecaster takes
        what it has after the end of the training, then forecasts from there.
    limits : Limits, optional
        How large the table may be; the usual ones if None.

    Returns
    -------
    Prediction

    Raises
    ------
    GatewiseError
        If the model does not know its columns, or the table has not those of the model: with the line.

    Examples
    --------
    >>> import pandas as pd, gatewise.tables as tables
    >>> days = pd.date_range("2024-01-01", periods=70, freq="D")
    >>> frame = pd.DataFrame({"day": days, "x": [k % 7 for k in range(70)]})
    >>> result = tables.forecast(frame[:60], time="day", target="x", horizon=2, backtest=False)
    >>> predicted = tables.predict(result, frame)
    >>> [f"{day:%m-%d}" for day in predicted.frame["day"]], predicted.frame["median"].round().tolist()
    (['03-11', '03-12'], [0.0, 1.0])
    >>> predicted.notes[1]
    'note: 10 steps after those of the training'
    """
    return Predictor.of(model).predict(table, limits=limits)


def read_inputs(name: str, description: dict[str, Any], table: Source) -> Inputs | None:
    """Return what a model takes of a table, as the description in its file has it; None if it describes no columns.

    Parameters
    ----------
    name : str
        What messages call the model.
    description : dict
        As `Result.description`.
    table : path, DataFrame or Table

    Raises
    ------
    GatewiseError
        If the description is damaged, or the table has not the columns of the model.
    """
    command = _command(description)
    if command is None:
        return None
    table = as_table(table)
    if command == "forecast":
        with _usable_description(name):
            roles = SeriesRoles.from_json(description["roles"])
        table, roles, _ = arranged(table, roles)
        grid = read_series(table, roles)
        return Inputs(grid.y, grid.beside, table.summary(described(grid, roles)), series=(grid, roles))
    with _usable_description(name):
        sequence_roles, columns = (
            SequenceRoles.from_json(description["roles"]),
            columns_from_json(description["columns"]),
        )
    return _sequence_inputs(table, sequence_roles, columns, command)


def _sequence_inputs(table: Table, roles: SequenceRoles, columns: list[Any], command: str) -> Inputs:
    channels = [title for column in columns for title in column.titles]
    if roles.outcome not in table.names:
        sequences = read_sequences(table, roles._replace(outcome=None), columns)
        return Inputs(sequences.X, None, table.summary([]), channels)
    sequences = read_sequences(table, roles, columns)
    with_outcome = with_labels if command == "classify" else with_targets
    sequences = drop_unanswered(table, with_outcome(table, roles, sequences))
    y = sequences.labels if command == "classify" else sequences.targets
    return Inputs(sequences.X, y, table.summary([]), channels)


def _command(description: dict[str, Any]) -> str | None:
    command = str(description.get("command"))
    return command if command in COMMANDS else None


@contextmanager
def _usable_description(name: str) -> Iterator[None]:
    """Turn what a damaged description raises into an error that names the model."""
    try:
        yield
    except GatewiseError:
        raise
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise GatewiseValueError(f"{name}: its description of the columns cannot be used ({error!r}).") from error


def _series_columns(description: dict[str, Any]) -> tuple[Any, Any]:
    """Return the roles of the columns of series, and what the model has seen of them."""
    described = plain.known_keys("columns", description["columns"], ("known", "past", "static"))
    columns = {role: columns_from_json(described[role]) for role in ("known", "past")} | {"static": []}
    names = plain.texts("series", description["series"])
    last = [plain.whole("last", one) for one in plain.entries("last", description["last"], len(names))]
    units: dict[str, Any] = {}
    for name, unit in plain.mapping("units", description.get("units", {})).items():
        units[plain.text("a target", name)] = plain.optional(plain.text, "unit", unit)
    step = Step.checked(description["step"])
    if not names:
        raise GatewiseValueError("it describes no series.")
    schema = SeriesSchema(columns, step, dict(zip(names, last, strict=True)), units)
    return SeriesRoles.from_json(description["roles"])._replace(static=()), schema


def _sequence_columns(description: dict[str, Any]) -> tuple[Any, Any]:
    """Return the roles of the columns of sequences, and what the features are."""
    roles = SequenceRoles.from_json(description["roles"])._replace(outcome=None)
    return roles, columns_from_json(description["columns"])


def _forecast(fitted: Any, roles: SeriesRoles, schema: SeriesSchema, table: Table) -> DataFrame:
    table, roles, _ = arranged(table, roles)
    if roles.in_order and len(table) < max(schema.last.values()):
        table.refuse(
            None,
            f"has {counted(len(table), 'row')} of steps in the order of the file, and the model was trained on "
            f"{max(schema.last.values()):,}; need those again, with new ones after them.",
        )
    grid = _in_order(read_series(table, roles, schema), list(schema.last))
    new = sum(len(y) for y in grid.y)
    if new:
        fitted.update(grid.y, grid.beside)
    table.notes.append(f"{new:,} steps after those of the training" if new else "nothing after the training")
    _check_ahead(fitted.horizon, grid, table)
    return forecast_frame(fitted, grid, roles)


def _in_order(grid: SeriesGrid, names: list[str]) -> SeriesGrid:
    """Return the grid with the model's series in its order; those that the table lacks are empty."""
    place = {name: k for k, name in enumerate(grid.names)}
    y = [grid.y[place[name]] if name in place else grid.y[0].iloc[:0].rename(name) for name in names]
    beside = [grid.covariates[place[name]] if name in place else grid.covariates[0].iloc[:0] for name in names]
    return replace(grid, names=names, y=y, covariates=beside)


def _check_ahead(horizon: int, grid: SeriesGrid, table: Table) -> None:
    """Raise, in the words of the table, if what is known ahead does not reach far enough."""
    if grid.columns["known"] and grid.ahead < horizon:
        table.refuse(
            grid.columns["known"][0].name,
            f"is known {grid.ahead} steps after the last observation; the model needs {horizon}: add rows with the "
            f"target empty.",
        )

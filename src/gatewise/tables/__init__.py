"""From a table (CSV, Parquet, DataFrame) to a model and its answer: what the commands do, callable from Python.

A flow each: `forecast`, `classify`, `regress`, and `predict` with what these returned. Below them, what reads people's
tables, says what was done, and refuses with file, line and column.
"""

from gatewise.forecasting.frequency import Step
from gatewise.printing import listed
from gatewise.tables.classification import CLASSIFICATION, classify
from gatewise.tables.columns import Column, choose_columns, columns_from_json, encode, number_column
from gatewise.tables.forecasts import ForecastResult, ForecastTask, forecast, read_forecast_task
from gatewise.tables.learning import Outcome, SequenceResult, SequenceTask, read_sequence_task
from gatewise.tables.prediction import Inputs, Prediction, predict, read_inputs
from gatewise.tables.regression import REGRESSION, regress
from gatewise.tables.results import Result
from gatewise.tables.roles import Layout, SeriesRoles
from gatewise.tables.sequences import (
    SequenceRoles,
    Sequences,
    drop_unanswered,
    read_sequences,
    with_labels,
    with_targets,
)
from gatewise.tables.series import SeriesGrid, SeriesSchema, read_series
from gatewise.tables.table import Table, as_table, counted, read_table
from gatewise.tables.taking import Arranged, arranged
from gatewise.tables.times import Times, parse_times

__all__ = [
    "CLASSIFICATION",
    "REGRESSION",
    "Arranged",
    "Column",
    "ForecastResult",
    "ForecastTask",
    "Inputs",
    "Layout",
    "Outcome",
    "Prediction",
    "Result",
    "SequenceResult",
    "SequenceRoles",
    "SequenceTask",
    "Sequences",
    "SeriesGrid",
    "SeriesRoles",
    "SeriesSchema",
    "Step",
    "Table",
    "Times",
    "arranged",
    "as_table",
    "choose_columns",
    "classify",
    "columns_from_json",
    "counted",
    "drop_unanswered",
    "encode",
    "forecast",
    "listed",
    "number_column",
    "parse_times",
    "predict",
    "read_forecast_task",
    "read_inputs",
    "read_sequence_task",
    "read_sequences",
    "read_series",
    "read_table",
    "regress",
    "with_labels",
    "with_targets",
]

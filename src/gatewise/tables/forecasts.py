"""From a table of series to their forecast: read, measure on a held-out tail, fit, forecast."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Unpack

import numpy as np

from gatewise.errors import check_number
from gatewise.files import to_bytes
from gatewise.forecasting.lengths import doubt, no_doubts, usual_horizon
from gatewise.printing import listed
from gatewise.progress import stage
from gatewise.tables.backtests import comparisons, held_out, measured, to_keep
from gatewise.tables.checkpoints import NO_CHECKPOINTS, Checkpoints
from gatewise.tables.results import Result
from gatewise.tables.roles import Layout, SeriesRoles
from gatewise.tables.series import SeriesGrid, read_series
from gatewise.tables.table import as_table
from gatewise.tables.taking import arranged

if TYPE_CHECKING:
    from pandas import DataFrame

    from gatewise.comparison import Comparison
    from gatewise.estimators.forecaster import RecurrentForecaster
    from gatewise.forecasting.backtest import Backtest
    from gatewise.tables.table import Source, Table
    from gatewise.tables.writing import Writer


class SeriesColumns(Layout, total=False):
    """Which column is what, as keywords of `forecast`: those of `SeriesRoles.of`."""

    time: str | Sequence[str] | None
    target: str | Sequence[str]
    series: str | None
    known: str | Sequence[str]
    past: str | Sequence[str]
    static: str | Sequence[str]
    time_format: str | None


@dataclass(frozen=True)
class ForecastResult(Result):
    """A fitted forecaster, its forecast, and how it did on a held-out tail.

    Attributes
    ----------
    model : RecurrentForecaster
        Fitted to the whole table.
    description : dict
        What the model's file says of the columns.
    notes : list of str
        What was read, and what was done to it.
    forecast : DataFrame
        Columns: the name of the series (if there are several), the time, lower, median, upper.
    backtest : Backtest or None
        The held-out forecasts, of the model and of the simple methods.
    problem : str
        Why there is no backtest; else empty.
    level : float
        Share of values, in percent, that the interval is meant to hold.
    task : ForecastTask
        What was read.
    """

    forecast: DataFrame
    backtest: Backtest | None
    problem: str
    level: float
    task: ForecastTask

    @property
    def targets(self) -> Sequence[str]:
        """What was forecast."""
        return self.task.roles.targets

    @property
    def units(self) -> dict[str, str]:
        """Of the targets, as they stand in the table."""
        return self.task.units

    def to_bytes(self) -> bytes:
        """Return the model with the description of its columns and its backtest, as `gatewise report` needs them."""
        description, arrays = to_keep(self.backtest)
        return to_bytes(self.model, info=self.description | description, extra=arrays)

    @property
    def comparisons(self) -> dict[str, Comparison]:
        """The model beside the simple methods, by target: each measured apart, in its unit."""
        task = self.task
        return {} if self.backtest is None else comparisons(self.backtest, task.roles, task.units)

    @property
    def held_out(self) -> dict[str, Any] | None:
        """Errors of the held-out forecasts as plain data, by method; of several targets, by target and method."""
        return None if self.backtest is None else held_out(self.backtest, self.comparisons)

    @property
    def metrics(self) -> dict[str, Any]:
        """The held-out errors, and what they were measured for."""
        task = self.task
        return {
            "held_out": self.held_out,
            "horizon": task.horizon,
            "season": task.season,
            "level": self.level,
            "step": task.grid.step.label,
        }

    def plot(self, *, library: Literal["matplotlib", "bokeh"] | None = None) -> Any:
        """Draw the series and their forecast, as `RecurrentForecaster.plot` does.

        Examples
        --------
        >>> import gatewise.tables as tables, pandas as pd
        >>> sales = pd.DataFrame({"month": pd.date_range("2020-01", periods=48, freq="MS"), "units": range(48)})
        >>> result = tables.forecast(sales, horizon=3, backtest=False)
        >>> result.plot(library="bokeh").title.text  # bokeh.plotting.show(...) opens it
        'units'
        """
        return self.model.plot(self.task.grid.future, history=self.task.grid.y, library=library)


@dataclass(frozen=True)
class ForecastTask:
    """Series that were read from a table, and what is to be forecast of them.

    Attributes
    ----------
    roles : SeriesRoles
    grid : SeriesGrid
    horizon : int
        Steps ahead.
    season : int or None
        Steps in a season.
    notes : list of str
        What was read, and what was done to it.
    units : dict of str -> str
        Of the targets, as they stand in the table.
    asked : SeriesRoles
        Which column of the table as it came is what; `roles` are those of the table of one row per step made of it.
    """

    roles: SeriesRoles
    grid: SeriesGrid
    horizon: int
    season: int | None
    notes: list[str]
    units: dict[str, str]
    asked: SeriesRoles

    def fit(
        self,
        *,
        level: float = 80.0,
        backtest: bool = True,
        seed: int = 0,
        progress: bool = False,
        checkpoints: Checkpoints = NO_CHECKPOINTS,
    ) -> ForecastResult:
        """Measure on the held-out tail, fit to everything, and forecast; the options are those of `forecast`.

        `checkpoints` keeps both fits, "held-out" and "final".
        """
        check_number("level", level, 1, 99)
        low = round(0.5 - level / 200, 6)
        forecaster = _forecaster(self, (low, 0.5, round(1 - low, 6)), seed, progress)
        rolled, problem = None, "not asked for"
        if backtest:
            with stage("measuring 1/2"):
                rolled, problem = measured(forecaster, self.grid, checkpoints.keeping("held-out"))
        with stage("final fit 2/2" if backtest else "fit"), no_doubts():  # of short series: the notes say it
            kept = checkpoints.keeping("final")._asdict()
            forecaster.fit(self.grid.y, self.grid.beside, self.grid.statics, **kept)
        forecast = forecast_frame(forecaster, self.grid, self.roles)
        description = _description(self, level)
        return ForecastResult(forecaster, description, self.notes, forecast, rolled, problem, level, self)


def forecast(
    table: Source,
    *,
    horizon: int | None = None,
    season: int | None = None,
    level: float = 80.0,
    backtest: bool = True,
    seed: int = 0,
    progress: bool = False,
    **columns: Unpack[SeriesColumns],
) -> ForecastResult:
    r"""Forecast the series of a table, as `gatewise forecast` does.

    Parameters
    ----------
    table : path, DataFrame or Table
        One row per time step, CSV or Parquet; several series as several targets, or one below the other with `series`.
        A DataFrame's index is a column if it has a name or holds dates (then called "index").
    horizon : int, optional
        Steps ahead; by default what the step suggests, 24 of hours, 7 of days, 12 of months, and a quarter of the
        median length of the series at most. More than they can judge is allowed, and noted.
    season : int, optional
        Steps in a season; by default what the step suggests: a week of hours, a year of months.
    level : float
        Share of values, in percent, that the interval is to hold.
    backtest : bool
        Whether to forecast a held-out tail first, to measure the error.
    seed : int
        Of starting weights and order.
    progress : bool
        Whether to draw a progress bar on stderr.
    time : str or sequence of str, optional
        Name of the column of times, or of several that make the time together: year and quarter, date and hour.
    target : str or sequence of str, optional
        Names of the columns to forecast. Time and target may be left out where only one column can be meant; without
        any column of times the order of the rows counts. The notes say what was taken.
    series : str, optional
        Name of the column that tells several series apart.
    known, past, static : str or sequence of str
        Names of columns known ahead, known up to now, and constant in a series. The future of known columns is the
        rows after the last value of the target, with the target empty.
    time_format : str, optional
        Of the times, in the letters of `strftime`; detected without it.
    in_order : bool
        Whether the rows are the steps, in their order, whatever columns there are.
    wide : bool
        Whether the steps stand side by side: one row per year with 12 columns of months or 4 of quarters, or one row
        per series with columns of years.
    every, aggregate : str, optional
        The period ("minute", "hour", "day", "week", "month", "quarter" or "year") to which the rows are gathered first,
        and how: by their "sum" or their "mean".

    Returns
    -------
    ForecastResult

    Raises
    ------
    GatewiseError
        If the table or a column cannot be used: with the file, line and column.

    Examples
    --------
    >>> import pathlib, tempfile, gatewise.tables as tables
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> rows = [f"{2000 + k // 12}-{k % 12 + 1:02d},{k % 12}" for k in range(60)]
    >>> _ = (folder / "sales.csv").write_text("\n".join(["month,units", *rows]))
    >>> result = tables.forecast(folder / "sales.csv", time="month", target="units", horizon=3, backtest=False)
    >>> result.forecast.columns.tolist(), result.forecast["median"].round().tolist()
    (['month', 'lower', 'median', 'upper'], [0.0, 1.0, 2.0])
    >>> result.save(folder / "model.safetensors")
    >>> tables.predict(folder / "model.safetensors", folder / "sales.csv").frame.equals(result.forecast)
    True
    """
    task = read_forecast_task(as_table(table), SeriesRoles.of(**columns), horizon, season)
    return task.fit(level=level, backtest=backtest, seed=seed, progress=progress)


def read_forecast_task(
    table: Table, roles: SeriesRoles, horizon: int | None = None, season: int | None = None
) -> ForecastTask:
    """Read the series of a table and settle how far ahead they are forecast; nothing is trained yet.

    Parameters
    ----------
    table : Table
    roles : SeriesRoles
        Which column is what.
    horizon, season : int, optional
        By default what the step suggests; of the horizon, what the lengths of the series allow.

    Returns
    -------
    ForecastTask

    Raises
    ------
    GatewiseError
        If a column cannot be used, or is not known so far ahead: with the line.
    """
    for name, value in (("horizon", horizon), ("season", season)):
        if value is not None:
            check_number(name, value, 1, integer=True)
    table, roles, asked = arranged(table, roles)
    grid = read_series(table, roles)
    units = {target: table.numbers(target).unit for target in roles.targets}
    horizon = _horizon(table, roles, grid, horizon)
    season = season or grid.step.season(max(len(y) for y in grid.y))
    parts = [*described(grid, roles), f"{horizon} steps ahead, season {season or 'none'}"]
    return ForecastTask(roles, grid, horizon, season, table.summary(parts), units, asked)


def described(grid: SeriesGrid, roles: SeriesRoles) -> list[str]:
    """Return in words what the series and the columns beside them are."""
    several = [f"{len(grid.y):,} series"] if len(grid.y) > 1 else []
    columns = [f"{role} {column}" for role, of_role in grid.columns.items() for column in of_role]
    return [f"{roles.time} every {grid.step.label}", *several, *([listed(columns)] if columns else [])]


def forecast_frame(forecaster: RecurrentForecaster, grid: SeriesGrid, roles: SeriesRoles) -> DataFrame:
    """Return the forecasts as one table: series (if several), time, lower, median, upper."""
    import pandas as pd

    ahead = grid.channels("known")
    future = [x[ahead] for x in grid.covariates] if ahead else None
    parts = []
    for name, quantiles in zip(grid.names, forecaster.predict_quantiles(future), strict=True):
        part = quantiles.set_axis(["lower", "median", "upper"], axis=1)
        writers: Mapping[str, Writer | None] = grid.writers or {roles.time: None}
        for place, (column, write) in enumerate(writers.items()):
            part.insert(place, column, part.index if write is None else write(part.index))
        if roles.series is not None or len(grid.names) > 1:
            part.insert(0, roles.series or "series", name)
        parts.append(part)
    frame: DataFrame = pd.concat(parts, ignore_index=True)
    return frame


def _forecaster(
    task: ForecastTask, quantiles: tuple[float, float, float], seed: int, progress: bool
) -> RecurrentForecaster:
    from gatewise.estimators.forecaster import RecurrentForecaster

    return RecurrentForecaster(
        task.horizon,
        season=task.season,
        quantiles=quantiles,
        past_covariates=task.grid.channels("past"),
        random_state=seed,
        verbose=progress,
    )


def _description(task: ForecastTask, level: float) -> dict[str, Any]:
    """Return what the model's file says of its columns, for `predict`."""
    grid = task.grid
    return {
        "command": "forecast",
        "roles": task.asked._asdict(),
        "columns": {role: [column._asdict() for column in of_role] for role, of_role in grid.columns.items()},
        "step": grid.step._asdict(),
        "series": grid.names,
        "last": [int(grid.step.places(y.index[-1:])[0][0]) for y in grid.y],
        "level": level,
        "units": task.units,
    }


def _horizon(table: Table, roles: SeriesRoles, grid: SeriesGrid, horizon: int | None) -> int:
    """Return the steps ahead; what is known ahead must reach so far."""
    lengths, suggested = np.array([len(y) for y in grid.y]), grid.step.horizon()
    usual = horizon or usual_horizon(suggested, lengths)
    if usual < suggested and horizon is None:
        table.notes.append(f"{usual} steps ahead, not {suggested}: a quarter of the series at most, to judge them by")
    table.notes.extend(filter(None, [doubt(usual, lengths)]))
    if not grid.columns["known"]:
        if grid.ahead:
            table.notes.append(f"{grid.ahead} steps after the last value of {', '.join(roles.targets)} hold no target")
        return usual
    if not grid.ahead:
        table.refuse(
            roles.known[0],
            f"need its values ahead: add {usual} rows after the last time, with {roles.targets[0]!r} empty, "
            f"or pass it as --past.",
        )
    if horizon is not None and horizon > grid.ahead:
        table.refuse(
            roles.known[0], f"is known {grid.ahead} steps ahead; add rows, or pass --horizon {grid.ahead} at most."
        )
    table.notes.append(f"{grid.ahead} steps after the last value of {roles.targets[0]} are the future")
    return horizon or min(usual, grid.ahead)

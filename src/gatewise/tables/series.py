"""A table as series on a regular grid, with what is known beside and ahead of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from gatewise.errors import Array, GatewiseValueError
from gatewise.forecasting.frequency import Step, dominant_step
from gatewise.printing import listed, shown
from gatewise.tables import resampling
from gatewise.tables.columns import Column, choose_columns, encode, identities, number_column
from gatewise.tables.composed import read_times
from gatewise.tables.roles import SeriesRoles
from gatewise.tables.table import counted
from gatewise.tables.times import Times

if TYPE_CHECKING:
    from pandas import DataFrame, Series

    from gatewise.tables.table import Table
    from gatewise.tables.writing import Writer


class Gaps(NamedTuple):
    """Missing steps that a table may have: so many for each of its rows, and so many more in all."""

    each: int
    all: int


ROLES = ("known", "past", "static")
ENOUGH = 8  # rows that show a step beyond doubt
MOST_CONFLICTS = 0.2  # share of rows that may contradict another of the same time
MOST_STEPS = Gaps(10, 1000)
_PERIOD_DAYS = {"minute": 1 / 1440, "hour": 1 / 24, "day": 1.0, "week": 7.0, "month": 30.5, "quarter": 92.0}
MOST_MONTHS = Gaps(3, 24)  # of months and years, of which a wrong century makes a hundred


@dataclass
class SeriesGrid:
    """Series on a grid of one step.

    Attributes
    ----------
    names : list of str
    y : list of Series
        From the first to the last observation, NaN in gaps, on an index without holes.
    covariates : list of DataFrame
        One for each series, on its index and on the steps after it that the table has; one column per channel,
        those known ahead first.
    static : DataFrame
        One row per series.
    columns : dict of str -> list of Column
        What the columns "known", "past" and "static" are.
    writers : mapping of str, or None
        By the columns of times, what writes times as they stand in them.
    """

    names: list[str]
    y: list[Series[Any]]
    covariates: list[DataFrame]
    static: DataFrame
    step: Step
    columns: dict[str, list[Column]] = field(default_factory=dict)
    writers: Mapping[str, Writer] | None = None

    def channels(self, role: str) -> list[str]:
        """Names of the numbers that come of the columns of a role."""
        return [channel for column in self.columns[role] for channel in column.channels]

    @property
    def beside(self) -> list[DataFrame] | None:
        """The covariates as the forecaster takes them: None where there are none."""
        return self.covariates if self.covariates[0].shape[1] else None

    @property
    def statics(self) -> DataFrame | None:
        """The constants of each series as the forecaster takes them: None where there are none."""
        return self.static if self.columns["static"] else None

    @property
    def future(self) -> list[DataFrame] | None:
        """What is known of the steps after the last observation of each series; None where nothing is."""
        known = self.channels("known")
        return [x[known].iloc[len(y) :] for x, y in zip(self.covariates, self.y, strict=True)] if known else None

    @property
    def ahead(self) -> int:
        """Steps after the last observation for which every series has a row in the table."""
        return min(len(x) - len(y) for x, y in zip(self.covariates, self.y, strict=True))


class SeriesSchema(NamedTuple):
    """What a fitted model has seen: its columns, its step, each series' last place on the grid, the targets' units."""

    columns: dict[str, list[Column]]
    step: Step
    last: dict[str, int]
    units: Mapping[str, str] | None = None


def read_series(table: Table, roles: SeriesRoles, schema: SeriesSchema | None = None) -> SeriesGrid:
    r"""Lay the rows of a table on a grid of regular steps.

    Parameters
    ----------
    table : Table
        Its notes get all that was done: sorting, rounding, gaps, repeated rows.
    roles : SeriesRoles
        Which column is what.
    schema : SeriesSchema, optional
        What a model has seen; then columns have to be of the same kinds and steps of the same length, and the series
        are those of the model and hold what is new: perhaps nothing.

    Raises
    ------
    GatewiseError
        If a column is missing or cannot be read, there is no regular step, rows contradict each other often, or no
        target is there.

    Examples
    --------
    >>> import pathlib, tempfile, gatewise.tables as tables
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "a.csv"
    >>> _ = path.write_text("day,x\n2024-01-02,2\n2024-01-01,1\n2024-01-04,4\n")
    >>> table = tables.read_table(path)
    >>> grid = read_series(table, SeriesRoles("day", ("x",)))
    >>> grid.y[0].tolist(), grid.step.label, table.notes
    ([1.0, 2.0, nan, 4.0], '1 day', ['times sorted', '1 missing step filled with gaps'])
    """
    _check_roles(table, roles, schema is not None)
    times = read_times(table, roles)
    if times.note:
        table.notes.append(f"{roles.time}: {times.note}")
    codes, names = _series_of(table, roles)
    step = _step(table, roles, times, codes, schema)
    columns = schema.columns if schema else {role: choose_columns(table, getattr(roles, role)) for role in ROLES}
    beside = [*columns["known"], *columns["past"]]
    units = (schema and schema.units) or {}
    targets = [number_column(table, target, units.get(target)) for target in roles.targets]
    values = np.column_stack([*targets, encode(table, beside)])
    rows = _Rows(codes, _places(table, roles, times, step, codes), values)
    grid = _lay_out(table, roles, _without_copies(table, roles, times, rows), names, step, schema and schema.last)
    grid.columns, grid.writers = columns, resampling.writers(roles) if roles.every else times.writers
    channels = [*grid.channels("known"), *grid.channels("past")]
    grid.covariates = [frame.set_axis(channels, axis=1) for frame in grid.covariates]
    static = _static(table, roles, codes, names, columns["static"])
    grid.static = static.loc[grid.names] if roles.series else static
    return grid


class _Rows(NamedTuple):
    """Rows in the order of series and place: int (rows,), int (rows,), float64 (rows, targets and channels)."""

    series: Array
    place: Array
    values: Array


def _check_roles(table: Table, roles: SeriesRoles, of_model: bool) -> None:
    table.require(roles.named, of_model)
    repeated = next((name for name, count in Counter(roles.named).items() if count > 1), None)
    if repeated is not None:
        raise GatewiseValueError(f"column {repeated!r} has two roles; name it once.")
    if roles.series is not None and len(roles.targets) > 1:
        raise GatewiseValueError("several targets beside a column of series; need one --target with --series.")


def _series_of(table: Table, roles: SeriesRoles) -> tuple[Array, list[str]]:
    """Return the number of the series of each row, and the names of all."""
    import pandas as pd

    if roles.series is None:
        return np.zeros(len(table), int), list(roles.targets)
    empty = np.flatnonzero(table.missing(roles.series))
    if empty.size:
        table.refuse(roles.series, "no name of a series here; fill it in or delete the row.", int(empty[0]))
    codes, names = pd.factorize(identities(table, roles.series))
    return codes, [str(name) for name in names]


def _step(table: Table, roles: SeriesRoles, times: Times, codes: Array, schema: SeriesSchema | None) -> Step:
    """Return the step of the table or, for a model, that of the model; raise if there is none, or another."""
    dominant = dominant_step(times.stamps, codes)
    if schema is None:
        return dominant if isinstance(dominant, Step) else table.refuse(roles.time, _advised(dominant, times))
    clear = isinstance(dominant, Step) and len(times.stamps) >= ENOUGH and dominant.label != schema.step.label
    if clear or times.dated == (schema.step.kind == "count"):
        label = dominant.label if isinstance(dominant, Step) else ("of dates" if times.dated else "numbered")
        table.refuse(roles.time, f"its steps are {label}; the model was trained on steps of {schema.step.label}.")
    return schema.step


def _advised(problem: str, times: Times) -> str:
    """Return what is wrong with the steps, and the options that make regular ones of them."""
    if not times.dated:
        return f"{problem}."
    days = (times.stamps.max() - times.stamps.min()) / np.timedelta64(1, "D") / max(len(times.stamps), 1)
    period = next((name for name, length in _PERIOD_DAYS.items() if days <= length), "year")
    return f"{problem.partition(';')[0]}; pass --every {period} --mean, or --sum, to make one."


def _places(table: Table, roles: SeriesRoles, times: Times, step: Step, codes: Array) -> Array:
    """Return the place of each row on the grid; notes what had to be moved."""
    places, offsets = step.places(times.stamps)
    moved = np.flatnonzero(offsets > 0)
    if moved.size:
        far = np.flatnonzero(offsets > 0.25)
        if far.size > 0.1 * len(offsets):
            table.refuse(roles.time, f"{times.stamps[far[0]]} is off the steps of {step.label}.", int(far[0]))
        table.notes.append(f"{counted(moved.size, 'time')} rounded to steps of {step.label}")
    backwards = (np.diff(places) < 0) & (np.diff(codes) == 0)
    if backwards.any():
        table.notes.append("times sorted")
    _check_span(table, roles, times, step, (places, codes))
    return places


def _check_span(table: Table, roles: SeriesRoles, times: Times, step: Step, rows: tuple[Array, Array]) -> None:
    """Raise if a few rows span so many steps that a time must be wrong."""
    places, codes = rows
    order = np.lexsort((places, codes))
    gaps = np.diff(places[order]) * (np.diff(codes[order]) == 0)
    most = MOST_MONTHS if step.kind == "months" else MOST_STEPS
    if gaps.sum() > most.each * len(places) + most.all:
        before, after = order[int(np.argmax(gaps))], order[int(np.argmax(gaps)) + 1]
        table.refuse(
            roles.time,
            f"{gaps.max():,} steps are missing between {times.stamps[before]} and {times.stamps[after]}; "
            f"correct the time, or cut the table there.",
            int(after),
        )


def _without_copies(table: Table, roles: SeriesRoles, times: Times, rows: _Rows) -> _Rows:
    """Drop rows that say the same of the same step, average those that do not, and put all in order."""
    order = np.lexsort((rows.place, rows.series))
    series, place, values = (part[order] for part in rows)
    new = np.append(True, (np.diff(series) != 0) | (np.diff(place) != 0))
    if new.all():
        return _Rows(series, place, values)
    group, starts = np.cumsum(new) - 1, np.flatnonzero(new)
    low = np.fmin.reduceat(values, starts, axis=0)
    differs = (np.fmax.reduceat(values, starts, axis=0) != low) & ~np.isnan(low)
    conflicts = differs.any(axis=1)
    size = np.bincount(group)
    if conflicts.any():
        _note_conflicts(table, roles, times, order, starts, conflicts, size)
    same = int((size[~conflicts] - 1).sum())
    if same:
        table.notes.append(f"{counted(same, 'repeated row')} dropped")
    seen = np.add.reduceat(np.isfinite(values), starts, axis=0)
    total = np.add.reduceat(np.nan_to_num(values), starts, axis=0)
    mean = np.where(differs, total / np.maximum(seen, 1), low)
    return _Rows(series[starts], place[starts], mean)


def _note_conflicts(
    table: Table, roles: SeriesRoles, times: Times, order: Array, starts: Array, conflicts: Array, size: Array
) -> None:
    first = int(starts[np.argmax(conflicts)])
    one, other = sorted((int(order[first]), int(order[first + 1])))
    where = f"{table.where(one).rpartition(', ')[2]} and {table.where(other).rpartition(', ')[2]}"
    if size[conflicts].sum() > MOST_CONFLICTS * len(order):
        advice = "correct one" if roles.series else "correct one, or name the column that tells series apart: --series"
        table.refuse(roles.time, f"{where} both tell of {times.stamps[one]}, and differ; {advice}.", other)
    hint = " (an hour that daylight saving repeats?)" if _is_clock_change(times, order[starts[conflicts]]) else ""
    table.notes.append(f"{counted(int(conflicts.sum()), 'step')} with differing rows averaged, as {where}{hint}")


def _is_clock_change(times: Times, rows: Array) -> bool:
    """Whether all rows are of the small hours of spring or autumn days."""
    if not times.dated:
        return False
    index: Any = times.stamps[rows]
    return bool(index.hour.isin([1, 2, 3]).all() and index.month.isin([3, 4, 10, 11]).all())


def _static(table: Table, roles: SeriesRoles, codes: Array, names: list[str], columns: list[Column]) -> DataFrame:
    """Return the values that do not change within a series, one row per series."""
    import pandas as pd

    if roles.static and roles.series is None:
        raise GatewiseValueError("--static needs --series: there is one series, and nothing to compare it with.")
    channels = [channel for column in columns for channel in column.channels]
    frame = pd.DataFrame(encode(table, columns), columns=channels)
    grouped = frame.groupby(codes)
    first = grouped.first()
    differs = (frame.notna() & (frame.to_numpy() != first.to_numpy()[codes])).to_numpy()
    if differs.any():
        row, k = (int(place[0]) for place in np.nonzero(differs))
        table.refuse(
            channels[k].partition("=")[0], f"changes within series {shown(names[codes[row]])}; need one value.", row
        )
    return first.set_axis(names[: len(first)])


def _lay_out(
    table: Table, roles: SeriesRoles, rows: _Rows, names: list[str], step: Step, last: dict[str, int] | None
) -> SeriesGrid:
    """Cut the rows into series, and give each its grid."""
    import pandas as pd

    series_grid = SeriesGrid([], [], [], pd.DataFrame(), step)
    missing, omitted = 0, []
    for name, k, place, values in _each(roles, rows, names):
        if last is not None:
            newer = place > last.get(name, np.inf)
            place, values = place[newer], values[newer]
        grid = _filled(place, values)
        seen = np.flatnonzero(np.isfinite(grid[:, k]))
        if (not seen.size and last is None) or (last is not None and name not in last):
            omitted.append(name)
            continue
        first, stop = (int(seen[0]) if last is None else 0, int(seen[-1]) + 1) if seen.size else (0, 0)
        missing += (len(grid) - len(place)) * (k == 0)
        index = step.times(np.arange(len(grid)) + (place[0] if len(place) else 0)).rename(roles.time)
        series_grid.names.append(name)
        series_grid.y.append(pd.Series(grid[first:stop, k], index[first:stop], name=name))
        series_grid.covariates.append(pd.DataFrame(grid[first:, len(roles.targets) :], index[first:]))
    if not series_grid.y:
        table.refuse(roles.series or roles.targets[0], "holds no series with a value, or none that the model knows.")
    _share_frequency(series_grid)
    if missing:
        table.notes.append(f"{counted(missing, 'missing step')} filled with gaps")
    if omitted:
        why = "series without a value" if last is None else "series that the model does not know"
        table.notes.append(f"{why} left out: {listed(omitted)}")
    return series_grid


def _share_frequency(series_grid: SeriesGrid) -> None:
    """Give series too short to show their frequency that of the others."""
    import pandas as pd

    parts: list[Any] = [*series_grid.covariates, *series_grid.y]
    frequencies = [part.index.freq for part in parts if getattr(part.index, "freq", None) is not None]
    for part in parts if frequencies else []:
        if part.index.freq is None and len(part):
            part.index = pd.DatetimeIndex(part.index, freq=frequencies[0])


def _each(roles: SeriesRoles, rows: _Rows, names: list[str]) -> Iterator[tuple[str, int, Array, Array]]:
    """Yield name and number of the target of each series, and the places and values of its rows."""
    bounds = np.append(np.flatnonzero(np.append(True, np.diff(rows.series) != 0)), len(rows.series))
    for start, stop in pairwise(bounds):
        for k in range(len(roles.targets)):
            name = names[rows.series[start]] if roles.series else names[k]
            yield name, k, rows.place[start:stop], rows.values[start:stop]


def _filled(place: Array, values: Array) -> Array:
    """Return values on a grid without holes, NaN in the gaps."""
    grid = np.full((int(place[-1] - place[0]) + 1 if len(place) else 0, values.shape[1]), np.nan)
    if len(place):
        grid[place - place[0]] = values
    return grid

"""Rows gathered to steps: order lines summed by the month, readings averaged by the hour."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from gatewise.errors import Array, GatewiseValueError
from gatewise.printing import listed
from gatewise.tables import decimal_years, writing
from gatewise.tables.columns import identities, number_column
from gatewise.tables.composed import read_times
from gatewise.tables.numerals import Numbers
from gatewise.tables.table import counted

if TYPE_CHECKING:
    from gatewise.tables.roles import SeriesRoles
    from gatewise.tables.table import Table

PERIODS = {"minute": "min", "hour": "h", "day": "D", "week": "W-SUN", "month": "M", "quarter": "Q-DEC", "year": "Y-DEC"}
SPARSEST = 1000  # periods for each row: with fewer rows, a time must be wrong
MOST_PERIODS = 10_000_000
AGGREGATES = ("sum", "mean")
_TOKENS = {"month": ("%Y", "'-", "%m"), "quarter": ("%Y", "'Q", "%q")}


def resampled(table: Table, roles: SeriesRoles) -> tuple[Table, SeriesRoles]:
    """Return a table of a row for each period (and series), and the roles of its columns.

    A period without rows is 0 of a sum and a gap of a mean. Of sums the first and the last period count only where the
    rows cover them.

    Raises
    ------
    GatewiseError
        If `roles.every` is no period, or there are no dates.

    Examples
    --------
    >>> import pandas as pd, gatewise.tables as tables
    >>> orders = pd.DataFrame({"sold": ["2024-01-01", "2024-01-31", "2024-03-31"], "pieces": [2, 3, 4]})
    >>> roles = tables.SeriesRoles.of("sold", "pieces", every="month", aggregate="sum")
    >>> months, _ = resampled(tables.as_table(orders), roles)
    >>> months.data.to_pydict()["pieces"]
    [5.0, 0.0, 4.0]
    """
    import pandas as pd
    import pyarrow as pa

    _check(table, roles)
    period = PERIODS[str(roles.every)]
    stamps = _stamps(table, roles)
    series = identities(table, roles.series) if roles.series else np.zeros(len(table), int)
    frame = pd.DataFrame({name: number_column(table, name) for name in roles.targets})
    rows = pd.DataFrame({"series": series, "period": stamps.to_period(period)}).join(frame)
    gathered = rows.groupby(["series", "period"], sort=False)[list(roles.targets)]
    values = gathered.sum(min_count=1) if roles.aggregate == "sum" else gathered.mean()
    values = _covered(table, roles, values, stamps)
    values = _with_empty_periods(table, roles, values)
    values = values.reset_index().sort_values(["series", "period"], kind="stable")
    times = values["period"].dt.to_timestamp()
    columns = {roles.time: pa.array(times)} | ({roles.series: pa.array(values["series"])} if roles.series else {})
    columns |= {name: pa.array(values[name], from_pandas=True) for name in roles.targets}
    table.notes.append(f"rows of each {roles.every} {'summed' if roles.aggregate == 'sum' else 'averaged'}")
    gathered_table = table.rearranged(pa.table(columns), np.zeros(len(values), int))
    for name in roles.targets:
        gathered_table.set_numbers(name, Numbers(values[name].to_numpy(), table.numbers(name).unit))
    return gathered_table, roles._replace(parts=(), time_format=None)


def writers(roles: SeriesRoles) -> dict[str, Any] | None:
    """Return what writes the periods: 2024-01, 2024Q1, 2024; None where dates stay dates."""
    if roles.every == "year":
        return {roles.time: partial(writing.as_numbers, "%Y")}
    tokens = _TOKENS.get(str(roles.every))
    return None if tokens is None else {roles.time: partial(writing.by_tokens, tokens)}


def _check(table: Table, roles: SeriesRoles) -> None:
    if roles.every not in PERIODS:
        raise GatewiseValueError(f"every={roles.every!r} is no period; need one of {listed(PERIODS)}.")
    if roles.aggregate not in AGGREGATES:
        raise GatewiseValueError(f"--every {roles.every} needs to know how rows are gathered; pass --sum or --mean.")
    if roles.in_order:
        raise GatewiseValueError(f"--every {roles.every} needs dates, and {table.source} has none; pass --time COLUMN.")
    beside = [*roles.known, *roles.past, *roles.static]
    if beside:
        raise GatewiseValueError(
            f"--every gathers targets alone, and {listed(beside)} stand beside them; leave them out, or bring the "
            f"table to {roles.every}s first."
        )


def _stamps(table: Table, roles: SeriesRoles) -> Any:
    """Return the dates of all rows; decimal years as the dates they fall on."""
    if roles.time in table.names:
        numbers = table.numbers(roles.time)
        if numbers.problem is None and not numbers.unit and decimal_years.are_years(numbers.values):
            return decimal_years.dates(numbers.values)
    times = read_times(table, roles)
    if not times.dated:
        table.refuse(roles.time, f"holds step numbers, which make no {roles.every}s; leave --every out.")
    if times.note:
        table.notes.append(f"{roles.time}: {times.note}")
    return times.stamps


def _covered(table: Table, roles: SeriesRoles, values: Any, stamps: Any) -> Any:
    """Leave out a first or last period of sums that the rows reach into, but do not cover."""
    if roles.aggregate != "sum":
        return values
    periods = values.index.get_level_values("period")
    first, last = periods.min(), periods.max()
    usual = _usual_gap(stamps)
    unfinished = []
    if (stamps.min() - first.start_time) > usual and first != last:
        unfinished.append(first)
    if (last.end_time - stamps.max()) > usual and first != last:
        unfinished.append(last)
    if unfinished:
        names = [str(period) for period in unfinished]
        table.notes.append(f"{listed(names)} left out of the sums: the rows cover a part of the {roles.every}")
    if periods.isin(unfinished).all():
        table.refuse(roles.time, f"the rows cover no whole {roles.every}; pass --every with a shorter period.")
    return values[~periods.isin(unfinished)]


def _usual_gap(stamps: Any) -> Any:
    """Return how far apart rows may be without anything missing: nearly the longest gap between two of them."""
    import pandas as pd

    days = np.sort(stamps.unique().to_numpy().astype("datetime64[s]"))
    gaps: Array = np.diff(days).astype(np.int64)
    longest = int(np.quantile(gaps, 0.99)) if gaps.size else 0
    return pd.Timedelta(seconds=longest)


def _with_empty_periods(table: Table, roles: SeriesRoles, values: Any) -> Any:
    """Give every period a row, from the first of a series to the last of all: 0 of sums, a gap of means."""
    import pandas as pd

    last = values.index.get_level_values("period").max()
    first = values.reset_index().groupby("series", sort=False)["period"].min()
    starts = pd.PeriodIndex(first)
    counts = last.ordinal - starts.asi8 + 1
    if counts.sum() > min(MOST_PERIODS, SPARSEST * (len(table) + 1)):
        advice = "correct the time, or pass --every with a longer period"
        table.refuse(roles.time, f"{len(table):,} rows span {counts.sum():,} {roles.every}s; {advice}.")
    ordinals = np.concatenate([np.arange(start, last.ordinal + 1) for start in starts.asi8])
    periods = pd.PeriodIndex.from_ordinals(ordinals, freq=starts.freq)  # type: ignore[attr-defined]
    names = np.repeat(first.index.to_numpy(), counts)
    full = values.reindex(pd.MultiIndex.from_arrays([names, periods], names=["series", "period"]))
    empty = ~full.index.isin(values.index)
    if empty.any() and roles.aggregate == "sum":
        full.loc[empty] = 0.0
        table.notes.append(f"{counted(int(empty.sum()), str(roles.every))} without rows counted as 0")
    return full

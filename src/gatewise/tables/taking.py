"""Which column is what, where the table leaves no doubt: a time, a number to forecast, a name of series."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from gatewise.errors import Array, GatewiseError, GatewiseValueError
from gatewise.printing import listed
from gatewise.tables import composed, resampling, wide
from gatewise.tables.columns import identities
from gatewise.tables.roles import ROW
from gatewise.tables.times import parse_times

if TYPE_CHECKING:
    from gatewise.tables.roles import SeriesRoles
    from gatewise.tables.table import Table

_TIMES = (
    *("time", "date", "datetime", "timestamp", "year", "quarter", "month", "week", "day", "hour", "period", "ds", "t"),
    *("step", "index", "datum", "zeit", "jahr", "monat", "tag", "fecha", "yearmonth", "yyyymm", "obs"),
)
_UNNAMED = re.compile(r"unnamed.*|Unnamed.*|column 1|rownames|row|index|id|obs|no", re.IGNORECASE)
_PARTS = (("year", "month", "day", "hour"), ("year", "month", "day"), ("year", "quarter"), ("year", "month"))


class Arranged(NamedTuple):
    """A table with one row per step, its roles, and the roles of the original table, to arrange another one alike."""

    table: Table
    roles: SeriesRoles
    asked: SeriesRoles


def arranged(table: Table, roles: SeriesRoles) -> Arranged:
    """Return a table of one row per step, and all its roles: those left open are taken where there is no doubt.

    Raises
    ------
    GatewiseError
        If several columns could be meant; the message names the option that says which.

    Examples
    --------
    >>> import pandas as pd, gatewise.tables as tables
    >>> table = tables.as_table(pd.DataFrame({"year": [1871, 1872, 1873], "volume": [1120.0, 1160.0, 963.0]}))
    >>> _, roles, _ = arranged(table, tables.SeriesRoles.of())
    >>> roles.time, roles.targets, table.notes
    ('year', ('volume',), ['--time year, --target volume taken'])
    """
    table.require(roles.named)
    free = not roles.time and not roles.targets and not roles.in_order
    asked = roles
    if roles.wide or (free and _is_wide(table)):
        table, roles, asked = wide.lengthened(table, roles)
    elif not roles.time or not roles.targets:
        asked = roles = _completed(table, roles)
    if roles.aggregate and not roles.every:
        raise GatewiseValueError(f"--{roles.aggregate} needs to know of which periods; pass --every month, say.")
    return Arranged(*resampling.resampled(table, roles), asked) if roles.every else Arranged(table, roles, asked)


def _is_wide(table: Table) -> bool:
    """Return whether months or quarters stand beside a single further column, that of the years."""
    shape = wide.shape_of(table.names)
    return shape is not None and shape.kind != "year" and len(table.names) == len(shape.columns) + 1


def _completed(table: Table, roles: SeriesRoles) -> SeriesRoles:
    taken = []
    if not roles.time:
        roles = _with_time(table, roles)
        if not roles.in_order:
            taken.append(f"--time {','.join(roles.parts or [roles.time])}")
    if not roles.targets:
        roles = roles._replace(targets=(_target(table, roles),))
        taken.append(f"--target {roles.targets[0]}")
    series = None if roles.series or len(roles.targets) > 1 or roles.every else _series(table, roles)
    if series:
        roles = roles._replace(series=series)
        taken.append(f"--series {series}")
    if taken:
        table.notes.append(f"{', '.join(taken)} taken")
    return roles


def _with_time(table: Table, roles: SeriesRoles) -> SeriesRoles:
    """Return the roles with the one column, or the parts, that can be the time; else with the file's order."""
    free = [name for name in table.names if name not in roles.named]
    dated, numbered = [], []
    for name in free:
        kind = _time_kind(table, name)
        dated += [name] if kind == "dates" else []
        numbered += [name] if kind == "steps" else []
    parts = _parts(table, free)
    alone = [name for name in dated if _tells_apart(table, roles._replace(time=name))]
    if parts and not alone:
        return roles._replace(time=", ".join(parts), parts=parts)
    steps = [name for name in numbered if _tells_apart(table, roles._replace(time=name))]
    candidates = alone or dated or steps
    if len(candidates) == 1:
        return roles._replace(time=candidates[0])
    if len(candidates) > 1:
        raise GatewiseValueError(f"{table.source}: {listed(candidates)} could be the time; pass --time COLUMN.")
    odd = [name for name in free if _reads_as_odd_time(table, name)]
    if odd:
        raise GatewiseValueError(
            f"{table.source}: no time can be read from {listed(odd)}; pass --time COLUMN with --time-format, or "
            f"--file-order to take the rows as steps."
        )
    return roles._replace(time=ROW, in_order=True)


def _time_kind(table: Table, name: str) -> str | None:
    """Return "dates" or "steps" if a column reads as such and may be a time by its name, place or type."""
    import pyarrow as pa

    kind = table.data[name].type
    if pa.types.is_temporal(kind):
        return "dates"
    numbers, named = table.numbers(name), _is_named_time(name)
    is_number = numbers.problem is None and not numbers.unit
    if is_number and not named and not (_UNNAMED.fullmatch(name) and len(table.names) > 1 and _rise(numbers.values)):
        return None
    if table.missing(name).any() or (not is_number and not named and numbers.share > 0.5):
        return None
    try:
        dated = parse_times(table, name).dated
    except GatewiseError as error:
        return "dates" if named and "day or month first" in str(error) else None
    return "dates" if dated else ("steps" if named else None)


def _rise(values: Array) -> bool:
    return bool((np.diff(values) > 0).all())


def _is_named_time(name: str) -> bool:
    return re.sub(r"[\W\d_]+", "", name).casefold() in _TIMES or name.casefold().endswith(("date", "time"))


def _tells_apart(table: Table, roles: SeriesRoles) -> bool:
    """Return whether no time is there twice (in a series)."""
    keys = _codes(table, roles.time)
    if roles.series:
        keys = keys * (len(table) + 1) + _codes(table, roles.series)
    return len(np.unique(keys)) == len(table)


def _codes(table: Table, name: str) -> Array:
    """Return a number for each cell of a column, int64 (rows,), alike where cells are; empty ones are alike too."""
    coded = table.text(name).dictionary_encode(null_encoding="encode").combine_chunks()
    codes: Array = coded.indices.to_numpy().astype(np.int64)
    return codes


def _parts(table: Table, free: list[str]) -> tuple[str, ...]:
    """Return the columns named year, month and so on that make a time together."""
    named = {re.sub(r"[\W\d_]+", "", name).casefold(): name for name in free}
    whole = next((parts for parts in _PARTS if all(part in named for part in parts)), ())
    names = tuple(named[part] for part in whole)
    kinds = tuple(composed.kind_of(table, name) for name in names)
    return names if kinds == whole else ()


def _reads_as_odd_time(table: Table, name: str) -> bool:
    """Return whether a column of text looks like the times of the rows, though it cannot be read."""
    cells = table.text(name)
    text = table.numbers(name).problem is not None
    return text and (_is_named_time(name) or (len(cells.unique()) == len(table) and len(table) > 1))


def _target(table: Table, roles: SeriesRoles) -> str:
    """Return the one column of numbers that has no role yet."""
    free = [name for name in table.names if name not in roles.named]
    numbers = [
        name for name in free if table.numbers(name).problem is None and not np.isnan(table.numbers(name).values).all()
    ]
    several = [name for name in numbers if not (_UNNAMED.fullmatch(name) and wide.is_numbering(table, name))]
    several = [name for name in several if not _is_named_time(name)] or several
    if len(several) == 1:
        return several[0]
    if not several:
        columns = listed(table.names)
        raise GatewiseValueError(
            f"{table.source} has no column of numbers beside the time among {columns}; pass --target."
        )
    raise GatewiseValueError(
        f"{table.source} has several columns of numbers, {listed(several)}; pass --target COLUMN, or several of them."
    )


def _series(table: Table, roles: SeriesRoles) -> str | None:
    """Return the one column of text that tells rows of the same time apart; None if none is needed, or several do."""
    if roles.in_order or roles.parts or _tells_apart(table, roles):
        return None
    free = [name for name in table.names if name not in roles.named and table.numbers(name).problem is not None]
    telling = [
        name for name in free if not table.missing(name).any() and len(set(identities(table, name))) < len(table)
    ]
    telling = [name for name in telling if _tells_apart(table, roles._replace(series=name))]
    return telling[0] if len(telling) == 1 else None

"""Long frames, one row for each series and time: which column is what, one table for each series, and back."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from gatewise import plain
from gatewise.errors import Array, GatewiseError, GatewiseTypeError, GatewiseValueError
from gatewise.forecasting import frames, times
from gatewise.forecasting.axes import Axis
from gatewise.forecasting.stored_axes import check_zone
from gatewise.printing import listed

USUAL = {"id": "unique_id", "time": "ds", "target": "y"}  # the names that need not be given

DTYPE = re.compile(
    r"([A-Za-z]{1,20}_?[a-z]{0,20}\d{0,2}(\[[\w,/+: -]{1,60}\])?)?(\[pyarrow\])?"
)  # such as int64, datetime64[ns, UTC]


class Names(NamedTuple):
    """The columns that a user names: of the ids, of the times, and of the values to forecast."""

    id: Any = None
    time: Any = None
    target: Any = None


class LongForm(NamedTuple):
    """How a long frame is laid out, so that others can be read and written like it.

    Attributes
    ----------
    id : column or None
        The names of the series; None where there is one series.
    time, target : column
    indexed : tuple of columns
        Those of them that are levels of the index.
    library : str
        Whose frame it is: "pandas", "polars", …
    ids, times : str
        How ids and times are written: a dtype of pandas, or "" for that which they have; of times also "date", or a
        format of `strftime` for text.
    is_series : bool
        Whether it is a Series with ids and times as its index.
    """

    id: Any
    time: Any
    target: Any
    indexed: tuple[Any, ...]
    library: str
    ids: str
    times: str
    is_series: bool

    @property
    def names(self) -> Names:
        """The columns as a user names them."""
        return Names(self.id, self.time, self.target)

    @property
    def keys(self) -> list[Any]:
        """The columns of ids, if there are any, and of times."""
        return [self.time] if self.id is None else [self.id, self.time]

    def write(self, names: Sequence[Any], tables: Sequence[pd.DataFrame]) -> Any:
        """Return tables, one for each of the series `names`, with the time as index, as one such frame."""
        values = pd.concat(tables, ignore_index=True)
        index = tables[0].index.append([table.index for table in tables[1:]])
        values.columns = pd.Index(list(values.columns))
        values.insert(0, self.time, times.written(index, self.times))
        if self.id is not None:
            ids: Any = pd.Series(np.repeat(_objects(names), [len(table) for table in tables]))
            ids = ids.infer_objects()
            values.insert(0, self.id, ids.astype(self.ids) if self.ids else ids)
        if self.indexed:
            values = values.set_index(list(self.indexed))
        return frames.from_pandas(values, self.library)

    def write_target(self, names: Sequence[Any], parts: Sequence[pd.Series]) -> Any:
        """Return one Series of values of the target for each of the series `names` as one such frame, or Series."""
        frame = self.write(names, [part.to_frame(self.target) for part in parts])
        return frame[self.target] if self.is_series else frame


PLAIN = LongForm(USUAL["id"], USUAL["time"], USUAL["target"], (), frames.PANDAS, "", "", is_series=False)


class Tables(NamedTuple):
    """A long frame that was read: one table for each series, with the time as index, in order of appearance."""

    form: LongForm
    names: tuple[Any, ...]
    tables: list[pd.DataFrame]


def is_long(y: Any, names: Names) -> bool:
    """Whether series are given as a long frame: its columns are named, or called as is usual, or there is no other way.

    Examples
    --------
    >>> is_long(pd.DataFrame({"ds": ["2024-01-01"], "y": [1.0]}), Names())
    True
    """
    if any(name is not None for name in names) or frames.is_foreign(y):
        return True
    if isinstance(y, pd.Series | pd.DataFrame) and isinstance(y.index, pd.MultiIndex):
        return True
    return isinstance(y, pd.DataFrame) and {USUAL["time"], USUAL["target"]} <= set(y.columns)


def read(y: Any, names: Names, what: str = "y") -> Tables:
    """Return a table for each series of a long frame, in order of time, on steps that all series share.

    Raises
    ------
    GatewiseError
        If a column is not there, what it is cannot be known, or two rows are of one series and time.

    Examples
    --------
    >>> y = pd.DataFrame({"shop": ["A", "B", "A"], "month": ["2024-01", "2024-01", "2024-02"], "sales": [1.0, 5, 2]})
    >>> long = read(y, Names("shop", "month", "sales"))
    >>> long.names, long.tables[0].index.tolist()
    (('A', 'B'), [Timestamp('2024-01-01 00:00:00'), Timestamp('2024-02-01 00:00:00')])
    >>> long.form.write_target(long.names, [table["sales"] for table in long.tables])["month"].tolist()
    ['2024-01', '2024-02', '2024-01']
    """
    is_series = isinstance(y, pd.Series)
    if not (is_series or isinstance(y, pd.DataFrame) or frames.is_foreign(y)):
        raise GatewiseTypeError(
            f"{what} is a {type(y).__name__}; need a frame whose columns id=, time= and target= name: leave them out."
        )
    frame, library = frames.to_pandas(y.to_frame(names.target or y.name or USUAL["target"]) if is_series else y, what)
    frame, indexed = _without_index(frame, names)
    form = _form(frame, _with_levels(frame, indexed, names), what)._replace(
        indexed=indexed, library=library, is_series=is_series
    )
    _check_ids(frame, form, what)
    stamps, written = times.read(frame[form.time], what)
    form = form._replace(times=written, ids="" if form.id is None else str(frame[form.id].dtype))
    ids, tables = _split(frame, stamps, form, what)
    return Tables(form, ids, times.on_common_steps(tables))


def tables_like(form: LongForm, names: Sequence[Any], X: Any, what: str) -> list[pd.DataFrame]:
    """Return a table for each of the series `names` of a frame that has their columns of ids and times.

    A frame without the column of ids is the same for all series, and so is one of pandas with the time as its index.
    """
    frame, _ = frames.to_pandas(X.to_frame() if isinstance(X, pd.Series) else X, what)
    frame, _ = _without_index(frame, Names(form.id, form.time))
    if form.id is None or form.id not in frame:
        return [_with_time(frame, form, what)] * len(names)
    _require(frame, [form.time], what)
    _check_ids(frame, form, what)
    stamps, _ = times.read(frame[form.time], what)
    ids, tables = _split(frame, stamps, form, what)
    return arranged(ids, tables, names)


def arranged(ids: Sequence[Any], tables: Sequence[pd.DataFrame], names: Sequence[Any]) -> list[pd.DataFrame]:
    """Return the tables of `ids` in the order of `names`, one without rows for a name that is not there."""
    table_of, empty = dict(zip(ids, tables, strict=True)), tables[0].iloc[:0]
    return [table_of.get(name, empty) for name in names]


def static_table(long: Tables, static: Any) -> tuple[Any, list[pd.DataFrame]]:
    """Return what belongs to whole series, a row for each, and the tables without it.

    `static` is a frame with the column of ids or with the ids as its index, or a list of columns of the long frame.
    """
    names, tables = list(long.names), long.tables
    static = [static] if isinstance(static, str) else static
    if isinstance(static, list | tuple) and all(isinstance(name, str) for name in static):
        _require(tables[0], static, "y")
        rows = [_constant(table, static, name) for name, table in zip(names, tables, strict=True)]
        return pd.concat(rows, ignore_index=True), [table.drop(columns=list(static)) for table in tables]
    if long.form.id is None or not (isinstance(static, pd.Series | pd.DataFrame) or frames.is_foreign(static)):
        return static, tables
    frame, _ = frames.to_pandas(static.to_frame() if isinstance(static, pd.Series) else static, "static")
    return _by_id(frame, long.form.id, names), tables


def _by_id(frame: pd.DataFrame, column: Any, names: list[Any]) -> pd.DataFrame:
    """Return the row of each of the series `names` of a frame with the column of ids, or with ids as its index."""
    frame = frame.set_index(column) if column in frame else frame
    lacking = [name for name in names if name not in frame.index]
    if lacking:
        raise GatewiseValueError(
            f"static lacks {lacking[0]!r}; need a row for each series: give it the column {column!r}, or such an index."
        )
    if frame.index.has_duplicates:
        twice = frame.index[frame.index.duplicated()][0]
        raise GatewiseValueError(f"static has {twice!r} twice; need one row for each series.")
    return frame.reindex(names)


def form_to_plain(form: LongForm) -> dict[str, Any]:
    """Return a form as JSON can hold it.

    Raises
    ------
    GatewiseError
        If a column is called by what is neither text nor a number.
    """
    names = [form.id, form.time, form.target, *form.indexed]
    if not all(name is None or isinstance(name, str | int) for name in names):
        raise GatewiseTypeError(f"cannot save the columns {names!r}; need text as names of columns.")
    return {**form._asdict(), "indexed": list(form.indexed)}


def form_from_plain(described: Any, names: Sequence[Any], axis: Axis) -> LongForm:
    """Return the form that `form_to_plain` described; raise unless it can write these names and times."""
    form = LongForm(**plain.known_keys("its long frame", described, LongForm._fields))
    form = form._replace(indexed=tuple(plain.entries("indexed", form.indexed)))
    plain.one_of("library", form.library, frames.LIBRARIES)
    plain.flag("is_series", form.is_series)
    for name in (form.id, form.time, form.target, *form.indexed):
        plain.scalar("a column", name)
    if len({form.id, form.time, form.target}) < 3 or None in (form.time, form.target):
        raise GatewiseValueError("its columns of ids, times and values are not three: the file is damaged.")
    if not set(form.indexed) <= set(form.keys) or len(set(form.indexed)) < len(form.indexed):
        raise GatewiseValueError(f"its index is {form.indexed!r}; need the columns of ids and times.")
    _check_dtypes(form, names, axis)
    return form


def _check_dtypes(form: LongForm, names: Sequence[Any], axis: Axis) -> None:
    """Raise unless the ids, and times such as the last one, can be written as the form says."""
    dtypes = (plain.text("ids", form.ids), plain.text("times", form.times))
    if not all(DTYPE.fullmatch(one) for one in dtypes if one not in (times.DAYS, *times.ISO.values())):
        raise GatewiseValueError(f"it describes ids and times as {dtypes}; need dtypes of pandas.")
    for one in dtypes:
        if "," in one:
            check_zone(one.partition(",")[2].strip(" ]"))
    try:
        if form.id is not None and form.ids:
            ids: Any = pd.Series(_objects(names)).infer_objects()
            ids.astype(form.ids)
        times.written(axis.past(1), form.times)
    except GatewiseError:
        raise
    except Exception as error:  # of many kinds: pandas looks the dtype up and converts
        raise GatewiseValueError(f"its ids or times cannot be written as {dtypes} ({error}).") from error


def _constant(table: pd.DataFrame, columns: Sequence[str], name: Any) -> pd.DataFrame:
    """Return the first row of columns that do not change within a series."""
    part = table[list(columns)].dropna(how="all")
    changing = [column for column in columns if part[column].nunique() > 1]
    if changing:
        raise GatewiseValueError(
            f"y column {changing[0]!r}, named in static, changes within {name!r}; need one value for each series."
        )
    return part.iloc[:1]


def _without_index(frame: pd.DataFrame, names: Names) -> tuple[pd.DataFrame, tuple[Any, ...]]:
    """Return the frame with the levels of its index that are ids and times as columns, and their names."""
    index = frame.index
    asked = [names.id or USUAL["id"], names.time or USUAL["time"]]
    if isinstance(index, pd.MultiIndex):
        if index.nlevels != 2:
            raise GatewiseTypeError(f"y has an index of {index.nlevels} levels; need two: ids and times.")
        levels = [name if given is None else given for given, name in zip(index.names, asked, strict=True)]
        return frame.reset_index(names=levels), tuple(levels)
    if index.name is not None and index.name in asked and index.name not in frame.columns:
        return frame.reset_index(), (index.name,)
    if isinstance(index, pd.DatetimeIndex | pd.PeriodIndex) and asked[1] not in frame.columns:
        name = names.time or index.name or USUAL["time"]
        return frame.reset_index(names=[name]), (name,)
    return frame, ()


def _with_levels(frame: pd.DataFrame, indexed: tuple[Any, ...], names: Names) -> Names:
    """Take two levels of an index for ids and times: the second for times, unless only the first is dated."""
    if len(indexed) < 2:
        return names
    first, second = indexed
    dated = _times_in(frame, Names())
    swapped = first in (names.time, USUAL["time"]) or second == names.id or (first in dated and second not in dated)
    ids, stamps = (second, first) if swapped else (first, second)
    return Names(ids if names.id is None else names.id, stamps if names.time is None else names.time, names.target)


def _form(frame: pd.DataFrame, names: Names, what: str) -> LongForm:
    """Find out which column is what; of the form, only that is right."""
    if frame.columns.has_duplicates:
        twice = frame.columns[frame.columns.duplicated()][0]
        raise GatewiseValueError(f"{what} has two columns {twice!r}; need one of each name: rename one.")
    _require(frame, [name for name in names if name is not None], what)
    of_ids = names.id if names.id is not None or USUAL["id"] not in frame else USUAL["id"]
    time = _chosen("time", names.time, _times_in(frame, names), frame, what)
    rest = [name for name in frame if name not in (of_ids, time)]
    target = _chosen("target", names.target, rest, frame, what)
    if len({of_ids, time, target}) < 3:
        raise GatewiseValueError(
            f"id={of_ids!r}, time={time!r} and target={target!r} name one column of {what} twice; need three columns."
        )
    return LongForm(of_ids, time, target, (), "", "", "", False)


def _times_in(frame: pd.DataFrame, names: Names) -> list[Any]:
    """Columns that hold dates or periods and are not named otherwise."""
    kinds = (pd.DatetimeTZDtype, pd.PeriodDtype)
    free = [name for name in frame if name not in names]
    return [name for name in free if frame[name].dtype.kind == "M" or isinstance(frame[name].dtype, kinds)]


def _chosen(role: str, named: Any, possible: list[Any], frame: pd.DataFrame, what: str) -> Any:
    """Return the column of a role: the one named, the one called as is usual, or the only one possible."""
    if named is not None:
        return named
    if USUAL[role] in frame:
        return USUAL[role]
    if len(possible) == 1:
        return possible[0]
    raise GatewiseValueError(
        f"{what} has the columns {listed(map(repr, frame.columns))}, and none of them is {USUAL[role]!r}; "
        f"need to know which one is the {role}: pass {role}=."
    )


def _require(frame: pd.DataFrame, columns: Sequence[Any], what: str) -> None:
    lacking = [name for name in columns if name not in frame]
    if lacking:
        raise GatewiseValueError(f"{what} lacks the column {lacking[0]!r}; it has {listed(map(repr, frame.columns))}.")


def _check_ids(frame: pd.DataFrame, form: LongForm, what: str) -> None:
    if not len(frame):
        raise GatewiseValueError(f"{what} has no rows; need at least one observation.")
    empty = np.flatnonzero(frame[form.id].isna()) if form.id is not None else np.zeros(0, int)
    if len(empty):
        raise GatewiseValueError(f"{what} column {form.id!r} is empty in row {empty[0]}; need an id in every row.")


def _split(frame: pd.DataFrame, stamps: Any, form: LongForm, what: str) -> tuple[tuple[Any, ...], list[pd.DataFrame]]:
    """Return the ids in order of appearance, and the other columns of each, with the time as index, in order."""
    if form.id is None:
        codes, ids = np.zeros(len(frame), int), [form.target]
    else:
        codes, unique = pd.factorize(frame[form.id])
        ids = pd.Index(unique).tolist()
    order = np.asarray(stamps.argsort())
    order = order[np.argsort(codes[order], kind="stable")]
    codes, stamps = codes[order], stamps[order]
    _check_once(codes, stamps, ids, form, what)
    values = frame.drop(columns=form.keys).iloc[order].set_axis(stamps)
    bounds = np.searchsorted(codes, np.arange(len(ids) + 1))
    return tuple(ids), [values.iloc[start:stop] for start, stop in pairwise(bounds)]


def _check_once(codes: Array, stamps: Any, ids: Sequence[Any], form: LongForm, what: str) -> None:
    """Raise if two rows, in order, are of one series and time."""
    twice = np.flatnonzero((np.diff(codes) == 0) & np.asarray(stamps[1:] == stamps[:-1]))
    if not len(twice):
        return
    if form.id is None:
        raise GatewiseValueError(
            f"{what} has two rows for {stamps[twice[0]]}; need one: if they are of different series, name the column "
            f"that tells these apart, id=."
        )
    raise GatewiseValueError(
        f"{what} has two rows for {ids[codes[twice[0]]]!r} at {stamps[twice[0]]}; need one: drop or sum the copies."
    )


def _with_time(frame: pd.DataFrame, form: LongForm, what: str) -> pd.DataFrame:
    """Return a frame without ids, with the time as its index."""
    if form.time not in frame:
        return frame
    stamps, _ = times.read(frame[form.time], what)
    rest: pd.DataFrame = frame.drop(columns=form.time)
    return rest.set_axis(stamps)


def _objects(values: Sequence[Any]) -> Array:
    objects = np.empty(len(values), dtype=object)
    objects[:] = values
    return objects

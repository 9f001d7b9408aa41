"""Series as users hold them: read into regular steps, and given back in the container they came in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from gatewise.arrays import LARGEST, unmasked
from gatewise.errors import Array, GatewiseTypeError, GatewiseValueError
from gatewise.forecasting.axes import Axis, matched, place, regular
from gatewise.forecasting.long import LongForm

KINDS = ("series", "frame", "list", "array", "matrix", "long")
SEVERAL = ("list", "long")  # containers whose series have an index, and covariates, of their own


class Container(NamedTuple):
    """What the series came in: one of `KINDS`, the name of each series, and how a long frame is laid out."""

    kind: str
    names: tuple[Any, ...]
    form: LongForm | None = None

    def pack(self, parts: Sequence[pd.Series]) -> Any:
        """Put one Series for each series into such a container."""
        if self.form is not None:
            return self.form.write_target(self.names, parts)
        if self.kind == "series":
            return parts[0].rename(self.names[0])
        if self.kind == "frame":
            return pd.DataFrame(dict(enumerate(parts))).set_axis(pd.Index(self.names), axis=1)
        if self.kind == "list":
            return [part.rename(name) for part, name in zip(parts, self.names, strict=True)]
        return parts[0].to_numpy() if self.kind == "array" else np.stack([p.to_numpy() for p in parts], axis=1)

    def pack_levels(self, parts: Sequence[pd.DataFrame], of: str = "quantile") -> Any:
        """Put one DataFrame with a column a level (or whatever `of` names) for each series into such a container.

        Of a DataFrame: columns (series, level). Of arrays: (time, levels) and (time, series, levels). Of a long frame:
        a long frame with a column a level.
        """
        if self.form is not None:
            return self.form.write(self.names, parts)
        if self.kind == "series":
            return parts[0]
        if self.kind == "list":
            return list(parts)
        if self.kind == "frame":
            pairs = [(name, level) for name, part in zip(self.names, parts, strict=True) for level in part]
            columns = pd.MultiIndex.from_tuples(pairs, names=["series", of])
            return pd.concat(parts, axis=1).set_axis(columns, axis=1)
        return parts[0].to_numpy() if self.kind == "array" else np.stack([p.to_numpy() for p in parts], axis=1)


class RegularSeries(NamedTuple):
    """One series on a regular axis with its covariates: y (time,), x (time, columns), float64 with NaN for gaps."""

    name: str
    axis: Axis
    y: Array
    x: Array


def split(y: Any, what: str = "y") -> tuple[Container, list[pd.Series]]:
    """Return the container and one pandas Series of float64 for each series in it."""
    if isinstance(y, pd.Series):
        return Container("series", (y.name,)), [_numbers(y, what if y.name is None else f"{what} {y.name!r}")]
    if isinstance(y, pd.DataFrame):
        if not len(y.columns):
            raise GatewiseValueError(f"{what} has no columns; need one per series.")
        if y.columns.has_duplicates:
            twice = y.columns[y.columns.duplicated()][0]
            raise GatewiseValueError(f"{what} has two columns {twice!r}; need one name per series: rename one.")
        names = tuple(y.columns)
        _check_wide(y, what)
        return Container("frame", names), [_numbers(y[name], f"{what} column {name!r}") for name in names]
    if isinstance(y, list | tuple) and y and not np.isscalar(y[0]) and y[0] is not None:
        parts = [_one(part, f"{what}[{i}]") for i, part in enumerate(y)]
        return Container("list", tuple(part.name for part in parts)), parts
    values = _array(y, what)
    if values.ndim == 1:
        return Container("array", (None,)), [pd.Series(values)]
    if values.ndim != 2:
        raise GatewiseValueError(f"{what} has shape {values.shape}; need (time,) or (time, series).")
    return Container("matrix", tuple(range(values.shape[1]))), [pd.Series(column) for column in values.T]


def regular_series(
    container: Container, parts: list[pd.Series], X: Any, what: str = "y"
) -> tuple[list[RegularSeries], list[str]]:
    """Lay each series and its covariates on a regular axis; also returns the names of the covariates."""
    if not parts:
        raise GatewiseValueError(f"{what} holds no series; need at least one.")
    covariates = _covariates(X, container, parts)
    columns = [str(name) for name in covariates[0]] if covariates else []
    series: list[RegularSeries] = []
    for i, part in enumerate(parts):
        name = label(container, i, what)
        x = covariates[i] if covariates else pd.DataFrame(index=part.index)
        if [str(column) for column in x] != columns:
            raise GatewiseValueError(f"X of {name} has columns {list(x)}; need those of the first: {columns}.")
        series.append(_regular(name, part, x, series[-1].axis if series else None))
    return series, columns


def label(container: Container, number: int, what: str = "y") -> str:
    """What an error calls a series."""
    name = container.names[number]
    if container.kind == "list":
        return f"{what}[{number}]" + ("" if name is None else f" ({name})")
    return what if name is None else f"{what} {name!r}"


def future_rows(X: Any, columns: Sequence[str], axis: Axis, steps: int, name: str) -> Array:
    """Values (steps, columns) of covariates known ahead, for the steps that follow `axis`."""
    if isinstance(X, pd.DataFrame | pd.Series):
        return _future_frame(X, columns, axis.future(steps), f"X_future of {name}")
    values = _array(X, f"X_future of {name}")
    values = values[:, None] if values.ndim == 1 else values
    if values.ndim != 2 or values.shape[1] != len(columns) or len(values) < steps:
        raise GatewiseValueError(
            f"X_future of {name} has shape {values.shape}; need ({steps}, {len(columns)}): "
            f"one row per step, the columns {', '.join(columns)}."
        )
    return values[:steps]


def _future_frame(X: Any, columns: Sequence[str], index: Any, what: str) -> Array:
    """Values (steps, columns) of a frame at the steps `index`."""
    frame = _named_once(X, what)
    lacking = [column for column in columns if column not in frame]
    if lacking:
        raise GatewiseValueError(f"{what} lacks {', '.join(lacking)}; need every column known ahead.")
    rows = np.full(len(index), -1) if len(frame) == 0 else matched(frame.index, index, what).get_indexer(index)
    if (rows < 0).any():
        raise GatewiseValueError(
            f"{what} lacks {index[rows < 0][0]}; need the {len(index)} steps from {index[0]} to {index[-1]}."
        )
    return _frame_numbers(frame[list(columns)].iloc[rows], what).to_numpy()


def _named_once(x: Any, what: str) -> pd.DataFrame:
    """Return covariates as a frame whose columns are text; raise if a column or a row is there twice."""
    frame = x.to_frame() if isinstance(x, pd.Series) else x
    for axis, side in ((frame.columns, "columns"), (frame.index, "rows")):
        if isinstance(axis, pd.MultiIndex):
            raise GatewiseTypeError(
                f"{what} has {side} of {axis.nlevels} levels; need one level: "
                + ("name each column once." if side == "columns" else "give each series a frame in a list.")
            )
        if axis.has_duplicates:
            twice = axis[axis.duplicated()][0]
            raise GatewiseValueError(f"{what} has {twice!s} twice in its {side}; need each once: drop the copies.")
    names = [str(column) for column in frame]
    twice = next((k for k, name in enumerate(names) if name in names[:k]), None)
    if twice is not None:
        first, second = frame.columns[names.index(names[twice])], frame.columns[twice]
        raise GatewiseValueError(f"{what} has the columns {first!r} and {second!r}; need names that differ as text.")
    return frame.set_axis(names, axis=1)


def beside(X: Any, columns: Sequence[str], part: pd.Series, name: str) -> Array:
    """Values (time, columns) of the covariates at the steps of a new Series."""
    frame = _covariate_frame(X, part, name)
    if isinstance(X, pd.DataFrame | pd.Series):
        lacking = [column for column in columns if column not in frame]
        if lacking:
            raise GatewiseValueError(f"{name} lacks {', '.join(lacking)}; need the columns {', '.join(columns)}.")
        return frame[list(columns)].reindex(part.index).to_numpy()
    if frame.shape[1] != len(columns):
        raise GatewiseValueError(f"{name} has {frame.shape[1]} columns; need {len(columns)}: {', '.join(columns)}.")
    return frame.to_numpy()


def per_series(X: Any, container: Container, what: str) -> list[Any]:
    """One X for each series: the list as it came, or the same for all."""
    count, several = len(container.names), container.kind in SEVERAL
    if X is None:
        return [None] * count
    if isinstance(X, list | tuple) and (several or len(X) == count > 1):
        if len(X) != count:
            raise GatewiseValueError(f"{what} is a list of {len(X)}; need one for each of {count} series.")
        return list(X)
    if several and count > 1 and not isinstance(X, pd.DataFrame):
        raise GatewiseTypeError(f"{what} is a {type(X).__name__}; need a list with one of them for each series.")
    return [X] * count


def _covariates(X: Any, container: Container, parts: list[pd.Series]) -> list[pd.DataFrame]:
    if X is None:
        return []
    return [
        _covariate_frame(x, part, label(container, i, "X of y"))
        for i, (x, part) in enumerate(zip(per_series(X, container, "X"), parts, strict=True))
    ]


def _covariate_frame(x: Any, part: pd.Series, what: str) -> pd.DataFrame:
    if isinstance(x, pd.DataFrame | pd.Series):
        frame = _named_once(x, what)
        return _frame_numbers(frame.set_axis(matched(frame.index, part.index, what)), what)
    values = _array(x, what)
    values = values[:, None] if values.ndim == 1 else values
    if values.ndim != 2 or len(values) != len(part):
        raise GatewiseValueError(
            f"{what} has shape {values.shape}; need ({len(part)}, columns): one row per step of y."
        )
    return pd.DataFrame(values, index=part.index, columns=[str(k) for k in range(values.shape[1])])


def _regular(name: str, part: pd.Series, x: pd.DataFrame, before: Axis | None) -> RegularSeries:
    """Lay a series and its covariates on every step; `before` is the axis of the series before it."""
    axis, grid = regular(part.index, name, before.frequency if before is not None and before.kind == "dates" else None)
    y = np.full(len(grid), np.nan)
    y[place(part.index, grid)] = part.to_numpy()
    rows = x.index.get_indexer(grid) if len(x.columns) else np.zeros(0, int)
    values = np.full((len(grid), len(x.columns)), np.nan)
    if len(x.columns):
        if len(grid) and (rows < 0).all():
            raise GatewiseValueError(
                f"X of {name} has none of the index of y; need one row per step: give both one index."
            )
        values[rows >= 0] = x.to_numpy()[rows[rows >= 0]]
    return RegularSeries(name, axis, y, values)


def _one(part: Any, what: str) -> pd.Series:
    if isinstance(part, pd.Series):
        return _numbers(part, what if part.name is None else f"{what} ({part.name})")
    if isinstance(part, pd.DataFrame) and part.shape[1] == 1:
        return _numbers(part.iloc[:, 0], what)
    values = _array(part, what)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1:
        raise GatewiseValueError(f"{what} has shape {values.shape}; need (time,): one series an entry of the list.")
    return pd.Series(values)


def _array(value: Any, what: str) -> Array:
    if hasattr(value, "columns") and not isinstance(value, pd.DataFrame):
        raise GatewiseTypeError(
            f"{what} is a frame of {type(value).__module__.split('.')[0]}; need one of pandas, with the time as its "
            f"index: use .to_pandas().set_index(...)."
        )
    try:
        values = np.asarray(unmasked(value))
        values = values.astype(float) if values.dtype.kind in "biufO" else values
    except (TypeError, ValueError):
        values = np.asarray("not numbers")
    if values.dtype.kind != "f" or values.ndim == 0 or not values.size:
        raise GatewiseTypeError(
            f"{what} is a {type(value).__name__} that holds no numbers by time; "
            f"need a Series, a DataFrame with one column per series, a list of them, or an array."
        )
    _refuse_extremes(values.reshape(len(values), -1), range(len(values)), what)
    return values


def _check_wide(y: pd.DataFrame, what: str) -> None:
    odd = [name for name in y if not pd.api.types.is_numeric_dtype(y[name].dtype)]
    if odd:
        long = ", or a long frame: then name its columns, id=, time= and target=" if what == "y" else ", as in fit"
        raise GatewiseTypeError(
            f"{what} column {odd[0]!r} has dtype {y[odd[0]].dtype}; need a column of numbers for each series (use "
            f"pd.to_numeric){long}."
        )


def _numbers(part: pd.Series, what: str) -> pd.Series:
    return pd.Series(_column_numbers(part, what), part.index, name=part.name)


def _frame_numbers(frame: pd.DataFrame, what: str) -> pd.DataFrame:
    parts = {str(name): _column_numbers(frame[name], f"{what} column {name!r}") for name in frame}
    return pd.DataFrame(parts, index=frame.index)


def _column_numbers(column: pd.Series, where: str) -> Array:
    if pd.api.types.is_complex_dtype(column.dtype) or not pd.api.types.is_numeric_dtype(column.dtype):
        raise GatewiseTypeError(
            f"{where} has dtype {column.dtype}; need numbers: use pd.to_numeric, or pd.get_dummies for categories."
        )
    values: Array = column.to_numpy(dtype=float, na_value=np.nan)
    _refuse_extremes(values[:, None], column.index, where)
    return values


def _refuse_extremes(values: Array, index: Any, what: str) -> None:
    bad = np.flatnonzero(np.isinf(values).any(axis=1))
    if len(bad):
        raise GatewiseValueError(f"{what} is infinite at {index[bad[0]]}; need finite numbers, or NaN for a gap.")
    bad = np.flatnonzero((np.abs(values) > LARGEST).any(axis=1))
    if len(bad):
        raise GatewiseValueError(
            f"{what} is beyond {LARGEST:g} at {index[bad[0]]}; need smaller numbers: change the unit."
        )

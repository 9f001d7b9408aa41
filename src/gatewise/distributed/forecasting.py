"""One forecaster for the series of a table in partitions: learned from a sample, and applied where the series lie."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import clone

from gatewise.arrays import is_collection
from gatewise.distributed import package
from gatewise.distributed.cluster import connected
from gatewise.errors import Array, GatewiseTypeError, GatewiseValueError, check_number
from gatewise.estimators.forecaster import RecurrentForecaster
from gatewise.forecasting.carrying import carried
from gatewise.forecasting.given import Given
from gatewise.forecasting.long import USUAL, Names
from gatewise.forecasting.preparation import prepare
from gatewise.threads import single_threaded_blas

SAMPLE = 1000
"""Series that a forecaster learns from, where nobody says how many: its networks see 6,000 windows in any case."""
ROWS = 2_000_000
"""Rows that all of them have at most; the driver holds no more."""
AT_ONCE = 500
"""Series of a partition that are forecast at once."""


class _Table(NamedTuple):
    """A long table in partitions."""

    frame: Any
    names: Names

    @classmethod
    def of(cls, frame: Any, id: Any, time: Any, target: Any) -> _Table:
        """Check that a Dask frame has the columns of a long table, and no others."""
        if not is_collection(frame) or not hasattr(frame, "columns"):
            raise GatewiseTypeError(f"frame is a {type(frame).__name__}; need a dask.dataframe with a row a time step.")
        names = Names(id or USUAL["id"], time or USUAL["time"], target or USUAL["target"])
        columns = list(frame.columns)
        for role, name in names._asdict().items():
            if name not in columns:
                raise GatewiseValueError(f"frame has no column {name!r}; need {role}= with one of {columns}.")
        others = [name for name in columns if name not in names]
        if others:
            raise GatewiseValueError(
                f"frame has the column {others[0]!r} beside {', '.join(map(repr, names))}; covariates of a table in "
                f"partitions are not supported: select those three columns."
            )
        return cls(frame, names)

    def mapped(self, function: Any, *arguments: Any) -> list[Any]:
        """Return a Delayed of `function(partition, names, ...)` for each partition."""
        run = package.dask().delayed(function, pure=False)
        return [run(part, self.names, *arguments) for part in self.frame.to_delayed()]


def fit_series(
    forecaster: RecurrentForecaster[Any, Any],
    frame: Any,
    *,
    id: Any = None,
    time: Any = None,
    target: Any = None,
    sample: int = SAMPLE,
    client: Any = None,
    checkpoint: Any = None,
    every: int | str = 1,
    resume: bool = False,
) -> RecurrentForecaster[Any, Any]:
    """Fit one forecaster to the series of a long table that no machine holds; `forecaster.fit` of a Dask frame does it.

    It learns all that series have in common from a sample of them: those whose names have the lowest hashes, up to
    `sample` series or 2,000,000 rows. The sample depends on the names alone, and neither on the partitions nor on the
    workers. What belongs to one series alone, `gatewise.distributed.forecast` finds out where the series lies.

    Parameters
    ----------
    forecaster : RecurrentForecaster
    frame : dask.dataframe
        A row for each series and time, in columns of ids, times and values, and no others. All rows of a series are
        in one partition, in any order: `frame.shuffle("id")` sees to that.
    id, time, target : str, optional
        Names of these columns; "unique_id", "ds" and "y" without.
    sample : int
        Series to learn from at most.
    client : distributed.Client, a Dask cluster, str, int or None
        Where partitions are read, as in `gatewise.distributed.train`.
    checkpoint, every, resume
        As in `RecurrentForecaster.fit`.

    Returns
    -------
    RecurrentForecaster
        `forecaster` itself. Its own `predict` forecasts the sample.

    Raises
    ------
    GatewiseError
        If a column is absent or is one too many, a series is in two partitions, or the sample cannot be learned from.
    """
    check_number("sample", sample, 1, integer=True)
    table = _Table.of(frame, id, time, target)
    with connected(client) as connection:
        rows = _sampled(connection, table, sample)
    options = {"checkpoint": checkpoint, "every": every, "resume": resume}
    return forecaster.fit(rows, **table.names._asdict(), **options)


def _sampled(client: Any, table: _Table, sample: int) -> Any:
    """Return the rows of the series with the lowest hashes, in the order of these and of time."""
    import pandas as pd

    found = client.gather(client.compute(table.mapped(_surveyed)))
    hashes, counts = (np.concatenate(part) for part in zip(*found, strict=True))
    if not len(hashes):
        raise GatewiseValueError("frame has no row with an id; need some to learn from.")
    order = np.argsort(hashes)
    hashes, counts = hashes[order], counts[order]
    if (hashes[1:] == hashes[:-1]).any():
        raise GatewiseValueError(
            f"a series has rows in two partitions; need each in one: frame.shuffle({table.names.id!r})."
        )
    chosen = hashes[:sample][np.cumsum(counts[:sample]) <= ROWS]
    if not len(chosen):
        raise GatewiseValueError(f"a series has {counts[0]:,} rows; need {ROWS:,} at most in a sample.")
    parts = client.gather(client.compute(table.mapped(_chosen, chosen)))
    rows = pd.concat(parts, ignore_index=True)
    places = np.lexsort((rows[table.names.time].to_numpy(), _hashes(rows[table.names.id])))
    return rows.iloc[places].reset_index(drop=True)


def _hashes(names: Any) -> Array:
    import pandas as pd

    hashes: Array = pd.util.hash_array(names.to_numpy(), categorize=True)
    return hashes


def _surveyed(part: Any, names: Names) -> tuple[Array, Array]:
    """Return the hashes of the series of a partition, and how many rows each has."""
    counts = part[names.id].value_counts(sort=False)
    counts = counts[counts > 0]
    return _hashes(counts.index), counts.to_numpy(np.int64)


def _chosen(part: Any, names: Names, chosen: Array) -> Any:
    return part[np.isin(_hashes(part[names.id]), chosen)] if len(part) else part


def forecast(
    forecaster: RecurrentForecaster[Any, Any], frame: Any, *, id: Any = None, time: Any = None, target: Any = None
) -> Any:
    """Forecast every series of a table in partitions, each where it lies, with what a forecaster has learned of some.

    Parameters
    ----------
    forecaster : RecurrentForecaster
        Fitted by `gatewise.distributed.fit_series`, or by `fit` of a long frame with the same columns.
    frame, id, time, target
        As in `fit_series`; the series need not be those of the fit.

    Returns
    -------
    dask.dataframe
        As `predict_quantiles` of a long frame has it: ids, times and quantiles, of the partitions of `frame`. It is
        computed when it is asked for, as by its `to_parquet`, with one kernel thread for each task.

    Notes
    -----
    From the fit come the reference, the linear path, the networks and their shares, the shape of the intervals, and
    the mean weights of the simple methods. Each series has its own scales and simple methods, fitted to its rows.
    """
    table = _Table.of(frame, id, time, target)
    if getattr(forecaster, "_state", None) is None or forecaster._state.container.form is None:
        raise GatewiseValueError("the forecaster was not fitted to a long table; fit it with distributed.fit_series.")
    meta = forecaster.predict_quantiles().head(0)
    learned = package.dask().delayed(forecaster, pure=True, traverse=False)
    return table.frame.map_partitions(_forecast, table.names, learned, meta, meta=meta, enforce_metadata=False)


def _forecast(part: Any, names: Names, forecaster: RecurrentForecaster[Any, Any], meta: Any) -> Any:
    """Return the quantiles of the series of a partition, some of them at a time."""
    import pandas as pd

    codes, distinct = pd.factorize(part[names.id])
    groups = [part[codes // AT_ONCE == k] for k in range(-(-len(distinct) // AT_ONCE))]
    found = [for_series(forecaster, group, names).predict_quantiles() for group in groups]
    return pd.concat(found, ignore_index=True) if found else meta


@single_threaded_blas()
def for_series(forecaster: RecurrentForecaster[Any, Any], rows: Any, names: Names) -> RecurrentForecaster[Any, Any]:
    """Return a forecaster of other series, in a long frame, with what this one has learned."""
    before = forecaster._state
    given = Given.of(rows, None, None, names)
    data = prepare(given, past_covariates=(), seasons=before.seasons, dated=forecaster.calendar, like=before.calendar)
    steps = {str(axis.frequency) for axis in (before.axes[0], data.axes[0])}
    if len(steps) > 1 or before.covariates.columns:
        raise GatewiseValueError(
            f"the series are not like those of the fit: steps of {' and '.join(sorted(steps))}, covariates "
            f"{list(before.covariates.columns)}; need the same steps, and no covariates."
        )
    other = copy.copy(forecaster)
    other._state = data._replace(seasons=before.seasons).fitted(carried(before.fitted, data.panel))
    return other


def backtest(
    forecaster: RecurrentForecaster[Any, Any],
    frame: Any,
    *,
    id: Any = None,
    time: Any = None,
    target: Any = None,
    sample: int = SAMPLE,
    client: Any = None,
) -> Any:
    """Measure a forecaster on the last `horizon` rows of every series of a table in partitions.

    A copy is fitted by `fit_series` to the table without these rows, forecasts every series from there, and its errors
    are summed up in the order of the partitions.

    Parameters
    ----------
    forecaster : RecurrentForecaster
        It stays as it is.
    frame, id, time, target, sample, client
        As in `fit_series`. Series with fewer than `horizon` + 2 rows are left out.

    Returns
    -------
    DataFrame (horizon,)
        For each step ahead, the index: `n`, how many values were forecast; `mae` and `rmse` of the medians; `naive_mae`
        of the last value before; `coverage`, the share of values between the outermost quantiles.
    """
    import pandas as pd

    table = _Table.of(frame, id, time, target)
    horizon, names = forecaster.horizon, table.names
    past = table._replace(frame=table.frame.map_partitions(_without_end, names, horizon, meta=table.frame._meta))
    with connected(client) as connection:
        fitted = fit_series(clone(forecaster), past.frame, **names._asdict(), sample=sample, client=connection)
        learned = package.dask().delayed(fitted, pure=True, traverse=False)
        parts: Sequence[Array] = connection.gather(connection.compute(table.mapped(_errors, learned)))
    total = np.zeros((horizon, 5))
    for part in parts:
        total = total + part
    n, absolute, squared, naive, inside = total.T
    with np.errstate(invalid="ignore"):
        columns = {"mae": absolute / n, "rmse": np.sqrt(squared / n), "naive_mae": naive / n, "coverage": inside / n}
    return pd.DataFrame({"n": n.astype(int)} | columns, index=pd.RangeIndex(1, horizon + 1, name="step"))


def _end(part: Any, names: Names, horizon: int) -> tuple[Any, Any]:
    """Return the rows of a partition in order of time, without series that are too short, and which are held out."""
    part = part[part[names.id].notna()].sort_values(names.time, kind="stable")
    groups = part.groupby(names.id, sort=False, observed=True)[names.time]
    long = groups.transform("size") >= horizon + 2
    return part[long], (groups.cumcount(ascending=False) < horizon)[long]


def _without_end(part: Any, names: Names, horizon: int) -> Any:
    rows, held_out = _end(part, names, horizon)
    return rows[~held_out]


def _errors(part: Any, names: Names, forecaster: RecurrentForecaster[Any, Any]) -> Array:
    """Return, of each step (horizon, 5): count, absolute and squared errors, those of the last value, hits."""
    horizon = forecaster.horizon
    rows, held_out = _end(part, names, horizon)
    total = np.zeros((horizon, 5))
    if not len(rows):
        return total
    past = rows[~held_out]
    predicted = _forecast(past, names, forecaster, None)
    predicted["step"] = predicted.groupby(names.id, sort=False, observed=True).cumcount()
    last = past.dropna(subset=[names.target]).groupby(names.id, sort=False, observed=True)[names.target].last()
    truth = rows[held_out].dropna(subset=[names.target]).join(last.rename("last"), on=names.id)
    both = truth.merge(predicted, on=[names.id, names.time], how="inner")
    levels = sorted(level for level in predicted.columns if isinstance(level, float))
    y = both[names.target].to_numpy(float)
    miss = y - both[0.5].to_numpy(float)
    hit = (both[levels[0]].to_numpy(float) <= y) & (y <= both[levels[-1]].to_numpy(float))
    values = [np.ones(len(y)), np.abs(miss), miss**2, np.abs(y - both["last"].to_numpy(float)), hit]
    np.add.at(total, both["step"].to_numpy(), np.stack(values, axis=1))
    return total

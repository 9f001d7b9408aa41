"""DataFrames as Arrow tables."""

from __future__ import annotations

from typing import Any

from gatewise.errors import GatewiseTypeError
from gatewise.forecasting.frames import is_foreign, to_pandas
from gatewise.tables import delimited

SOURCE = "the DataFrame"


def to_arrow(frame: Any) -> Any:
    """Return a DataFrame as a pyarrow.Table: text stripped, periods as the times they start at.

    Parameters
    ----------
    frame : DataFrame
        Of pandas, whose index becomes a column, or several, if it has a name or holds dates; or of another library that
        narwhals reads, such as polars.

    Raises
    ------
    GatewiseError
        If it is no DataFrame, its columns have several levels, or one of them holds values of several types.

    Examples
    --------
    >>> import pandas as pd
    >>> to_arrow(pd.DataFrame({1: ["a ", ""]})).to_pydict()
    {'1': ['a', None]}
    """
    import pandas as pd
    import pyarrow as pa

    if is_foreign(frame):
        frame, _ = to_pandas(frame, "table")
    if not isinstance(frame, pd.DataFrame):
        raise GatewiseTypeError(f"table is a {type(frame).__name__}; need a path or a DataFrame of pandas or polars.")
    if isinstance(frame.columns, pd.MultiIndex):
        raise GatewiseTypeError(f"{SOURCE} has columns of {frame.columns.nlevels} levels; need one name for each.")
    names, columns = [str(name) for name in frame.columns], [frame.iloc[:, k] for k in range(frame.shape[1])]
    for level in range(frame.index.nlevels):
        index = frame.index.get_level_values(level)
        if index.name is not None or isinstance(index, pd.DatetimeIndex | pd.PeriodIndex):
            names.insert(level, "index" if index.name is None else str(index.name))
            columns.insert(level, index.to_series())
    return pa.Table.from_arrays([_column(name, one) for name, one in zip(names, columns, strict=True)], names=names)


def _column(name: str, values: Any) -> Any:
    import pandas as pd
    import pyarrow as pa

    if isinstance(values.dtype, pd.PeriodDtype):
        values = values.dt.to_timestamp()
    try:
        column = pa.chunked_array([pa.Array.from_pandas(values)])
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
        kinds = ", ".join(sorted({type(value).__name__ for value in values.dropna()}))
        raise GatewiseTypeError(
            f"{SOURCE}, column {name!r}: holds values of type {kinds}; need one type: numbers, text or times."
        ) from error
    try:
        column.validate(full=True)
    except pa.ArrowInvalid as error:
        raise GatewiseTypeError(f"{SOURCE}, column {name!r}: is damaged ({error}).") from error
    if pa.types.is_large_string(column.type):
        column = column.cast(pa.string())
    return delimited.stripped(column) if pa.types.is_string(column.type) else column

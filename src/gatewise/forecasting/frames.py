"""Frames of any library (pandas, polars, Arrow, …) as those of pandas, and back, through narwhals."""

from __future__ import annotations

from typing import Any

import pandas as pd

from gatewise.errors import GatewiseTypeError, GatewiseValueError, check_choice

PANDAS = "pandas"
LIBRARIES = (PANDAS, "polars", "pyarrow", "modin", "cudf")  # those that narwhals reads and writes in memory


def is_foreign(frame: Any) -> bool:
    """Whether this is a frame of another library than pandas."""
    return hasattr(type(frame), "columns") and not isinstance(frame, pd.DataFrame)


def to_pandas(frame: Any, what: str) -> tuple[pd.DataFrame, str]:
    """Return a frame as one of pandas, and the name of its library; days without a time become `datetime.date`.

    Raises
    ------
    GatewiseError
        If narwhals cannot read it.

    Examples
    --------
    >>> import pyarrow as pa
    >>> frame, library = to_pandas(pa.table({"shop": ["A", "B"], "sales": [1.0, 2.0]}), "y")
    >>> library, frame["shop"].tolist()
    ('pyarrow', ['A', 'B'])
    """
    if isinstance(frame, pd.DataFrame):
        return frame, PANDAS
    import narwhals as nw

    try:
        eager = nw.from_native(frame, eager_only=True)
    except TypeError as error:
        raise GatewiseTypeError(
            f"{what} is a {type(frame).__module__.split('.')[0]} {type(frame).__name__}; need a frame of pandas or "
            f"polars, or another one in memory that narwhals reads: call .collect() or .to_pandas() first."
        ) from error
    library = str(eager.implementation.value)
    check_choice(f"the library of {what}", library, LIBRARIES)
    return eager.to_arrow().to_pandas(), library


def from_pandas(frame: pd.DataFrame, library: str) -> Any:
    """Return a frame of pandas as one of the library called so, names of columns as text, without the index.

    Examples
    --------
    >>> from_pandas(pd.DataFrame({0.5: [1.0]}), "pyarrow").column_names
    ['0.5']
    """
    if library == PANDAS:
        return frame
    import narwhals as nw
    import pyarrow as pa

    backend: Any = library
    table = pa.Table.from_pandas(frame.set_axis([str(name) for name in frame], axis=1), preserve_index=False)
    try:
        return nw.from_arrow(table.replace_schema_metadata(None), backend=backend).to_native()
    except ImportError as error:
        raise GatewiseValueError(
            f"the forecaster was fitted to frames of {library}, and returns such; need it installed: "
            f"pip install {library}."
        ) from error

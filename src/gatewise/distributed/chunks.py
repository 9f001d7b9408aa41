"""Parquet files of sequences a few rows at a time, and sequences of equal length as one array."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from gatewise.errors import Array, GatewiseValueError
from gatewise.limits import Limits
from gatewise.tables import SequenceRoles, Sequences, encode
from gatewise.tables.columns import Column, identities
from gatewise.tables.table import Table

ROWS = 500_000
"""Rows that a worker's thread reads at once: 20 to 100 MB as they are worked on, and no slower than more of them."""


def chunks(source: str, file: Any, names: Sequence[str], sequence: str, limits: Limits) -> Iterator[Any]:
    """Yield the rows of a Parquet file as Arrow tables, each of whole sequences.

    Parameters
    ----------
    source : str
        What messages call the file.
    file : binary file, seekable
    names : sequence of str
        Of the columns; those that the file lacks are left out.
    sequence : str
        The column that tells sequences apart. Rows of a sequence stand together, or a sequence comes in several tables.
    limits : Limits
        Of columns and unpacked size.

    Raises
    ------
    GatewiseError
        If the file is damaged, or beyond the limits.
    """
    import pyarrow as pa
    from pyarrow import parquet

    try:
        opened = parquet.ParquetFile(file)
        _check(source, file, opened.metadata, limits)
        held = None
        present = [name for name in names if name in opened.schema_arrow.names]
        for batch in opened.iter_batches(ROWS, columns=present, use_threads=False):
            some = pa.Table.from_batches([batch])
            held = some if held is None else pa.concat_tables([held, some])
            whole = _begin_of_last(held, sequence)
            if whole:
                yield held.slice(0, whole)
                held = held.slice(whole)
        if held is not None and len(held):
            yield held
    except (OSError, pa.ArrowException) as error:
        said = " ".join(str(error).split())
        raise GatewiseValueError(f"{source} is a damaged Parquet file ({said}).") from error


def _check(source: str, file: Any, metadata: Any, limits: Limits) -> None:
    limits.check("columns", metadata.num_columns, source)
    size = file.seek(0, 2)
    unpacked = sum(metadata.row_group(k).total_byte_size for k in range(metadata.num_row_groups))
    limits.check_unpacked(unpacked, size, source)


def _begin_of_last(data: Any, sequence: str) -> int:
    """Return the row from which on the last sequence stands alone."""
    if sequence not in data.column_names:
        return len(data)  # whoever reads it says what is missing
    codes, _ = _coded(data[sequence])
    others = np.flatnonzero(codes != codes[-1])
    return int(others[-1]) + 1 if others.size else 0


def _coded(column: Any) -> tuple[Array, Any]:
    """Return a column as places (rows,) in its distinct cells, and those in the order in which they appear."""
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    coded = column.combine_chunks().dictionary_encode("encode")
    coded = pa.chunked_array([coded]).combine_chunks() if isinstance(coded, pa.ChunkedArray) else coded
    return coded.indices.to_numpy(zero_copy_only=False), coded.dictionary


def even_sequences(table: Table, roles: SequenceRoles, columns: list[Column]) -> Sequences | None:
    """Return sequences as `gatewise.tables.read_sequences` does, but as one array: no object for each of them.

    Returns
    -------
    Sequences or None
        With X (n, time, channels), and `rows` left empty. None unless all have as many steps, one after the other in
        the order of their times, and each a value in its last step.

    Examples
    --------
    >>> import pyarrow as pa
    >>> table = Table("a.parquet", pa.table({"id": [7, 7, 5, 5], "t": [0, 1, 0, 1], "x": [1.0, 2.0, 3.0, 4.0]}))
    >>> sequences = even_sequences(table, SequenceRoles("id", "t"), [Column("x", "number")])
    >>> sequences.names, sequences.X[:, :, 0]
    (['7', '5'], array([[1., 2.],
           [3., 4.]]))
    """
    import pyarrow as pa

    if {roles.sequence, *([roles.time] if roles.time else [])} - set(table.names) or not len(table):
        return None
    codes, distinct = _coded(table.data[roles.sequence])
    n = len(distinct)
    if distinct.null_count or len(codes) % n or (codes.reshape(n, -1) != np.arange(n)[:, None]).any():
        return None
    if roles.time is not None and not _rises(table, roles, n):
        return None
    names = list(identities(Table(table.source, pa.table({roles.sequence: distinct})), roles.sequence))
    if None in names or len(set(names)) < n:
        return None
    X = encode(table, columns).reshape(n, -1, sum(len(column.channels) for column in columns))
    return None if np.isnan(X[:, -1]).all(axis=1).any() else Sequences(names, X, [], columns)  # type: ignore[arg-type]


def _rises(table: Table, roles: SequenceRoles, n: int) -> bool:
    """Whether the times are numbers or stamps, and each step of the `n` sequences is later than the one before."""
    import pyarrow as pa

    times = table.data[roles.time]
    if times.null_count:
        return False
    if pa.types.is_timestamp(times.type) or pa.types.is_date(times.type):
        ticks = times.to_numpy().astype(np.int64)
    elif roles.time_format is None and (pa.types.is_integer(times.type) or pa.types.is_floating(times.type)):
        ticks = times.to_numpy()
    else:
        return False
    steps = ticks.reshape(n, -1)
    return bool((steps[:, 1:] > steps[:, :-1]).all())

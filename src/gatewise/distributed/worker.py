"""What a worker does with one file of a data set: read, predict, write."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from gatewise import __version__
from gatewise.distributed.chunks import chunks, even_sequences
from gatewise.distributed.parts import KEY, Folder, Part, scored_of, write_part
from gatewise.distributed.scoring import Outcome
from gatewise.distributed.sending import received
from gatewise.errors import GatewiseError, GatewiseValueError
from gatewise.limits import Limits
from gatewise.tables import read_sequences
from gatewise.tables.prediction import Predictor
from gatewise.tables.table import Table, parsed
from gatewise.threads import run_in_one_thread

WHOLE = 2**28
"""Bytes, unpacked, up to which a file is read whole where its rows are in no order."""


class _WholeError(Exception):
    """A file has to be read whole: a sequence has rows in several places, or names depend on one another."""


def score(digest: str, dataset: Folder, out: Folder, limits: Limits, part: Part) -> Outcome:
    """Write the predictions of a part, unless they are there; the kernels have one thread, as Dask counts a task.

    Parameters
    ----------
    digest : str
        Of the model, which was sent to this worker.
    dataset, out : Folder
    limits : Limits
    part : Part
    """
    outcome: Outcome = run_in_one_thread(partial(_score, digest, dataset, out, limits, part))
    return outcome


def _score(digest: str, dataset: Folder, out: Folder, limits: Limits, part: Part) -> Outcome:
    try:
        wanted = {"model": digest, "part": part.name, "size": part.size, "stamp": part.stamp, "version": __version__}
        before = scored_of(out, part)
        if before is not None and before.items() >= wanted.items():
            return Outcome("skipped", before["rows"], before["series"], tuple(before["ends"]))
        predictor = received(digest)
        data, outcome = _predicted(predictor, dataset, part, limits)
        about = wanted | {"rows": outcome.rows, "series": outcome.series, "ends": outcome.ends}
        write_part(out, part, _parquet(data, about))
        return outcome if before is None else outcome._replace(state="scored again")
    except (GatewiseError, OSError) as error:
        return Outcome("failed", problem=str(error))


def _parquet(data: Any, about: dict[str, Any]) -> bytes:
    """Return a table as a file of Parquet that says what it was made of."""
    from pyarrow import parquet

    content = io.BytesIO()
    parquet.write_table(data.replace_schema_metadata({KEY: json.dumps(about).encode()}), content)
    return content.getvalue()


def _predicted(predictor: Predictor, dataset: Folder, part: Part, limits: Limits) -> tuple[Any, Outcome]:
    """Return the predictions of a part as an Arrow table."""
    if part.output == part.name and predictor.command != "forecast":
        try:
            return _by_chunks(predictor, dataset, part, limits)
        except _WholeError:
            _check_size(dataset, part)
    source = dataset.place(part.name)
    table = _with_keys(parsed(source, dataset.fs.cat_file(source), limits=limits), predictor, part)
    frame, notes = predictor.predict(table)
    if predictor.command == "forecast":
        frame = _of_table(frame, table, predictor)
    name = "sequence" if predictor.command != "forecast" else predictor.roles.series
    names = [str(one) for one in frame[name].unique()] if name in frame else []
    series = len(names) if name in frame else 1
    return _arrow(frame), Outcome("scored", len(table), series, tuple(names[:1] + names[-1:]), tuple(notes[1:]))


def _check_size(dataset: Folder, part: Part) -> None:
    from pyarrow import parquet

    with dataset.fs.open(dataset.place(part.name), "rb") as file:
        about = parquet.read_metadata(file)
    size = sum(about.row_group(k).total_byte_size for k in range(about.num_row_groups))
    if size > WHOLE:
        raise GatewiseValueError(
            f"{dataset.place(part.name)}: its {size:,} bytes are too many to sort, and the rows of a sequence are in "
            f"several places: write the file with the rows of each sequence together."
        )


def _by_chunks(predictor: Predictor, dataset: Folder, part: Part, limits: Limits) -> tuple[Any, Outcome]:
    """Predict from a file of sequences, half a million rows at a time; raise if a sequence is in several places."""
    import pyarrow as pa
    import pyarrow.compute as pc

    predicted, notes, rows, series, ends = [], dict[str, None](), 0, 0, ("", "")
    for table in _tables(predictor, dataset, part, limits):
        _check_names(table, predictor.roles.sequence)
        sequences = even_sequences(table, predictor.roles, predictor.columns)
        if sequences is None:
            sequences = read_sequences(table, predictor.roles, predictor.columns)
        predicted.append(_arrow(predictor.of_sequences(sequences)))
        notes |= dict.fromkeys(table.notes)
        rows, series = rows + len(table), series + len(sequences.names)
        ends = (ends[0] if len(predicted) > 1 else sequences.names[0], sequences.names[-1])
    if not predicted:
        raise GatewiseValueError(f"{dataset.place(part.name)} holds no row; need at least one.")
    data = pa.concat_tables(predicted)
    if pc.count_distinct(data["sequence"]).as_py() != series:
        raise _WholeError
    return data, Outcome("scored", rows, series, ends, tuple(notes))


def _check_names(table: Table, name: str) -> None:
    """Raise if names such as "1.0" stand in a text, which are "1" only if all others are whole numbers too."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if name not in table.names:
        return
    column = table.data[name]
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    is_text = pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
    if is_text and pc.any(pc.match_substring_regex(pc.unique(column), r"^-?\d+\.0*$")).as_py():
        raise _WholeError


def _tables(predictor: Predictor, dataset: Folder, part: Part, limits: Limits) -> Iterator[Table]:
    """Yield tables of whole sequences, with the columns of the model only."""
    source, roles, first = dataset.place(part.name), predictor.roles, 0
    names = list(
        dict.fromkeys([roles.sequence, roles.time or roles.sequence, *(one.name for one in predictor.columns)])
    )
    with dataset.fs.open(source, "rb") as file:
        for data in chunks(source, file, names, roles.sequence, limits):
            table = Table(source, data, rows=np.arange(first, first + len(data)))
            yield _with_keys(table, predictor, part)
            first += len(data)


def _with_keys(table: Table, predictor: Predictor, part: Part) -> Table:
    """Return a table with the columns that the folders say and the file has not."""
    import pyarrow as pa

    for name, value in part.keys.items():
        if name not in table.names:
            table.data = table.data.append_column(name, pa.repeat(pa.scalar(value, pa.string()), len(table)))
    return table


def _of_table(frame: Any, table: Table, predictor: Predictor) -> Any:
    """Return the forecasts of those series that a table holds."""
    name = predictor.roles.series
    if name is None or name not in table.names or name not in frame:
        return frame
    from gatewise.tables.columns import identities

    return frame[frame[name].isin(set(identities(table, name)))]


def _arrow(frame: Any) -> Any:
    import pyarrow as pa

    return pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(None)

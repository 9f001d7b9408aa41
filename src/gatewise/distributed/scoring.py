"""Predictions for a data set of many files, each a task of a Dask cluster, and each a file of its own."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from gatewise.distributed import package
from gatewise.distributed.cluster import connected
from gatewise.distributed.parts import Folder, Part, parts_of
from gatewise.errors import GatewiseError, GatewiseValueError
from gatewise.limits import Limits
from gatewise.printing import listed
from gatewise.progress import progress_bar
from gatewise.tables.prediction import Predictor

ATTEMPTS = 5
"""Times that a part is tried, each until Dask gives it up after some deaths: where workers die often, by chance too."""

LOST = "its worker died again and again: it may have too little memory; the workers' logs say how it ended"


class Outcome(NamedTuple):
    """What became of one part.

    Attributes
    ----------
    state : str
        "scored", "scored again" because the model or the part is another, "skipped" as it had been scored, or "failed".
    rows, series : int
        What was read and predicted; of a part that was skipped, when it was scored.
    ends : tuple of str
        Names of its first and its last sequence.
    notes : tuple of str
        What was done on reading it.
    problem : str
        Why it failed.
    """

    state: str
    rows: int = 0
    series: int = 0
    ends: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    problem: str = ""


class Scoring(NamedTuple):
    """What was done to a data set.

    Attributes
    ----------
    outcomes : dict of str -> Outcome
        By the name of the part, in the order of the names.
    seconds : float
        How long it took.
    """

    outcomes: dict[str, Outcome]
    seconds: float

    @property
    def problems(self) -> dict[str, str]:
        """Why parts failed, by name."""
        return {name: one.problem for name, one in self.outcomes.items() if one.problem}

    @property
    def notes(self) -> list[str]:
        """What was done on reading, with the number of parts, and what looks wrong."""
        counts = Counter(note for one in self.outcomes.values() for note in one.notes)
        return [*(f"{note} ({count:,} part{'s' * (count > 1)})" for note, count in counts.items()), *self._cut()]

    def as_dict(self) -> dict[str, Any]:
        """Return everything as plain data."""
        states = Counter(one.state for one in self.outcomes.values())
        fresh = [one for one in self.outcomes.values() if one.state.startswith("scored")]
        return {
            "parts": len(self.outcomes),
            **{state.replace(" ", "_"): states[state] for state in ("scored", "scored again", "skipped", "failed")},
            "rows": sum(one.rows for one in fresh),
            "series": sum(one.series for one in fresh),
            "seconds": round(self.seconds, 3),
            "notes": self.notes,
            "problems": self.problems,
        }

    def __str__(self) -> str:
        done = self.as_dict()
        states = [
            f"{done[name]:,} {name.replace('_', ' ')}" for name in ("scored", "scored_again", "skipped", "failed")
        ]
        return (
            f"{done['parts']:,} parts: {listed([one for one in states if not one.startswith('0 ')])}; "
            f"{done['series']:,} series of {done['rows']:,} rows in {self.seconds:.1f} s"
        )

    def _cut(self) -> Iterator[str]:
        """Say where a series ends a part and begins the next one of the same folder."""
        for (name, one), (other, two) in pairwise(self.outcomes.items()):
            same = os.path.dirname(name) == os.path.dirname(other)
            if same and one.ends and two.ends and one.ends[-1] == two.ends[0]:
                yield f"series {one.ends[-1]!r} ends {name} and begins {other}: each has predictions of its own for it"


def predict(
    model: str | os.PathLike[str],
    dataset: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    client: Any = None,
    progress: bool = False,
    limits: Limits | None = None,
    storage_options: Mapping[str, Any] | None = None,
) -> Scoring:
    """Predict from every file of a data set, on the workers of a Dask cluster, as `gatewise predict --dask` does.

    Parameters
    ----------
    model : path
        A file that `gatewise forecast`, `classify` or `regress` or `Result.save` wrote. It travels once to each worker.
    dataset : path or URL
        A folder of Parquet or CSV files, in folders of their own if need be; `key=value` in the name of a folder is
        a column of what is below. All rows of a series are in one file. Workers read the files themselves.
    out : path or URL
        A folder for the predictions: one Parquet file for each file of the data set, of the same name.
    client : distributed.Client, a Dask cluster, str, int or None
        Where it is done, as in `gatewise.distributed.train`.
    progress : bool
        Whether to draw a progress bar on stderr.
    limits : Limits, optional
        How large each file may be, unpacked, and how wide; the usual ones if None.
    storage_options : mapping, optional
        Of the file systems of URLs, as fsspec takes them.

    Returns
    -------
    Scoring
        What became of each part. One that cannot be read or predicted is among its `problems`; all others are done.

    Raises
    ------
    GatewiseError
        If there is nothing to predict from, or the model does not know its columns.

    Notes
    -----
    A file of predictions is written whole or not at all, and says in its metadata which model and which file, by
    size and time or tag, it was made of. A second call skips what is there and still fits, and scores again what does
    not. The bytes do not depend on the number of workers.

    A worker holds one part at a time for each of its threads; of Parquet files of sequences half a million rows of it,
    where the rows of each sequence stand together.
    """
    began = time.monotonic()
    name = os.fspath(model)
    Predictor.of(name)  # what is wrong with it is said here, once
    from_, to = Folder.of(os.fspath(dataset), storage_options), Folder.of(os.fspath(out), storage_options)
    if (from_.fs, from_.path) == (to.fs, to.path):
        raise GatewiseValueError(f"{to.name} holds the data set; need another folder for the predictions.")
    parts = parts_of(from_)
    package.distributed()
    from gatewise.distributed.sending import sent

    with connected(client) as connection, sent(connection, Path(name).read_bytes()) as digest:
        outcomes = dict.fromkeys((part.name for part in parts), Outcome("failed"))
        outcomes |= _all(connection, (digest, from_, to, limits or Limits.usual()), parts, progress)
    return Scoring(outcomes, time.monotonic() - began)


def _all(client: Any, common: tuple[Any, ...], parts: list[Part], progress: bool) -> Iterator[tuple[str, Outcome]]:
    """Yield what becomes of each part, as it comes."""
    from distributed import as_completed

    from gatewise.distributed.worker import score

    attempts = Counter[str]()
    with progress_bar(len(parts), progress, "predicting") as advance:
        futures = [client.submit(score, *common, part, pure=False) for part in parts]
        named = {future.key: part for future, part in zip(futures, parts, strict=True)}
        waiting: Any = as_completed(futures, loop=client.loop)  # type: ignore[no-untyped-call, unused-ignore]
        del futures  # a part's result and its error are forgotten as it is done
        for future in waiting:
            part = named.pop(future.key)
            outcome = _outcome(future)
            if outcome is None and attempts[part.name] + 1 < ATTEMPTS:
                attempts[part.name] += 1
                again = client.submit(score, *common, part, pure=False)
                named[again.key] = part
                waiting.add(again)
                continue
            advance(part.name)
            yield part.name, outcome or Outcome("failed", problem=LOST)


def _outcome(future: Any) -> Outcome | None:
    """Return what became of a part; None if its workers died."""
    from distributed.scheduler import KilledWorker

    try:
        outcome: Outcome = future.result()
        return outcome
    except KilledWorker:
        return None
    except GatewiseError as error:
        return Outcome("failed", problem=str(error))
    except Exception as error:  # one part's: the others go on
        return Outcome("failed", problem=f"{type(error).__name__}: {error}")

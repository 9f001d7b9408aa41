"""From a table of sequences to a classifier or regressor: read, hold a part out, fit, measure. One flow for both."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from gatewise.errors import Array, GatewiseValueError
from gatewise.printing import listed
from gatewise.progress import stage
from gatewise.tables.checkpoints import NO_CHECKPOINTS, Checkpoints
from gatewise.tables.results import Result
from gatewise.tables.sequences import SequenceRoles, Sequences
from gatewise.tables.table import as_table, counted

if TYPE_CHECKING:
    from pandas import DataFrame

    from gatewise.comparison import Comparison
    from gatewise.limits import Limits
    from gatewise.tables.table import Source, Table
    from gatewise.training.runs import Keeping

HELD_OUT = 0.2  # share of the sequences that the score is measured on
FEWEST = 5  # sequences of which one can be held out


class Outcome(NamedTuple):
    """What differs between labels and numbers: how they are read, learned, predicted and measured.

    Attributes
    ----------
    command : str
        "classify" or "regress", as the model's file says.
    read : (table, roles, training sequences or None) -> Sequences
        All with an outcome; read in the way of the training sequences, where there are some.
    described : (sequences, roles) -> str
    fit : (sequences, seed, progress, keeping) -> model
    predicted : (model, sequences) -> DataFrame
    measured : (training sequences, held-out sequences, predictions) -> dict
        Numbers about the held-out sequences.
    compared : (those numbers, unit) -> Comparison
        The model beside the constant answers of the training sequences.
    """

    command: str
    read: Callable[[Table, SequenceRoles, Sequences | None], Sequences]
    described: Callable[[Sequences, SequenceRoles], str]
    fit: Callable[[Sequences, int, bool, Keeping], Any]
    predicted: Callable[[Any, Sequences], DataFrame]
    measured: Callable[[Sequences, Sequences, DataFrame], dict[str, Any]]
    compared: Callable[[dict[str, Any], str], Comparison]


@dataclass(frozen=True)
class SequenceResult(Result):
    """A fitted classifier or regressor, and how one like it did on held-out sequences.

    Attributes
    ----------
    model : RecurrentClassifier or RecurrentRegressor
        Fitted to the whole table.
    description : dict
        What the model's file says of the columns.
    notes : list of str
        What was read, and what was done to it.
    predictions : DataFrame
        Of the held-out sequences, one row per sequence (or per step), beside the truth.
    metrics : dict
        Errors on them, beside those of constant answers, and the verdict.
    comparison : Comparison
        The model beside these answers, as metrics, command and page show it.
    measured_model : RecurrentClassifier or RecurrentRegressor
        What the predictions come from: it never saw the held-out sequences.
    task : SequenceTask
        What was read.
    """

    predictions: DataFrame
    metrics: dict[str, Any]
    comparison: Comparison
    measured_model: Any
    task: SequenceTask


@dataclass(frozen=True)
class SequenceTask:
    """Sequences that were read from a table, split into those learned from and those held out.

    Attributes
    ----------
    outcome : Outcome
    roles : SequenceRoles
    sequences : Sequences
        All of the table.
    training, held_out : Sequences
        Parts of these; with a test table, all of these and those of the test table.
    seed : int
    notes, test_notes : list of str
        What was read, and what was done to it; of the table and of the test table.
    """

    outcome: Outcome
    roles: SequenceRoles
    sequences: Sequences
    training: Sequences
    held_out: Sequences
    seed: int
    notes: list[str]
    test_notes: list[str]

    def fit(
        self, *, refit: bool = True, progress: bool = False, checkpoints: Checkpoints = NO_CHECKPOINTS
    ) -> SequenceResult:
        """Fit, measure on the held-out sequences and, with `refit`, fit once more to everything.

        `checkpoints` keeps both fits, "held-out" and "final".
        """
        twice = refit and self.training is not self.sequences
        with stage("measuring 1/2" if twice else "training"):
            measured_model = model = self.outcome.fit(
                self.training, self.seed, progress, checkpoints.keeping("held-out")
            )
        predictions = self.outcome.predicted(measured_model, self.held_out)
        metrics = self.outcome.measured(self.training, self.held_out, predictions)
        comparison = self.outcome.compared(metrics, self.sequences.unit or "")
        metrics |= {"best_simple": comparison.best, "worth_it": comparison.worth_it, "verdict": comparison.verdict}
        if twice:
            with stage("final fit 2/2"):
                model = self.outcome.fit(self.sequences, self.seed, progress, checkpoints.keeping("final"))
        notes = [*self.notes, *self.test_notes]
        return SequenceResult(model, self.description, notes, predictions, metrics, comparison, measured_model, self)

    @property
    def description(self) -> dict[str, Any]:
        """What the model's file says of its columns, for `predict`."""
        columns = [column._asdict() for column in self.sequences.columns]
        return {"command": self.outcome.command, "roles": self.roles._asdict(), "columns": columns}


def read_sequence_task(
    outcome: Outcome,
    table: Source,
    roles: SequenceRoles,
    test: Source | None = None,
    seed: int = 0,
    limits: Limits | None = None,
) -> SequenceTask:
    """Read the sequences of a table, and hold some out; nothing is trained yet.

    Parameters
    ----------
    outcome : Outcome
        `CLASSIFICATION` or `REGRESSION`.
    table : path, DataFrame or Table
    roles : SequenceRoles
        Which column is what.
    test : path, DataFrame or Table, optional
        Held-out sequences; without it a fifth of those of the table.
    seed : int
        Of the split, and later of starting weights and order.
    limits : Limits, optional
        How large a table may be; the usual ones if None.

    Returns
    -------
    SequenceTask

    Raises
    ------
    GatewiseError
        If a column cannot be used, or there are too few sequences: with the line.
    """
    table = as_table(table, limits)
    sequences = outcome.read(table, roles, None)
    notes = table.summary(_described(sequences, outcome.described(sequences, roles)))
    if test is None:
        train, held_out = (sequences.subset(rows) for rows in _split(len(sequences.names), seed, sequences.labels))
        return SequenceTask(outcome, roles, sequences, train, held_out, seed, notes, [])
    test_table = as_table(test, limits)
    held_out = outcome.read(test_table, roles, sequences)
    test_notes = test_table.summary([f"{len(held_out.names):,} sequences"])
    return SequenceTask(outcome, roles, sequences, sequences, held_out, seed, notes, test_notes)


def _described(sequences: Sequences, outcome: str) -> list[str]:
    lengths = [len(x) for x in sequences.X]
    least = "" if min(lengths) == max(lengths) else f"{min(lengths):,} to "
    size = f"{counted(len(lengths), 'sequence')} of {least}{counted(max(lengths), 'step')}"
    return [size, outcome, listed(sequences.columns)]


def _split(count: int, seed: int, strata: Array | None = None) -> tuple[Array, Array]:
    """Return which sequences are learned from and which are held out, of each label its share where it can be."""
    from sklearn.model_selection import train_test_split

    if count < FEWEST:
        raise GatewiseValueError(f"{count} sequences are too few to hold some out; need 5, or a table for --test.")
    rows, size = np.arange(count), max(1, round(HELD_OUT * count))
    try:
        train, held_out = train_test_split(rows, test_size=size, random_state=seed, stratify=strata)
    except ValueError:  # fewer held out than labels, or a label that occurs once
        train, held_out = train_test_split(rows, test_size=size, random_state=seed)
    return np.sort(train), np.sort(held_out)

"""`gatewise classify`: a long table of labeled sequences in, a classifier and its score out."""

from __future__ import annotations

import time as clock
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gatewise.cli import checkpoints, options, output, sequences

if TYPE_CHECKING:
    from gatewise.tables import SequenceResult

EPILOG = """\b
Example:
  gatewise classify train.csv --label activity --sequence recording \\
    --time seconds --test test.csv

Without --test a fifth of the sequences is held out to measure the score, then the model is trained on all."""


PAIRS = 5  # of labels that are listed where the matrix is too wide


@click.command(epilog=EPILOG)
@click.argument("train", type=options.FILE)
@click.option("--label", metavar="COL", help="Column of labels, one for each sequence.")
@options.sequence_options
def command(
    train: str,
    label: str | None,
    sequence: str,
    time: str | None,
    features: tuple[str, ...],
    time_format: str | None,
    test: str | None,
    seed: int,
    checkpoint: Path | None,
    every: int | str | None,
    resume: bool,
    **common: Any,
) -> None:
    """Learn to classify the sequences of a table.

    TRAIN is a CSV or Parquet ("-": stdin), one row per time step. Prints the share of held-out sequences it gets
    right, beside that of always giving the most frequent label, and the confusion matrix. With --out:
    model.safetensors, predictions.csv (of the held-out sequences), metrics.json and report.html. With --checkpoint, a
    command that was stopped goes on with --resume.
    """
    from gatewise import tables

    started = clock.perf_counter()
    kept = checkpoints.folder(checkpoint, every, resume)
    table = tables.read_table(train)
    options.require(table, label=label, sequence=sequence)
    features = options.column_names(table, features)
    roles = tables.SequenceRoles(sequence, time, label, features, time_format)
    task = tables.read_sequence_task(tables.CLASSIFICATION, table, roles, test, seed)
    sequences.learn(task, _answer, started=started, kept=kept, **common)


def _answer(result: SequenceResult) -> list[str]:
    """Return the confusion matrix; where it is wider than the terminal, the labels confused most often."""
    from gatewise.printing import text_table

    classes, confusion = result.metrics["classes"], result.metrics["confusion"]
    rows = [[name, *counts] for name, counts in zip(classes, confusion, strict=True)]
    table = text_table(["label \\ predicted", *classes], rows, range(1, len(classes) + 1))
    columns = output.width()
    fits = columns is None or max(map(len, table.splitlines())) <= columns
    return [table] if fits else _confused(classes, confusion)


def _confused(classes: list[str], confusion: list[list[int]]) -> list[str]:
    """Return a line on the pairs of labels that were confused most often, if any were."""
    pairs = [
        (count, label, predicted)
        for label, counts in zip(classes, confusion, strict=True)
        for predicted, count in zip(classes, counts, strict=True)
        if count and predicted != label
    ]
    pairs.sort(key=lambda pair: -pair[0])
    listed = "; ".join(f"{label} predicted as {predicted} {count:,} ×" for count, label, predicted in pairs[:PAIRS])
    return [output.paragraph(f"most often confused: {listed}")] if listed else []

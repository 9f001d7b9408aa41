"""`gatewise regress`: a long table of sequences and a number for each, or for each step; a regressor out."""

from __future__ import annotations

import time as clock
from pathlib import Path
from typing import Any

import click

from gatewise.cli import checkpoints, options, sequences

EPILOG = """\b
Example:
  gatewise regress pulses.csv --target pressure --sequence patient \\
    --time seconds

A target that is constant within every sequence is learned as one number per sequence, else as one per step. Without
--test
a fifth of the sequences is held out to measure the error, then the model is trained on all."""


@click.command(epilog=EPILOG)
@click.argument("train", type=options.FILE)
@click.option("--target", metavar="COL", help="Column of numbers to predict.")
@options.sequence_options
def command(
    train: str,
    target: str | None,
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
    """Learn to predict numbers from the sequences of a table.

    TRAIN is a CSV or Parquet ("-": stdin), one row per time step. Prints the error on held-out sequences beside those
    of always giving the mean or the median. With --out: model.safetensors, predictions.csv (of the held-out sequences),
    metrics.json and report.html. With --checkpoint, a command that was stopped goes on with --resume.
    """
    from gatewise import tables

    started = clock.perf_counter()
    kept = checkpoints.folder(checkpoint, every, resume)
    table = tables.read_table(train)
    options.require(table, target=target, sequence=sequence)
    features = options.column_names(table, features)
    roles = tables.SequenceRoles(sequence, time, target, features, time_format)
    task = tables.read_sequence_task(tables.REGRESSION, table, roles, test, seed)
    sequences.learn(task, started=started, kept=kept, **common)

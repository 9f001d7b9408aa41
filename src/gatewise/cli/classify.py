"""`gatewise classify`: a long table of labeled sequences in, a classifier and its score out."""

from __future__ import annotations

import time as clock
from typing import Any

import click

from gatewise.cli import options, sequences

EPILOG = """Example: gatewise classify train.csv --label activity --sequence recording --time seconds --test test.csv

Without --test a fifth of the sequences is held out to measure the score, then the model is trained on all."""


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
    **common: Any,
) -> None:
    """Learn to classify the sequences of a table.

    TRAIN is a CSV or Parquet ("-": stdin), one row a time step. Prints the share of held-out sequences it gets
    right, beside that of always saying the most frequent label, and who is taken for whom. With --out:
    model.safetensors, predictions.csv (of the held-out sequences), metrics.json and report.html.
    """
    from gatewise import tables

    started = clock.perf_counter()
    table = tables.read_table(train)
    options.require(table, label=label, sequence=sequence)
    features = options.column_names(table, features)
    roles = tables.SequenceRoles(sequence, time, label, features, time_format)
    sequences.learn(tables.CLASSIFICATION, table, roles, _answer, started=started, **common)


def _answer(metrics: dict[str, Any]) -> list[str]:
    return [_verdict(metrics), _confusion_table(metrics)]


def _verdict(metrics: dict[str, Any]) -> str:
    return (
        f"held out, {metrics['sequences']['held_out']:,} sequences: {metrics['accuracy']:.1%} right beside "
        f"{metrics['baseline_accuracy']:.1%} of always saying {metrics['most_frequent']!r}; "
        f"mean over labels {metrics['balanced_accuracy']:.1%}"
    )


def _confusion_table(metrics: dict[str, Any]) -> str:
    from gatewise.printing import text_table

    classes = metrics["classes"]
    rows = [[name, *counts] for name, counts in zip(classes, metrics["confusion"], strict=True)]
    return text_table(["label \\ predicted", *classes], rows, range(1, len(classes) + 1))

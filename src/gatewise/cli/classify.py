"""`gatewise classify`: a long table of labeled sequences in, a classifier and its score out."""

from __future__ import annotations

import time as clock
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from gatewise.cli import sequences, tables
from gatewise.errors import Array, GatewiseValueError

if TYPE_CHECKING:
    from pandas import DataFrame

    from gatewise.estimators import RecurrentClassifier
    from gatewise.tables import Recordings, StepRoles, Table

EPILOG = """Example: gatewise classify train.csv --label activity --sequence recording --time seconds --test test.csv

Without --test a fifth of the sequences is held out to measure the score, then the model is trained on all."""


@click.command(epilog=EPILOG)
@click.argument("train", type=tables.FILE)
@click.option("--label", metavar="COL", help="Column of labels, one for each sequence.")
@sequences.options
def command(
    train: str,
    label: str | None,
    sequence: str | None,
    time: str | None,
    features: tuple[str, ...],
    test: str | None,
    time_format: str | None,
    out: Path | None,
    seed: int,
    as_json: bool,
    quiet: bool,
) -> None:
    """Learn to classify the sequences of a table.

    TRAIN is a CSV or Parquet ("-": stdin), one row a time step. Prints the share of held-out sequences it gets
    right, beside that of always saying the most frequent label, and who is taken for whom. With --out:
    model.safetensors, predictions.csv (of the held-out sequences), metrics.json and report.html.
    """
    from gatewise.tables import StepRoles, read_table

    started = clock.perf_counter()
    table = read_table(train)
    tables.need(table, label=label, sequence=sequence)
    assert sequence is not None
    roles = StepRoles(sequence, time, label, features, time_format)
    found = _read(table, roles)
    classes = np.unique(found.labels.astype(str)).tolist()  # type: ignore[union-attr]
    if len(classes) < 2:
        table.refuse(label, f"every sequence is {classes[0]!r}; need at least two labels.")
    lines = tables.said(table, sequences.described(found, f"{len(classes)} labels"))
    tables.say(quiet, *lines)
    tables.make_folder(out)
    learn, held_out, more = _parts(found, test, roles, seed)
    assert held_out.labels is not None
    tables.say(quiet, *more)
    model = _fit(learn, seed, quiet)
    predictions = predicted(model, held_out)
    metrics = _metrics(learn, held_out, predictions["predicted"].to_numpy())
    page = tables.page(
        out,
        quiet,
        model,
        held_out.X,
        held_out.labels.astype(str),
        title=f"{label} of {sequence}",
        facts=sequences.facts(lines),
    )
    if test is None and out is not None:
        model = _fit(found, seed, quiet)
    metrics |= {"seconds": clock.perf_counter() - started, "seed": seed}
    info = sequences.described_model("classify", roles, found)
    files = tables.result_files("predictions", predictions, metrics) | page
    written = tables.write_results(out, model, info, files)
    if as_json:
        click.echo(tables.as_json({**metrics, "notes": [*lines, *more], "files": written}))
    else:
        click.echo("\n\n".join([_verdict(metrics), _confusion_table(metrics), *tables.listing(written)]))


def predicted(model: RecurrentClassifier, found: Recordings) -> DataFrame:
    """Return one row a sequence: its name, its label if known, the predicted one, and a probability for each."""
    import pandas as pd

    odds = model.predict_proba(found.X)
    columns: dict[str, Any] = {"sequence": found.names}
    if found.labels is not None:
        columns["label"] = found.labels
    columns["predicted"] = np.asarray(model.classes_)[np.argmax(odds, axis=1)]
    columns |= {f"p({name})": odds[:, k] for k, name in enumerate(model.classes_)}
    return pd.DataFrame(columns)


def _read(table: Table, roles: StepRoles, columns: Any = None) -> Recordings:
    from gatewise.tables import labeled, read_recordings, with_labels

    found = labeled(table, with_labels(table, roles, read_recordings(table, roles, columns)))
    if not len(found.names):
        table.refuse(roles.outcome, "no sequence has a label; need at least two labels.")
    return found


def _parts(
    found: Recordings, test: str | None, roles: StepRoles, seed: int
) -> tuple[Recordings, Recordings, list[str]]:
    """Return what is learned from, what is held out, and what is to be said of it."""
    from gatewise.tables import read_table

    if test is not None:
        table = read_table(test)
        held_out = _read(table, roles, found.columns)
        unseen = sorted({str(label) for label in held_out.labels} - {str(label) for label in found.labels})  # type: ignore[union-attr]
        if unseen:
            table.notes.append(f"labels that training never saw, and so never right: {', '.join(unseen)}")
        return found, held_out, tables.said(table, [f"{len(held_out.names):,} sequences"])
    kept, out = sequences.split(len(found.names), seed, found.labels)
    return found.subset(kept), found.subset(out), []


def _fit(found: Recordings, seed: int, quiet: bool) -> RecurrentClassifier:
    from gatewise.estimators import RecurrentClassifier

    assert found.labels is not None
    labels = found.labels.astype(str)
    if len(np.unique(labels)) < 2:
        raise GatewiseValueError("only one label is left to learn from; need sequences of two labels at least.")
    return RecurrentClassifier(random_state=seed, verbose=not quiet).fit(found.X, labels)


def _metrics(learn: Recordings, held_out: Recordings, guess: Array) -> dict[str, Any]:
    from sklearn.metrics import accuracy_score, confusion_matrix

    assert learn.labels is not None
    assert held_out.labels is not None
    truth = held_out.labels.astype(str)
    names, counts = np.unique(learn.labels.astype(str), return_counts=True)
    usual = str(names[np.argmax(counts)])
    classes = sorted({*map(str, names), *map(str, truth)})
    return {
        "sequences": {"train": len(learn.names), "held_out": len(truth)},
        "accuracy": accuracy_score(truth, guess),
        "balanced_accuracy": float(np.mean([np.mean(guess[truth == name] == name) for name in np.unique(truth)])),
        "baseline_accuracy": float(np.mean(truth == usual)),
        "most_frequent": usual,
        "classes": classes,
        "confusion": confusion_matrix(truth, guess, labels=classes).tolist(),
    }


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

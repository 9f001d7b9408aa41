"""`gatewise regress`: a long table of sequences and a number for each, or for each step; a regressor out."""

from __future__ import annotations

import time as clock
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from gatewise.cli import sequences, tables
from gatewise.errors import Array

if TYPE_CHECKING:
    from pandas import DataFrame

    from gatewise.estimators import RecurrentRegressor
    from gatewise.tables import Recordings, StepRoles, Table

EPILOG = """Example: gatewise regress pulses.csv --target pressure --sequence patient --time seconds

A target that is constant within every sequence is learned as one number a sequence, else as one a step. Without --test
a fifth of the sequences is held out to measure the error, then the model is trained on all."""


@click.command(epilog=EPILOG)
@click.argument("train", type=tables.FILE)
@click.option("--target", metavar="COL", help="Column of numbers to predict.")
@sequences.options
def command(
    train: str,
    target: str | None,
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
    """Learn to predict numbers from the sequences of a table.

    TRAIN is a CSV or Parquet ("-": stdin), one row a time step. Prints the error on held-out sequences beside that
    of always giving the mean. With --out: model.safetensors, predictions.csv (of the held-out sequences),
    metrics.json and report.html.
    """
    from gatewise.tables import StepRoles, read_table

    started = clock.perf_counter()
    table = read_table(train)
    tables.need(table, target=target, sequence=sequence)
    assert sequence is not None
    roles = StepRoles(sequence, time, target, features, time_format)
    found = _read(table, roles)
    kind = "changes within sequences: one number a step" if found.per_step else "one number a sequence"
    lines = tables.said(table, sequences.described(found, f"{target} {kind}"))
    tables.say(quiet, *lines)
    tables.make_folder(out)
    learn, held_out, more = _parts(found, test, roles, seed)
    tables.say(quiet, *more)
    model = _fit(learn, seed, quiet)
    predictions = predicted(model, held_out)
    metrics = _metrics(learn, held_out, predictions)
    page = tables.page(
        out, quiet, model, held_out.X, held_out.targets, title=f"{target} of {sequence}", facts=sequences.facts(lines)
    )
    if test is None and out is not None:
        model = _fit(found, seed, quiet)
    metrics |= {"seconds": clock.perf_counter() - started, "seed": seed}
    info = sequences.described_model("regress", roles, found)
    files = tables.result_files("predictions", predictions, metrics) | page
    written = tables.write_results(out, model, info, files)
    if as_json:
        click.echo(tables.as_json({**metrics, "notes": [*lines, *more], "files": written}))
    else:
        click.echo("\n\n".join([_verdict(metrics), *tables.listing(written)]))


def predicted(model: RecurrentRegressor, found: Recordings) -> DataFrame:
    """Return one row a sequence or, of a model that predicts each step, one a step numbered from 1."""
    import pandas as pd

    guess = model.predict(found.X)
    if model.output == "last":
        known = {} if found.targets is None else {"target": found.targets}
        return pd.DataFrame({"sequence": found.names, **known, "predicted": guess})
    lengths = [len(x) for x in found.X]
    steps = np.concatenate([np.arange(1, length + 1) for length in lengths])
    known = {} if found.targets is None else {"target": np.concatenate(found.targets)}
    columns = {"sequence": np.repeat(found.names, lengths), "step": steps, **known}
    return pd.DataFrame({**columns, "predicted": np.concatenate(guess)})


def _read(table: Table, roles: StepRoles, like: Recordings | None = None) -> Recordings:
    from gatewise.tables import labeled, read_recordings, with_targets

    columns, per_step = (None, None) if like is None else (like.columns, like.per_step)
    found = labeled(table, with_targets(table, roles, read_recordings(table, roles, columns), per_step))
    if not len(found.names):
        table.refuse(roles.outcome, "no sequence has a number here; need some to learn from.")
    return found


def _parts(
    found: Recordings, test: str | None, roles: StepRoles, seed: int
) -> tuple[Recordings, Recordings, list[str]]:
    """Return what is learned from, what is held out, and what is to be said of it."""
    from gatewise.tables import read_table

    if test is not None:
        table = read_table(test)
        held_out = _read(table, roles, found)
        return found, held_out, tables.said(table, [f"{len(held_out.names):,} sequences"])
    kept, out = sequences.split(len(found.names), seed)
    return found.subset(kept), found.subset(out), []


def _fit(found: Recordings, seed: int, quiet: bool) -> RecurrentRegressor:
    from gatewise.estimators import RecurrentRegressor

    output = "all" if found.per_step else "last"
    return RecurrentRegressor(output=output, random_state=seed, verbose=not quiet).fit(found.X, found.targets)


def _metrics(learn: Recordings, held_out: Recordings, predictions: DataFrame) -> dict[str, Any]:
    known = predictions["target"].notna()
    truth, guess = (predictions.loc[known, name].to_numpy() for name in ("target", "predicted"))
    mean = float(np.nanmean(np.concatenate(learn.targets) if learn.per_step else learn.targets))
    return {
        "sequences": {"train": len(learn.names), "held_out": len(held_out.names)},
        "per_step": learn.per_step,
        **_errors(truth, guess),
        "baseline": _errors(truth, np.full(len(truth), mean)),
    }


def _errors(truth: Array, guess: Array) -> dict[str, float | None]:
    from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

    r2 = float(r2_score(truth, guess)) if len(truth) > 1 else None
    mae, rmse = float(mean_absolute_error(truth, guess)), float(root_mean_squared_error(truth, guess))
    return {"mae": mae, "rmse": rmse, "r2": r2}


def _verdict(metrics: dict[str, Any]) -> str:
    r2 = "" if metrics["r2"] is None else f"; R² {metrics['r2']:.3f}"
    return (
        f"held out, {metrics['sequences']['held_out']:,} sequences: mean absolute error {metrics['mae']:.4g} beside "
        f"{metrics['baseline']['mae']:.4g} of always giving the mean{r2}"
    )

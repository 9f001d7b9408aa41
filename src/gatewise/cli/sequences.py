"""What `gatewise classify` and `gatewise regress` share: one flow, from a table of sequences to files."""

from __future__ import annotations

import time as clock
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gatewise.cli import output

if TYPE_CHECKING:
    from gatewise.tables import Outcome, SequenceResult, SequenceRoles, Table

Answer = Callable[[dict[str, Any]], list[str]]


def learn(
    outcome: Outcome,
    table: Table,
    roles: SequenceRoles,
    answer: Answer,
    *,
    started: float,
    test: str | None,
    out: Path | None,
    seed: int,
    as_json: bool,
    quiet: bool,
) -> None:
    """Learn from a table, print the paragraphs that `answer` makes of the metrics, and write the files."""
    from gatewise import tables

    task = tables.read_sequence_task(outcome, table, roles, test, seed)
    output.say(quiet, *task.notes)
    output.make_folder(out)
    output.say(quiet, *task.test_notes)
    result = task.fit(refit=out is not None, progress=not quiet)
    metrics = result.metrics | {"seconds": clock.perf_counter() - started, "seed": seed}
    files = output.result_files("predictions", result.predictions, metrics) | _page(out, quiet, result)
    written = output.write_results(out, result, files)
    if as_json:
        click.echo(output.as_json({**metrics, "notes": result.notes, "files": written}))
    else:
        click.echo("\n\n".join([*answer(metrics), *output.listing(written)]))


def _page(out: Path | None, quiet: bool, result: SequenceResult) -> dict[str, str]:
    roles, held_out = result.task.roles, result.task.held_out
    facts = {"Data": result.notes[0], "Shown": "sequences that the model of this page was not trained on"}
    title = f"{roles.outcome} of {roles.sequence}"
    return output.page(out, quiet, result.measured_model, held_out.X, held_out.outcomes, title=title, facts=facts)

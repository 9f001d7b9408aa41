"""What `gatewise classify` and `gatewise regress` share: one flow, from a table of sequences to files."""

from __future__ import annotations

import time as clock
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gatewise.cli import output

if TYPE_CHECKING:
    from gatewise.tables import SequenceResult, SequenceTask
    from gatewise.tables.checkpoints import Checkpoints

Answer = Callable[["SequenceResult"], list[str]]


def learn(
    task: SequenceTask,
    answer: Answer = lambda result: [],
    *,
    started: float,
    out: Path | None,
    kept: Checkpoints,
    as_json: bool,
    quiet: bool,
) -> None:
    """Learn from sequences, print the comparison and what `answer` adds to it, and write the files."""
    from gatewise import tables

    output.say(quiet, *task.notes)
    output.make_folder(out, "predictions")
    output.say(quiet, *task.test_notes)
    result = task.fit(refit=out is not None, progress=not quiet, checkpoints=kept)
    metrics = result.metrics | {"seconds": clock.perf_counter() - started, "seed": task.seed}
    files = output.result_files("predictions", result.predictions, metrics) | _page(out, quiet, result)
    written = output.write_results(out, result, files)
    if as_json:
        click.echo(output.as_json({**metrics, "notes": result.notes, "files": written}))
    else:
        verdict = (
            f"held out, {tables.counted(len(result.task.held_out.names), 'sequence')}: {result.comparison.verdict}"
        )
        parts = [output.comparison_table(result.comparison), *answer(result), output.paragraph(verdict)]
        click.echo("\n\n".join([*parts, *output.listing(written)]))


def _page(out: Path | None, quiet: bool, result: SequenceResult) -> dict[str, str]:
    roles, held_out = result.task.roles, result.task.held_out
    facts = {"Data": result.notes[0], "Shown": "sequences that the model of this page was not trained on"}
    title = f"{roles.outcome} of {roles.sequence}"
    words: dict[str, Any] = {"title": title, "facts": facts, "measured": result}
    return output.page(out, quiet, result.measured_model, held_out.X, held_out.outcomes, **words)

"""`gatewise check`: the gradient certificate over cells × options."""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Iterable
from itertools import groupby
from typing import Any

import click

from gatewise.cli.mistakes import Number
from gatewise.gradcheck import CONFIGURATIONS, TOLERANCE, Report, certificate
from gatewise.printing import text_table
from gatewise.progress import progress_bar

Checked = tuple[dict[str, Any], Report]


@click.command()
@click.option("--samples", default=3, show_default=True, type=Number(0), help="Elements checked in each array.")
@click.option("--seed", default=0, show_default=True, type=Number(0), help="Seed of weights, data, directions.")
@click.option("--all", "everything", is_flag=True, help="One line for each configuration.")
@click.option("--json", "as_json", is_flag=True, help="Every configuration, as JSON.")
@click.option("--quiet", is_flag=True, help="No progress bar.")
def command(samples: int, seed: int, everything: bool, as_json: bool, quiet: bool) -> None:
    """Check every hand-written gradient against central differences, in float64.

    Every cell × layers × direction × lengths × bias × initial state; every parameter, the input and the state, along a
    random direction and in single elements. Exit code 1 if any relative error is above the tolerance.
    """
    started = time.perf_counter()
    checked: list[Checked] = []
    with progress_bar(CONFIGURATIONS, not quiet, "checking") as advance:
        for options, report in certificate(samples, seed):
            checked.append((options, report))
            advance(options["cell"])
    seconds = time.perf_counter() - started
    worst = max(report.worst for _, report in checked)
    failed = [(options, report) for options, report in checked if not report.ok]
    if as_json:
        click.echo(json.dumps(_as_json(checked, worst, seconds)))
    else:
        click.echo(_full_table(checked) if everything else _summary_table(checked))
        for options, report in failed:
            click.echo(f"\nFAILS: {_described(options)}\n{report.table()}")
        click.echo(
            f"\n{len(checked) - len(failed)} of {len(checked)} configurations pass, "
            f"worst relative error {worst:.1e}, tolerance {TOLERANCE:.0e}, {seconds:.1f} s"
        )
    sys.exit(1 if failed else 0)


def _summary_table(checked: list[Checked]) -> str:
    header = ("cell", "layers", "directions", "passed", "arrays", "worst error", "in")
    names = header[:3]
    rows = []
    for key, group in groupby(checked, lambda item: tuple(item[0][name] for name in names)):
        reports = [report for _, report in group]
        worst = max((c for report in reports for c in report.checks), key=lambda c: c.worst)
        passed = f"{sum(report.ok for report in reports)} of {len(reports)}"
        arrays = sum(len(report.checks) for report in reports)
        rows.append((*key, passed, arrays, f"{worst.worst:.1e}", worst.name))
    return text_table(header, rows, right=(1, 2, 3, 4, 5))


def _full_table(checked: list[Checked]) -> str:
    header = (*checked[0][0], "worst error", "")
    rows = [(*o.values(), f"{r.worst:.1e}", "ok" if r.ok else "FAILS") for o, r in checked]
    return text_table(header, rows)


def _described(options: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in options.items())


def _as_json(checked: Iterable[Checked], worst: float, seconds: float) -> dict[str, Any]:
    return {
        "ok": all(report.ok for _, report in checked),
        "worst": _plain(worst),
        "tolerance": TOLERANCE,
        "seconds": seconds,
        "configurations": [
            {
                **options,
                "ok": report.ok,
                "worst": _plain(report.worst),
                "errors": {c.name: _plain(c.worst) for c in report.checks},
            }
            for options, report in checked
        ],
    }


def _plain(error: float) -> float | None:
    """JSON has no infinity."""
    return error if math.isfinite(error) else None

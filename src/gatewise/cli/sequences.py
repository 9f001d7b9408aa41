"""What `gatewise classify` and `gatewise regress` share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from gatewise.cli import tables
from gatewise.errors import Array, GatewiseValueError

if TYPE_CHECKING:
    from gatewise.tables import Recordings, StepRoles

HELD_OUT = 0.2


def options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of both commands."""
    added = (
        click.option("--sequence", metavar="COL", help="Column that tells sequences apart."),
        click.option("--time", metavar="COL", help="Column that orders the steps of a sequence. Default: the file."),
        click.option(
            "--features", metavar="COL,…", multiple=True, callback=tables.names, help="Columns to use. Default: all."
        ),
        click.option("--test", type=tables.FILE, help="Measure the score on this table."),
        tables.time_format_option,
        tables.out_option,
        tables.seed_option,
        tables.json_option,
        tables.quiet_option,
    )
    for option in reversed(added):
        command = option(command)
    return command


def described(found: Recordings, outcome: str) -> list[str]:
    """Say what was read."""
    from gatewise.tables import counted, listed

    lengths = [len(x) for x in found.X]
    least = "" if min(lengths) == max(lengths) else f"{min(lengths):,} to "
    size = f"{counted(len(lengths), 'sequence')} of {least}{counted(max(lengths), 'step')}"
    return [size, outcome, listed(found.columns)]


def split(count: int, seed: int, strata: Array | None = None) -> tuple[Array, Array]:
    """Return which sequences are learned from and which are held out, of each label its share where it can be."""
    from sklearn.model_selection import train_test_split

    if count < 5:
        raise GatewiseValueError(f"{count} sequences are too few to hold some out; need 5, or a table for --test.")
    rows, size = np.arange(count), max(1, round(HELD_OUT * count))
    try:
        kept, out = train_test_split(rows, test_size=size, random_state=seed, stratify=strata)
    except ValueError:  # fewer held out than labels, or a label that occurs once
        kept, out = train_test_split(rows, test_size=size, random_state=seed)
    return np.sort(kept), np.sort(out)


def facts(lines: Sequence[str]) -> dict[str, str]:
    """What the page says of the data."""
    return {"Data": lines[0], "Shown": "sequences that the model of this page was not trained on"}


def described_model(command: str, roles: StepRoles, found: Recordings) -> dict[str, Any]:
    """What the model's file says of its columns, for `gatewise predict`."""
    columns = [column._asdict() for column in found.columns]
    return {"command": command, "roles": roles._asdict(), "columns": columns}

"""Options that commands share, and groups of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gatewise.cli import checkpoints
from gatewise.cli.mistakes import DataPath, ModelPath, Number
from gatewise.errors import GatewiseValueError

if TYPE_CHECKING:
    from gatewise.tables import Table

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

FILE = DataPath()
MODEL = ModelPath()
COUNT = Number(1)
PERCENT = Number(1, 99, whole=False, name="PERCENT")
SEED = Number(0)


def column_names(table: Table, values: tuple[str, ...]) -> tuple[str, ...]:
    """Split repeated options at commas, but for what is the name of a column as it stands."""
    parts = [[value] if value in table.names else value.split(",") for value in values]
    return tuple(dict.fromkeys(name.strip() for names in parts for name in names if name.strip()))


def require(table: Table, **options: Any) -> None:
    """Raise for an option without which the command cannot know its columns; the message lists them."""
    from gatewise.tables import listed

    for name, value in options.items():
        if not value:
            raise GatewiseValueError(f"pass --{name} COLUMN; the columns of {table.source} are {listed(table.names)}.")


def _together(*options: Decorator) -> Decorator:
    """Return one decorator that adds options in this order."""

    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            command = option(command)
        return command

    return add


def _column(option: str, help: str, metavar: str = "COL") -> Decorator:
    """Return an option for the name of a column."""
    return click.option(option, metavar=metavar, help=help)


def _columns(*option: str, help: str, metavar: str = "COL") -> Decorator:
    """Return an option for the names of columns, repeated or with commas."""
    return click.option(*option, metavar=metavar, multiple=True, help=help)


seed_option: Decorator = click.option(
    "--seed", default=0, show_default=True, type=SEED, help="Seed of starting weights and order."
)
json_option: Decorator = click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
quiet_option: Decorator = click.option("--quiet", is_flag=True, help="Nothing on stderr but errors.")
out_option: Decorator = click.option(
    "--out", metavar="FOLDER", type=click.Path(path_type=Path), help="Folder to write to."
)
time_format_option: Decorator = click.option(
    "--time-format", metavar="FORMAT", help="Of the times, as %d.%m.%Y %H:%M; detected without it."
)
header_option: Decorator = click.option(
    "--header/--no-header", default=None, help="Whether line 1 holds names; detected without it."
)
training_options = _together(
    time_format_option,
    out_option,
    checkpoints.checkpoint_option,
    checkpoints.resume_option,
    seed_option,
    json_option,
    quiet_option,
)
series_options = _together(
    _column("--time", "Column of times, or several as year,quarter. Default: the one there is, or the file's order."),
    _columns("--target", "targets", help="Column to forecast. Default: the one of numbers."),
    _column("--series", "Column that tells several series apart."),
    click.option(
        "--horizon",
        type=COUNT,
        help="Steps ahead. Default: by the step (24 hours, 7 days, …), a quarter of the series at most.",
    ),
    click.option("--season", type=COUNT, help="Steps in a season. Default: by the step; a week, a year, …"),
    _columns("--known", help="Column known ahead."),
    _columns("--past", help="Column known up to now."),
    _columns("--static", help="Column constant in a series."),
    click.option("--level", default=80.0, show_default=True, type=PERCENT, help="Of the interval, in %."),
    click.option(
        "--backtest/--no-backtest", default=True, help="Forecast a held-out tail first, to measure the error."
    ),
    click.option("--wide", is_flag=True, help="Months, quarters or years stand side by side."),
    click.option(
        "--every",
        type=checkpoints.PeriodOrInterval(),
        multiple=True,
        help="Gather rows first, by minute, hour, day, week, month, quarter or year. With --checkpoint, a number or a "
        "time: epochs between two writes, or 5min.",
    ),
    click.option("--sum", "aggregate", flag_value="sum", help="With --every: sum them."),
    click.option("--mean", "aggregate", flag_value="mean", help="With --every: average them."),
    click.option("--file-order", "in_order", is_flag=True, help="Rows are steps, in their order."),
    header_option,
    training_options,
)
sequence_options = _together(
    _column("--sequence", "Column that tells sequences apart."),
    _column("--time", "Column that orders the steps of a sequence. Default: the file."),
    _columns("--features", help="Columns to use. Default: all.", metavar="COL,…"),
    click.option("--test", metavar="FILE", type=FILE, help="Measure the score on this table."),
    checkpoints.every_option,
    training_options,
)

"""What the commands over tables share: options, what is said on stderr, and results written at the end."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gatewise.errors import GatewiseValueError
from gatewise.storage import save, write_whole

if TYPE_CHECKING:
    from pandas import DataFrame

    from gatewise.tables import Table

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

FILE = click.Path(allow_dash=True)
seed_option: Decorator = click.option(
    "--seed", default=0, show_default=True, type=click.IntRange(0), help="Seed of starting weights and order."
)
json_option: Decorator = click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
quiet_option: Decorator = click.option("--quiet", is_flag=True, help="Nothing on stderr but errors.")
out_option: Decorator = click.option("--out", type=click.Path(path_type=Path), help="Folder to write to.")
time_format_option: Decorator = click.option(
    "--time-format", metavar="FORMAT", help="Of the times, as %d.%m.%Y %H:%M; found out without it."
)


def names(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    """Split repeated options at commas."""
    return tuple(dict.fromkeys(name.strip() for value in values for name in value.split(",") if name.strip()))


def need(table: Table, **options: Any) -> None:
    """Raise for an option without which the command cannot know its columns; the message lists them."""
    from gatewise.tables import listed

    for name, value in options.items():
        if not value:
            raise GatewiseValueError(f"pass --{name} COLUMN; the columns of {table.source} are {listed(table.names)}.")


def say(quiet: bool, *lines: str) -> None:
    """Print lines on stderr."""
    for line in lines:
        if not quiet:
            click.echo(line, err=True)


def said(table: Table, parts: Sequence[str]) -> list[str]:
    """Return what was read as one line, and what was done to it as another."""
    from gatewise.tables import counted

    size = f"read {counted(len(table), 'row')} × {counted(len(table.names), 'column')} of {table.source}"
    notes = list(dict.fromkeys(table.notes))
    return ["; ".join([size, *parts]), *(["note: " + "; ".join(notes)] if notes else [])]


def make_folder(out: Path | None) -> None:
    """Make the folder of results before any work is done."""
    if out is None:
        return
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise GatewiseValueError(f"--out {out}: cannot make this folder ({error.strerror}).") from error


def result_files(name: str, frame: DataFrame, metrics: Mapping[str, Any]) -> dict[str, str]:
    """Return a frame of results and the metrics by the names of their files."""
    return {f"{name}.csv": frame.to_csv(index=False), "metrics.json": as_json(metrics) + "\n"}


def write_results(out: Path | None, model: Any, info: Mapping[str, Any], files: Mapping[str, str]) -> list[str]:
    """Write the model and the other files, each whole, once everything is there; return their names."""
    if out is None:
        return []
    save(model, out / "model.safetensors", info=info)
    for name, content in files.items():
        write_whole(out / name, content.encode())
    return [str(out / name) for name in ("model.safetensors", *files)]


def listing(written: Sequence[str]) -> list[str]:
    """Return the files as a paragraph of their own, if there are any."""
    return ["\n".join(written)] if written else []


def page(out: Path | None, quiet: bool, model: Any, *data: Any, **words: Any) -> dict[str, str]:
    """Return the page of a model and its data by its file name; nothing, and say so, where it cannot be made.

    `words` are further arguments of `gatewise.report`.
    """
    if out is None:
        return {}
    from gatewise import pages

    try:
        pages.require()
        return {"report.html": pages.report(model, *data, **words)}
    except Exception as error:  # a finished training is worth more than its page
        say(quiet, f"no report.html: {error}")
        return {}


def plain(value: Any) -> Any:
    """Return nested results with Python's own numbers, None for those that JSON lacks."""
    if isinstance(value, Mapping):
        return {str(key): plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    value = value.item() if hasattr(value, "item") else value
    return None if isinstance(value, float) and not math.isfinite(value) else value


def as_json(value: Any) -> str:
    """Return results as JSON text on one line."""
    return json.dumps(plain(value), ensure_ascii=False)


def rows(frame: DataFrame) -> list[dict[str, Any]]:
    """Return a frame as JSON-able rows."""
    found: list[dict[str, Any]] = plain(_dates_as_text(frame).to_dict("records"))
    return found


def shown(frame: DataFrame) -> str:
    """Return a frame as a table of text."""
    from gatewise.printing import text_table

    frame = _dates_as_text(frame)
    right = [k for k, kind in enumerate(frame.dtypes) if kind.kind in "if"]
    cells = [
        [f"{cell:.6g}" if k in right else str(cell) for k, cell in enumerate(row)]
        for row in frame.itertuples(index=False)
    ]
    return text_table([str(name) for name in frame.columns], cells, right)


def _dates_as_text(frame: DataFrame) -> DataFrame:
    """Return a frame with its times as text, days without their midnights."""
    changed: dict[str, Any] = {}
    for name in frame.select_dtypes("datetime"):
        times = frame[name]
        days = bool((times == times.dt.normalize()).all())
        changed[str(name)] = times.dt.strftime("%Y-%m-%d") if days else times.astype(str)
    return frame.assign(**changed)

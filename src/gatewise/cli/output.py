"""What commands print and write: lines on stderr, results on stdout, and files once everything is there."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gatewise.errors import GatewiseValueError
from gatewise.files import write_whole

if TYPE_CHECKING:
    from pandas import DataFrame

    from gatewise.tables import Result


def say(quiet: bool, *lines: str) -> None:
    """Print lines on stderr."""
    for line in lines:
        if not quiet:
            click.echo(line, err=True)


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


def write_results(out: Path | None, result: Result, files: Mapping[str, str]) -> list[str]:
    """Write the model and the other files, each whole, once everything is there; return their names."""
    if out is None:
        return []
    result.save(out / "model.safetensors")
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
    records: list[dict[str, Any]] = plain(_dates_as_text(frame).to_dict("records"))
    return records


def frame_table(frame: DataFrame) -> str:
    """Return a frame as a table of text."""
    from gatewise.printing import text_table

    frame = _dates_as_text(frame)
    right = [k for k, kind in enumerate(frame.dtypes) if kind.kind in "if"]
    cells = [
        [f"{cell:.6g}" if isinstance(cell, float) else str(cell) for cell in row]
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

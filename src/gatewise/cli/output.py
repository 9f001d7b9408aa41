"""What commands print and write: lines on stderr, results on stdout, and files once everything is there."""

from __future__ import annotations

import json
import math
import shutil
import sys
import textwrap
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from gatewise.errors import GatewiseValueError
from gatewise.spreadsheets import to_csv
from gatewise.storage import check_places, write_together

if TYPE_CHECKING:
    from pandas import DataFrame

    from gatewise.comparison import Comparison
    from gatewise.tables import Result

HEADS = {
    "mae": "MAE",
    "rmse": "RMSE",
    "mase": "MASE",
    "r2": "R²",
    "accuracy": "right",
    "balanced_accuracy": "mean over labels",
    "macro_f1": "macro F1",
    "coverage": "in interval",
}
LINE = 100  # columns of a paragraph at most
MODEL, METRICS, PAGE = "model.safetensors", "metrics.json", "report.html"


def say(quiet: bool, *lines: str) -> None:
    """Print lines on stderr; nothing stops where they cannot be written."""
    for line in lines:
        if not quiet:
            with suppress(OSError):
                click.echo(paragraph(line, sys.stderr), err=True)


def make_folder(out: Path | None, name: str = "") -> None:
    """Make the folder of results before any work is done, and see that they can be written: NAME.csv and the others."""
    if out is None:
        return
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise GatewiseValueError(f"--out {out}: cannot make this folder ({error.strerror}).") from error
    check_places(out / one for one in (MODEL, METRICS, PAGE, *([f"{name}.csv"] if name else [])))


def result_files(name: str, frame: DataFrame, metrics: Mapping[str, Any]) -> dict[str, str]:
    """Return a frame of results and the metrics by the names of their files."""
    return {f"{name}.csv": to_csv(frame), METRICS: as_json(metrics) + "\n"}


def write_results(out: Path | None, result: Result, files: Mapping[str, str]) -> list[str]:
    """Write the model and the other files in one step; return their names."""
    if out is None:
        return []
    contents = {MODEL: result.to_bytes()} | {name: content.encode() for name, content in files.items()}
    write_together({out / name: content for name, content in contents.items()})
    return [str(out / name) for name in contents]


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
        return {PAGE: pages.report(model, *data, **words)}
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


def width() -> int | None:
    """Return the columns of the terminal that results go to; None where they go to a file or a pipe."""
    return shutil.get_terminal_size().columns if _is_terminal(sys.stdout) else None


def _is_terminal(stream: TextIO | None) -> bool:
    """Whether a stream is a terminal; it is None where the shell closed it."""
    return stream is not None and stream.isatty()


def paragraph(text: str, stream: TextIO | None = None) -> str:
    """Return a text broken between words at the width of the terminal it goes to, stdout by default; else as it is."""
    if not _is_terminal(stream or sys.stdout):
        return text
    columns = min(shutil.get_terminal_size().columns, LINE)
    return textwrap.fill(text, columns, break_long_words=False, break_on_hyphens=False)


def frame_table(frame: DataFrame) -> str:
    """Return a frame as a table of text; its numbers with as many decimals, in each column."""
    from gatewise.printing import column_texts, text_table

    frame = _dates_as_text(frame)
    right = [k for k, kind in enumerate(frame.dtypes) if kind.kind in "iuf"]
    numbers = column_texts({str(name): frame[name].tolist() for name in frame.select_dtypes("float")})
    columns = [numbers[name] if name in numbers else [str(cell) for cell in frame[name]] for name in frame.columns]
    return text_table([str(name) for name in frame.columns], zip(*columns, strict=True), right, width())


def comparison_table(one: Comparison) -> str:
    """Return what the model and the simple methods reached, a row each."""
    from gatewise.printing import text_table

    measures = [name for name in HEADS if any(row.get(name) is not None for row in one.measures.values())]
    columns = [one.texts(name) for name in measures]
    rows = [[one.name(method), *(texts[method] for texts in columns)] for method in one.measures]
    unit = f" in {one.unit}" if one.unit else ""
    heads = [HEADS[name] + unit * (name in ("mae", "rmse")) for name in measures]
    return text_table(["held out", *heads], rows, range(1, len(heads) + 1), width())


def _dates_as_text(frame: DataFrame) -> DataFrame:
    """Return a frame with its times as text, days without their midnights."""
    changed: dict[str, Any] = {}
    for name in frame.select_dtypes("datetime"):
        times = frame[name]
        days = bool((times == times.dt.normalize()).all())
        changed[str(name)] = times.dt.strftime("%Y-%m-%d") if days else times.astype(str)
    return frame.assign(**changed)

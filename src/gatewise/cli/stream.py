"""`gatewise stream`: rows in on stdin as they come, a prediction for each out on stdout at once."""

from __future__ import annotations

import csv
import io
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gatewise.cli import options, output
from gatewise.cli.mistakes import Number, OneOf
from gatewise.errors import GatewiseError, GatewiseValueError
from gatewise.limits import Limits
from gatewise.spreadsheets import harmless
from gatewise.storage import check_places, write_whole

if TYPE_CHECKING:
    from gatewise.tables.lines import Lines
    from gatewise.tables.streams import Answer, Stream

EPILOG = """\b
Example:
  tail -f rows.csv | gatewise stream model.safetensors --save-state last.state

Started again with --load-state last.state it goes on with the same numbers after the last row that the state has
seen; the lines of stdin then go on there too, or with --from-start begin again, and it passes over those seen."""


@click.command(epilog=EPILOG)
@click.argument("model", type=options.MODEL)
@click.option(
    "--anomalies",
    type=Number(1e-6, 0.5, whole=False, name="RATE"),
    metavar="RATE",
    help="Of a forecaster: say how unusual each value is; RATE of usual ones raise an alarm.",
)
@click.option("--save-state", metavar="FILE", type=click.Path(path_type=Path), help="Write the state here at the end.")
@click.option("--every", type=options.COUNT, metavar="N", help="With --save-state: after every N rows too.")
@click.option("--load-state", metavar="FILE", type=click.Path(path_type=Path), help="Go on from this state.")
@click.option("--from-start", is_flag=True, help="With --load-state: stdin begins again at the first row.")
@click.option(
    "--bad-rows",
    type=OneOf(["stop", "skip"]),
    default="stop",
    show_default=True,
    help="What to do at a row that cannot be used.",
)
@options.header_option
@options.json_option
@options.quiet_option
def command(
    model: Path,
    anomalies: float | None,
    save_state: Path | None,
    every: int | None,
    load_state: Path | None,
    from_start: bool,
    bad_rows: str,
    header: bool | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Predict from rows on stdin as they come.

    MODEL is a file that `gatewise forecast`, `classify` or `regress` wrote, or gatewise.save. Rows are CSV with a
    header, or JSON lines; columns are matched by name, others ignored. Each row gets one line on stdout, written at
    once: of a layer its output; of a classifier or regressor the prediction for all rows so far; of a forecaster the
    next steps after the row. Lines are CSV (of a forecast the medians), or with --json JSON (with all levels).

    A bad row is reported on stderr with its line. SIGINT and SIGTERM end the stream between two rows and save the
    state; exit code 130 or 143 then.
    """
    from gatewise.tables.lines import Lines
    from gatewise.tables.stream_state import Place
    from gatewise.tables.stream_state import load_state as restore
    from gatewise.tables.streams import open_stream

    _check_options(save_state, every, load_state, from_start)
    stream, fingerprint = open_stream(model, anomalies), _fingerprint(model)
    place = restore(stream, load_state, fingerprint) if load_state else Place(0, None)
    keeper = _Keeper(stream, fingerprint, save_state, every, place.rows)
    limits = Limits.usual()
    run = _Run(
        stream, Lines(header, place.names, limits), keeper, place.rows if from_start else 0, bad_rows == "skip", as_json
    )
    with _endings(limits.line) as ending:
        try:
            for number, line in enumerate(ending.lines(), start=1):
                run.take(number, line)
        finally:
            keeper.save(run.lines.names)
    bad = f", {run.bad:,} of them bad" if run.bad else ""
    output.say(quiet, f"{keeper.rows:,} rows seen{bad}")
    if ending.signal:
        raise click.exceptions.Exit(128 + ending.signal)


def _check_options(save_state: Path | None, every: int | None, load_state: Path | None, from_start: bool) -> None:
    if every and not save_state:
        raise GatewiseValueError("--every needs --save-state FILE: where is the state to go?")
    if save_state and not save_state.absolute().parent.is_dir():
        raise GatewiseValueError(f"--save-state {save_state}: there is no such folder; make it first.")
    check_places([save_state] if save_state else [])
    if from_start and not load_state:
        raise GatewiseValueError("--from-start needs --load-state FILE, which says how many rows to pass over.")


def _fingerprint(path: Path) -> str:
    import hashlib

    return hashlib.sha256(path.read_bytes()).hexdigest()


@dataclass
class _Keeper:
    """The state on disk: written whole, at the end and after every so many rows."""

    stream: Stream
    fingerprint: str
    path: Path | None
    every: int | None
    rows: int
    """Rows taken, bad ones included, those before a restart too."""

    def count(self, names: tuple[str, ...] | None) -> None:
        """Count a row; write the state if it is time."""
        self.rows += 1
        if self.every and self.rows % self.every == 0:
            self.save(names)

    def save(self, names: tuple[str, ...] | None) -> None:
        """Write the state, if it is asked for."""
        from gatewise.tables.stream_state import Place, state_bytes

        if self.path is not None:
            write_whole(self.path, state_bytes(self.stream, Place(self.rows, names), self.fingerprint))


@dataclass
class _Run:
    """From a line to a prediction."""

    stream: Stream
    lines: Lines
    keeper: _Keeper
    pass_over: int
    """Rows at the beginning of stdin that the state has seen."""
    skip_bad: bool
    as_json: bool
    bad: int = 0
    header: bool = field(init=False)

    def __post_init__(self) -> None:
        self.header = not self.as_json and not self.keeper.rows

    def take(self, number: int, line: bytes) -> None:
        """Take line `number` of stdin; raise, if it is bad and not to be skipped, with its number."""
        try:
            self.lines.limits.check("line", len(line), "it")
            row = self.lines.row(_text(line))
            if row is None:
                return
            if self.pass_over:
                self.pass_over -= 1
                return
            answer = self.stream.step(row)
        except GatewiseError as error:
            self._report(number, error)
            return
        self._print({"row": self.keeper.rows + 1} | answer)
        self.keeper.count(self.lines.names)  # after it: whoever goes on from here has the line of every row before

    def _report(self, number: int, error: GatewiseError) -> None:
        message = f"stdin, line {number}: {error}"
        if not self.skip_bad:
            raise type(error)(message) from error
        if self.pass_over:
            self.pass_over -= 1
            return
        self.bad += 1
        self.keeper.count(self.lines.names)
        click.echo(f"gatewise: {message} Skipped.", err=True)

    def _print(self, answer: Answer) -> None:
        if self.as_json:
            click.echo(output.as_json(answer))
            return
        cells = _cells(answer)
        if self.header:
            click.echo(_csv(list(cells)))
            self.header = False
        click.echo(_csv(list(cells.values())))


def _text(line: bytes) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError as error:
        raise GatewiseValueError(f"is no UTF-8 ({error.reason} at byte {error.start}); need text in UTF-8.") from error


def _cells(answer: Answer) -> dict[str, Any]:
    """An answer as the cells of one row: of lists the medians, one cell a step."""
    cells: dict[str, Any] = {}
    for name, value in answer.items():
        if not isinstance(value, list):
            cells[name] = value
        elif name == "median":
            cells |= {f"median_{k}": one for k, one in enumerate(value, start=1)}
    return cells


def _csv(cells: list[Any]) -> str:
    text = io.StringIO()
    safe = [harmless(cell) if isinstance(cell, str) else cell for cell in cells]
    csv.writer(text, lineterminator="").writerow(["" if cell != cell else cell for cell in safe])
    return text.getvalue()


class _Asked(BaseException):
    """A signal asks to end, while nothing but the next line is waited for."""


class _Ending:
    """SIGINT and SIGTERM end the lines between two rows."""

    def __init__(self, longest: int) -> None:
        self.longest = longest  # bytes of a line; what is longer is yielded cut
        self.signal = 0
        self._waiting = False

    def ask(self, number: int, frame: object) -> None:
        """Take a signal."""
        self.signal = number
        if self._waiting:
            raise _Asked

    def lines(self) -> Iterator[bytes]:
        """Yield the lines of stdin until its end or a signal."""
        while not self.signal:
            line = self._readline()
            if not line:
                return
            yield line
            while len(line) > self.longest and not line.endswith(b"\n"):  # the rest of a bad row
                line = self._readline()

    def _readline(self) -> bytes:
        """Return the next line, or the beginning of one that is too long; nothing at the end or a signal."""
        try:
            self._waiting = True
            line = sys.stdin.buffer.readline(self.longest + 1)
            self._waiting = False
        except _Asked:
            return b""
        return line


@contextmanager
def _endings(longest: int) -> Iterator[_Ending]:
    ending = _Ending(longest)
    if threading.current_thread() is not threading.main_thread():
        yield ending
        return
    before = {number: signal.signal(number, ending.ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield ending
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

"""`--checkpoint`, `--every` and `--resume`: where a command keeps its trainings, and how it ends early and goes on."""

from __future__ import annotations

import re
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

import click

from gatewise.errors import GatewiseValueError, TrainingInterrupted

if TYPE_CHECKING:
    from gatewise.tables.checkpoints import Checkpoints

PERIODS = ("minute", "hour", "day", "week", "month", "quarter", "year")
NEED = "a number of epochs, or a time such as 30s, 5min or 1h"


class Interval(click.ParamType):  # type: ignore[type-arg]
    """Epochs between two writes, or a time."""

    name = "N|TIME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | str:
        """Return the epochs as a number, a time as it came."""
        text = str(value).strip()
        if text.isdecimal() and int(text):
            return int(text)
        if not re.fullmatch(r"\d+(\.\d+)?\s*(s|min|h)", text):
            self.fail(f"is {text!r}; need {NEED}.", param, ctx)
        return text


class PeriodOrInterval(Interval):
    """What `--every` is where it also says by what period rows are gathered."""

    name = "PERIOD|N|TIME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | str:
        """Return a period in lower case; else as `Interval`."""
        text = str(value).strip().lower()
        if text in PERIODS:
            return text
        if not text[:1].isdigit():
            self.fail(f"is {text!r}; need {', '.join(PERIODS)}, or with --checkpoint {NEED}.", param, ctx)
        return super().convert(value, param, ctx)


def apart(every: Sequence[int | str]) -> tuple[str | None, int | str | None]:
    """Return the period and the interval among what `--every` was given."""
    periods = [str(one) for one in every if one in PERIODS]
    intervals = [one for one in every if one not in PERIODS]
    if len(periods) > 1 or len(intervals) > 1:
        raise click.UsageError("--every is given twice; need one period, and one interval of --checkpoint.")
    return next(iter(periods), None), next(iter(intervals), None)


def folder(path: Path | None, every: int | str | None, resume: bool) -> Checkpoints:
    """Return the folder of checkpoints of a command, made if it is absent, and let signals end the command well."""
    if path is None and (resume or every is not None):
        name = "--resume" if resume else "--every"
        raise click.UsageError(f"{name} needs --checkpoint FOLDER: where the trainings are kept.")
    from gatewise.tables.checkpoints import NO_CHECKPOINTS, Checkpoints

    if path is None:
        return NO_CHECKPOINTS
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise GatewiseValueError(f"--checkpoint {path}: cannot make this folder ({error.strerror}).") from error
    click.get_current_context().with_resource(_stopped_by_signals(path))
    return Checkpoints(path, 1 if every is None else every, resume)


@contextmanager
def _stopped_by_signals(path: Path) -> Iterator[None]:
    """Let SIGINT and SIGTERM end a command wherever it is; a training that is under way takes them itself."""

    def stop(number: int, frame: FrameType | None) -> NoReturn:
        raise TrainingInterrupted(number, str(path), "between two trainings")

    main = threading.current_thread() is threading.main_thread()  # others cannot take signals
    numbers = [n for n in (signal.SIGINT, signal.SIGTERM) if main and signal.getsignal(n) is not signal.SIG_IGN]
    before: dict[int, Any] = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


checkpoint_option = click.option(
    "--checkpoint",
    metavar="FOLDER",
    type=click.Path(path_type=Path),
    help="Keep the trainings in this folder as they go.",
)
every_option = click.option(
    "--every", type=Interval(), help="With --checkpoint: epochs between two writes, or a time as 5min."
)
resume_option = click.option("--resume", is_flag=True, help="With --checkpoint: go on where the command was stopped.")

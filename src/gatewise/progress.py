"""A progress bar on standard error, drawn only where somebody can see it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_STAGE: ContextVar[str] = ContextVar("stage", default="")
WIDTH = 20  # of the bar itself, in columns


@contextmanager
def stage(description: str) -> Iterator[None]:
    """Name what the bars within are part of, as in "measuring 1/2"; they vanish once they are full."""
    token = _STAGE.set(description)
    try:
        yield
    finally:
        _STAGE.reset(token)


@contextmanager
def progress_bar(total: int, enabled: bool, description: str = "training") -> Iterator[Callable[[str], None]]:
    """Yield a function that moves the bar by one of `total` steps and shows a short text beside it."""
    if not enabled:
        yield lambda text: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
    from rich.table import Column

    console = Console(stderr=True)
    together = sys.stdout.isatty()  # else what is printed meanwhile must stay on stdout
    columns = (
        TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True)),
        BarColumn(WIDTH),
        MofNCompleteColumn(),
        TextColumn("{task.fields[text]}", markup=False, table_column=Column(no_wrap=True, overflow="ellipsis")),
        TimeRemainingColumn(compact=True),
    )
    named, hidden = _STAGE.get(), not console.is_terminal
    with Progress(*columns, console=console, disable=hidden, transient=bool(named), redirect_stdout=together) as bar:
        task = bar.add_task(named or description, total=total, text="")
        yield lambda text: bar.update(task, advance=1, text=text)

"""A progress bar on standard error, drawn only where somebody can see it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def progress_bar(total: int, enabled: bool, description: str = "training") -> Iterator[Callable[[str], None]]:
    """Yield a function that moves the bar by one of `total` steps and shows a short text beside it."""
    if not enabled:
        yield lambda text: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    together = sys.stdout.isatty()  # else what is printed meanwhile must stay on stdout
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[text]}", markup=False),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal, redirect_stdout=together) as bar:
        task = bar.add_task(description, total=total, text="")
        yield lambda text: bar.update(task, advance=1, text=text)

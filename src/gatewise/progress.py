"""A progress bar where somebody can see it: on a terminal's standard error, or under the cell of a notebook."""

from __future__ import annotations

import html
import multiprocessing
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

EVERY = 0.1  # seconds between two updates of a notebook's bar
WIDTH = 30  # characters of its plain text
TERMINAL_WIDTH = 20  # columns of the bar itself on a terminal, so that all of it fits 80
_STAGE: ContextVar[str] = ContextVar("stage", default="")


@contextmanager
def stage(description: str) -> Iterator[None]:
    """Name what the bars within are part of, as in "measuring 1/2"; they vanish once they are full."""
    token = _STAGE.set(description)
    try:
        yield
    finally:
        _STAGE.reset(token)


@contextmanager
def progress_bar(total: int | None, enabled: bool, description: str = "training") -> Iterator[Callable[[str], None]]:
    """Yield a function that moves the bar by one of `total` steps and shows a short text beside it.

    Without a total, of something that may go on for ever, it shows how many steps have been made.
    """
    if not enabled:
        yield lambda text: None
        return
    if in_notebook():
        bar = NotebookBar(total, _STAGE.get() or description)
        try:
            yield bar.advance
        finally:
            bar.close()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
    from rich.table import Column

    console = Console(stderr=True)
    together = sys.stdout.isatty()  # else what is printed meanwhile must stay on stdout
    columns = (
        TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True)),
        BarColumn(TERMINAL_WIDTH),
        MofNCompleteColumn(),
        TextColumn("{task.fields[text]}", markup=False, table_column=Column(no_wrap=True, overflow="ellipsis")),
        TimeRemainingColumn(compact=True),
    )
    named, hidden = _STAGE.get(), not console.is_terminal
    with Progress(
        *columns, console=console, disable=hidden, transient=bool(named), redirect_stdout=together
    ) as terminal_bar:
        task = terminal_bar.add_task(named or description, total=total, text="")
        yield lambda text: terminal_bar.update(task, advance=1, text=text)


def in_notebook() -> bool:
    """Whether this process prints under the cells of a notebook: IPython runs behind a kernel, and not in a worker."""
    ipython: Any = sys.modules.get("IPython")
    if ipython is None or multiprocessing.parent_process() is not None:
        return False
    return getattr(ipython.get_ipython(), "kernel", None) is not None


class NotebookBar:
    """A bar that IPython shows and updates in place, without widgets: HTML, and plain text for what shows no HTML.

    Parameters
    ----------
    total : int or None
        Steps until the end, if that is known.
    description : str
        What is going on.
    show : callable, optional
        Shows an object and returns a handle whose `update` replaces it; IPython's `display` if None.
    """

    def __init__(self, total: int | None, description: str, show: Callable[[NotebookBar], Any] | None = None) -> None:
        self.total, self.description = total, description
        self.done, self.text = 0, ""
        self._began = self._shown = time.monotonic()
        self._closed = False
        self._handle: Any = (show or _display)(self)

    def advance(self, text: str) -> None:
        """Move by one step; the picture follows at most ten times a second."""
        self.done, self.text = self.done + 1, text
        if time.monotonic() - self._shown >= EVERY:
            self._shown = time.monotonic()
            self._handle.update(self)

    def close(self) -> None:
        """Show the last state, and how long it took."""
        self._closed = True
        self._handle.update(self)

    def __repr__(self) -> str:
        filled = WIDTH * self.done // max(self.total, 1) if self.total is not None else WIDTH * self._closed
        return f"{self.description} {'█' * filled}{'░' * (WIDTH - filled)} {self._words()}"

    def _repr_html_(self) -> str:
        numbers = "" if self.total is None else f' max="{self.total}" value="{self.done}"'
        bar = f'<progress{numbers} style="width:15em;vertical-align:middle"></progress>'
        description, words = html.escape(self.description), html.escape(self._words())
        return f'<div style="font-family:monospace">{description} {bar} {words}</div>'

    def _words(self) -> str:
        steps = f"{self.done}" if self.total is None else f"{self.done}/{self.total}"
        return "  ".join(filter(None, (steps, self.text, self._time())))

    def _time(self) -> str:
        elapsed = time.monotonic() - self._began
        if self._closed:
            return f"in {_clock(elapsed)}"
        if self.total is None:
            return f"for {_clock(elapsed)}"
        return f"{_clock(elapsed / self.done * (self.total - self.done))} left" if self.done else ""


def _display(bar: NotebookBar) -> Any:
    from IPython.display import display

    return display(bar, display_id=True)  # type: ignore[no-untyped-call, unused-ignore]


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"

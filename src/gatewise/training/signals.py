"""Signals while a training runs: they wait until its weights are whole, and with a checkpoint until its batch is."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, Self

_current: Watch | None = None  # the innermost of the main thread


class Watch:
    """What is done with signals inside `with`, in the main thread; in another one nothing is, for Python has no way.

    Without `on_second`, SIGINT does what it did before, but not while an update is under way: then after it. With it,
    the first SIGINT or SIGTERM only sets `received`, and the next one calls `on_second`, which raises. What
    was ignored before stays ignored, and at the end everything is as it was.

    Examples
    --------
    >>> import os
    >>> with Watch(on_second=lambda number: None) as watch:
    ...     os.kill(os.getpid(), signal.SIGTERM)
    >>> watch.received
    15
    """

    def __init__(self, on_second: Callable[[int], None] | None = None) -> None:
        self.received = 0
        """Number of the first signal, 0 before it."""
        self.at_first: Callable[[], None] | None = None
        """Called when the first signal comes, while nothing is under way that is to be finished."""
        self._on_second = on_second
        self._before: dict[int, Any] = {}
        self._holding = False
        self._waiting: list[tuple[int, FrameType | None]] = []
        self._outer: Watch | None = None

    def __enter__(self) -> Self:
        global _current
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM) if self._on_second else (signal.SIGINT,):
                before = signal.getsignal(number)
                if callable(before) or (before == signal.SIG_DFL and self._on_second):
                    self._before[number] = before
                    signal.signal(number, self._handle)
            self._outer, _current = _current, self
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        global _current
        if _current is self:
            _current = self._outer
        for number, before in self._before.items():
            if signal.getsignal(number) == self._handle:  # else somebody has set another meanwhile
                signal.signal(number, before)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._holding:
            self._waiting.append((number, frame))
        elif self._on_second is None:
            self._before[number](number, frame)
        elif self.received:
            self._on_second(number)
        else:
            self.received = number
            if self.at_first is not None:
                self.at_first()

    def hold(self) -> None:
        """Let signals wait."""
        self._holding = True

    def release(self) -> None:
        """Take the signals that waited."""
        self._holding = False
        while self._waiting:
            self._handle(*self._waiting.pop(0))


class Whole:
    """Inside `with`, a signal that a `Watch` takes waits until the end: what is changed here is never half changed."""

    def __enter__(self) -> None:
        if _current is not None and threading.get_ident() == threading.main_thread().ident:
            _current.hold()

    def __exit__(self, *error: object) -> None:
        if _current is not None and threading.get_ident() == threading.main_thread().ident:
            _current.release()


whole = Whole()
"""The one that everybody uses."""

"""Somebody else's code, held: for a limited time, silent, with random numbers that repeat, its errors its own."""

from __future__ import annotations

import contextlib
import ctypes
import io
import linecache
import os
import random
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, TypeVar

import numpy as np

from gatewise.errors import GatewiseValueError
from gatewise.examine import tensors

Result = TypeVar("Result")
HERE = os.path.dirname(os.path.abspath(__file__))


class NotUnderstoodError(GatewiseValueError):
    """What was to be examined cannot be: it fails by itself, or does not say how it is to be called."""

    depth = -1
    """How far the code had come when it stopped: of several errors the one that came furthest is shown."""


class TheirError(NotUnderstoodError):
    """An exception that the examined code raised; `cause` is it, `depth` how far the code had come."""

    def __init__(self, what: str, cause: BaseException):
        self.cause, self.frame = cause, _innermost(cause.__traceback__)
        self.depth = _depth(cause.__traceback__)
        super().__init__(f"{what} raises {type(cause).__name__}: {cause}{_at(cause.__traceback__)}")


class TimeLimitReached(BaseException):  # no Exception, so that the examined code does not swallow it
    """The examined code ran for longer than it may."""


@contextlib.contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Raise `NotUnderstoodError` in this thread if the block runs for longer than `seconds`.

    In the main thread of a POSIX system a timer interrupts it; elsewhere an exception is set on the thread by another,
    which takes effect at the next line of Python. Neither can end a call that never returns from compiled code: the
    command line, which runs the code in a process of its own, can.
    """
    main = threading.current_thread() is threading.main_thread() and hasattr(signal, "setitimer")
    try:
        with _alarm(seconds) if main else _other_thread(seconds):
            yield
    except TimeLimitReached as error:
        where = _at(error.__traceback__)
        raise NotUnderstoodError(
            f"the code ran for longer than the limit of {seconds:g} s{where}: a loop that does not end? "
            f"Give more time with time_limit=, or a smaller network."
        ) from None


@contextlib.contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    def ring(number: int, frame: Any) -> None:
        raise TimeLimitReached

    old = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds, 0.2)  # again and again: a bare except may swallow the first
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)


@contextlib.contextmanager
def _other_thread(seconds: float) -> Iterator[None]:
    raise_in = ctypes.pythonapi.PyThreadState_SetAsyncExc
    thread, done, lock = ctypes.c_ulong(threading.get_ident()), threading.Event(), threading.Lock()

    def watch() -> None:
        wait = seconds
        while not done.wait(wait):
            with lock:
                if not done.is_set():
                    raise_in(thread, ctypes.py_object(TimeLimitReached))
            wait = 0.2

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        _call_off(done, lock)


def _call_off(done: threading.Event, lock: threading.Lock) -> None:
    """Let no exception be set any more, and take in one that is set and has not come yet.

    Clearing it instead, with NULL, leaves CPython 3.11 in a state in which the next traced call never returns.
    """
    while True:
        try:
            with lock:
                done.set()
            for _ in range(1000):
                pass
            return
        except TimeLimitReached:
            continue


@contextlib.contextmanager
def held(seed: int = 0) -> Iterator[None]:
    """Seed the global random numbers, silence prints and warnings, and put everything back."""
    numpy_state, python_state = np.random.get_state(), random.getstate()  # noqa: NPY002
    np.random.seed(seed)  # noqa: NPY002
    random.seed(seed)
    out = io.StringIO()
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings(), contextlib.redirect_stdout(out), tensors.held(seed):
            warnings.simplefilter("ignore")
            yield
    finally:
        np.random.set_state(numpy_state)  # noqa: NPY002
        random.setstate(python_state)


def theirs(what: str, function: Callable[..., Result], *arguments: Any, seed: int = 0, **named: Any) -> Result:
    """Call their function; raise what it raises as `TheirError`, with the file and the line."""
    try:
        with held(seed):
            return function(*arguments, **named)
    except (Exception, SystemExit) as error:
        raise TheirError(what, error) from error


def _frames(traceback: TracebackType | None) -> Iterator[TracebackType]:
    while traceback is not None:
        name = traceback.tb_frame.f_code.co_filename
        if not (name.startswith(HERE) or "site-packages" in name or name.startswith(sys.prefix + os.sep + "lib")):
            yield traceback
        traceback = traceback.tb_next


def _innermost(traceback: TracebackType | None) -> TracebackType | None:
    frames = [frame for frame in _frames(traceback) if "<__array_function__" not in frame.tb_frame.f_code.co_filename]
    return frames[-1] if frames else None


def _depth(traceback: TracebackType | None) -> int:
    """Return how far the code came: the line in its outermost function."""
    first = next(_frames(traceback), None)
    return first.tb_lineno if first is not None else 0


def _at(traceback: TracebackType | None) -> str:
    frame = _innermost(traceback)
    if frame is None:
        return ""
    file = frame.tb_frame.f_code.co_filename
    text = linecache.getline(file, frame.tb_lineno).strip()
    return f" (line {frame.tb_lineno} of {os.path.basename(file)}{f': {text}' if text else ''})"

"""What somebody's functions hold while they run: every local array, after every line, under its own name.

From it come the reader's letters (`zt` is what we call z, because it has its value) and the line on which a value first
departs from the right one.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any, NamedTuple

import numpy as np

from gatewise.errors import Array
from gatewise.examine import tensors

SIZE = 100_000  # larger arrays are not followed


class Event(NamedTuple):
    """A local array that got a new value on a line."""

    file: str
    line: int
    function: str
    name: str
    value: Array


class Trace:
    """The events of the calls made inside `watching`, and the names of what the functions returned."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.returned: dict[int, str] = {}
        self._kept: list[Any] = []  # so that no identity is used twice

    def named(self, value: Any) -> str | None:
        """Return the local name that a returned value had."""
        return self.returned.get(id(value))


def alike(a: Array, b: Array, tolerance: float = 1e-9) -> bool:
    """Whether two arrays hold the same numbers, but for axes of length 1 and a transposition."""
    a, b = np.squeeze(a), np.squeeze(b)
    scale = max(float(np.max(np.abs(b), initial=0.0)), 1e-300)
    return any(
        a.shape == other.shape and bool(np.max(np.abs(a - other), initial=0.0) <= tolerance * scale)
        for other in ((b, b.T) if b.ndim == 2 else (b,))
    )


def watched(function: Callable[..., Any]) -> set[str]:
    """Return the files whose functions are followed: the one that `function` stands in."""
    code = getattr(getattr(function, "__func__", function), "__code__", None)
    if code is None:
        code = getattr(vars(type(function)).get("__call__"), "__code__", None)
    return {code.co_filename} if isinstance(code, CodeType) else set()


def traced(files: set[str], trace: Trace, function: Callable[[], Any]) -> Any:
    """Call `function` and record into `trace` what the functions in `files` hold."""
    before = sys.gettrace()
    seen: dict[int, dict[str, tuple[int, Array]]] = {}
    lines: dict[int, int] = {}

    def local(frame: FrameType, event: str, argument: Any) -> Any:
        _record(frame, trace, seen.setdefault(id(frame), {}), lines.get(id(frame), frame.f_lineno))
        lines[id(frame)] = frame.f_lineno
        if event == "return":
            _name(argument, frame, trace)
            seen.pop(id(frame), None)
            lines.pop(id(frame), None)
        return local

    def enter(frame: FrameType, event: str, argument: Any) -> Any:
        return local if event == "call" and frame.f_code.co_filename in files else None

    sys.settrace(enter)
    try:
        return function()
    finally:
        sys.settrace(before)


def _record(frame: FrameType, trace: Trace, seen: dict[str, tuple[int, Array]], line: int) -> None:
    for name, theirs in frame.f_locals.items():
        value = tensors.array(theirs)
        if isinstance(value, np.ndarray) and value.dtype.kind == "f" and value.size <= SIZE:
            known = seen.get(name)
            if known is None or known[0] != id(theirs) or not np.array_equal(known[1], value, equal_nan=True):
                own = value.copy()
                seen[name] = (id(theirs), own)
                trace._kept.append(theirs)
                trace.events.append(Event(frame.f_code.co_filename, line, frame.f_code.co_name, name, own))


def _name(value: Any, frame: FrameType, trace: Trace, depth: int = 0) -> None:
    """Remember under which local names the parts of a returned value were known."""
    trace._kept.append(value)
    names = [name for name, own in frame.f_locals.items() if own is value and name != "self"]
    if names:  # the outermost function names it last; of several names the one of a gradient counts
        trace.returned[id(value)] = max(names, key=lambda name: (name.startswith(("d", "g")), len(name)))
    if isinstance(value, tuple | list) and depth < 3:
        for part in value:
            _name(part, frame, trace, depth + 1)

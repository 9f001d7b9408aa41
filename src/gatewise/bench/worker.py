"""One process for one system and one number of threads: reads one request per line, answers a line of JSON.

It imports nothing of Gatewise before the system that it serves, so that the time of that import is its own.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import signal
import statistics
import sys
import time
from typing import Any, TextIO

import numpy as np

from gatewise.bench.cases import KINDS, Case, Shape, problem
from gatewise.bench.systems import Task, load, seconds_of
from gatewise.errors import GatewiseError

Reply = dict[str, Any]


def serve(system: str, threads: int, import_seconds: float) -> None:
    """Answer requests until standard input ends."""
    _end_with_parent()
    out = _private_stdout()
    desk = Desk(system, threads, import_seconds)
    for line in sys.stdin:
        request: dict[str, Any] = json.loads(line)
        try:
            reply = desk.answer(**request)
        except Exception as error:
            reply = {"error": _described(error)}
        out.write(json.dumps(reply) + "\n")
        out.flush()


def _described(error: Exception) -> str:
    kind = "" if isinstance(error, GatewiseError) else f"{type(error).__name__}: "
    return kind + " ".join(str(error).split()).rstrip(".")


def _end_with_parent() -> None:
    """Ask Linux to end this process when its parent ends: one that is stopped would not notice."""
    if sys.platform == "linux":
        set_parent_death_signal = 1
        ctypes.CDLL(None).prctl(set_parent_death_signal, int(signal.SIGKILL))


def _private_stdout() -> TextIO:
    """Keep the pipe for answers; what libraries print goes to standard error."""
    pipe = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return pipe


class Desk:
    """What a worker can be asked, one method a request."""

    def __init__(self, system: str, threads: int, import_seconds: float) -> None:
        self.system = load(system)
        self.threads = threads
        self.import_seconds = import_seconds
        self.task = Task({}, dict)

    def answer(self, do: str, case: list[Any] | None = None, **arguments: Any) -> Reply:
        """Do what a request names, with the case it is about, and return the reply."""
        if case is not None:
            cell, reset, dtype, shape, seed = case
            arguments["case"] = Case(cell, reset, dtype, Shape(*shape), seed)
        reply: Reply = getattr(self, do)(**arguments)
        return reply

    def hello(self) -> Reply:
        """Say what is installed, and how long its import took."""
        return {"versions": self.system.versions(), "import_seconds": self.import_seconds}

    def build(self, case: Case) -> Reply:
        """Make the network of a case; the one before is forgotten."""
        self.task = Task({}, dict)
        self.task = self.system.best(problem(case), self.threads)
        return {"kinds": list(self.task.calls)}

    def save(self, path: str) -> Reply:
        """Write what the network computes."""
        np.savez(path, **self.task.results())  # type: ignore[arg-type]  # the stubs take a key for allow_pickle
        return {}

    def warm(self, kind: str, seconds: float) -> Reply:
        """Call for a while, three times at least, and say how long the quickest call took."""
        call, started = self.task.calls[kind], time.perf_counter()
        times: list[float] = []
        while len(times) < 3 or time.perf_counter() - started < seconds:
            times.append(seconds_of(call))
        return {"seconds": min(times)}

    def time(self, kind: str, repetitions: int) -> Reply:
        """Return the median time of some calls, after one that is not counted."""
        call = self.task.calls[kind]
        call()
        return {"seconds": statistics.median(seconds_of(call) for _ in range(repetitions))}

    def first(self, case: Case) -> Reply:
        """Return the time of building the network and of its first call, compiling included."""
        data, started = problem(case), time.perf_counter()
        task = self.system.build(data, self.threads)
        kind = next(kind for kind in KINDS if kind in task.calls)
        task.calls[kind]()
        return {"kind": kind, "seconds": time.perf_counter() - started}

    def memory(self, case: Case) -> Reply:
        """Return the resident memory before and at the peak of training steps, in bytes.

        Before: imported, compiled, network and data in place, and two time steps trained.
        """
        short = self.system.build(problem(case.short()), self.threads).calls
        if "train" not in short:
            return {}
        short["train"]()
        train = self.system.build(problem(case), self.threads).calls["train"]
        _release()
        before, exact = resident("VmRSS"), _forget_peak()
        for _ in range(3):
            train()
        return {"before": before, "peak": resident("VmHWM"), "exact": exact}


def resident(field: str) -> int:
    """Return the resident memory of this process now (VmRSS) or at its peak (VmHWM), in bytes.

    Where there is no /proc, the peak stands for both.
    """
    try:
        with open("/proc/self/status", encoding="ascii") as file:
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith(field))
    except OSError:
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024


def _forget_peak() -> bool:
    """Let the peak start from here; Linux can, others cannot."""
    try:
        with open("/proc/self/clear_refs", "w", encoding="ascii") as file:
            file.write("5")
    except OSError:
        return False
    return True


def _release() -> None:
    """Give freed memory back to the system, where the C library knows how."""
    gc.collect()
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (AttributeError, OSError, TypeError):
        return

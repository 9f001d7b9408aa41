"""A thread beside the caller's for a part of one call's work, handed over without Python's lock.

To wake a thread takes as long as a small batch: 50 to 100 µs. So a worker stays awake for a moment after each task, in
compiled code, and looks at its mailbox; and a task that it has not begun when the caller is through with its own part
is taken back, so that nobody waits for a thread that sleeps or has no core. What is computed does not depend on who
computes it.

    mail (16,) of integers    STATE of the task; FUNCTION, the address of an entry (`entries.py`); ARGUMENTS, that of
                              the tuple it takes; RESULT, what it returned; ASLEEP, 1 if the worker is or will be
"""

# mypy: disable-error-code="no-untyped-def, no-untyped-call"
from __future__ import annotations

import atexit
import ctypes
import os
import threading
import time
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from llvmlite import ir

from gatewise.errors import FLOATS
from gatewise.errors import Array as NDArray
from gatewise.kernels.entries import POINTER, Entry, entry, flat_array
from gatewise.kernels.marks import stage
from gatewise.kernels.meeting import PATIENCE, offer_core
from gatewise.kernels.values import I64, Array, Number, current, integer
from gatewise.threads import cores

STATE, FUNCTION, ARGUMENTS, RESULT = range(4)
ASLEEP = 8  # in a cache line of its own
EMPTY, POSTED, BEGUN, DONE = range(4)  # states
# Looks at the mailbox before a worker offers its core to others, and offers before it goes to sleep: 300 µs here.
LOOKS, OFFERS = 20_000, 60
# Seconds from call to call below which it is worth its while to wake a worker for a task of less than 200 µs.
RECENT = 3e-4


def _look(array: Array, index: int) -> Number:
    """array[index] as other threads have left it."""
    place = current().gep(array.data, [ir.Constant(I64, index)])
    return Number(current().load_atomic(place, "seq_cst", 8))


def _put(array: Array, index: int, value: int) -> None:
    """array[index] = value, for other threads to see, with all that was written before."""
    place = current().gep(array.data, [ir.Constant(I64, index)])
    current().store_atomic(ir.Constant(I64, value), place, "seq_cst", 8)


def _replace(array: Array, index: int, old: int, new: int) -> Number:
    """array[index] = new if it was old, atomically; whether it was."""
    place = current().gep(array.data, [ir.Constant(I64, index)])
    pair = current().cmpxchg(place, ir.Constant(I64, old), ir.Constant(I64, new), "seq_cst", "seq_cst")
    return Number(current().extract_value(pair, 1))


def _call(function: Number, arguments: Number) -> Number:
    """What an entry returns."""
    kind = ir.FunctionType(I64, [POINTER])
    pointer = current().inttoptr(integer(function), kind.as_pointer())
    return Number(current().call(pointer, [current().inttoptr(integer(arguments), POINTER)]))


@stage
def serve(mail):
    """Do the tasks that come, until none has for a while."""
    looks, offers = 0, 0
    while offers < OFFERS:
        looks += 1
        if _look(mail, STATE) == POSTED and _replace(mail, STATE, POSTED, BEGUN):
            mail[RESULT] = _call(mail[FUNCTION], mail[ARGUMENTS])
            _put(mail, STATE, DONE)
            offers = 0
        if looks == LOOKS:
            offer_core()
            looks, offers = 0, offers + 1
        if offers == OFFERS:
            _put(mail, ASLEEP, 1)
            if _look(mail, STATE) == POSTED and _replace(mail, ASLEEP, 1, 0):  # it came just now, and nobody wakes
                offers = 0


@stage
def post(mail):
    """Let the worker begin; return whether it has to be woken."""
    _put(mail, STATE, POSTED)
    if _look(mail, ASLEEP) == 1 and _replace(mail, ASLEEP, 1, 0):
        return 1
    return 0


@stage
def finish(mail):
    """Take the task back, and return 1, unless the worker has begun: then wait for its end."""
    if _replace(mail, STATE, POSTED, EMPTY):
        return 1
    looks = 0
    while _look(mail, STATE) == BEGUN:
        looks += 1
        if looks > PATIENCE:
            offer_core()
    _put(mail, STATE, EMPTY)
    return 0


@cache
def compiled() -> tuple[Entry, Entry, Entry]:
    """Return `serve`, `post` and `finish`, compiled at the first call; each takes (mail,)."""
    given = (flat_array(np.int64),)
    return entry(serve, given), entry(post, given), entry(finish, given)


_addresses: dict[int, int] = {}


def _address(function: Any) -> int:
    """Where the code of an entry stands; entries are kept, and have no hash."""
    found = _addresses.get(id(function))
    if found is None:
        _addresses[id(function)] = found = ctypes.cast(function, ctypes.c_void_p).value or 0
    return found


Memory = dict[np.dtype[Any], tuple[NDArray, NDArray]]
"""Scratch memory of a thread, and how much of it is taken, for each dtype."""


def no_memory() -> Memory:
    """What a thread has before its first call."""
    return {dtype: (np.empty(0, dtype), np.zeros(1, np.int64)) for dtype in FLOATS}


class Worker:
    """A thread and its mailbox, for one caller at a time."""

    def __init__(self) -> None:
        self.memory = no_memory()
        self._mail, self._bell = np.zeros(16, np.int64), threading.Lock()
        self._arguments: tuple[Any, ...] = ()
        self._mail[ASLEEP] = 1
        self._bell.acquire()
        self._serve, self._post, self._finish = compiled()
        threading.Thread(target=self._work, name="gatewise-worker", daemon=True).start()

    def _work(self) -> None:
        while self._bell.acquire():
            self._serve((self._mail,))

    def start(self, function: Entry, arguments: tuple[Any, ...]) -> None:
        """Let the worker call an entry, unless `finish` comes first."""
        if self._arguments:  # of a caller that was interrupted
            self.finish()
        self._arguments = arguments  # held as long as the worker may read it
        self._mail[FUNCTION], self._mail[ARGUMENTS] = _address(function), id(arguments)
        if self._post((self._mail,)):
            self._bell.release()

    def finish(self) -> int | None:
        """Return what the entry has returned; None if it has not been called, and will not be."""
        if not self._arguments:
            return None
        taken_back = self._finish((self._mail,))
        self._arguments = ()
        return None if taken_back else int(self._mail[RESULT])

    def is_asleep(self) -> bool:
        """Whether it is in Python, or on its way there, where the end of the process does it no harm."""
        return bool(self._mail[ASLEEP])


_lock = threading.Lock()
_workers: list[Worker] = []
_last = 0.0  # when a caller last asked for some


def engage(count: int, brief: bool) -> Sequence[Worker]:
    """Return up to `count` workers, one less than there are cores at the most; none if another caller has them.

    None either for a brief task, of less than 200 µs, if they would have to be woken for this one alone. Whoever has
    been given some has to `release` them.
    """
    global _last
    count, before, _last = min(count, cores() - 1), _last, time.perf_counter()
    alone = brief and _last - before > RECENT and any(worker.is_asleep() for worker in _workers[:count])
    if count < 1 or alone or not _lock.acquire(blocking=False):
        return ()
    try:
        while len(_workers) < count:
            _workers.append(Worker())
    except RuntimeError:  # no thread can be started, as at the end of the process
        _lock.release()
        return ()
    return _workers[:count]


def release(workers: Sequence[Worker]) -> None:
    """Let another caller have them."""
    if workers:
        _lock.release()


@atexit.register
def _await_sleep() -> None:
    """Compiled code goes before threads do."""
    for _ in range(1000):
        if all(worker.is_asleep() for worker in _workers):
            return
        time.sleep(1e-3)


def _after_fork() -> None:
    """A forked child has none of its parent's threads, and perhaps a lock that one of them held."""
    global _lock
    _lock = threading.Lock()
    _workers.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)

"""How many threads work, a pool for compiled code that releases the GIL, and BLAS on one thread inside a time loop."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from functools import cache, partial
from typing import Any

from gatewise.errors import check_number

_lock = threading.Lock()
_team = threading.Lock()
_threads: int | None = None
_pool: ThreadPoolExecutor | None = None
_inside = 0
_limiter: Any = None
_here = threading.local()


def get_num_threads() -> int:
    """Return how many threads a kernel may use: `set_num_threads`, GATEWISE_NUM_THREADS, or the cores of the process.

    Where neither says it, a task of a Dask worker uses the one thread that Dask counts for it.

    Examples
    --------
    >>> import gatewise as gw
    >>> gw.get_num_threads() >= 1
    True
    """
    global _threads
    if getattr(_here, "alone", False):
        return 1
    if _threads is None:
        setting = os.environ.get("GATEWISE_NUM_THREADS", "")
        _threads = int(setting) if setting.isdecimal() else 0
    return _threads or (1 if _in_dask_task() else cores())


def _in_dask_task() -> bool:
    """Whether this thread is one of a Dask worker's, with a task in hand."""
    utilities: Any = sys.modules.get("distributed.utils")
    return utilities is not None and hasattr(utilities.thread_state, "execution_state")


def set_num_threads(count: int) -> None:
    """Let kernels use `count` threads, this one among them; 1 never leaves the calling thread.

    The batch is split between them. Work of less than about 50 µs stays on one thread in any case, and the numbers
    that come out are the same for every count, bit for bit.

    Raises
    ------
    GatewiseError
        If `count` is not an integer of at least 1.

    Examples
    --------
    >>> import gatewise as gw
    >>> before = gw.get_num_threads()
    >>> gw.set_num_threads(1)
    >>> gw.get_num_threads()
    1
    >>> gw.set_num_threads(before)
    """
    global _threads
    check_number("count", count, 1, integer=True)
    _threads = int(count)


def run_together(tasks: Sequence[Callable[[], Any]]) -> None:
    """Run the tasks at once, the first in this thread, and return when all are done; the first error is raised."""
    others = [_get_pool().submit(task) for task in tasks[1:]]
    try:
        tasks[0]()
    finally:
        wait(others)
    for other in others:
        other.result()


def run_side_by_side(tasks: Sequence[Callable[[], Any]]) -> list[Any]:
    """Return what the tasks return, run as many at once as there are threads; kernels in a task use no other thread.

    Of tasks that take long and do not need one another, this leaves nobody waiting.
    """
    found: list[Any] = []
    for start in range(0, len(tasks), get_num_threads()):
        some = tasks[start : start + get_num_threads()]
        results: list[Any] = [None] * len(some)
        run_together([partial(_run_alone, task, results, k) for k, task in enumerate(some)])
        found += results
    return found


def run_in_one_thread(task: Callable[[], Any]) -> Any:
    """Return what a task returns, with kernels and BLAS in this thread alone, as Dask counts a task."""
    with single_threaded_blas():
        return run_side_by_side([task])[0]


def map_side_by_side(function: Callable[[Any], Any], items: Sequence[Any]) -> list[Any]:
    """Return what a function returns for each item, the items dealt out to as many threads as there are.

    Examples
    --------
    >>> map_side_by_side(abs, [1, -2, 3])
    [1, 2, 3]
    """
    count = get_num_threads()
    found: list[Any] = [None] * len(items)
    hands = [partial(_map, function, items[k::count]) for k in range(min(count, len(items)))]
    for k, part in enumerate(run_side_by_side(hands)):
        found[k::count] = part
    return found


def _map(function: Callable[[Any], Any], items: Sequence[Any]) -> list[Any]:
    return [function(item) for item in items]


def _run_alone(task: Callable[[], Any], results: list[Any], k: int) -> None:
    before, _here.alone = getattr(_here, "alone", False), True
    try:
        results[k] = task()
    finally:
        _here.alone = before


def run_as_team(tasks: Sequence[Callable[[], Any]]) -> None:
    """`run_together` for tasks that wait for one another while they run.

    One team runs at a time: the tasks of two could each hold the threads that the other's are waiting for.
    """
    with _team:
        run_together(tasks)


def _get_pool() -> ThreadPoolExecutor:
    global _pool
    with _lock:
        if _pool is None:
            _pool = ThreadPoolExecutor(max(1, 4 * cores()), thread_name_prefix="gatewise")
        return _pool


@cache
def cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def single_threaded_blas() -> Iterator[None]:
    """Keep every loaded BLAS on one thread until the last of all callers, in whatever threads, has left.

    The products inside a time loop are small, and a BLAS that wakes and joins its threads for each of them is slower by
    up to two orders when another process wants a core too.
    """
    _enter()
    try:
        yield
    finally:
        _leave()


SMALL_MATRIX, SMALL_VECTOR = 2**17, 2**13
"""Multiplications up to which OpenBLAS stays on one thread, with a margin: its own limits are 2**18 and 9216."""


def product(a: Any, b: Any) -> Any:
    """Return a (..., K) times b (K, N), with the same bits however many threads BLAS may use.

    On several it cuts a product, and its sums with it, in another way than on one. And how many it has may change at
    any moment, by another thread that enters or leaves `single_threaded_blas`.

    Examples
    --------
    >>> import numpy as np
    >>> product(np.ones((2, 3)), np.ones((3, 1))).tolist()
    [[3.0], [3.0]]
    """
    vector = b.shape[1] == 1 or a.size == b.shape[0]
    if a.size * b.shape[1] < (SMALL_VECTOR if vector else SMALL_MATRIX):
        return a @ b
    with single_threaded_blas():
        return a @ b


def _enter() -> None:
    global _inside, _limiter
    with _lock:
        if _inside == 0:
            _limiter = _controller().limit(limits=1, user_api="blas")
        _inside += 1


def _leave() -> None:
    global _inside
    with _lock:
        _inside -= 1
        if _inside == 0:
            _let_any_thread_limit_blas()
            _limiter.restore_original_limits()
            _let_any_thread_limit_blas()


def _let_any_thread_limit_blas() -> None:
    """From version 3.7 on, threadpoolctl lets the first thread alone that set a limit of OpenBLAS lift it."""
    from threadpoolctl import OpenBLASController

    if hasattr(OpenBLASController, "clear_controlling_thread"):
        OpenBLASController.clear_controlling_thread(force=True)


@cache
def _controller() -> Any:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def _after_fork() -> None:
    """A forked child has none of its parent's threads, and perhaps a lock that one of them held."""
    global _lock, _team, _pool, _inside
    _lock, _team, _pool, _inside = threading.Lock(), threading.Lock(), None, 0


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)

"""Rows in parts, in this process or on the workers of a cluster, and the one thing that is done with them: a reduction.

What is computed does not depend on where the parts lie: each part is worked on by itself, and the results are merged
two by two in the order of the parts.
"""

from __future__ import annotations

import copy
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

from gatewise.distributed import package
from gatewise.distributed.merging import Block, Merge, blocks, dealt, merged
from gatewise.errors import GatewiseError
from gatewise.threads import run_in_one_thread, single_threaded_blas

T = TypeVar("T")
Work = Callable[[Any, int, Any], T]
"""`work(common, number, part)`: what is done with one part; it changes none of its arguments."""

MERGED_AT_ONCE = 8
"""Results of so many tasks that one more task merges, or the driver if there are no more."""
REFRESHED = 2.0
"""Seconds after which the driver asks again which workers there are."""


class Partitions(ABC):
    """Parts of some data, at least one, of whatever kind the work done on them takes."""

    @abstractmethod
    def __len__(self) -> int:
        """How many parts there are."""

    @abstractmethod
    def reduce(self, work: Work[T], merge: Merge[T], common: Any = None) -> T:
        """Return `work(common, number, part)` of every part, merged in the order of the parts.

        Parameters
        ----------
        work : callable
            A function of a module, so that it can be sent.
        merge : callable
            `merge(a, b)` of two results; it may change `a`.
        common : object
            What every part is given; it travels once to each thread of each worker.

        Raises
        ------
        GatewiseError
            As `work` raises it, with the number of the part.
        """

    @abstractmethod
    def mapped(self, work: Work[Any], common: Any = None) -> Partitions:
        """Return what `work(common, number, part)` makes of every part, as parts that lie where those are."""

    def collect(self, work: Work[T], common: Any = None) -> list[T]:
        """Return the result of every part, in the order of the parts; for results that are small."""
        return self.reduce(partial(_listed, work), _joined, common)


class LocalPartitions(Partitions):
    """Parts in this process, worked on one after the other, each by all threads of the kernels.

    Examples
    --------
    >>> parts = LocalPartitions(["a", "b", "c"])
    >>> parts.reduce(lambda common, number, part: common * part, lambda a, b: f"({a}{b})", 2)
    '((aabb)cc)'
    """

    def __init__(self, parts: Sequence[Any]) -> None:
        self._parts = parts

    def __len__(self) -> int:
        return len(self._parts)

    def reduce(self, work: Work[T], merge: Merge[T], common: Any = None) -> T:
        """As `Partitions.reduce`."""
        with single_threaded_blas():
            return merged(_results(work, common, range(len(self)), self._parts), merge)

    def mapped(self, work: Work[Any], common: Any = None) -> LocalPartitions:
        """As `Partitions.mapped`."""
        return LocalPartitions([_numbered(work, common, number, part) for number, part in enumerate(self._parts)])


class DaskPartitions(Partitions):
    """Parts on the workers of a cluster, which recompute from its source what is lost with one of them.

    Each worker is dealt its share of the parts, and works on them in one task for each of its threads.

    Parameters
    ----------
    client : distributed.Client
    parts : sequence of Delayed
        They are computed now, and held by the workers as long as this object lives.
    """

    def __init__(self, client: Any, parts: Sequence[Any]) -> None:
        self._client, self._delayed = client, package.dask().delayed
        self._holders: list[str | None] = [None] * len(parts)
        self._threads: dict[str, int] = {}
        self._asked = -REFRESHED
        self._deal()
        with _large_graphs():
            futures = [self._placed(address, _itself, part) for part, address in zip(parts, self._holders, strict=True)]
            self._parts = client.compute(futures, optimize_graph=True)
        self._last: list[Any] = []

    def __len__(self) -> int:
        return len(self._parts)

    def reduce(self, work: Work[T], merge: Merge[T], common: Any = None) -> T:
        """As `Partitions.reduce`; the kernels of a task have one thread."""
        self._deal()
        what = _Sent(partial(_of_group, work, merge, common))
        tasks = [
            self._placed(address, _run, what, numbers, [self._parts[number] for number in numbers])
            for address, numbers in self._groups()
        ]
        with _large_graphs():
            while len(tasks) > MERGED_AT_ONCE:
                groups = [tasks[k : k + MERGED_AT_ONCE] for k in range(0, len(tasks), MERGED_AT_ONCE)]
                tasks = [self._delayed(_together, pure=False)(_Sent(merge), group) for group in groups]
            futures = self._client.compute(tasks, optimize_graph=False)
        gathered = self._gathered(futures)
        self._last = futures  # given back after the next step is on its way, not before, which would hold it up
        result: T = merged(_in_order(gathered), merge)
        return result

    def mapped(self, work: Work[Any], common: Any = None) -> DaskPartitions:
        """As `Partitions.mapped`."""
        what = _Sent(partial(_numbered, work, common))
        others = copy.copy(self)
        others._holders, others._last = list(self._holders), []
        places = zip(range(len(self)), self._parts, self._holders, strict=True)
        tasks = [self._placed(address, _run, what, number, part) for number, part, address in places]
        with _large_graphs():
            others._parts = self._client.compute(tasks, optimize_graph=False)
        return others

    def _deal(self) -> None:
        """Deal the parts out to the workers there are, if others have come or some have left."""
        if time.monotonic() - self._asked < REFRESHED and self._threads:
            return
        self._client.wait_for_workers(1)
        threads = {address: max(1, count) for address, count in sorted(self._client.nthreads().items())}
        self._asked = time.monotonic()
        if threads and threads != self._threads:
            self._threads = threads
            self._holders = list(dealt(self._holders, threads))

    def _groups(self) -> Iterator[tuple[str, list[int]]]:
        """Each worker, once for each of its threads, and the numbers of the parts that are worked on there."""
        for address, threads in self._threads.items():
            held = [number for number, holder in enumerate(self._holders) if holder == address]
            size = -(-len(held) // threads)
            for start in range(0, len(held), max(1, size)):
                yield address, held[start : start + size]

    def _placed(self, address: str | None, function: Any, *arguments: Any) -> Any:
        """A task for a worker; should it be gone, for another."""
        with package.dask().annotate(workers=[address], allow_other_workers=True):
            return self._delayed(function, pure=False)(*arguments)

    def _gathered(self, futures: Sequence[Any]) -> list[Any]:
        from distributed.scheduler import KilledWorker

        try:
            gathered: list[Any] = self._client.gather(list(futures))
        except KilledWorker as error:
            raise GatewiseError(
                f"a task of one or some partitions was lost with its worker again and again, the last time with "
                f"{error.last_worker.address}: the worker may have too little memory for them: make partitions "
                f"smaller, or give workers more memory; the workers' logs say how they ended."
            ) from error
        return gathered


@contextmanager
def _large_graphs() -> Iterator[None]:
    """Without a warning that a graph is large: what it holds is what the workers need."""
    with package.dask().config.set({"distributed.admin.large-graph-warning-threshold": "1TB"}):
        yield


class _Sent:
    """Something on its way to a worker, which Dask does not look into."""

    def __init__(self, value: Any) -> None:
        self.value = value


def _itself(part: T) -> T:
    return part


def _run(sent: _Sent, *arguments: Any) -> Any:
    return run_in_one_thread(partial(sent.value, *arguments))


def _of_group(
    work: Work[T], merge: Merge[T], common: Any, numbers: Sequence[int], parts: Sequence[Any]
) -> list[Block[T]]:
    """What some parts gave, merged as far as they stand side by side."""
    return blocks(_results(work, common, numbers, parts), merge)


def _results(work: Work[T], common: Any, numbers: Iterable[int], parts: Sequence[Any]) -> Iterator[Block[T]]:
    for number, part in zip(numbers, parts, strict=True):
        yield Block(number, 1, _numbered(work, common, number, part))


def _together(sent: _Sent, groups: Sequence[list[Block[Any]]]) -> list[Block[Any]]:
    return blocks(_in_order(groups), sent.value)


def _in_order(groups: Sequence[list[Block[T]]]) -> list[Block[T]]:
    return sorted((block for group in groups for block in group), key=lambda block: block.start)


def _numbered(work: Work[T], common: Any, number: int, part: Any) -> T:
    with errors_of(number):
        return work(common, number, part)


@contextmanager
def errors_of(number: int) -> Iterator[None]:
    """Let the errors of a block say which partition they are about."""
    try:
        yield
    except GatewiseError as error:
        error.args = (f"partition {number}: {error}",)
        raise


def _listed(work: Work[T], common: Any, number: int, part: Any) -> list[T]:
    return [work(common, number, part)]


def _joined(a: list[T], b: list[T]) -> list[T]:
    return a + b

"""Rows in parts, in this process or on the workers of a cluster, and the one thing that is done with them: a reduction.

What is computed does not depend on where the parts lie: each part is worked on by itself, and the results are merged
two by two in the order of the parts.
"""

from __future__ import annotations

import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

from gatewise.distributed import package
from gatewise.errors import GatewiseError, GatewiseValueError
from gatewise.threads import run_side_by_side, single_threaded_blas

T = TypeVar("T")
Work = Callable[[Any, int, Any], T]
"""`work(common, number, part)`: what is done with one part; it changes none of its arguments."""
Merge = Callable[[T, T], T]

MERGED_AT_ONCE = 8
"""Results that one task merges; a power of two, so that they are merged in the same pairs as all at once."""
LEFT_TO_DRIVER = 2
"""Results that may travel to the driver, where another task to merge them would cost more."""


def merged(values: Iterable[T], merge: Merge[T]) -> T:
    """Return the values merged as a balanced tree over their order; at most log2(n) of them are held at once.

    Examples
    --------
    >>> merged("abcdefg", lambda a, b: f"({a}{b})")
    '(((ab)(cd))((ef)g))'
    """
    stack: list[tuple[int, T]] = []
    for value in values:
        level = 0
        while stack and stack[-1][0] == level:
            value, level = merge(stack.pop()[1], value), level + 1
        stack.append((level, value))
    _, last = stack.pop()
    while stack:
        last = merge(stack.pop()[1], last)
    return last


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
            What every part is given; it travels once to each worker.

        Raises
        ------
        GatewiseError
            As `work` raises it, with the number of the part.
        """

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
            return merged((_numbered(work, common, k, part) for k, part in enumerate(self._parts)), merge)


class DaskPartitions(Partitions):
    """Parts on the workers of a cluster, which recompute from its source what is lost with one of them.

    Parameters
    ----------
    client : distributed.Client
    parts : sequence of Delayed
        They are computed now, and held by the workers as long as this object lives.
    """

    def __init__(self, client: Any, parts: Sequence[Any]) -> None:
        self._client = client
        self._parts = client.compute(list(parts), optimize_graph=True)

    def __len__(self) -> int:
        return len(self._parts)

    def reduce(self, work: Work[T], merge: Merge[T], common: Any = None) -> T:
        """As `Partitions.reduce`; each part is one task, whose kernels have one thread."""
        name = f"gatewise-{_name(work)}-{uuid.uuid4().hex}"
        with package.dask().config.set({"distributed.admin.large-graph-warning-threshold": "1TB"}):
            common = self._client.submit(_Common, common, key=f"{name}-common")
            futures = self._client.map(
                partial(_alone, work),
                [common] * len(self),
                range(len(self)),
                self._parts,
                key=[f"{name}-{number}" for number in range(len(self))],
            )
        level = 0
        while len(futures) > LEFT_TO_DRIVER:
            groups = [futures[k : k + MERGED_AT_ONCE] for k in range(0, len(futures), MERGED_AT_ONCE)]
            keys = [f"{name}-merged-{level}-{k}" for k in range(len(groups))]
            futures = self._client.map(partial(_merged, merge), groups, key=keys)
            level += 1
        return merged(self._gathered(futures), merge)

    def _gathered(self, futures: Sequence[Any]) -> list[Any]:
        from distributed.scheduler import KilledWorker

        try:
            gathered: list[Any] = self._client.gather(list(futures))
        except KilledWorker as error:
            raise GatewiseValueError(
                f"task {error.task} was lost with its worker again and again, the last time with "
                f"{error.last_worker.address}: its partition, the number at its end, may need more memory than a "
                f"worker has: make partitions smaller, or give workers more memory (their logs say why they ended)."
            ) from error
        return gathered


class _Common:
    """What all parts are given; an object that Dask does not look into."""

    def __init__(self, value: Any) -> None:
        self.value = value


def _alone(work: Work[T], common: _Common, number: int, part: Any) -> T:
    """Work on a part in one thread, as Dask counts a task."""
    with single_threaded_blas():
        result: T = run_side_by_side([partial(_numbered, work, common.value, number, part)])[0]
    return result


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


def _merged(merge: Merge[T], values: Sequence[T]) -> T:
    return merged(values, merge)


def _listed(work: Work[T], common: Any, number: int, part: Any) -> list[T]:
    return [work(common, number, part)]


def _joined(a: list[T], b: list[T]) -> list[T]:
    return a + b


def _name(work: Any) -> str:
    """The name of the innermost function."""
    while isinstance(work, partial):
        work = next((arg for arg in work.args if callable(arg)), work.func)
    return str(getattr(work, "__name__", "work")).strip("_")

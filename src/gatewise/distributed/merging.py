"""Results of partitions merged two by two in a fixed order, whoever holds which of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")
Merge = Callable[[T, T], T]


class Block(NamedTuple, Generic[T]):
    """What `size` partitions from number `start` on, a power of two of them, gave together."""

    start: int
    size: int
    value: T


def blocks(results: Iterable[Block[T]], merge: Merge[T]) -> list[Block[T]]:
    """Return blocks, in the order of their partitions, with those merged that are halves of one twice as large.

    Examples
    --------
    >>> parts = [Block(k, 1, "abcdefg"[k]) for k in (0, 1, 3, 4, 5)]
    >>> [block.value for block in blocks(parts, lambda a, b: f"({a}{b})")]
    ['(ab)', 'd', '(ef)']
    """
    stack: list[Block[T]] = []
    for block in results:
        while stack and _are_halves(stack[-1], block):
            first = stack.pop()
            block = Block(first.start, 2 * first.size, merge(first.value, block.value))
        stack.append(block)
    return stack


def _are_halves(a: Block[T], b: Block[T]) -> bool:
    return a.size == b.size and a.start + a.size == b.start and a.start % (2 * a.size) == 0


def merged(results: Iterable[Block[T]], merge: Merge[T]) -> T:
    """Return what all partitions gave together: a tree that depends on their number only.

    Examples
    --------
    >>> merged([Block(k, 1, letter) for k, letter in enumerate("abcdefg")], lambda a, b: f"({a}{b})")
    '(((ab)(cd))((ef)g))'
    """
    *rest, last = blocks(results, merge)
    value = last.value
    for block in reversed(rest):
        value = merge(block.value, value)
    return value


def dealt(holders: list[str | None], capacity: dict[str, int]) -> list[str]:
    """Return who is to hold each of some partitions: those who do, where they have room, else whoever has most.

    Parameters
    ----------
    holders : list of str or None
        Who holds each partition now, if anybody does.
    capacity : dict
        Names of those who can, and what each can do at once, at least 1.

    Examples
    --------
    >>> dealt([None] * 4, {"a": 1, "b": 1})
    ['a', 'a', 'b', 'b']
    >>> dealt(["a", "a", "b", "gone"], {"a": 1, "b": 1, "c": 2})
    ['a', 'c', 'b', 'c']
    """
    total, count = sum(capacity.values()), len(holders)
    bounds = {name: -(-count * size // total) for name, size in capacity.items()}
    kept: dict[str, int] = dict.fromkeys(capacity, 0)
    found: list[str | None] = []
    for holder in holders:
        stays = holder in kept and kept[holder] < bounds[holder]
        found.append(holder if stays else None)
        if holder is not None and stays:
            kept[holder] += 1
    free = iter([name for name in capacity for _ in range(bounds[name] - kept[name])])
    return [next(free) if holder is None else holder for holder in found]

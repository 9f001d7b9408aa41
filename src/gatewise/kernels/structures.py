"""Values taken apart into single LLVM values and put together again, and values that may come from several places."""

# mypy: disable-error-code="no-untyped-def, no-untyped-call"
from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gatewise.cells import Cell
from gatewise.kernels.values import Array, current, number


def has_parts(value: Any) -> bool:
    """Whether a value is a tuple of values. A cell is not, though it is a named tuple: it is known beforehand."""
    return isinstance(value, tuple) and not isinstance(value, Cell)


def remade(value: tuple[Any, ...], parts: list[Any]) -> Any:
    """A tuple like `value` of other parts."""
    return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)


def leaves(value: Any) -> Iterator[Any]:
    """The LLVM values in a value, one after another; Python's own numbers and None have none."""
    if has_parts(value):
        for part in value:
            yield from leaves(part)
    elif isinstance(value, Array):
        yield value.data
        yield from leaves(value.shape)
        yield from leaves((value.step,))
    elif hasattr(value, "ir"):
        yield value.ir


def rebuilt(value: Any, new: Iterator[Any]) -> Any:
    """A value like `value`, of other LLVM values."""
    if has_parts(value):
        return remade(value, [rebuilt(part, new) for part in value])
    if isinstance(value, Array):
        return Array(next(new), rebuilt(value.shape, new), rebuilt(value.step, new))
    return type(value)(next(new)) if hasattr(value, "ir") else value


def dynamic(value: Any) -> Any:
    """A value whose numbers can change while the loop runs: Python's integers become Numbers."""
    if has_parts(value):
        return remade(value, [dynamic(part) for part in value])
    return number(value) if isinstance(value, int) else value


def alike(one: Any, other: Any) -> bool:
    """Whether two values have the same parts, so that one can stand where the other stood."""
    if has_parts(one) and has_parts(other):
        return (
            type(one) is type(other)
            and len(one) == len(other)
            and all(alike(a, b) for a, b in zip(one, other, strict=True))
        )
    if isinstance(one, Array) and isinstance(other, Array):
        same = one.element == other.element and alike(one.shape, other.shape)
        return same and isinstance(one.step, int) == isinstance(other.step, int)
    if hasattr(one, "ir") and hasattr(other, "ir"):
        return type(one) is type(other) and one.ir.type == other.ir.type
    return one is other


def merged(arms: list[tuple[Any, Any]]) -> Any:
    """The value at a place that is reached from several blocks: arms of (block, value made there).

    Constants of Python that differ from arm to arm have become Numbers before.
    """
    first = arms[0][1]
    columns = list(zip(*(leaves(value) for _, value in arms), strict=True))
    new = []
    for column in columns:
        if all(leaf is column[0] for leaf in column):
            new.append(column[0])
            continue
        node = current().phi(column[0].type)
        for (block, _), leaf in zip(arms, column, strict=True):
            node.add_incoming(leaf, block)
        new.append(node)
    return rebuilt(first, iter(new))


class Slot:
    """Memory for a variable that changes in a loop; LLVM makes registers of it."""

    def __init__(self, value: Any, name: str) -> None:
        self._like, self._name = dynamic(value), name
        with current().goto_entry_block():
            self._places = [current().alloca(leaf.type) for leaf in leaves(self._like)]
        self.set(value)

    def get(self) -> Any:
        """The value that was set last."""
        return rebuilt(self._like, (current().load(place) for place in self._places))

    def set(self, value: Any) -> None:
        """Let the variable have another value."""
        value = dynamic(value)
        if not alike(value, self._like):
            raise TypeError(f"{self._name} changes from {self._like!r} to {value!r} within a loop; need one kind")
        for place, leaf in zip(self._places, leaves(value), strict=True):
            current().store(leaf, place)

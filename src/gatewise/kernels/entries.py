"""Calling compiled code from Python: with one tuple of arrays, whose memory it finds by itself.

The last item is an array of all integers among the arguments. ctypes passes the address of the tuple and gives the
lock of the interpreter away meanwhile. CPython's and NumPy's objects begin as their C headers say: the items of a tuple
after its header, the address of an array's data and that of its shape after an object's.
"""

# mypy: disable-error-code="no-untyped-def, no-untyped-call"
from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from llvmlite import ir

from gatewise.kernels.marks import Stage
from gatewise.kernels.structures import has_parts, remade
from gatewise.kernels.units import define_body, kind, link, lock, obtain, symbol
from gatewise.kernels.values import FLOATS, I64, Array, Number, current

TUPLE_HEADER, OBJECT_HEADER, WORD = tuple.__basicsize__, object.__basicsize__, 8
POINTER = ir.IntType(8).as_pointer()

Entry = Callable[[tuple[Any, ...]], int]
_entries: dict[tuple[Any, str], Entry] = {}


class Given:
    """An array or integer among the arguments of an entry, as far as code depends on it."""

    def __init__(self, dtype: str = "", axes: int = 0, apart: bool = False) -> None:
        self.dtype, self.axes, self.apart = dtype, axes, apart


INTEGER = Given()


def flat_array(dtype: Any, axes: int = 1, apart: bool = False) -> Given:
    """A contiguous array, or, if `apart`, one with one axis whose elements may lie apart."""
    return Given(np.dtype(dtype).name, axes, apart)


def entry(function: Stage, arguments: tuple[Any, ...]) -> Entry:
    """Return `function` compiled for arguments that consist of Given ones and of what is known beforehand."""
    kinds = _described(arguments)
    key = function, kinds
    if key not in _entries:
        with lock:
            _entries[key] = _compiled(function, arguments, kinds)
    return _entries[key]


def _compiled(function: Stage, arguments: tuple[Any, ...], kinds: str) -> Entry:
    name = symbol(function.py_func, f"entry {kinds}")

    def define(module):
        defined = ir.Function(module, ir.FunctionType(I64, [POINTER]), name)
        define_body(defined, function.py_func, lambda: _Reader(defined.args[0], arguments).read(arguments))

    obtain(name, define)
    compiled: Entry = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.py_object)(link(name))
    return compiled


def entry_for(function: Stage, arguments: tuple[Any, ...]) -> Entry:
    """As `entry`, for arguments like these."""
    return entry(function, _given(arguments))


def flattened(arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    """Arguments as an entry takes them."""
    parts = list(_parts(arguments))
    arrays = [part for part in parts if isinstance(part, np.ndarray)]
    return (*arrays, np.array([part for part in parts if not isinstance(part, np.ndarray)], np.int64))


def _parts(value: Any) -> Iterator[Any]:
    """Arrays and integers."""
    if has_parts(value):
        for part in value:
            yield from _parts(part)
    elif isinstance(value, Given | np.ndarray | int | np.integer):
        yield value


def _given(value: Any) -> Any:
    if has_parts(value):
        return remade(value, [_given(part) for part in value])
    if isinstance(value, np.ndarray):
        return Given(value.dtype.name, value.ndim, not value.flags.c_contiguous)
    return INTEGER if isinstance(value, int | np.integer) else value


def _described(value: Any) -> str:
    if has_parts(value):
        return f"{type(value).__name__}({', '.join(map(_described, value))})"
    if isinstance(value, Given):
        return f"{value.dtype}{value.axes}{value.apart}"
    return kind(value)


class _Reader:
    """Finds arrays and integers in a tuple at an address."""

    def __init__(self, items: Any, arguments: tuple[Any, ...]) -> None:
        self._items, self._next_array, self._next_integer = items, 0, 0
        self._count = sum(part is not INTEGER for part in _parts(arguments))

    def read(self, given: Any) -> Any:
        """The values of arguments."""
        if has_parts(given):
            return remade(given, [self.read(part) for part in given])
        if given is INTEGER:
            self._next_integer += 1
            numbers = _word(self._item(self._count), OBJECT_HEADER, I64.as_pointer())
            return Number(current().load(current().gep(numbers, [ir.Constant(I64, self._next_integer - 1)])))
        if isinstance(given, Given):
            self._next_array += 1
            return self._array(self._item(self._next_array - 1), given)
        return given

    def _item(self, k: int) -> Any:
        return _word(self._items, TUPLE_HEADER + WORD * k, POINTER)

    def _array(self, item: Any, given: Given) -> Array:
        """The array whose object stands at `item`: address of its data, axes, addresses of its shape and strides."""
        element = FLOATS.get(given.dtype, I64)
        data = _word(item, OBJECT_HEADER, element.as_pointer())
        shape = _word(item, OBJECT_HEADER + 2 * WORD, POINTER)
        counts = tuple(Number(_word(shape, WORD * k, I64)) for k in range(given.axes))
        if not given.apart:
            return Array(data, counts)
        stride = Number(_word(_word(item, OBJECT_HEADER + 3 * WORD, POINTER), 0, I64))
        return Array(data, counts, stride // (4 if given.dtype == "float32" else 8))


def _word(base: Any, offset: int, kind: Any) -> Any:
    """What stands at an address, `offset` bytes on."""
    place = current().gep(base, [ir.Constant(I64, offset)])
    return current().load(current().bitcast(place, kind.as_pointer()))

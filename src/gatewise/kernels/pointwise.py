"""Pointwise functions of a cell: whether they have a compiled form, and a name for it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, NamedTuple

from llvmlite import ir

from gatewise.cells import Cell
from gatewise.kernels import functions  # noqa: F401  what Vectors can do
from gatewise.kernels.values import Vector, building
from gatewise.kernels.vectors import BYTES, lifted

_VECTOR = ir.VectorType(ir.FloatType(), BYTES // 4)


class Shape(NamedTuple):
    """A function of a cell, and how many values each of its arguments and results has; None for one alone."""

    function: Callable[..., Any]
    takes: tuple[int | None, ...]
    gives: tuple[int | None, ...] | int | None


@cache
def digest(cell: Cell) -> str:
    """Return a short name for all that compiled code of `cell` is made from: equal code has equal names."""
    text = repr((len(cell.gates), cell.states, cell.recorded, [phase[:3] for phase in cell.phases]))
    text += "".join(_followed(shape) for shape in _functions(cell))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def rejection(cell: Cell) -> str | None:
    """Return why the functions of a cell have no compiled form, or None if they do.

    They are called with the values of Vectors that are not known yet, so they may neither look at these nor depend on
    anything else that changes from call to call.
    """
    for shape in _functions(cell):
        try:
            if _followed(shape) != _followed(shape):
                return "they give something else at each call"
        except Exception as error:
            return str(error).strip().split("\n")[0] or type(error).__name__
    return None


def _functions(cell: Cell) -> Iterator[Shape]:
    S, has_q = len(cell.states), cell.phases[0].products > 0
    for k, (_, gates, recorded, forward, backward, operand) in enumerate(cell.phases):
        q = gates if has_q else 0
        if k == len(cell.phases) - 1:
            yield Shape(forward, (gates, q, S), (S, recorded))
            yield Shape(backward, (S, S, S, recorded), (gates, q, S))
        else:
            assert operand is not None
            yield Shape(forward, (gates, q, None), recorded)
            yield Shape(operand, (recorded, None), None)
            yield Shape(backward, (None, None, recorded), (gates, q, None))


def _followed(shape: Shape) -> str:
    """The function as LLVM assembly, for float32; raise TypeError unless it gives what it should."""
    count = sum(1 if number is None else number for number in shape.takes)
    module = ir.Module("pointwise")
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), [_VECTOR] * count), "pointwise")
    given = iter(map(Vector, function.args))
    builder = ir.IRBuilder(function.append_basic_block("entry"))
    with building(builder):
        result = shape.function(*(_several(number, given) for number in shape.takes))
        if not _fits(result, shape.gives):
            raise TypeError(f"{shape.function.__name__} gives something else than {shape.gives} values")
        for value in _values(result):
            builder.store(lifted(value, _VECTOR), builder.alloca(_VECTOR))
    return str(module)


def _several(number: int | None, given: Iterator[Vector]) -> Any:
    return next(given) if number is None else tuple(next(given) for _ in range(number))


def _values(result: Any) -> Iterator[Any]:
    if isinstance(result, tuple):
        for part in result:
            yield from _values(part)
    else:
        yield result


def _fits(result: Any, gives: Any) -> bool:
    """Whether a result is tuples as long as they should be, of values or numbers."""
    if gives is None:
        return not isinstance(result, tuple)
    if not isinstance(result, tuple):
        return False
    if isinstance(gives, tuple):
        return len(result) == len(gives) and all(map(_fits, result, gives))
    return len(result) == gives and not any(isinstance(part, tuple) for part in result)

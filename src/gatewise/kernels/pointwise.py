"""Pointwise functions of a cell, made ready for Numba: compiled with the helpers they call, and named by a digest."""

# mypy: disable-error-code="attr-defined, call-overload"
from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterator
from types import CodeType, FunctionType, ModuleType
from typing import Any

import numpy as np
from numba import njit, types
from numba.core import errors

from gatewise import activations
from gatewise.cells import Cell
from gatewise.kernels.vectors import Vector


def jitted(function: Any) -> Any:
    """Return `function` compiled, and with it the plain functions it calls by name.

    Those of `activations` stay as they are: Vectors have their own.
    """
    return njit(_with_compiled_helpers(function))


def _with_compiled_helpers(function: FunctionType) -> FunctionType:
    helpers = {name: value for name, value in _names(function) if _is_helper(value)}
    if not helpers:
        return function
    compiled = {name: jitted(helper) for name, helper in helpers.items() if helper is not function}
    closure = tuple(
        _cell_of(compiled.get(name, c.cell_contents))
        for name, c in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    )
    return FunctionType(
        function.__code__, function.__globals__ | compiled, function.__name__, function.__defaults__, closure
    )


def _cell_of(value: Any) -> Any:
    """A closure's cell that holds `value`."""
    return (lambda: value).__closure__[0]  # type: ignore[index]


def _is_helper(value: Any) -> bool:
    return isinstance(value, FunctionType) and value.__module__ != activations.__name__


def _names(function: FunctionType) -> Iterator[tuple[str, Any]]:
    """What the names stand for that a function takes from outside, closures first."""
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        yield name, cell.cell_contents
    for name in sorted({name for code in _codes(function.__code__) for name in code.co_names}):
        if name in function.__globals__:
            yield name, function.__globals__[name]


def _codes(code: CodeType) -> Iterator[CodeType]:
    """A code object and those inside it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def digest(cell: Cell) -> str:
    """Return a short name for all that compiled code of `cell` is made from: equal code has equal names."""
    text = hashlib.sha256(repr((len(cell.gates), cell.states, cell.recorded)).encode())
    for phase in cell.phases:
        for value in phase:
            _add(text, value, set())
    return text.hexdigest()[:16]


def _add(text: Any, value: Any, seen: set[int]) -> None:
    """Add a function's bytecode, and the values of the names in it, to a digest."""
    if isinstance(value, FunctionType):
        if id(value) in seen:
            return
        seen.add(id(value))
        for code in _codes(value.__code__):
            text.update(repr((code.co_code, code.co_names, code.co_varnames, code.co_freevars)).encode())
            text.update(repr([c for c in code.co_consts if not isinstance(c, CodeType)]).encode())
        _add(text, value.__defaults__, seen)
        for name, part in _names(value):
            text.update(name.encode())
            _add(text, part, seen)
    elif isinstance(value, ModuleType | np.ufunc):
        text.update(value.__name__.encode())
    elif isinstance(value, np.ndarray):
        text.update(repr((value.shape, value.dtype.str)).encode() + value.tobytes())
    elif isinstance(value, tuple):
        for part in value:
            _add(text, part, seen)
    elif value is None or isinstance(value, bool | int | float | str | np.number):
        text.update(repr(value).encode())
    else:  # unknown: a name of its own, so that no code is taken from another process
        text.update(uuid.uuid4().bytes)


def rejection(cell: Cell) -> str | None:
    """Return why the functions of a cell of one phase do not compile for Vectors, or None if they do.

    Functions of float32 and of float64 compile alike; one is tried.
    """
    from gatewise.kernels import arithmetic, functions  # noqa: F401  what Vectors can do

    vector = Vector(types.float32)
    (phase,) = cell.phases
    states, record = (types.Tuple([vector] * count) for count in (len(cell.states), phase.recorded))
    p, q = (types.Tuple([vector] * count) for count in (phase.gates, phase.products))
    try:
        forward = _returned(phase.forward, (p, q, states))
        backward = _returned(phase.backward, (states, states, states, record))
    except errors.NumbaError as error:
        return str(error).strip().split("\n")[0]
    if not _fits(forward, (states, record), vector) or not _fits(backward, (p, q, states), vector):
        return f"they return {forward} and {backward}"
    return None


def _returned(function: Any, arguments: tuple[Any, ...]) -> Any:
    """The type that a function returns."""
    compiled = jitted(function)
    compiled.compile(arguments)
    return compiled.overloads[arguments].signature.return_type


def _fits(returned: Any, expected: tuple[Any, ...], vector: Vector) -> bool:
    """Whether a function returns tuples as long as expected, of Vectors or numbers."""
    parts = list(returned) if isinstance(returned, types.BaseTuple) else []
    return len(parts) == len(expected) and all(
        isinstance(part, types.BaseTuple)
        and len(part) == len(whole)
        and all(kind == vector or isinstance(kind, types.Number) for kind in part)
        for part, whole in zip(parts, expected, strict=True)
    )

"""Units of compiled code: each one function, made when first asked for, kept in the cache, and linked by name.

A routine (`marks.py`) is a unit for each kind of arguments, and serves every loop that calls it. A loop is one for each
cell and dtype. Threads take turns in making them: `lock`.
"""

# mypy: disable-error-code="no-untyped-def, no-untyped-call"
from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from typing import Any, NamedTuple

from llvmlite import ir

from gatewise.cells import Cell
from gatewise.kernels import cache, machine
from gatewise.kernels.pointwise import digest
from gatewise.kernels.structures import dynamic, has_parts, leaves, rebuilt
from gatewise.kernels.translation import gives_number, translate
from gatewise.kernels.values import Array, Number, building, current, integer


class Unit(NamedTuple):
    """A function compiled: its object file, and the names of the units that it calls."""

    code: bytes
    calls: list[str]


PACKAGE = f"{__name__.rpartition('.')[0]}."
_units: dict[str, Unit] = {}
_others: dict[int, Any] = {}
_linked: set[str] = set()
_calling: list[list[str]] = []  # units called by each unit that is being made
lock = threading.RLock()


def kind(value: Any) -> str:
    """Return what compiled code depends on of an argument: types of numbers, what else is known beforehand itself."""
    if has_parts(value):
        return f"{type(value).__name__}({', '.join(kind(part) for part in value)})"
    if isinstance(value, Array):
        return f"{value.dtype}[{len(value.shape)}{'' if isinstance(value.step, int) else ', apart'}]"
    if isinstance(value, Cell):
        return f"{value.name} {digest(value)}"
    if hasattr(value, "ir"):
        return str(value.ir.type)
    if value is None:
        return "None"
    raise TypeError(f"a routine cannot take {value!r}")


def symbol(function: Any, kinds: str) -> str:
    """The name of a unit; one that begins with ~ is of this process alone: its source is not in this package."""
    short = hashlib.sha256(kinds.encode()).hexdigest()[:12]
    if function.__module__.startswith(PACKAGE) and function.__closure__ is None:
        return f"{function.__module__.removeprefix(PACKAGE)}.{function.__name__}.{short}"
    _others[id(function)] = function  # so that no other comes to have its number
    return f"~{function.__name__}.{id(function)}.{short}"


def call_routine(routine: Any, arguments: tuple[Any, ...]) -> Any:
    """Add a call of a routine, whose unit is made if there is none; return its value."""
    arguments = dynamic(arguments)
    function, values = routine.py_func, list(leaves(arguments))
    name = symbol(function, kind(arguments))
    obtain(name, lambda module: _define(module, name, function, arguments))
    if name not in _calling[-1]:
        _calling[-1].append(name)
    result = current().call(_declared(current().module, name, function, values), values)
    return Number(result) if gives_number(function) else None


def obtain(name: str, define: Callable[[Any], None]) -> Unit:
    """Return a unit: of this process, of the cache, or made of what `define` adds to a module."""
    if name not in _units:
        _units[name] = _kept(name) or _make(name, define)
    return _units[name]


def _kept(name: str) -> Unit | None:
    """A unit of the cache, if all the units that it calls are there too."""
    found = None if name.startswith("~") else cache.read(name)
    if found is None:
        return None
    code, calls = found
    for called in calls:
        unit = _units.get(called) or _kept(called)
        if unit is None:
            return None
        _units[called] = unit
    return Unit(code, calls)


def link(name: str) -> int:
    """Load a unit and those it calls; return the address of its function."""
    _link(name)
    return machine.address(name)


def _link(name: str) -> None:
    if name not in _linked:
        for called in _units[name].calls:
            _link(called)
        machine.load(_units[name].code)
        _linked.add(name)


def _make(name: str, define: Callable[[Any], None]) -> Unit:
    from gatewise.kernels.announcement import announce  # takes as long to import as all other modules

    announce()
    module = ir.Module(name)
    _calling.append([])
    try:
        define(module)
    finally:
        calls = _calling.pop()
    unit = Unit(machine.compile_text(str(module)), calls)
    if not name.startswith("~"):
        cache.write(name, *unit)
    return unit


def _declared(module: Any, name: str, function: Any, values: list[Any]) -> Any:
    if name in module.globals:
        return module.globals[name]
    returned = ir.IntType(64) if gives_number(function) else ir.VoidType()
    return ir.Function(module, ir.FunctionType(returned, [v.type for v in values]), name)


def _define(module: Any, name: str, function: Any, arguments: tuple[Any, ...]) -> None:
    """Define the function of a routine for such arguments."""
    defined = _declared(module, name, function, list(leaves(arguments)))
    define_body(defined, function, lambda: rebuilt(arguments, iter(defined.args)))


def define_body(defined: Any, function: Any, arguments: Callable[[], tuple[Any, ...]]) -> None:
    """Fill an LLVM function with the instructions of a plain function of `arguments()`."""
    with building(ir.IRBuilder(defined.append_basic_block("entry"))):
        value = translate(function, arguments())
        if isinstance(defined.ftype.return_type, ir.VoidType):
            current().ret_void()
        else:
            current().ret(integer(0 if value is None else value))

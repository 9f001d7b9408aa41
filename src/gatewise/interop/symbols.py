"""Numbers that are known by how they are computed: a cell's pointwise functions run on them and so write themselves.

A `Symbol` stands for an array in `forward(p, q, state_prev)`. What NumPy does to it, by an operator or a function, is
noted and gives another `Symbol`. Nothing is computed; the equations stand in the cells alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from gatewise.errors import GatewiseError, GatewiseTypeError, GatewiseValueError

Key = tuple[Any, ...]

# NumPy's functions that can be written in another language, and the names of their operations here.
UFUNCS = {
    np.add: "+",
    np.subtract: "-",
    np.multiply: "*",
    np.true_divide: "/",
    np.greater: ">",
    np.less: "<",
    np.greater_equal: ">=",
    np.less_equal: "<=",
    np.equal: "==",
    np.not_equal: "!=",
    np.logical_and: "&&",
    np.bitwise_and: "&&",
    np.logical_or: "||",
    np.bitwise_or: "||",
    np.logical_not: "not",
    np.invert: "not",
    np.negative: "negative",
    np.maximum: "max",
    np.fmax: "max",
    np.minimum: "min",
    np.fmin: "min",
    np.absolute: "abs",
    np.fabs: "abs",
    np.sign: "sign",
    np.tanh: "tanh",
    np.exp: "exp",
    np.log: "log",
    np.sqrt: "sqrt",
    np.sin: "sin",
    np.cos: "cos",
}
TRUTHS = frozenset({">", "<", ">=", "<=", "==", "!=", "&&", "||", "not"})
HIGHEST_POWER = 8


class Symbol(NDArrayOperatorsMixin):
    """An input, a number, or an operation on symbols; equal ones of one recorder are the same object."""

    __slots__ = ("name", "operands", "operation", "recorder")
    __hash__ = object.__hash__  # `==` is an operation like others

    def __init__(self, recorder: Recorder, operation: str, operands: tuple[Symbol, ...], name: Any) -> None:
        self.recorder, self.operation, self.operands, self.name = recorder, operation, operands, name

    @property
    def is_truth(self) -> bool:
        """Whether it is true or false, not a number."""
        return self.operation in TRUTHS

    @property
    def dtype(self) -> np.dtype[Any]:
        """What functions that ask for it may hand to `astype`; all numbers are of one type."""
        return np.dtype(np.bool_ if self.is_truth else np.float32)

    def astype(self, dtype: Any, copy: bool = True) -> Symbol:
        """Return 1 and 0 for true and false; numbers as they are."""
        return self.recorder.number(self)

    def copy(self) -> Symbol:
        """Return itself: nothing can change it."""
        return self

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Symbol:
        if method != "__call__" or options:
            asked = f".{method}" if method != "__call__" else f" with {', '.join(options)}"
            raise GatewiseValueError(f"np.{ufunc.__name__}{asked} cannot be written out; need functions of elements.")
        return self.recorder.apply(ufunc, inputs)

    def __array_function__(self, function: Callable[..., Any], types: Any, args: Any, kwargs: Any) -> Any:
        if function not in FUNCTIONS:
            raise GatewiseValueError(f"np.{function.__name__} cannot be written out; {_KNOWN}")
        return FUNCTIONS[function](self.recorder, *args, **kwargs)

    def __bool__(self) -> bool:
        raise GatewiseTypeError(
            "the function branches on a value, and what is written is one for all; write np.where(condition, a, b)."
        )

    def __float__(self) -> float:
        raise GatewiseTypeError(
            "the function asks for one number; need NumPy's functions of arrays: np.tanh, not math's."
        )


class Recorder:
    """Notes operations; the same operation on the same operands is noted once."""

    def __init__(self) -> None:
        self._known: dict[Key, Symbol] = {}

    def note(self, operation: str, *operands: Symbol, name: Any = None) -> Symbol:
        """Return the symbol of an operation."""
        key = (operation, name, *map(id, operands))
        if key not in self._known:
            self._known[key] = Symbol(self, operation, operands, name)
        return self._known[key]

    def input(self, name: str) -> Symbol:
        """Return what has a name of its own."""
        return self.note("input", name=name)

    def symbol(self, value: Any) -> Symbol:
        """Return a symbol for one operand: itself, or a number."""
        if isinstance(value, Symbol):
            return value
        array = np.asarray(value)
        if array.ndim or array.dtype.kind not in "biuf" or not np.isfinite(array):
            raise GatewiseTypeError(
                f"{value!r} stands in the equations; need finite numbers and the arrays that the function gets."
            )
        return self.note("number", name=float(array))

    def number(self, symbol: Symbol) -> Symbol:
        """Return 1 and 0 for true and false; numbers as they are."""
        return self.note("where", symbol, self.symbol(1.0), self.symbol(0.0)) if symbol.is_truth else symbol

    def apply(self, ufunc: np.ufunc, inputs: tuple[Any, ...]) -> Symbol:
        """Note a function of NumPy."""
        operands = tuple(map(self.symbol, inputs))
        if ufunc in SHORTHANDS:
            return self.symbol(SHORTHANDS[ufunc](*operands))
        if ufunc not in UFUNCS:
            raise GatewiseValueError(f"np.{ufunc.__name__} cannot be written out; {_KNOWN}")
        operation = UFUNCS[ufunc]
        if operation in ("&&", "||", "not"):
            operands = tuple(self._truth(ufunc, operand) for operand in operands)
        else:
            operands = tuple(map(self.number, operands))
        return self._as_sigmoid(self.note(operation, *operands))

    def _truth(self, ufunc: np.ufunc, operand: Symbol) -> Symbol:
        if not operand.is_truth:
            raise GatewiseTypeError(f"np.{ufunc.__name__} got a number; need comparisons, such as a > 0.")
        return operand

    def _as_sigmoid(self, symbol: Symbol) -> Symbol:
        """σ(a) in place of 0.5 tanh(0.5 a) + 0.5, which is how `gatewise.activations` computes it."""
        half = self.symbol(0.5)
        if symbol.operation != "+" or symbol.operands[1] is not half:
            return symbol
        product = symbol.operands[0]
        if product.operation != "*" or product.operands[0] is not half or product.operands[1].operation != "tanh":
            return symbol
        (inner,) = product.operands[1].operands
        found = inner.operation == "*" and inner.operands[0] is half
        return self.note("sigmoid", inner.operands[1]) if found else symbol


def _power(base: Symbol, exponent: Symbol) -> Symbol:
    """Whole powers as products, and the root."""
    power = exponent.name if exponent.operation == "number" else None
    if power == 0.5:
        return base.recorder.note("sqrt", base)
    if power is None or power != int(power) or not 1 <= power <= HIGHEST_POWER:
        raise GatewiseValueError(f"np.power takes whole exponents from 1 to {HIGHEST_POWER}, or 0.5; {_KNOWN}")
    result: Any = base
    for _ in range(int(power) - 1):
        result = result * base
    return base.recorder.symbol(result)


def _where(recorder: Recorder, condition: Any, yes: Any, no: Any) -> Symbol:
    asked = recorder.symbol(condition)
    asked = asked if asked.is_truth else recorder.symbol(asked != 0)
    return recorder.note("where", asked, *(recorder.number(recorder.symbol(value)) for value in (yes, no)))


def _clip(recorder: Recorder, a: Any, a_min: Any = None, a_max: Any = None) -> Any:
    a = a if a_min is None else np.maximum(a, a_min)
    return a if a_max is None else np.minimum(a, a_max)


SHORTHANDS: dict[np.ufunc, Callable[..., Any]] = {
    np.power: _power,
    np.square: lambda a: a * a,
    np.reciprocal: lambda a: 1 / a,
    np.positive: lambda a: a,
}
FUNCTIONS: dict[Any, Callable[..., Any]] = {
    np.where: _where,
    np.clip: _clip,
    np.zeros_like: lambda recorder, a, **options: recorder.symbol(0.0),
    np.ones_like: lambda recorder, a, **options: recorder.symbol(1.0),
    np.full_like: lambda recorder, a, value, **options: recorder.number(recorder.symbol(value)),
}
_KNOWN = (
    "need "
    + ", ".join(sorted({function.__name__ for function in {*UFUNCS, *SHORTHANDS, *FUNCTIONS}}))
    + ", of two arrays at most."
)


def in_order(results: Iterable[Symbol]) -> list[Symbol]:
    """Return all values that `results` are made of, each after its operands."""
    done: dict[Symbol, None] = {}
    waiting = [(symbol, False) for symbol in reversed(list(results))]
    while waiting:
        symbol, ready = waiting.pop()
        if ready:
            done[symbol] = None
        elif symbol not in done:
            waiting.append((symbol, True))
            waiting.extend((operand, False) for operand in reversed(symbol.operands))
    return list(done)


def traced(label: str, function: Callable[..., Any], *arguments: Any) -> Any:
    """Return what a pointwise function makes of symbols; raise, and say whose it is, if it cannot be noted."""
    try:
        return function(*arguments)
    except GatewiseError as error:
        raise type(error)(f"{label} cannot be written out: {error}") from error
    except Exception as error:
        raise GatewiseValueError(
            f"{label} cannot be written out ({type(error).__name__}: {error}); need arithmetic and NumPy's functions "
            f"of elements, on the arrays that it gets."
        ) from error

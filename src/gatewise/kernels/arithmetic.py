"""Vectors as a pointwise function sees them: operators, NumPy's functions, comparisons and choices.

A cell's functions are called once with `Vector` in place of arrays; each operation adds its instructions. The results
are NumPy's but for products and sums, which LLVM may contract to a fused multiply-add, and but for dtypes: a number
beside a Vector takes its dtype.
"""

# mypy: disable-error-code="no-untyped-def, no-untyped-call, assignment"
from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir

from gatewise.kernels.values import FUNCTIONS, Mask, Number, Overloaded, Vector, constant, current
from gatewise.kernels.vectors import CONTRACT, lifted


def _scalar(value: Any) -> bool:
    return isinstance(value, bool | int | float | np.number | np.bool_ | Number)


def _lanes(value: Any, vec: Any) -> Any:
    """The LLVM value of a Vector of type `vec`, of a Mask as 0 and 1, of a number in every lane."""
    return current().uitofp(value.ir, vec) if isinstance(value, Mask) else lifted(value, vec)


def _type_among(values: Any) -> Any:
    """The LLVM type of the vectors among values, which are Vector, Masks and numbers; None if they do not fit."""
    types = {v.vec if isinstance(v, Mask) else v.ir.type for v in values if isinstance(v, Overloaded)}
    fitting = len(types) == 1 and all(isinstance(v, Overloaded) or _scalar(v) for v in values)
    return types.pop() if fitting else None


def _needed_type(values: Any) -> Any:
    vec = _type_among(values)
    if vec is None:
        raise TypeError(f"no compiled form for {', '.join(type(v).__name__ for v in values)} together")
    return vec


def _method(function: Any) -> tuple[str, str] | None:
    """The names of the methods of an operator and of its reflection."""
    name = getattr(function, "__name__", "")
    if getattr(operator, name, None) is not function:
        return None
    plain = name.strip("_")
    return f"__{plain}__", {"lt": "__gt__", "gt": "__lt__", "le": "__ge__", "ge": "__le__"}.get(plain, f"__r{plain}__")


def _register(function: Any, apply: Callable[..., Any]) -> None:
    """Let `apply` be what `function`, of NumPy or an operator, does."""
    FUNCTIONS[function] = apply
    names = _method(function)
    if names is None:
        return
    setattr(Overloaded, names[0], apply)
    if names[0] in {"__add__", "__sub__", "__mul__", "__truediv__", "__and__", "__or__"}:
        setattr(Overloaded, names[1], lambda x, y: apply(y, x))


def unary(function: Any, emit: Any) -> None:
    """Let `function` work on Vector, by `emit(builder, x)`."""
    _register(function, lambda x: Vector(emit(current(), _lanes(x, _needed_type([x])))))


def binary(function: Any, emit: Any, comparison: bool = False) -> None:
    """Let `function` work on Vector and Vector or a number, by `emit(builder, x, y)`."""

    def apply(x: Any, y: Any) -> Any:
        vec = _needed_type([x, y])
        value = emit(current(), _lanes(x, vec), _lanes(y, vec))
        return Mask(value, vec) if comparison else Vector(value)

    _register(function, apply)


def _negative(builder, x):
    return builder.fneg(x)


def _plus(builder, x, y):
    return builder.fadd(x, y, flags=CONTRACT)


def _minus(builder, x, y):
    return builder.fsub(x, y, flags=CONTRACT)


def _times(builder, x, y):
    return builder.fmul(x, y, flags=CONTRACT)


def _over(builder, x, y):
    return builder.fdiv(x, y)


for _functions, _emit in (
    ((operator.add, np.add), _plus),
    ((operator.sub, np.subtract), _minus),
    ((operator.mul, np.multiply), _times),
    ((operator.truediv, np.divide), _over),
):
    for _function in _functions:
        binary(_function, _emit)
for _function in (operator.neg, np.negative):
    unary(_function, _negative)
unary(np.square, lambda builder, x: _times(builder, x, x))
FUNCTIONS[np.power] = operator.pow


# Comparisons and choices.


def _ordered(sign: str) -> Any:
    return lambda builder, x, y: builder.fcmp_ordered(sign, x, y)


for _functions, _sign in (
    ((operator.lt, np.less), "<"),
    ((operator.le, np.less_equal), "<="),
    ((operator.gt, np.greater), ">"),
    ((operator.ge, np.greater_equal), ">="),
    ((operator.eq, np.equal), "=="),
):
    for _function in _functions:
        binary(_function, _ordered(_sign), comparison=True)
for _function in (operator.ne, np.not_equal):
    binary(_function, lambda builder, x, y: builder.fcmp_unordered("!=", x, y), comparison=True)


def _extreme(sign: str, opposite: str) -> Any:
    """The larger or smaller of two; NaN if one of them is NaN."""

    def emit(builder, x, y):
        if isinstance(y, ir.Constant):  # not NaN
            return builder.select(builder.fcmp_ordered(opposite, x, y), y, x)
        chosen = builder.select(builder.fcmp_ordered(sign, x, y), x, y)
        return builder.select(builder.fcmp_unordered("uno", x, x), x, chosen)

    return emit


binary(np.maximum, _extreme(">=", "<"))
binary(np.minimum, _extreme("<=", ">"))
FUNCTIONS[np.clip] = lambda x, low, high: np.minimum(np.maximum(x, low), high)


def _logical(functions: Any, name: str) -> None:
    """Let `functions` work on two Masks, by the builder's instruction of that name."""

    def apply(a: Any, b: Any) -> Mask:
        if not (isinstance(a, Mask) and isinstance(b, Mask) and a.vec == b.vec):
            raise TypeError("only comparisons can be joined by and, or")
        return Mask(getattr(current(), name)(a.ir, b.ir), a.vec)

    for function in functions:
        _register(function, apply)


_logical((operator.and_, np.logical_and, np.bitwise_and), "and_")
_logical((operator.or_, np.logical_or, np.bitwise_or), "or_")


def _not(a: Any) -> Mask:
    if not isinstance(a, Mask):
        raise TypeError("only a comparison can be turned around by not")
    return Mask(current().not_(a.ir), a.vec)


for _function in (operator.invert, np.logical_not, np.invert):
    _register(_function, _not)


def _where(condition: Any, a: Any, b: Any) -> Vector:
    if not isinstance(condition, Mask):
        raise TypeError("np.where needs a comparison")
    vec = _needed_type([condition, a, b])
    return Vector(current().select(condition.ir, _lanes(a, vec), _lanes(b, vec)))


FUNCTIONS[np.where] = _where
unary(np.zeros_like, lambda builder, x: constant(x.type, 0.0))
unary(np.ones_like, lambda builder, x: constant(x.type, 1.0))

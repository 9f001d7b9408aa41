"""Operators and comparisons of Vectors, with each other and with numbers, and choices between their values.

What a NumPy function does with an array, it does here with a register. The results are NumPy's but for products and
sums, which LLVM may contract to a fused multiply-add, and but for dtypes: a number beside a Vector takes its dtype.
"""

# mypy: disable-error-code="no-untyped-def, no-untyped-call, assignment"
from __future__ import annotations

import operator
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic, models, overload, overload_attribute, overload_method, register_model

from gatewise.kernels.vectors import CONTRACT, Vector, constant, lift


class Mask(types.Type):
    """One truth value a lane of a Vector."""

    def __init__(self, vector: Vector) -> None:
        self.vector = vector
        super().__init__(name=f"Mask({vector})")


@register_model(Mask)
class _MaskModel(models.PrimitiveModel):
    def __init__(self, dmm: Any, fe_type: Any) -> None:
        super().__init__(dmm, fe_type, ir.VectorType(ir.IntType(1), fe_type.vector.lanes))


def _number(kind: Any) -> bool:
    return isinstance(kind, types.Number | types.Boolean)


def _vector_of(kinds: Any) -> Vector | None:
    """The Vector among the types of arguments, if all are Vectors, Masks or numbers and not all numbers."""
    vectors = [kind if isinstance(kind, Vector) else kind.vector for kind in kinds if isinstance(kind, Vector | Mask)]
    fitting = len(set(vectors)) == 1 and all(isinstance(kind, Vector | Mask) or _number(kind) for kind in kinds)
    return vectors[0] if fitting else None


def _as_vector(context, builder, value, kind, vector):
    """A Vector as it is, a Mask as 0 and 1, a number in every lane."""
    if isinstance(kind, Mask):
        return builder.uitofp(value, vector.ir)
    return lift(context, builder, value, kind, vector)


def _with_vector(*kinds: Any) -> Vector | None:
    """`_vector_of` where one argument at least is a Vector."""
    return _vector_of(kinds) if any(isinstance(kind, Vector) for kind in kinds) else None


def unary(function: Any, emit: Any) -> None:
    """Let `function` work on a Vector, by `emit(builder, x)`."""

    @intrinsic
    def apply(typingctx, x):
        return x(x), lambda context, builder, sig, args: emit(builder, args[0])

    @overload(function)
    def _(x):
        return (lambda x: apply(x)) if isinstance(x, Vector) else None


def binary(function: Any, emit: Any, result: Any = lambda vector: vector) -> None:
    """Let `function` work on two Vectors, or a Vector and a number, by `emit(builder, x, y)`."""

    @intrinsic
    def apply(typingctx, a, b):
        vector = _with_vector(a, b)

        def codegen(context, builder, sig, args):
            pairs = zip(args, sig.args, strict=True)
            return emit(builder, *(_as_vector(context, builder, value, kind, vector) for value, kind in pairs))

        return result(vector)(a, b), codegen

    @overload(function)
    def _(a, b):
        return (lambda a, b: apply(a, b)) if _with_vector(a, b) else None


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
unary(operator.pos, lambda builder, x: x)
unary(np.square, lambda builder, x: _times(builder, x, x))


@overload(operator.pow)
def _power(x, n):
    """Squares and cubes, whose exponents are written out; other powers do not compile."""
    value = getattr(n, "literal_value", None)
    if not isinstance(x, Vector) or value not in (2, 3):
        return None
    return (lambda x, n: x * x) if value == 2 else (lambda x, n: x * x * x)


# Comparisons and choices.


def _ordered(sign: str) -> Any:
    return lambda builder, x, y: builder.fcmp_ordered(sign, x, y)


for _function, _sign in {
    operator.lt: "<",
    operator.le: "<=",
    operator.gt: ">",
    operator.ge: ">=",
    operator.eq: "==",
}.items():
    binary(_function, _ordered(_sign), Mask)
binary(operator.ne, lambda builder, x, y: builder.fcmp_unordered("!=", x, y), Mask)


def _extreme(sign: str) -> Any:
    """The larger or smaller of two; NaN if one of them is NaN."""

    def emit(builder, x, y):
        chosen = builder.select(builder.fcmp_ordered(sign, x, y), x, y)
        return builder.select(builder.fcmp_unordered("uno", x, x), x, chosen)

    return emit


binary(np.maximum, _extreme(">="))
binary(np.minimum, _extreme("<="))


@overload(np.clip)
def _clip(x, low, high):
    return (lambda x, low, high: np.minimum(np.maximum(x, low), high)) if isinstance(x, Vector) else None


def _logical(functions: Any, emit: Any) -> None:
    """Let `functions` work on two Masks."""

    @intrinsic
    def apply(typingctx, a, b):
        return a(a, b), lambda context, builder, sig, args: emit(builder, *args)

    def choose(a, b):
        return (lambda a, b: apply(a, b)) if isinstance(a, Mask) and isinstance(b, Mask) else None

    for function in functions:
        overload(function)(choose)


_logical((operator.and_, np.logical_and), lambda builder, a, b: builder.and_(a, b))
_logical((operator.or_, np.logical_or), lambda builder, a, b: builder.or_(a, b))


@intrinsic
def _not(typingctx, a):
    return a(a), lambda context, builder, sig, args: builder.not_(args[0])


for _function in (operator.invert, np.logical_not):
    overload(_function)(lambda a: (lambda a: _not(a)) if isinstance(a, Mask) else None)


@intrinsic
def _select(typingctx, condition, a, b):
    vector = condition.vector

    def codegen(context, builder, sig, args):
        chosen, *values = args
        pairs = zip(values, sig.args[1:], strict=True)
        return builder.select(chosen, *(_as_vector(context, builder, value, kind, vector) for value, kind in pairs))

    return vector(condition, a, b), codegen


@overload(np.where)
def _where(condition, a, b):
    fits = isinstance(condition, Mask) and _vector_of([condition, a, b])
    return (lambda condition, a, b: _select(condition, a, b)) if fits else None


# Dtypes and constants.


@overload_attribute(Vector, "dtype")
def _dtype(x):
    dtype = np.float32 if x.dtype == types.float32 else np.float64
    return lambda x: dtype


@overload_method(Mask, "astype")
def _mask_astype(x, dtype):
    return (lambda x, dtype: _select(x, 1, 0)) if getattr(dtype, "dtype", None) == x.vector.dtype else None


@overload_method(Vector, "astype")
def _vector_astype(x, dtype):
    return (lambda x, dtype: x) if getattr(dtype, "dtype", None) == x.dtype else None


unary(np.zeros_like, lambda builder, x: constant(x.type, 0.0))
unary(np.ones_like, lambda builder, x: constant(x.type, 1.0))

"""Values of a loop while it is translated: numbers and arrays that LLVM instructions stand for.

What is known beforehand (a count of gates, None, a tuple's length) stays a Python object. What is known only when the
loop runs is one of these; operators on it add instructions at the current place of `current()`.
"""

# mypy: disable-error-code="no-untyped-def, no-untyped-call"
from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from llvmlite import ir

I1, I64 = ir.IntType(1), ir.IntType(64)
BYTE = ir.IntType(8)
FLOATS: dict[str, Any] = {"float32": ir.FloatType(), "float64": ir.DoubleType()}


class _Builders(threading.local):
    """Builders in use in this thread, the current one last."""

    def __init__(self) -> None:
        self.stack: list[Any] = []


_builders = _Builders()


def current() -> Any:
    """The builder that instructions are added with."""
    return _builders.stack[-1]


@contextmanager
def building(builder: Any) -> Iterator[None]:
    """Let instructions go to `builder`."""
    _builders.stack.append(builder)
    try:
        yield
    finally:
        _builders.stack.pop()


class Number:
    """An integer of 64 bits, a truth value, or a float: told by its LLVM type."""

    __slots__ = ("ir",)

    def __init__(self, value: Any) -> None:
        self.ir = value

    def __repr__(self) -> str:
        return f"some {self.ir.type}"

    def __bool__(self) -> bool:
        raise TypeError("this number is not known before the loop runs")

    def __add__(self, other: Any) -> Any:
        return _arithmetic("add", self, other)

    def __sub__(self, other: Any) -> Any:
        return _arithmetic("sub", self, other)

    def __mul__(self, other: Any) -> Any:
        return _arithmetic("mul", self, other)

    def __radd__(self, other: Any) -> Any:
        return _arithmetic("add", other, self)

    def __rsub__(self, other: Any) -> Any:
        return _arithmetic("sub", other, self)

    def __rmul__(self, other: Any) -> Any:
        return _arithmetic("mul", other, self)

    def __neg__(self) -> Any:
        return _arithmetic("sub", 0, self)

    def __floordiv__(self, other: Any) -> Number:
        return _divided(self, other)[0]

    def __rfloordiv__(self, other: Any) -> Number:
        return _divided(number(other), self)[0]

    def __mod__(self, other: Any) -> Number:
        return _divided(self, other)[1]

    def __rmod__(self, other: Any) -> Number:
        return _divided(number(other), self)[1]

    def __lt__(self, other: Any) -> Number:
        return _compared("<", self, other)

    def __le__(self, other: Any) -> Number:
        return _compared("<=", self, other)

    def __gt__(self, other: Any) -> Number:
        return _compared(">", self, other)

    def __ge__(self, other: Any) -> Number:
        return _compared(">=", self, other)

    def __eq__(self, other: object) -> Any:
        return _compared("==", self, other)

    def __ne__(self, other: object) -> Any:
        return _compared("!=", self, other)

    __hash__ = None  # type: ignore[assignment]


def number(value: Any) -> Number:
    """`value` as a Number: a Python integer or truth value as a constant."""
    if isinstance(value, Number):
        return value
    if isinstance(value, bool):
        return Number(ir.Constant(I1, int(value)))
    return Number(ir.Constant(I64, int(value)))


def integer(value: Any) -> Any:
    """The LLVM value of an integer of 64 bits."""
    got = number(value).ir
    return current().zext(got, I64) if got.type == I1 else got


def truth(value: Any) -> Any:
    """The LLVM truth value of a number."""
    got = number(value).ir
    return got if got.type == I1 else current().icmp_signed("!=", got, ir.Constant(I64, 0))


def is_float(kind: Any) -> bool:
    """Whether an LLVM type is that of a float."""
    return isinstance(kind, ir.FloatType | ir.DoubleType)


def _pair(a: Any, b: Any) -> tuple[Any, Any, bool]:
    """Two LLVM values of one type, and whether they are floats."""
    floats = [x.ir.type for x in (a, b) if isinstance(x, Number) and is_float(x.ir.type)]
    if not floats:
        return integer(a), integer(b), False
    x, y = (v.ir if isinstance(v, Number) and is_float(v.ir.type) else _as_float(v, floats[0]) for v in (a, b))
    return x, y, True


def _as_float(value: Any, kind: Any) -> Any:
    if isinstance(value, Number):
        return current().sitofp(integer(value), kind)
    return ir.Constant(kind, float(value))


def _arithmetic(name: str, a: Any, b: Any) -> Any:
    if not all(isinstance(v, Number | int | float) for v in (a, b)):
        return NotImplemented
    x, y, floats = _pair(a, b)
    if floats:
        return Number(getattr(current(), f"f{name}")(x, y))
    return Number(getattr(current(), name)(x, y, flags=("nsw",)))


def _compared(sign: str, a: Any, b: Any) -> Number:
    x, y, floats = _pair(a, b)
    if not floats:
        return Number(current().icmp_signed(sign, x, y))
    compare = current().fcmp_unordered if sign == "!=" else current().fcmp_ordered
    return Number(compare(sign, x, y))


def _divided(a: Any, b: Any) -> tuple[Number, Number]:
    """a // b and a % b, rounded down as in Python; a division by 0 gives a number, not a trap."""
    builder, x = current(), integer(a)
    if isinstance(b, int) and b > 0 and b & (b - 1) == 0:
        shift, rest = ir.Constant(I64, b.bit_length() - 1), ir.Constant(I64, b - 1)
        return Number(builder.ashr(x, shift)), Number(builder.and_(x, rest))
    y, zero, one = integer(b), ir.Constant(I64, 0), ir.Constant(I64, 1)
    if not isinstance(b, int):
        y = builder.select(builder.icmp_signed("==", y, zero), one, y)
    quotient = builder.sdiv(x, y)
    rest = builder.sub(x, builder.mul(quotient, y))
    signs_differ = builder.icmp_signed("<", builder.xor(rest, y), zero)
    down = builder.and_(builder.icmp_signed("!=", rest, zero), signs_differ)
    quotient = builder.sub(quotient, builder.zext(down, I64))
    return Number(quotient), Number(builder.add(rest, builder.select(down, y, zero)))


def smaller(a: Any, b: Any) -> Any:
    """min(a, b)."""
    if isinstance(a, int) and isinstance(b, int):
        return min(a, b)
    x, y = integer(a), integer(b)
    return Number(current().select(current().icmp_signed("<", x, y), x, y))


def larger(a: Any, b: Any) -> Any:
    """max(a, b)."""
    if isinstance(a, int) and isinstance(b, int):
        return max(a, b)
    x, y = integer(a), integer(b)
    return Number(current().select(current().icmp_signed(">", x, y), x, y))


class Address(NamedTuple):
    """What `array.ctypes` has of use here."""

    data: Number


class Array:
    """An array: the address of its first element and its shape; elements lie one after another, or `step` apart."""

    __slots__ = ("data", "shape", "step")

    def __init__(self, data: Any, shape: tuple[Any, ...], step: Any = 1) -> None:
        self.data, self.shape, self.step = data, shape, step

    @property
    def element(self) -> Any:
        """The LLVM type of an element."""
        return self.data.type.pointee

    @property
    def dtype(self) -> str:
        """The name of the elements' type."""
        return {ir.FloatType(): "float32", ir.DoubleType(): "float64", I64: "int64"}[self.element]

    @property
    def itemsize(self) -> int:
        """Bytes of an element."""
        return 4 if self.dtype == "float32" else 8

    @property
    def size(self) -> Any:
        """How many elements there are."""
        size = self.shape[0]
        for count in self.shape[1:]:
            size = size * count
        return size

    @property
    def ctypes(self) -> Address:
        """Where the first element stands, as NumPy names it."""
        return Address(Number(current().ptrtoint(self.data, I64)))

    def _at(self, index: Any) -> Any:
        if not (isinstance(self.step, int) and self.step == 1):
            index = index * self.step
        return current().gep(self.data, [integer(index)])

    def __getitem__(self, index: Any) -> Number:
        return Number(current().load(self._at(index)))

    def __setitem__(self, index: Any, value: Any) -> None:
        kind = self.element
        wanted = integer(value) if kind == I64 else value.ir if isinstance(value, Number) else None
        if wanted is None or (is_float(kind) and not is_float(wanted.type)):
            wanted = _as_float(value, kind)
        current().store(wanted, self._at(index))


# What NumPy's functions do with Vectors, and with what comes of comparing them: see `arithmetic.py`.
FUNCTIONS: dict[Any, Callable[..., Any]] = {}


def constant(vec, value: float):
    """A number in every lane."""
    return ir.Constant(vec, [value] * vec.count)


class Overloaded:
    """What Vector and Masks have in common: they take part in NumPy's functions."""

    __slots__ = ("ir",)
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, value: Any) -> None:
        self.ir = value

    if TYPE_CHECKING:  # `arithmetic.py` adds the operators

        def __add__(self, other: Any) -> Any: ...

        def __mul__(self, other: Any) -> Any: ...

    def __bool__(self) -> bool:
        raise TypeError("a choice between values needs np.where, not if")

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        if method != "__call__" or options or ufunc not in FUNCTIONS:
            raise TypeError(f"{ufunc.__name__} has no compiled form")
        return FUNCTIONS[ufunc](*inputs)

    def __array_function__(self, function: Any, types: Any, inputs: Any, options: Any) -> Any:
        if function not in FUNCTIONS:
            raise TypeError(f"{function.__name__} has no compiled form")
        return FUNCTIONS[function](*inputs, **options)


class Vector(Overloaded):
    """A Vector's values."""

    __slots__ = ()

    @property
    def dtype(self) -> Any:
        """The NumPy type of each value."""
        return np.float32 if isinstance(self.ir.type.element, ir.FloatType) else np.float64

    def astype(self, dtype: Any) -> Vector:
        """The same values: no other dtype has a compiled form."""
        if np.dtype(dtype) != self.dtype:
            raise TypeError(f"{np.dtype(dtype)} is not the dtype of the layer")
        return self

    def __pos__(self) -> Vector:
        return self

    def __pow__(self, n: Any) -> Any:
        if isinstance(n, bool) or n not in (2, 3):
            raise TypeError("of powers, only squares and cubes have a compiled form")
        return self * self if n == 2 else self * self * self


class Mask(Overloaded):
    """A truth value for each lane of a Vector of LLVM type `vec`."""

    __slots__ = ("vec",)

    def __init__(self, value: Any, vec: Any = None) -> None:
        super().__init__(value)
        self.vec = vec

    def astype(self, dtype: Any) -> Vector:
        """1 where true, else 0."""
        vec = _vector_type(dtype, self.vec.count)
        if vec != self.vec:
            raise TypeError(f"{np.dtype(dtype)} is not the dtype of the layer")
        return Vector(current().select(self.ir, constant(vec, 1.0), constant(vec, 0.0)))


def _vector_type(dtype: Any, count: int) -> Any:
    return ir.VectorType(ir.FloatType() if np.dtype(dtype) == np.float32 else ir.DoubleType(), count)

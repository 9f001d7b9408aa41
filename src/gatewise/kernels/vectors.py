"""Explicit SIMD: masked loads and stores of Vectors, and what emits LLVM instructions for them.

LLVM's own vectorizer does not keep a block of accumulators in registers, and gives up where many arrays might overlap.
Here a register of full width (`target.py`) is a value, `Vector`. What can be done with it stands in `arithmetic.py` and
`functions.py`, so that the plain functions of a cell have a compiled form as they are; products in `tiles.py`.

Arrays are flat; an index counts elements; nothing is checked.
"""

# mypy: disable-error-code="no-untyped-def, no-untyped-call"
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir

from gatewise.kernels.target import BYTES as BYTES
from gatewise.kernels.target import FUSED
from gatewise.kernels.values import Array, Number, Vector, constant, current, integer, is_float

I32, I64 = ir.IntType(32), ir.IntType(64)
# Contraction to fused multiply-add is the only liberty taken: NaN and infinity keep their meaning.
CONTRACT = ("contract",)


def vector_type(array: Array) -> Any:
    """The LLVM type of a register of an array's elements."""
    return ir.VectorType(array.element, BYTES // array.itemsize)


# Emitters: LLVM instructions for values at hand.


def suffix(vec) -> str:
    """The type's part of the name of an LLVM intrinsic."""
    return f"v{vec.count}f{32 if isinstance(vec.element, ir.FloatType) else 64}"


def declared(module, name: str, signature):
    """A function of another module, known by its whole name."""
    return module.globals.get(name) or ir.Function(module, signature, name)


def call_llvm(builder, name, result, *arguments):
    """Call an LLVM intrinsic by its whole name."""
    signature = ir.FunctionType(result, [a.type for a in arguments])
    return builder.call(declared(builder.module, name, signature), arguments)


def fma(builder, x, y, z):
    """x y + z, rounded once where that is one instruction; elsewhere a function of libm would do it, lane by lane."""
    if not FUSED:
        return builder.fadd(builder.fmul(x, y), z)
    return call_llvm(builder, f"llvm.fma.{suffix(x.type)}", x.type, x, y, z)


def splat(builder, value, count: int):
    """A value in each of `count` lanes."""
    vec = ir.VectorType(value.type, count)
    undefined = ir.Constant(vec, ir.Undefined)
    zeros = ir.Constant(ir.VectorType(I32, count), [0] * count)
    return builder.shuffle_vector(builder.insert_element(undefined, value, ir.Constant(I32, 0)), undefined, zeros)


def scalar(value: Any, kind: Any) -> Any:
    """A number as an LLVM value of the float type `kind`."""
    if not isinstance(value, Number):
        return ir.Constant(kind, float(value))
    if not is_float(value.ir.type):
        return current().sitofp(integer(value), kind)
    if value.ir.type == kind:
        return value.ir
    return current().fptrunc(value.ir, kind) if isinstance(kind, ir.FloatType) else current().fpext(value.ir, kind)


def lifted(value: Any, vec: Any) -> Any:
    """The LLVM value of a Vector of type `vec`, or of a number in every lane."""
    if isinstance(value, Vector):
        return value.ir
    if isinstance(value, Number):
        return splat(current(), scalar(value, vec.element), vec.count)
    return constant(vec, rounded(float(value), vec))


def rounded(value: float, vec: Any) -> float:
    """A number, rounded as a lane of type `vec` rounds it."""
    return float(np.float32(value)) if isinstance(vec.element, ir.FloatType) else value


# Memory. A count says how many lanes are meant; None means all, and is faster: a load can take up what a whole store
# has just written, but not what a masked one has.


def pointer_to(array: Array, index):
    """The address of array[index]."""
    if not isinstance(array.step, int):
        raise TypeError("elements that lie apart are not loaded as Vectors")
    return current().gep(array.data, [integer(index)])


def emit_load(array: Array, index, mask):
    """Load a register, without touching lanes that a mask leaves out; those are 0."""
    vec, builder = vector_type(array), current()
    pointer = builder.bitcast(pointer_to(array, index), vec.as_pointer())
    if mask is None:
        return builder.load(pointer, align=array.itemsize)
    align, zero = ir.Constant(I32, array.itemsize), constant(vec, 0.0)
    return call_llvm(builder, f"llvm.masked.load.{suffix(vec)}.p0", vec, pointer, align, mask, zero)


def emit_store(array: Array, index, value, mask):
    """Store a register's lanes, or those of a mask."""
    builder = current()
    pointer = builder.bitcast(pointer_to(array, index), value.type.as_pointer())
    if mask is None:
        builder.store(value, pointer, align=array.itemsize)
    else:
        name, align = f"llvm.masked.store.{suffix(value.type)}.p0", ir.Constant(I32, array.itemsize)
        call_llvm(builder, name, ir.VoidType(), value, pointer, align, mask)


def lane_mask(count: Any, lanes: int):
    """True in the first `count` lanes; None if count is None."""
    if count is None:
        return None
    builder, lane = current(), ir.Constant(ir.VectorType(I32, lanes), list(range(lanes)))
    return builder.icmp_signed("<", lane, splat(builder, builder.trunc(integer(count), I32), lanes))


def _by_lanes(count: Any, lanes: int, act: Callable[[Any], Any]) -> None:
    """Let `act(mask)` store the lanes that are meant.

    Where a mask is no register of its own, as with AVX-512, its stores are slow, or made lane by lane: whole Vectors
    have a branch without.
    """
    if count is None:
        act(None)
    elif BYTES == 64:
        act(lane_mask(count, lanes))
    else:
        builder = current()
        with builder.if_else(builder.icmp_signed(">=", integer(count), integer(lanes))) as (whole, part):
            with whole:
                act(None)
            with part:
                act(lane_mask(count, lanes))


def view(array: Array, start: Any, count: Any) -> Array:
    """`count` elements of a contiguous array from `start` on, flat."""
    return Array(pointer_to(array, start), (count,))


def at_address(address: Number, count: Any, like: Array) -> Array:
    """`count` elements of the dtype of `like` at an address, flat."""
    return Array(current().inttoptr(address.ir, like.data.type), (count,))


def load(array: Array, index: Any, count: Any) -> Vector:
    """array[index : index + lanes] as a Vector; lanes from `count` on are 0 and not touched."""
    return Vector(emit_load(array, index, lane_mask(count, vector_type(array).count)))


def store(array: Array, index: Any, value: Any, count: Any) -> None:
    """Write the first `count` lanes of a Vector to array[index : index + count]; all if count is None."""
    vec = vector_type(array)
    lanes = lifted(value, vec)
    _by_lanes(count, vec.count, lambda mask: emit_store(array, index, lanes, mask))


def load_several(number: int) -> Callable[..., tuple[Vector, ...]]:
    """`(array, index, stride, count) -> tuple` of `number` Vectors, `stride` elements apart."""

    def load_tuple(array: Array, index: Any, stride: Any, count: Any) -> tuple[Vector, ...]:
        mask = lane_mask(count, vector_type(array).count)
        return tuple(Vector(emit_load(array, index + stride * n, mask)) for n in range(number))

    return load_tuple


def store_several(number: int, whole: bool = False) -> Callable[..., None]:
    """`(array, index, stride, values, count)`: write a tuple of Vectors or numbers, `stride` elements apart.

    If `whole`, lanes from `count` on are written too, as 0.
    """

    def store_tuple(array: Array, index: Any, stride: Any, values: Any, count: Any) -> None:
        vec = vector_type(array)
        lanes = [lifted(values[n], vec) for n in range(number)]
        places = [index + stride * n for n in range(number)]

        def write(mask: Any) -> None:
            for place, value in zip(places, lanes, strict=True):
                if whole and mask is not None:
                    emit_store(array, place, current().select(mask, value, constant(vec, 0.0)), None)
                else:
                    emit_store(array, place, value, mask)

        _by_lanes(count, vec.count, write)

    return store_tuple

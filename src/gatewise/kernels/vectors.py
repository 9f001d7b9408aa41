"""Explicit SIMD for Numba: a vector type, and masked loads and stores.

LLVM's own vectorizer does not keep a block of accumulators in registers, and gives up where many arrays might overlap.
Here a register of full width (`target.py`) is a Numba type, `Vector`. What can be done with it stands in
`arithmetic.py` and `functions.py`, so that the plain functions of a cell compile for it as they are; products in
`tiles.py`.

Arrays are flat; an index counts elements; nothing is checked.
"""

# mypy: disable-error-code="no-untyped-def, no-untyped-call"
from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, register_model

from gatewise.kernels.target import BYTES as BYTES
from gatewise.kernels.target import FUSED

I32, I64 = ir.IntType(32), ir.IntType(64)
# Contraction to fused multiply-add is the only liberty taken: NaN and infinity keep their meaning.
CONTRACT = ("contract",)


class Vector(types.Type):
    """One SIMD register of floats."""

    def __init__(self, dtype: Any) -> None:
        self.dtype = dtype
        self.lanes = BYTES * 8 // dtype.bitwidth
        super().__init__(name=f"Vector({dtype} x {self.lanes})")

    @property
    def ir(self) -> Any:
        """The LLVM type."""
        return ir.VectorType(ir.FloatType() if self.dtype == types.float32 else ir.DoubleType(), self.lanes)


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, dmm: Any, fe_type: Any) -> None:
        super().__init__(dmm, fe_type, fe_type.ir)


# Emitters: LLVM instructions for values at hand.


def suffix(vec) -> str:
    """The type's part of the name of an LLVM intrinsic."""
    return f"v{vec.count}f{32 if isinstance(vec.element, ir.FloatType) else 64}"


def call_llvm(builder, name, result, *arguments):
    """Call an LLVM intrinsic by its whole name."""
    signature = ir.FunctionType(result, [a.type for a in arguments])
    return builder.call(cgutils.get_or_insert_function(builder.module, signature, name), arguments)


def fma(builder, x, y, z):
    """x y + z, rounded once where that is one instruction; elsewhere a function of libm would do it, lane by lane."""
    if not FUSED:
        return builder.fadd(builder.fmul(x, y), z)
    return call_llvm(builder, f"llvm.fma.{suffix(x.type)}", x.type, x, y, z)


def constant(vec, value: float):
    """A number in every lane."""
    return ir.Constant(vec, [value] * vec.count)


def splat(builder, value, count: int):
    """A value in each of `count` lanes."""
    vec = ir.VectorType(value.type, count)
    undefined = ir.Constant(vec, ir.Undefined)
    zeros = ir.Constant(ir.VectorType(I32, count), [0] * count)
    return builder.shuffle_vector(builder.insert_element(undefined, value, ir.Constant(I32, 0)), undefined, zeros)


def pointer_to(context, builder, array_type, array, index):
    """The address of array[index]."""
    return builder.gep(context.make_array(array_type)(context, builder, array).data, [index])


def lift(context, builder, value, kind, vector):
    """A Vector as it is; a number in every lane."""
    if isinstance(kind, Vector):
        return value
    return splat(builder, context.cast(builder, value, kind, vector.dtype), vector.lanes)


# Memory. A count says how many lanes are meant; None means all, and is faster: a load can take up what a whole store
# has just written, but not what a masked one has.


def emit_load(context, builder, array_type, array, index, mask):
    """Load a Vector, without touching lanes that a mask leaves out; those are 0."""
    vec = Vector(array_type.dtype).ir
    pointer = builder.bitcast(pointer_to(context, builder, array_type, array, index), vec.as_pointer())
    align = array_type.dtype.bitwidth // 8
    if mask is None:
        return builder.load(pointer, align=align)
    zero = constant(vec, 0.0)
    return call_llvm(builder, f"llvm.masked.load.{suffix(vec)}.p0", vec, pointer, ir.Constant(I32, align), mask, zero)


def emit_store(context, builder, array_type, array, index, value, mask):
    """Store a Vector's lanes, or those of a mask."""
    pointer = builder.bitcast(pointer_to(context, builder, array_type, array, index), value.type.as_pointer())
    align = array_type.dtype.bitwidth // 8
    if mask is None:
        builder.store(value, pointer, align=align)
    else:
        name = f"llvm.masked.store.{suffix(value.type)}.p0"
        call_llvm(builder, name, ir.VoidType(), value, pointer, ir.Constant(I32, align), mask)


@intrinsic
def view(typingctx, array, start, count):
    """`count` elements of a contiguous array from `start` on, flat.

    Numba counts the references to every array it passes on, several times a step; not those to a view, whose array has
    to outlive it.
    """
    kind = types.Array(array.dtype, 1, "C")

    def codegen(context, builder, sig, args):
        return _flat_array(context, builder, kind, pointer_to(context, builder, sig.args[0], args[0], args[1]), args[2])

    return kind(array, types.int64, types.int64), codegen


@intrinsic
def at_address(typingctx, address, count, like):
    """`count` elements of the dtype of `like` at an address, flat, which have to outlive the array."""
    kind = types.Array(like.dtype, 1, "C")

    def codegen(context, builder, sig, args):
        pointer = builder.inttoptr(args[0], context.get_data_type(like.dtype).as_pointer())
        return _flat_array(context, builder, kind, pointer, args[1])

    return kind(types.int64, types.int64, like), codegen


@intrinsic
def number_at(typingctx, address, index):
    """The integer `index` of those of 64 bits at an address."""

    def codegen(context, builder, sig, args):
        return builder.load(builder.gep(builder.inttoptr(args[0], I64.as_pointer()), [args[1]]))

    return types.int64(types.int64, types.int64), codegen


@intrinsic
def set_number_at(typingctx, address, index, value):
    """Write the integer `index` of those of 64 bits at an address."""

    def codegen(context, builder, sig, args):
        builder.store(args[2], builder.gep(builder.inttoptr(args[0], I64.as_pointer()), [args[1]]))
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), codegen


def _flat_array(context, builder, kind, pointer, count):
    """An array of `count` elements in memory that it does not own."""
    from gatewise.kernels.values import Array, Number

    return Array(pointer, (Number(count),))


def lane_mask(builder, kind, count, lanes: int):
    """True in the first `count` lanes; None if count is None."""
    if isinstance(kind, types.NoneType):
        return None
    lane = ir.Constant(ir.VectorType(I32, lanes), list(range(lanes)))
    return builder.icmp_signed("<", lane, splat(builder, builder.trunc(count, I32), lanes))


def _count_type(count):
    return types.none if isinstance(count, types.NoneType) else types.int64


@intrinsic
def load(typingctx, array, index, count):
    """array[index : index + lanes] as a Vector; lanes from `count` on are 0 and not touched."""
    vector = Vector(array.dtype)

    def codegen(context, builder, sig, args):
        mask = lane_mask(builder, sig.args[2], args[2], vector.lanes)
        return emit_load(context, builder, sig.args[0], args[0], args[1], mask)

    return vector(array, types.int64, _count_type(count)), codegen


@intrinsic
def store(typingctx, array, index, value, count):
    """Write the first `count` lanes of a Vector to array[index : index + count]; all if count is None."""

    def codegen(context, builder, sig, args):
        mask = lane_mask(builder, sig.args[3], args[3], sig.args[2].lanes)
        emit_store(context, builder, sig.args[0], args[0], args[1], args[2], mask)
        return context.get_dummy_value()

    return types.void(array, types.int64, value, _count_type(count)), codegen


def load_several(number: int) -> Any:
    """`(array, index, stride, count) -> tuple` of `number` Vectors, `stride` elements apart."""

    @intrinsic
    def load_tuple(typingctx, array, index, stride, count):
        vector = Vector(array.dtype)

        def codegen(context, builder, sig, args):
            array, index, stride, count = args
            mask = lane_mask(builder, sig.args[3], count, vector.lanes)
            at = [builder.add(index, builder.mul(stride, ir.Constant(I64, n))) for n in range(number)]
            values = [emit_load(context, builder, sig.args[0], array, i, mask) for i in at]
            return context.make_tuple(builder, sig.return_type, values)

        result = types.Tuple([vector] * number)
        return result(array, types.int64, types.int64, _count_type(count)), codegen

    return load_tuple


def store_several(number: int, whole: bool = False) -> Any:
    """`(array, index, stride, values, count)`: write a tuple of Vectors or numbers, `stride` elements apart.

    If `whole`, lanes from `count` on are written too, as 0.
    """

    @intrinsic
    def store_tuple(typingctx, array, index, stride, values, count):
        vector = Vector(array.dtype)

        def codegen(context, builder, sig, args):
            array, index, stride, values, count = args
            mask = lane_mask(builder, sig.args[4], count, vector.lanes)
            for n in range(number):
                i = builder.add(index, builder.mul(stride, ir.Constant(I64, n)))
                value = lift(context, builder, builder.extract_value(values, n), sig.args[3][n], vector)
                if whole:
                    value = builder.select(mask, value, constant(vector.ir, 0.0))
                emit_store(context, builder, sig.args[0], array, i, value, None if whole else mask)
            return context.get_dummy_value()

        return types.void(array, types.int64, types.int64, values, _count_type(count)), codegen

    return store_tuple

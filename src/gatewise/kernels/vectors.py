"""Explicit SIMD for Numba: a vector type, masked loads and stores, and the register tile of a matrix product.

LLVM's own vectorizer does not keep a block of accumulators in registers, and gives up where many arrays might overlap.
Here a register of the host's full width is a Numba type, `Vector`: `+ - * /` work on it, with numbers too, so that the
plain functions of `gatewise.activations` and `gatewise.cells` compile for it as they stand. Width follows the host: 64
bytes with AVX-512, 32 with AVX2, else 16, which every target of LLVM can run.

Arrays are flat; an index counts elements; nothing is checked.
"""

# mypy: disable-error-code="no-untyped-def, no-untyped-call"
from __future__ import annotations

import math
import operator
from typing import Any

import llvmlite.binding as llvm
import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic, models, overload, register_model

from gatewise import activations


def _host_bytes() -> int:
    features = llvm.get_host_cpu_features()
    if features.get("avx512f"):
        return 64
    return 32 if features.get("avx2") and features.get("fma") else 16


BYTES = _host_bytes()
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


def _suffix(vec) -> str:
    return f"v{vec.count}f{32 if isinstance(vec.element, ir.FloatType) else 64}"


def _call(builder, name, result, *arguments):
    signature = ir.FunctionType(result, [a.type for a in arguments])
    return builder.call(cgutils.get_or_insert_function(builder.module, signature, name), arguments)


def _fma(builder, x, y, z):
    return _call(builder, f"llvm.fma.{_suffix(x.type)}", x.type, x, y, z)


def _constant(vec, value: float):
    return ir.Constant(vec, [value] * vec.count)


def _splat(builder, value, count: int):
    vec = ir.VectorType(value.type, count)
    undefined = ir.Constant(vec, ir.Undefined)
    zeros = ir.Constant(ir.VectorType(I32, count), [0] * count)
    return builder.shuffle_vector(builder.insert_element(undefined, value, ir.Constant(I32, 0)), undefined, zeros)


def _pointer(context, builder, array_type, array, index):
    return builder.gep(context.make_array(array_type)(context, builder, array).data, [index])


# Arithmetic.


def _lift(context, builder, value, kind, vector):
    """A Vector as it is; a number in every lane."""
    if isinstance(kind, Vector):
        return value
    return _splat(builder, context.cast(builder, value, kind, vector.dtype), vector.lanes)


def _binary(operation: Any, emit: Any) -> None:
    """Let `operation` work on two Vectors, or a Vector and a number."""

    @intrinsic
    def apply(typingctx, a, b):
        vector = a if isinstance(a, Vector) else b

        def codegen(context, builder, sig, args):
            return emit(builder, *(_lift(context, builder, v, t, vector) for v, t in zip(args, sig.args, strict=True)))

        return vector(a, b), codegen

    @overload(operation)
    def _(a, b):
        if isinstance(a, Vector) or isinstance(b, Vector):
            return lambda a, b: apply(a, b)
        return None


_binary(operator.add, lambda builder, x, y: builder.fadd(x, y, flags=CONTRACT))
_binary(operator.sub, lambda builder, x, y: builder.fsub(x, y, flags=CONTRACT))
_binary(operator.mul, lambda builder, x, y: builder.fmul(x, y, flags=CONTRACT))
_binary(operator.truediv, lambda builder, x, y: builder.fdiv(x, y))


# Activations: tanh and relu for Vectors; the others are the plain functions themselves.


def _emit_tanh(builder, x):
    """tanh |x| = −m / (m + 2) with m = exp(−2|x|) − 1, computed without cancellation; within 3 ulp.

    exp(y) = 2ᵏ eʳ with r = y − k ln 2, |r| ≤ ln 2 / 2, and eʳ − 1 a Taylor polynomial. Adding `shift` rounds to the
    integer k and leaves it in the low bits, from where it moves into the exponent.
    """
    vec = x.type
    double = isinstance(vec.element, ir.DoubleType)
    bits, mantissa, bias, terms, keep = (64, 52, 1023, 13, 32) if double else (32, 23, 127, 7, 15)
    integer = ir.VectorType(ir.IntType(bits), vec.count)
    size = _call(builder, f"llvm.fabs.{_suffix(vec)}", vec, x)
    y = builder.fmul(size, _constant(vec, -2.0))
    y = builder.select(builder.fcmp_ordered("<", y, _constant(vec, -40.0)), _constant(vec, -40.0), y)
    shift = _constant(vec, 1.5 * 2.0**mantissa)
    shifted = _fma(builder, y, _constant(vec, 1 / math.log(2)), shift)
    k = builder.fsub(shifted, shift)
    high = math.floor(math.ldexp(math.log(2), keep)) / 2.0**keep  # few bits, so that k · high is exact
    low = 0.6931471805599453094172321 - high
    r = _fma(builder, k, _constant(vec, -low), _fma(builder, k, _constant(vec, -high), y))
    tail = _constant(vec, _rounded(1 / math.factorial(terms), double))
    for i in range(terms - 1, 1, -1):
        tail = _fma(builder, tail, r, _constant(vec, _rounded(1 / math.factorial(i), double)))
    expm1 = _fma(builder, builder.fmul(tail, r), r, r)
    exponent = builder.shl(builder.bitcast(shifted, integer), ir.Constant(integer, [mantissa] * vec.count))
    scale = builder.bitcast(builder.add(exponent, ir.Constant(integer, [bias << mantissa] * vec.count)), vec)
    m = _fma(builder, scale, expm1, builder.fsub(scale, _constant(vec, 1.0)))
    t = builder.fdiv(builder.fneg(m), builder.fadd(m, _constant(vec, 2.0)))
    return _call(builder, f"llvm.copysign.{_suffix(vec)}", vec, t, x)


def _rounded(value: float, double: bool) -> float:
    return value if double else float(np.float32(value))


def _emit_relu(builder, x):
    zero = _constant(x.type, 0.0)
    return builder.select(builder.fcmp_ordered("<", x, zero), zero, x)  # NaN stays NaN


def _emit_relu_slope(builder, r):
    positive = builder.fcmp_ordered(">", r, _constant(r.type, 0.0))
    return builder.select(positive, _constant(r.type, 1.0), _constant(r.type, 0.0))


def _intrinsic(emit: Any) -> Any:
    """A function of one Vector from its emitter."""

    @intrinsic
    def apply(typingctx, a):
        return a(a), lambda context, builder, sig, args: emit(builder, args[0])

    return apply


def _of_input(function: Any, compiled: Any) -> None:
    """Let the activation `function(a)` be `compiled(a)` for a Vector."""
    overload(function)(lambda a: (lambda a: compiled(a)) if isinstance(a, Vector) else None)


def _of_output(function: Any, compiled: Any) -> None:
    """Let the slope `function(y)` be `compiled(y)` for a Vector."""
    overload(function)(lambda y: (lambda y: compiled(y)) if isinstance(y, Vector) else None)


_of_input(activations.tanh, _intrinsic(_emit_tanh))
_of_input(activations.relu, _intrinsic(_emit_relu))
_of_input(activations.sigmoid, njit(activations.sigmoid))
_of_output(activations.relu_slope, _intrinsic(_emit_relu_slope))
_of_output(activations.sigmoid_slope, njit(activations.sigmoid_slope))
_of_output(activations.tanh_slope, njit(activations.tanh_slope))


# Memory. A count says how many lanes are meant; None means all, and is faster: a load can take up what a whole store
# has just written, but not what a masked one has.


def _emit_load(context, builder, array_type, array, index, mask):
    vec = Vector(array_type.dtype).ir
    pointer = builder.bitcast(_pointer(context, builder, array_type, array, index), vec.as_pointer())
    align = array_type.dtype.bitwidth // 8
    if mask is None:
        return builder.load(pointer, align=align)
    zero = _constant(vec, 0.0)
    return _call(builder, f"llvm.masked.load.{_suffix(vec)}.p0", vec, pointer, ir.Constant(I32, align), mask, zero)


def _emit_store(context, builder, array_type, array, index, value, mask):
    pointer = builder.bitcast(_pointer(context, builder, array_type, array, index), value.type.as_pointer())
    align = array_type.dtype.bitwidth // 8
    if mask is None:
        builder.store(value, pointer, align=align)
    else:
        name = f"llvm.masked.store.{_suffix(value.type)}.p0"
        _call(builder, name, ir.VoidType(), value, pointer, ir.Constant(I32, align), mask)


def _mask(builder, kind, count, lanes: int):
    """True in the first `count` lanes; None if count is None."""
    if isinstance(kind, types.NoneType):
        return None
    lane = ir.Constant(ir.VectorType(I32, lanes), list(range(lanes)))
    return builder.icmp_signed("<", lane, _splat(builder, builder.trunc(count, I32), lanes))


def _count_type(count):
    return types.none if isinstance(count, types.NoneType) else types.int64


@intrinsic
def load(typingctx, array, index, count):
    """array[index : index + lanes] as a Vector; lanes from `count` on are 0 and not touched."""
    vector = Vector(array.dtype)

    def codegen(context, builder, sig, args):
        mask = _mask(builder, sig.args[2], args[2], vector.lanes)
        return _emit_load(context, builder, sig.args[0], args[0], args[1], mask)

    return vector(array, types.int64, _count_type(count)), codegen


@intrinsic
def store(typingctx, array, index, value, count):
    """Write the first `count` lanes of a Vector to array[index : index + count]."""

    def codegen(context, builder, sig, args):
        mask = _mask(builder, sig.args[3], args[3], sig.args[2].lanes)
        _emit_store(context, builder, sig.args[0], args[0], args[1], args[2], mask)
        return context.get_dummy_value()

    return types.void(array, types.int64, value, _count_type(count)), codegen


def load_several(number: int) -> Any:
    """`(array, index, stride, count) -> tuple` of `number` Vectors, `stride` elements apart."""

    @intrinsic
    def load_tuple(typingctx, array, index, stride, count):
        vector = Vector(array.dtype)

        def codegen(context, builder, sig, args):
            array, index, stride, count = args
            mask = _mask(builder, sig.args[3], count, vector.lanes)
            at = [builder.add(index, builder.mul(stride, ir.Constant(I64, n))) for n in range(number)]
            values = [_emit_load(context, builder, sig.args[0], array, i, mask) for i in at]
            return context.make_tuple(builder, sig.return_type, values)

        result = types.UniTuple(vector, number)
        return result(array, types.int64, types.int64, _count_type(count)), codegen

    return load_tuple


def store_several(number: int) -> Any:
    """`(array, index, stride, values, count)`: write a tuple of `number` Vectors, `stride` elements apart."""

    @intrinsic
    def store_tuple(typingctx, array, index, stride, values, count):
        lanes = Vector(array.dtype).lanes

        def codegen(context, builder, sig, args):
            array, index, stride, values, count = args
            mask = _mask(builder, sig.args[4], count, lanes)
            for n in range(number):
                i = builder.add(index, builder.mul(stride, ir.Constant(I64, n)))
                _emit_store(context, builder, sig.args[0], array, i, builder.extract_value(values, n), mask)
            return context.get_dummy_value()

        return types.void(array, types.int64, types.int64, values, _count_type(count)), codegen

    return store_tuple


@intrinsic
def transpose(typingctx, array, index, stride, rows, columns, out, out_index, out_stride):
    """Write the transpose of a block of `rows` by `columns`, at most lanes each, to `out`.

    The rows of the result are whole vectors, 0 from `rows` on; there are `columns` of them.
    """
    vector = Vector(array.dtype)
    lanes = vector.lanes

    def codegen(context, builder, sig, args):
        array, index, stride, rows, columns, out, out_index, out_stride = args
        none, whole = ir.Constant(I64, 0), ir.Constant(I64, lanes)

        def at(start, step, n):
            return builder.add(start, builder.mul(step, ir.Constant(I64, n)))

        def only_below(limit, n, count):
            return builder.select(builder.icmp_signed("<", ir.Constant(I64, n), limit), count, none)

        lines = []
        for n in range(lanes):
            mask = _mask(builder, types.int64, only_below(rows, n, columns), lanes)
            lines.append(_emit_load(context, builder, sig.args[0], array, at(index, stride, n), mask))
        for n, line in enumerate(_transposed(builder, lines)):
            mask = _mask(builder, types.int64, only_below(columns, n, whole), lanes)
            _emit_store(context, builder, sig.args[5], out, at(out_index, out_stride, n), line, mask)
        return context.get_dummy_value()

    i64 = types.int64
    return types.void(array, i64, i64, i64, i64, out, i64, i64), codegen


def _transposed(builder, lines):
    """Exchange, for each bit d of the lane's number, the halves that differ in d between lines that differ in d."""
    lanes = len(lines)
    d = 1
    while d < lanes:
        low = ir.Constant(ir.VectorType(I32, lanes), [p if not p & d else lanes + p - d for p in range(lanes)])
        high = ir.Constant(ir.VectorType(I32, lanes), [p + d if not p & d else lanes + p for p in range(lanes)])
        for i in (i for i in range(lanes) if not i & d):
            a, b = lines[i], lines[i + d]
            lines[i], lines[i + d] = builder.shuffle_vector(a, b, low), builder.shuffle_vector(a, b, high)
        d *= 2
    return lines


# The tile.


def tile(rows: int, panels: int) -> Any:
    """c[m, j] = init[m, j] + Σ_k a[m, k] b[j, k] for `rows` m and `panels` j of one vector each, in registers.

    Arguments: A = (a, offset, stride of m, stride of k), B = (b, offset, stride of k), I = (init, offset, stride of m),
    C = (c, offset, stride of m), the number of k, the first m, and the first j in init and c. Panels stand side
    by side. The sum over k runs in order, whatever the size of the tile.
    """
    cells = [(m, j) for m in range(rows) for j in range(panels)]

    @intrinsic
    def product(typingctx, A, B, I, C, K, m0, j0):
        vec = Vector(A[0].dtype).ir
        align = A[0].dtype.bitwidth // 8

        def codegen(context, builder, sig, args):
            constant = lambda n: ir.Constant(I64, n)
            add, mul = builder.add, builder.mul
            vector_at = lambda pointer: builder.bitcast(pointer, vec.as_pointer())
            *operands, K, m0, j0 = args
            (a, ai, a_m, a_k), (b, bi, b_k), (init, ii, i_m), (c, ci, c_m) = (
                cgutils.unpack_tuple(builder, operand) for operand in operands
            )
            start = lambda n, array, index: _pointer(context, builder, sig.args[n][0], array, index)
            beside = mul(j0, constant(vec.count))
            a0 = start(0, a, add(ai, mul(m0, a_m)))
            b0 = start(1, b, bi)
            init0 = start(2, init, add(add(ii, mul(m0, i_m)), beside))
            c0 = start(3, c, add(add(ci, mul(m0, c_m)), beside))

            def cell(base, stride, m, j):
                return vector_at(builder.gep(base, [add(mul(stride, constant(m)), constant(j * vec.count))]))

            def phi(kind, first):
                node = builder.phi(kind)
                node.add_incoming(first, entry)
                return node

            first = [builder.load(cell(init0, i_m, m, j), align=align) for m, j in cells]
            a_rows = [mul(a_m, constant(m)) for m in range(rows)]
            entry = builder.block
            head, body, done = (builder.append_basic_block(name) for name in ("head", "body", "done"))
            builder.branch(head)
            builder.position_at_end(head)
            k, at_a, at_b = phi(I64, constant(0)), phi(a0.type, a0), phi(b0.type, b0)
            sums = [phi(vec, value) for value in first]
            builder.cbranch(builder.icmp_signed("<", k, K), body, done)
            builder.position_at_end(body)
            at_panels = [builder.gep(at_b, [constant(j * vec.count)]) for j in range(panels)]
            right = [builder.load(vector_at(pointer), align=align) for pointer in at_panels]
            left = [_splat(builder, builder.load(builder.gep(at_a, [m])), vec.count) for m in a_rows]
            sums_next = [_fma(builder, left[m], right[j], s) for (m, j), s in zip(cells, sums, strict=True)]
            steps = [add(k, constant(1)), builder.gep(at_a, [a_k]), builder.gep(at_b, [b_k])]
            for node, value in zip([k, at_a, at_b, *sums], [*steps, *sums_next], strict=True):
                node.add_incoming(value, body)
            builder.branch(head)
            builder.position_at_end(done)
            for (m, j), s in zip(cells, sums, strict=True):
                builder.store(s, cell(c0, c_m, m, j), align=align)
            return context.get_dummy_value()

        i64 = types.int64
        unliteral = [types.Tuple([operand[0], *[i64] * (len(operand) - 1)]) for operand in (A, B, I, C)]
        return types.void(*unliteral, i64, i64, i64), codegen

    return product

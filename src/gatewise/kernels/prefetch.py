"""Memory asked for before it is needed: rows of the next step, which lie where the machine does not look ahead."""

# mypy: disable-error-code="no-untyped-def, no-untyped-call"
from __future__ import annotations

from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from gatewise.kernels.products import STAGE
from gatewise.kernels.vectors import I32, call_llvm, pointer_to

LINE = 64  # bytes that come at once


@intrinsic
def _ask(typingctx, array, index):
    """Let the line of array[index], which need not exist, come to the second cache."""

    def codegen(context, builder, sig, args):
        pointer = pointer_to(context, builder, sig.args[0], args[0], args[1])
        pointer = builder.bitcast(pointer, ir.IntType(8).as_pointer())
        read, second, data = (ir.Constant(I32, number) for number in (0, 2, 1))
        call_llvm(builder, "llvm.prefetch.p0", ir.VoidType(), pointer, read, second, data)
        return context.get_dummy_value()

    return types.void(array, types.int64), codegen


@njit(**STAGE)
def ask(array, index, stride, number, count):
    """Ask for `count` elements from index on, and from `stride` elements later on, `number` times."""
    for k in range(number):
        for j in range(0, count, LINE // array.itemsize):
            _ask(array, index + k * stride + j)

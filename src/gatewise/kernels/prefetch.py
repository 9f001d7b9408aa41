"""Memory asked for before it is needed: rows of the next step, which lie where the machine does not look ahead."""

# mypy: disable-error-code="no-untyped-def, no-untyped-call"
from __future__ import annotations

from typing import Any

from llvmlite import ir

from gatewise.kernels.marks import stage
from gatewise.kernels.values import BYTE, Array, current
from gatewise.kernels.vectors import I32, call_llvm, pointer_to

LINE = 64  # bytes that come at once


def _ask(array: Array, index: Any) -> None:
    """Let the line of array[index], which need not exist, come to the second cache."""
    builder = current()
    pointer = builder.bitcast(pointer_to(array, index), BYTE.as_pointer())
    read, second, data = (ir.Constant(I32, number) for number in (0, 2, 1))
    call_llvm(builder, "llvm.prefetch.p0", ir.VoidType(), pointer, read, second, data)


@stage
def ask(array, index, stride, number, count):
    """Ask for `count` elements from index on, and from `stride` elements later on, `number` times."""
    for k in range(number):
        for j in range(0, count, LINE // array.itemsize):
            _ask(array, index + k * stride + j)

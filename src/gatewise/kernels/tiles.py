"""What works on whole registers of numbers at once: the transpose of a block, and the register tile of a product."""

# mypy: disable-error-code="no-untyped-def, no-untyped-call"
from __future__ import annotations

from typing import Any, NamedTuple

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from gatewise.kernels.vectors import I32, I64, Vector, emit_load, emit_store, fma, lane_mask, pointer_to, splat


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
            mask = lane_mask(builder, types.int64, only_below(rows, n, columns), lanes)
            lines.append(emit_load(context, builder, sig.args[0], array, at(index, stride, n), mask))
        for n, line in enumerate(_transposed(builder, lines)):
            mask = lane_mask(builder, types.int64, only_below(columns, n, whole), lanes)
            emit_store(context, builder, sig.args[5], out, at(out_index, out_stride, n), line, mask)
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


class Operand(NamedTuple):
    """Where a tile finds or writes one of its matrices, as LLVM values."""

    base: Any  # pointer to its first element
    row: Any  # elements from row to row


def tile(rows: int, panels: int) -> Any:
    """c[m, j] = init[m, j] + Σ_k a[m, k] b[j, k] for `rows` m and `panels` j of one vector each, in registers.

    Arguments: A = (a, offset, stride of m, stride of k), B = (b, offset, stride of k), I = (init, offset, stride of m),
    C = (c, offset, stride of m), the number of k, the first m, and the first j in init and c. Panels stand side
    by side. The sum over k runs in order, whatever the size of the tile.
    """

    @intrinsic
    def product(typingctx, A, B, I, C, K, m0, j0):
        def codegen(context, builder, sig, args):
            *operands, K, m0, j0 = args
            emit = _Tile(context, builder, rows, panels, Vector(A[0].dtype))
            kinds = [kind[0] for kind in sig.args[:4]]
            a, b, init, c = (cgutils.unpack_tuple(builder, operand) for operand in operands)
            left = emit.operand(kinds[0], a, m0, None)
            right = emit.operand(kinds[1], b, None, None)
            first = emit.operand(kinds[2], init, m0, j0)
            last = emit.operand(kinds[3], c, m0, j0)
            emit.store(last, emit.sums(left, a[3], right, K, emit.load(first)))
            return context.get_dummy_value()

        i64 = types.int64
        unliteral = [types.Tuple([operand[0], *[i64] * (len(operand) - 1)]) for operand in (A, B, I, C)]
        return types.void(*unliteral, i64, i64, i64), codegen

    return product


class _Tile(NamedTuple):
    """Emits the instructions of one tile."""

    context: Any
    builder: Any
    rows: int
    panels: int
    vector: Vector

    def operand(self, kind, parts, m0, j0) -> Operand:
        """(array, offset, stride of m or k, …), from row m0 and panel j0 on, where there are such."""
        array, index, row, *_ = parts
        if m0 is not None:
            index = self.builder.add(index, self.builder.mul(m0, row))
        if j0 is not None:
            index = self.builder.add(index, self.builder.mul(j0, ir.Constant(I64, self.vector.lanes)))
        return Operand(pointer_to(self.context, self.builder, kind, array, index), row)

    def _cells(self) -> list[tuple[int, int]]:
        return [(m, j) for m in range(self.rows) for j in range(self.panels)]

    def _align(self) -> int:
        return int(self.vector.dtype.bitwidth) // 8

    def _vector_at(self, pointer):
        return self.builder.bitcast(pointer, self.vector.ir.as_pointer())

    def _at(self, operand: Operand, m: int, j: int):
        row = self.builder.mul(operand.row, ir.Constant(I64, m))
        index = self.builder.add(row, ir.Constant(I64, j * self.vector.lanes))
        return self._vector_at(self.builder.gep(operand.base, [index]))

    def load(self, operand: Operand):
        """All values of a matrix, row by row."""
        return [self.builder.load(self._at(operand, m, j), align=self._align()) for m, j in self._cells()]

    def store(self, operand: Operand, values) -> None:
        """Write all values of a matrix, row by row."""
        for (m, j), value in zip(self._cells(), values, strict=True):
            self.builder.store(value, self._at(operand, m, j), align=self._align())

    def sums(self, left: Operand, left_step, right: Operand, K, first):
        """The loop over k: `first` plus the products, all in registers."""
        builder, entry = self.builder, self.builder.block
        rows = [builder.mul(left.row, ir.Constant(I64, m)) for m in range(self.rows)]
        head, body, done = (builder.append_basic_block(name) for name in ("head", "body", "done"))
        builder.branch(head)
        builder.position_at_end(head)
        nodes = []
        for value in (ir.Constant(I64, 0), left.base, right.base, *first):
            nodes.append(builder.phi(value.type))
            nodes[-1].add_incoming(value, entry)
        k, at_left, at_right, *sums = nodes
        builder.cbranch(builder.icmp_signed("<", k, K), body, done)
        builder.position_at_end(body)
        sums_next = self._add_products(at_left, rows, at_right, sums)
        steps = (
            builder.add(k, ir.Constant(I64, 1)),
            builder.gep(at_left, [left_step]),
            builder.gep(at_right, [right.row]),
        )
        for node, value in zip(nodes, [*steps, *sums_next], strict=True):
            node.add_incoming(value, body)
        builder.branch(head)
        builder.position_at_end(done)
        return sums

    def _add_products(self, at_left, rows, at_right, sums):
        """The sums plus the products of one k."""
        builder, lanes = self.builder, self.vector.lanes
        at_panels = [builder.gep(at_right, [ir.Constant(I64, j * lanes)]) for j in range(self.panels)]
        right = [builder.load(self._vector_at(pointer), align=self._align()) for pointer in at_panels]
        left = [splat(builder, builder.load(builder.gep(at_left, [m])), lanes) for m in rows]
        return [fma(builder, left[m], right[j], s) for (m, j), s in zip(self._cells(), sums, strict=True)]

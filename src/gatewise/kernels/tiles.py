"""What works on whole registers of numbers at once: the transpose of a block, and the register tile of a product."""

# mypy: disable-error-code="no-untyped-def, no-untyped-call"
from __future__ import annotations

from typing import Any, NamedTuple

from llvmlite import ir

from gatewise.kernels.values import I64, Number, current, integer
from gatewise.kernels.vectors import (
    I32,
    emit_load,
    emit_store,
    fma,
    lane_mask,
    pointer_to,
    splat,
    vector_type,
)


def transpose(array, index, stride, rows, columns, out, out_index, out_stride):
    """Write the transpose of a block of `rows` by `columns`, at most lanes each, to `out`; None means lanes.

    The rows of the result are whole vectors, 0 from `rows` on; there are `columns` of them.
    """
    builder, lanes = current(), vector_type(array).count

    def only_below(limit, n, count):
        if limit is None:
            return None
        here = builder.icmp_signed("<", ir.Constant(I64, n), integer(limit))
        return Number(builder.select(here, integer(count), ir.Constant(I64, 0)))

    lines = []
    for n in range(lanes):
        mask = lane_mask(only_below(rows, n, columns), lanes)
        lines.append(emit_load(array, index + stride * n, mask))
    for n, line in enumerate(_transposed(builder, lines)):
        mask = lane_mask(only_below(columns, n, lanes), lanes)
        emit_store(out, out_index + out_stride * n, line, mask)


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

    def product(A, B, I, C, K, m0, j0) -> None:
        emit = _Tile(current(), rows, panels, vector_type(A[0]))
        left, right = emit.operand(A, m0, 0), emit.operand(B, 0, 0)
        first, last = emit.operand(I, m0, j0), emit.operand(C, m0, j0)
        emit.store(last, emit.sums(left, integer(A[3]), right, integer(K), emit.load(first)))

    return product


class _Tile(NamedTuple):
    """Emits the instructions of one tile."""

    builder: Any
    rows: int
    panels: int
    vector: Any  # the LLVM type

    def operand(self, matrix, m0, j0) -> Operand:
        """A matrix (array, offset, stride of m or k, …) from row m0 and panel j0 on."""
        array, index, row, *_ = matrix
        return Operand(pointer_to(array, index + m0 * row + j0 * self.vector.count), integer(row))

    def _cells(self) -> list[tuple[int, int]]:
        return [(m, j) for m in range(self.rows) for j in range(self.panels)]

    def _align(self) -> int:
        return 4 if isinstance(self.vector.element, ir.FloatType) else 8

    def _vector_at(self, pointer):
        return self.builder.bitcast(pointer, self.vector.as_pointer())

    def _at(self, operand: Operand, m: int, j: int):
        row = self.builder.mul(operand.row, ir.Constant(I64, m))
        index = self.builder.add(row, ir.Constant(I64, j * self.vector.count))
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
        builder, lanes = self.builder, self.vector.count
        at_panels = [builder.gep(at_right, [ir.Constant(I64, j * lanes)]) for j in range(self.panels)]
        right = [builder.load(self._vector_at(pointer), align=self._align()) for pointer in at_panels]
        left = [splat(builder, builder.load(builder.gep(at_left, [m])), lanes) for m in rows]
        return [fma(builder, left[m], right[j], s) for (m, j), s in zip(self._cells(), sums, strict=True)]

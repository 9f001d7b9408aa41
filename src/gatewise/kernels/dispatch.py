"""From NumPy arrays to compiled loops: buffers, threads, and which loop serves which cell."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from gatewise.cells import Cell, Record, State, gru
from gatewise.errors import Array
from gatewise.kernels import plain, reset_before
from gatewise.kernels.equations import TAGS
from gatewise.threads import get_num_threads, run_together

# Fewer floating-point operations than this for each thread, about 100 µs of work, are not worth a second one: handing
# work over and waiting for it takes some 50 µs.
OPERATIONS_A_THREAD = 1e7
# Elements of scratch memory that a thread keeps at the most.
KEPT = 2**26


class Kernel(NamedTuple):
    """The compiled loops of one cell, called with arrays as `recurrence` holds them."""

    cell: Cell
    tag: Any
    run_forward: Callable[..., None]
    run_backward: Callable[..., None]

    def forward(
        self, x: Array, weights: tuple[Array, ...], initial: State, lengths: Array | None, keep: bool, record: bool
    ) -> tuple[State, Record, State]:
        """Return states (B, T, H) each, record (B, T, H) each and the final state (B, H) each.

        Unless `keep`, states holds h alone and there is no record; without `record` there is none either.
        """
        B, T, D = x.shape
        H = weights[1].shape[1]
        S, R = (len(self.cell.states) if keep else 1), (len(self.cell.recorded) if keep and record else 0)
        start = _stacked(initial)
        final = np.empty_like(start)
        states, recorded = np.empty((S, B, T, H), x.dtype), np.empty((R, B, T, H), x.dtype)
        if lengths is not None:
            states[:], recorded[:] = 0, 0
        arrays = (x, *weights, start, _or_none(lengths), states, recorded, final)
        shares = _shares(B, 2 * len(weights[0]) * (D + H) * B * T)
        _run([partial(self._call, self.run_forward, *arrays, b0, b1, keep, keep and record) for b0, b1 in shares])
        return tuple(states), tuple(recorded), tuple(final)

    def backward(
        self,
        x: Array,
        weights: tuple[Array, ...],
        initial: State,
        lengths: Array | None,
        states: State,
        record: Record,
        dh: Array,
        dfinal: State,
    ) -> tuple[Array, State, tuple[Array, ...]]:
        """Return dx (B, T, D), the gradient of the initial state and those of the weights."""
        B, T, D = x.shape
        H = weights[1].shape[1]
        start, dend = _stacked(initial), _stacked(dfinal)
        dx, dstart = np.empty_like(x), np.empty_like(start)
        kept = _stacked(states)
        recorded = _stacked(record) if record else np.empty((0, B, T, H), x.dtype)
        stored = len(record) == len(self.cell.recorded)
        arrays = (x, *weights, start, _or_none(lengths), kept, recorded, dh, dend, dx, dstart)
        shares = list(_shares(B, 4 * len(weights[0]) * (D + H) * B * T))
        gradients = [tuple(np.empty_like(w) for w in weights) for _ in shares]
        tasks = zip(shares, gradients, strict=True)
        _run([partial(self._call, self.run_backward, *arrays, *g, b0, b1, stored) for (b0, b1), g in tasks])
        for other in gradients[1:]:
            for total, part in zip(gradients[0], other, strict=True):
                total += part
        return dx, tuple(dstart), gradients[0]

    def _call(self, run: Callable[..., None], *arguments: Any) -> None:
        """Run a loop with the scratch memory of this thread, and let that grow to what the loop has asked for."""
        memory, dtype = _memory.__dict__, arguments[0].dtype
        if dtype not in memory:
            memory[dtype] = np.empty(0, dtype), np.empty(1, np.int64)
        work, top = memory[dtype]
        top[0] = 0
        run(self.tag, work, top, *arguments)
        if work.size < top[0] <= KEPT:
            memory[dtype] = np.empty(top[0], dtype), top


_memory = threading.local()


def _shares(B: int, operations: float) -> Iterator[tuple[int, int]]:
    """Rows (from, to) of the batch for each thread."""
    threads = max(1, min(get_num_threads(), B, int(operations / OPERATIONS_A_THREAD)))
    bounds = [B * k // threads for k in range(threads + 1)]
    return pairwise(bounds)


def _run(tasks: list[Callable[[], None]]) -> None:
    if len(tasks) == 1:
        tasks[0]()
    else:
        run_together(tasks)


def _or_none(lengths: Array | None) -> Array:
    """Lengths as a kernel takes them: (0,) if all sequences are whole."""
    return _NONE if lengths is None else lengths


_NONE = np.empty(0, np.int64)


def _stacked(parts: tuple[Array, ...]) -> Array:
    """The parts as one contiguous array with an axis in front; the array they are the parts of, if that is one."""
    first = parts[0]
    if len(parts) == 1:
        return first[None] if first.flags.carray else np.array(first, order="C")[None]
    whole = first.base
    if isinstance(whole, np.ndarray) and whole.flags.carray and whole.shape == (len(parts), *first.shape):
        starts = [part.__array_interface__["data"][0] for part in (whole, *parts)]
        in_order = starts[1:] == [starts[0] + k * whole.strides[0] for k in range(len(parts))]
        if in_order and all(part.flags.carray for part in parts):
            return whole
    return np.ascontiguousarray(np.stack(parts))


def _kernel(cell: Cell, tag: Any) -> Kernel:
    loops = reset_before if cell == gru.RESET_BEFORE else plain
    return Kernel(cell, tag, loops.run_forward, loops.run_backward)


KERNELS = {cell: _kernel(cell, tag) for cell, tag in TAGS.items()}

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
from gatewise.kernels.vectors import BYTES
from gatewise.threads import get_num_threads, run_as_team, run_together

# Fewer floating-point operations than this for each thread, about 100 µs of work, are not worth a second one: handing
# work over and waiting for it takes some 50 µs.
OPERATIONS_A_THREAD = 1e7
# A thread with fewer rows than this does as much work a row as a tile of this many would: then threads share units
# instead, if each has enough of them for a step to outlast the meeting after it, about 0.3 µs.
ROWS_A_THREAD = 8
UNITS_A_THREAD = 64
# Elements of scratch memory that a thread keeps at the most.
KEPT = 2**26


class Part(NamedTuple):
    """Rows b0 to b1 of the batch, units u0 to u1."""

    b0: int
    b1: int
    u0: int
    u1: int


class Team(NamedTuple):
    """The threads that do other units of the same rows: where they meet, how many they are, what they share."""

    counter: Array
    size: int
    shared: Array


class Share(NamedTuple):
    """What one thread does, and with whom."""

    part: Part
    team: Team


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
        room = 2 * len(start) * B * _padded(H, x.dtype)
        shares = self._shares(x, H, 2 * len(weights[0]) * (D + H) * B * T, room)
        _run(
            shares, [partial(self._call, self.run_forward, *arrays, *share, keep, keep and record) for share in shares]
        )
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
        watched: bool = False,
    ) -> tuple[Array, State, tuple[Array, ...], State]:
        """Return dx (B, T, D), the gradients of the initial state and of the weights, and, if watched, dstates.

        dstates (B, T, H) each is what reached each state; 0 past each length.
        """
        B, T, D = x.shape
        H = weights[1].shape[1]
        start, dend = _stacked(initial), _stacked(dfinal)
        dx, dstart = np.empty_like(x), np.empty_like(start)
        dstates = np.zeros((len(start), B, T if watched else 0, H), x.dtype)
        kept = _stacked(states)
        recorded = _stacked(record) if record else np.empty((0, B, T, H), x.dtype)
        stored = len(record) == len(self.cell.recorded)
        arrays = (x, *weights, start, _or_none(lengths), kept, recorded, dh, dend, dx, dstart, dstates)
        room = 2 * B * plain.chunk.py_func(T, B) * len(self.cell.gates) * _padded(H, x.dtype)
        shares = self._shares(x, H, 4 * len(weights[0]) * (D + H) * B * T, room)
        sums = 1 if shares[0].team.size > 1 else len(shares)  # a team writes one
        gradients = [tuple(np.empty_like(w) for w in weights) for _ in range(sums)]
        calls = enumerate(shares)
        _run(
            shares,
            [partial(self._call, self.run_backward, *arrays, *gradients[k % sums], *s, stored) for k, s in calls],
        )
        for other in gradients[1:]:
            for total, part in zip(gradients[0], other, strict=True):
                total += part
        return dx, tuple(dstart), gradients[0], tuple(dstates)

    def _shares(self, x: Array, H: int, operations: float, room: int) -> list[Share]:
        """Cut the batch, or if it is small and the layer wide its units, into a share for each thread."""
        B, threads = len(x), min(get_num_threads(), int(operations / OPERATIONS_A_THREAD))
        if threads < 2:
            return [Share(Part(0, B, 0, H), _ALONE[x.dtype])]
        wide = B / threads < ROWS_A_THREAD and H / threads >= UNITS_A_THREAD
        if wide and self.run_forward is plain.run_forward:
            team = Team(np.zeros(1, np.int64), threads, np.empty(room, x.dtype))
            return [Share(Part(0, B, u0, u1), team) for u0, u1 in _cut(H, threads, _lanes(x.dtype))]
        return [Share(Part(b0, b1, 0, H), _ALONE[x.dtype]) for b0, b1 in _cut(B, min(threads, B), 1)]

    def _call(self, run: Callable[..., None], *arguments: Any) -> None:
        """Run a loop with the scratch memory of this thread, and let that grow to what the loop has asked for."""
        memory, dtype = _memory.__dict__, arguments[0].dtype
        if dtype not in memory:
            memory[dtype] = np.empty(0, dtype), np.empty(1, np.int64)
        work, top = memory[dtype]
        top[0] = 0
        try:
            run(self.tag, work, top, *arguments)
        except BaseException:
            _let_go(arguments)
            raise
        if work.size < top[0] <= KEPT:
            memory[dtype] = np.empty(top[0], dtype), top


_memory = threading.local()


def _let_go(arguments: tuple[Any, ...]) -> None:
    """A call has failed: let the others of its team pass all their meetings."""
    for team in (a for a in arguments if isinstance(a, Team) and a.size > 1):
        team.counter[0] += 2**62


def _cut(count: int, pieces: int, multiple: int) -> Iterator[tuple[int, int]]:
    """Bounds (from, to) of as many pieces of `count` things; all bounds but the last are multiples of `multiple`."""
    whole = -(-count // multiple)
    return pairwise([min(count, whole * k // pieces * multiple) for k in range(pieces + 1)])


def _lanes(dtype: Any) -> int:
    return BYTES // int(dtype.itemsize)


def _padded(count: int, dtype: Any) -> int:
    """`count`, up to whole vectors."""
    return -(-count // _lanes(dtype)) * _lanes(dtype)


def _run(shares: list[Share], tasks: list[Callable[[], None]]) -> None:
    if len(tasks) == 1:
        tasks[0]()
    elif shares[0].team.size > 1:
        run_as_team(tasks)
    else:
        run_together(tasks)


def _or_none(lengths: Array | None) -> Array:
    """Lengths as a kernel takes them: (0,) if all sequences are whole."""
    return _NONE if lengths is None else lengths


_NONE = np.empty(0, np.int64)
_ALONE = {np.dtype(name): Team(_NONE, 1, np.empty(0, name)) for name in ("float32", "float64")}


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

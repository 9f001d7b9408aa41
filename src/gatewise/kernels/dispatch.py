"""From NumPy arrays to compiled loops: buffers and threads."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from functools import cached_property, lru_cache, partial
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from gatewise.cells import Cell
from gatewise.errors import FLOATS, Array
from gatewise.kernels import buffers
from gatewise.kernels.backward import run_backward
from gatewise.kernels.crew import Memory, Worker, engage, no_memory, release
from gatewise.kernels.entries import INTEGER, Entry, entry, flat_array
from gatewise.kernels.forward import run_forward
from gatewise.kernels.pieces import Plan, plan
from gatewise.kernels.sizes import padded
from gatewise.kernels.vectors import BYTES
from gatewise.threads import get_num_threads, run_as_team

# Fewer floating-point operations than this for each thread, 20 to 40 µs of work, are not worth a second one: to hand
# work over takes 6 µs. To wake a thread for it takes another 30 to 70, which less than BRIEF is not worth.
OPERATIONS_A_THREAD, BRIEF = 3e6, 2e7
# Threads share the units of all rows, instead of rows, where a thread would have so few rows that a tile is hardly
# filled, or where U, which each would read whole at every step, has too many bytes for its L2 cache; then more rows do
# not make up for that either. A thread needs enough units for a step to outlast the meeting after it and what the
# states of the others take to come, about 1 µs together. Measured with two threads.
ROWS_A_THREAD, UNITS_A_THREAD = 3, 96
FAR, ROWS_IF_FAR, UNITS_IF_FAR = 3 * 2**18, 16, 64
# Elements of scratch memory that a thread keeps at the most.
KEPT = 2**26


class Part(NamedTuple):
    """Rows from `first` to `last` of the batch, in the backward pass pieces of it, and units u0 to u1."""

    first: int
    last: int
    u0: int
    u1: int


class Team(NamedTuple):
    """The threads that do other units of the same rows: where they meet, how many they are, what they share."""

    counter: Array
    size: int
    shared: Array


class Share(NamedTuple):
    """What one thread does, and with whom."""

    numbers: Array  # (5,) or (8,): its part, in the backward pass the plan too, and the size of its team
    team: Team


Passed = tuple[Array, tuple[Array, ...], Array, Array | None, Array, Array]
"""What a forward pass leaves: x, the weights, the initial state, lengths, states and record."""
Call = tuple[tuple[Array, ...], Share]
"""The arrays that a loop takes, and a share."""


class Entries:
    """The loops of a cell for one dtype, each compiled when it is first asked for."""

    def __init__(self, cell: Cell, dtype: Any) -> None:
        self._cell = cell
        self._arrays = [flat_array(dtype, axes) for axes in range(5)]

    @cached_property
    def forward(self) -> Entry:
        """`run_forward`, called with all its arrays in their order and, at last, the numbers of a Share."""
        _, a1, a2, a3, a4 = self._arrays
        arrays = (a2, a2, a1, a1), (a3, a3, _INTEGERS), (a4, a4, a3)
        return entry(run_forward, (self._cell, (a1, _INTEGERS), *arrays, (_PART, self._team)))

    @cached_property
    def backward(self) -> Entry:
        """`run_backward`, likewise."""
        _, a1, a2, a3, a4 = self._arrays
        weights, inputs, results = (a2, a2, a1, a1), (a3, a3, _INTEGERS), (a3, a3, a4, (a2, a2, a1, a1))
        arrays = weights, inputs, (a4, a4), (a3, a3), results
        return entry(run_backward, (self._cell, (a1, _INTEGERS), *arrays, (_PART, _PLAN, self._team)))

    @property
    def _team(self) -> tuple[Any, ...]:
        return _INTEGERS, INTEGER, self._arrays[1]


_INTEGERS, _PART, _PLAN = flat_array(np.int64), (INTEGER,) * 4, (INTEGER,) * 3


class Kernel:
    """The compiled loops of one cell, called with arrays as `recurrence` holds them."""

    def __init__(self, cell: Cell) -> None:
        self.cell = cell
        self._entries = {dtype: Entries(cell, dtype) for dtype in FLOATS}

    def forward(
        self, x: Array, weights: tuple[Array, ...], initial: Array, lengths: Array | None, keep: bool, record: bool
    ) -> tuple[Array, Array, Array]:
        """Return states (S, B, T, H), record (R, B, T, H) and the final state (S, B, H).

        Unless `keep`, states holds h alone, (1, B, T, H), and there is no record, (0, B, T, H); without `record` there
        is none either.
        """
        (B, T, D), dtype, cell = x.shape, x.dtype, self.cell
        start = stacked(initial)
        S, _, H = start.shape
        new = buffers.array if lengths is None else buffers.zeros
        states = new((S if keep else 1, B, T, H), dtype)
        recorded = new((len(cell.recorded) if keep and record else 0, B, T, H), dtype)
        final = np.empty((S, B, H), dtype)
        arrays = (*weights, x, start, _NONE if lengths is None else lengths, states, recorded, final)
        run, operations = self._entries[dtype].forward, 2 * len(weights[0]) * (D + H) * B * T
        threads = _threads(operations)
        if threads < 2:
            _call(run, arrays, *_rows(B, H, dtype, 1))
        elif members := _members(B, weights[1], threads, operations, B):
            team = _units(B, H, dtype, members, (2 * S + 1) * B * padded_size(H, dtype))
            run_as_team([partial(_call, run, arrays, share) for share in team])
        else:
            workers = engage(min(threads, B) - 1, operations / threads < BRIEF)
            _run(run, [(arrays, share) for share in _rows(B, H, dtype, len(workers) + 1)], workers)
        return states, recorded, final

    def backward(
        self, passed: Passed, dh: Array, dfinal: Array, watched: bool = False, needs_dx: bool = True
    ) -> tuple[Array, Array, tuple[Array, ...], Array]:
        """Return dx (B, T, D), the gradients of the initial state (S, B, H) and of the weights, and dstates.

        dx is (0, T, D) unless it `needs_dx`. dstates (S, B, T, H) is what reached each state, 0 past each length;
        (S, B, 0, H) unless it is `watched`.
        """
        x, weights, initial, lengths, states, record = passed
        (B, T, D), dtype = x.shape, x.dtype
        start, dend = stacked(initial), stacked(dfinal)
        S, _, H = start.shape
        dx, dstart = buffers.array((B if needs_dx else 0, T, D), dtype), np.empty((S, B, H), dtype)
        dstates = np.zeros((S, B, T if watched else 0, H), dtype)
        inputs = (x, start, _NONE if lengths is None else lengths)
        run, operations = self._entries[dtype].backward, 4 * len(weights[0]) * (D + H) * B * T
        cut = plan(B, T, int(operations / OPERATIONS_A_THREAD), weights[1].nbytes >= FAR)
        threads, apart = _threads(operations), cut.pieces > cut.together  # or one group has all pieces, and adds them
        members = _members(B, weights[1], threads, operations, cut.pieces)
        helpers = 0 if members else min(threads, cut.pieces) - 1
        gradients = _like(weights, cut.pieces if helpers or apart else 1)
        arrays = (*weights, *inputs, stacked(states), stacked(record), dh, dend, dx, dstart, dstates, *gradients)
        if members:
            rows = min(B, cut.together * -(-B // cut.pieces))
            room = rows * cut.steps * (2 * len(self.cell.gates) + 1) * padded_size(H, dtype)
            team = _units(cut.pieces, H, dtype, members, room, cut)
            run_as_team([partial(_call, run, arrays, share) for share in team])
        elif helpers:
            workers = engage(helpers, operations / threads < BRIEF)
            apart = apart or len(workers) > 0
            _run(run, [(arrays, share) for share in _pieces(cut, H, dtype, len(workers) + 1)], workers)
        else:
            _call(run, arrays, *_pieces(cut, H, dtype, 1))
        return dx, dstart, _totals(gradients, cut.pieces if apart else 1, weights), dstates


def _run(run: Entry, calls: list[Call], workers: Sequence[Worker]) -> None:
    """Do the calls at the same time, one in each of the workers, which are then released, and the others here."""
    theirs, ours = calls[1 : len(workers) + 1], [calls[0], *calls[len(workers) + 1 :]]
    left: list[Call] = []
    try:
        for worker, (arrays, share) in zip(workers, theirs, strict=True):
            worker.start(run, _given(worker.memory, arrays, share))
        for call in ours:
            _call(run, *call)
    finally:
        left = [call for worker, call in zip(workers, theirs, strict=True) if not _is_done(worker, call)]
        release(workers)
    for call in left:
        _call(run, *call)


def _is_done(worker: Worker, call: Call) -> bool:
    """Whether a worker has done a call; if it had too little memory, it will have enough the next time."""
    need = worker.finish()
    if need:
        worker.memory = _with_room(worker.memory, call[0][0].dtype, need)
    return need == 0


def _call(run: Entry, arrays: tuple[Array, ...], share: Share) -> None:
    """Run a loop with the scratch memory of this thread: again, with more, where it has asked for more."""
    try:
        need = run(_given(_scratch.memory, arrays, share))
        if need:
            memory = _with_room(_scratch.memory, arrays[0].dtype, need)
            run(_given(memory, arrays, share))
            if need <= KEPT:
                _scratch.memory = memory
    except BaseException:
        _let_go(share.team)
        raise


def _given(memory: Memory, arrays: tuple[Array, ...], share: Share) -> tuple[Array, ...]:
    """What an entry takes."""
    counter, _, shared = share.team
    return (*memory[arrays[0].dtype], *arrays, counter, shared, share.numbers)


def _with_room(memory: Memory, dtype: np.dtype[Any], size: int) -> Memory:
    """Scratch memory that has `size` elements for one dtype."""
    return {**memory, dtype: (aligned(size, dtype), np.zeros(1, np.int64))}


class _Scratch(threading.local):
    """Scratch memory of each thread, and how much of it is taken, for each dtype."""

    def __init__(self) -> None:
        self.memory = no_memory()


_scratch = _Scratch()


def _threads(operations: float) -> int:
    """How many threads are worth their while for so many floating-point operations."""
    if operations < 2 * OPERATIONS_A_THREAD:
        return 1
    return min(get_num_threads(), int(operations / OPERATIONS_A_THREAD))


def _share(part: Part, team: Team, cut: Plan | None = None) -> Share:
    return Share(np.array((*part, *(cut or ()), team.size), np.int64), team)


def _members(B: int, U: Array, threads: int, operations: float, pieces: int) -> int:
    """How many threads should share the units: 0 if they do better to share the `pieces` of the batch.

    They share units if the batch is small and the layer wide, or if there are more of them than pieces, and their work
    outlasts that they are woken for it.
    """
    if threads == 1 or operations < 3 * threads * OPERATIONS_A_THREAD:
        return 0
    few, many = (ROWS_IF_FAR, UNITS_IF_FAR) if U.nbytes >= FAR else (ROWS_A_THREAD, UNITS_A_THREAD)
    members = min(threads, U.shape[1] // many)
    small = B / threads < few and members >= min(threads, pieces)
    return members if members > 1 and (small or members > pieces) else 0


def _units(pieces: int, H: int, dtype: np.dtype[Any], threads: int, room: int, cut: Plan | None = None) -> list[Share]:
    """Shares of some units each and all rows or pieces; `room` is how many elements their team shares."""
    team = Team(np.zeros(1, np.int64), threads, np.empty(room, dtype))
    return [_share(Part(0, pieces, u0, u1), team, cut) for u0, u1 in _cut(H, threads, _lanes(dtype))]


@lru_cache(256)
def _rows(B: int, H: int, dtype: np.dtype[Any], pieces: int) -> tuple[Share, ...]:
    """Shares of some rows each and all units."""
    return tuple(_share(Part(b0, b1, 0, H), _ALONE[dtype]) for b0, b1 in _cut(B, pieces, 1))


@lru_cache(256)
def _pieces(cut: Plan, H: int, dtype: np.dtype[Any], calls: int) -> tuple[Share, ...]:
    """Shares of some pieces each and all units."""
    return tuple(_share(Part(k0, k1, 0, H), _ALONE[dtype], cut) for k0, k1 in _cut(cut.pieces, calls, 1))


def _like(weights: tuple[Array, ...], apart: int) -> tuple[Array, ...]:
    """Memory for `apart` gradients of each weight, one below the other."""
    W, U, b, c = weights
    if apart == 1:
        return buffers.array(W.shape, W.dtype), buffers.array(U.shape, U.dtype), np.empty_like(b), np.empty_like(c)
    return tuple(buffers.array((apart * len(a), *a.shape[1:]), a.dtype) for a in weights)


def _totals(gradients: tuple[Array, ...], count: int, weights: tuple[Array, ...]) -> tuple[Array, ...]:
    """The sums of the first `count` gradients of each weight."""
    if count == 1 and len(gradients[0]) == len(weights[0]):
        return gradients
    if count == 1:
        return tuple(a[: len(weight)] for a, weight in zip(gradients, weights, strict=True))
    return tuple(_total(a.reshape(count, *weight.shape)) for a, weight in zip(gradients, weights, strict=True))


def _total(each: Array) -> Array:
    """The sum over the first axis, added as `sum_pieces` adds: the first half and the last, and so on."""
    count = len(each)
    while count > 2:
        count //= 2
        each[:count] += each[count : 2 * count]
    total: Array = np.add(each[0], each[1], out=buffers.array(each.shape[1:], each.dtype))
    return total


def aligned(size: int, dtype: Any) -> Array:
    """Uninitialized memory (size,) that starts at a whole vector."""
    lanes = _lanes(dtype)
    memory = np.empty(size + lanes, dtype)
    start = -(memory.ctypes.data // memory.itemsize) % lanes
    return memory[start : start + size]


def _let_go(team: Team) -> None:
    """A call has failed: let the others of its team pass all their meetings."""
    if team.size > 1:
        team.counter[0] += 2**62


def _cut(count: int, pieces: int, multiple: int) -> Iterator[tuple[int, int]]:
    """Bounds (from, to) of as many pieces of `count` things; all bounds but the last are multiples of `multiple`."""
    whole = -(-count // multiple)
    return pairwise([min(count, whole * k // pieces * multiple) for k in range(pieces + 1)])


def _lanes(dtype: Any) -> int:
    return BYTES // int(dtype.itemsize)


def padded_size(count: int, dtype: Any) -> int:
    """`count`, up to whole vectors."""
    return int(padded.py_func(count, _lanes(dtype)))


_NONE = np.empty(0, np.int64)
_EMPTY = {dtype: np.empty(0, dtype) for dtype in FLOATS}
_ALONE = {dtype: Team(_NONE, 1, _EMPTY[dtype]) for dtype in FLOATS}


def stacked(parts: Any) -> Array:
    """Arrays of one shape as a single contiguous one with an axis in front; that one itself, if it is what came."""
    if isinstance(parts, np.ndarray) and parts.flags.carray:
        return parts
    return np.array(parts, order="C")


def kernel(cell: Cell) -> Kernel:
    """Return the kernel of a cell; nothing is compiled before it is called."""
    return Kernel(cell)

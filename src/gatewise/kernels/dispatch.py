"""From NumPy arrays to compiled loops: buffers and threads."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from functools import cache, cached_property, partial
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from gatewise.cells import Cell, Record, State
from gatewise.errors import Array
from gatewise.kernels.backward import run_backward
from gatewise.kernels.entries import INTEGER, Entry, entry, flat_array
from gatewise.kernels.forward import prepare_units, run_forward
from gatewise.kernels.sizes import chunk, padded
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


class Prepared:
    """The weights of a cell packed for the forward pass, in memory of its own; W, U, b, c must not change meanwhile.

    Threads that share units need them packed in other pieces; a piece is packed when it is first asked for.
    """

    def __init__(self, kernel: Kernel, weights: tuple[Array, ...]) -> None:
        self._kernel, self._weights = kernel, tuple(weights)
        self._pieces: dict[tuple[int, int], Array] = {}

    def piece(self, inputs: tuple[Array, ...], part: Part) -> Array:
        """Return the packed weights of the units of `part`, flat; `inputs` are those of the pass."""
        units = part.u0, part.u1
        if units not in self._pieces:
            W, U, _, _ = self._weights
            own, D, H = padded_size(part.u1 - part.u0, W.dtype), W.shape[1], U.shape[1]
            G, Q = len(W) // H, len(U) // H
            size = own * (G * D + Q * H + G + Q)
            memory = aligned(size, W.dtype)
            x, initial, _ = inputs
            self._kernel.entries(W.dtype).prepare((memory, *self._weights, x, initial, np.array(part)))
            self._pieces[units] = memory
        return self._pieces[units]


class Entries:
    """The loops of a cell for one dtype, each compiled when it is first asked for."""

    def __init__(self, cell: Cell, dtype: Any) -> None:
        self._cell = cell
        self._arrays = [flat_array(dtype, axes) for axes in range(5)]

    @cached_property
    def prepare(self) -> Entry:
        """`prepare_units`, called with (memory, W, U, b, c, x, initial, numbers), numbers those of a Part."""
        _, a1, a2, a3, _ = self._arrays
        return entry(prepare_units, (self._cell, a1, (a2, a2, a1, a1), (a3, a3), (INTEGER,) * 4))

    @cached_property
    def forward(self) -> Entry:
        """`run_forward`, called with all its arrays and, at last, the numbers of a Part and the size of its Team."""
        _, a1, a2, a3, a4 = self._arrays
        inputs, outputs = (a3, a3, _INTEGERS), (a4, a4, a3)
        return entry(run_forward, (self._cell, (a1, _INTEGERS), (a2, a2, a1, a1), a1, inputs, outputs, self._share))

    @cached_property
    def backward(self) -> Entry:
        """`run_backward`, likewise."""
        _, a1, a2, a3, a4 = self._arrays
        weights, inputs, results = (a2, a2, a1, a1), (a3, a3, _INTEGERS), (a3, a3, a4, (a2, a2, a1, a1))
        arrays = weights, inputs, (a4, a4), (a3, a3), results
        return entry(run_backward, (self._cell, (a1, _INTEGERS), *arrays, self._share))

    @property
    def _share(self) -> tuple[Any, ...]:
        return (INTEGER,) * 4, (_INTEGERS, INTEGER, self._arrays[1])


_INTEGERS = flat_array(np.int64)


class Kernel(NamedTuple):
    """The compiled loops of one cell, called with arrays as `recurrence` holds them."""

    cell: Cell

    def entries(self, dtype: Any) -> Entries:
        """Return the loops for a dtype."""
        return _entries(self.cell, np.dtype(dtype))

    def prepare(self, weights: tuple[Array, ...]) -> Prepared:
        """Return the weights packed, for many forward passes with the same."""
        return Prepared(self, weights)

    def forward(
        self,
        x: Array,
        weights: tuple[Array, ...],
        initial: State,
        lengths: Array | None,
        keep: bool,
        record: bool,
        prepared: Prepared | None = None,
    ) -> tuple[State, Record, State]:
        """Return states (B, T, H) each, record (B, T, H) each and the final state (B, H) each.

        Unless `keep`, states holds h alone and there is no record; without `record` there is none either. `prepared` is
        what `prepare` has made of the weights, if anything.
        """
        B, T, D = x.shape
        S, R = (len(self.cell.states) if keep else 1), (len(self.cell.recorded) if keep and record else 0)
        start = _stacked(initial)
        H = start.shape[2]
        final = np.empty_like(start)
        states, recorded = np.empty((S, B, T, H), x.dtype), np.empty((R, B, T, H), x.dtype)
        if lengths is not None:
            states[:], recorded[:] = 0, 0
        inputs, outputs = (x, start, _or_none(lengths)), (states, recorded, final)
        room = (2 * len(start) + 1) * B * padded_size(H, x.dtype)
        shares = self._shares(x, H, 2 * len(weights[0]) * (D + H) * B * T, room)
        packed = [_EMPTY[x.dtype] if prepared is None else prepared.piece(inputs, share.part) for share in shares]
        calls = zip(packed, shares, strict=True)
        run = partial(_call, self.entries(x.dtype).forward)
        _run(shares, [partial(run, (*weights, piece, *inputs, *outputs), share) for piece, share in calls])
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
        start, dend = _stacked(initial), _stacked(dfinal)
        H = start.shape[2]
        dx, dstart = np.empty_like(x), np.empty_like(start)
        dstates = np.zeros((len(start), B, T if watched else 0, H), x.dtype)
        recorded = _stacked(record) if record else np.empty((0, B, T, H), x.dtype)
        inputs, kept, incoming = (x, start, _or_none(lengths)), (_stacked(states), recorded), (dh, dend)
        room = B * chunk.py_func(T, B) * (2 * len(self.cell.gates) + 1) * padded_size(H, x.dtype)
        shares = self._shares(x, H, 4 * len(weights[0]) * (D + H) * B * T, room)
        sums = 1 if shares[0].team.size > 1 else len(shares)  # a team writes one
        gradients = [tuple(np.empty_like(w) for w in weights) for _ in range(sums)]
        run = partial(_call, self.entries(x.dtype).backward)
        given = (*weights, *inputs, *kept, *incoming, dx, dstart, dstates)
        _run(shares, [partial(run, (*given, *gradients[k % sums]), share) for k, share in enumerate(shares)])
        for other in gradients[1:]:
            for total, part in zip(gradients[0], other, strict=True):
                total += part
        return dx, tuple(dstart), gradients[0], tuple(dstates)

    def _shares(self, x: Array, H: int, operations: float, room: int) -> list[Share]:
        """Cut the batch, or if it is small and the layer wide its units, into a share for each thread."""
        B, threads = len(x), min(get_num_threads(), int(operations / OPERATIONS_A_THREAD))
        if threads < 2:
            return [Share(Part(0, B, 0, H), _ALONE[x.dtype])]
        if B / threads < ROWS_A_THREAD and H / threads >= UNITS_A_THREAD:
            team = Team(np.zeros(1, np.int64), threads, np.empty(room, x.dtype))
            return [Share(Part(0, B, u0, u1), team) for u0, u1 in _cut(H, threads, _lanes(x.dtype))]
        return [Share(Part(b0, b1, 0, H), _ALONE[x.dtype]) for b0, b1 in _cut(B, min(threads, B), 1)]


def _call(run: Entry, arrays: tuple[Array, ...], share: Share) -> None:
    """Run a loop with the scratch memory of this thread: again, with more, where it has asked for more."""
    memory, dtype = _memory.__dict__, arrays[0].dtype
    if dtype not in memory:
        memory[dtype] = np.empty(0, dtype), np.empty(1, np.int64)
    work, top = memory[dtype]
    part, (counter, size, shared) = share
    given = (*arrays, counter, shared, np.array((*part, size)))
    try:
        top[0] = 0
        run((work, top, *given))
        if top[0] > work.size:
            work = aligned(int(top[0]), dtype)
            top[0] = 0
            run((work, top, *given))
            if work.size <= KEPT:
                memory[dtype] = work, top
    except BaseException:
        _let_go(share.team)
        raise


_memory = threading.local()


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
_EMPTY = {np.dtype(name): np.empty(0, name) for name in ("float32", "float64")}
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


def kernel(cell: Cell) -> Kernel:
    """Return the kernel of a cell; nothing is compiled before it is called."""
    return Kernel(cell)


@cache
def _entries(cell: Cell, dtype: np.dtype[Any]) -> Entries:
    return Entries(cell, dtype)

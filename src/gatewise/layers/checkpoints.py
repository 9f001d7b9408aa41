"""Exact backward passes through very long sequences: states kept every √T steps, all else computed again.

A *column* is a stack of layers that run in the same direction: they take a chunk of steps one after the other before
the next chunk begins, so that nothing of the layers between has to be kept either. With C = ⌈√T⌉ steps a chunk, it
keeps the states before each of T / C chunks, and while it goes back the gates of one chunk of C steps. Source: Chen et
al., *Training deep nets with sublinear memory cost*, arXiv 1604.06174.

Shapes as in `stack.py`: x (B, T, D), y (B, T, H), states (S, B, H).
"""

from __future__ import annotations

from collections.abc import Iterator
from math import isqrt
from typing import NamedTuple

import numpy as np

from gatewise import recurrence
from gatewise.cells import Cell
from gatewise.errors import Array
from gatewise.recurrence import Run, Weights

States = tuple[Array, ...]
"""The state of each layer, (S, B, H)."""


class Column(NamedTuple):
    """What a forward pass through a column leaves behind."""

    cell: Cell
    x: Array  # (B, T, D)
    weights: tuple[Weights, ...]  # of each layer
    masks: tuple[Array | None, ...]  # of the input of each layer, (B, T, …); that of the first is in x
    lengths: Array | None  # (B,)
    starts: tuple[States, ...]  # before each chunk; at least those before the first
    final: States

    def runs(self) -> list[Run]:
        """Return the run of each layer over all steps, computed again."""
        return self._runs(self.x, self.starts[0], 0, self.x.shape[1])

    def _runs(self, x: Array, initial: States, start: int, end: int, keep: bool = True) -> list[Run]:
        """Run all layers on x, the steps from `start` to `end`."""
        runs: list[Run] = []
        lengths = None if self.lengths is None else np.clip(self.lengths - start, 0, end - start)
        for weights, mask, state in zip(self.weights, self.masks, initial, strict=True):
            x = x if mask is None else x * mask[:, start:end]
            runs.append(recurrence.forward(self.cell, x, weights, state, lengths, keep=keep))
            x = runs[-1].states[0]
        return runs

    def chunks(self) -> Iterator[tuple[int, int]]:
        """Yield the first step and the end of each chunk."""
        T = self.x.shape[1]
        steps = isqrt(max(T - 1, 0)) + 1
        return ((start, min(start + steps, T)) for start in range(0, T, steps))


def forward(
    cell: Cell,
    x: Array,
    weights: tuple[Weights, ...],
    masks: tuple[Array | None, ...],
    initial: States,
    lengths: Array | None,
) -> tuple[Array, Column]:
    """Run a column over all steps; return the output of its last layer, (B, T, H), and what `backward` needs."""
    column = Column(cell, x, weights, masks, lengths, (initial,), initial)
    y = np.empty((*x.shape[:2], initial[0].shape[-1]), x.dtype)
    starts, states = [initial], initial
    for start, end in column.chunks():
        runs = column._runs(x[:, start:end].copy(), states, start, end, keep=False)
        y[:, start:end] = runs[-1].states[0]
        states = tuple(run.final for run in runs)
        starts.append(states)
    return y, column._replace(starts=tuple(starts[:-1] or starts), final=states)


def backward(column: Column, dy: Array, dfinal: States) -> tuple[Array, States, list[Weights]]:
    """Carry dy (B, T, H) and the gradients of the final states back, chunk by chunk from the last.

    Returns dx (B, T, D), the gradients of the initial states, and those of the weights of each layer. dy must be 0
    where a sequence has ended.
    """
    dx, dstates = np.empty_like(column.x), dfinal
    totals = [Weights(*map(np.zeros_like, weights)) for weights in column.weights]
    for (start, end), states in reversed(list(zip(column.chunks(), column.starts, strict=False))):
        runs = column._runs(column.x[:, start:end].copy(), states, start, end)
        d = dy[:, start:end].copy()
        dbefore: list[Array] = []
        for run, mask, dstate, total in reversed(list(zip(runs, column.masks, dstates, totals, strict=True))):
            d, dinitial, gradients = recurrence.backward(run, d, dstate)
            d = d if mask is None else d * mask[:, start:end]
            dbefore.insert(0, dinitial)
            for whole, part in zip(total, gradients, strict=True):
                whole += part
        dx[:, start:end], dstates = d, tuple(dbefore)
    return dx, dstates, totals

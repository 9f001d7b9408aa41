"""What is known of a value while a graph is followed: the layers that made it, and what its axes are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gatewise.errors import Array
from gatewise.layers import Layer

FIRST, SECOND, ONE, DIRECTIONS, FEATURES = "first", "second", "one", "directions", "features"
"""Axes: the first two of the input, of which one is time; one of size 1; directions of a recurrent layer; features."""


class Refusal(Exception):  # noqa: N818 (it is no error: the graph runs as it is)
    """Why a graph is no chain of layers."""


@dataclass(frozen=True)
class State:
    """An input of the graph that is not the first: it may only be a state that a recurrent layer begins with."""

    name: str


@dataclass(frozen=True)
class Signal:
    """A value that depends on the first input.

    Attributes
    ----------
    layers : tuple of Layer
        What was applied to the input.
    axes : tuple of str
    shape : tuple of int
        For the probe that is followed through the graph.
    items : tuple of (int, int), optional
        Of final states: number of the recurrent layer and direction of each index of the axis of directions; where that
        axis is gone, of each part of the features. None for outputs.
    is_cell : bool
        Whether it is the cell state of an LSTM, which layers give as a state only.
    ways : tuple of int, optional
        Of outputs: which directions of the last layer it has, if not all.
    """

    layers: tuple[Layer, ...]
    axes: tuple[str, ...]
    shape: tuple[int, ...]
    items: tuple[tuple[int, int], ...] | None = None
    is_cell: bool = False
    ways: tuple[int, ...] | None = None

    def like(self) -> Array:
        """Return an array of this shape that takes no memory."""
        return np.broadcast_to(np.float32(0), self.shape)

    def axis(self, number: Any) -> int:
        """Return an axis counted from the first."""
        if not -len(self.axes) <= int(number) < len(self.axes):
            raise Refusal(f"there is no axis {int(number)} of {self.shape}")
        return int(number) % len(self.axes)

    def moved(self, order: Sequence[int]) -> Signal:
        """Return it with its axes in another order."""
        return replace(self, axes=tuple(self.axes[i] for i in order), shape=tuple(self.shape[i] for i in order))

    def without(self, axis: int) -> Signal:
        """Return it without an axis."""
        keep = [i for i in range(len(self.axes)) if i != axis]
        return self.moved(keep)

    def with_axis(self, axis: int, label: str, size: int) -> Signal:
        """Return it with another axis in place of one."""
        axes, shape = list(self.axes), list(self.shape)
        axes[axis], shape[axis] = label, size
        return replace(self, axes=tuple(axes), shape=tuple(shape))

    def reshaped(self, shape: tuple[int, ...]) -> Signal:
        """Return it in another shape: axes of size 1 more or less, or directions and features joined."""
        named = [(a, n) for a, n in zip(self.axes, self.shape, strict=True) if a != ONE]
        joined: list[tuple[str, int]] = []
        for label, size in named:
            if label == FEATURES and joined and joined[-1][0] == DIRECTIONS:
                size *= joined.pop()[1]
            joined.append((label, size))
        for labels in (named, [pair for pair in named if pair != (DIRECTIONS, 1)], joined):
            axes = _assigned(labels, shape)
            if axes is not None:
                return replace(self, axes=axes, shape=shape)
        raise Refusal(f"a Reshape makes {shape} of {self.shape}")


def _assigned(labels: Sequence[tuple[str, int]], shape: tuple[int, ...]) -> tuple[str, ...] | None:
    """The axes of a shape, which has those of `labels` in order and others of size 1; None if it has not."""
    axes, left = [], list(labels)
    for i, size in enumerate(shape):
        spare = len(shape) - i > len(left)
        if left and size == left[0][1] and not (size == 1 and spare and left[0][0] != FEATURES):
            axes.append(left.pop(0)[0])
        elif size == 1:
            axes.append(ONE)
        else:
            return None
    return None if left else tuple(axes)

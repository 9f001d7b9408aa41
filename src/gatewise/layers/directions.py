"""What the directions of a stack share: their order in time, their names, and outputs and states side by side."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np

from gatewise.cells import State
from gatewise.errors import Array
from gatewise.layers.padding import reverse


def in_order(a: Array, direction: int, lengths: Array | None, copy: bool = False) -> Array:
    """(batch, time, N), contiguous, in the order in which direction 0 or 1 runs; its own inverse."""
    if direction:
        return reverse(a, lengths)
    return a if a.flags.carray and not copy else np.array(a, order="C")


@cache
def parameter_names(layer: int, direction: int) -> tuple[str, ...]:
    """PyTorch's names of the weights of one direction of one layer, in the order of `Weights`."""
    suffix = f"_l{layer}" + "_reverse" * direction
    return tuple(name + suffix for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))


def nth(state: State, index: int, copy: bool = False) -> Array:
    """The state of one layer and direction, (S, B, H) of S arrays (layers·directions, B, H)."""
    if len(state) > 1:
        return np.concatenate([s[index : index + 1] for s in state])
    part = state[0][index : index + 1]
    return part.copy() if copy else part


def stack_states(states: Sequence[Array]) -> State:
    """One state (S, B, H) per layer and direction, as S arrays (layers·directions, B, H)."""
    if len(states) > 1:
        return tuple(np.stack(parts) for parts in zip(*states, strict=True))
    (only,) = states
    return (only,) if len(only) == 1 else tuple(only[k : k + 1] for k in range(len(only)))


def masked(a: Array, mask: Array | None) -> Array:
    """`a` ⊙ mask; `a` itself without a mask."""
    return a if mask is None else a * mask


def side_by_side(outputs: list[Array]) -> Array:
    """The outputs of the directions on the last axis; that of a single one as it is."""
    return outputs[0] if len(outputs) == 1 else np.concatenate(outputs, axis=-1)


def of_direction(dy: Array, direction: int, directions: int) -> Array:
    """The part of dy that belongs to the output of one direction."""
    return dy if directions == 1 else np.split(dy, 2, axis=-1)[direction]

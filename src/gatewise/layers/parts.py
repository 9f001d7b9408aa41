"""What a model is made of: its recurrent layers and where they are, and the layers that read its input."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from gatewise.errors import Array, GatewiseValueError
from gatewise.layers.embedding import Embedding
from gatewise.layers.layer import Layer
from gatewise.layers.parallel import Parallel, ParallelTape
from gatewise.layers.sequential import Sequential, SequentialTape
from gatewise.layers.several import Several
from gatewise.layers.stack import Recurrent
from gatewise.layers.tape import RecurrentTape
from gatewise.recurrence import Pass


class Part(NamedTuple):
    """A recurrent layer somewhere in a model, the tape of its forward pass and its backward passes, if any."""

    prefix: str  # as in the keys of the model's params: "", "0.", "1.0.", …
    layer: Recurrent
    tape: RecurrentTape
    passes: tuple[Pass, ...] = ()  # one a run of the tape, or none


def recurrent_parts(model: Layer, tape: Any, passes: Any = None) -> Iterator[Part]:
    """Yield the recurrent layers of a model with their tapes, in the order in which they act.

    `passes` are those of `model.backward_passes(tape, ...)`, if there was one.
    """
    carried = {} if passes is None else {prefix: own for prefix, _, own in plain_layers(model, passes)}
    for prefix, layer, own in plain_layers(model, tape):
        if isinstance(layer, Recurrent):
            yield Part(prefix, layer, own, carried.get(prefix, ()))


def has_recurrent_part(model: Any) -> bool:
    """Whether `model` is or holds a recurrent layer."""
    return any(isinstance(layer, Recurrent) for _, layer, _ in plain_layers(model))


def example_input(model: Layer, rng: np.random.Generator, shape: tuple[int, int], any_size: int | None = None) -> Array:
    """Return random x (batch, time, input_size) in float64, or integers (batch, time) for a model that reads integers.

    `any_size` is the size of the last axis for a model that takes any.
    """
    tables = [layer.count for layer in first_layers(model) if isinstance(layer, Embedding)]
    if tables:
        return rng.integers(0, min(tables), shape)
    size = getattr(model, "input_size", None) or any_size
    if size is None:
        raise GatewiseValueError(f"x is None and {model!r} takes any size; need rows to look at it with: pass x.")
    return rng.standard_normal((*shape, size))


def first_layers(model: Layer) -> Iterator[Layer]:
    """Yield the layers that read the input of a model."""
    if not isinstance(model, Several):
        yield model
        return
    for layer in model.layers if isinstance(model, Parallel) else model.layers[:1]:
        yield from first_layers(layer)


def plain_layers(model: Any, tree: Any = None, prefix: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Yield every layer within `Sequential` and `Parallel`: prefix, layer, and what a tape or passes have of it."""
    if not isinstance(model, Sequential | Parallel):
        yield prefix, model, tree
        return
    branches = tree.tapes if isinstance(tree, SequentialTape | ParallelTape) else tree
    for i, layer in enumerate(model.layers):
        yield from plain_layers(layer, None if branches is None else branches[i], f"{prefix}{i}.")

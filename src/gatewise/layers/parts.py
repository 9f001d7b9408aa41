"""Which recurrent layers a model holds, and where."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from gatewise.layers.layer import Layer
from gatewise.layers.parallel import Parallel
from gatewise.layers.sequential import Sequential
from gatewise.layers.stack import Recurrent, RecurrentTape


class Part(NamedTuple):
    """A recurrent layer somewhere in a model, and the tape of its forward pass."""

    prefix: str  # as in the keys of the model's params: "", "0.", "1.0.", …
    layer: Recurrent
    tape: RecurrentTape


def recurrent_parts(model: Layer, tape: Any) -> Iterator[Part]:
    """Yield the recurrent layers of a model with their tapes, in the order in which they act."""
    for prefix, layer, own in plain_layers(model, tape):
        if isinstance(layer, Recurrent):
            yield Part(prefix, layer, own)


def has_recurrent_part(model: Any) -> bool:
    """Whether `model` is or holds a recurrent layer."""
    return any(isinstance(layer, Recurrent) for _, layer, _ in plain_layers(model))


def plain_layers(model: Any, tape: Any = None, prefix: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Yield every layer within `Sequential` and `Parallel`, with the prefix of its parameters and its tape, if any."""
    if not isinstance(model, Sequential | Parallel):
        yield prefix, model, tape
        return
    for i, layer in enumerate(model.layers):
        yield from plain_layers(layer, None if tape is None else tape.tapes[i], f"{prefix}{i}.")

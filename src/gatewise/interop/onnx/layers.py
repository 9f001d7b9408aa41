"""Layers as nodes of an ONNX graph.

A layer reads x (batch, time, ...) and gives its output's name, as `Layer.__call__` would compute it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from gatewise import layouts
from gatewise.errors import GatewiseTypeError
from gatewise.interop.onnx.scans import write_scan
from gatewise.interop.onnx.stacks import KINDS, attributes_of
from gatewise.interop.onnx.tensors import NUMBERS
from gatewise.interop.onnx.writer import (
    Steps,
    Writer,
    all_lengths,
    blank,
    part_means,
    reshaped,
    sliced,
)
from gatewise.layers import Dense, Dropout, Embedding, Last, Layer, Noise, Parallel, Pool, Reverse, Sequential, Softmax
from gatewise.layers.stack import Recurrent

STATE = "{prefix}{which}_{state}"
"""Names of the states, inputs and outputs of the graph: which is initial or final, state is a name of the cell's."""


class States:
    """The initial states that recurrent layers begin with, where the graph takes them, and the final ones."""

    def __init__(self, asked: bool) -> None:
        self.asked = asked
        self.final: list[tuple[str, str, tuple[Any, ...]]] = []
        """Name, value, shape."""

    def initial(self, writer: Writer, layer: Recurrent, prefix: str) -> list[str | None]:
        """Return the initial states (layers·directions, batch, H), None for zeros."""
        if not self.asked:
            return [None] * len(layer.cell.states)
        names = [STATE.format(prefix=prefix, which="initial", state=state) for state in layer.cell.states]
        return [writer.input(name, layer.dtype, self._shape(layer)) for name in names]

    def keep(self, writer: Writer, layer: Recurrent, prefix: str, parts: list[tuple[str, ...]]) -> None:
        """Note the final states of all layers, (directions, batch, H) each, as those of the whole."""
        for state, of_layers in zip(layer.cell.states, zip(*parts, strict=True), strict=True):
            value = of_layers[0] if len(of_layers) == 1 else writer.node("Concat", *of_layers, axis=0)
            self.final.append((STATE.format(prefix=prefix, which="final", state=state), value, self._shape(layer)))

    @staticmethod
    def _shape(layer: Recurrent) -> tuple[Any, ...]:
        return layer.num_layers * layer.directions, "batch", layer.hidden_size


def write_layer(writer: Writer, layer: Layer, x: str, steps: Steps, states: States, prefix: str = "") -> str:
    """Add the nodes of a layer whose input is x and return its output.

    Raises
    ------
    GatewiseError
        If the layer is of a type that cannot be written.
    """
    for kind, write in WRITERS.items():
        if isinstance(layer, kind):
            return write(writer, layer, x, steps, states, prefix)
    raise GatewiseTypeError(
        f"a {type(layer).__name__} cannot be written to ONNX; need recurrent layers, "
        f"{', '.join(kind.__name__ for kind in WRITERS if kind is not Recurrent)}."
    )


def _sequential(writer: Writer, layer: Sequential, x: str, steps: Steps, states: States, prefix: str) -> str:
    for i, part in enumerate(layer.layers):
        x = write_layer(writer, part, x, steps, states, f"{prefix}{i}.")
        if not part.keeps_time:
            steps = steps._replace(lengths=None)
    return x


def _parallel(writer: Writer, layer: Parallel, x: str, steps: Steps, states: States, prefix: str) -> str:
    parts = [write_layer(writer, part, x, steps, states, f"{prefix}{i}.") for i, part in enumerate(layer.layers)]
    return parts[0] if len(parts) == 1 else writer.node("Concat", *parts, axis=-1)


def _dense(writer: Writer, layer: Dense, x: str, steps: Steps, states: States, prefix: str) -> str:
    y = writer.node("MatMul", x, writer.weight(f"{prefix}weight", np.ascontiguousarray(layer.params["weight"].T)))
    if layer.bias:
        y = writer.node("Add", y, writer.weight(f"{prefix}bias", layer.params["bias"]))
    if layer.activation:
        y = writer.node(layer.activation.capitalize(), y)
    return blank(writer, y, steps)


def _embedding(writer: Writer, layer: Embedding, x: str, steps: Steps, states: States, prefix: str) -> str:
    rows = blank(writer, x, steps, axes=2, dtype=np.int64)
    table = writer.weight(f"{prefix}weight", layer.params["weight"])
    return blank(writer, writer.node("Gather", table, rows), steps)


def _unchanged(writer: Writer, layer: Layer, x: str, steps: Steps, states: States, prefix: str) -> str:
    return blank(writer, x, steps)


def _softmax(writer: Writer, layer: Softmax, x: str, steps: Steps, states: States, prefix: str) -> str:
    return blank(writer, writer.node("Softmax", x, axis=-1), steps)


def _reverse(writer: Writer, layer: Reverse, x: str, steps: Steps, states: States, prefix: str) -> str:
    return writer.node(
        "ReverseSequence", blank(writer, x, steps), all_lengths(writer, steps), batch_axis=0, time_axis=1
    )


def _last(writer: Writer, layer: Last, x: str, steps: Steps, states: States, prefix: str) -> str:
    last = _at_last(writer, x, steps)
    if not layer.bidirectional:
        return last
    first = writer.node("Gather", x, writer.constant(0, np.int64), axis=1)
    forward, _ = writer.several("Split", (last,), 2, axis=-1)
    _, backward = writer.several("Split", (first,), 2, axis=-1)
    return writer.node("Concat", forward, backward, axis=-1)


def _at_last(writer: Writer, x: str, steps: Steps) -> str:
    if steps.lengths is None:
        return writer.node("Gather", x, writer.constant(-1, np.int64), axis=1)
    place = writer.node("Sub", steps.lengths, writer.integers(1))
    return writer.node("GatherND", x, writer.node("Unsqueeze", place, writer.integers(1)), batch_dims=1)


def _pool(writer: Writer, layer: Pool, x: str, steps: Steps, states: States, prefix: str) -> str:
    means = partial(part_means, writer, blank(writer, x, steps), steps, layer.parts)
    parts = {
        "last": lambda: _last(writer, Last(layer.bidirectional), x, steps, states, prefix),
        "mean": lambda: reshaped(writer, means(), 0, layer.parts * layer.input_size),
        "max": lambda: writer.node("ReduceMax", blank(writer, x, steps, -np.inf), axes=[1], keepdims=0),
    }
    found = [parts[kind]() for kind in layer.kinds]
    return found[0] if len(found) == 1 else writer.node("Concat", *found, axis=-1)


def _recurrent(writer: Writer, layer: Recurrent, x: str, steps: Steps, states: States, prefix: str) -> str:
    initial = states.initial(writer, layer, prefix)
    y = writer.node("Transpose", blank(writer, x, steps), perm=[1, 0, 2])
    S, finals = layer.directions, []
    for k in range(layer.num_layers):
        begun = [None if state is None else sliced(writer, state, k * S, k * S + S, 0) for state in initial]
        write = _operator if type(layer) in KINDS else write_scan
        y, *final = write(writer, layer, k, y, steps, begun, prefix)
        finals.append(tuple(final))
    states.keep(writer, layer, prefix, finals)
    return writer.node("Transpose", y, perm=[1, 0, 2])


def _operator(
    writer: Writer, layer: Recurrent, k: int, x: str, steps: Steps, initial: list[str | None], prefix: str
) -> tuple[str, ...]:
    """Add one layer of a stack as ONNX's own operator: x and the output are (time, batch, ...); then final states."""
    S, H = layer.directions, layer.hidden_size
    arrays = onnx_weights(layer, k)
    names = [writer.weight(weight_name(prefix, k, key), array) for key, array in arrays.items()]
    names += [""] * (3 - len(names))
    lengths = "" if steps.lengths is None else writer.node("Cast", steps.lengths, to=NUMBERS[np.dtype(np.int32)])
    given = [state or "" for state in initial]
    attributes: dict[str, Any] = {"hidden_size": H, "direction": "bidirectional" if S == 2 else "forward"}
    attributes |= attributes_of(layer)
    inputs = [x, *names, lengths, *given]
    while not inputs[-1]:
        inputs.pop()
    Y, *final = writer.several(KINDS[type(layer)].operator, inputs, 1 + len(layer.cell.states), **attributes)
    return (reshaped(writer, writer.node("Transpose", Y, perm=[0, 2, 1, 3]), 0, 0, S * H), *final)


def onnx_weights(layer: Recurrent, k: int) -> dict[str, Any]:
    """Return the weights of layer k of a stack as ONNX has them: W, R, and B if there are biases."""
    own = {}
    for name, array in layer.params.items():
        label, _, place = name.rpartition("_l")
        number, _, reverse = place.partition("_")
        if int(number) == k:
            own[f"{label}_l0" + "_reverse" * bool(reverse)] = array
    options = {name: layer.config()[name] for name in ("reset", "nonlinearity") if name in layer.config()}
    return layouts.convert(own, "torch", "onnx", cell=KINDS[type(layer)].cell, **options)


def weight_name(prefix: str, k: int, key: str) -> str:
    """Return under which name an array of layer k of a stack stands in a file."""
    return f"{prefix}{key}_l{k}"


WRITERS: dict[type, Callable[..., str]] = {
    Sequential: _sequential,
    Parallel: _parallel,
    Recurrent: _recurrent,
    Dense: _dense,
    Embedding: _embedding,
    Last: _last,
    Pool: _pool,
    Dropout: _unchanged,
    Noise: _unchanged,
    Reverse: _reverse,
    Softmax: _softmax,
}

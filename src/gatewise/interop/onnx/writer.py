"""What collects the nodes and weights of an ONNX graph that is being written."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from gatewise.errors import Array
from gatewise.interop.onnx.package import onnx_package
from gatewise.interop.onnx.tensors import NUMBERS, to_tensor

OPSET = 17
"""Operator set that is written: of 2022, so that runtimes of any age in use have it."""
FORMAT = 8
"""Version of the file format that goes with it."""
PRODUCER = "gatewise"
Shape = Sequence[int | str | None] | None


class Value(NamedTuple):
    """An input or output of the graph: its name, element type, and sizes, of which text names one that is free."""

    name: str
    dtype: Any
    shape: Shape


class Steps(NamedTuple):
    """Which steps of a sequence (batch, time, ...) are valid, as names of values in the graph."""

    time: str
    """int64 scalar: the size of the time axis."""
    batch: str
    """int64 (1,)."""
    lengths: str | None
    """int64 (batch,); None if all steps are valid."""


class Writer:
    """Nodes, weights, inputs and outputs of a graph; names are given out once.

    Those of a graph within a node begin with `label`, for a name of the graph around it may not come again.
    """

    def __init__(self, dtype: Any, label: str = "") -> None:
        self.label = label
        self.dtype = np.dtype(dtype)
        self.inputs: list[Value] = []
        self.outputs: list[Value] = []
        self.nodes: list[Any] = []
        self._tensors: dict[str, Any] = {}
        self._known: dict[Any, str] = {}
        self._taken: set[str] = set()
        self._count = 0

    def input(self, name: str, dtype: Any, shape: Shape) -> str:
        """Declare an input of the graph and return its name."""
        self.inputs.append(Value(self._new(self.label + name), dtype, shape))
        return self.label + name

    def output(self, name: str, value: str, dtype: Any, shape: Shape) -> None:
        """Let a value be the output `name` of the graph."""
        self._add("Identity", (value,), (self._new(self.label + name),))
        self.outputs.append(Value(self.label + name, dtype, shape))

    def weight(self, name: str, array: Array) -> str:
        """Put an array into the file under its own name and return that."""
        self._tensors[self._new(name)] = to_tensor(array, name)
        return name

    def constant(self, value: Any, dtype: Any = None) -> str:
        """Return the name of a small constant, of the graph's float type unless given; equal ones are written once."""
        array = np.asarray(value, self.dtype if dtype is None else dtype)
        key = ("constant", array.dtype.str, array.shape, array.tobytes() if array.dtype != object else str(array))
        if key not in self._known:
            self._known[key] = self.weight(self.fresh("constant"), array)
        return self._known[key]

    def integers(self, *values: int) -> str:
        """Return the name of an int64 vector."""
        return self.constant(values, np.int64)

    def node(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Add an operator with one output and return its name; the same one on the same inputs is added once."""
        key = (kind, inputs, repr(sorted(attributes.items(), key=lambda item: item[0])))
        if key not in self._known:
            (self._known[key],) = self.several(kind, inputs, 1, **attributes)
        return self._known[key]

    def several(self, kind: str, inputs: Sequence[str], outputs: int, **attributes: Any) -> tuple[str, ...]:
        """Add an operator and return the names of its outputs."""
        names = tuple(self.fresh(kind.lower()) for _ in range(outputs))
        self._add(kind, inputs, names, **attributes)
        return names

    def body(self, name: str) -> Any:
        """Return what has been collected as a graph."""
        helper = onnx_package("helper")
        infos = [
            [helper.make_tensor_value_info(v.name, NUMBERS[np.dtype(v.dtype)], v.shape) for v in values]
            for values in (self.inputs, self.outputs)
        ]
        nodes = self._needed()
        read = {name for node in nodes for name in node.input} | {name for node in nodes for name in _inside(node)}
        tensors = [tensor for tensor in self._tensors.values() if tensor.name in read]
        return helper.make_graph(nodes, name, *infos, tensors)

    def _needed(self) -> list[Any]:
        """The nodes that an output depends on."""
        needed, kept = {value.name for value in self.outputs}, []
        for node in reversed(self.nodes):
            if needed & set(node.output):
                kept.append(node)
                needed.update(node.input)
                needed.update(_inside(node))
        return kept[::-1]

    def model(self, notes: Mapping[str, Any]) -> Any:
        """Return what has been collected as a model; `notes` are kept in it as JSON under the name of the library."""
        from gatewise import __version__

        helper = onnx_package("helper")
        model = helper.make_model(
            self.body("model"),
            producer_name=PRODUCER,
            producer_version=__version__,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=FORMAT,
        )
        helper.set_model_props(model, {PRODUCER: json.dumps(notes)})
        return model

    def fresh(self, wish: str) -> str:
        """Return a name that is not given out twice."""
        self._count += 1
        return f"{self.label}{wish}_{self._count}"

    def _add(self, kind: str, inputs: Sequence[str], outputs: Sequence[str], **attributes: Any) -> None:
        self._taken.update(outputs)
        given = {name: value for name, value in attributes.items() if value is not None}
        self.nodes.append(onnx_package("helper").make_node(kind, list(inputs), list(outputs), **given))

    def _new(self, name: str) -> str:
        assert name not in self._taken, name
        self._taken.add(name)
        return name


def _inside(node: Any) -> set[str]:
    """What the graphs inside a node read, their own names among them."""
    graphs = [attribute.g for attribute in node.attribute if attribute.HasField("g")]
    return {name for graph in graphs for inner in graph.node for name in inner.input}


def reshaped(writer: Writer, x: str, *sizes: int) -> str:
    """Return x in another shape; 0 keeps a size, -1 is what remains."""
    return writer.node("Reshape", x, writer.integers(*sizes))


def sliced(writer: Writer, x: str, start: int, stop: int, axis: int) -> str:
    """Return x from start to stop along an axis."""
    ends = (writer.integers(value) for value in (start, stop, axis))
    return writer.node("Slice", x, *ends)


def size_of(writer: Writer, x: str, axis: int) -> str:
    """Return the size of an axis, an int64 scalar."""
    return writer.node("Gather", writer.node("Shape", x), writer.constant(axis, np.int64), axis=0)


def steps_of(writer: Writer, x: str, lengths: str | None) -> Steps:
    """Return the steps of sequences x (batch, time, ...)."""
    batch = sliced(writer, writer.node("Shape", x), 0, 1, 0)
    return Steps(size_of(writer, x, 1), batch, lengths)


def places(writer: Writer, count: str) -> str:
    """Return 0, 1, … up to a count, an int64 scalar."""
    return writer.node("Range", writer.constant(0, np.int64), count, writer.constant(1, np.int64))


def all_lengths(writer: Writer, steps: Steps) -> str:
    """Return the length of every sequence, int64 (batch,)."""
    if steps.lengths is not None:
        return steps.lengths
    return writer.node("Expand", writer.node("Unsqueeze", steps.time, writer.integers(0)), steps.batch)


def valid_steps(writer: Writer, steps: Steps) -> str:
    """Return which steps are valid, bool (batch, time)."""
    lengths = writer.node("Unsqueeze", all_lengths(writer, steps), writer.integers(1))
    return writer.node("Less", places(writer, steps.time), lengths)


def blank(writer: Writer, x: str, steps: Steps, fill: Any = 0, *, axes: int = 3, dtype: Any = None) -> str:
    """Return x (batch, time, ...), of so many axes, with `fill` past each length; x itself where all are full."""
    if steps.lengths is None:
        return x
    mask = valid_steps(writer, steps)
    if axes > 2:
        mask = writer.node("Unsqueeze", mask, writer.integers(*range(2, axes)))
    return writer.node("Where", mask, x, writer.constant(fill, dtype))


def part_means(writer: Writer, x: str, steps: Steps, parts: int) -> str:
    """Return means over equal parts of each sequence x (batch, time, N), (batch, parts, N); what counts is in float64.

    A step across a border counts in both parts by its share.
    """
    double, kind = NUMBERS[np.dtype(np.float64)], np.float64
    lengths = writer.node("Cast", all_lengths(writer, steps), to=double)
    per = writer.node("Div", writer.node("Unsqueeze", lengths, writer.integers(1, 2)), writer.constant(parts, kind))
    border = writer.node("Mul", writer.constant(np.arange(parts + 1.0)[:, None], kind), per)
    place = writer.node("Cast", places(writer, steps.time), to=double)
    before = writer.node("Clip", writer.node("Sub", border, place), writer.constant(0, kind), writer.constant(1, kind))
    inside = writer.node("Sub", sliced(writer, before, 1, parts + 1, 1), sliced(writer, before, 0, parts, 1))
    shares = writer.node("CastLike", writer.node("Div", inside, per), x)
    return writer.node("MatMul", shares, x)

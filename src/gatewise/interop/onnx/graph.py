"""A graph of ONNX operators that runs: checked once, evaluated in NumPy and by our recurrences."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gatewise.errors import Array, GatewiseError, GatewiseTypeError, GatewiseValueError, check_names
from gatewise.interop.onnx import limits
from gatewise.interop.onnx.operators import OPERATORS
from gatewise.interop.onnx.reading import STANDARD, Source
from gatewise.interop.onnx.tensors import dtype_of, to_array
from gatewise.limits import current

UNREADABLE = (ValueError, TypeError, LookupError, ArithmeticError, MemoryError, AttributeError, RecursionError)
"""What NumPy and Python raise where a file says what cannot be."""
_ATTRIBUTES = {1: "f", 2: "i", 3: "s", 4: "t", 5: "g", 6: "floats", 7: "ints", 8: "strings"}
"""Field of an attribute that holds its value, by the attribute's type."""


class Input(NamedTuple):
    """What a graph takes: a name, an element type (None if any), and sizes of which None stands for any."""

    name: str
    dtype: np.dtype[Any] | None
    shape: tuple[int | None, ...] | None


@dataclass(frozen=True)
class Node:
    """One operator in a graph, with the names of its inputs ("" for one left out) and outputs."""

    name: str
    kind: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]
    run: Callable[..., tuple[Array, ...]]
    """From arrays, None for those left out, to all outputs; and, as `outer`, what a graph inside it reads around it."""
    captured: tuple[str, ...] = ()

    def __call__(self, values: Mapping[str, Array]) -> dict[str, Array]:
        """Return the outputs by name, given everything that is known so far."""
        arguments = [values[name] if name else None for name in self.inputs]
        try:
            with np.errstate(all="ignore"):
                outer = {"outer": {name: values[name] for name in self.captured}} if self.captured else {}
                results = self.run(*arguments, **outer)
            limits.take_result(sum(result.nbytes for result in results))
        except GatewiseError as error:
            raise type(error)(f"{self}: {error}") from error
        except UNREADABLE as error:
            raise GatewiseValueError(f"{self} cannot be evaluated: {error}.") from error
        if len(results) < len(self.outputs):
            raise GatewiseValueError(f"{self} has {len(self.outputs)} outputs; need {len(results)} at most.")
        return {name: value for name, value in zip(self.outputs, results, strict=False) if name}

    def __str__(self) -> str:
        return f"node {self.name!r} ({self.kind})" if self.name else f"the {self.kind} of {', '.join(self.outputs)}"


class Graph:
    """A graph of ONNX operators that runs.

    Attributes
    ----------
    inputs : tuple of Input
        What it takes: names, dtypes and sizes, None for any.
    outputs : tuple of str
        Names of what it gives.
    constants : dict of str to ndarray
        The arrays in the file, weights among them.
    nodes : tuple of Node
        In the order in which they are evaluated.
    captured : tuple of str
        What a graph inside a node reads of the graph around it.
    max_steps : int
        Steps of all Scan, GRU, LSTM and RNN together that one run may take: a graph with more raises. It may be set.

    Notes
    -----
    `gatewise.from_onnx` makes it. It does not train; what can be said by layers is a model of layers instead.

    Examples
    --------
    >>> import tempfile, pathlib, numpy as np, gatewise as gw
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "model.onnx"
    >>> _ = gw.to_onnx(gw.GRU(3, 4, rng=0), path)
    >>> graph = gw.from_onnx(path, kind="graph")
    >>> [given.name for given in graph.inputs], graph.outputs
    (['x'], ('y', 'final_hidden'))
    >>> y, state = graph.run({"x": np.zeros((2, 5, 3), np.float32)})
    >>> y.shape
    (2, 5, 4)
    """

    def __init__(
        self,
        inputs: tuple[Input, ...],
        outputs: tuple[str, ...],
        constants: dict[str, Array],
        nodes: tuple[Node, ...],
        captured: tuple[str, ...] = (),
    ) -> None:
        self.captured = captured
        self.max_steps = limits.MAX_STEPS
        self.inputs = inputs
        self.outputs = outputs
        self.constants = constants
        self.nodes = nodes

    def __repr__(self) -> str:
        kinds = sorted({node.kind for node in self.nodes})
        taken, given = ", ".join(one.name for one in self.inputs), ", ".join(self.outputs)
        return f"Graph({taken} -> {given}: {len(self.nodes)} nodes of {', '.join(kinds)})"

    def __call__(self, *inputs: Array, **named: Array) -> tuple[Array, tuple[Array, ...]]:
        """Return the first output, and all others as a tuple: as a layer gives its output and its state.

        Inputs come in the order of `inputs`, or by name.
        """
        names = [one.name for one in self.inputs]
        if len(inputs) > len(names):
            raise GatewiseValueError(f"got {len(inputs)} inputs; need {len(names)}: {', '.join(names)}.")
        first, *others = self.run(dict(zip(names, inputs, strict=False)) | named)
        return first, tuple(others)

    def run(self, inputs: Mapping[str, Array] | Sequence[Array]) -> list[Array]:
        """Return all outputs, in the order of `outputs`.

        Parameters
        ----------
        inputs : mapping of str to ndarray, or sequence of ndarray
            All inputs by name, or in order.

        Raises
        ------
        GatewiseError
            If an input is missing, unknown or does not fit what the file declares, or a node cannot be evaluated or
            takes more than `max_steps`: it is named.
        """
        names = [one.name for one in self.inputs]
        given = dict(inputs) if isinstance(inputs, Mapping) else dict(zip(names, inputs, strict=False))
        check_names("the graph", given, names)
        fitting = {one.name: _fitting(one, given[one.name]) for one in self.inputs}
        with limits.at_most(self.max_steps):
            values = self.evaluate(fitting)
        return [np.array(values[name]) for name in self.outputs]

    def evaluate(self, values: Mapping[str, Array]) -> dict[str, Array]:
        """Return everything that is known after all nodes, given `values` beside the constants."""
        known = {**self.constants, **values}
        for node in self.nodes:
            known |= node(known)
        return known


def build(source: Source, *, known: Container[str] = (), reset: str | None = None) -> Graph:
    """Return the graph of a model that was read; raise, by its name, at what it has that is not supported."""
    check_domains(source.model)
    return graph_of(source.model.graph, source.opset, source.folder, known=known, reset=reset)


class _Names:
    """The names that are known where a node stands: those of its graph, and of the graphs around it."""

    def __init__(self, own: Iterable[str], around: Container[str], depth: int) -> None:
        self._own, self._around = set(own), around
        self.depth = depth

    def add(self, name: str) -> None:
        self._own.add(name)

    def __contains__(self, name: object) -> bool:
        return name in self._own or name in self._around


def graph_of(
    proto: Any, opset: int, folder: Path | None, *, known: Container[str] = (), reset: str | None = None
) -> Graph:
    """Return a GraphProto as a graph that may read the names in `known` beside its own."""
    constants = {tensor.name: to_array(tensor, folder) for tensor in proto.initializer}
    inputs = tuple(_input(value) for value in proto.input if value.name not in constants)
    depth = 1 + (known.depth if isinstance(known, _Names) else 0)
    current().check("depth", depth, "the graph")
    defined = _Names([*constants, *(one.name for one in inputs), ""], known, depth)
    nodes = []
    for node in proto.node:
        made = node_of(node, opset, folder, known=defined, reset=reset)
        for name in made.inputs:
            if name not in defined:
                raise GatewiseValueError(f"{made} reads {name!r}, which nothing before it gives: the file is damaged.")
        for name in filter(None, made.outputs):
            if name in defined:
                raise GatewiseValueError(f"{made} gives {name!r}, which is there already: the file is damaged.")
            defined.add(name)
        nodes.append(made)
    outputs = tuple(value.name for value in proto.output)
    missing = [name for name in outputs if name not in defined]
    if missing or not outputs:
        raise GatewiseValueError(f"the graph has the outputs {outputs}; nothing gives {', '.join(missing) or 'any'}.")
    read = {name for node in nodes for name in (*node.inputs, *node.captured)} | set(outputs)
    return Graph(inputs, outputs, constants, tuple(nodes), tuple(sorted(filter(known.__contains__, read))))


def node_of(
    proto: Any, opset: int, folder: Path | None, *, known: Container[str] = (), reset: str | None = None
) -> Node:
    """Return a NodeProto as a node; raise, by its name, if its operator or an attribute is none that is known."""
    operator = OPERATORS.get(proto.op_type) if proto.domain in STANDARD else None
    if operator is None:
        where = "" if proto.domain in STANDARD else f" of the domain {proto.domain!r}"
        name = f" in node {proto.name!r}" if proto.name else ""
        raise GatewiseValueError(
            f"the operator {proto.op_type}{where}{name} is none that Gatewise evaluates: export the model without it."
        )
    attributes = {a.name: _attribute(a, opset, folder, known) for a in proto.attribute}
    if proto.op_type == "GRU" and reset is not None:
        attributes["linear_before_reset"] = int(reset == "after")
    inputs, outputs = tuple(proto.input), tuple(proto.output)
    node = Node(proto.name, proto.op_type, inputs, outputs, attributes, _unmade)
    unknown = [name for name in attributes if name not in operator.attributes]
    if unknown:
        need = ", ".join(sorted(operator.attributes)) or "none"
        raise GatewiseValueError(f"{node} has the attribute {unknown[0]}, which is not known; known are: {need}.")
    try:
        run = operator.prepare(attributes, opset, len(outputs))
    except GatewiseError as error:
        raise type(error)(f"{node}: {error}") from error
    except UNREADABLE as error:
        raise GatewiseValueError(f"{node} has attributes that cannot be used: {error}.") from error
    captured = dict.fromkeys(name for a in attributes.values() if isinstance(a, Graph) for name in a.captured)
    return Node(proto.name, proto.op_type, inputs, outputs, attributes, run, tuple(captured))


def _unmade(*inputs: Any) -> tuple[Array, ...]:
    raise AssertionError("a node that only gives its name")


def _attribute(proto: Any, opset: int, folder: Path | None, known: Container[str]) -> Any:
    field = _ATTRIBUTES.get(proto.type)
    if field is None or proto.ref_attr_name:
        raise GatewiseTypeError(f"the attribute {proto.name} is of a type that is not read.")
    value = getattr(proto, field)
    if field == "s":
        return value.decode("utf-8", "replace")
    if field == "strings":
        return [text.decode("utf-8", "replace") for text in value]
    if field == "t":
        return to_array(value, folder)
    if field == "g":
        return graph_of(value, opset, folder, known=known)
    return value if field in ("f", "i") else list(value)


def _input(value: Any) -> Input:
    if not value.type.HasField("tensor_type"):
        raise GatewiseTypeError(f"the input {value.name!r} is no tensor; need tensors.")
    kind = value.type.tensor_type
    dtype = dtype_of(kind.elem_type, f"the input {value.name!r}") if kind.elem_type else None
    if not kind.HasField("shape"):
        return Input(value.name, dtype, None)
    return Input(value.name, dtype, tuple(d.dim_value if d.HasField("dim_value") else None for d in kind.shape.dim))


def _fitting(declared: Input, value: Any) -> Array:
    name, dtype, shape = declared
    if not isinstance(value, np.ndarray | np.generic):
        raise GatewiseTypeError(f"{name} is a {type(value).__name__}; need a NumPy array: pass np.asarray({name}).")
    array = np.asarray(value)
    array = array.astype(object) if array.dtype.kind == "U" else array
    if dtype is not None and array.dtype != dtype:
        raise GatewiseTypeError(f"{name} has dtype {array.dtype}; need {dtype}: convert it with {name}.astype.")
    sizes = array.shape if shape is None else shape
    fits = len(sizes) == array.ndim and all(n in (None, size) for n, size in zip(sizes, array.shape, strict=True))
    if not fits:
        need = ", ".join("any" if n is None else str(n) for n in sizes)
        raise GatewiseValueError(f"{name} has shape {array.shape}; need ({need}).")
    return array


def check_domains(model: Any) -> None:
    """Raise if the model defines functions of its own that its nodes call."""
    defined = {(function.domain, function.name) for function in model.functions}
    for node in model.graph.node:
        if (node.domain, node.op_type) in defined:
            raise GatewiseValueError(
                f"the node {node.name!r} calls {node.op_type}, a function that the file defines: write it with the "
                f"functions inlined, onnx.inliner.inline_local_functions."
            )

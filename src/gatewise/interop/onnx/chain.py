"""A graph followed from its input to its output as a chain of layers.

The nodes are gone through in order for one size of batch and time. What does not depend on the input, such as shapes
and zeros for initial states, is computed; what does is followed as a `Signal`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from gatewise.errors import Array, GatewiseError
from gatewise.interop.onnx.graph import UNREADABLE, Graph, Node
from gatewise.interop.onnx.probing import SIZES, first_shape
from gatewise.interop.onnx.recurrent import Recurrent as Operator
from gatewise.interop.onnx.signals import DIRECTIONS, FEATURES, FIRST, ONE, SECOND, Refusal, Signal, State
from gatewise.interop.onnx.stacks import layer_of, stacked
from gatewise.layers import Dense, Embedding, Last, Layer, Pool, Reverse, Sequential, Softmax
from gatewise.layers.stack import Recurrent

Value = Array | Signal | State


def chain_of(graph: Graph) -> tuple[Layer, bool]:
    """Return the layers that a graph consists of, and whether its input is (time, batch, ...).

    Raises
    ------
    Refusal
        If it is no chain of layers; it says where it ends to be one.
    """
    if not graph.inputs:
        raise Refusal("it has no input")
    follower = _Follower(graph)
    values: dict[str, Value] = dict(graph.constants)
    shape = first_shape(graph, SIZES[0])
    first = graph.inputs[0]
    is_table_index = first.dtype is not None and first.dtype.kind == "i"
    if len(shape) == 2 and not is_table_index:
        axes: tuple[str, ...] = (FIRST, FEATURES)
    else:
        axes = (FIRST, SECOND) if len(shape) == 2 else (FIRST, SECOND, FEATURES)
    values[first.name] = Signal((), axes, shape)
    values |= {one.name: State(one.name) for one in graph.inputs[1:]}
    for node in graph.nodes:
        values |= zip(node.outputs, follower.follow(node, values), strict=False)
    output, *others = (values[name] for name in graph.outputs)
    if not all(isinstance(value, Signal) and (value.items or value.is_cell) for value in others):
        raise Refusal("it has further outputs that are no states")
    return follower.finished(output)


class _Follower:
    """Follows nodes; it knows the recurrent layers so far, and which axis is time."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.recurrent: list[Signal] = []
        """The output of each recurrent layer, (..., features)."""
        self.time: str | None = None

    def follow(self, node: Node, values: dict[str, Value]) -> tuple[Value, ...]:
        """Return the outputs of a node."""
        inputs = [values[name] if name else None for name in node.inputs]
        if all(value is None or isinstance(value, np.ndarray) for value in inputs) and not node.captured:
            arrays = {name: value for name, value in values.items() if isinstance(value, np.ndarray)}
            return tuple(node(arrays).values())
        rule = RULES.get(node.kind)
        if rule is None:
            raise Refusal(f"{node} is no part of a layer")
        try:
            result = rule(self, node, inputs)
        except (GatewiseError, *UNREADABLE) as error:
            raise Refusal(f"{node} cannot be followed: {error}") from error
        return result if isinstance(result, tuple) else (result,)

    def settled(self, value: Value) -> Signal:
        """Return a signal on which a layer can act: of final states the last step of the output."""
        if not isinstance(value, Signal) or value.is_cell:
            raise Refusal("a layer reads something else than the output of a layer")
        if value.ways is not None:
            raise Refusal("a layer reads one direction of another alone")
        if value.items is None:
            return value
        number = value.items[0][0]
        layer = next(layer for layer in reversed(self.recurrent[number].layers) if isinstance(layer, Recurrent))
        if isinstance(self.recurrent[number].layers[-1], Reverse):
            return self._first(value)
        if number != len(self.recurrent) - 1 or value.items != tuple((number, k) for k in range(layer.directions)):
            raise Refusal("it reads final states that are not those of the last recurrent layer")
        if DIRECTIONS in value.axes and value.shape[value.axes.index(DIRECTIONS)] > 1:
            raise Refusal("it reads final states of two directions that are not side by side")
        plain = value.reshaped(tuple(n for a, n in zip(value.axes, value.shape, strict=True) if a != DIRECTIONS))
        return replace(plain, items=None, layers=(*value.layers, Last(layer.bidirectional)))

    def _first(self, value: Signal) -> Signal:
        """The final state of a layer that ran backward: the last step that it read, before the order is turned back."""
        if value.items != ((len(self.recurrent) - 1, 0),):
            raise Refusal("it reads final states that are not those of the last recurrent layer")
        plain = value.reshaped(tuple(n for a, n in zip(value.axes, value.shape, strict=True) if a != DIRECTIONS))
        return replace(plain, items=None, layers=(*value.layers[:-1], Last()))

    def finished(self, output: Value) -> tuple[Layer, bool]:
        """Return the model whose output it is."""
        signal = self.settled(output)
        time_first = self.time == FIRST
        batch = SECOND if time_first else FIRST
        whole = (FIRST, SECOND, FEATURES)
        if signal.axes not in (whole, (batch, FEATURES)) or not signal.layers:
            raise Refusal(f"its output has the axes {', '.join(signal.axes)}")
        layers = stacked(signal.layers)
        return (layers[0] if len(layers) == 1 else Sequential(*layers)), time_first

    def unchanged(self, node: Node, inputs: list[Any]) -> Any:
        return inputs[0]

    def cast(self, node: Node, inputs: list[Any]) -> Any:
        (signal,) = inputs
        if not isinstance(signal, Signal) or signal.layers:
            raise Refusal(f"{node} changes the type between layers")
        return signal

    def shape(self, node: Node, inputs: list[Any]) -> Any:
        if not isinstance(inputs[0], Signal):
            raise Refusal(f"{node} asks for the shape of a state")
        return node.run(inputs[0].like())

    def transpose(self, node: Node, inputs: list[Any]) -> Any:
        signal = _signal(node, inputs)
        order = node.attributes.get("perm") or range(len(signal.axes))[::-1]
        return signal.moved([signal.axis(i) for i in order])

    def resize(self, node: Node, inputs: list[Any]) -> Any:
        if isinstance(inputs[0], State):
            return inputs[0]
        signal = _signal(node, inputs)
        return signal.reshaped(node.run(signal.like(), *inputs[1:])[0].shape)

    def gather(self, node: Node, inputs: list[Any]) -> Any:
        data, index = inputs
        axis = node.attributes.get("axis", 0)
        if isinstance(data, np.ndarray) and isinstance(index, Signal):
            if data.ndim != 2 or axis != 0 or index.layers or FEATURES in index.axes:
                raise Refusal(f"{node} is no embedding")
            layer = Embedding(*data.shape, dtype=data.dtype, rng=0)
            layer.params["weight"] = data
            return Signal((layer,), (*index.axes, FEATURES), (*index.shape, data.shape[1]))
        signal = _signal(node, inputs)
        if not isinstance(index, np.ndarray) or index.size != 1:
            raise Refusal(f"{node} takes several steps")
        axis = signal.axis(axis)
        taken = self._taken(node, signal, axis, np.arange(signal.shape[axis])[index].reshape(-1))
        return taken if index.ndim else taken.without(axis)

    def slice(self, node: Node, inputs: list[Any]) -> Any:
        if isinstance(inputs[0], State):
            return inputs[0]
        signal = _signal(node, inputs)
        if any(isinstance(value, Signal | State) for value in inputs[1:]):
            raise Refusal(f"{node} depends on the input")
        whole = signal.shape
        for axis, size in enumerate(whole):
            place = np.arange(size).reshape([-1 if i == axis else 1 for i in range(len(whole))])
            kept = np.unique(node.run(np.broadcast_to(place, whole), *inputs[1:])[0])
            if len(kept) < size:
                signal = self._taken(node, signal, axis, kept)
        return signal

    def _taken(self, node: Node, signal: Signal, axis: int, index: Array) -> Signal:
        """Part of one axis: the last step, or some of the final states."""
        label = signal.axes[axis]
        if label == DIRECTIONS and signal.items is None and signal.shape[axis] == 2:
            return replace(signal.with_axis(axis, DIRECTIONS, len(index)), ways=tuple(int(k) for k in index))
        if label == DIRECTIONS and signal.items:
            items = tuple(signal.items[i] for i in index)
            return replace(signal.with_axis(axis, DIRECTIONS, len(items)), items=items)
        last = list(index) == [signal.shape[axis] - 1]
        if label != self.time or label is None or not last or signal.items:
            if label in (ONE, DIRECTIONS) and signal.shape[axis] == 1:
                return signal
            raise Refusal(f"{node} takes part of the {label} axis")
        return replace(signal.with_axis(axis, ONE, 1), layers=(*signal.layers, Last()))

    def concat(self, node: Node, inputs: list[Any]) -> Any:
        signals = [_signal(node, [value]) for value in inputs]
        first = signals[0]
        axis = first.axis(node.attributes["axis"])
        if first.ways is not None:
            return self._both_ways(node, signals, axis)
        if any(s.items is None or s.axes != first.axes or s.is_cell != first.is_cell for s in signals):
            raise Refusal(f"{node} joins outputs of layers")
        if first.axes[axis] == FEATURES and any(len(s.items or ()) != 1 for s in signals):
            raise Refusal(f"{node} joins final states of several layers")
        if first.axes[axis] not in (DIRECTIONS, FEATURES):
            raise Refusal(f"{node} joins final states along the {first.axes[axis]} axis")
        items = tuple(item for s in signals for item in s.items or ())
        size = sum(s.shape[axis] for s in signals)
        return replace(signals[-1].with_axis(axis, first.axes[axis], size), items=items)

    def _both_ways(self, node: Node, signals: list[Signal], axis: int) -> Signal:
        """The output of a bidirectional layer whose directions were taken apart."""
        first, ways = signals[0], tuple(k for s in signals for k in s.ways or ())
        alike = all((s.layers, s.axes, s.shape) == (first.layers, first.axes, first.shape) for s in signals)
        if not alike or ways != (0, 1) or first.axes[axis] != FEATURES:
            raise Refusal(f"{node} joins outputs of layers")
        return replace(first.with_axis(axis, FEATURES, 2 * first.shape[axis]), ways=None)

    def dense(self, node: Node, inputs: list[Any]) -> Any:
        x, weight, bias = (*inputs, None, None)[:3]
        if node.kind == "Gemm":
            options = node.attributes
            if options.get("transA", 0) or options.get("alpha", 1) != 1 or options.get("beta", 1) != 1:
                raise Refusal(f"{node} does more than a dense layer")
            if isinstance(weight, np.ndarray) and not options.get("transB", 0):
                weight = weight.T
        elif isinstance(weight, np.ndarray):
            weight = weight.T
        signal = self.settled(x)
        if not isinstance(weight, np.ndarray) or weight.ndim != 2 or signal.axes[-1] != FEATURES:
            raise Refusal(f"{node} is no product of the features and a matrix")
        layer = Dense(*weight.T.shape, bias=False, dtype=weight.dtype, rng=0)
        layer.params["weight"] = np.ascontiguousarray(weight)
        made = replace(signal.with_axis(len(signal.axes) - 1, FEATURES, len(weight)), layers=(*signal.layers, layer))
        return made if bias is None else self._biased(node, made, bias)

    def add(self, node: Node, inputs: list[Any]) -> Any:
        signals = [value for value in inputs if not isinstance(value, np.ndarray)]
        biases = [value for value in inputs if isinstance(value, np.ndarray)]
        if len(signals) != 1 or not isinstance(signals[0], Signal):
            raise Refusal(f"{node} adds outputs of layers")
        return self._biased(node, signals[0], biases[0])

    def _biased(self, node: Node, signal: Signal, bias: Any) -> Signal:
        dense = signal.layers[-1] if signal.layers else None
        if not isinstance(dense, Dense) or dense.bias or dense.activation or not isinstance(bias, np.ndarray):
            raise Refusal(f"{node} is no bias of a dense layer")
        if bias.size not in (1, dense.output_size) or bias.shape[-1:] not in ((bias.size,), ()):
            raise Refusal(f"{node} is no bias of a dense layer")
        layer = Dense(dense.input_size, dense.output_size, dtype=dense.dtype, rng=0)
        row = np.broadcast_to(bias.reshape(-1), (dense.output_size,)).astype(dense.dtype)
        layer.params.update(weight=dense.params["weight"], bias=row)
        return replace(signal, layers=(*signal.layers[:-1], layer))

    def activation(self, node: Node, inputs: list[Any]) -> Any:
        signal = _signal(node, inputs)
        dense = signal.layers[-1] if signal.layers else None
        if not isinstance(dense, Dense) or dense.activation or signal.items:
            raise Refusal(f"{node} does not follow a dense layer")
        options = {**dense.config(), "activation": node.kind.lower()}
        layer = Dense(**options, rng=0)
        layer.params.update(dense.params)
        return replace(signal, layers=(*signal.layers[:-1], layer))

    def softmax(self, node: Node, inputs: list[Any]) -> Any:
        signal = self.settled(inputs[0])
        x = np.arange(np.prod(signal.shape), dtype=np.float32).reshape(signal.shape)
        if signal.axes[-1] != FEATURES or not np.allclose(node.run(x)[0].sum(axis=-1), 1):
            raise Refusal(f"{node} acts on other axes than the features")
        return replace(signal, layers=(*signal.layers, Softmax()))

    def pool(self, node: Node, inputs: list[Any]) -> Any:
        signal = self.settled(inputs[0])
        reduced = node.run(np.empty(signal.shape, np.float32), *inputs[1:])[0].shape
        axis = signal.axes.index(self.time) if self.time in signal.axes else None
        short = tuple(size for i, size in enumerate(signal.shape) if i != axis)
        if axis is None or len(signal.axes) != 3 or reduced not in (short, signal.with_axis(axis, ONE, 1).shape):
            raise Refusal(f"{node} is no summary of the steps")
        layer = Pool(signal.shape[-1], node.kind.removeprefix("Reduce").lower())
        made = replace(signal.with_axis(axis, ONE, 1), layers=(*signal.layers, layer))
        return made if len(reduced) == 3 else made.without(axis)

    def recur(self, node: Node, inputs: list[Any]) -> Any:
        operator: Any = node.run
        X, W, R, B, lengths, *others = (*inputs, *(None,) * 8)[:8]
        x = self.settled(X)
        self._check_recurrence(node, operator, x, lengths, others)
        arrays = {name: value for name, value in (("W", W), ("R", R), ("B", B)) if value is not None}
        if not all(isinstance(value, np.ndarray) for value in arrays.values()):
            raise Refusal(f"{node} computes its weights from the input")
        layer: Any = layer_of(operator, arrays)
        time, batch = (1, 0) if operator.layout else (0, 1)
        if self.time not in (None, x.axes[time]):
            raise Refusal(f"{node} runs along another axis than the recurrent layers before it")
        self.time = x.axes[time]
        H, S = layer.hidden_size, layer.directions
        turned = (Reverse(),) if operator.direction == "reverse" else ()
        layers, number = (*x.layers, *turned, layer, *turned), len(self.recurrent)
        steps, rows = (x.axes[time], x.shape[time]), (x.axes[batch], x.shape[batch])
        ways, units = (DIRECTIONS, S), (FEATURES, H)
        named = (rows, steps, ways, units) if operator.layout else (steps, ways, rows, units)
        final = (rows, ways, units) if operator.layout else (ways, rows, units)
        items = tuple((number, k) for k in range(S))
        Y = _made(layers, named)
        self.recurrent.append(Y)
        state = replace(_made(layers, final), items=items)
        return (Y, state, replace(state, is_cell=True))

    def _check_recurrence(self, node: Node, operator: Operator, x: Signal, lengths: Any, others: list[Any]) -> None:
        if len(x.axes) != 3 or x.axes[2] != FEATURES or {FIRST, SECOND} != set(x.axes[:2]):
            raise Refusal(f"{node} reads no sequences")
        steps = x.shape[1 if operator.layout else 0]
        if lengths is not None and not (isinstance(lengths, np.ndarray) and (lengths == steps).all()):
            raise Refusal(f"{node} takes lengths of sequences; layers get them in a call")
        *initial, peepholes = others
        begun = (state is None or isinstance(state, State) or not np.any(state) for state in initial)
        if any(isinstance(state, Signal) for state in initial) or not all(begun) or peepholes is not None:
            raise Refusal(f"{node} begins with states of its own, or has peepholes")


def _signal(node: Node, inputs: list[Any]) -> Signal:
    if not isinstance(inputs[0], Signal):
        raise Refusal(f"{node} reads a state")
    return inputs[0]


def _made(layers: tuple[Layer, ...], named: tuple[tuple[str, int], ...]) -> Signal:
    return Signal(layers, tuple(label for label, _ in named), tuple(size for _, size in named))


RULES: dict[str, Callable[[_Follower, Node, list[Any]], Any]] = {
    **dict.fromkeys(("Identity", "Dropout"), _Follower.unchanged),
    **dict.fromkeys(("Relu", "Tanh", "Sigmoid"), _Follower.activation),
    **dict.fromkeys(("Squeeze", "Unsqueeze", "Reshape", "Flatten"), _Follower.resize),
    **dict.fromkeys(("GRU", "LSTM", "RNN"), _Follower.recur),
    **dict.fromkeys(("MatMul", "Gemm"), _Follower.dense),
    **dict.fromkeys(("ReduceMean", "ReduceMax"), _Follower.pool),
    "Add": _Follower.add,
    "Cast": _Follower.cast,
    "Concat": _Follower.concat,
    "Gather": _Follower.gather,
    "Shape": _Follower.shape,
    "Slice": _Follower.slice,
    "Softmax": _Follower.softmax,
    "Transpose": _Follower.transpose,
}

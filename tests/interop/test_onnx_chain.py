"""Graphs that are no chain of layers: each is refused as layers with its reason, and comes as a graph."""

import numpy as np
import pytest
from onnx import helper, numpy_helper

import gatewise as gw

T, B, D, H = "t", "b", 3, 2
RNG = np.random.default_rng(0)
CONSTANTS = {
    "W": RNG.normal(size=(1, H, D)),
    "R": RNG.normal(size=(1, H, H)),
    "W2": RNG.normal(size=(1, H, H)),
    "WW": RNG.normal(size=(2, H, D)),
    "RR": RNG.normal(size=(2, H, H)),
    "begun": np.ones((1, 1, H)),
    "dense": RNG.normal(size=(H, 4)),
    "first": RNG.normal(size=(D, 4)),
    "bias": RNG.normal(size=4),
    "bias3": RNG.normal(size=(4, 1)),
    "cube": RNG.normal(size=(2, 3, 2)),
    "zero": np.array(0),
    "one": np.array([1]),
    "one1": np.array(1),
    "flat": np.array([-1, 2 * H]),
    "both": np.array([0, 1]),
    "minus": np.array([-1]),
}
CONSTANTS = {name: value if value.dtype == int else value.astype(np.float32) for name, value in CONSTANTS.items()}
NODE, VALUE = helper.make_node, helper.make_tensor_value_info


def rnn(x, y, *further, weights=("W", "R"), **options):
    """A recurrent layer that gives `y` and the final state `y_h`."""
    return NODE("RNN", [x, *weights, *further], [y, f"{y}_h"], hidden_size=H, **options)


def both(x, y):
    return rnn(x, y, weights=("WW", "RR"), direction="bidirectional")


def squeezed(x, y):
    """An output (time, 1, batch, features), or a final state (1, batch, features), without the axis of directions."""
    return NODE("Squeeze", [x, "one" if y.startswith("y") else "axis0"], [y])


def model(*nodes, outputs=("out",), inputs=("x",), shape=(T, B, D)):
    shapes = {"x": shape, "h0": (1, B, H), "n": (B,), "words": (B, T)}
    given = [VALUE(name, 6 if name in ("n", "words") else 1, shapes[name]) for name in inputs]
    constants = [numpy_helper.from_array(value, name) for name, value in {**CONSTANTS, "axis0": np.array([0])}.items()]
    graph = helper.make_graph(nodes, "graph", given, [VALUE(name, 1, None) for name in outputs], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def features(y):
    return NODE("MatMul", [y, "dense"], ["out"])


RUN, TAKEN = rnn("x", "r"), squeezed("r", "y")
STATES = {"inputs": ("x", "h0")}
REFUSED = {
    "it has no input": model(NODE("Relu", ["first"], ["out"]), inputs=()),
    "further outputs that are no states": model(RUN, TAKEN, features("y"), outputs=("out", "y")),
    r"the Neg of out is no part of a layer": model(NODE("Neg", ["x"], ["out"])),
    r"the Reshape of out cannot be followed": model(NODE("Reshape", ["x", "both"], ["out"])),
    "reads something else than the output of a layer": model(NODE("MatMul", ["h0", "dense"], ["out"]), **STATES),
    "reads one direction of another alone": model(
        both("x", "r"), NODE("Gather", ["r", "zero"], ["y"], axis=1), features("y")
    ),
    "reads final states that are not those of the last recurrent layer": model(
        RUN, TAKEN, rnn("y", "s", weights=("W2", "R")), squeezed("r_h", "z"), features("z")
    ),
    "reads final states of two directions that are not side by side": model(both("x", "r"), features("r_h")),
    "final states that are not those of the last": model(
        rnn("x", "r", direction="reverse"),
        TAKEN,
        rnn("y", "s", weights=("W2", "R")),
        squeezed("r_h", "z"),
        features("z"),
    ),
    "its output has the axes features, second, first": model(NODE("Transpose", ["x"], ["out"])),
    "changes the type between layers": model(RUN, TAKEN, NODE("Cast", ["y"], ["out"], to=11)),
    "asks for the shape of a state": model(NODE("Shape", ["h0"], ["out"]), **STATES),
    "reads a state": model(NODE("Transpose", ["h0"], ["out"]), **STATES),
    "is no embedding": model(NODE("Gather", ["cube", "words"], ["out"]), inputs=("words",)),
    "takes several steps": model(RUN, TAKEN, NODE("Gather", ["y", "both"], ["out"])),
    "there is no axis 5": model(RUN, NODE("Gather", ["r", "zero"], ["out"], axis=5)),
    "takes part of the first axis": model(NODE("Gather", ["x", "zero"], ["out"])),
    "takes part of the second axis": model(RUN, TAKEN, NODE("Gather", ["y", "zero"], ["out"], axis=1)),
    "depends on the input": model(NODE("Slice", ["x", "n", "n"], ["out"]), inputs=("x", "n")),
    "joins outputs of layers": model(NODE("Concat", ["x", "x"], ["out"], axis=2)),
    r"the Concat of out joins outputs of layers": model(
        both("x", "r"),
        NODE("Gather", ["r", "zero"], ["a"], axis=1),
        NODE("Gather", ["r", "one1"], ["b"], axis=1),
        NODE("Concat", ["b", "a"], ["out"], axis=2),
    ),
    "joins final states of several layers": model(
        both("x", "r"),
        NODE("Transpose", ["r_h"], ["s"], perm=[1, 0, 2]),
        NODE("Reshape", ["s", "flat"], ["z"]),
        NODE("Concat", ["z", "z"], ["out"], axis=1),
    ),
    "joins final states along the second axis": model(RUN, NODE("Concat", ["r_h", "r_h"], ["out"], axis=1)),
    "does more than a dense layer": model(RUN, TAKEN, NODE("Gemm", ["y", "dense"], ["out"], alpha=2.0)),
    "is no product of the features and a matrix": model(NODE("MatMul", ["x", "cube"], ["out"])),
    "adds outputs of layers": model(NODE("Add", ["x", "x"], ["out"])),
    r"the Add of out is no bias of a dense layer": model(NODE("Add", ["x", "one"], ["out"])),
    "is no bias of a dense layer": model(NODE("MatMul", ["x", "first"], ["y"]), NODE("Add", ["y", "bias3"], ["out"])),
    "does not follow a dense layer": model(NODE("Relu", ["x"], ["out"])),
    "acts on other axes than the features": model(NODE("Softmax", ["x"], ["out"], axis=0)),
    "is no summary of the steps": model(RUN, TAKEN, NODE("ReduceMean", ["y"], ["out"], axes=[2])),
    "computes its weights from the input": model(rnn("x", "out", weights=("W", "h0")), **STATES),
    "runs along another axis than the recurrent layers before it": model(
        RUN, TAKEN, NODE("Transpose", ["y"], ["z"], perm=[1, 0, 2]), rnn("z", "out", weights=("W2", "R"))
    ),
    "reads no sequences": model(NODE("Transpose", ["x"], ["z"], perm=[0, 2, 1]), rnn("z", "out")),
    "takes lengths of sequences": model(rnn("x", "out", "", "n"), inputs=("x", "n")),
    "begins with states of its own": model(rnn("x", "out", "", "", "begun")),
}


@pytest.mark.parametrize("reason", REFUSED)
def test_what_is_no_chain_of_layers_says_why(reason):
    content = REFUSED[reason].SerializeToString()
    with pytest.raises(gw.GatewiseError, match=rf"no chain of layers: .*{reason}"):
        gw.from_onnx(content, kind="layers")
    assert type(gw.from_onnx(content)).__name__ == "Graph"

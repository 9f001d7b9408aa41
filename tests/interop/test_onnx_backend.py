"""ONNX's backend interface: ONNX's own node tests, and what it refuses."""

import importlib
import warnings
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper

import gatewise as gw
from gatewise.interop.onnx import Backend
from gatewise.interop.onnx.operators import OPERATORS
from gatewise.interop.onnx.tensors import TYPES, to_array

RECURRENT = ("gru", "lstm", "rnn")
# Tests of what is refused by name: training, text as an optional input, and a Scan of opset 8, which had a batch.
REFUSED = ("test_scan_sum", "test_training_dropout", "test_identity_opt", "test_identity_sequence")
REFUSED += ("test_batchnorm_epsilon_training", "test_batchnorm_example_training")


def node_cases(module):
    """The cases of one file of onnx's node tests."""
    node = importlib.import_module("onnx.backend.test.case.node")
    before = len(node._NodeTestCases)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        importlib.import_module(f"onnx.backend.test.case.node.{module}")
    return node._NodeTestCases[before:]


def modules():
    """The files of node tests that belong to an operator that is evaluated."""
    folder = Path(importlib.import_module("onnx.backend.test.case").__path__[0]) / "node"
    known = {name.lower() for name in OPERATORS} - {
        "cast",
        "not",
    }  # whose tests are of types that are not read, and of opset 1
    return sorted(path.stem for path in folder.glob("*.py") if path.stem.replace("_", "") in known)


def is_read(case):
    """Whether all its nodes and element types are of those that are read."""
    graph = case.model.graph
    kinds = {node.op_type for node in graph.node}
    types = {value.type.tensor_type.elem_type for value in (*graph.input, *graph.output)}
    old = any(entry.version < 7 for entry in case.model.opset_import)
    return kinds <= set(OPERATORS) and types <= set(TYPES) and not case.name.startswith(REFUSED) and not old


def compared(case):
    """How many outputs of a case were compared."""
    count = 0
    for given, wanted in case.data_sets:
        arrays = [to_array(a) if isinstance(a, TensorProto) else a for a in given]
        for one, other in zip(Backend.run_model(case.model, arrays), wanted, strict=True):
            other = to_array(other) if isinstance(other, TensorProto) else np.asarray(other)
            assert (one.shape, one.dtype) == (other.shape, other.dtype), case.name
            np.testing.assert_allclose(one, other, rtol=case.rtol, atol=case.atol, err_msg=case.name)
            count += 1
    return count


@pytest.mark.parametrize("module", modules())
def test_onnx_node_tests_pass(module):
    cases = [case for case in node_cases(module) if is_read(case)]
    assert sum(map(compared, cases)) >= len(cases) > 0


def test_the_node_tests_of_recurrent_operators_are_all_there():
    assert set(RECURRENT) <= set(modules())


def test_a_node_runs_alone():
    node = helper.make_node("Gemm", ["a", "b", ""], ["c"], transB=1)
    a, b = np.arange(6.0).reshape(2, 3), np.arange(3.0).reshape(1, 3)
    (found,) = Backend.run_node(node, [a, b])
    np.testing.assert_array_equal(found, a @ b.T)
    (found,) = Backend.run_node(node, {"a": a, "b": b}, opset_version=13)
    np.testing.assert_array_equal(found, a @ b.T)


def test_softmax_means_another_thing_before_opset_13():
    x = np.random.default_rng(0).normal(size=(2, 3, 4))
    node = helper.make_node("Softmax", ["x"], ["y"])
    (new,) = Backend.run_node(node, [x])
    (old,) = Backend.run_node(node, [x], opset_version=11)
    np.testing.assert_allclose(new.sum(axis=-1), 1)
    np.testing.assert_allclose(old.sum(axis=(1, 2)), 1)


def model_of(*nodes, opset=17):
    value = helper.make_tensor_value_info
    graph = helper.make_graph(nodes, "graph", [value("x", 1, None)], [value("y", 1, None)])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def test_only_the_cpu_is_a_device():
    assert [Backend.supports_device(name) for name in ("CPU", "cpu:0", "CUDA", "CUDA:0")] == [True, True, False, False]
    with pytest.raises(gw.GatewiseError, match="device is 'CUDA'; need 'CPU'"):
        Backend.prepare(model_of(helper.make_node("Relu", ["x"], ["y"])), "CUDA")


def test_compatible_is_what_can_be_evaluated():
    known = model_of(helper.make_node("Relu", ["x"], ["y"]))
    assert Backend.is_compatible(known)
    (y,) = Backend.prepare(known).run(np.array([-1, 2], np.float32))
    assert y.tolist() == [0, 2]
    assert not Backend.is_compatible(model_of(helper.make_node("MelWeightMatrix", ["x"], ["y"])))
    assert not Backend.is_compatible(model_of(helper.make_node("Relu", ["x"], ["y"]), opset=99))


@pytest.mark.parametrize("cell", ["GRU", "LSTM", "RNN"])
@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
def test_lengths_and_states_are_those_of_our_layers(cell, direction):
    rng = np.random.default_rng(1)
    S, H = 1 + (direction == "bidirectional"), 4
    layer = getattr(gw, cell)(3, H, bidirectional=S == 2, dtype="float64", rng=0)
    arrays = layer.to_weights("onnx")
    x, lengths = rng.normal(size=(5, 6, 3)), np.array([6, 1, 3, 2, 5])
    states = [rng.normal(size=(S, 5, H)) for _ in layer.cell.states]
    options = {"linear_before_reset": 1} if cell == "GRU" else {}
    names = ["X", "W", "R", "B", "lengths", *[f"s{i}" for i in range(len(states))]]
    node = helper.make_node(
        cell, names, ["Y", "h", "c"][: 1 + len(states)], direction=direction, hidden_size=H, **options
    )
    given = [x.swapaxes(0, 1), *arrays.values(), lengths.astype(np.int32), *states]
    Y, *final = Backend.run_node(node, given)
    Y = Y.transpose(2, 0, 1, 3).reshape(5, 6, S * H)
    if direction == "reverse":
        x = np.take_along_axis(x, order(lengths)[:, :, None], axis=1)
    y, state = layer(x, states[0] if len(states) == 1 else tuple(states), lengths=lengths)
    if direction == "reverse":
        y = np.take_along_axis(y, order(lengths)[:, :, None], axis=1)
    np.testing.assert_allclose(Y, y, atol=1e-12)
    for one, other in zip(final, state if isinstance(state, tuple) else (state,), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-12)


def order(lengths):
    t = np.arange(6)
    return np.where(t < lengths[:, None], lengths[:, None] - 1 - t, t)


def test_an_empty_sequence_keeps_its_state():
    layer = gw.RNN(2, 3, bidirectional=True, rng=0)
    node = helper.make_node("RNN", ["X", "W", "R", "B", "n", "h"], ["Y", "last"], direction="bidirectional")
    rng = np.random.default_rng(0)
    X, h = rng.normal(size=(4, 2, 2)).astype(np.float32), rng.normal(size=(2, 2, 3)).astype(np.float32)
    Y, last = Backend.run_node(node, [X, *layer.to_weights("onnx").values(), np.array([0, 4], np.int32), h])
    assert not Y[:, :, 0].any()
    assert Y[:, :, 1].all()
    np.testing.assert_array_equal(last[:, 0], h[:, 0])

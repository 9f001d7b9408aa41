"""Layers written to ONNX: what the file computes, and that reading it gives the same model, bit for bit."""

import json

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from onnx_models import MODELS, inputs_of

import gatewise as gw
from gatewise.interop.onnx import Graph


def states_of(state):
    """The arrays of a state, however it is nested, in order."""
    if state is None:
        return []
    return [array for part in state for array in states_of(part)] if isinstance(state, tuple) else [state]


def tolerance(name):
    """Attributes are float32, slopes of hard sigmoids among them."""
    return 1e-12 if name == "double" else 1e-6


@pytest.mark.parametrize("lengths", [False, True])
@pytest.mark.parametrize("name", MODELS)
def test_the_graph_computes_what_the_model_does(name, lengths):
    model, rng = MODELS[name], np.random.default_rng(0)
    content = gw.to_onnx(model, lengths=lengths)
    onnx.checker.check_model(onnx.load_from_string(content), full_check=True)
    graph = gw.from_onnx(content, kind="graph")
    for B, T in ((3, 5), (1, 1), (2, 7)):
        feeds = inputs_of(model, name, B, T, rng, lengths=lengths)
        y, state = model(feeds["x"], lengths=feeds.get("lengths"))
        found = graph.run(feeds)
        for one, other in zip(found, [y, *states_of(state)], strict=True):
            assert one.dtype == other.dtype
            np.testing.assert_allclose(one, other, atol=tolerance(name))
        if not lengths and name not in ("relu", "hard", "hard_double"):  # onnx's own evaluator knows none of these
            for one, other in zip(ReferenceEvaluator(content).run(None, feeds), found, strict=True):
                np.testing.assert_allclose(one, other, atol=1e-6)


@pytest.mark.parametrize("name", ["gru_stack", "lstm", "mingru", "double"])
def test_states_are_inputs_if_asked_for(name):
    model = MODELS[name]
    graph = gw.from_onnx(gw.to_onnx(model, state=True, lengths=True), kind="graph")
    feeds = inputs_of(model, name, 3, 4, np.random.default_rng(0), lengths=True, state=True)
    initial = [feeds[f"initial_{s}"] for s in model.cell.states]
    y, state = model(feeds["x"], initial[0] if len(initial) == 1 else tuple(initial), lengths=feeds["lengths"])
    for one, other in zip(graph.run(feeds), [y, *states_of(state)], strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


@pytest.mark.parametrize("options", [{}, {"lengths": True}])
@pytest.mark.parametrize("name", MODELS)
def test_reading_gives_the_same_model(name, options, tmp_path):
    model = MODELS[name]
    gw.to_onnx(model, tmp_path / "model.onnx", **options)
    back = gw.from_onnx(tmp_path / "model.onnx")
    assert repr(back) == repr(model)
    assert list(back.params) == list(model.params)
    for key, value in model.params.items():
        assert back.params[key].dtype == value.dtype
        np.testing.assert_array_equal(back.params[key], value)


def test_without_the_description_the_chain_is_still_known():
    model = gw.Sequential(gw.Embedding(9, 3, rng=0), gw.LSTM(3, 4, rng=1), gw.Last(), gw.Dense(4, 2, "tanh", rng=2))
    proto = onnx.load_from_string(gw.to_onnx(model))
    del proto.metadata_props[:]
    back = gw.from_onnx(proto.SerializeToString())
    assert repr(back) == repr(model)
    for key, value in model.params.items():
        np.testing.assert_array_equal(back.params[key], value)


@pytest.mark.parametrize("name", ["gru_stack", "hard", "relu", "gru_before"])
def test_one_layer_alone_is_known_too(name):
    proto = onnx.load_from_string(gw.to_onnx(MODELS[name]))
    del proto.metadata_props[:]
    back = gw.from_onnx(proto.SerializeToString())
    assert type(back) is type(MODELS[name])
    for key, value in MODELS[name].params.items():
        np.testing.assert_array_equal(back.params[key], value)


@pytest.mark.parametrize("final", [False, True])
def test_a_backward_operator_is_a_layer_between_two_reversals(final):
    arrays = gw.LSTM(3, 4, rng=0).to_weights("onnx")
    node = helper.make_node("LSTM", ["x", *arrays], ["Y", "h"], direction="reverse", hidden_size=4)
    axes = numpy_helper.from_array(np.array([0 if final else 1]), "axes")
    last = helper.make_node("Squeeze", ["h" if final else "Y", "axes"], ["y"])
    tensors = [numpy_helper.from_array(array, name) for name, array in arrays.items()]
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [node, last], "g", [value("x", 1, ["time", "batch", 3])], [value("y", 1, None)], [*tensors, axes]
    )
    content = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()
    model = gw.from_onnx(content, kind="layers")
    names = ["Reverse", "LSTM", "Last"] if final else ["Reverse", "LSTM", "Reverse"]
    assert [type(layer).__name__ for layer in model.layers] == names
    x = np.random.default_rng(0).normal(size=(2, 5, 3)).astype(np.float32)
    y, _ = gw.from_onnx(content, kind="graph")(x.swapaxes(0, 1))
    np.testing.assert_allclose(model(x)[0] if final else model(x)[0].swapaxes(0, 1), y, atol=1e-6)


def test_a_description_that_is_not_what_the_graph_computes_is_not_believed():
    proto = onnx.load_from_string(gw.to_onnx(MODELS["gru"]))
    description = json.loads(proto.metadata_props[0].value)
    description["model"]["reset"] = "before"
    proto.metadata_props[0].value = json.dumps(description)
    assert gw.from_onnx(proto.SerializeToString()).reset == "after"
    proto.metadata_props[0].value = "{"
    assert gw.from_onnx(proto.SerializeToString()).reset == "after"


def test_dense_layers_alone_take_rows():
    model = gw.Sequential(gw.Dense(3, 4, "relu", rng=0), gw.Dense(4, 1, rng=1))
    content = gw.to_onnx(model)
    x = np.ones((5, 3), np.float32)
    np.testing.assert_allclose(gw.from_onnx(content, kind="graph")(x)[0], model(x)[0], atol=1e-6)
    assert repr(gw.from_onnx(content)) == repr(model)


def define(name, forward):
    """A cell of one gate; its backward pass is not what is tried here."""

    def backward(dstate, state, state_prev, record):
        return (0 * dstate[0],), (0 * dstate[0],), (0 * dstate[0],)

    return gw.define_cell(name, gates=("only",), forward=forward, backward=backward)


def test_a_cell_of_your_own_becomes_a_scan_of_its_function():
    def forward(p, q, state):
        a = np.maximum(p[0], -q[0]) + np.where(q[0] > 0, np.exp(-(q[0] * q[0])), abs(p[0]) / 2)
        return (np.clip(a, -1, 1) * 0.5 + np.sqrt(state[0] * state[0] + 1) - 1,), (a,)

    layer = define("Odd", forward)(3, 4, num_layers=2, rng=0)
    content = gw.to_onnx(layer, lengths=True)
    assert {node.op_type for node in onnx.load_from_string(content).graph.node} & {"Scan"}
    x = np.random.default_rng(0).normal(size=(3, 5, 3)).astype(np.float32)
    y, _ = gw.from_onnx(content, kind="graph")(x, np.array([5, 1, 3]))
    np.testing.assert_allclose(y, layer(x, lengths=[5, 1, 3])[0], atol=1e-6)
    assert repr(gw.from_onnx(content)) == repr(layer)


def test_a_function_that_onnx_cannot_say_is_refused_by_name():
    layer = define("Cubic", lambda p, q, state: ((np.cbrt(p[0] + q[0]),), (p[0],)))(3, 4, rng=0)
    with pytest.raises(gw.GatewiseError, match=r"forward of the cell 'Cubic'.*np\.cbrt"):
        gw.to_onnx(layer)


def test_a_cell_that_is_not_defined_here_gives_a_graph():
    layer = define("Gone", lambda p, q, state: ((p[0] + q[0],), (p[0],)))(3, 4, rng=0)
    content = gw.to_onnx(layer)
    del gw.layers.OWN["Gone"]
    graph = gw.from_onnx(content)
    assert isinstance(graph, Graph)
    x = np.ones((2, 3, 3), np.float32)
    np.testing.assert_allclose(graph(x)[0], layer(x)[0], atol=1e-6)


def test_what_is_no_model_is_refused():
    with pytest.raises(gw.GatewiseError, match="a dict cannot be written to ONNX"):
        gw.to_onnx({})
    with pytest.raises(gw.GatewiseError, match=r"cannot write .*: No such file"):
        gw.to_onnx(MODELS["gru"], "/nowhere/at/all.onnx")

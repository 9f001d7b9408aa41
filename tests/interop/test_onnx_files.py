"""Files that PyTorch's two exporters and Keras wrote: what they become, and that they give what ONNX Runtime gives."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

import gatewise as gw
from gatewise.errors import GatewiseWarning
from gatewise.interop.onnx import Graph

GOLDEN = Path(__file__).parents[1] / "golden"
RESULTS = np.load(GOLDEN / "onnx.npz")
FILES = sorted((GOLDEN / "onnx").glob("*.onnx"))
# What each file is as layers; the others are no chain of them, and say where they stop to be one.
LAYERS = {
    "dynamo_finished": ["LSTM", "Last", "Dense"],
    "dynamo_gru": ["Embedding", "GRU", "Last", "Dense"],
    "dynamo_lstm": ["Embedding", "LSTM", "Last", "Dense"],
    "script_finished": ["LSTM", "Last", "Dense"],
    "script_gru": ["Embedding", "GRU", "Last", "Dense"],
    "script_lstm": ["Embedding", "LSTM", "Last", "Dense"],
    "script_rnn": ["Embedding", "RNN", "Last", "Dense"],
    "script_time_first": ["GRU", "Dense"],
}
NO_LAYERS = {"keras_gru": "Less", "keras_lstm": "Less", "script_ragged": "Cast"}


def inputs(path):
    prefix = f"{path.stem}/"
    return {name.removeprefix(prefix): RESULTS[name] for name in RESULTS.files if name.startswith(prefix)}


def outputs(path):
    return [RESULTS[name] for name in sorted(RESULTS.files) if name.startswith(f"{path.stem}.")]


def test_every_file_is_listed():
    assert {path.stem for path in FILES} == {*LAYERS, *NO_LAYERS}
    assert not set(LAYERS) & set(NO_LAYERS)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_graph_gives_what_onnx_runtime_gives(path):
    graph = gw.from_onnx(path, kind="graph")
    found, wanted = graph.run(inputs(path)), outputs(path)
    assert [a.shape for a in found] == [a.shape for a in wanted]
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", LAYERS)
def test_a_chain_becomes_layers(name):
    path = GOLDEN / "onnx" / f"{name}.onnx"
    model = gw.from_onnx(path)
    assert [type(layer).__name__ for layer in model.layers] == LAYERS[name]
    x, *states = inputs(path).values()
    if "time_first" in name:  # layers take the batch first
        y, (h, _) = model(np.ascontiguousarray(x.swapaxes(0, 1)), (states[0], None))
        found = [y.swapaxes(0, 1), h]
    else:
        found = [model(x)[0]]
    for one, other in zip(found, outputs(path), strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-6)


def test_two_bidirectional_layers_become_one_stack_that_trains():
    model = gw.from_onnx(GOLDEN / "onnx" / "script_gru.onnx")
    assert (model.layers[1].num_layers, model.layers[1].bidirectional, model.layers[1].reset) == (2, True, "after")
    assert gw.gradcheck(model.astype(np.float64)).ok


@pytest.mark.parametrize("name", NO_LAYERS)
def test_what_is_no_chain_becomes_a_graph_and_says_why(name):
    path = GOLDEN / "onnx" / f"{name}.onnx"
    assert isinstance(gw.from_onnx(path), Graph)
    with pytest.raises(gw.GatewiseError, match=rf"no chain of layers: .*\({NO_LAYERS[name]}\)"):
        gw.from_onnx(path, kind="layers")


def of_tensorflow(cell, taken):
    """Two layers as tf2onnx writes them: directions sliced, squeezed and joined again, or the finished states."""
    layer = getattr(gw, cell)(2, 3, bidirectional=True, rng=0)
    arrays = layer.to_weights("onnx")
    options = {"linear_before_reset": 1} if cell == "GRU" else {}
    constants = {
        **arrays,
        "zero": [0],
        "one": [1],
        "two": [2],
        "way": [1 if taken == "Y" else 0],
        "table": np.eye(4, 2),
    }
    node = helper.make_node
    nodes = [
        node("Cast", ["ids"], ["ids64"], to=7),
        node("Gather", ["table", "ids64"], ["x"]),
        node("Transpose", ["x"], ["x_t"], perm=[1, 0, 2]),
        node(cell, ["x_t", *arrays], ["Y", "Y_h"], direction="bidirectional", hidden_size=3, **options),
    ]
    for k, (start, stop) in enumerate((("zero", "one"), ("one", "two"))):
        nodes += [
            node("Slice", [taken, start, stop, "way"], [f"part{k}"]),
            node("Squeeze", [f"part{k}", "way"], [f"half{k}"]),
        ]
        if taken == "Y":
            nodes.append(node("Transpose", [f"half{k}"], [f"turned{k}"], perm=[1, 0, 2]))
    parts = [f"turned{k}" if taken == "Y" else f"half{k}" for k in range(2)]
    nodes.append(node("Concat", parts, ["y"], axis=-1))
    tensors = [
        numpy_helper.from_array(np.asarray(a, np.int64 if isinstance(a, list) else np.float32), name)
        for name, a in constants.items()
    ]
    value = helper.make_tensor_value_info
    graph = helper.make_graph(nodes, "tf2onnx", [value("ids", 6, ["batch", "time"])], [value("y", 1, None)], tensors)
    return layer, helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8)


@pytest.mark.parametrize("cell", ["GRU", "LSTM"])
@pytest.mark.parametrize("taken", ["Y", "Y_h"])
def test_directions_that_were_taken_apart_come_together_again(cell, taken):
    layer, proto = of_tensorflow(cell, taken)
    model = gw.from_onnx(proto.SerializeToString(), kind="layers")
    names = ["Embedding", cell] if taken == "Y" else ["Embedding", cell, "Last"]
    assert [type(one).__name__ for one in model.layers] == names
    for name, value in layer.params.items():
        np.testing.assert_array_equal(model.layers[1].params[name], value)


def test_a_graph_is_called_as_a_layer_is():
    path = GOLDEN / "onnx" / "script_time_first.onnx"
    graph = gw.from_onnx(path, kind="graph")
    given, wanted = inputs(path), outputs(path)
    y, (h,) = graph(given["x"], h=given["h"])
    np.testing.assert_allclose(y, wanted[0], atol=1e-6)
    np.testing.assert_allclose(h, wanted[1], atol=1e-6)
    with pytest.raises(gw.GatewiseError, match="lacks h"):
        graph(given["x"])
    with pytest.raises(gw.GatewiseError, match="h has dtype float64; need float32"):
        graph(given["x"], given["h"].astype(np.float64))
    with pytest.raises(gw.GatewiseError, match="h has shape"):
        graph(given["x"], given["h"][0])
    with pytest.raises(gw.GatewiseError, match="got 3 inputs; need 2"):
        graph(given["x"], given["h"], given["h"])


def faulty():
    """A file of PyTorch's in which the reset gate acts before, as faulty exporters wrote it."""
    model = onnx.load(GOLDEN / "onnx" / "script_gru.onnx")
    for node in model.graph.node:
        for attribute in node.attribute:
            if attribute.name == "linear_before_reset":
                attribute.i = 0
    return model


def test_a_reset_that_pytorch_never_computes_is_warned_of():
    content = faulty().SerializeToString()
    with pytest.warns(GatewiseWarning, match=r"onnxscript 0\.5\.7 to 0\.7\.0 wrote that by mistake.*reset='after'"):
        before = gw.from_onnx(content)
    assert before.layers[1].reset == "before"
    after = gw.from_onnx(content, reset="after")
    assert after.layers[1].reset == "after"
    path = GOLDEN / "onnx" / "script_gru.onnx"
    np.testing.assert_allclose(after(*inputs(path).values())[0], outputs(path)[0], atol=1e-6)
    graph = gw.from_onnx(content, kind="graph", reset="after")
    np.testing.assert_allclose(graph.run(inputs(path))[0], outputs(path)[0], atol=1e-6)
    assert abs(before(*inputs(path).values())[0] - outputs(path)[0]).max() > 1e-3


def test_a_reset_that_is_asked_for_or_written_by_others_is_not():
    model = faulty()
    assert gw.from_onnx(model.SerializeToString(), reset="before").layers[1].reset == "before"
    model.producer_name = "somebody"
    assert gw.from_onnx(model.SerializeToString()).layers[1].reset == "before"

"""What an ONNX file may ask for while it is read and where it runs: bounded by what it holds, and by limits."""

import time
import tracemalloc

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import gatewise as gw

value = helper.make_tensor_value_info


def file_of(nodes, constants=(), outputs=("y",)):
    graph = helper.make_graph(nodes, "g", [value("x", 1, ["a", 3])], [value(n, 1, None) for n in outputs], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()


def shape(*sizes):
    return TensorProto(name="shape", dims=[len(sizes)], data_type=7, int64_data=sizes)


def within(depth, names=("x", "x", "y")):
    """A Scan in a Scan, so many of them."""
    nodes = [within(depth - 1, ("s", "e", "t"))] if depth > 1 else [helper.make_node("Identity", ["s"], ["t"])]
    inner = helper.make_graph(nodes, "body", [value("s", 1, None), value("e", 1, None)], [value("t", 1, None)])
    return helper.make_node("Scan", names[:2], names[2:], num_scan_inputs=1, body=inner)


@pytest.mark.parametrize(("count", "size"), [(1, 2**23), (100, 2**18)])
def test_results_are_bounded_by_the_file_where_it_is_tried(count, size):
    made = [helper.make_node("ConstantOfShape", ["shape"], [f"c{k}"]) for k in range(count)]
    content = file_of([*made, helper.make_node("Add", ["x", "x"], ["y"])], [shape(size)])
    tracemalloc.start()
    with pytest.raises(gw.GatewiseError, match=r"the graph is no chain of layers"):
        gw.from_onnx(content, kind="layers")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2**26
    graph = gw.from_onnx(content)
    assert graph(np.ones((2, 3), np.float32))[0].tolist() == [[2, 2, 2]] * 2


def test_a_graph_that_takes_long_is_not_tried_to_the_end():
    made = helper.make_node("ConstantOfShape", ["shape"], ["long"])
    inner = [helper.make_node("Identity", ["s"], ["t"])]
    body = helper.make_graph(inner, "body", [value("s", 1, None), value("e", 1, None)], [value("t", 1, None)])
    scans = [
        helper.make_node("Scan", [f"v{k}" if k else "x", "long"], [f"v{k + 1}"], num_scan_inputs=1, body=body)
        for k in range(60)
    ]
    content = file_of([made, *scans, helper.make_node("Identity", ["v60"], ["y"])], [shape(2**14, 0)])
    started = time.process_time()
    assert isinstance(gw.from_onnx(content), gw.interop.onnx.Graph)
    assert time.process_time() - started < 2


def test_graphs_within_graphs_have_a_limit():
    content = file_of([within(20)])
    with pytest.raises(gw.GatewiseError, match="the graph asks for depth=9; the limit is depth=8"):
        gw.from_onnx(content, limits=gw.Limits(depth=8))
    assert gw.from_onnx(content, kind="graph").outputs == ("y",)


def test_many_nodes_are_read_in_linear_time():
    chain = [helper.make_node("Identity", [f"v{k}" if k else "x"], [f"v{k + 1}"]) for k in range(8000)]
    content = file_of([*chain, helper.make_node("Identity", ["v8000"], ["y"])])
    started = time.process_time()
    gw.from_onnx(content, kind="graph")
    assert time.process_time() - started < 2


def test_a_description_that_lies_is_not_believed():
    content = gw.to_onnx(gw.Sequential(gw.GRU(3, 4, rng=0), gw.Last(), gw.Dense(4, 2, rng=1)))
    for text in ('{"model": {"type": "GRU", "num_layers": 1000000000000}}', '{"model": 3}', "[" * 10**5, "{"):
        model = onnx.ModelProto.FromString(content)
        model.metadata_props[0].value = text
        assert isinstance(gw.from_onnx(model.SerializeToString()), gw.Sequential)

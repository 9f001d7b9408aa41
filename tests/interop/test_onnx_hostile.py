"""Damaged and hostile ONNX files: an error of ours, and nothing large is allocated because a header says so."""

import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import gatewise as gw
from gatewise.interop.onnx import Backend, tensors

WHOLE = gw.to_onnx(gw.Sequential(gw.GRU(3, 4, rng=0), gw.Last(), gw.Dense(4, 2, rng=1)))
FILE = Path(__file__).parents[1] / "golden" / "onnx" / "script_gru.onnx"


def model_of(*nodes, constants=(), opset=17, outputs=("y",)):
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes, "graph", [value("x", 1, ["a", "b"])], [value(name, 1, None) for name in outputs], list(constants)
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def tensor(name, dims, data=b"", kind=1, **fields):
    return TensorProto(name=name, dims=dims, data_type=kind, raw_data=data, **fields)


RELU = helper.make_node("Relu", ["x"], ["y"], name="one")
ADD = helper.make_node("Add", ["x", "w"], ["y"])


@pytest.mark.parametrize("end", [0, 1, 7, 40, len(WHOLE) // 2, len(WHOLE) - 1])
def test_a_truncated_file_is_refused(end, tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(WHOLE[:end])
    with pytest.raises(gw.GatewiseError):
        gw.from_onnx(path)


def test_changed_bytes_give_a_model_or_an_error_of_ours():
    rng = np.random.default_rng(0)
    for content in (WHOLE, FILE.read_bytes()):
        for _ in range(60):
            changed = bytearray(content)
            for place in rng.integers(0, len(content), 3):
                changed[place] = rng.integers(0, 256)
            try:
                gw.from_onnx(bytes(changed), kind="graph", reset="after")
            except gw.GatewiseError:
                continue


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (b"not a model", "cannot be read as an ONNX model"),
        (b"", "holds no ONNX model"),
        (3, "got a int; need the path of an ONNX file"),
        ("/nowhere.onnx", r"cannot read /nowhere\.onnx: No such file"),
        ("/tmp", "/tmp is a directory"),
        (model_of(RELU, opset=6), "the model has opset 6; need 7 to 28"),
        (model_of(RELU, opset=99), "the model has opset 99"),
        (
            model_of(helper.make_node("Frobnicate", ["x"], ["y"], name="f")),
            "the operator Frobnicate in node 'f' is none",
        ),
        (model_of(helper.make_node("Relu", ["x"], ["y"], domain="other")), "Relu of the domain 'other'"),
        (model_of(helper.make_node("Relu", ["x"], ["y"], slope=1.0)), "the Relu of y has the attribute slope"),
        (model_of(helper.make_node("Relu", ["z"], ["y"])), "reads 'z', which nothing before it gives"),
        (model_of(helper.make_node("Relu", ["x"], ["x"])), "gives 'x', which is there already"),
        (model_of(RELU, outputs=("q",)), "nothing gives q"),
        (model_of(ADD, constants=[tensor("w", (2**40,), b"1234")]), r"tensor 'w' has the shape \(1099511627776,\)"),
        (model_of(ADD, constants=[tensor("w", (-1,), b"1234")]), r"tensor 'w' has the shape \(-1,\); need sizes"),
        (
            model_of(ADD, constants=[TensorProto(name="w", dims=[9], data_type=1, float_data=[1])]),
            "holds 1: the file is",
        ),
        (model_of(ADD, constants=[tensor("w", (1,), b"12", kind=16)]), "'w' has the element type BFLOAT16"),
        (model_of(ADD, constants=[tensor("w", (1,), b"12", kind=999)]), "the element type number 999"),
        (model_of(helper.make_node("Concat", ["x", "x"], ["y"])), "the attribute axis is missing"),
        (model_of(helper.make_node("Scan", ["x"], ["y"], num_scan_inputs=1)), "attributes that cannot be used"),
    ],
)
def test_what_is_wrong_is_named(model, message):
    with pytest.raises(gw.GatewiseError, match=message):
        gw.from_onnx(model.SerializeToString() if isinstance(model, onnx.ModelProto) else model)


def big(name, *values):
    return TensorProto(name=name, dims=[len(values)], data_type=7, int64_data=values)


BOMBS = {
    "ConstantOfShape": (["s"], [big("s", 2**20, 2**20)], {}),
    "Expand": (["x", "s"], [big("s", 2**20, 2**20, 1, 1)], {}),
    "Tile": (["x", "s"], [big("s", 2**20, 2**20)], {}),
    "Pad": (["x", "s"], [big("s", 0, 0, 2**40, 2**40)], {}),
    "Range": (
        ["a", "b", "c"],
        [TensorProto(name=n, data_type=7, int64_data=[v]) for n, v in zip("abc", (0, 2**50, 1), strict=True)],
        {},
    ),
    "OneHot": (["i", "d", "v"], [big("i", 1, 2), big("d", 2**50), big("v", 0, 1)], {}),
    "Reshape": (["x", "s"], [big("s", 2**40, 2**40)], {}),
    "Gather": (["x", "s"], [big("s", 2**40)], {}),
    "Squeeze": (["x", "s"], [big("s", 7)], {}),
    "Transpose": (["x"], [], {"perm": [5, 9]}),
}


@pytest.mark.parametrize("kind", BOMBS)
def test_a_bomb_is_refused_before_it_is_allocated(kind):
    names, constants, attributes = BOMBS[kind]
    model = model_of(helper.make_node(kind, names, ["y"], **attributes), constants=constants)
    graph = gw.from_onnx(model.SerializeToString(), kind="graph")
    tracemalloc.start()
    with pytest.raises(gw.GatewiseError, match=kind):
        graph(np.ones((2, 1), np.float32))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2**22


def test_small_inputs_do_not_grow_without_bound(monkeypatch):
    rows = np.ones((1, 40_000), np.float32)
    for kind in ("Add", "MatMul", "Max"):
        with pytest.raises(gw.GatewiseError, match="1,600,000,000 elements; need 268,435,456 at most"):
            Backend.run_node(helper.make_node(kind, ["a", "b"], ["c"]), [rows.T, rows])
    doubled = [helper.make_node("Concat", [f"v{i}"] * 2, [f"v{i + 1}"], axis=0) for i in range(40)]
    first, last = helper.make_node("Identity", ["x"], ["v0"]), helper.make_node("Identity", ["v40"], ["y"])
    graph = gw.from_onnx(model_of(first, *doubled, last).SerializeToString(), kind="graph")
    monkeypatch.setattr(tensors, "LARGEST", 2**16)
    with pytest.raises(gw.GatewiseError, match="131,072 elements; need 65,536 at most"):
        graph(np.ones((2, 2), np.float32))


def scan_of(nodes, **names):
    value = helper.make_tensor_value_info
    body = helper.make_graph(nodes, "body", [value("s", 1, None), value("e", 1, None)], [value("t", 1, None)])
    return helper.make_node("Scan", ["x", "long"], ["y"], num_scan_inputs=1, body=body, **names)


def empty(*shape):
    """A node that gives an array without elements, and what it reads."""
    return helper.make_node("ConstantOfShape", ["shape"], ["long"]), [big("shape", *shape)]


KEPT = helper.make_node("Identity", ["s"], ["t"])


def test_a_file_cannot_ask_for_any_number_of_steps():
    made, shape = empty(2**40, 0)
    content = model_of(made, scan_of([KEPT]), constants=shape).SerializeToString()
    with pytest.raises(gw.GatewiseError, match=r"Scan.*1,099,511,627,776 steps.*need 1,048,576 at most: pass a larger"):
        gw.from_onnx(content, kind="graph")(np.ones((2, 2), np.float32))
    assert isinstance(gw.from_onnx(content), gw.interop.onnx.Graph)
    weights = [tensor("W", (1, 12, 3), bytes(4 * 36)), tensor("R", (1, 12, 4), bytes(4 * 48))]
    made, shape = empty(2**40, 0, 3)
    gru = helper.make_node("GRU", ["long", "W", "R"], ["", "y"], hidden_size=4)
    graph = gw.from_onnx(model_of(made, gru, constants=shape + weights).SerializeToString(), kind="graph")
    with pytest.raises(gw.GatewiseError, match=r"GRU.*1,099,511,627,776 steps"):
        graph(np.ones((2, 2), np.float32))


def test_a_caller_can_allow_more_steps():
    made, shape = empty(20, 0)
    inner = scan_of([KEPT])
    inner.input[0], inner.output[0] = "s", "t"
    content = model_of(made, scan_of([inner]), constants=shape).SerializeToString()
    x = np.ones((2, 2), np.float32)
    graph = gw.from_onnx(content, kind="graph", max_steps=419)
    with pytest.raises(gw.GatewiseError, match="20 steps make 420 in this run; need 419 at most"):
        graph(x)
    graph.max_steps = 420  # 20 outside, and 20 within each
    for _ in range(2):
        assert np.array_equal(graph(x)[0], x)
    with pytest.raises(gw.GatewiseError, match="max_steps is 0"):
        gw.from_onnx(content, max_steps=0)


def external(location, **entries):
    made = TensorProto(name="w", dims=[2], data_type=1, data_location=TensorProto.EXTERNAL)
    for key, value in {"location": location, **entries}.items():
        made.external_data.add(key=key, value=str(value))
    return model_of(ADD, constants=[made]).SerializeToString()


def test_external_data_are_read_within_the_folder(tmp_path):
    (tmp_path / "weights").write_bytes(b"\0" * 4 + np.array([1, 2], np.float32).tobytes())
    (tmp_path / "model.onnx").write_bytes(external("weights", offset=4, length=8))
    y, _ = gw.from_onnx(tmp_path / "model.onnx", kind="graph")(np.zeros((1, 2), np.float32))
    assert y.tolist() == [[1, 2]]
    with pytest.raises(gw.GatewiseError, match="lies in another file, 'weights'; need a path"):
        gw.from_onnx((tmp_path / "model.onnx").read_bytes())


@pytest.mark.parametrize(
    ("location", "entries", "message"),
    [
        ("../outside", {}, "need a file within the folder"),
        ("/etc/passwd", {}, "need a file within the folder"),
        ("link", {}, "need a file within the folder"),
        ("", {}, "need a file within the folder"),
        ("absent", {}, "cannot be read from 'absent'"),
        ("weights", {"length": 2**50}, "which has 8 bytes"),
        ("weights", {"offset": -8}, "which has 8 bytes"),
        ("weights", {"length": 4}, "12 bytes|8 bytes, and holds 4"),
        ("weights", {"offset": "x"}, "cannot be read"),
    ],
)
def test_external_data_elsewhere_are_refused(location, entries, message, tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    for path in (tmp_path / "outside", folder / "weights"):
        path.write_bytes(bytes(8))
    (folder / "link").symlink_to(tmp_path / "outside")
    (folder / "model.onnx").write_bytes(external(location, **entries))
    with pytest.raises(gw.GatewiseError, match=message):
        gw.from_onnx(folder / "model.onnx")


def test_a_function_of_the_file_is_refused_by_name():
    model = model_of(helper.make_node("Own", ["x"], ["y"], name="n", domain="my"))
    inner = helper.make_node("Relu", ["a"], ["b"])
    model.functions.append(helper.make_function("my", "Own", ["a"], ["b"], [inner], [helper.make_opsetid("", 17)]))
    with pytest.raises(gw.GatewiseError, match="the node 'n' calls Own, a function that the file defines"):
        gw.from_onnx(model.SerializeToString())


def test_without_the_package_the_error_says_what_to_install():
    script = (
        "import sys; sys.modules['onnx'] = None; import gatewise as gw\n"
        "for call in (lambda: gw.from_onnx(b''), lambda: gw.to_onnx(gw.GRU(2, 2)), lambda: gw.interop.onnx.Backend):\n"
        "    try: call()\n"
        "    except gw.GatewiseError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.count("pip install 'gatewise[convert]'") == 3


def test_the_package_is_not_loaded_before_it_is_asked_for():
    script = (
        "import sys, gatewise, gatewise.interop.onnx; print('onnx' in sys.modules, 'google.protobuf' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]

"""GRU, LSTM and RNN with every option of ONNX, against ONNX Runtime's results; and what is refused by name."""

from pathlib import Path

import numpy as np
import pytest
from onnx import helper
from onnx_cases import cases

import gatewise as gw
from gatewise.interop.onnx import Backend

WANTED = np.load(Path(__file__).parents[1] / "golden" / "onnx_options.npz")
CASES = {name: (model, feeds) for name, model, feeds in cases()}


def test_every_result_has_a_case():
    assert set(WANTED.files) == set(CASES)
    assert len(CASES) > 60


@pytest.mark.parametrize("name", CASES)
def test_it_is_what_onnx_runtime_gives(name):
    model, feeds = CASES[name]
    found = Backend.run_model(model, feeds)
    np.testing.assert_allclose(np.concatenate([a.ravel() for a in found]), WANTED[name], rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize("kind", ["GRU", "LSTM", "RNN"])
def test_layout_1_has_the_batch_first(kind):
    name = {"GRU": "gru_after"}.get(kind, kind.lower())
    model, feeds = CASES[f"{name}_bidirectional"]
    plain = Backend.run_model(model, feeds)
    node = model.graph.node[0]
    node.attribute.append(helper.make_attribute("layout", 1))
    turned = {name: a.swapaxes(0, 1) if name in ("X", "h", "c") else a for name, a in feeds.items()}
    Y, *final = Backend.run_node(node, turned)
    node.attribute.pop()
    np.testing.assert_array_equal(Y.transpose(1, 2, 0, 3), plain[0])
    for one, other in zip(final, plain[1:], strict=True):
        np.testing.assert_array_equal(one.swapaxes(0, 1), other)


def node(kind="GRU", **attributes):
    return helper.make_node(kind, ["X", "W", "R"], ["Y"], **attributes)


def weights(gates=3, H=2):
    shapes = ((4, 3, 2), (1, gates * H, 2), (1, gates * H, H))
    return [np.ones(shape, np.float32) for shape in shapes]


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (node(direction="sideways"), "the GRU of Y: direction is 'sideways'; need one of 'forward'"),
        (node(layout=2), "layout is 2; need one of 0, 1"),
        (node(clip=-1.0), r"clip is -1\.0; need a number of at least 0"),
        (node(activations=["Sigmoid"]), r"activations is \['Sigmoid'\]; need 2"),
        (node(activations=["Sigmoid", "Sine"]), "the activation is 'Sine'; need one of Affine"),
        (node(output_sequence=1), "has the attribute output_sequence, which is not known"),
        (node(input_forget=1), "has the attribute input_forget, which is not known"),
        (node("RNN", linear_before_reset=1), "has the attribute linear_before_reset"),
        (node(hidden_size=3), r"hidden_size is 3 and R has shape \(1, 6, 2\)"),
        (node(direction="bidirectional"), r"W is float32 with shape \(1, 6, 2\); need float32 with shape \(2, 6, 2\)"),
    ],
)
def test_what_cannot_be_is_refused_by_name(made, message):
    with pytest.raises(gw.GatewiseError, match=message):
        Backend.run_node(made, weights())


def test_half_precision_is_refused():
    with pytest.raises(gw.GatewiseError, match="X of GRU has dtype float16; need float32 or float64"):
        Backend.run_node(node(), [a.astype(np.float16) for a in weights()])


def test_lengths_beyond_the_steps_are_refused():
    made = helper.make_node("GRU", ["X", "W", "R", "", "n"], ["Y"])
    with pytest.raises(gw.GatewiseError, match="sequence_lens holds 1 to 9; need 0 to 4"):
        Backend.run_node(made, [*weights(), np.array([1, 9, 2], np.int32)])

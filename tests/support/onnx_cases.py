"""Single GRU, LSTM and RNN nodes with the options of ONNX, for our backend and for ONNX Runtime."""

import zlib

import numpy as np
from onnx import helper

GATES = {"GRU": 3, "LSTM": 4, "RNN": 1}
ALPHA, BETA = [0.3, 0.7, 0.9], [0.6, 0.2, 0.4]
# Number of alphas and betas that each activation takes.
ACTIVATIONS = {
    "Affine": (1, 1),
    "Elu": (1, 0),
    "HardSigmoid": (1, 1),
    "LeakyRelu": (1, 0),
    "Relu": (0, 0),
    "ScaledTanh": (1, 1),
    "Sigmoid": (0, 0),
    "Softplus": (0, 0),
    "Softsign": (0, 0),
    "Tanh": (0, 0),
    "ThresholdedRelu": (1, 0),
}
OPTIONS = {
    "gru_before": ("GRU", {}),
    "gru_after": ("GRU", {"linear_before_reset": 1}),
    "gru_clip_before": ("GRU", {"clip": 0.5}),
    "gru_clip_after": ("GRU", {"clip": 0.5, "linear_before_reset": 1}),
    "lstm": ("LSTM", {}),
    "lstm_peepholes": ("LSTM", {"peepholes": True}),
    "lstm_input_forget": ("LSTM", {"input_forget": 1}),
    "lstm_all": ("LSTM", {"input_forget": 1, "peepholes": True, "clip": 0.4}),
    "rnn": ("RNN", {}),
    "rnn_clip": ("RNN", {"clip": 0.3}),
}
DIRECTIONS = ("forward", "reverse", "bidirectional")


def cases():
    """Every case by name: a model, and what to feed it."""
    for name, (kind, options) in OPTIONS.items():
        for direction in DIRECTIONS:
            yield f"{name}_{direction}", *case(f"{name}_{direction}", kind, direction, **options)
    for f in ACTIVATIONS:
        for kind, names in (("RNN", [f]), ("GRU", ["HardSigmoid", f]), ("LSTM", ["Sigmoid", f, "Elu"])):
            yield f"{kind.lower()}_{f}", *case(f, kind, "bidirectional", names=names)


def case(seed, kind, direction, *, names=None, peepholes=False, **attributes):
    """A model of one node, and random arrays for its inputs."""
    rng = np.random.default_rng(zlib.crc32(seed.encode()))
    S, T, B, D, H = 1 + (direction == "bidirectional"), 4, 3, 2, 2
    shapes = {"X": (T, B, D), "W": (S, GATES[kind] * H, D), "R": (S, GATES[kind] * H, H), "B": (S, 2 * GATES[kind] * H)}
    arrays = {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    arrays["lens"] = np.array([4, 1, 3], np.int32)
    arrays["h"] = rng.normal(size=(S, B, H)).astype(np.float32)
    if kind == "LSTM":
        arrays["c"] = rng.normal(size=(S, B, H)).astype(np.float32)
    if peepholes:
        arrays["P"] = rng.normal(size=(S, 3 * H)).astype(np.float32)
    if names:
        taken = [ACTIVATIONS[name] for name in names * S]
        attributes["activations"] = names * S
        alphas, betas = (ALPHA * 2)[: sum(a for a, _ in taken)], (BETA * 2)[: sum(b for _, b in taken)]
        attributes |= {"activation_alpha": alphas} if alphas else {}
        attributes |= {"activation_beta": betas} if betas else {}
    outputs = ["Y", "Y_h", "Y_c"][: 2 + (kind == "LSTM")]
    node = helper.make_node(kind, list(arrays), outputs, direction=direction, hidden_size=H, **attributes)
    value = helper.make_tensor_value_info
    inputs = [value(name, 6 if name == "lens" else 1, array.shape) for name, array in arrays.items()]
    graph = helper.make_graph([node], "node", inputs, [value(name, 1, None) for name in outputs])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8), arrays

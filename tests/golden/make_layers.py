"""Make the arrays that `test_golden.py` compares with, by PyTorch, Keras and ONNX Runtime.

Run once, in an environment that has torch, keras, onnx and onnxruntime:

    python tests/golden/make_layers.py

It writes `layers.npz`, `training.npz` and `before.npz` beside itself. Weights and data come from NumPy seeds, so the
same versions give the same bytes. Results are stored flat, one array a case, to keep the files small; the order in
which they stand is the order of `torch_case` and `train_case` below.
"""

import itertools
import os
from pathlib import Path

os.environ["KERAS_BACKEND"] = "torch"

import keras
import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

HERE = Path(__file__).parent
B, T, D, H = 3, 4, 2, 3
LENGTHS = [2, 4, 1]
CELLS = {
    "gru": (nn.GRU, {}),
    "lstm": (nn.LSTM, {}),
    "rnn_tanh": (nn.RNN, {"nonlinearity": "tanh"}),
    "rnn_relu": (nn.RNN, {"nonlinearity": "relu"}),
}
OPTIMIZERS = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.1),
    "momentum": lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9),
    "nesterov": lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9, nesterov=True),
    "rmsprop": lambda p: torch.optim.RMSprop(p, lr=0.005),
    "adagrad": lambda p: torch.optim.Adagrad(p, lr=0.05),
    "adam": lambda p: torch.optim.Adam(p, lr=0.01),
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.01, weight_decay=0.1),
    "adam_clip": lambda p: torch.optim.Adam(p, lr=0.01),
    "sgd_clip": lambda p: torch.optim.SGD(p, lr=0.1),
}
CLIP = 0.1


def flat(arrays):
    return np.concatenate([np.asarray(a, np.float64).ravel() for a in arrays])


def fill(module, rng):
    """Give every parameter distinct random numbers, in the order of its names."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.from_numpy(rng.normal(0, 0.5, tuple(parameter.shape))))


def layers(out):
    rng = np.random.default_rng(2024)
    shapes = {"x": (B, T, D), "dy": (B, T, 2 * H)} | dict.fromkeys(("h0", "c0", "dh", "dc"), (4, B, H))
    inputs = {name: rng.normal(size=shape) for name, shape in shapes.items()}
    out |= inputs | {"lengths": np.array(LENGTHS)}
    for cell, num_layers, directions in itertools.product(CELLS, (1, 2), (1, 2)):
        kind, options = CELLS[cell]
        options = options | {"num_layers": num_layers, "bidirectional": directions == 2, "batch_first": True}
        full = kind(D, H, dtype=torch.float64, **options)
        fill(full, rng)
        out[f"weights/{cell}/{num_layers}/{directions}"] = flat(p.detach() for p in full.parameters())
        for bias, ragged in itertools.product((0, 1), (0, 1)):
            module = kind(D, H, dtype=torch.float64, bias=bool(bias), **options)
            module.load_state_dict({n: p for n, p in full.state_dict().items() if bias or "weight" in n})
            key = f"result/{cell}/{num_layers}/{directions}/{bias}/{ragged}"
            out[key] = torch_case(module, inputs, num_layers * directions, bool(ragged))


def torch_case(module, inputs, rows, ragged):
    """y, final state, dx, gradient of the initial state, gradient of every parameter; y is 0 past the lengths."""
    x, dy = (torch.from_numpy(inputs[name]) for name in ("x", "dy"))
    h0, c0, dh, dc = (torch.from_numpy(inputs[name][:rows]) for name in ("h0", "c0", "dh", "dc"))
    is_lstm = isinstance(module, nn.LSTM)
    leaves = [x, h0, c0] if is_lstm else [x, h0]
    for leaf in leaves:
        leaf.requires_grad_()
    start = (h0, c0) if is_lstm else h0
    if ragged:
        packed, final = module(pack_padded_sequence(x, LENGTHS, batch_first=True, enforce_sorted=False), start)
        y, _ = pad_packed_sequence(packed, batch_first=True, total_length=T)
    else:
        y, final = module(x, start)
    final = final if is_lstm else (final,)
    loss = (y * dy[:, :, : y.shape[2]]).sum() + sum((f * d).sum() for f, d in zip(final, (dh, dc), strict=False))
    gradients = torch.autograd.grad(loss, [*leaves, *module.parameters()])
    return flat(a.detach() for a in (y, *final, *gradients))


class Model(nn.Module):
    def __init__(self, kind, num_layers):
        super().__init__()
        self.recurrent = kind(2, 4, num_layers=num_layers, batch_first=True)
        self.linear = nn.Linear(4, 1)

    def forward(self, x):
        return self.linear(self.recurrent(x)[0])


def training(out):
    rng = np.random.default_rng(7)
    out["x"] = rng.normal(size=(5, 6, 2))
    out["target"] = np.tanh(np.cumsum(out["x"][:, :, :1] - 0.5 * out["x"][:, :, 1:], axis=1))
    for name, kind, num_layers in (("gru", nn.GRU, 2), ("lstm", nn.LSTM, 1)):
        model = Model(kind, num_layers).double()
        fill(model, rng)
        start = {n: p.clone() for n, p in model.state_dict().items()}
        out[f"start/{name}"] = flat(start.values())
        for optimizer in OPTIMIZERS:
            model.load_state_dict(start)
            out[f"result/{name}/{optimizer}"] = train_case(model, optimizer, out["x"], out["target"])


def train_case(model, optimizer, x, target):
    """The loss before each of 100 steps, then the weights after them in the order of their names."""
    x, target = torch.from_numpy(x), torch.from_numpy(target)
    stepper = OPTIMIZERS[optimizer](model.parameters())
    losses = []
    for _ in range(100):
        stepper.zero_grad()
        loss = nn.functional.mse_loss(model(x), target)
        loss.backward()
        if "clip" in optimizer:
            nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        stepper.step()
        losses.append(loss.item())
    return flat([losses, *(p.detach() for p in model.parameters())])


def before(out):
    """Forward passes of a GRU with the reset gate before the product; weights W, U, b, c in the order r, z, n."""
    rng = np.random.default_rng(11)
    for name, dtype, directions in (("keras", np.float64, 1), ("onnx", np.float32, 2)):
        shapes = {"W": (3 * H, D), "U": (3 * H, H), "b": (3 * H,), "c": (3 * H,)}
        shapes = {letter: (directions, *shape) for letter, shape in shapes.items()}
        shapes |= {"x": (B, T, D), "h0": (directions, B, H)}
        arrays = {letter: rng.normal(0, 0.7, shape).astype(dtype) for letter, shape in shapes.items()}
        y, h = (keras_before if name == "keras" else onnx_before)(**arrays)
        out |= {f"{name}/{letter}": a for letter, a in (arrays | {"y": y, "h": h}).items()}


def zrn(a):
    """The row blocks r, z, n as z, r, n."""
    r, z, n = np.split(a, 3, axis=-1 if a.ndim == 1 else -2)
    return np.concatenate([z, r, n], axis=-1 if a.ndim == 1 else -2)


def keras_before(W, U, b, c, x, h0):
    layer = keras.layers.GRU(H, reset_after=False, return_sequences=True, return_state=True, dtype="float64")
    layer.build(x.shape)
    layer.set_weights([zrn(W[0]).T, zrn(U[0]).T, zrn(b[0] + c[0])])
    y, h = layer(x, initial_state=h0[0])
    return keras.ops.convert_to_numpy(y), keras.ops.convert_to_numpy(h)[None]


def onnx_before(W, U, b, c, x, h0):
    """Both directions, with lengths; Y comes as (T, directions, B, H)."""
    biases = np.stack([np.concatenate([zrn(b[k]), zrn(c[k])]) for k in range(2)])
    constants = {"W": zrn(W), "R": zrn(U), "B": biases, "L": np.array(LENGTHS, np.int32), "H0": h0}
    names = ["X", "W", "R", "B", "L", "H0"]
    node = helper.make_node("GRU", names, ["Y", "Y_h"], hidden_size=H, direction="bidirectional", linear_before_reset=0)
    graph = helper.make_graph(
        [node],
        "before",
        [helper.make_tensor_value_info("X", TensorProto.FLOAT, (T, B, D))],
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in ("Y", "Y_h")],
        [onnx.numpy_helper.from_array(a, n) for n, a in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    Y, Y_h = session.run(None, {"X": np.ascontiguousarray(x.swapaxes(0, 1))})
    return Y.transpose(2, 0, 1, 3).reshape(B, T, 2 * H), Y_h


if __name__ == "__main__":
    torch.set_num_threads(1)
    for make in (layers, training, before):
        arrays = {}
        make(arrays)
        np.savez(HERE / f"{make.__name__}.npz", **arrays)

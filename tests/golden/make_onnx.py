"""Make the ONNX files that `interop/test_onnx_files.py` reads, by PyTorch's two exporters and by Keras.

Run once, in an environment that has torch, onnxscript, keras, onnx and onnxruntime:

    python tests/golden/make_onnx.py

It writes `onnx/NAME.onnx` and `onnx.npz` beside itself: for each file the inputs, as `NAME/INPUT`, and what ONNX
Runtime gives for them, as `NAME.0`, `NAME.1`, …. In `onnx_options.npz` is what ONNX Runtime gives for the nodes of
`support/onnx_cases.py`, all outputs of a node flat in one array.
"""

import os
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "support"))
os.environ["KERAS_BACKEND"] = "torch"

import keras
import numpy as np
import onnx
import onnxruntime
import torch
from onnx_cases import cases
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence

HERE = Path(__file__).parent
BATCH, TIME, COUNT, D, H = 2, 4, 5, 2, 3


class Sentences(nn.Module):
    """An embedding, two bidirectional layers and a head on the last step."""

    def __init__(self, kind):
        super().__init__()
        self.embedding = nn.Embedding(COUNT, D)
        self.rnn = getattr(nn, kind)(D, H, num_layers=2, bidirectional=True, batch_first=True)
        self.head = nn.Linear(2 * H, 2)

    def forward(self, x):
        return self.head(self.rnn(self.embedding(x))[0][:, -1])


class Ragged(Sentences):
    """The same on packed sequences, with the finished states and a softmax."""

    def forward(self, x, lengths):
        packed = pack_padded_sequence(self.embedding(x), lengths, batch_first=True, enforce_sorted=False)
        _, h = self.rnn(packed)
        return self.head(torch.cat([h[-2], h[-1]], 1)).softmax(-1)


class TimeFirst(nn.Module):
    """PyTorch's default order of axes, with a state that comes and goes."""

    def __init__(self):
        super().__init__()
        self.rnn, self.head = nn.GRU(D, H), nn.Linear(H, 2)

    def forward(self, x, h):
        y, h = self.rnn(x, h)
        return self.head(y), h


class Finished(nn.Module):
    """The finished states of both directions, side by side."""

    def __init__(self):
        super().__init__()
        self.rnn, self.head = nn.LSTM(D, H, bidirectional=True, batch_first=True), nn.Linear(2 * H, 2)

    def forward(self, x):
        _, (h, _) = self.rnn(x)
        return torch.tanh(self.head(torch.cat([h[-2], h[-1]], 1)))


def script(name, module, inputs, axes):
    """Export with the exporter that traces TorchScript."""
    torch.onnx.export(
        module.eval(), tuple(inputs.values()), HERE / f"onnx/{name}.onnx", dynamo=False, input_names=list(inputs),
        dynamic_axes={"x": dict(enumerate(axes)), "h": {1: "batch"}},
    )  # fmt: skip


def dynamo(name, module, inputs):
    """Export with the newer exporter, of torch.export."""
    free = {0: torch.export.Dim("batch"), 1: torch.export.Dim("time")}
    torch.onnx.export(
        module.eval(), tuple(inputs.values()), HERE / f"onnx/{name}.onnx", dynamo=True, input_names=list(inputs),
        dynamic_shapes=(free,), external_data=False, verbose=False,
    )  # fmt: skip


def keras_model(cell):
    """An embedding, two bidirectional layers and a head."""
    layer = getattr(keras.layers, cell)
    model = keras.Sequential(
        [
            keras.layers.Input((TIME,), dtype="int32"),
            keras.layers.Embedding(COUNT, D),
            keras.layers.Bidirectional(layer(H, return_sequences=True)),
            keras.layers.Bidirectional(layer(H)),
            keras.layers.Dense(2),
        ]
    )
    model(np.zeros((BATCH, TIME), np.int32))
    return model


def main():
    torch.manual_seed(0)
    keras.utils.set_random_seed(0)
    ids, x, h = torch.randint(0, COUNT, (BATCH, TIME)), torch.randn(BATCH, TIME, D), torch.randn(1, BATCH, H)
    for kind in ("GRU", "LSTM", "RNN"):
        script(f"script_{kind.lower()}", Sentences(kind), {"x": ids}, ("batch", "time"))
    for kind in ("GRU", "LSTM"):  # of an Elman network it writes every step
        dynamo(f"dynamo_{kind.lower()}", Sentences(kind), {"x": ids})
    script("script_ragged", Ragged("GRU"), {"x": ids, "lengths": torch.tensor([2, 4])}, ("batch", "time"))
    script("script_time_first", TimeFirst(), {"x": x.transpose(0, 1), "h": h}, ("time", "batch"))
    script("script_finished", Finished(), {"x": x}, ("batch", "time"))
    dynamo("dynamo_finished", Finished(), {"x": x})
    for cell in ("GRU", "LSTM"):
        keras_model(cell).export(str(HERE / f"onnx/keras_{cell.lower()}.onnx"), format="onnx", verbose=False)
    for path in (HERE / "onnx").glob("*.onnx"):
        onnx.save(without_notes(onnx.load(path)), path)
    arrays = {}
    rng = np.random.default_rng(0)
    for path in sorted((HERE / "onnx").glob("*.onnx")):
        session = onnxruntime.InferenceSession(path)
        feeds = {one.name: value(one, rng) for one in session.get_inputs()}
        arrays |= {f"{path.stem}/{name}": array for name, array in feeds.items()}
        arrays |= {f"{path.stem}.{i}": array for i, array in enumerate(session.run(None, feeds))}
    np.savez_compressed(HERE / "onnx.npz", **arrays)
    options = {}
    for name, model, feeds in cases():
        found = onnxruntime.InferenceSession(model.SerializeToString()).run(None, feeds)
        options[name] = np.concatenate([array.ravel() for array in found])
    np.savez_compressed(HERE / "onnx_options.npz", **options)


def without_notes(model):
    """The model without what the exporters note about the machine and the source."""
    for part in (
        model,
        model.graph,
        *model.graph.node,
        *model.graph.value_info,
        *model.graph.input,
        *model.graph.output,
    ):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    return model


def value(one, rng):
    """Random numbers for an input; batch 2 and time 4, where the file leaves the axes free 2 and 6."""
    sizes = {"batch": BATCH, "time": TIME + 2}
    shape = [size if isinstance(size, int) else sizes.get(size, BATCH) for size in one.shape]
    if one.name == "lengths":
        return np.array([3, 6])
    if "int" in one.type:
        return rng.integers(0, COUNT, shape).astype(np.int64 if "64" in one.type else np.int32)
    return rng.normal(size=shape).astype(np.float32)


if __name__ == "__main__":
    main()

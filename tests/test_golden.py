"""Forward, every gradient and training against arrays made by PyTorch, Keras and ONNX Runtime.

`golden/make_layers.py` made them; none of the three is needed here.
"""

import itertools
from pathlib import Path

import numpy as np
import pytest
from forms import FORMS, pack, parts

from gatewise import losses
from gatewise.layers.dense import Dense
from gatewise.layers.recurrent import GRU, LSTM
from gatewise.layers.sequential import Sequential
from gatewise.optimizers import SGD, Adagrad, Adam, AdamW, RMSprop, clip_by_global_norm

GOLDEN = Path(__file__).parent / "golden"
B, T, D, H = 3, 4, 2, 3
CELLS = {"gru": FORMS["gru_after"]} | {name: FORMS[name] for name in ("lstm", "rnn_tanh", "rnn_relu")}
CASES = list(itertools.product(CELLS, (1, 2), (1, 2), (0, 1), (0, 1)))
OPTIMIZERS = {
    "sgd": lambda: SGD(lr=0.1),
    "momentum": lambda: SGD(lr=0.05, momentum=0.9),
    "nesterov": lambda: SGD(lr=0.05, momentum=0.9, nesterov=True),
    "rmsprop": lambda: RMSprop(lr=0.005),
    "adagrad": lambda: Adagrad(lr=0.05),
    "adam": lambda: Adam(lr=0.01),
    "adamw": lambda: AdamW(lr=0.01, weight_decay=0.1),
    "adam_clip": lambda: Adam(lr=0.01),
    "sgd_clip": lambda: SGD(lr=0.1),
}
CLIP = 0.1


@pytest.fixture(scope="module")
def golden():
    files = {}
    for name in ("layers", "training", "before"):
        with np.load(GOLDEN / f"{name}.npz") as file:
            files[name] = dict(file)
    return files


def take(flat, shapes):
    """Cut `flat` into arrays of `shapes`, and see that nothing is left."""
    parts, start = [], 0
    for shape in shapes:
        size = int(np.prod(shape))
        parts.append(flat[start : start + size].reshape(shape))
        start += size
    assert start == flat.size
    return parts


def fill(params, flat):
    """Set `params` from one flat array in the order of their names."""
    for (name, value), new in zip(params.items(), take(flat, [p.shape for p in params.values()]), strict=True):
        assert value.dtype == np.float64, name
        params[name] = new.copy()


def assert_equal(named, tolerance=1e-9):
    for name, (got, need) in named.items():
        np.testing.assert_allclose(got, need, rtol=tolerance, atol=tolerance, err_msg=name)
        assert np.abs(need).max() > 1e-3, f"{name}: the golden array says nothing"


@pytest.mark.parametrize(("cell", "num_layers", "directions", "bias", "ragged"), CASES)
def test_forward_and_every_gradient_equal_pytorch(golden, cell, num_layers, directions, bias, ragged):
    data = golden["layers"]
    options = {"num_layers": num_layers, "bidirectional": directions == 2, "dtype": np.float64}
    full, layer = CELLS[cell].make(D, H, **options), CELLS[cell].make(D, H, bias=bool(bias), **options)
    fill(full.params, data[f"weights/{cell}/{num_layers}/{directions}"])
    layer.params.update({name: full.params[name] for name in layer.params})

    rows = num_layers * directions
    states = ["h", "c"][: len(layer.cell.states)]
    state = pack([data[f"{name}0"][:rows] for name in states])
    dstate = pack([data[f"d{name}"][:rows] for name in states])
    y, final, tape = layer.forward(data["x"], state, lengths=data["lengths"] if ragged else None)
    dx, dinitial, grads = layer.backward(tape, data["dy"][:, :, : directions * H].copy(), dstate)

    assert list(grads) == list(layer.params)
    got = [y, *parts(final), dx, *parts(dinitial), *grads.values()]
    need = take(data[f"result/{cell}/{num_layers}/{directions}/{bias}/{ragged}"], [a.shape for a in got])
    names = ["y", *(f"{s}_n" for s in states), "dx", *(f"d{s}_0" for s in states), *grads]
    assert_equal({name: pair for name, *pair in zip(names, got, need, strict=True)})


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize(("name", "kind", "num_layers"), [("gru", GRU, 2), ("lstm", LSTM, 1)])
def test_hundred_steps_of_training_equal_pytorch(golden, name, kind, num_layers, optimizer):
    data = golden["training"]
    model = Sequential(kind(2, 4, num_layers=num_layers, dtype=np.float64), Dense(4, 1, dtype=np.float64))
    fill(model.params, data[f"start/{name}"])
    stepper = OPTIMIZERS[optimizer]()
    values, norms = [], []
    for _ in range(100):
        y, _, tape = model.forward(data["x"])
        value, dy = losses.mse(y, data["target"])
        _, _, grads = model.backward(tape, dy)
        if "clip" in optimizer:
            norms.append(clip_by_global_norm(grads, CLIP))
        stepper.step(model.params, grads)
        values.append(value)
    assert not norms or max(norms) > CLIP, "clipping never acted"
    shapes = [(100,), *(p.shape for p in model.params.values())]
    losses_needed, *weights = take(data[f"result/{name}/{optimizer}"], shapes)
    assert losses_needed[-1] < 0.8 * losses_needed[0]
    got = {"losses": values, **model.params}
    assert_equal({key: pair for key, *pair in zip(got, got.values(), [losses_needed, *weights], strict=True)})


# Keras forms its products in float32 even in a layer of dtype float64; ONNX Runtime has float32 only.
@pytest.mark.parametrize(("source", "directions", "tolerance"), [("keras", 1, 1e-7), ("onnx", 2, 1e-6)])
def test_reset_before_equals_keras_and_onnx_runtime(golden, source, directions, tolerance):
    data = {name.removeprefix(source + "/"): a for name, a in golden["before"].items() if name.startswith(source)}
    gru = GRU(D, H, reset="before", bidirectional=directions == 2, dtype=data["x"].dtype)
    for k in range(directions):
        for letter, name in zip("WUbc", ("weight_ih", "weight_hh", "bias_ih", "bias_hh"), strict=True):
            gru.params[name + "_l0" + "_reverse" * k] = data[letter][k]
    lengths = golden["layers"]["lengths"] if source == "onnx" else None
    y, h = gru(data["x"], data["h0"], lengths=lengths)
    assert_equal({"y": (y, data["y"]), "h": (h, data["h"])}, tolerance)
    after = GRU(D, H, bidirectional=directions == 2, dtype=data["x"].dtype)
    after.params.update(gru.params)
    assert np.abs(after(data["x"], data["h0"], lengths=lengths)[0] - data["y"]).max() > 1e-3

"""Models and fitted estimators that are written to ONNX, and what to feed them."""

import numpy as np

import gatewise as gw
from gatewise.layers import HardGRU, HardLSTM

MODELS = {
    "gru": gw.GRU(3, 4, rng=0),
    "gru_stack": gw.GRU(3, 4, num_layers=2, bidirectional=True, rng=0),
    "gru_before": gw.GRU(3, 4, reset="before", num_layers=2, tape="recompute", rng=0),
    "gru_bare": gw.GRU(3, 4, bias=False, rng=0),
    "lstm": gw.LSTM(3, 4, num_layers=2, bidirectional=True, dropout=0.2, rng=0),
    "rnn": gw.RNN(3, 4, bidirectional=True, rng=0),
    "relu": gw.RNN(3, 4, nonlinearity="relu", rng=0),
    "mingru": gw.MinGRU(3, 4, num_layers=2, bidirectional=True, rng=0),
    "hard": HardGRU(3, 4, reset="before", slope="1/6", num_layers=2, bidirectional=True, rng=0),
    "hard_double": HardLSTM(3, 4, slope="1/6", dtype="float64", rng=0),
    "backward": gw.Sequential(gw.Reverse(), gw.LSTM(3, 4, rng=0), gw.Reverse(), gw.Dense(4, 2, rng=1), gw.Softmax()),
    "double": gw.LSTM(3, 4, dtype="float64", rng=0),
    "words": gw.Sequential(
        gw.Embedding(9, 3, rng=0),
        gw.GRU(3, 4, bidirectional=True, rng=1),
        gw.Last(bidirectional=True),
        gw.Dropout(0.2),
        gw.Dense(8, 5, "relu", rng=2),
        gw.Dense(5, 2, bias=False, rng=3),
    ),
    "two": gw.Sequential(gw.GRU(3, 4, rng=1), gw.GRU(4, 4, rng=5), gw.Dense(4, 2, "tanh", rng=1)),
    "pools": gw.Sequential(
        gw.Noise(0.1),
        gw.Parallel(
            gw.Sequential(
                gw.RNN(3, 4, bidirectional=True, rng=0), gw.Pool(8, ("max", "last", "mean"), bidirectional=True)
            ),
            gw.Pool(3, "mean", parts=4),
        ),
        gw.Dense(36, 2, "sigmoid", rng=1),
    ),
}


def inputs_of(model, name, B, T, rng, *, lengths=False, state=False):
    feeds = {"x": rng.integers(0, 9, (B, T)) if name == "words" else rng.normal(size=(B, T, 3)).astype(model.dtype)}
    if lengths:
        feeds["lengths"] = rng.integers(1, T + 1, B)
    if state:
        shape = (model.num_layers * model.directions, B, 4)
        feeds |= {f"initial_{s}": rng.normal(size=shape).astype(model.dtype) for s in model.cell.states}
    return feeds


SMALL = {"hidden_size": 4, "max_iter": 1, "random_state": 0, "n_networks": 2}
# What is fitted, and the data: steps, channels, whether there are gaps.
CASES = {
    "networks": ({"ridge_share": 0.0}, (12, 2, False)),
    "bidirectional": ({"ridge_share": 0.0, "bidirectional": True, "cell": "lstm"}, (12, 2, False)),
    "gaps": ({"ridge_share": 0.0, "pooling": "last", "segments": 0}, (12, 2, True)),
    "blocks": ({"ridge_share": 0.0, "downsample": 3, "n_networks": 1}, (20, 1, False)),
    "ridge": ({"ridge_share": 0.4}, (12, 2, True)),
    "ridge_alone": ({"ridge_share": 1.0, "downsample": 2}, (12, 1, False)),
    "steps": ({"output": "all"}, (9, 2, True)),
}


def sequences(n, steps, channels, gaps, seed=0):
    """Sequences of different lengths whose first channel rises or falls; some of their values are whole numbers."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(steps // 2, steps + 1, n)
    X = [rng.normal(size=(length, channels)) + 3.0 * (i % 2) for i, length in enumerate(lengths)]
    X = [np.round(x) if i % 3 == 0 else x for i, x in enumerate(X)]
    if gaps:
        for x in X:
            x[rng.random(x.shape) < 0.2] = np.nan
    return [x.astype(np.float32) for x in X]


def padded(X, dtype=np.float32):
    lengths = np.array([len(x) for x in X])
    x = np.full((len(X), lengths.max(), X[0].shape[1]), 99, dtype)  # what stands past the end does not count
    for row, one in zip(x, X, strict=True):
        row[: len(one)] = one
    return {"x": x, "lengths": lengths}


def fitted(kind, name):
    options, data = CASES[name]
    X = sequences(24, *data)
    y = np.arange(len(X)) % 2
    targets = np.where(y, "up", "down") if kind is gw.RecurrentClassifier else 1000 + 5.0 * y
    if options.get("output") == "all":
        targets = [np.repeat(target, len(x)) for target, x in zip(targets, X, strict=True)]
    return kind(**SMALL | options).fit(X, targets), data


def others(data):
    """Sequences of other numbers and lengths than those of the fit."""
    return [*sequences(5, data[0] + 4, *data[1:], seed=1), *sequences(2, 2, *data[1:], seed=2)]

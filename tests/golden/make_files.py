"""Write small files of every kind that Gatewise saves, and what they answer, as the installed version writes them.

Run it once for every release, and keep what it wrote: `python tests/golden/make_files.py tests/golden/files/0.1.0`. A
test loads all of them with the version at hand.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import gatewise as gw
from gatewise import tables
from gatewise.files import save
from gatewise.tables.lines import Row
from gatewise.tables.stream_state import Place, state_bytes
from gatewise.tables.streams import open_stream

SMALL = {"hidden_size": 3, "max_iter": 2, "n_networks": 1, "random_state": 0}
NETWORK = SMALL | {"ridge_share": 0.0}
LAYERS = {
    "gru": lambda: gw.GRU(2, 3, num_layers=2, bidirectional=True, reset="before", dropout=0.25, rng=0),
    "gru_chrono": lambda: gw.GRU(2, 3, init="orthogonal", chrono=20.0, rng=0),
    "gru_float64": lambda: gw.GRU(2, 3, bias=False, dtype=np.float64, rng=0),
    "lstm": lambda: gw.LSTM(2, 3, num_layers=2, bidirectional=True, rng=0),
    "rnn": lambda: gw.RNN(2, 3, nonlinearity="relu", rng=0),
    "mingru": lambda: gw.MinGRU(2, 3, rng=0),
    "hard_gru": lambda: gw.layers.HardGRU(2, 3, rng=0),
    "hard_lstm": lambda: gw.layers.HardLSTM(2, 3, rng=0),
    "dense": lambda: gw.Dense(2, 3, "sigmoid", bias=False, rng=0),
    "embedding": lambda: gw.Embedding(9, 3, rng=0),
    "weightless": lambda: gw.Sequential(
        gw.layers.Reverse(), gw.layers.Noise(0.1), gw.Dropout(0.3, variational=True), gw.Last(), gw.layers.Softmax()
    ),
    "pool": lambda: gw.Sequential(gw.GRU(2, 3, rng=0), gw.layers.Pool(3, ["mean", "max"], parts=2)),
    "parallel": lambda: gw.Sequential(gw.layers.Parallel(gw.GRU(2, 3, rng=0), gw.LSTM(2, 3, rng=1)), gw.Last()),
    "nested": lambda: gw.Sequential(
        gw.Embedding(9, 2, dtype=np.float64, rng=0),
        gw.Sequential(gw.Dropout(0.2), gw.Sequential(gw.LSTM(2, 3, dtype=np.float64, rng=1))),
        gw.Last(),
        gw.Dense(3, 2, "tanh", dtype=np.float64, rng=2),
    ),
}


def layers(folder, answers):
    """Every kind of layer with a random input."""
    rng = np.random.default_rng(0)
    for name, build in LAYERS.items():
        model = build()
        x = rng.normal(size=(2, 5, 2)).astype(getattr(model, "dtype", np.float32))
        if name in ("embedding", "nested"):
            x = rng.integers(0, 9, size=(2, 5))
        save(model, folder / f"{name}.safetensors", info={"of": name}, extra={"twice": 2 * x})
        answers[f"{name}|x"], answers[f"{name}|y"] = x, model(x)[0]


def estimators(folder, answers):
    """The classifier, the regressor, a transformer and a pipeline."""
    X = np.random.default_rng(1).normal(5, 2, size=(20, 6, 2))
    y = X[:, -1, 0]
    models = {
        "classifier": gw.RecurrentClassifier(**NETWORK).fit(X, np.where(y > 5, "high", "low")),
        "regressor": gw.RecurrentRegressor(**SMALL, cell="lstm").fit(X, y),
        "pipeline": make_pipeline(gw.SequenceScaler(), gw.RecurrentRegressor(**NETWORK)).fit(X, y),
        "standard_scaler": StandardScaler().fit(X[:, 0]),
    }
    for name, model in models.items():
        save(model, folder / f"{name}.safetensors")
        x = X[:, 0] if name == "standard_scaler" else X
        verb = {"classifier": "predict_proba", "standard_scaler": "transform"}.get(name, "predict")
        answers[f"{name}|x"], answers[f"{name}|y"] = x, getattr(model, verb)(x)


def series():
    """Forty days of a weekly season with drift."""
    t = np.arange(40)
    values = 50 + 0.3 * t + 5 * np.sin(2 * np.pi * t / 7) + np.random.default_rng(2).normal(size=40)
    return pd.Series(values.round(3), pd.date_range("2024-01-01", periods=40, freq="D"), name="units")


def forecaster(folder, answers):
    """The forecaster in Python, as `gatewise forecast` saves it with a table, and the state of a stream."""
    model = gw.RecurrentForecaster(3, hidden_size=3, n_networks=1, max_updates=5, random_state=0).fit([series()])
    save(model, folder / "forecaster.safetensors")
    answers["forecaster|y"] = model.predict()[0].to_numpy()
    for name, value in (("max_updates", 5), ("n_networks", 1), ("hidden_size", 3)):
        gw.RecurrentForecaster.__init__.__kwdefaults__[name] = value
    table = series().rename_axis("day").reset_index()
    table.to_csv(folder / "table.csv", index=False)
    roles = tables.SeriesRoles.of(("day",), ("units",), None, (), (), (), None)
    task = tables.read_forecast_task(tables.read_table(str(folder / "table.csv"), None), roles, 3, None)
    task.fit(level=80, backtest=False, seed=0, progress=False).save(folder / "table_forecaster.safetensors")
    frame, _ = tables.predict(folder / "table_forecaster.safetensors", str(folder / "table.csv"))
    answers["table_forecaster|y"] = frame.select_dtypes("number").to_numpy()


def stream_state(folder, answers):
    """A stream after three rows, and its answer to the fourth."""
    save(LAYERS["gru_chrono"](), folder / "stream.safetensors")
    stream = open_stream(folder / "stream.safetensors", None)
    for k in range(3):
        stream.step(Row([float(k), 1.0]))
    (folder / "stream.state").write_bytes(state_bytes(stream, Place(3, ("a", "b")), "the model"))
    answer = stream.step(Row([3.0, 1.0]))
    answers["stream|y"] = np.array([answer[name] for name in sorted(answer)], dtype=float).ravel()


def main():
    """Write all into the folder that is named."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    answers = {}
    for write in (layers, estimators, forecaster, stream_state):
        write(folder, answers)
    np.savez_compressed(folder / "answers.npz", allow_pickle=False, **answers)


if __name__ == "__main__":
    main()

"""Real files of every kind of model, and what is done with each after it has loaded: what `fuzz_models.py` mutates."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

import gatewise as gw
from gatewise import files, tables
from gatewise.cli.convert import read_model
from gatewise.errors import TrainingInterrupted
from gatewise.interop.onnx import limits
from gatewise.layers import HardGRU, Layer
from gatewise.optimizers import AdamW
from gatewise.schedules import OneCycle
from gatewise.tables import stream_state, streams
from gatewise.tables.lines import Row

GOLDEN = Path(__file__).parents[1] / "tests" / "golden"
SMALL = {"hidden_size": 3, "n_networks": 1, "random_state": 0}


class Case(NamedTuple):
    """A real file: its kind, its name, and what loads a file and uses what it holds."""

    kind: str
    path: Path
    use: Callable[[Path], Any]


def cases(folder: Path) -> list[Case]:
    """Write the files of all kinds to a folder."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        own = [*_layers(folder), *_estimators(folder), *_forecasters(folder), *_training(folder)]
        return [*own, *_tables(folder), *_foreign(folder)]


# Layers


def _layers(folder: Path) -> list[Case]:
    deep = gw.Sequential(gw.GRU(3, 4, num_layers=2, bidirectional=True, rng=0), gw.Last(True))
    models = {
        "gru": gw.GRU(3, 4, rng=0),
        "nested": gw.Sequential(
            gw.Noise(0.1), gw.Parallel(deep, gw.Pool(3, "mean", parts=2)), gw.Dropout(0.5), gw.Dense(14, 2, "relu")
        ),
        "embedding": gw.Sequential(gw.Embedding(5, 3, rng=0), gw.LSTM(3, 2, rng=0), gw.Reverse(), gw.Softmax()),
        "hard": gw.Sequential(HardGRU(2, 3, reset="before", rng=0), gw.RNN(3, 2, rng=0)),
    }
    for name, model in models.items():
        gw.save(model, folder / f"{name}.safetensors")
    states = [Case("layers", folder / f"{name}.safetensors", _use_layer) for name in models]
    return [*states, _state(folder, "gru", [["1", "2", "3"]] * 3)]


def _use_layer(path: Path) -> None:
    use_layer(gw.load(path))
    files.read_info(path)
    files.read_extra(path)


def use_layer(model: Any) -> None:
    """Run a model of layers on a tiny input, forward and back, step by step, and save it."""
    str(model), model.summary()
    size = min(model.input_size or 3, 1000)
    whole = type(getattr(model, "layers", [model])[0]).__name__ == "Embedding"
    x = np.zeros((2, 4), np.int64) if whole else np.ones((2, 4, size), model.dtype)
    y, _ = model(x, lengths=[4, 2])
    y, _, tape = model.forward(x)
    model.backward(tape, np.ones_like(y))
    gw.save(model, io_path())
    if not whole:
        _tried(lambda: model.stepper(2).step(x[:, 0]))


def io_path() -> Path:
    """A place for what is saved again."""
    return Path(tempfile.gettempdir()) / "again.safetensors"


# Estimators


def _estimators(folder: Path) -> list[Case]:
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    rng = np.random.default_rng(0)
    X, y = [rng.normal(size=(8, 2)) for _ in range(12)], np.arange(12) % 2
    table = np.stack(X)[:, :, 0]
    frame = pd.DataFrame(table, columns=[f"c{k}" for k in range(8)])
    options = {**SMALL, "max_iter": 1}
    fitted = {
        "classifier": gw.RecurrentClassifier(**options).fit(X, np.where(y, "yes", "no")),
        "ridge": gw.RecurrentClassifier(**options, ridge_share=0.5).fit(X, y),
        "regressor": gw.RecurrentRegressor(**options).fit(X, np.c_[y, y] * 1.0),
        "steps": gw.RecurrentRegressor(**options, output="all").fit(X, [np.arange(8.0)] * 12),
        "pipeline": make_pipeline(StandardScaler(), gw.RecurrentClassifier(**options)).fit(frame, y),
        "windower": make_pipeline(gw.SequenceScaler(), gw.SequencePadder(9)).fit(X),
    }
    for name, model in fitted.items():
        gw.save(model, folder / f"{name}.safetensors")
    uses = {
        name: (lambda path, given=(frame if name == "pipeline" else X): _use_estimator(path, given)) for name in fitted
    }
    found = [Case("estimators", folder / f"{name}.safetensors", uses[name]) for name in fitted]
    return [*found, _state(folder, "classifier", [["1", "2"]] * 3)]


def _use_estimator(path: Path, X: Any) -> None:
    model = gw.load(path)
    repr(model)
    few = X[:3]
    for method in ("predict", "predict_proba", "transform", "stepper"):
        if hasattr(model, method):
            result = getattr(model, method)(*([] if method == "stepper" else [few]))
    if hasattr(model, "stepper"):
        result.step(np.asarray(few[0])[0])
    gw.save(model, io_path())


# Forecasters


def _forecasters(folder: Path) -> list[Case]:
    rng = np.random.default_rng(0)
    n = 60
    days = pd.date_range("2024-01-01", periods=n, freq="D", tz="Europe/Berlin")
    y = pd.Series(np.sin(np.arange(n) / 2) + rng.normal(size=n) / 10, days, name="sales")
    X = pd.DataFrame({"a": rng.normal(size=n), "sky": np.where(rng.random(n) > 0.5, "x", "y")}, days)
    months = list(pd.period_range("2020-01", periods=40, freq="M"))
    long = pd.DataFrame({"shop": ["A"] * 40 + ["B"] * 40, "month": months * 2, "y": rng.normal(size=80) + 5})
    options = {**SMALL, "max_updates": 2}
    fitted = {
        "dates": gw.RecurrentForecaster(3, past_covariates=["sky"], **options).fit(y, X),
        "long": gw.RecurrentForecaster(2, **options).fit(long, id="shop", time="month", target="y"),
        "array": gw.RecurrentForecaster(2, season=4, **options).fit(rng.normal(size=n).cumsum()),
        "frame": gw.RecurrentForecaster(2, **options).fit(pd.DataFrame({"p": y.to_numpy(), "q": 1.0}, days[:n])),
    }
    _with_network(fitted["array"])
    for name, model in fitted.items():
        gw.save(model, folder / f"{name}.safetensors")
    ahead = pd.DataFrame({"a": np.zeros(3)}, pd.date_range(days[-1], periods=4, freq="D")[1:])
    given = {
        "dates": (ahead, pd.Series([1.0], ahead.index[:1]), pd.DataFrame({"a": [0.0], "sky": ["x"]}, ahead.index[:1])),
        "long": (None, long.tail(1).assign(month=pd.Period("2023-05", "M")), None),
        "array": (None, np.ones(2), None),
        "frame": (None, pd.DataFrame({"p": [1.0], "q": [1.0]}, ahead.index[:1]), None),
    }
    uses = {name: (lambda path, parts=given[name]: _use_forecaster(path, *parts)) for name in fitted}
    found = [Case("forecasters", folder / f"{name}.safetensors", uses[name]) for name in fitted]
    return [*found, _state(folder, "array", [["1"]] * 3)]


def _with_network(forecaster: Any) -> None:
    """Give a forecaster a network, which those of so few data lack."""
    from dataclasses import replace

    from gatewise.forecasting import recurrent

    state = forecaster._state
    settings = recurrent.NetworkSettings("gru", 3, 1, 0.0, 0.0, 1, 0.1, 8)
    network = recurrent.build(recurrent.feature_count(state.panel), len(state.fitted.learned), settings, 0)
    forecaster._state = state._replace(fitted=replace(state.fitted, networks=(network,), network_share=0.5))


def _use_forecaster(path: Path, ahead: Any, y_new: Any, X_new: Any) -> None:
    model = gw.load(path)
    repr(model)
    for method in (model.predict, model.predict_quantiles):
        _tried(method, *([] if ahead is None else [ahead]))
    _tried(model.update, y_new, X_new)
    _tried(model.predict, *([] if ahead is None else [ahead]))
    gw.save(model, io_path())
    gw.load(io_path())


def _tried(method: Callable[..., Any], *arguments: Any) -> None:
    """Call what may refuse what it is given, with an error of ours, and go on."""
    try:
        method(*arguments)
    except gw.GatewiseError:
        return


# Trainings


def _training(folder: Path) -> list[Case]:
    optimizer = AdamW(OneCycle(0.1, 10))
    gw.train(_model(), *_rows(), loss="mse", optimizer=optimizer, epochs=1, rng=0)
    gw.save(optimizer, folder / "optimizer.safetensors")
    path = folder / "checkpoint.safetensors"
    _trained(path, [lambda record, model: os.kill(os.getpid(), signal.SIGINT)])
    return [
        Case("training", folder / "optimizer.safetensors", lambda path: repr(gw.load(path))),
        Case("training", path, lambda path: _trained(path, [lambda record, model: None])),
    ]


def _model() -> Any:
    return gw.Sequential(gw.GRU(1, 3, rng=0), gw.Dropout(0.1), gw.Last(), gw.Dense(3, 1, rng=1))


def _rows() -> tuple[Any, Any]:
    x = np.random.default_rng(0).normal(size=(12, 4, 1)).astype(np.float32)
    return x, x.sum(axis=1)


def _trained(path: Path, callbacks: list[Any]) -> None:
    """Train for three epochs, or from where a checkpoint stands to their end."""
    options: dict[str, Any] = {"loss": "mse", "optimizer": AdamW(0.01), "epochs": 3, "batch_size": 4, "rng": 0}
    with contextlib.suppress(TrainingInterrupted):
        gw.train(_model(), *_rows(), **options, callbacks=callbacks, checkpoint=path, resume=path.exists())


# What the commands write


def _tables(folder: Path) -> list[Case]:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"day": pd.date_range("2024-01-01", periods=60), "x": rng.normal(size=60) + 5})
    rows = pd.DataFrame(
        {"id": np.repeat(np.arange(10), 4), "t": list(range(4)) * 10, "v": rng.normal(size=40), "c": ["a", "b"] * 20}
    )
    labels = rows.assign(label=np.where(rows["id"] % 2, "yes", "no"))
    results = {
        "forecast": (tables.forecast(frame, time="day", target="x", horizon=2), frame),
        "classify": (tables.classify(labels, sequence="id", time="t", label="label"), rows),
    }
    found = []
    for name, (result, given) in results.items():
        result.save(folder / f"{name}.safetensors")
        found.append(Case("tables", folder / f"{name}.safetensors", lambda path, table=given: _use_table(path, table)))
    return found


def _use_table(path: Path, table: Any) -> None:
    _tried(tables.predict, path, table)
    _tried(gw.load, path)
    try:
        stream = streams.open_stream(path)
    except gw.GatewiseError:
        return
    _tried(stream.step, Row(["2024-03-01", "1.0"], ("day", "x")))


def _state(folder: Path, name: str, rows: list[list[str]]) -> Case:
    """A state of a stream of a saved model."""
    model, path = folder / f"{name}.safetensors", folder / f"{name}-state.safetensors"
    stream = streams.open_stream(model)
    for row in rows:
        stream.step(Row(row, None))
    path.write_bytes(stream_state.state_bytes(stream, stream_state.Place(len(rows), None), "print"))

    def use(mutated: Path) -> None:
        again = streams.open_stream(model)
        stream_state.load_state(again, mutated, "print")
        _tried(again.step, Row(rows[0], None))
        stream_state.state_bytes(again, stream_state.Place(1, None), "print")

    return Case("states", path, use)


# Foreign files


def _foreign(folder: Path) -> list[Case]:
    from safetensors.numpy import save_file

    arrays = gw.to_torch(gw.Sequential(gw.GRU(3, 4, rng=0), gw.Dense(4, 2, rng=1)))
    arrays = {name: np.asarray(array) for name, array in arrays.items()}
    save_file(arrays, folder / "torch.safetensors")
    np.savez(folder / "plain.npz", **arrays)
    np.savez_compressed(folder / "packed.npz", **arrays)
    found = [Case("arrays", folder / name, _use_arrays) for name in ("torch.safetensors", "plain.npz", "packed.npz")]
    gw.to_onnx(gw.Sequential(gw.GRU(3, 4, rng=0), gw.Last(), gw.Dense(4, 2, rng=1)), folder / "layers.onnx")
    gw.to_onnx(gw.load(folder / "ridge.safetensors"), folder / "estimator.onnx")
    for path in sorted((GOLDEN / "onnx").glob("*.onnx")):
        shutil.copy(path, folder / path.name)
    found += [Case("onnx", path, _use_onnx) for path in sorted(folder.glob("*.onnx"))]
    for path in sorted([*GOLDEN.glob("*.h5"), *GOLDEN.glob("*.keras")]):
        shutil.copy(path, folder / path.name)
        found.append(Case("keras", folder / path.name, _use_keras))
    return found


def _use_arrays(path: Path) -> None:
    model, _ = read_model(path, None, {})
    use_layer(model)


def _use_onnx(path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = gw.from_onnx(path)
    if isinstance(model, Layer):
        use_layer(model)
    else:
        with limits.at_most(2**14, 2**26, 50_000):  # as one who does not trust the file runs it
            _tried(lambda: model.run({one.name: _input(one) for one in model.inputs}))


def _input(one: Any) -> Any:
    shape = [size if size is not None and 0 <= size < 50 else 3 for size in one.shape or (3, 3, 3)]
    dtype = np.dtype(np.float32) if one.dtype is None else one.dtype
    return np.full(shape, "a", object) if dtype.kind == "O" else np.ones(shape, dtype)


def _use_keras(path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        use_layer(gw.from_keras(path))

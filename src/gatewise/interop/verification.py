"""The same random input through both sides of a conversion, where the other side can be run here.

A framework is imported when it is asked for; what is not installed is said, and nothing is taken for granted.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gatewise.errors import Array, GatewiseError
from gatewise.interop.torch import to_torch
from gatewise.layers import LSTM, RNN, Dense, Dropout, Embedding, Last, Layer, Recurrent, Sequential, Softmax

ROWS, STEPS = 2, 7  # of the random input
TOLERANCE = 1e-5  # of the largest absolute difference, where outputs are within ±1; larger ones count relatively


class NotRun(Exception):  # noqa: N818, it is an answer and no error
    """Why a side cannot be run here."""


class Check(NamedTuple):
    """One side of a conversion beside Gatewise's own answer."""

    side: str
    by: str | None
    """What ran it; None if it was not run."""
    difference: float | None
    """Largest absolute difference of the outputs."""
    ok: bool
    reason: str | None = None
    """Why it was not run."""

    def text(self) -> str:
        """One line on it."""
        if self.by is None:
            return f"{self.side} was not run: {self.reason}"
        return f"{self.side} run by {self.by}: max |Δ| {self.difference:.1e}" + " (too large)" * (not self.ok)


def random_input(model: Any, rng: np.random.Generator) -> Array:
    """Return an input for a model: integers for an `Embedding`, else normal numbers."""
    layer = model
    while isinstance(layer, Sequential):
        layer = layer.layers[0]
    if isinstance(layer, Embedding):
        return rng.integers(0, layer.count, (ROWS, STEPS))
    width = getattr(model, "input_size" if isinstance(model, Layer) else "n_channels_in_", None)
    if width is None:
        raise NotRun(f"nothing says how many features a {type(model).__name__} takes.")
    return rng.normal(size=(ROWS, STEPS, width)).astype(model.dtype if isinstance(model, Layer) else np.float32)


def answer(model: Any, x: Array) -> Array:
    """Return what Gatewise gives: the output of a layer, probabilities or predictions of an estimator."""
    if isinstance(model, Layer):
        y: Array = model(x)[0]
        return y
    return np.asarray(model.predict_proba(x) if hasattr(model, "predict_proba") else model.predict(x))


def check(
    side: str, path: Path, model: Any, x: Array, layout: str | None, again: Callable[[], Any] | None = None
) -> Check:
    """Run the side that the file at `path` is, and compare it with Gatewise's own answer.

    Parameters
    ----------
    side : {"IN", "OUT"}
        Which it is.
    path : Path
        The file.
    model : Layer or estimator
        What the file was read as, or written from.
    x : ndarray
        The input.
    layout : str or None
        Of the arrays in the file; None if it holds a model.
    again : callable, optional
        What reads the file here; it stands in for what is Gatewise's own.
    """
    try:
        by, got, own = _run(side, path, model, x, layout, again)
    except (NotRun, GatewiseError) as error:
        return Check(side, None, None, True, str(error))
    difference = float(np.max(np.abs(got - own), initial=0.0)) if got.shape == own.shape else np.inf
    limit = TOLERANCE * max(1.0, float(np.max(np.abs(own), initial=0.0)))
    return Check(side, by, difference, bool(difference <= limit))


def _run(
    side: str, path: Path, model: Any, x: Array, layout: str | None, again: Callable[[], Any] | None
) -> tuple[str, Array, Array]:
    """What ran it, its answer, and Gatewise's."""
    ending = path.suffix.lower()
    if ending in (".keras", ".h5", ".hdf5"):
        return *_keras(path, x), answer(model, x)
    if ending == ".onnx":
        return _onnx_graph(path, x) if side == "IN" else (*_onnx_model(path, x), answer(model, x))
    if ending == ".c":
        run = importlib.import_module("gatewise.interop.c").run
        own, got = answer(model, x), np.stack([run(path, row) for row in x])
        return "the C compiler", got[..., 0] if own.ndim < got.ndim else got, own
    if ending == ".html":
        raise NotRun("a page runs in a browser; convert to .c to see the same program run.")
    if layout != "torch" and again is not None:
        return "Gatewise, read back", answer(again(), x), answer(model, x)
    if layout is None:
        raise NotRun("the file is Gatewise's own.")
    if layout != "torch":
        raise NotRun(f"arrays in layout {layout!r} are no program; the network around them is not in the file.")
    return *_torch(model, x), answer(model, x)


def framework(name: str, title: str) -> Any:
    """Return a module that may be installed; raise `NotRun` if it is not."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise NotRun(f"{title} is not installed here.") from error


def _keras(path: Path, x: Array) -> tuple[str, Array]:
    keras = framework("keras", "Keras")
    try:
        model = keras.models.load_model(path, compile=False)
        output = keras.ops.convert_to_numpy(model(x))
    except Exception as error:  # whatever another library raises is its reason
        raise NotRun(f"Keras {keras.__version__} cannot run it: {type(error).__name__}: {error}.") from error
    return f"Keras {keras.__version__}", np.asarray(output)


def _session(path: Path) -> tuple[str, Any]:
    runtime = framework("onnxruntime", "ONNX Runtime")
    try:
        return f"ONNX Runtime {runtime.__version__}", runtime.InferenceSession(str(path))
    except Exception as error:
        raise NotRun(f"ONNX Runtime {runtime.__version__} refuses the file: {error}") from error


def _onnx_model(path: Path, x: Array) -> tuple[str, Array]:
    """A file that Gatewise wrote, which takes x and perhaps lengths."""
    by, session = _session(path)
    doubles = {given.name for given in session.get_inputs() if given.type == "tensor(double)"}
    feed = {"x": x.astype(np.float64) if "x" in doubles else x, "lengths": np.full(len(x), x.shape[1])}
    outputs = [output.name for output in session.get_outputs()]
    wanted = next((name for name in ("probabilities", "prediction") if name in outputs), outputs[0])
    return by, _ran(session, [wanted], {given.name: feed[given.name] for given in session.get_inputs()})


def _ran(session: Any, outputs: list[str] | None, feed: dict[str, Array]) -> Array:
    """The first of the outputs."""
    try:
        return np.asarray(session.run(outputs, feed)[0])
    except Exception as error:
        raise NotRun(f"ONNX Runtime cannot run it: {error}") from error


def _onnx_graph(path: Path, x: Array) -> tuple[str, Array, Array]:
    """Somebody's file: the first output of ONNX Runtime and of our graph, both on the file's own inputs."""
    by, session = _session(path)
    graph = importlib.import_module("gatewise.interop.onnx").from_onnx(path, kind="graph")
    rng, feed = np.random.default_rng(0), {}
    for given in session.get_inputs():
        shape = [size if isinstance(size, int) else (ROWS, STEPS)[k % 2] for k, size in enumerate(given.shape)]
        values = np.ones(shape) if "int" in given.type else rng.normal(size=shape)
        feed[given.name] = values.astype({"float": "f4", "double": "f8", "int32": "i4"}.get(given.type[7:-1], "i8"))
    return by, _ran(session, None, feed), np.asarray(graph.run(feed)[0])


def _torch(model: Any, x: Array) -> tuple[str, Array]:
    """The same weights in modules of PyTorch."""
    torch = framework("torch", "PyTorch")
    layers = model.layers if isinstance(model, Sequential) else (model,)
    value = torch.from_numpy(x)
    with torch.no_grad():
        for layer in layers:
            value = _through(torch, layer, value)
    return f"PyTorch {torch.__version__}", value.numpy()


def _through(torch: Any, layer: Layer, value: Any) -> Any:
    """The output of the module that PyTorch has for a layer."""
    nn = torch.nn
    if isinstance(layer, Last):
        half = value.shape[-1] // 2
        last = value[:, -1]
        return torch.cat([last[:, :half], value[:, 0, half:]], -1) if layer.bidirectional else last
    if isinstance(layer, Softmax | Dropout):
        return torch.softmax(value, -1) if isinstance(layer, Softmax) else value
    state = {name: torch.from_numpy(array) for name, array in to_torch(layer).items()}
    if isinstance(layer, Embedding):
        return nn.functional.embedding(value, state["weight"])
    if isinstance(layer, Dense):
        output = nn.functional.linear(value, state["weight"], state.get("bias"))
        return getattr(torch, layer.activation)(output) if layer.activation else output
    if not isinstance(layer, Recurrent):
        raise NotRun(f"PyTorch has no {type(layer).__name__}.")
    names = ("input_size", "hidden_size", "num_layers", "bidirectional", "bias")
    options = {name: getattr(layer, name) for name in names} | {"batch_first": True}
    if isinstance(layer, RNN):
        options["nonlinearity"] = layer.nonlinearity
    kind = nn.RNN if isinstance(layer, RNN) else nn.LSTM if isinstance(layer, LSTM) else nn.GRU
    module = kind(**options).to(value.dtype)
    module.load_state_dict(state)
    return module(value)[0]

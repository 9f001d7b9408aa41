"""`to_onnx`: layers, models of layers and fitted estimators as ONNX files."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from gatewise.descriptions import describe
from gatewise.errors import GatewiseTypeError, check_dtype
from gatewise.interop.onnx.layers import States, write_layer
from gatewise.interop.onnx.package import onnx_package
from gatewise.interop.onnx.writer import Shape, Writer, steps_of
from gatewise.layers import Dense, Dropout, Embedding, Layer, Noise, Parallel, Softmax
from gatewise.layers.several import Several
from gatewise.storage import write_whole


def to_onnx(
    model: Any,
    path: str | os.PathLike[str] | None = None,
    *,
    lengths: bool | None = None,
    state: bool = False,
    dtype: DTypeLike | None = None,
) -> bytes:
    """Write a model as an ONNX file, whose batch and time axes are free.

    Parameters
    ----------
    model : Layer, RecurrentClassifier or RecurrentRegressor
        A layer, also a `Sequential` or `Parallel` of layers, or a fitted `RecurrentClassifier` or `RecurrentRegressor`.
    path : str or path, optional
        The file; it is replaced in one step. None to get the bytes only.
    lengths : bool, optional
        Whether the graph takes the lengths of the sequences. Unless given, that of an estimator does and that of a
        layer does not.
    state : bool
        Whether the graph of a layer takes initial states; without it they are zeros.
    dtype : {float32, float64}, optional
        Of what the graph of an estimator takes, float32 unless given; that of a layer takes the layer's.

    Returns
    -------
    bytes
        What the file holds.

    Raises
    ------
    GatewiseError
        If the package `onnx` is not installed, the model is not fitted, or it has a part that ONNX cannot say: the part
        is named.

    Notes
    -----
    The graph of a layer takes `x` (batch, time, input_size) in the layer's dtype, (batch, input_size) for dense layers
    alone, or int64 (batch, time) for an `Embedding`; with `lengths` int64 `lengths` (batch,), and with `state`
    `initial_hidden` (layers·directions, batch, H), of an LSTM `initial_cell` too, of a layer within a model
    `0.initial_hidden`, …. It gives `y` as the layer does, and the states after the last valid step, `final_hidden`, ….
    Dropout and noise are left out. Cells that ONNX does not know (`MinGRU` and your own) become a Scan of their
    pointwise function.

    The graph of a classifier takes `x` (batch, time, channels), NaN where a value is missing, and `lengths`, and gives
    `label` (batch,), int64 or text, and `probabilities` float32 (batch, classes); that of a regressor gives
    `prediction` float64 as `predict` does. With `output="all"` there is one for each step, NaN past each end.
    Everything is inside: scaling, gaps, downsampling, networks and their mean, and the ridge on random convolutions.
    That ridge counts steps above thresholds: of data that were rounded to float32 a step may stand on the other side of
    one, which changes a probability by some 1e-5; `dtype="float64"` keeps the data as they are.

    A `RecurrentForecaster` is refused: its forecast is a weighted mean of simple methods and exponential smoothing,
    whose states belong to the series that were fitted, of a linear path and of networks that read the calendar, and a
    graph without them would disagree with `predict`. Its `networks_` are models of layers and can be written.

    The version of the operators is opset 17. ONNX Runtime runs all of it in float32; it has no GRU, LSTM and RNN in
    float64. `gatewise.from_onnx` gives the same model of layers back, bit for bit, and a graph for an estimator.

    Examples
    --------
    >>> import tempfile, pathlib, numpy as np, gatewise as gw
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "model.onnx"
    >>> model = gw.Sequential(gw.GRU(3, 8, rng=0), gw.Last(), gw.Dense(8, 2, rng=1))
    >>> _ = gw.to_onnx(model, path, lengths=True)
    >>> x = np.ones((4, 6, 3), np.float32)
    >>> graph = gw.from_onnx(path, kind="graph")
    >>> y, _ = graph(x, np.array([6, 3, 1, 2]))
    >>> bool(np.allclose(y, model(x, lengths=[6, 3, 1, 2])[0], atol=1e-6))
    True
    """
    onnx_package()
    if isinstance(model, Layer):
        if dtype is not None and check_dtype(dtype) != model.dtype:
            raise GatewiseTypeError(f"dtype is {dtype!r} and the layer has {model.dtype}: write layer.astype(dtype).")
        proto = _of_layer(model, bool(lengths), state)
    else:
        proto = _of_estimator(model, lengths, state, check_dtype(np.float32 if dtype is None else dtype))
    content: bytes = proto.SerializeToString()
    if path is not None:
        write_whole(path, content)
    return content


def _of_layer(model: Layer, lengths: bool, state: bool) -> Any:
    description = describe(model)
    writer, states = Writer(model.dtype), States(state)
    x = writer.input("x", np.int64 if reads_integers(model) else model.dtype, _input_shape(model, lengths))
    given = writer.input("lengths", np.int64, ("batch",)) if lengths else None
    y = write_layer(writer, model, x, steps_of(writer, x, given), states)
    writer.output("y", y, model.dtype, _output_shape(model, lengths))
    for name, value, shape in states.final:
        writer.output(name, value, model.dtype, shape)
    return writer.model({"model": description})


def _of_estimator(model: Any, lengths: bool | None, state: bool, dtype: np.dtype[Any]) -> Any:
    from gatewise.interop.onnx.estimators import estimator_model

    if state:
        raise GatewiseTypeError("state=True was given for an estimator; need it for layers only: leave it out.")
    return estimator_model(model, lengths is None or lengths, dtype)


def reads_integers(layer: Layer) -> bool:
    """Whether a model begins with an embedding."""
    if not isinstance(layer, Several):
        return isinstance(layer, Embedding)
    return any(reads_integers(part) for part in (layer.layers if isinstance(layer, Parallel) else layer.layers[:1]))


def _input_shape(model: Layer, lengths: bool) -> Shape:
    """Sizes of x."""
    width = getattr(model, "input_size", None) or "features"
    if reads_integers(model):
        return ("batch", "time")
    return ("batch", width) if _is_per_element(model) and not lengths else ("batch", "time", width)


def _output_shape(model: Layer, lengths: bool) -> Shape:
    leading = ("batch", "time") if reads_integers(model) else tuple(_input_shape(model, lengths) or ())[:-1]
    width = getattr(model, "output_size", None) or "outputs"
    return (*(leading if model.keeps_time else ("batch",)), width)


def _is_per_element(layer: Layer) -> bool:
    """Whether a model treats every step as if it stood alone."""
    if isinstance(layer, Several):
        return all(_is_per_element(part) for part in layer.layers)
    return isinstance(layer, Dense | Embedding | Dropout | Noise | Softmax)

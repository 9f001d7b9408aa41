"""Fitted classifiers and regressors as ONNX graphs, with everything between the data and the answer."""

from __future__ import annotations

from typing import Any

import numpy as np

from gatewise.errors import Array, GatewiseTypeError, GatewiseValueError
from gatewise.estimators import RecurrentClassifier, RecurrentForecaster, RecurrentRegressor, builder
from gatewise.interop.onnx.convolutions import ridge_outputs
from gatewise.interop.onnx.inputs import DOUBLE, SINGLE, blocks, encoded
from gatewise.interop.onnx.layers import States, write_layer
from gatewise.interop.onnx.writer import Steps, Writer, blank, steps_of


def estimator_model(estimator: Any, lengths: bool, dtype: np.dtype[Any]) -> Any:
    """Return a fitted classifier or regressor as an onnx.ModelProto that takes x in `dtype`.

    Raises
    ------
    GatewiseError
        If it is no such estimator, is not fitted, or has labels that ONNX cannot say.
    """
    name = type(estimator).__name__
    if isinstance(estimator, RecurrentForecaster):
        raise GatewiseTypeError(FORECASTER)
    if not isinstance(estimator, RecurrentClassifier | RecurrentRegressor):
        raise GatewiseTypeError(
            f"a {name} cannot be written to ONNX; need a layer, a RecurrentClassifier or a RecurrentRegressor."
        )
    if not hasattr(estimator, "model_"):
        raise GatewiseValueError(f"this {name} is not fitted, so there is nothing to write: fit it.")
    writer = Writer(np.float32)
    x = writer.input("x", dtype, ("batch", "time", estimator.n_channels_in_))
    steps = steps_of(writer, x, writer.input("lengths", np.int64, ("batch",)) if lengths else None)
    write = _classifier if isinstance(estimator, RecurrentClassifier) else _regressor
    write(writer, estimator, encoded(writer, estimator._inputs, x, steps), steps)
    return writer.model({"estimator": name})


FORECASTER = (
    "a RecurrentForecaster cannot be written to ONNX: its forecast is a weighted mean of simple methods and "
    "exponential smoothing, whose states belong to the series that were fitted, a linear path and networks that read "
    "the calendar; a graph without them would disagree with predict. Save it with gw.save, or write one of networks_."
)


def _classifier(writer: Writer, estimator: RecurrentClassifier, x: str, steps: Steps) -> None:
    """Add the outputs label and probabilities."""
    networks, ridge = _answers(writer, estimator, x, steps)
    shares = [writer.node("Softmax", y, axis=-1) for y in networks]
    probabilities = _mixed(writer, shares, None if ridge is None else writer.node("Softmax", ridge, axis=-1), estimator)
    table = labels_of(estimator.classes_)
    best = writer.node("ArgMax", probabilities, axis=-1, keepdims=0)
    if estimator._per_step:
        best = blank(writer, best, steps, axes=2, dtype=np.int64)
        probabilities = blank(writer, probabilities, steps, np.nan, dtype=np.float64)
    shape = _shape(estimator)
    writer.output("label", writer.node("Gather", writer.weight("classes", table), best), table.dtype, shape)
    single = writer.node("Cast", probabilities, to=SINGLE)
    writer.output("probabilities", single, np.float32, (*shape, len(table)))


def _regressor(writer: Writer, estimator: RecurrentRegressor, x: str, steps: Steps) -> None:
    """Add the output prediction."""
    outputs = _mixed(writer, *_answers(writer, estimator, x, steps), estimator)
    scaled = writer.node("Mul", outputs, writer.weight("target.scale", estimator._scale))
    values = writer.node("Add", scaled, writer.weight("target.mean", estimator._mean))
    if estimator._per_step:
        values = blank(writer, values, steps, np.nan, dtype=np.float64)
    shape = _shape(estimator)
    if estimator._single:
        values = writer.node("Squeeze", values, writer.integers(-1))
    else:
        shape = (*shape, len(estimator._mean))
    writer.output("prediction", values, np.float64, shape)


def _shape(estimator: Any) -> tuple[Any, ...]:
    return ("batch", "time") if estimator._per_step else ("batch",)


def _answers(writer: Writer, estimator: Any, x: str, steps: Steps) -> tuple[list[str], str | None]:
    """Outputs of the networks, float64 each, and those of the ridge, if there are any."""
    ridge = estimator._ridge
    beside = None
    if ridge is not None:
        found = ridge_outputs(writer, ridge.path, x, steps)
        beside = writer.node("Mul", found, writer.constant(ridge.scale, np.float64))
        if ridge.share == 1:
            return [], beside
    read, fewer = blocks(writer, x, steps, estimator._downsampling, estimator._inputs.size)
    networks = builder.networks_of(estimator.model_)
    outputs = [
        write_layer(writer, network, read, fewer, States(False), f"network_{k}.") for k, network in enumerate(networks)
    ]
    return [writer.node("Cast", y, to=DOUBLE) for y in outputs], beside


def _mixed(writer: Writer, networks: list[str], ridge: str | None, estimator: Any) -> str:
    """The mean over networks, mixed with the ridge by its share."""
    if not networks:
        assert ridge is not None
        return ridge
    total = networks[0]
    for y in networks[1:]:
        total = writer.node("Add", total, y)
    if len(networks) > 1:
        total = writer.node("Div", total, writer.constant(len(networks), np.float64))
    if ridge is None:
        return total
    share = estimator._ridge.share
    parts = [
        writer.node("Mul", y, writer.constant(part, np.float64)) for y, part in ((total, 1 - share), (ridge, share))
    ]
    return writer.node("Add", *parts)


def labels_of(classes: Array) -> Array:
    """Return classes as ONNX can say them: text, int64, float64 or bool.

    Raises
    ------
    GatewiseError
        If they are a mixture, or something else.
    """
    kinds = {type(value) for value in classes.tolist()}
    for kind, dtype in ((str, object), (bool, np.bool_), (int, np.int64), (float, np.float64)):
        if kinds == {kind}:
            return np.array(classes.tolist(), dtype)
    raise GatewiseTypeError(f"the classes are {classes.tolist()}; ONNX needs all text, or all numbers of one kind.")

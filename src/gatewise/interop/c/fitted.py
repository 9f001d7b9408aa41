"""Fitted classifiers and regressors as lines of C: their scaling, their networks and the mean over these."""

from __future__ import annotations

from typing import Any

import numpy as np

from gatewise.errors import GatewiseTypeError, GatewiseValueError
from gatewise.interop.c.expressions import literal
from gatewise.interop.c.layers import add_layer, add_softmax
from gatewise.interop.c.program import Program, Value
from gatewise.layers import Parallel


def is_fitted_estimator(model: Any) -> bool:
    """Whether `model` is a fitted classifier or regressor of the library."""
    return all(hasattr(model, name) for name in ("model_", "_inputs", "_combined", "stepper"))


def labels_of(estimator: Any) -> tuple[str, ...]:
    """Return the names of the outputs: those of the classes; none of a regressor."""
    return tuple(map(str, getattr(estimator, "classes_", ())))


def networks_of(estimator: Any) -> tuple[Any, ...]:
    """Return the networks whose mean is the answer."""
    model = estimator.model_
    return model.layers if isinstance(model, Parallel) else (model,)


def described(model: Any) -> str:
    """Return the layers of a model, a line each; of an estimator those of its first network."""
    if not is_fitted_estimator(model):
        return str(model)
    networks = networks_of(model)
    said = f"the mean of {len(networks)} networks of this form:\n" if len(networks) > 1 else ""
    return f"{said}{networks[0]}"


def add_estimator(program: Program, estimator: Any, x: Value) -> Value:
    """Add a fitted classifier or regressor to a program; return probabilities, or values in the unit of y.

    Raises
    ------
    GatewiseError
        If a stream in fixed memory cannot say what the estimator does, with what to do instead.
    """
    _check(estimator)
    value = _inputs(program, estimator._inputs, x)
    networks = networks_of(estimator)
    places = map(str, range(len(networks))) if len(networks) > 1 else [""]
    outputs = [add_layer(program, network, value, place) for network, place in zip(networks, places, strict=True)]
    return _classes(program, outputs) if hasattr(estimator, "classes_") else _numbers(program, estimator, outputs)


def _check(estimator: Any) -> None:
    name, ridge = type(estimator).__name__, getattr(estimator, "_ridge", None)
    if ridge is not None:
        raise GatewiseValueError(
            f"{name} has a ridge on features of random convolutions beside its networks, with a share of "
            f"{ridge.share:.0%} in the answers; it reads whole sequences, which a stream does not have: fit with "
            f"ridge_share=0, or convert to .onnx, which has the ridge too."
        )
    factor = getattr(estimator, "_downsampling", 1)
    if factor != 1:
        raise GatewiseValueError(
            f"{name} reads means over {factor} steps, and C code answers after each; fit with downsample=1."
        )


def _inputs(program: Program, inputs: Any, x: Value) -> Value:
    """Standardized values, gaps filled with the last one seen; where the fit had gaps, said, and since when."""
    from gatewise.estimators.sequences import LIMIT

    channels, gaps = len(inputs.mean), np.flatnonzero(inputs.gaps)
    mean = program.table("mean", inputs.mean, "mean of each channel", "double")
    scale = program.table("scale", inputs.scale, "spread of each channel", "double")
    seen = program.keep("seen", inputs.size, "standardized inputs, the last that were seen")
    lines = [
        "/* inputs: standardized, cut off, and for what is missing the last value seen */",
        "for (j = 0; j < %d; ++j) {",
    ]
    lines[1] %= channels
    lines += [f"    const double z = ((double)x[j] - {mean}[j]) / {scale}[j];", "    if (z == z)"]
    limit = literal(LIMIT, "double")
    clipped = f"z < -{limit} ? -{limit} : (z > {limit} ? {limit} : z)"
    lines += [f"        {seen}[j] = ({program.real})({clipped});", "}"]
    if len(gaps):
        since = program.keep("since", len(gaps), "steps since a value was seen", "int64_t")
        program.functions.add("log")
        for k, channel in enumerate(gaps):
            known, count = f"{seen}[{channels + k}]", f"{since}[{k}]"
            yes, no = literal(1, program.real), literal(0, program.real)
            lines += [
                f"{count} = x[{channel}] == x[{channel}] ? 0 : {count} + 1;",
                f"{known} = {count} ? {no} : {yes};",
                f"{seen}[{channels + len(gaps) + k}] = {program.name}_log(({program.real})({count} + 1));",
            ]
    program.write(x, ["\n".join(lines)])
    return Value(seen, inputs.size)


def _classes(program: Program, outputs: list[Value]) -> Value:
    """The mean of the networks' probabilities."""
    size = outputs[0].size
    result = outputs[0]._replace(place=program.work("probabilities", size, "probability of each class"))
    note = f"the mean of the probabilities of {len(outputs)} network(s)"
    program.write(result, [add_softmax(program, outputs, result, note)])
    return result


def _numbers(program: Program, estimator: Any, outputs: list[Value]) -> Value:
    """The mean of the networks' outputs, in the unit of y."""
    size = outputs[0].size
    mean = program.table("target_mean", estimator._mean, "mean of each target", "double")
    scale = program.table("target_scale", estimator._scale, "spread of each target", "double")
    y = program.work("prediction", size, "prediction in the unit of the targets")
    result = Value(y, size, timeless=outputs[0].timeless)
    total = " + ".join(f"(double){output.place}[j]" for output in outputs)
    value = f"({total}) / {len(outputs)}.0 * {scale}[j] + {mean}[j]"
    line = f"for (j = 0; j < {size}; ++j)\n    {y}[j] = ({program.real})({value});"
    program.write(result, [f"/* the mean of {len(outputs)} network(s), in the unit of the targets */", line])
    return result


def check_kind(model: Any) -> None:
    """Raise, and say what is needed, if `model` is neither a layer nor a fitted estimator that C can say."""
    name = type(model).__name__
    if "Forecaster" in name:
        raise GatewiseTypeError(
            f"{name} cannot be written as C: a forecast combines networks with models of level and season that are "
            f"fitted to each series; write a layer, a RecurrentClassifier or a RecurrentRegressor."
        )
    if hasattr(model, "fit") and not hasattr(model, "model_") and hasattr(model, "hidden_size"):
        raise GatewiseValueError(f"this {name} is not fitted, so there is nothing to write: fit it.")
    raise GatewiseTypeError(
        f"model is a {name}; need a layer, such as gw.Sequential, or a RecurrentClassifier or RecurrentRegressor."
    )

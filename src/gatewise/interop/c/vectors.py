"""Inputs for the self-test of a file with the answers of the model in Python, and what rounding its weights costs."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from gatewise.errors import Array, GatewiseValueError
from gatewise.interop.c.fitted import is_fitted_estimator
from gatewise.interop.c.program import Quantized
from gatewise.interop.c.source import Vectors
from gatewise.layers import Layer
from gatewise.layers.parts import example_input, plain_layers

STEPS = 24
SMALLEST = 1e-30
EXACT = {"float": 1e-5, "double": 1e-9}
"""How far answers may be from those in Python, in units of the largest of them."""


def vectors_of(model: Any, real: str, max_steps: int | None, reference: Any = None) -> Vectors:
    """Return inputs and the answers that the file has to give; `reference` is the model with the file's weights."""
    steps = STEPS if max_steps is None else min(STEPS, max_steps)
    x = random_input(model, steps, np.float32 if real == "float" else np.float64)
    y = answers(model if reference is None else reference, x)
    exact = EXACT["float"] if y.dtype == np.float32 or is_fitted_estimator(model) else EXACT[real]
    return Vectors(x, y, exact * max(float(np.abs(y).max()), SMALLEST))


def random_input(model: Any, steps: int, dtype: Any) -> Array:
    """Return random x (steps, inputs), or whole numbers (steps, 1): the same for the same sizes."""
    rng = np.random.default_rng(0)
    if is_fitted_estimator(model):
        mean, scale, gaps = model._inputs
        known = (mean + scale * rng.standard_normal((steps, len(mean)))).astype(dtype)
        known[1::3, gaps] = np.nan
        return np.asarray(known)
    x = example_input(model, rng, (1, steps))[0]
    return np.asarray(x[:, None].astype(np.int32) if x.ndim == 1 else x.astype(dtype))


def answers(model: Any, x: Array) -> Array:
    """Return the model's output after each step of x, (steps, outputs)."""
    stream = model.stepper()
    if isinstance(model, Layer):
        whole = x.dtype.kind == "i"
        rows = [stream.step(row[0] if whole else row.astype(model.dtype)) for row in x]
    else:
        classes = hasattr(model, "classes_")
        rows = []
        for row in x:
            value = stream.step(row.astype(np.float64))
            rows.append(stream.predict_proba() if classes else value)
    y = np.array(rows).reshape(len(x), -1)
    if not np.isfinite(y).all():
        raise GatewiseValueError("the model's output for random input is not finite; need one that is: train it again.")
    return y


def rounded(model: Any) -> Any:
    """Return a copy of a model with the weights that a file with whole numbers has."""
    twin = copy.deepcopy(model)
    network = twin if isinstance(twin, Layer) else twin.model_
    for _, layer, _ in plain_layers(network):
        for name, matrix in layer.params.items():
            if name.startswith("weight"):
                layer.params[name] = Quantized.of(matrix).matrix().astype(matrix.dtype)
    return twin

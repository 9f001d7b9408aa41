"""Estimators, transformers and pipelines as descriptions and arrays, for files: no pickle, and nothing is trusted."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline

from gatewise.descriptions import params_from_json, params_to_json, under, values_from_json, values_to_json
from gatewise.errors import Array, GatewiseError, GatewiseTypeError, GatewiseValueError, check_choice
from gatewise.layers.layer import prefixed

RECURRENT = ("RecurrentClassifier", "RecurrentRegressor", "RecurrentForecaster")
PASSTHROUGH = "passthrough"
TRANSFORMERS = {
    **dict.fromkeys(("SequenceScaler", "SequencePadder", "SequenceWindower"), "gatewise.estimators"),
    **dict.fromkeys(
        ("StandardScaler", "MinMaxScaler", "MaxAbsScaler", "RobustScaler", "Normalizer"), "sklearn.preprocessing"
    ),
}
"""Transformers whose fitted state is numbers and arrays (features,), and where they are."""
OPTIONS = ("transform_input", "verbose")  # of a Pipeline; memory would be a folder of pickles
OUTPUT = "_sklearn_output_config"

Parts = tuple[dict[str, Any], dict[str, Array]]


def to_parts(model: Any) -> Parts:
    """Return what rebuilds an estimator, a transformer or a `Pipeline` of them, plain enough for JSON, and its arrays.

    Raises
    ------
    GatewiseError
        If it is none of these or not fitted; the message lists what can be saved.

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> import gatewise as gw
    >>> scaler = gw.SequenceScaler().fit(np.arange(12.0).reshape(2, 6))
    >>> description, arrays = to_parts(make_pipeline(scaler, "passthrough"))
    >>> description["type"], [step["type"] for _, step in description["steps"]], list(arrays)
    ('Pipeline', ['SequenceScaler', 'passthrough'], ['0.mean_', '0.scale_'])
    """
    name = type(model).__name__
    if type(model) is Pipeline:
        return _pipeline_parts(model)
    if name in RECURRENT and type(model) is _kind(name):
        description, arrays = model._to_parts()
        return {**description, "type": name}, arrays
    if name in TRANSFORMERS and type(model) is _kind(name):
        return _transformer_parts(model)
    raise GatewiseTypeError(f"cannot save a {name}; {_what_can_be_saved()}")


def from_parts(description: Mapping[str, Any], arrays: Mapping[str, Array]) -> Any:
    """Return the estimator, transformer or `Pipeline` that `to_parts` described."""
    described = dict(description)
    name = described.pop("type")
    if name == "Pipeline":
        return _pipeline(described, arrays)
    if name in RECURRENT:
        return _kind(name)._from_parts(described, dict(arrays))
    if name in TRANSFORMERS:
        return _transformer(name, described, arrays)
    raise GatewiseValueError(f"it describes a {name!r}; need one of {', '.join((*RECURRENT, *TRANSFORMERS))}.")


def _kind(name: str) -> Any:
    return getattr(importlib.import_module(TRANSFORMERS.get(name, "gatewise.estimators")), name)


def _what_can_be_saved() -> str:
    fitted = ", ".join((*RECURRENT, *TRANSFORMERS))
    return (
        f"need a layer of gatewise, a Sequential or Parallel of them, a fitted {fitted}, or a Pipeline "
        f"whose steps are estimators among these or {PASSTHROUGH!r}."
    )


def _pipeline_parts(pipeline: Any) -> Parts:
    if pipeline.memory is not None:
        raise GatewiseTypeError("the pipeline has memory=, a cache of its own; need none: set_params(memory=None).")
    steps: list[Any] = []
    arrays: dict[str, Array] = {}
    for number, (name, step) in enumerate(pipeline.steps):
        if step is None or step == PASSTHROUGH:
            steps.append([name, {"type": PASSTHROUGH}])
            continue
        try:
            described, own = to_parts(step)
        except GatewiseError as error:
            raise type(error)(f"step {name!r} of the pipeline: {error}") from error
        steps.append([name, described])
        arrays |= prefixed(str(number), own)
    others = {key: value for key, value in pipeline.get_params(deep=False).items() if key in OPTIONS}
    return {"type": "Pipeline", "steps": steps, "params": _plain_params(others)}, arrays


def _pipeline(described: Mapping[str, Any], arrays: Mapping[str, Array]) -> Any:
    steps = []
    for number, (name, step) in enumerate(described["steps"]):
        if not isinstance(name, str):
            raise GatewiseValueError(f"step {number} of its pipeline has the name {name!r}; need text.")
        own = under(f"{number}.", arrays)
        steps.append((name, PASSTHROUGH if step["type"] == PASSTHROUGH else from_parts(step, own)))
    if set(described["params"]) - set(OPTIONS):
        raise GatewiseValueError(f"its pipeline has {', '.join(described['params'])}; need {', '.join(OPTIONS)} only.")
    return Pipeline(steps, **params_from_json(described["params"], Pipeline))


def _transformer_parts(step: Any) -> Parts:
    fitted = {name: value for name, value in vars(step).items() if name.endswith("_") and not name.startswith("_")}
    name = type(step).__name__
    if not fitted:
        raise GatewiseValueError(f"this {name} is not fitted, so there is nothing to save: fit it.")
    names = fitted.pop("feature_names_in_", None)
    arrays = {key: value for key, value in fitted.items() if isinstance(value, np.ndarray)}
    description = {
        "type": name,
        "params": _plain_params(step.get_params(deep=False)),
        "numbers": params_to_json({key: value for key, value in fitted.items() if key not in arrays}),
        "names": None if names is None else values_to_json(names),
        "output": getattr(step, OUTPUT, None),
    }
    return description, arrays


def _transformer(name: str, described: Mapping[str, Any], arrays: Mapping[str, Array]) -> Any:
    kind = _kind(name)
    step = kind(**params_from_json(described["params"], kind))
    if hasattr(step, "_parameter_constraints"):
        step._validate_params()
    numbers = described["numbers"]
    size = numbers["n_channels_in_" if "n_channels_in_" in numbers else "n_features_in_"]
    for key, value in numbers.items():
        if not isinstance(value, int | float | None):
            raise GatewiseValueError(f"its {name} has {key} {value!r}; need a number.")
    for key, array in arrays.items():
        if array.shape != (size,) or array.dtype.kind not in "iuf":
            raise GatewiseValueError(f"its {name} has {key} {array.dtype} {array.shape}; need numbers ({size},).")
    for key, value in {**numbers, **arrays}.items():
        if not key.isidentifier() or not key.endswith("_") or key.startswith("_") or hasattr(kind, key):
            raise GatewiseValueError(f"its {name} has {key!r}; need results of a fit.")
        setattr(step, key, value)
    if described["names"] is not None:
        step.feature_names_in_ = values_from_json(described["names"])
    if described["output"] is not None:
        check_choice("transform", described["output"]["transform"], ("default", "pandas", "polars"))
        step.set_output(transform=described["output"]["transform"])
    return step


def _plain_params(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return constructor arguments as JSON can hold them; raise if it cannot."""
    described = params_to_json(params)
    for name, value in params.items():
        if value is not None and described[name] is None:
            raise GatewiseTypeError(f"cannot save {name}={value!r}; need text, numbers, booleans or lists of them.")
    return described

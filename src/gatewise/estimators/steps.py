"""Estimators, transformers and pipelines as descriptions and arrays, for files: no pickle, and nothing is trusted."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline

from gatewise import plain
from gatewise.descriptions import by_head, params_from_json, params_to_json, values_from_json, values_to_json
from gatewise.errors import Array, GatewiseError, GatewiseTypeError, GatewiseValueError
from gatewise.layers.layer import prefixed
from gatewise.limits import Limits, current

RECURRENT = ("RecurrentClassifier", "RecurrentRegressor", "RecurrentForecaster")
PASSTHROUGH = "passthrough"
TRANSFORMERS = {
    **dict.fromkeys(("SequenceScaler", "SequencePadder", "SequenceWindower"), "gatewise.estimators"),
    **dict.fromkeys(
        ("StandardScaler", "MinMaxScaler", "MaxAbsScaler", "RobustScaler", "Normalizer"), "sklearn.preprocessing"
    ),
}
"""Transformers whose fitted state is numbers and arrays (features,), and where they are."""
FITTED: dict[str, dict[str, str | None]] = {
    "SequenceScaler": {"mean_": None, "scale_": None},
    "StandardScaler": {"mean_": "with_mean", "scale_": "with_std"},
    "MinMaxScaler": {"min_": None, "scale_": None},
    "MaxAbsScaler": {"scale_": None},
    "RobustScaler": {"center_": "with_centering", "scale_": "with_scaling"},
}
"""Arrays that their `transform` reads, each with the parameter that switches it off."""
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


def from_parts(description: Any, arrays: Mapping[str, Array], limits: Limits, depth: int = 1) -> Any:
    """Return the estimator, transformer or `Pipeline` that `to_parts` described; `depth` counts pipelines in others."""
    limits.check("depth", depth, "it")
    described = dict(plain.mapping("a step", description))
    name = plain.text("a type", described.pop("type", None))
    if name == "Pipeline":
        return _pipeline(described, arrays, limits, depth)
    if name in RECURRENT:
        return _kind(name)._from_parts(described, dict(arrays), limits)
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


def _pipeline(described: Mapping[str, Any], arrays: Mapping[str, Array], limits: Limits, depth: int) -> Any:
    plain.known_keys("its pipeline", described, ("steps", "params"))
    listed = [plain.entries("a step", step, 2) for step in plain.entries("steps", described["steps"])]
    limits.check("layers", len(listed), "its pipeline")
    names = plain.texts("the names of its steps", [name for name, _ in listed])
    parts, steps = by_head(arrays), []
    for number, (_, step) in enumerate(listed):
        passed = plain.mapping("a step", step).get("type") == PASSTHROUGH
        own = parts.get(str(number), {})
        steps.append(PASSTHROUGH if passed else from_parts(step, own, limits, depth + 1))
    params = plain.known_keys("the params of its pipeline", described["params"], OPTIONS)
    if not all(isinstance(value, bool | list | None) for value in params.values()):
        raise GatewiseValueError(f"its pipeline has the params {params}; need true, false or names.")
    pipeline = Pipeline(list(zip(names, steps, strict=True)), **params_from_json(params, Pipeline))
    _check_steps(pipeline)
    return pipeline


def _check_steps(pipeline: Any) -> None:
    """Raise unless the names can be those of a pipeline, and all steps but the last transform."""
    try:
        pipeline._validate_steps()
    except (TypeError, ValueError) as error:
        raise GatewiseValueError(f"its pipeline cannot be one: {error}") from error


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
    plain.known_keys(f"its {name}", described, ("params", "numbers", "names", "output"))
    kind = _kind(name)
    step = kind(**params_from_json(described["params"], kind))
    _check_params(step)
    numbers = plain.mapping(f"the numbers of its {name}", described["numbers"])
    for key, value in numbers.items():
        plain.whole(key, value, 1) if key.endswith("_in_") else plain.optional(plain.real, key, value)
    size = numbers["n_channels_in_"] if name.startswith("Sequence") else numbers["n_features_in_"]
    check_seen({key: value for key, value in numbers.items() if key.endswith("_in_")})
    for key, array in arrays.items():
        if array.shape != (size,) or array.dtype.kind not in "iuf" or key.endswith("_in_"):
            raise GatewiseValueError(f"its {name} has {key} {array.dtype} {array.shape}; need numbers ({size},).")
    for key, switch in FITTED.get(name, {}).items():
        if key not in arrays and (switch is None or getattr(step, switch)):
            raise GatewiseValueError(f"its {name} lacks {key}: the file is damaged.")
    for key, value in {**numbers, **arrays}.items():
        if not key.isidentifier() or not key.endswith("_") or key.startswith("_") or hasattr(kind, key):
            raise GatewiseValueError(f"its {name} has {key!r}; need results of a fit.")
        setattr(step, key, value)
    if described["names"] is not None:
        step.feature_names_in_ = feature_names(described["names"], numbers["n_features_in_"])
    if described["output"] is not None:
        output = plain.known_keys("its output", described["output"], ("transform",))
        plain.one_of("transform", output.get("transform"), ("default", "pandas", "polars"))
        step.set_output(transform=output["transform"])
    return step


def _check_params(step: Any) -> None:
    """Raise unless what the constructor took is what a fit takes."""
    name = type(step).__name__
    for key, value in step.get_params(deep=False).items():
        check, *bounds = PARAMS.get((name, key), (plain.flag,))
        check(f"{key} of its {name}", value, *bounds)
    if hasattr(step, "_parameter_constraints"):
        try:
            step._validate_params()
        except ValueError as error:
            raise GatewiseValueError(f"its {name}: {error}") from error


def _length(name: str, value: Any) -> None:
    """A number of steps of what is transformed: as many as a transformer writes for each row."""
    plain.optional(plain.whole, name, value, 1, current().steps)


def _pair(name: str, value: Any) -> None:
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise GatewiseValueError(f"{name} is {value!r}; need two numbers.")
    for part in value:
        plain.real(name, part)


PARAMS: dict[tuple[str, str], Any] = {
    ("SequencePadder", "length"): (_length,),
    ("SequencePadder", "value"): (plain.any_number,),
    ("SequenceWindower", "window"): (_length,),
    ("MinMaxScaler", "feature_range"): (_pair,),
    ("RobustScaler", "quantile_range"): (_pair,),
    ("Normalizer", "norm"): (plain.text,),
}
"""How their parameters are checked; all others are true or false."""


def check_seen(seen: Mapping[str, Any]) -> None:
    """Raise unless what a fit has seen goes together: a table has one channel, and its steps are its features."""
    channels, features, steps = (seen.get(name) for name in ("n_channels_in_", "n_features_in_", "n_steps_in_"))
    if features is None or (steps is None and channels not in (None, features)):
        raise GatewiseValueError(f"what it has seen does not fit together: {dict(seen)}.")
    if steps is not None and (steps, 1) != (features, channels):
        raise GatewiseValueError(f"what it has seen does not fit together: {dict(seen)}.")


def feature_names(described: Any, count: int | None) -> Array:
    """Return the names of `count` features that `values_to_json` described, as scikit-learn keeps them."""
    names = values_from_json(described)
    if len(names) != count or not all(isinstance(name, str) for name in names):
        raise GatewiseValueError(f"it has {len(names)} names of features; need {count}, all of them text.")
    return names.astype(object)


def _plain_params(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return constructor arguments as JSON can hold them; raise if it cannot."""
    described = params_to_json(params)
    for name, value in params.items():
        if value is not None and described[name] is None:
            raise GatewiseTypeError(f"cannot save {name}={value!r}; need text, numbers, booleans or lists of them.")
    return described

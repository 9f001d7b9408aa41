"""Models in one safetensors file: the arrays, and as metadata the JSON that rebuilds the model. No pickle.

What is not a layer takes part with two methods: `_to_parts() -> (description, arrays)`, the description plain enough
for JSON, and the classmethod `_from_parts(description, arrays)`, which rebuilds it and trusts neither.
"""

from __future__ import annotations

import inspect
import json
import math
import os
import tempfile
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from gatewise import layers
from gatewise.errors import Array, GatewiseError, GatewiseTypeError, GatewiseValueError, check_names, check_number
from gatewise.layers import Layer, Parallel, Sequential

FORMAT = "gatewise-1"
_T = TypeVar("_T")
_WEIGHTLESS = ("Dropout", "Last", "Noise", "Pool")
_TYPES = {name: getattr(layers, name) for name in ("GRU", "LSTM", "RNN", "Dense", "Embedding", *_WEIGHTLESS)}
_CONTAINERS = {"Sequential": Sequential, "Parallel": Parallel}

_SIZES = {"Dense": ("input_size", "output_size"), "Embedding": ("count", "size")}
_RECURRENT_SIZES = ("input_size", "hidden_size", "num_layers")

# Where what is not a layer is imported from, once a file asks for it.
_ESTIMATORS = {
    "RecurrentClassifier": "gatewise.estimators",
    "RecurrentRegressor": "gatewise.estimators",
    "RecurrentForecaster": "gatewise.estimators",
}
_UNREADABLE = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError)


def save(model: Any, path: str | os.PathLike[str], *, info: Mapping[str, Any] | None = None) -> None:
    """Write a layer, a `Sequential` or a fitted estimator to one safetensors file.

    Parameters
    ----------
    model : Layer or estimator
        What to write. Layers and subclasses of your own cannot be rebuilt from a file and are refused.
    path : str or path
        The file. It is replaced in one step: a full disk or a killed process leaves the old file whole.
    info : mapping, optional
        Anything JSON can hold, kept beside the model and given back by `read_info`.

    Raises
    ------
    GatewiseError
        If the model holds a layer of another package or is an estimator without a fit, JSON cannot hold `info`, or
        the file cannot be written.

    Examples
    --------
    >>> import tempfile, pathlib, gatewise as gw
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "model.safetensors"
    >>> gw.save(gw.GRU(3, 4, rng=0), path)
    >>> gw.load(path).hidden_size
    4
    """
    from safetensors.numpy import save as to_bytes

    try:
        described = json.dumps(dict(info or {}))
    except (TypeError, ValueError, RecursionError) as error:
        raise GatewiseTypeError(
            f"info cannot be written as JSON ({error}); need numbers, text, lists, dicts."
        ) from error
    description, arrays = _to_parts(model)
    header = {"format": FORMAT, "model": json.dumps(description), "info": described}
    arrays = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    write_whole(path, to_bytes(arrays, metadata=header))


def load(path: str | os.PathLike[str]) -> Any:
    """Read a model that `save` wrote.

    Parameters
    ----------
    path : str or path
        The file.

    Returns
    -------
    Layer or estimator
        Of the same type, options, dtype and weights.

    Raises
    ------
    GatewiseError
        If the file is absent, is no safetensors file, was not written by Gatewise, or does not fit its own header.

    Examples
    --------
    >>> import tempfile, pathlib, numpy as np, gatewise as gw
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "model.safetensors"
    >>> dense = gw.Dense(3, 2, "tanh", rng=0)
    >>> gw.save(dense, path)
    >>> model = gw.load(path)
    >>> model, bool((model.params["weight"] == dense.params["weight"]).all())
    (Dense(input_size=3, output_size=2, activation='tanh', bias=True, dtype='float32'), True)
    """
    arrays, header = _read(path)
    try:
        return _from_parts(json.loads(header["model"]), arrays)
    except GatewiseError as error:
        raise type(error)(f"{path}: {error}") from error
    except _UNREADABLE as error:
        raise GatewiseValueError(f"{path}: its description of the model cannot be read ({error!r}).") from error


def read_info(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the `info` that was given to `save`.

    Examples
    --------
    >>> import tempfile, pathlib, gatewise as gw
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "model.safetensors"
    >>> gw.save(gw.GRU(3, 4, rng=0), path, info={"trained": "2025-01-31"})
    >>> read_info(path)
    {'trained': '2025-01-31'}
    """
    _, header = _read(path)
    try:
        return dict(json.loads(header.get("info", "{}")))
    except (ValueError, TypeError, RecursionError) as error:
        raise GatewiseValueError(f"{path}: its info cannot be read ({error!r}).") from error


def write_whole(path: str | os.PathLike[str], content: bytes) -> None:
    """Write a file through a temporary one beside it, so that `path` is either the old file or the whole new one."""
    path = Path(path)
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise GatewiseValueError(f"cannot write {path}: {error.strerror or error}.") from error
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except BaseException as error:
        Path(temporary).unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise GatewiseValueError(f"cannot write {path}: {error.strerror or error}.") from error
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _read(path: str | os.PathLike[str]) -> tuple[dict[str, Any], dict[str, str]]:
    from safetensors import SafetensorError, safe_open

    if Path(path).is_dir():
        raise GatewiseValueError(f"{path} is a directory; need a file written by gatewise.save.")
    try:
        with safe_open(os.fspath(path), framework="numpy") as file:
            header = file.metadata() or {}
            _check_format(path, header)
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except GatewiseError:
        raise
    except (OSError, SafetensorError, TypeError, AttributeError) as error:
        raise GatewiseValueError(f"cannot read {path} as a safetensors file: {error}.") from error
    return arrays, header


def _check_format(path: str | os.PathLike[str], header: Mapping[str, str]) -> None:
    found = header.get("format")
    if found != FORMAT:
        raise GatewiseValueError(f"{path} has format {found!r}; need {FORMAT!r}, a file written by gatewise.save.")


def _to_parts(model: Any) -> tuple[dict[str, Any], dict[str, Array]]:
    name = type(model).__name__
    if name in _ESTIMATORS and getattr(import_module(_ESTIMATORS[name]), name, None) is type(model):
        description, arrays = model._to_parts()
        return {**description, "type": name}, arrays
    return describe(model), dict(model.params)


def _from_parts(description: dict[str, Any], arrays: dict[str, Array]) -> Any:
    name = description["type"]
    if isinstance(name, str) and name in _ESTIMATORS:
        kind = getattr(import_module(_ESTIMATORS[name]), name)
        return kind._from_parts({key: value for key, value in description.items() if key != "type"}, arrays)
    return rebuild(description, arrays)


def describe(layer: Any) -> dict[str, Any]:
    """Return what rebuilds a layer or `Sequential` but for its weights, plain enough for JSON.

    Examples
    --------
    >>> import gatewise as gw
    >>> describe(gw.Last())
    {'type': 'Last', 'bidirectional': False}
    """
    name = type(layer).__name__
    if isinstance(layer, Sequential | Parallel) and _CONTAINERS.get(name) is type(layer):
        return {"type": name, "layers": [describe(part) for part in layer.layers]}
    if _TYPES.get(name) is not type(layer):
        raise GatewiseTypeError(f"cannot save a {name}; need one of {', '.join(_TYPES)} or a Sequential of them.")
    return {"type": name, **layer.config()}


def rebuild(description: dict[str, Any], arrays: Mapping[str, Array]) -> Layer:
    """Return the layer that `describe` described, with `arrays` as its `params`.

    Examples
    --------
    >>> import gatewise as gw
    >>> dense = gw.Dense(3, 4, rng=0)
    >>> rebuild(describe(dense), dense.params)
    Dense(input_size=3, output_size=4, activation=None, bias=True, dtype='float32')
    """
    model = _build(description, {name: array.size for name, array in arrays.items()})
    check_names("it", arrays, model.params)
    model.params.update(arrays)
    return model


def _build(description: dict[str, Any], sizes: Mapping[str, int]) -> Layer:
    """Build a described layer; `sizes` counts the numbers in each array of the file that belongs to it."""
    options = dict(description)
    name = options.pop("type")
    if isinstance(name, str) and name in _CONTAINERS:
        return _CONTAINERS[name](*(_build(part, under(f"{i}.", sizes)) for i, part in enumerate(options["layers"])))
    if name not in _TYPES:
        raise GatewiseValueError(f"it describes a layer of type {name!r}; need one of {', '.join(_TYPES)}.")
    _check_weight_count(name, options, sum(sizes.values()))
    layer: Layer = _TYPES[name](**options)
    return layer


def under(prefix: str, entries: Mapping[str, _T]) -> dict[str, _T]:
    """Return the entries whose names begin with `prefix`, without it.

    Examples
    --------
    >>> under("0.", {"0.weight": 6, "1.weight": 2})
    {'weight': 6}
    """
    return {name.removeprefix(prefix): entry for name, entry in entries.items() if name.startswith(prefix)}


def _check_weight_count(name: str, options: Mapping[str, Any], count: int) -> None:
    """Raise, before anything is allocated, if a layer of these sizes has more weights than the file holds."""
    if name in _WEIGHTLESS:
        return
    for option in _SIZES.get(name, _RECURRENT_SIZES):
        check_number(option, options[option], 1, integer=True)
    if name in _SIZES:
        least = math.prod(options[option] for option in _SIZES[name])
    else:
        D, H, layers = (options[option] for option in _RECURRENT_SIZES)
        least = H * (D + layers * H)
    if least > count:
        raise GatewiseValueError(f"it describes a {name} of at least {least} weights and holds {count} for it.")


def values_to_json(values: Array) -> dict[str, Any]:
    """Return a one-dimensional array of text, numbers or booleans as JSON can hold it.

    Raises
    ------
    GatewiseError
        If it holds anything else.

    Examples
    --------
    >>> values_from_json(values_to_json(np.array(["sit", "walk"])))
    array(['sit', 'walk'], dtype='<U4')
    """
    dtype = values.dtype
    listed = values.tolist()
    if dtype.kind not in "biufUO" or not all(isinstance(v, str | int | float | bool | None) for v in listed):
        raise GatewiseTypeError(f"cannot save {values!r}; need text, numbers or booleans: encode them before the fit.")
    return {"dtype": dtype.kind if dtype.kind in "UO" else dtype.name, "values": listed}


def values_from_json(described: dict[str, Any]) -> Array:
    """Return the array that `values_to_json` described.

    Examples
    --------
    >>> values_from_json({"dtype": "int64", "values": [3, 5]})
    array([3, 5])
    """
    name, values = described["dtype"], described["values"]
    if not isinstance(values, list) or not all(isinstance(v, str | int | float | bool | None) for v in values):
        raise GatewiseValueError("it holds labels that are neither text nor numbers.")
    if not isinstance(name, str) or (name not in ("U", "O", "bool") and np.dtype(name).kind not in "iuf"):
        raise GatewiseValueError(f"it holds labels of dtype {name!r}; need text, numbers or booleans.")
    return np.array(values, dtype=name)


def params_to_json(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return constructor arguments as JSON can hold them; what it cannot, such as a Generator, becomes None.

    Examples
    --------
    >>> params_to_json({"cell": "gru", "quantiles": (0.1, 0.9), "class_weight": {1: 2.0}, "random_state": object()})
    {'cell': 'gru', 'quantiles': {'tuple': [0.1, 0.9]}, 'class_weight': {'dict': [[1, 2.0]]}, 'random_state': None}
    """
    return {name: _plain(value) for name, value in params.items()}


def params_from_json(described: Mapping[str, Any], kind: type) -> dict[str, Any]:
    """Return the arguments that `params_to_json` described; raise if the constructor of `kind` has no such name.

    Examples
    --------
    >>> params_from_json({"p": {"tuple": [0.5, [1, None]]}}, type("Kind", (), {"__init__": lambda self, p: None}))
    {'p': (0.5, [1, None])}
    """
    known = inspect.signature(kind).parameters
    unknown = [name for name in described if name not in known]
    if unknown:
        raise GatewiseValueError(f"it has unknown {', '.join(unknown)}; need arguments of {kind.__name__}.")
    return {name: _from_plain(value) for name, value in described.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, tuple | list):
        parts = [_plain(part) for part in value]
        return {"tuple": parts} if isinstance(value, tuple) else parts
    if isinstance(value, Mapping):
        return {"dict": [[_plain(key), _plain(part)] for key, part in value.items()]}
    return value if isinstance(value, str | int | float | bool) else None


def _from_plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_from_plain(part) for part in value]
    if not isinstance(value, dict):
        return value
    if "tuple" in value:
        return tuple(_from_plain(part) for part in value["tuple"])
    return {_from_plain(key): _from_plain(part) for key, part in value["dict"]}

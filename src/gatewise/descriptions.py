"""What rebuilds a layer or an estimator, plain enough for JSON; what is read back is not trusted."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np

from gatewise import layers
from gatewise.cells import Cell
from gatewise.errors import Array, GatewiseTypeError, GatewiseValueError, check_names, check_number
from gatewise.layers import OWN, RECURRENT, Layer, Parallel, Sequential
from gatewise.layers.stack import Recurrent

_T = TypeVar("_T")
_WEIGHTLESS = ("Dropout", "Last", "Noise", "Pool", "Reverse", "Softmax")
_TYPES: dict[str, Any] = {layer.__name__: layer for layer in RECURRENT.values()}
_TYPES |= {name: getattr(layers, name) for name in ("Dense", "Embedding", "HardGRU", "HardLSTM", *_WEIGHTLESS)}
_CONTAINERS = {"Sequential": Sequential, "Parallel": Parallel}
_SIZES = {"Dense": ("input_size", "output_size"), "Embedding": ("count", "size")}
_RECURRENT_SIZES = ("input_size", "hidden_size", "num_layers")


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
    if OWN.get(name) is type(layer):
        return {"type": name, "cell": _cell_to_json(layer.cell), **layer.config()}
    if _TYPES.get(name) is not type(layer):
        kinds = ", ".join(_TYPES)
        raise GatewiseTypeError(
            f"cannot save a {name}; need one of {kinds}, a layer of the latest gw.define_cell of its name, or a "
            f"Sequential of them."
        )
    return {"type": name, **layer.config()}


def is_layer(description: Mapping[str, Any]) -> bool:
    """Whether a description is that of a layer; if not, it may be that of an estimator.

    Examples
    --------
    >>> is_layer({"type": "Last"}), is_layer({"type": "Pipeline"})
    (True, False)
    """
    name = description["type"]
    return "cell" in description or (isinstance(name, str) and name in {*_TYPES, *_CONTAINERS})


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
    kind = _own_class(name, options.pop("cell")) if "cell" in options else _TYPES.get(name)
    if kind is None:
        raise GatewiseValueError(f"it describes a layer of type {name!r}; need one of {', '.join(_TYPES)}.")
    _check_weight_count(kind, options, sum(sizes.values()))
    layer: Layer = kind(**options)
    return layer


def _cell_to_json(cell: Cell) -> dict[str, Any]:
    """What two definitions of a user's cell have in common if weights of one fit the other."""
    return {
        "gates": list(cell.gates),
        "states": list(cell.states),
        "recurrent": cell.recurrent,
        "recurrent_bias": cell.recurrent_bias,
    }


def _own_class(name: str, described: dict[str, Any]) -> type[Recurrent]:
    """Return the layer class of a user's cell; raise unless it is defined here as the file describes it."""
    wanted = ", ".join(f"{option}={value!r}" for option, value in described.items())
    if name not in OWN:
        raise GatewiseValueError(
            f"it holds a layer of the cell {name!r}, which is not defined here; need it as it was when the file was "
            f"written: call gw.define_cell({name!r}, {wanted}, forward=..., backward=...) before the file is loaded."
        )
    here = _cell_to_json(OWN[name].cell)
    if here != described:
        defined = ", ".join(f"{option}={value!r}" for option, value in here.items())
        raise GatewiseValueError(
            f"it holds a layer of the cell {name!r} with {wanted}, and the one defined here has {defined}; need the "
            f"same: define the cell as it was when the file was written."
        )
    return OWN[name]


def under(prefix: str, entries: Mapping[str, _T]) -> dict[str, _T]:
    """Return the entries whose names begin with `prefix`, without it.

    Examples
    --------
    >>> under("0.", {"0.weight": 6, "1.weight": 2})
    {'weight': 6}
    """
    return {name.removeprefix(prefix): entry for name, entry in entries.items() if name.startswith(prefix)}


def _check_weight_count(kind: Any, options: Mapping[str, Any], count: int) -> None:
    """Raise, before anything is allocated, if a layer of these sizes has more weights than the file holds."""
    name = kind.__name__
    if name in _WEIGHTLESS:
        return
    for option in _SIZES.get(name, _RECURRENT_SIZES):
        check_number(option, options[option], 1, integer=True)
    if name in _SIZES:
        least = math.prod(options[option] for option in _SIZES[name])
    else:
        D, H, layers = (options[option] for option in _RECURRENT_SIZES)
        least = H * D + H * H * (2 * layers - 1 if _has_recurrent_weights(kind) else layers - 1)
    if least > count:
        raise GatewiseValueError(f"it describes a {name} of at least {least} weights and holds {count} for it.")


def _has_recurrent_weights(kind: type[Recurrent]) -> bool:
    return all(cell.recurrent for cell in kind.choices.values() or (kind.cell,))


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

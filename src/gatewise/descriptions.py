"""What rebuilds a layer or an estimator, plain enough for JSON; what is read back is not trusted."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np

from gatewise import layers, plain
from gatewise.cells import Cell
from gatewise.errors import Array, GatewiseTypeError, GatewiseValueError, check_names
from gatewise.layers import OWN, RECURRENT, Layer, Parallel, Sequential
from gatewise.layers.stack import Recurrent
from gatewise.limits import Limits, current

_T = TypeVar("_T")
_WEIGHTLESS = ("Dropout", "Last", "Noise", "Pool", "Reverse", "Softmax")
_TYPES: dict[str, Any] = {layer.__name__: layer for layer in RECURRENT.values()}
_TYPES |= {name: getattr(layers, name) for name in ("Dense", "Embedding", "HardGRU", "HardLSTM", *_WEIGHTLESS)}
_CONTAINERS = {"Sequential": Sequential, "Parallel": Parallel}
_NUMBERS = [*(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)), "float16", "float32", "float64"]
_DEEPEST = 8  # of an argument's lists within lists
_SIZES = {"Dense": ("input_size", "output_size"), "Embedding": ("count", "size")}


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


def rebuild(description: Any, arrays: Mapping[str, Array], limits: Limits | None = None) -> Layer:
    """Return the layer that `describe` described, with `arrays` as its `params`.

    Raises
    ------
    GatewiseError
        If the description is none, does not fit the arrays or is beyond the limits (those in force if None), or the
        arrays hold NaN or infinity.

    Examples
    --------
    >>> import gatewise as gw
    >>> dense = gw.Dense(3, 4, rng=0)
    >>> rebuild(describe(dense), dense.params)
    Dense(input_size=3, output_size=4, activation=None, bias=True, dtype='float32')
    """
    model = _Builder(limits or current()).built(description, {name: one.size for name, one in arrays.items()}, 1)
    check_names("it", arrays, model.params)
    plain.check_weights(arrays)
    model.params.update(arrays)
    return model


class _Builder:
    """Builds described layers, and counts them."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._count = 0

    def built(self, description: Any, sizes: Mapping[str, int], depth: int) -> Layer:
        """Build a layer; `sizes` counts the numbers in each array of the file that belongs to it."""
        self._count += 1
        self._limits.check("layers", self._count, "it")
        self._limits.check("depth", depth, "it")
        options = dict(plain.mapping("a layer", description))
        name = plain.text("the type of a layer", options.pop("type", None))
        if name in _CONTAINERS:
            plain.known_keys(name, options, ("layers",))
            inner, parts = plain.entries("layers", options.get("layers")), by_head(sizes)
            return _CONTAINERS[name](
                *(self.built(part, parts.get(str(i), {}), depth + 1) for i, part in enumerate(inner))
            )
        kind = _own_class(name, plain.mapping("cell", options.pop("cell"))) if "cell" in options else _TYPES.get(name)
        if kind is None:
            raise GatewiseValueError(f"it describes a layer of type {name!r}; need one of {', '.join(_TYPES)}.")
        _check_options(kind, options, sizes, self._limits)
        layer: Layer = kind(**options)
        return layer


def by_head(entries: Mapping[str, _T]) -> dict[str, dict[str, _T]]:
    """Return entries under what stands before the first point of their names, and there under the rest.

    Examples
    --------
    >>> by_head({"0.weight": 6, "1.weight": 2, "1.bias": 3})
    {'0': {'weight': 6}, '1': {'weight': 2, 'bias': 3}}
    """
    parts: dict[str, dict[str, _T]] = {}
    for name, entry in entries.items():
        head, _, rest = name.partition(".")
        parts.setdefault(head, {})[rest] = entry
    return parts


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


def _check_options(kind: Any, options: dict[str, Any], sizes: Mapping[str, int], limits: Limits) -> None:
    """Raise, before anything is allocated, unless options are of the right types and no larger than the arrays allow.

    What they mean, the constructor of the layer checks.
    """
    name = kind.__name__
    known = plain.known_keys(name, options, _constructor_arguments(kind))
    for option, value in known.items():
        check = _OPTIONS.get(option)
        if check is not None:
            check(f"{option} of a {name}", value)
    if name == "Pool":
        limits.check("steps", known.get("parts", 1), "it")
    if name not in _WEIGHTLESS:
        _check_weight_count(kind, known, sizes)


def _constructor_arguments(kind: type) -> list[str]:
    """Names that a constructor takes; those of its base that it hands on, too."""
    own = inspect.signature(kind).parameters
    hands_on = any(one.kind is inspect.Parameter.VAR_KEYWORD for one in own.values())
    return [*own, *(inspect.signature(Recurrent).parameters if hands_on else ())]


def _size(name: str, value: Any) -> int:
    return plain.whole(name, value, 1)


_OPTIONS: dict[str, Any] = {
    **dict.fromkeys(("input_size", "hidden_size", "output_size", "num_layers", "count", "size", "parts"), _size),
    **dict.fromkeys(("bidirectional", "bias", "variational"), plain.flag),
    **dict.fromkeys(("dropout", "p", "std"), plain.real),
    **dict.fromkeys(("dtype", "tape", "reset", "nonlinearity", "slope", "init"), plain.text),
    "activation": lambda name, value: plain.optional(plain.text, name, value),
    "kinds": plain.texts,
    "rng": lambda name, value: plain.one_of(name, value, ()),
}
"""How the options of layers that a file names are checked."""


def _check_weight_count(kind: Any, options: Mapping[str, Any], sizes: Mapping[str, int]) -> None:
    """Raise, before anything is allocated, if a layer of these sizes has more weights than the file holds."""
    name, count = kind.__name__, sum(sizes.values())
    lacking = [option for option in _SIZES.get(name, ("input_size", "hidden_size")) if option not in options]
    if lacking:
        raise GatewiseValueError(f"it describes a {name} without {lacking[0]}.")
    if name in _SIZES:
        least = math.prod(options[option] for option in _SIZES[name])
    else:
        D, H, layers = options["input_size"], options["hidden_size"], options.get("num_layers", 1)
        least = _least_weights(kind, D, H, layers, 1 + bool(options.get("bidirectional")))
    if least > count:
        raise GatewiseValueError(f"it describes a {name} of at least {least} weights and holds {count} for it.")
    if options.get("num_layers", 1) > len(sizes):
        raise GatewiseValueError(f"it describes a {name} of {options['num_layers']} layers and holds too few arrays.")


def _least_weights(kind: type[Recurrent], D: int, H: int, layers: int, directions: int) -> int:
    """Weights of a stack without its biases."""
    cells: Any = kind.choices.values() or (kind.cell,)
    rows = directions * H * min(len(cell.gates) for cell in cells)
    recurrent = H * layers if all(cell.recurrent for cell in cells) else 0
    return rows * (D + directions * H * (layers - 1) + recurrent)


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
    described = plain.known_keys("an array", described, ("dtype", "values"))
    name, values = plain.text("a dtype", described.get("dtype")), plain.entries("values", described.get("values"))
    if name not in ("U", "O", "bool", *_NUMBERS):
        raise GatewiseValueError(f"it holds labels of dtype {name!r}; need text, numbers or booleans.")
    for value in values:
        _check_label(name, value)
    if name == "U":
        longest = max((len(value) for value in values), default=0)
        current().check_unpacked(4 * longest * len(values), sum(map(len, values)), "an array of text")
    return np.array(values, dtype=name)


def _check_label(dtype: str, value: Any) -> None:
    if dtype == "O":
        plain.scalar("a label", value)
    elif dtype in ("U", "bool"):
        (plain.text if dtype == "U" else plain.flag)("a label", value)
    elif np.dtype(dtype).kind == "f":
        plain.any_number("a label", value)
    else:
        bounds = np.iinfo(dtype)
        plain.whole("a label", value, int(bounds.min), int(bounds.max))


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
    unknown = [name for name in plain.mapping("params", described) if name not in known]
    if unknown:
        raise GatewiseValueError(f"it has unknown {', '.join(unknown)}; need arguments of {kind.__name__}.")
    return {name: _from_plain(value, _DEEPEST) for name, value in described.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, tuple | list):
        parts = [_plain(part) for part in value]
        return {"tuple": parts} if isinstance(value, tuple) else parts
    if isinstance(value, Mapping):
        return {"dict": [[_plain(key), _plain(part)] for key, part in value.items()]}
    return value if isinstance(value, str | int | float | bool) else None


def _from_plain(value: Any, depth: int) -> Any:
    if not isinstance(value, dict | list):
        return value
    if not depth:
        raise GatewiseValueError("it has an argument that is nested too deep.")
    if isinstance(value, list):
        return [_from_plain(part, depth - 1) for part in value]
    if len(value) != 1:
        raise GatewiseValueError(f"it has an argument with {', '.join(map(repr, value))}; need a tuple or a dict.")
    if "tuple" in value:
        return tuple(_from_plain(part, depth - 1) for part in plain.entries("a tuple", value["tuple"]))
    pairs = [plain.entries("an entry", pair, 2) for pair in plain.entries("a dict", value.get("dict"))]
    return {plain.scalar("a key", key): _from_plain(part, depth - 1) for key, part in pairs}

"""A state as one flat dict: numbers, and arrays under `part/key`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gatewise.errors import Array, GatewiseTypeError, GatewiseValueError, check_array, check_finite, check_names

Parts = dict[str, dict[str, Any]]


def joined(numbers: Mapping[str, Any], parts: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return one dict of the numbers and of each part's entries, copied, under `part/key`.

    Examples
    --------
    >>> joined({"epoch": 2}, {"model": {"0.bias": np.zeros(1)}})
    {'epoch': 2, 'model/0.bias': array([0.])}
    """
    entries = {f"{part}/{key}": value for part, values in parts.items() for key, value in values.items()}
    return dict(numbers) | {k: value.copy() if isinstance(value, np.ndarray) else value for k, value in entries.items()}


def separated(state: Any, names: Sequence[str]) -> tuple[dict[str, Any], Parts]:
    """Return the numbers of a state, and the parts of these names; the inverse of `joined`."""
    if not isinstance(state, Mapping):
        raise GatewiseTypeError(f"state is a {type(state).__name__}; need what state_dict() returned.")
    parts: Parts = {name: {} for name in names}
    numbers: dict[str, Any] = {}
    for entry, value in state.items():
        part, _, key = entry.partition("/")
        if key and part in parts:
            parts[part][key] = value
        else:
            numbers[entry] = value
    return numbers, parts


def check_weights(what: str, arrays: Mapping[str, Any], params: Mapping[str, Array]) -> None:
    """Raise unless arrays have the names, shapes and dtypes of a model's parameters, and finite numbers."""
    check_names("state", arrays, params)
    for name, entry in params.items():
        check_finite(f"{what} {name}", check_array(f"{what} {name}", arrays[name], entry.shape, entry.dtype))


def check_optimizer(state: Mapping[str, Any], params: Mapping[str, Array]) -> None:
    """Raise unless the buffers of an optimizer's state are of a model's parameters, and their numbers are finite."""
    for key, value in state.items():
        name, _, part = key.rpartition("/")
        if name and name not in params:
            raise GatewiseValueError(f"optimizer has {part} of {name!r}; need those of {', '.join(params)}.")
        if isinstance(value, np.ndarray) and value.ndim:
            check_finite(
                f"optimizer {key}", check_array(f"optimizer {key}", value, params[name].shape, params[name].dtype)
            )


def floats(name: str, values: Any) -> list[float]:
    """Return numbers (n,) as a list; raise unless they are finite."""
    array = np.asarray(values)
    if array.ndim != 1 or array.dtype.kind not in "fiu":
        raise GatewiseValueError(
            f"{name} of the state has shape {array.shape} and dtype {array.dtype}; need numbers (n,)."
        )
    check_finite(name, array)
    return [float(value) for value in array]


def records(values: Any) -> list[dict[str, Any]]:
    """Return copies of the records of a history; raise unless each is a dict with a loss."""
    if not isinstance(values, list) or not all(isinstance(v, dict) and _is_number(v.get("loss")) for v in values):
        raise GatewiseValueError(
            "history of the state is no list of records with a loss; need what state_dict() returned."
        )
    return [dict(value) for value in values]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)


def plain(tree: Any) -> Any:
    """Return the state of a bit generator with lists in place of arrays; it can be set as it is.

    Examples
    --------
    >>> rng = np.random.Generator(np.random.Philox(3))
    >>> state = plain(rng.bit_generator.state)
    >>> expected = rng.random()
    >>> rng.bit_generator.state = state
    >>> rng.random() == expected
    True
    """
    if isinstance(tree, Mapping):
        return {key: plain(value) for key, value in tree.items()}
    return tree.tolist() if isinstance(tree, np.ndarray | np.generic) else tree

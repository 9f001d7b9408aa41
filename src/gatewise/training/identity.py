"""What tells one training from another: settings as text, data as digests, and how two trainings differ."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from functools import partial
from typing import Any

import numpy as np

from gatewise.errors import Array, GatewiseTypeError
from gatewise.layers import Layer
from gatewise.layers.parts import plain_layers
from gatewise.training.state import plain

ABSENT = "absent"
MOST_SHOWN = 4  # differences that an error names
LONGEST = 100  # characters of a value that an error shows


def described(value: Any) -> str:
    """Return a text that is the same in every process, and differs for what is called or set otherwise.

    Functions are told by their names, other objects without a `repr` of their own by their types.

    Examples
    --------
    >>> from gatewise.losses import pinball
    >>> described(partial(pinball, quantiles=(0.1, 0.9)))
    'partial(gatewise.losses.pinball, quantiles=(0.1, 0.9))'
    """
    if isinstance(value, partial):
        parts = [described(value.func), *map(described, value.args)]
        parts += [f"{name}={described(option)}" for name, option in value.keywords.items()]
        return f"partial({', '.join(parts)})"
    if isinstance(value, np.ndarray):
        return digest(value)
    if is_dataclass(value) and not isinstance(value, type):
        parts = [f"{field.name}={described(getattr(value, field.name))}" for field in fields(value)]
        return f"{type(value).__name__}({', '.join(parts)})"
    if hasattr(value, "__qualname__"):
        module = re.sub(r"^(gatewise\.losses)\..*", r"\1", value.__module__)  # where it stands there may change
        return f"{module}.{value.__qualname__}"
    text = repr(value)
    return f"{type(value).__module__}.{type(value).__qualname__}" if " at 0x" in text else text


def described_model(model: Layer) -> str:
    """Return the layers of a model with their options, without their weights.

    Examples
    --------
    >>> import gatewise as gw
    >>> described_model(gw.Sequential(gw.GRU(1, 8, rng=0), gw.Dense(8, 1, rng=1)))
    '0.GRU(input_size=1, hidden_size=8), 1.Dense(input_size=8, output_size=1)'
    """
    return ", ".join(f"{prefix}{layer}" for prefix, layer, _ in plain_layers(model))


def digest(array: Array | None) -> str:
    """Return dtype, shape and 128 bits of the BLAKE2 hash of an array.

    Examples
    --------
    >>> digest(np.zeros((2, 3)))
    'float64 (2, 3) 87b774e863281ce421c5625c0aa7b29c'
    >>> digest(None)
    'absent'
    """
    if array is None:
        return ABSENT
    array = np.asarray(array)
    if array.dtype.hasobject:
        content = json.dumps(array.tolist(), default=str).encode()
    else:
        content = np.ascontiguousarray(array).reshape(-1).view(np.uint8)  # type: ignore[assignment]
    return f"{array.dtype} {array.shape} {hashlib.blake2b(content, digest_size=16).hexdigest()}"


def shape(array: Array | None) -> str:
    """Return dtype and shape of an array.

    Examples
    --------
    >>> shape(np.zeros((2, 3)))
    'float64 (2, 3)'
    """
    return ABSENT if array is None else f"{array.dtype} {array.shape}"


def random_state(rng: np.random.Generator) -> str:
    """Return kind and digest of the state of a generator."""
    state = plain(rng.bit_generator.state)
    return f"{state['bit_generator']} {hashlib.blake2b(json.dumps(state).encode(), digest_size=8).hexdigest()}"


def as_json(value: Any, what: str) -> str:
    """Return a value as JSON; raise unless JSON can hold it. NumPy's numbers become Python's."""
    try:
        return json.dumps(value, default=_number)
    except (TypeError, ValueError, RecursionError) as error:
        raise GatewiseTypeError(
            f"{what} cannot be written to a checkpoint ({error}); need numbers, text, lists and dicts."
        ) from error


def _number(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"it holds a {type(value).__name__}")


def differences(there: Mapping[str, Any], here: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return how a training differs from one in a file, which stands where `now` says: an entry may agree with either.

    Examples
    --------
    >>> differences({"rows": 8, "data": {"x": "a", "y": "b"}}, {"rows": 9, "data": {"x": "a", "y": "c"}}, {})
    ['rows is 8 in it and 9 here', 'data y is b in it and c here']
    """
    old, new, current = (dict(_entries(tree)) for tree in (there, here, now))
    found = {}
    for name in {**old, **new}:
        was, wanted = old.get(name, ABSENT), new.get(name, ABSENT)
        if was != wanted and current.get(name, was) != wanted:
            found[name] = f"{name} is {_short(was)} in it and {_short(wanted)} here"
    other_types = tuple(name.removesuffix("type") for name in found if name.endswith(" type"))
    return [text for name, text in found.items() if name.endswith(" type") or not name.startswith(other_types)]


def enumeration(texts: list[str]) -> str:
    """Return a few of several texts, and how many more there are."""
    more = len(texts) - MOST_SHOWN
    return "; ".join(texts[:MOST_SHOWN]) + (f"; and {more} more" if more > 0 else "")


def _entries(tree: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in tree.items():
        if isinstance(value, Mapping):
            yield from _entries(value, f"{above}{name} ")
        else:
            yield f"{above}{name}", value


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"

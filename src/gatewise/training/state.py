"""A state as one flat dict: numbers, and arrays under `part/key`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gatewise.errors import GatewiseTypeError

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

"""Optimizers as plain values and arrays: settings, schedules among them, and state, so that a file can hold them."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np

from gatewise import schedules
from gatewise.errors import Array, GatewiseTypeError, GatewiseValueError, check_finite, check_names
from gatewise.optimizers.optimizer import Optimizer
from gatewise.optimizers.rules import SGD, Adagrad, Adam, AdamW, RMSprop

SCHEDULES: dict[str, Any] = {
    kind.__name__: kind
    for kind in (schedules.Constant, schedules.Step, schedules.Cosine, schedules.OneCycle, schedules.WarmUp)
}
KINDS: dict[str, type[Optimizer]] = {kind.__name__: kind for kind in (SGD, RMSprop, Adagrad, Adam, AdamW)}
NAMED = "named"  # what an object is told by that no file can hold


def settings(optimizer: Optimizer) -> dict[str, Any]:
    """Return the settings of an optimizer as they are now, plain enough for JSON.

    A schedule is a dict of its type and its options; another callable is told by its name alone.

    Examples
    --------
    >>> from gatewise.optimizers import SGD
    >>> settings(SGD(schedules.Cosine(0.1, 50)))["lr"]
    {'type': 'Cosine', 'lr': 0.1, 'steps': 50, 'floor': 0.0}
    """
    return {"type": type(optimizer).__name__, **{name: _plain(value) for name, value in _values(optimizer).items()}}


def values_of(described: Mapping[str, Any], optimizer: Optimizer) -> dict[str, Any]:
    """Return the values that `settings` described, checked, for an optimizer of the same type.

    What was told by its name alone is what the given optimizer has.

    Raises
    ------
    GatewiseError
        If the settings are of another type of optimizer, or cannot be used.

    Examples
    --------
    >>> from gatewise.optimizers import SGD
    >>> values_of({**settings(SGD()), "lr": 0.25}, SGD(momentum=0.0))["lr"]
    0.25
    """
    own = settings(optimizer)
    check_names("the optimizer's settings", described, own)
    if described["type"] != own["type"]:
        raise GatewiseValueError(f"the optimizer is {described['type']!r}; need {own['type']!r}.")
    twin = copy.copy(optimizer)
    for name in own:
        if name != "type" and described[name] != own[name]:
            setattr(twin, name, _value(name, described[name]))
    twin.__post_init__()  # checks them
    return _values(twin)


def to_parts(optimizer: Optimizer) -> tuple[dict[str, Any], dict[str, Array]]:
    """Return what rebuilds an optimizer, plain enough for JSON, and the arrays of its state.

    Raises
    ------
    GatewiseError
        If it is of a class of your own, or its rate is a function of your own.

    Examples
    --------
    >>> description, arrays = to_parts(SGD(0.1))
    >>> description["settings"]["lr"], description["state"], arrays
    (0.1, {'steps': 0}, {})
    """
    described = settings(optimizer)
    if KINDS.get(type(optimizer).__name__) is not type(optimizer):
        raise GatewiseTypeError(f"cannot save a {type(optimizer).__name__}; need one of {', '.join(KINDS)}.")
    for name, value in described.items():
        if isinstance(value, Mapping) and NAMED in value:
            raise GatewiseTypeError(f"{name} is {value[NAMED]}; need a number or a schedule of gatewise.schedules.")
    state = optimizer.state_dict()
    numbers = {key: value for key, value in state.items() if not isinstance(value, np.ndarray)}
    arrays = {key: value for key, value in state.items() if isinstance(value, np.ndarray)}
    return {"type": described["type"], "settings": described, "state": numbers}, arrays


def from_parts(description: Mapping[str, Any], arrays: Mapping[str, Array]) -> Optimizer:
    """Return the optimizer that `to_parts` described.

    Raises
    ------
    GatewiseError
        If a setting cannot be used, or the state does not fit it.

    Examples
    --------
    >>> from_parts(*to_parts(SGD(0.1, momentum=0.9)))
    SGD(lr=0.1, momentum=0.9, nesterov=False, weight_decay=0.0)
    """
    check_names("the description", description, ("type", "settings", "state"))
    optimizer = KINDS[description["type"]]()
    vars(optimizer).update(values_of(description["settings"], optimizer))
    for key, array in arrays.items():
        check_finite(key, array)
    optimizer.load_state_dict({**description["state"], **arrays})
    return optimizer


def _values(optimizer: Optimizer) -> dict[str, Any]:
    return {name: value for name, value in vars(optimizer).items() if name != "steps" and not name.startswith("_")}


def _plain(value: Any) -> Any:
    if type(value) in SCHEDULES.values():
        options = {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
        return {"type": type(value).__name__, **options}
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    kind = value if hasattr(value, "__qualname__") else type(value)
    return {NAMED: f"{kind.__module__}.{kind.__qualname__}"}


def _value(name: str, plain: Any) -> Any:
    if isinstance(plain, list):
        return tuple(_value(name, part) for part in plain)
    if not isinstance(plain, Mapping):
        return plain
    if NAMED in plain:
        raise GatewiseTypeError(
            f"{name} is {plain[NAMED]}, set while training, which no file can hold; need a number or a schedule of "
            f"gatewise.schedules there."
        )
    options = {key: _value(name, value) for key, value in plain.items() if key != "type"}
    if plain.get("type") not in SCHEDULES:
        raise GatewiseValueError(f"{name} is of type {plain.get('type')!r}; need one of {', '.join(SCHEDULES)}.")
    check_names(name, options, [field.name for field in fields(SCHEDULES[plain["type"]])])
    return SCHEDULES[plain["type"]](**options)

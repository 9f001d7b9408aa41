"""A state_dict alone as layers, where its names and shapes leave one reading: which modules, and in which order."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import pairwise, permutations, product
from typing import Any, NamedTuple

import numpy as np

from gatewise.errors import Array, GatewiseTypeError, GatewiseValueError, check_choice
from gatewise.interop.recurrent import recurrent_layer
from gatewise.layers import Dense, Embedding, Layer
from gatewise.layouts.hints import deduce_cell

_RECURRENT = re.compile(r"^(.*?)(weight_ih|weight_hh|weight_hr|bias_ih|bias_hh)((?:_l\d+)?(?:_reverse)?)$")
_NUMBER = re.compile("[0-9]{1,9}")  # of a module; longer ones are names
HINTS = ("nonlinearity", "prefix")
MOST = 6  # modules whose every order is tried


class Reading(NamedTuple):
    """What the arrays of one module may be: its kind and the sizes of its input, None for integers, and output."""

    module: str
    kind: str
    inputs: int | None
    outputs: int


def layers_of(state_dict: Mapping[str, Any], **hints: Any) -> list[Layer]:
    """Return the layers of a state_dict in order.

    Modules act in the order of the state_dict, or of the numbers in their names; where the keys are sorted, as in a
    safetensors file, in the only order in which their sizes go together.
    """
    for hint in hints:
        check_choice("hint", hint, HINTS)
    prefix = hints.get("prefix") or ""
    arrays = {key.removeprefix(prefix): a for key, a in arrays_of(state_dict).items() if key.startswith(prefix)}
    groups = _groups(arrays)
    if not groups:
        raise GatewiseValueError(f"the state_dict has no arrays under the prefix {prefix!r}; need some.")
    form = {"nonlinearity": hints["nonlinearity"]} if hints.get("nonlinearity") else {}
    line = _line(groups, list(arrays))
    return [_layer(groups[reading.module], reading.kind, form) for reading in line]


def _groups(arrays: Mapping[str, Array]) -> dict[str, dict[str, Array]]:
    """Arrays by the module that they belong to, under the names they have there."""
    groups: dict[str, dict[str, Array]] = {}
    for key, array in arrays.items():
        match = _RECURRENT.match(key)
        head, name = (match[1], key.removeprefix(match[1])) if match else key.rpartition(".")[::2]
        groups.setdefault(head.rstrip("."), {})[name] = array
    return groups


def _line(groups: Mapping[str, dict[str, Array]], keys: list[str]) -> tuple[Reading, ...]:
    """The one reading of all modules in order; raise if there is none, or more than one."""
    readings = {name: _readings(name, group) for name, group in groups.items()}
    given = _given_order(list(groups), keys)
    orders = permutations(groups) if given is None and len(groups) <= MOST else [tuple(given or groups)]
    lines = [line for order in orders for line in product(*(readings[name] for name in order)) if _fits(line)]
    if len(lines) == 1:
        return lines[0]
    names = ", ".join(name or "the whole" for name in groups)
    if not lines:
        raise GatewiseValueError(
            f"the modules {names} of the state_dict are no line in which each takes what the one before gives, with "
            f"something known between two linear layers; need the module itself: gw.from_torch(module)."
        )
    ways = " or ".join(", ".join(f"{part.module or 'all'} as {part.kind}" for part in line) for line in lines[:2])
    raise GatewiseValueError(
        f"the state_dict can be read in several ways ({ways}); need the module itself: gw.from_torch(module)."
    )


def _given_order(names: list[str], keys: list[str]) -> list[str] | None:
    """The order of modules if something says it: numbers before their names, or keys that are not sorted."""
    numbers = [re.match("[0-9]+", name) for name in names]
    if all(numbers):
        return sorted(
            names, key=lambda name: [int(part) if _NUMBER.fullmatch(part) else -1 for part in name.split(".")]
        )
    return None if keys == sorted(keys) and len(names) > 1 else names


def _readings(name: str, group: dict[str, Array]) -> list[Reading]:
    """What the arrays of one module may be."""
    first = next((array for key, array in group.items() if key.startswith("weight_ih")), None)
    if first is not None:
        if any(array.ndim != 2 for key, array in group.items() if key.startswith("weight")):
            raise GatewiseValueError(
                f"{name or 'the state_dict'} has weights that are no matrices; need (rows, columns)."
            )
        kind = deduce_cell(group, "torch")
        directions = 1 + any(key.endswith("_reverse") for key in group)
        U = next(array for key, array in group.items() if key.startswith("weight_hh"))
        return [Reading(name, kind, int(first.shape[-1]), int(U.shape[-1]) * directions)]
    W = group.get("weight")
    if W is None or W.ndim != 2 or not {"weight"} <= group.keys() <= {"weight", "bias"}:
        raise GatewiseTypeError(
            f"{name or 'the state_dict'} has {', '.join(group)}; need those of GRU, LSTM, RNN, Linear or Embedding."
        )
    dense = Reading(name, "linear", int(W.shape[1]), int(W.shape[0]))
    return [dense] if "bias" in group else [Reading(name, "embedding", None, int(W.shape[1])), dense]


def _fits(line: tuple[Reading, ...]) -> bool:
    """Whether each takes what the one before gives, and no linear layer follows another."""
    return all(
        after.inputs == before.outputs and {before.kind, after.kind} != {"linear"} for before, after in pairwise(line)
    )


def _layer(group: dict[str, Array], kind: str, form: Mapping[str, Any]) -> Layer:
    if kind == "linear":
        return dense_of(group)
    if kind == "embedding":
        return embedding_of(group["weight"])
    return recurrent_layer(group, "torch", kind, **(form if kind == "rnn" else {}))


def dense_of(arrays: Mapping[str, Array], activation: str | None = None) -> Dense:
    """Return the dense layer of an nn.Linear's arrays."""
    W = arrays["weight"]
    dense = Dense(W.shape[1], W.shape[0], activation, bias="bias" in arrays, dtype=W.dtype, rng=0)
    dense.params.update(arrays)
    return dense


def embedding_of(W: Array) -> Embedding:
    """Return the table of an nn.Embedding."""
    layer = Embedding(*W.shape, dtype=W.dtype, rng=0)
    layer.params["weight"] = W
    return layer


def arrays_of(state_dict: Mapping[str, Any]) -> dict[str, Array]:
    """Tensors as arrays that share their memory."""
    return {str(name): _array(str(name), tensor) for name, tensor in state_dict.items()}


def _array(name: str, tensor: Any) -> Array:
    if hasattr(tensor, "detach"):
        tensor = tensor.detach().cpu()
    try:
        array = np.asarray(tensor)
    except (TypeError, ValueError, RuntimeError) as error:
        raise GatewiseTypeError(
            f"{name} cannot be read as an array ({error}); need float32 or float64: call module.float()."
        ) from error
    if array.dtype.kind != "f" or array.dtype.itemsize < 4:
        raise GatewiseTypeError(f"{name} has dtype {array.dtype}; need float32 or float64: call module.float().")
    return array

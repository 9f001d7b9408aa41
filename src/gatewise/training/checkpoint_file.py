"""The file of a checkpoint: arrays named `stage/entry` in safetensors, and all else as JSON in its text."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gatewise.errors import Array, GatewiseError, GatewiseValueError
from gatewise.storage import parse_json, read_tensors, tensor_bytes
from gatewise.training.identity import as_json

FORMAT = "gatewise-checkpoint-1"
HISTORY = "history"
UNREADABLE = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError)
"""What values of the wrong form raise when they are used."""


class Kept(NamedTuple):
    """What a file has of one training."""

    run: Mapping[str, Any]
    """What tells the training from others, as it began."""
    now: Mapping[str, Any]
    """Entries of `run` that have changed since, and what else goes with the state."""
    state: Mapping[str, Any]
    """Numbers and arrays, as a loop's `state_dict` has them."""
    done: bool
    """Whether the training ended itself, so that nothing is to follow."""


class Content(NamedTuple):
    """What the file of a checkpoint holds."""

    run: Mapping[str, Any]
    remembered: Mapping[str, Any]
    stages: Mapping[int, Kept]


def to_bytes(content: Content) -> bytes:
    """Return the file.

    Raises
    ------
    GatewiseError
        If JSON cannot hold what is no array.
    """
    arrays: dict[str, Array] = {}
    stages = {}
    for number, kept in content.stages.items():
        state, own = _separated(kept.state)
        stages[number] = {**kept._asdict(), "state": state}
        arrays |= {f"{number}/{key}": array for key, array in own.items()}
    header = {"run": content.run, "remembered": content.remembered, "stages": stages}
    text = as_json(header, "the state of the training")
    return tensor_bytes(arrays, {"format": FORMAT, "checkpoint": text})


def read(path: Path) -> Content:
    """Return what a file holds.

    Raises
    ------
    GatewiseError
        If it cannot be read, is damaged, or is no checkpoint.
    """
    tensors = read_tensors(path)
    form = tensors.metadata.get("format")
    if form != FORMAT or not tensors.is_verified:
        what = f"has format {form!r}" if form != FORMAT else "has lost its checksum"
        raise GatewiseValueError(
            f"{path} {what}; need {FORMAT!r}, a checkpoint: give another path, or remove the file."
        )
    try:
        content = parse_json(tensors.metadata["checkpoint"], "its state")
        stages = {int(number): _stage(number, entry, tensors.arrays) for number, entry in content["stages"].items()}
        return Content(dict(content["run"]), dict(content["remembered"]), stages)
    except GatewiseError as error:
        raise type(error)(f"{path}: {error}") from error
    except UNREADABLE as error:
        text = f"{path} is no whole checkpoint ({error!r})"
        raise GatewiseValueError(f"{text}; need one that was not changed: remove it to begin anew.") from error


def _stage(number: str, entry: Mapping[str, Any], arrays: Mapping[str, Array]) -> Kept:
    own = {name.partition("/")[2]: array for name, array in arrays.items() if name.partition("/")[0] == number}
    return Kept(dict(entry["run"]), dict(entry["now"]), _joined(dict(entry["state"]), own), bool(entry["done"]))


def _separated(state: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Array]]:
    """What JSON holds of a state, and its arrays; those of a history, which may be long, are its columns of numbers."""
    arrays = {key: value for key, value in state.items() if isinstance(value, np.ndarray)}
    plain = {key: value for key, value in state.items() if not isinstance(value, np.ndarray)}
    records = plain.get(HISTORY)
    if isinstance(records, list) and records and all(_alike(record, records[0]) for record in records):
        columns = {name: _column([record[name] for record in records]) for name in records[0]}
        plain[HISTORY] = {name: None if isinstance(part, np.ndarray) else part for name, part in columns.items()}
        arrays |= {f"{HISTORY}/{name}": part for name, part in columns.items() if isinstance(part, np.ndarray)}
    return plain, arrays


def _alike(record: Any, other: Any) -> bool:
    """Whether both are dicts with the same names in the same order."""
    return isinstance(record, dict) and isinstance(other, dict) and list(record) == list(other)


def _column(values: list[Any]) -> Array | list[Any]:
    kinds = set(map(type, values))
    if kinds == {float}:
        return np.array(values)
    return np.array(values, np.int64) if kinds == {int} and max(map(abs, values)) < 2**63 else values


def _joined(plain: dict[str, Any], arrays: dict[str, Array]) -> dict[str, Any]:
    """The inverse of `_separated`."""
    columns = plain.get(HISTORY)
    if isinstance(columns, Mapping) and all(isinstance(part, list | None) for part in columns.values()):
        whole = [arrays.pop(f"{HISTORY}/{name}").tolist() if part is None else part for name, part in columns.items()]
        plain[HISTORY] = [dict(zip(columns, row, strict=True)) for row in zip(*whole, strict=True)]
    return {**plain, **arrays}

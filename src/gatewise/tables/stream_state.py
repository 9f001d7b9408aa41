"""The state of a stream in a file: what it has seen, and of which model it is."""

from __future__ import annotations

import json
import os
from typing import NamedTuple

from gatewise.errors import GatewiseError, GatewiseValueError
from gatewise.storage import read_tensors, tensor_bytes
from gatewise.tables.streams import Stream

STATE_FORMAT = "gatewise-stream-1"


class Place(NamedTuple):
    """How far a stream has come: data rows taken, bad ones included, and the header of its CSV."""

    rows: int
    names: tuple[str, ...] | None


def state_bytes(stream: Stream, place: Place, fingerprint: str) -> bytes:
    """Return what a state file holds; `fingerprint` tells which model it belongs to."""
    numbers = {"rows": place.rows, "names": place.names, "model": fingerprint, "stream": stream.numbers()}
    header = {"format": STATE_FORMAT, "kind": stream.kind, "numbers": json.dumps(numbers)}
    return tensor_bytes(stream.arrays(), header)


def load_state(stream: Stream, path: str | os.PathLike[str], fingerprint: str) -> Place:
    """Let a stream go on from a state file; return how far it had come.

    Raises
    ------
    GatewiseError
        If the file cannot be read, or is of another model or option.
    """
    try:
        arrays, header, _ = read_tensors(path)
        if header.get("format") != STATE_FORMAT:
            raise GatewiseValueError(f"{path} has format {header.get('format')!r}; need {STATE_FORMAT!r}.")
        numbers = json.loads(header["numbers"])
        if numbers["model"] != fingerprint or header["kind"] != stream.kind:
            raise GatewiseValueError(f"{path} is the state of another model or option; need one that this wrote.")
        stream.load(numbers["stream"], arrays)
        names = numbers["names"]
        return Place(int(numbers["rows"]), None if names is None else tuple(names))
    except GatewiseError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise GatewiseValueError(f"cannot go on from {path}: {error}.") from error

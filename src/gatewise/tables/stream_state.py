"""The state of a stream in a file: what it has seen, and of which model it is."""

from __future__ import annotations

import json
import os
from typing import NamedTuple

from gatewise import plain
from gatewise.errors import GatewiseError, GatewiseValueError
from gatewise.storage import parse_json, read_tensors, tensor_bytes
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
            raise GatewiseValueError(f"it has format {header.get('format')!r}; need {STATE_FORMAT!r}.")
        numbers = plain.mapping("its state", parse_json(header["numbers"], "its state"))
        if numbers["model"] != fingerprint or header["kind"] != stream.kind:
            raise GatewiseValueError("it is the state of another model or option; need one that this wrote.")
        stream.load(plain.mapping("the stream", numbers["stream"]), arrays)
        names = plain.optional(plain.texts, "names", numbers["names"])
        return Place(plain.whole("rows", numbers["rows"], 0), names)
    except GatewiseError as error:
        raise type(error)(f"cannot go on from {path}: {error}") from error
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError) as error:
        raise GatewiseValueError(f"cannot go on from {path}: {error}.") from error

"""Models that Gatewise wrote, rebuilt from the description in the file and its weights by their names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from gatewise import descriptions, layouts
from gatewise.errors import Array, GatewiseError
from gatewise.interop.onnx.graph import Graph
from gatewise.interop.onnx.layers import weight_name
from gatewise.interop.onnx.stacks import BY_NAME
from gatewise.interop.onnx.writer import PRODUCER
from gatewise.layers import Layer
from gatewise.limits import current
from gatewise.storage import parse_json

_PARAMETER = re.compile(r"(weight|bias)(_(ih|hh)_l\d+(_reverse)?)?")
_UNREADABLE = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError)


def described_model(properties: Mapping[str, str], graph: Graph) -> Layer | None:
    """Return the model of layers that a file describes, with the weights of its graph; None if there is none.

    What comes back is not yet known to be what the graph computes: anybody may have changed the file.
    """
    if PRODUCER not in properties:
        return None
    try:
        description = parse_json(properties[PRODUCER], "its description", current())["model"]
        arrays = dict(_arrays(description, graph.constants, graph.constants, ""))
        return descriptions.rebuild(description, arrays, current())
    except (GatewiseError, *_UNREADABLE):
        return None


def _arrays(
    description: Mapping[str, Any], constants: Mapping[str, Array], own: Mapping[str, Array], prefix: str
) -> Iterator[tuple[str, Array]]:
    """Yield the parameters of a described model by name; `own` are the constants whose names begin with `prefix`."""
    if "layers" in description:
        parts = descriptions.by_head(own)
        for i, part in enumerate(description["layers"]):
            yield from _arrays(part, constants, parts.get(str(i), {}), f"{prefix}{i}.")
    elif description["type"] in BY_NAME:
        yield from _recurrent(description, constants, prefix)
    else:
        for name, array in own.items():
            if not _PARAMETER.fullmatch(name):
                continue
            dense = description["type"] == "Dense" and name == "weight"
            yield prefix + name, np.ascontiguousarray(array.T) if dense else array


def _recurrent(
    description: Mapping[str, Any], constants: Mapping[str, Array], prefix: str
) -> Iterator[tuple[str, Array]]:
    for k in range(int(description["num_layers"])):
        keys = [key for key in ("W", "R", "B") if weight_name(prefix, k, key) in constants]
        own = {key: constants[weight_name(prefix, k, key)] for key in keys}
        options = {name: description[name] for name in ("reset", "nonlinearity") if name in description}
        params = layouts.convert(own, "onnx", "torch", cell=BY_NAME[description["type"]].cell, **options)
        for name, array in params.items():
            yield prefix + name.replace("_l0", f"_l{k}"), array

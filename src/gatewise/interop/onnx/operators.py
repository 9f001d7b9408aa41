"""The table of ONNX operators that are evaluated: each with its attributes, by which unknown ones are refused."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from gatewise.errors import Array
from gatewise.interop.onnx.pointwise import POINTWISE
from gatewise.interop.onnx.products import PRODUCTS
from gatewise.interop.onnx.recurrent import ATTRIBUTES, Recurrent
from gatewise.interop.onnx.reducing import REDUCING
from gatewise.interop.onnx.scanning import SCAN_ATTRIBUTES, Scan
from gatewise.interop.onnx.shaping import SHAPING

Run = Callable[..., tuple[Array, ...]]
_ASKED = ("opset", "outputs")


class Operator(NamedTuple):
    """An operator: the attributes it knows, and what makes of them, the opset and the number of outputs what runs."""

    attributes: frozenset[str]
    prepare: Callable[[dict[str, Any], int, int], Run]


def _of_function(function: Callable[..., Any]) -> Operator:
    """Return the operator of a function as `pointwise` has them: its keywords are the attributes."""
    keywords = {
        name: parameter
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    }
    needed = [name for name, parameter in keywords.items() if parameter.default is inspect.Parameter.empty]

    def prepare(attributes: dict[str, Any], opset: int, outputs: int) -> Run:
        missing = [name for name in needed if name not in attributes]
        if missing:
            raise ValueError(f"the attribute {missing[0]} is missing")
        asked = {name: value for name, value in zip(_ASKED, (opset, outputs), strict=True) if name in keywords}
        return partial(_as_tuple, function, {**attributes, **asked})

    return Operator(frozenset(keywords) - set(_ASKED), prepare)


def _as_tuple(function: Callable[..., Any], options: dict[str, Any], *inputs: Array | None) -> tuple[Array, ...]:
    while inputs and inputs[-1] is None:
        inputs = inputs[:-1]
    result = function(*inputs, **options)
    return result if isinstance(result, tuple) else (result,)


def _recurrent(kind: str) -> Operator:
    return Operator(frozenset(ATTRIBUTES[kind]), lambda attributes, opset, outputs: Recurrent.of(kind, attributes))


OPERATORS: dict[str, Operator] = {
    **{name: _of_function(function) for name, function in (POINTWISE | SHAPING | REDUCING | PRODUCTS).items()},
    **{kind: _recurrent(kind) for kind in ATTRIBUTES},
    "Scan": Operator(SCAN_ATTRIBUTES, lambda attributes, opset, outputs: Scan.of(attributes, opset)),
}
"""Every operator that is evaluated, by its name."""

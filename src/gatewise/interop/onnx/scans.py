"""Layers of cells that ONNX does not know, as a Scan whose body is the cell's own pointwise function."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gatewise.interop.onnx.writer import Steps, Writer, all_lengths, valid_steps
from gatewise.interop.symbols import Recorder, Symbol, in_order, traced
from gatewise.layers.directions import parameter_names
from gatewise.layers.stack import Recurrent

OPERATIONS = {
    "+": "Add",
    "-": "Sub",
    "*": "Mul",
    "/": "Div",
    ">": "Greater",
    "<": "Less",
    ">=": "GreaterOrEqual",
    "<=": "LessOrEqual",
    "==": "Equal",
    "&&": "And",
    "||": "Or",
    "not": "Not",
    "negative": "Neg",
    "max": "Max",
    "min": "Min",
    "abs": "Abs",
    "sign": "Sign",
    "tanh": "Tanh",
    "exp": "Exp",
    "log": "Log",
    "sqrt": "Sqrt",
    "sin": "Sin",
    "cos": "Cos",
    "sigmoid": "Sigmoid",
    "where": "Where",
}
"""ONNX's names of the operations that symbols note."""


def write_scan(
    writer: Writer, layer: Recurrent, k: int, x: str, steps: Steps, initial: list[str | None], prefix: str
) -> tuple[str, ...]:
    """Add one layer of a stack: x and the output are (time, batch, ...); then the final states.

    Raises
    ------
    GatewiseError
        If ONNX cannot say a function of the cell.
    """
    directions = [
        _direction(writer, layer, (k, way), x, steps, [_nth(writer, state, way) for state in initial], prefix)
        for way in range(layer.directions)
    ]
    outputs, finals = zip(*directions, strict=True)
    y = outputs[0] if len(outputs) == 1 else writer.node("Concat", *outputs, axis=-1)
    joined = (
        parts[0] if len(parts) == 1 else writer.node("Concat", *parts, axis=0) for parts in zip(*finals, strict=True)
    )
    return (y, *joined)


def _nth(writer: Writer, state: str | None, way: int) -> str | None:
    return None if state is None else writer.node("Gather", state, writer.constant(way, np.int64), axis=0)


def _direction(
    writer: Writer,
    layer: Recurrent,
    place: tuple[int, int],
    x: str,
    steps: Steps,
    initial: Sequence[str | None],
    prefix: str,
) -> tuple[str, tuple[str, ...]]:
    """The output (time, batch, H) of one direction in the order of time, and its final states (1, batch, H)."""
    W, U, b, c = (
        writer.weight(prefix + name, layer.params[name]) if name in layer.params else None
        for name in parameter_names(*place)
    )
    assert W is not None
    p = _affine(writer, x, W, b)
    backward = place[1] == 1
    if backward:
        p = _reversed(writer, p, steps)
    begun = [state or _zeros(writer, steps, layer.hidden_size) for state in initial]
    sequences = [p]
    if steps.lengths is not None:
        mask = writer.node("Transpose", valid_steps(writer, steps), perm=[1, 0])
        sequences.append(writer.node("Unsqueeze", mask, writer.integers(2)))
    body = _body(Writer(layer.dtype, f"{writer.fresh('step')}."), layer, U, c, steps.lengths is not None)
    *final, y = writer.several("Scan", [*begun, *sequences], len(begun) + 1, body=body, num_scan_inputs=len(sequences))
    y = _reversed(writer, y, steps) if backward else y
    return y, tuple(writer.node("Unsqueeze", state, writer.integers(0)) for state in final)


def _reversed(writer: Writer, x: str, steps: Steps) -> str:
    """Sequences (time, batch, ...), each reversed within its length."""
    return writer.node("ReverseSequence", x, all_lengths(writer, steps), batch_axis=1, time_axis=0)


def _zeros(writer: Writer, steps: Steps, width: int) -> str:
    shape = writer.node("Concat", steps.batch, writer.integers(width), axis=0)
    return writer.node("Expand", writer.constant(0), shape)


def _affine(writer: Writer, x: str, weight: str, bias: str | None) -> str:
    product = writer.node("MatMul", x, writer.node("Transpose", weight, perm=[1, 0]))
    return product if bias is None else writer.node("Add", product, bias)


def _body(writer: Writer, layer: Recurrent, U: str | None, c: str | None, masked: bool) -> Any:
    """The graph of one step: states and p (batch, G·H) in, and with `masked` whether it is valid; states and h out."""
    cell, H = layer.cell, layer.hidden_size
    before = tuple(writer.input(f"{state}_before", layer.dtype, ("batch", H)) for state in cell.states)
    p = writer.input("p", layer.dtype, ("batch", len(cell.gates) * H))
    valid = writer.input("valid", bool, ("batch", 1)) if masked else None
    q = None if U is None else _affine(writer, before[0], U, c)
    after = _pointwise(writer, cell, _gates(writer, p, cell), _gates(writer, q, cell), before)
    h = after[0]
    if valid is not None:
        after = [writer.node("Where", valid, new, old) for new, old in zip(after, before, strict=True)]
        h = writer.node("Where", valid, h, writer.constant(0))
    for state, value in zip(cell.states, after, strict=True):
        writer.output(f"{state}_after", value, layer.dtype, ("batch", H))
    writer.output("h", h, layer.dtype, ("batch", H))
    return writer.body(writer.label)


def _gates(writer: Writer, joined: str | None, cell: Any) -> tuple[str, ...]:
    if joined is None:
        return ()
    return (joined,) if len(cell.gates) == 1 else writer.several("Split", (joined,), len(cell.gates), axis=-1)


def _pointwise(writer: Writer, cell: Any, p: Sequence[str], q: Sequence[str], before: Sequence[str]) -> list[str]:
    """The new states: the cell's own function, run on symbols, as nodes."""
    recorder = Recorder()
    arguments = [tuple(recorder.input(name) for name in names) for names in (p, q, before)]
    state, _ = traced(f"forward of the cell {cell.form!r}", cell.phases[0].forward, *arguments)
    values: dict[Symbol, str] = {}
    results = [recorder.symbol(value) for value in state]
    for symbol in in_order(results):
        values[symbol] = _written(writer, symbol, [values[operand] for operand in symbol.operands])
    return [values[result] for result in results]


def _written(writer: Writer, symbol: Symbol, operands: Sequence[str]) -> str:
    if symbol.operation == "input":
        return str(symbol.name)
    if symbol.operation == "number":
        return writer.constant(symbol.name)
    if symbol.operation == "!=":
        return writer.node("Not", writer.node("Equal", *operands))
    return writer.node(OPERATIONS[symbol.operation], *operands)

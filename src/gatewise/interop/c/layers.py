"""Layers as lines of C: what each kind adds to a program, and where its output then stands."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gatewise.activations import ACTIVATIONS
from gatewise.errors import GatewiseTypeError, GatewiseValueError
from gatewise.interop.c.cells import SHORT
from gatewise.interop.c.expressions import Names, Writer, literal
from gatewise.interop.c.program import AHEAD, Program, Quantized, Value
from gatewise.interop.symbols import Recorder
from gatewise.layers import Dense, Dropout, Embedding, Last, Layer, Noise, Parallel, Pool, Reverse, Sequential, Softmax
from gatewise.layers.stack import Recurrent

Add = Callable[[Program, Any, Value, str], Value]


def add_layer(program: Program, layer: Layer, value: Value, place: str = "") -> Value:
    """Add a layer that reads `value` to a program; return what it gives.

    `place` says where in the model the layer is: "0", "1.0"; nothing for the model itself.

    Raises
    ------
    GatewiseError
        If a stream cannot say the layer, with what to do instead.
    """
    for kind, add in KINDS:
        if isinstance(layer, kind):
            _check_input(layer, value, place)
            return add(program, layer, value, place)
    raise GatewiseTypeError(
        f"{_named(layer, place)} cannot be written as C; need recurrent layers, Dense, Embedding, Dropout, Noise, "
        f"Softmax, Last and Pool, and Sequential and Parallel of them."
    )


def _named(layer: Layer, place: str) -> str:
    return f"layer {place} ({type(layer).__name__})" if place else type(layer).__name__


def _note(layer: Layer, place: str, part: int | None = None) -> str:
    return f"{_named(layer, place)}{'' if part is None else f', layer {part} of its stack'}"


def _check_input(layer: Layer, value: Value, place: str) -> None:
    size = getattr(layer, "input_size", None)
    if value.integer and not isinstance(layer, Embedding | Sequential | Parallel):
        raise GatewiseTypeError(f"{_named(layer, place)} reads whole numbers; need an Embedding before it.")
    if not value.integer and size is not None and size != value.size:
        raise GatewiseValueError(
            f"{_named(layer, place)} takes {size} inputs; what comes before it gives {value.size}."
        )


def _sequential(program: Program, layer: Sequential, value: Value, place: str) -> Value:
    for i, part in enumerate(layer.layers):
        value = add_layer(program, part, value, f"{place}.{i}".lstrip("."))
    return value


def _parallel(program: Program, layer: Parallel, value: Value, place: str) -> Value:
    parts = [add_layer(program, part, value, f"{place}.{i}".lstrip(".")) for i, part in enumerate(layer.layers)]
    size = sum(part.size for part in parts)
    joined = Value(program.work("joined", size, f"{_named(layer, place)}: outputs side by side"), size)
    joined = joined._replace(timeless=parts[0].timeless)
    start = 0
    for part in parts:
        program.write(joined, [_copy(part.size, part.place, _at(joined.place, start))])
        start += part.size
    return joined


def _recurrent(program: Program, layer: Recurrent, value: Value, place: str) -> Value:
    if layer.bidirectional:
        raise GatewiseValueError(
            f"{_named(layer, place)} is bidirectional, and C code runs as the data come: its reverse direction reads "
            f"from the end, which a stream does not have; need bidirectional=False."
        )
    if value.timeless:
        raise GatewiseValueError(f"{_named(layer, place)} stands behind a layer that gives one output for all steps.")
    for part in range(layer.num_layers):
        value = _one_layer(program, layer, part, value, _note(layer, place, part if layer.num_layers > 1 else None))
    return value


def _one_layer(program: Program, layer: Recurrent, part: int, value: Value, note: str) -> Value:
    """One layer of a stack: p = W x + b, q = U h + c, and the cell's pointwise functions."""
    cell, H, n = layer.cell, layer.hidden_size, program.next_number()
    W, U, b, c = layer._weights(part, 0, copy=False)
    updates = program.update(cell, H)
    states = [program.keep(f"{SHORT.get(state, state)}{n}", H, f"{note}: {cell.title(state)}") for state in cell.states]
    lines, letters = [f"/* {note}: {value.size} inputs, {H} units */"], (f"W{n}", f"b{n}")
    if program.looks_ahead(W, value.place):
        ahead = program.work(f"p{n}", AHEAD * program.room(len(b)), f"{note}: p = W x + b of some steps")
        p = program.affine_ahead(letters, W, b, ahead, note)
    else:
        p = program.shared("p", program.room(len(b)), "p = W x + b of one layer")
        lines.append(program.affine(letters, W, b, value.place, p, note))
    operand, first = states[0], 0
    q = program.shared("q", len(c), "q = U h + c of one layer") if cell.recurrent else ""
    for phase, update in zip(cell.phases, updates, strict=True):
        rows = slice(first * H, (first + phase.products) * H)
        if phase.products:
            program.shared("q", first * H + program.room(phase.products * H), "q = U h + c of one layer")
            lines.append(program.affine((f"U{n}", f"c{n}"), U[rows], c[rows], operand, _at(q, first * H), note))
        first += phase.products
        read = [p, q] if cell.recurrent else [p]
        if phase.operand is None:
            lines.append(f"{update}({', '.join([*read, *states])});")
        else:
            operand = program.shared("operand", H, "what a second product reads")
            lines.append(f"{update}({', '.join([*read, states[0], operand])});")
    program.write(value, lines)
    return Value(states[0], H)


def _dense(program: Program, layer: Dense, value: Value, place: str) -> Value:
    note, N, n = _note(layer, place), layer.output_size, program.next_number()
    W, b = layer.params["weight"], layer.params.get("bias", np.zeros(N, layer.dtype))
    y = program.work(f"y{n}", program.room(N), f"{note}: output")
    lines = [f"/* {note}: {layer.input_size} inputs, {N} outputs */"]
    lines.append(program.affine((f"W{n}", f"b{n}"), W, b, value.place, y, note))
    if layer.activation is not None:
        recorder, writer = Recorder(), Writer(program.real, program.name, Names())
        value_of: Callable[[Any], Any] = ACTIVATIONS[layer.activation].value
        symbol = recorder.symbol(value_of(recorder.input(f"{y}[j]")))
        body, texts = writer.lines([symbol], {}, {})
        program.functions |= writer.functions
        lines.append(_loop(N, *body, f"{y}[j] = {texts[symbol]};"))
    program.write(value, lines)
    return Value(y, N, timeless=value.timeless)


def _embedding(program: Program, layer: Embedding, value: Value, place: str) -> Value:
    if not value.integer:
        raise GatewiseTypeError(f"{_named(layer, place)} reads what is no input of the model; need it first.")
    note, N, weight = _note(layer, place), layer.output_size, layer.params["weight"]
    y = program.work("row", N, f"{note}: the row")
    program.checks.append(f"if ({value.place}[0] < 0 || {value.place}[0] >= {layer.count})\n    return 1;")
    about = f"{note}: table ({layer.count}, {N})"
    if program.int8:
        whole, scale = Quantized.of(weight)
        table = program.table("table", whole, f"{about}, in units of", "int8_t")
        factor = program.table("table_scale", scale, "one for each row of the table")
        entry = f"{factor}[{value.place}[0]] * ({program.real}){table}[{value.place}[0] * {N} + j]"
    else:
        table = program.table("table", weight, about)
        entry = f"{table}[{value.place}[0] * {N} + j]"
    program.write(value, [f"/* {note}: {layer.count} rows of {N} */", _loop(N, f"{y}[j] = {entry};")])
    return Value(y, N)


def _same(program: Program, layer: Layer, value: Value, place: str) -> Value:
    """Dropout and noise, which act in training only."""
    return value


def _softmax(program: Program, layer: Softmax, value: Value, place: str) -> Value:
    result = value._replace(place=program.work("softmax", value.size, f"{_note(layer, place)}: output"))
    program.write(value, [add_softmax(program, [value], result, f"{_note(layer, place)} of {value.size}")])
    return result


def add_softmax(program: Program, values: Sequence[Value], result: Value, note: str) -> str:
    """Return the lines that make the mean of the softmax of some values."""
    program.functions.add("softmax")
    share, zero = literal(1 / len(values), program.real), literal(0, program.real)
    lines = [f"/* {note} */", _loop(result.size, f"{result.place}[j] = {zero};")]
    lines += [f"{program.name}_softmax({result.size}, {share}, {value.place}, {result.place});" for value in values]
    return "\n".join(lines)


def _reverse(program: Program, layer: Reverse, value: Value, place: str) -> Value:
    raise GatewiseValueError(
        f"{_named(layer, place)} cannot be written as C, which runs as data come: a stream has no end to begin from."
    )


def _last(program: Program, layer: Last, value: Value, place: str) -> Value:
    _check_one_direction(layer, place)
    return value._replace(timeless=True)


def _pool(program: Program, layer: Pool, value: Value, place: str) -> Value:
    _check_one_direction(layer, place)
    note, N, start = _note(layer, place), layer.input_size, 0
    y = program.work("pool", layer.output_size, f"{note}: summaries")
    result = Value(y, layer.output_size, timeless=True)
    program.write(result, [f"/* {note}: {', '.join(layer.kinds)} of {N} */"])
    for kind in layer.kinds:
        if kind == "last":
            line = _copy(N, value.place, _at(y, start))
        elif kind == "max":
            line = _copy(N, _highest(program, value, note), _at(y, start))
        elif layer.parts == 1:
            mean = f"({program.real})({_sum(program, value, note)}[j] / (double){program.steps()})"
            line = _loop(N, f"{y}[{start} + j] = {mean};")
        else:
            past = _past(program, value, note, layer.parts)
            program.functions.add("means")
            line = f"{program.name}_means({layer.parts}, {N}, {program.steps()}, {past}, {_at(y, start)});"
        program.write(result, [line])
        start += N * (layer.parts if kind == "mean" else 1)
    return result


def _check_one_direction(layer: Last | Pool, place: str) -> None:
    if layer.bidirectional:
        raise GatewiseValueError(
            f"{_named(layer, place)} has bidirectional=True, and C code runs as the data come: half of what it reads "
            f"is of the reverse direction, which reads from the end that a stream does not have; need one direction."
        )


def _sum(program: Program, value: Value, note: str) -> str:
    """The place of the sum of all steps so far, in float64."""
    key = ("sum", value.place)
    if key not in program.past:
        program.steps()
        program.past[key] = place = program.keep("sum", value.size, f"{note}: sum of all steps", "double")
        program.write(value, [_loop(value.size, f"{place}[j] += (double){value.place}[j];")])
    return program.past[key]


def _highest(program: Program, value: Value, note: str) -> str:
    """The place of the maximum of all steps so far."""
    key = ("highest", value.place)
    if key not in program.past:
        steps = program.steps()
        program.past[key] = place = program.keep("highest", value.size, f"{note}: maximum of all steps")
        v = f"{value.place}[j]"
        program.write(value, [_loop(value.size, f"{place}[j] = {steps} == 1 || {v} > {place}[j] ? {v} : {place}[j];")])
    return program.past[key]


def _past(program: Program, value: Value, note: str, parts: int) -> str:
    """The place of all steps so far: the borders of the parts move with each."""
    key = ("steps", value.place)
    if key not in program.past:
        if program.max_steps is None:
            raise GatewiseValueError(
                f"{note} takes means over {parts} parts of all that has been seen, so that every step has to be kept: "
                f"say how many there may be with max_steps= ({value.size} numbers each), which `gatewise convert` has "
                f"as --max-steps, or use parts=1, or of an estimator segments=0."
            )
        steps = program.steps()
        size = value.size * program.max_steps
        program.past[key] = place = program.keep("past", size, f"{note}: all steps")
        program.checks.append(f"if ({steps} >= {program.max_steps})\n    return 1;")
        program.write(value, [_loop(value.size, f"{place}[({steps} - 1) * {value.size} + j] = {value.place}[j];")])
    return program.past[key]


def _at(place: str, start: int) -> str:
    return f"{place} + {start}" if start else place


def _loop(count: int, *lines: str) -> str:
    if len(lines) == 1:
        return f"for (j = 0; j < {count}; ++j)\n    {lines[0]}"
    return "\n".join([f"for (j = 0; j < {count}; ++j) {{", *(f"    {line}" for line in lines), "}"])


def _copy(count: int, source: str, target: str) -> str:
    into = f"({target})" if "+" in target else target
    return _loop(count, f"{into}[j] = {source}[j];")


KINDS: tuple[tuple[type[Layer], Add], ...] = (
    (Sequential, _sequential),
    (Parallel, _parallel),
    (Recurrent, _recurrent),
    (Dense, _dense),
    (Embedding, _embedding),
    (Dropout, _same),
    (Noise, _same),
    (Softmax, _softmax),
    (Reverse, _reverse),
    (Last, _last),
    (Pool, _pool),
)
"""What each kind of layer adds."""

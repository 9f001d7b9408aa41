"""What fitted estimators do to sequences before they answer, as nodes: scaling, gaps, means over blocks of steps."""

from __future__ import annotations

from typing import Any

import numpy as np

from gatewise.estimators.sequences import LIMIT, Inputs
from gatewise.interop.onnx.tensors import NUMBERS
from gatewise.interop.onnx.writer import Steps, Writer, all_lengths, blank, places, reshaped, sliced, valid_steps

DOUBLE, SINGLE = NUMBERS[np.dtype(np.float64)], NUMBERS[np.dtype(np.float32)]


def encoded(writer: Writer, inputs: Inputs, x: str, steps: Steps) -> str:
    """Return what networks read of x (batch, time, channels), float32 (batch, time, inputs), as `Inputs.encode` has it.

    NaN in x, of float32 or float64, is a missing value.
    """
    seen = writer.node("Not", writer.node("IsNaN", x))
    wide = writer.node("Where", seen, writer.node("Cast", x, to=DOUBLE), writer.constant(0, np.float64))
    mean, scale = (writer.constant(values, np.float64) for values in (inputs.mean, inputs.scale))
    bounds = (writer.constant(bound, np.float64) for bound in (-LIMIT, LIMIT))
    clipped = writer.node("Clip", writer.node("Div", writer.node("Sub", wide, mean), scale), *bounds)
    values = blank(writer, writer.node("Cast", clipped, to=SINGLE), steps)
    if steps.lengths is not None:
        outside = writer.node("Not", writer.node("Unsqueeze", valid_steps(writer, steps), writer.integers(2)))
        seen = writer.node("Or", seen, outside)
    filled, since = _filled(writer, values, seen, steps, len(inputs.mean))
    if not inputs.gaps.any():
        return filled
    channels = writer.integers(*np.flatnonzero(inputs.gaps).tolist())
    said = [writer.node("Gather", value, channels, axis=2) for value in (writer.node("Cast", seen, to=SINGLE), since)]
    said = [blank(writer, said[0], steps), blank(writer, _log1p(writer, said[1]), steps)]
    return writer.node("Concat", filled, *said, axis=2)


def _log1p(writer: Writer, count: str) -> str:
    """log(1 + count) of whole numbers, in float64, then in float32."""
    wide = writer.node("Cast", count, to=DOUBLE)
    return writer.node("Cast", writer.node("Log", writer.node("Add", wide, writer.constant(1, np.float64))), to=SINGLE)


def _filled(writer: Writer, values: str, seen: str, steps: Steps, channels: int) -> tuple[str, str]:
    """Values with the last seen one where there is none, and how many steps ago that was, both (batch, time, ...)."""
    shape = writer.node("Concat", steps.batch, writer.integers(channels), axis=0)
    none = writer.node("Expand", writer.constant(0), shape)
    body = Writer(np.float32, f"{writer.fresh('gaps')}.")
    sizes = ("batch", channels)
    last, ago, value = (body.input(name, np.float32, sizes) for name in ("last", "ago", "value"))
    known = body.input("seen", bool, sizes)
    filled = body.node("Where", known, value, last)
    since = body.node("Where", known, body.constant(0), body.node("Add", ago, body.constant(1)))
    for name, result in (("last_next", filled), ("ago_next", since), ("filled", filled), ("since", since)):
        body.output(name, result, np.float32, sizes)
    by_time = {"scan_input_axes": [1, 1], "scan_output_axes": [1, 1]}
    options: dict[str, Any] = {"body": body.body(body.label), "num_scan_inputs": 2, **by_time}
    *_, all_filled, all_since = writer.several("Scan", (none, none, values, seen), 4, **options)
    return all_filled, all_since


def blocks(writer: Writer, x: str, steps: Steps, factor: int, width: int) -> tuple[str, Steps]:
    """Return means over blocks of `factor` steps of x (batch, time, width), and the blocks as steps."""
    if factor == 1:
        return x, steps
    whole, one = writer.constant(factor, np.int64), writer.constant(factor - 1, np.int64)
    count = writer.node("Div", writer.node("Add", steps.time, one), whole)
    missing = writer.node("Sub", writer.node("Mul", count, whole), steps.time)
    ends = writer.node("Concat", writer.integers(0, 0, 0, 0), as_vector(writer, missing), writer.integers(0), axis=0)
    padded = writer.node("Pad", x, ends, writer.constant(0))
    total = writer.node("ReduceSum", reshaped(writer, padded, 0, -1, factor, width), writer.integers(2), keepdims=0)
    lengths = all_lengths(writer, steps)
    begun = writer.node("Mul", places(writer, count), whole)
    left = writer.node("Sub", writer.node("Unsqueeze", lengths, writer.integers(1)), begun)
    inside = writer.node("Clip", left, writer.constant(1, np.int64), whole)
    divisor = writer.node("Cast", writer.node("Unsqueeze", inside, writer.integers(2)), to=SINGLE)
    fewer = None if steps.lengths is None else writer.node("Div", writer.node("Add", lengths, one), whole)
    return writer.node("Div", total, divisor), Steps(count, steps.batch, fewer)


def as_vector(writer: Writer, scalar: str) -> str:
    """Return a scalar as (1,)."""
    return writer.node("Unsqueeze", scalar, writer.integers(0))


def first_channels(writer: Writer, x: str, count: int) -> str:
    """Return the first inputs of x (batch, time, inputs)."""
    return sliced(writer, x, 0, count, 2)

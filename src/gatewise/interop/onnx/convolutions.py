"""The ridge on random convolutions as nodes: every number is formed in the order in which NumPy forms it here.

That order matters: shares count outputs above thresholds, and of series that repeat their values many outputs lie on a
threshold, where a last bit decides.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gatewise.convolutions.kernels import KERNELS, TAPS, TRIPLES, Convolutions
from gatewise.convolutions.path import RidgePath
from gatewise.convolutions.segments import SCALES
from gatewise.interop.onnx.inputs import DOUBLE, SINGLE, as_vector, first_channels
from gatewise.interop.onnx.writer import (
    Steps,
    Writer,
    all_lengths,
    part_means,
    places,
    reshaped,
    sliced,
)


def ridge_outputs(writer: Writer, path: RidgePath, x: str, steps: Steps) -> str:
    """Return the outputs of a ridge, float64 (batch, outputs), for what networks read too, x (batch, time, inputs)."""
    features = _features(writer, path, x, steps)
    centered = writer.node("Sub", features, writer.weight("ridge.center", path.center))
    weights = writer.weight("ridge.coefficients", np.ascontiguousarray(path.coefficients.T))
    product = writer.node("MatMul", writer.node("Cast", centered, to=DOUBLE), writer.node("Cast", weights, to=DOUBLE))
    return writer.node("Add", product, writer.weight("ridge.intercept", path.intercept))


def _features(writer: Writer, path: RidgePath, x: str, steps: Steps) -> str:
    """Shares, highest outputs and levels, float32 (batch, features)."""
    convolutions = path.convolutions
    groups, _, thresholds = convolutions.thresholds.shape
    channels = convolutions.mixtures.shape[1]
    series = writer.node("Transpose", first_channels(writer, x, channels), perm=[2, 0, 1])
    shares, highest = _by_group(writer, convolutions, series, steps)
    found = [
        reshaped(writer, writer.node("Transpose", value, perm=[1, 0, 2]), 0, groups * width)
        for value, width in ((shares, KERNELS * thresholds), (highest, KERNELS))
    ]
    inputs = (len(path.center) - sum(convolutions.sizes)) // (2 * (2**SCALES - 1))
    return writer.node("Concat", *found, _levels(writer, x, steps, inputs), axis=1)


def _levels(writer: Writer, x: str, steps: Steps, inputs: int) -> str:
    """Levels over parts and their changes, as `segments` has them, (batch, 62·inputs)."""
    finest = part_means(writer, writer.node("Cast", x, to=DOUBLE), steps, 2**SCALES)
    levels: list[str] = []
    changes: list[str] = []
    for scale in reversed(range(SCALES)):
        pairs = reshaped(writer, finest, 0, 2**scale, 2, inputs)
        first, second = (writer.node("Gather", pairs, writer.constant(k, np.int64), axis=2) for k in (0, 1))
        changes.insert(0, writer.node("Sub", second, first))
        finest = writer.node("Div", writer.node("Add", first, second), writer.constant(2, np.float64))
        levels.insert(0, finest)
    joined = writer.node("Concat", *levels, *changes, axis=1)
    return writer.node("Cast", reshaped(writer, joined, 0, 2 * (2**SCALES - 1) * inputs), to=SINGLE)


def _by_group(writer: Writer, convolutions: Convolutions, series: str, steps: Steps) -> tuple[str, str]:
    """Shares (groups, batch, 84·thresholds) and highest outputs (groups, batch, 84) of series (channels, batch, time).

    A Scan goes over the groups: each has a mixture of channels, a dilation, two flags and thresholds.
    """
    mixtures, dilations, differenced, padded, thresholds = convolutions
    lost = np.where(padded, 0, differenced + (TAPS - 1) * dilations).astype(np.int64)
    per_group: dict[str, Any] = {
        "mixture": mixtures,
        "dilation": dilations,
        "differenced": differenced,
        "lost": lost,
        "thresholds": thresholds,
    }
    names = [writer.weight(f"convolutions.{name}", values) for name, values in per_group.items()]
    shared = {"series": series, "lengths": all_lengths(writer, steps), "time": steps.time, "batch": steps.batch}
    body = Writer(np.float32, f"{writer.fresh('group')}.")
    given = {name: body.input(name, values.dtype, values.shape[1:]) for name, values in per_group.items()}
    shares, highest = _of_group(body, given, shared, len(mixtures[0]), thresholds.shape[2])
    body.output("shares", shares, np.float32, ("batch", KERNELS * thresholds.shape[2]))
    body.output("highest", highest, np.float32, ("batch", KERNELS))
    found = writer.several("Scan", names, 2, body=body.body(body.label), num_scan_inputs=len(names))
    return found[0], found[1]


def _of_group(
    writer: Writer, given: dict[str, str], shared: dict[str, str], channels: int, thresholds: int
) -> tuple[str, str]:
    outputs = _outputs(writer, _taps(writer, _mixed(writer, given, shared, channels), given, shared))
    lengths, lost = shared["lengths"], given["lost"]
    place = places(writer, shared["time"])
    ended = writer.node("Less", place, writer.node("Unsqueeze", lengths, writer.integers(1)))
    valid = writer.node("And", ended, writer.node("GreaterOrEqual", place, lost))
    lowest = writer.constant(-np.inf)
    known = writer.node("Where", writer.node("Unsqueeze", valid, writer.integers(1)), outputs, lowest)
    above = writer.node(
        "Greater",
        writer.node("Unsqueeze", known, writer.integers(2)),
        writer.node("Unsqueeze", given["thresholds"], writer.integers(2)),
    )
    counts = writer.node("ReduceSum", writer.node("Cast", above, to=SINGLE), writer.integers(3), keepdims=0)
    steps = writer.node("Max", writer.node("Sub", lengths, lost), writer.constant(1, np.int64))
    per_row = writer.node("Unsqueeze", writer.node("Cast", steps, to=SINGLE), writer.integers(1))
    shares = writer.node("Div", reshaped(writer, counts, 0, KERNELS * thresholds), per_row)
    highest = writer.node("ReduceMax", known, axes=[2], keepdims=0)
    some = writer.node("Unsqueeze", writer.node("Less", lost, lengths), writer.integers(1))
    return shares, writer.node("Where", some, highest, writer.constant(0))


def _mixed(writer: Writer, given: dict[str, str], shared: dict[str, str], channels: int) -> str:
    """The mixture of the channels, (batch, time), summed channel by channel; or its first differences, 0 at first."""
    parts = writer.several("Split", (shared["series"],), channels, axis=0) if channels > 1 else (shared["series"],)
    weights = writer.several("Split", (given["mixture"],), channels, axis=0) if channels > 1 else (given["mixture"],)
    total = writer.node("Mul", parts[0], weights[0])
    for part, weight in zip(parts[1:], weights[1:], strict=True):
        total = writer.node("Add", total, writer.node("Mul", part, weight))
    mixed = writer.node("Squeeze", total, writer.integers(0))
    first = sliced(writer, mixed, 0, 1, 1)
    change = writer.node("Sub", sliced(writer, mixed, 1, np.iinfo(np.int64).max, 1), sliced(writer, mixed, 0, -1, 1))
    changes = writer.node("Concat", writer.node("Mul", first, writer.constant(0)), change, axis=1)
    return writer.node("Where", given["differenced"], changes, mixed)


def _taps(writer: Writer, mixed: str, given: dict[str, str], shared: dict[str, str]) -> str:
    """What each tap reads at each step, 8·dilation … 0 steps back, 0 before the first: (batch, 9, time)."""
    dilation = given["dilation"]
    before = as_vector(writer, writer.node("Mul", dilation, writer.constant(TAPS - 1, np.int64)))
    nothing = writer.node("Expand", writer.constant(0), writer.node("Concat", shared["batch"], before, axis=0))
    series = writer.node("Concat", nothing, mixed, axis=1)
    begun = writer.node("Mul", writer.constant(np.arange(TAPS)[:, None], np.int64), dilation)
    return writer.node("Gather", series, writer.node("Add", begun, places(writer, shared["time"])), axis=1)


def _outputs(writer: Writer, taps: str) -> str:
    """Outputs (batch, 84, time) of the kernels of nine weights of which three are 2 and six are -1."""
    each = writer.several("Split", (taps,), TAPS, axis=1)
    total = each[0]
    for tap in each[1:]:
        total = writer.node("Add", total, tap)
    threefold = writer.node("Mul", taps, writer.constant(3))
    first, *others = (writer.node("Gather", threefold, writer.constant(taken, np.int64), axis=1) for taken in TRIPLES.T)
    outputs = writer.node("Sub", first, total)
    for other in others:
        outputs = writer.node("Add", outputs, other)
    return outputs

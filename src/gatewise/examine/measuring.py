"""Gradients against differences, by array, gate and element; and what is said where nothing is recognized."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gatewise.errors import Array
from gatewise.examine.conventions import Identity
from gatewise.examine.differences import Measured, measured
from gatewise.examine.given import Given
from gatewise.examine.network import Inputs, Network, Upstream
from gatewise.examine.passes import PASSED, Case
from gatewise.examine.result import Row, Slip
from gatewise.examine.search import Explanation, Part

TOLERANCE = 1e-6
SINGLE = 3e-3  # where outputs or gradients are float32


def rows(network: Network, inputs: Inputs, upstream: Upstream, given: Given, identity: Identity | None, precise: bool,
         rng: np.random.Generator) -> Iterator[Row]:  # fmt: skip
    """Yield every gradient against differences, one row for each gate of an array."""
    tolerance = TOLERANCE if precise else SINGLE
    values = {**given.arrays, "x": given.x, "h_prev": given.h_prev, "c_prev": given.c_prev}
    for one in measured(network, inputs, upstream, precise, rng):
        gradient = values.get(one.name)
        if gradient is None:
            if one.name in network.weights:
                yield Row(given.name(one.name), "", None, (), False)
            continue
        for gate, part in _parts(one, identity, network):
            error, at = part.error(gradient)
            yield Row(given.name(one.name), gate, error, at, error <= tolerance)


def _parts(one: Measured, identity: Identity | None, network: Network) -> Iterator[tuple[str, Measured]]:
    """Yield the measured elements of an array gate by gate."""
    blocks = [] if identity is None else [(key, b) for key, b in identity.blocks.items() if b.array == one.name]
    if len(blocks) < 2:
        gated = bool(blocks) and identity is not None and identity.form.cell != "rnn"
        yield (blocks[0][0][1] if gated else ""), one
        return
    shape = network.weights[one.name].shape
    numbers = np.arange(int(np.prod(shape))).reshape(shape)
    gates = dict.fromkeys(gate for (_, gate), _ in blocks)
    size = max(float(np.max(np.abs(one.slopes))), 1e-12)
    for gate in gates:
        own = {int(k) for (_, g), block in blocks if g == gate for k in block.read(numbers).reshape(-1)}
        picked = [k for k, at in enumerate(one.at) if int(numbers[at]) in own]
        if picked:
            at = [one.at[k] for k in picked]
            yield gate, Measured(one.name, at, one.slopes[picked], None, 0.0, size)


def unexplained(own: list[Row]) -> list[Slip]:
    """Return a slip for each gradient that differs, where nothing else explains it."""
    unknown = "what is wrong is not known"
    return [
        Slip(
            row.array,
            row.gate,
            f"differs from the measured gradient by {row.error:.1e} of its size, most at {list(row.at)}; {unknown}",
            "",
            row.error,
            "unknown",
            target="unknown",
        )
        for row in own
        if not row.ok and row.error is not None
    ]


def unmatched(explanation: Explanation, given: Given, identity: Identity, case: Case) -> list[Slip]:
    """Return what no slip of the catalogue explains: each array, its gates, the step where the error starts."""
    wrong: dict[str, list[Part]] = {}
    for part in sorted(explanation.given - explanation.matched):
        key = (part[0], part[1])
        array = key[0] if key in PASSED else identity.blocks[key].array
        wrong.setdefault(array, []).append(part)
    slips = []
    for array, parts in wrong.items():
        gates = "".join(dict.fromkeys(gate for _, gate, _ in parts))
        steps = [step for _, _, step in parts if step >= 0]
        start = f", from step {max(steps)} of {len(case.steps)} backwards (steps count from 0)" if steps else ""
        what = f"is wrong{f' in the gates {gates}' if gates else ''}{start}; it matches no slip of the catalogue"
        slips.append(Slip(given.name(array), gates, what, "", _distance(explanation, given, identity, parts), "unknown",
                          target="unknown"))  # fmt: skip
    return slips


def _distance(explanation: Explanation, given: Given, identity: Identity, parts: list[Part]) -> float:
    own: dict[tuple[str, str], Array] = given.canonical(identity)
    errors = []
    for matrix, gate, _ in parts:
        key = (matrix, gate)
        a, b = own[key], explanation.gradients.get(key)
        if b is not None and a.shape == b.shape:
            errors.append(float(np.max(np.abs(a - b))) / max(float(np.max(np.abs(b))), 1e-12))
    return max(errors, default=float("inf"))

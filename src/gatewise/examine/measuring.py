"""Gradients against differences, by array, gate and element; and what is said where nothing is recognized."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gatewise.errors import Array
from gatewise.examine.conventions import Identity
from gatewise.examine.differences import Measured, Slopes, disagreement, elements, measurable
from gatewise.examine.given import Given
from gatewise.examine.network import Inputs, Network, Upstream
from gatewise.examine.passes import PASSED, Case
from gatewise.examine.result import Row, Slip
from gatewise.examine.search import Explanation, Part

TOLERANCE = 1e-6
DOUBT = 0.1  # a gradient that agrees along random directions to this part of the tolerance is right in each element
SINGLE = 3e-3  # where outputs or gradients are float32

Gates = dict[str, Array]
"""The numbers of the elements of an array that belong to each gate."""


def rows(network: Network, inputs: Inputs, upstream: Upstream, given: Given, identity: Identity | None, precise: bool,
         rng: np.random.Generator) -> Iterator[Row]:  # fmt: skip
    """Yield every gradient against differences, one row for each gate of an array."""
    values = {**given.arrays, "x": given.x, "h_prev": given.h_prev, "c_prev": given.c_prev}
    for one in measurable(network, inputs, upstream):
        gradient = values.get(one.name)
        name, gates = given.name(one.name), _gates(one, identity)
        if gradient is not None:
            quick = _agreeing(name, one, gradient, gates, rng) if precise else []
            yield from quick or _by_element(name, elements(one, precise, rng), gradient, gates, precise)
        elif one.name in network.weights:
            yield Row(name, "", None, (), False)


def _agreeing(name: str, one: Slopes, gradient: Array, gates: Gates, rng: np.random.Generator) -> list[Row]:
    """Return the rows of a gradient that agrees along random directions, beyond doubt; else none."""
    if np.shape(gradient) != one.at.shape:
        return []
    difference, size = disagreement(one, gradient, rng), float(np.max(np.abs(gradient)))
    sizes = [float(np.max(np.abs(gradient.reshape(-1)[own]))) for own in gates.values()]
    own = [
        Row(name, gate, difference / max(part, 1e-3 * size, 1e-12), (), True)
        for gate, part in zip(gates, sizes, strict=True)
    ]
    return own if all(row.error is not None and row.error <= DOUBT * TOLERANCE for row in own) else []


def _by_element(name: str, one: Measured, gradient: Array, gates: Gates, precise: bool) -> Iterator[Row]:
    numbers = np.arange(gradient.size).reshape(gradient.shape)
    size = max(float(np.max(np.abs(one.slopes))), 1e-12)
    for gate, own in gates.items():
        inside = set(own.tolist())
        picked = [k for k, at in enumerate(one.at) if int(numbers[at]) in inside]
        if picked:
            at = [one.at[k] for k in picked]
            part = one if len(gates) == 1 else Measured(one.name, at, one.slopes[picked], None, 0.0, size)
            error, where = part.error(gradient)
            yield Row(name, gate, error, where, error <= (TOLERANCE if precise else SINGLE))


def _gates(one: Slopes, identity: Identity | None) -> Gates:
    """Return the elements of an array, counted through, gate by gate."""
    numbers = np.arange(one.at.size)
    blocks = [] if identity is None else [(key, b) for key, b in identity.blocks.items() if b.array == one.name]
    if len(blocks) < 2:
        gated = bool(blocks) and identity is not None and identity.form.cell != "rnn"
        return {blocks[0][0][1] if gated else "": numbers}
    shaped = numbers.reshape(one.at.shape)
    gates = dict.fromkeys(gate for (_, gate), _ in blocks)
    return {
        gate: np.unique(np.concatenate([np.ravel(block.read(shaped)) for (_, g), block in blocks if g == gate]))
        for gate in gates
    }


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

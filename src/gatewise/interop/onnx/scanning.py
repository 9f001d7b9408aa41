"""ONNX's Scan: a graph that is evaluated once for each step of a sequence, with states that it hands on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from gatewise.errors import Array, GatewiseValueError
from gatewise.interop.onnx import limits
from gatewise.interop.onnx.shaping import check_axis
from gatewise.interop.onnx.tensors import check_size

_PER_INPUT, _PER_OUTPUT = ("scan_input_axes", "scan_input_directions"), ("scan_output_axes", "scan_output_directions")
SCAN_ATTRIBUTES = frozenset({"body", "num_scan_inputs", *_PER_INPUT, *_PER_OUTPUT})


@dataclass(frozen=True)
class Scan:
    """Steps over the axes of several inputs side by side.

    The body takes the states and a slice of each input, and gives the states and a slice of each output.
    """

    body: Any
    """A `Graph`."""
    count: int
    """Inputs that are stepped over; those before them are states."""
    input_axes: tuple[int, ...]
    input_directions: tuple[int, ...]
    output_axes: tuple[int, ...]
    output_directions: tuple[int, ...]

    @classmethod
    def of(cls, attributes: dict[str, Any], opset: int) -> Scan:
        """Return the operator with these attributes."""
        if opset < 9:
            raise GatewiseValueError(f"Scan is of opset {opset}, in which it had a batch; need 9 or more.")
        body, count = attributes["body"], attributes["num_scan_inputs"]
        states = len(body.inputs) - count
        outputs = len(body.outputs) - states
        if count < 1 or states < 0 or outputs < 0:
            raise GatewiseValueError(
                f"num_scan_inputs is {count}; the body has {len(body.inputs)} inputs and {len(body.outputs)} outputs."
            )
        options = []
        for names, number in ((_PER_INPUT, count), (_PER_OUTPUT, outputs)):
            for name in names:
                given = tuple(attributes.get(name) or (0,) * number)
                if len(given) != number:
                    raise GatewiseValueError(f"{name} is {list(given)}; need {number} numbers.")
                options.append(given)
        return cls(body, count, *options)

    def __call__(self, *inputs: Array, outer: Mapping[str, Array] | None = None) -> tuple[Array, ...]:
        """Return the final states and the outputs; `outer` has what the body reads of the graph around it."""
        if len(inputs) != len(self.body.inputs):
            raise GatewiseValueError(f"Scan has {len(inputs)} inputs; its body takes {len(self.body.inputs)}.")
        states, sequences = list(inputs[: -self.count]), inputs[-self.count :]
        names = [one.name for one in self.body.inputs]
        ways = zip(sequences, self.input_axes, self.input_directions, strict=True)
        ordered = [_ordered(x, axis, way) for x, axis, way in ways]
        counts = {len(x) for x in ordered}
        if len(counts) != 1:
            raise GatewiseValueError(f"the inputs have {sorted(counts)} steps; need as many in all.")
        steps = counts.pop()
        limits.take(steps)
        slices: list[list[Array]] = []
        for t in range(steps):
            given = dict(zip(names, [*states, *(x[t] for x in ordered)], strict=True))
            with limits.step():
                known = self.body.evaluate({**(outer or {}), **given})
            results = [known[name] for name in self.body.outputs]
            states = results[: len(states)]
            slices.append(results[len(states) :])
            check_size((len(slices) * sum(part.size for part in slices[-1]),))
        return (*states, *self._outputs(slices))

    def _outputs(self, slices: list[list[Array]]) -> list[Array]:
        if not slices and self.output_axes:
            raise GatewiseValueError("Scan has no steps; need one at least.")
        found = []
        for parts, axis, way in zip(zip(*slices, strict=True), self.output_axes, self.output_directions, strict=True):
            stacked = np.stack(parts[::-1] if way else parts)
            found.append(np.moveaxis(stacked, 0, check_axis(axis, stacked.ndim)))
        return found


def _ordered(x: Array, axis: int, way: int) -> Array:
    moved = np.moveaxis(x, check_axis(axis, x.ndim), 0)
    return moved[::-1] if way else moved

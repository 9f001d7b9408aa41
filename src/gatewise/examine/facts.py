"""What else is worth knowing: randomness, state that is kept, inputs changed in place, numbers that overflow."""

from __future__ import annotations

import linecache
import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from gatewise.examine.guard import NotUnderstoodError, TheirError, theirs
from gatewise.examine.network import Inputs, Network, Outputs
from gatewise.examine.result import Slip
from gatewise.examine.tracing import Trace

LARGE = 5_000.0  # inputs with which every pre-activation is beyond ±709, where e^a overflows


def check_outputs(network: Network, inputs: Inputs, outputs: Outputs) -> None:
    """Raise if the forward pass gives nan for ordinary numbers, or cannot be repeated."""
    if not np.isfinite(outputs.h).all():
        trace = Trace()
        network.traced_forward(network.with_weights(network.weights), inputs, trace)
        raise NotUnderstoodError(
            f"forward gives nan or infinity for ordinary inputs (about ±1){_first(trace)}; need finite numbers."
        )
    again = network.run(network.weights, inputs)
    if not np.array_equal(again.h, outputs.h):
        raise NotUnderstoodError(
            "forward gives other numbers for the same weights and input, also with NumPy's global seed held: it draws "
            "from a generator of its own, or keeps something outside the object. Make the generator an attribute of it."
        )


def notes(network: Network, inputs: Inputs, outputs: Outputs) -> Iterator[str]:
    """Yield what a reader should know though it is no slip."""
    network.seed += 1
    try:
        other = network.run(network.weights, inputs)
    finally:
        network.seed -= 1
    if not np.array_equal(other.h, outputs.h):
        yield "forward is random (dropout?): the seed was held, so that all numbers here belong to one draw."
    own = network.with_weights(network.weights)
    network.forward(own, inputs)
    second = network.forward(own, inputs)
    if not np.array_equal(second.h, outputs.h):
        yield "forward keeps state between calls: a second call gives other numbers. Every call here had a fresh copy."
    if outputs.dtype != np.float64:
        yield f"outputs are {outputs.dtype} although all inputs are float64: errors below 1e-5 cannot be seen."
    values = network.values(own, inputs)
    before = {role: np.copy(value) for role, value in values.items() if isinstance(value, np.ndarray)}
    fresh = network.with_weights(network.weights)
    theirs("forward", network.call, network.forward_plan, network.holder.forward(fresh), values)
    changed = [role for role, value in before.items() if not np.array_equal(values[role], value)]
    if changed:
        names = [name for name, role in network.forward_plan.roles if role in changed]
        yield f"forward changes {', '.join(names)} in place: whoever handed it over holds other numbers afterwards."


def overflow(network: Network, inputs: Inputs, letters: dict[str, str]) -> Slip | None:
    """Return the slip of a nonlinearity that turns into nan for large inputs."""
    trace = Trace()
    own = network.with_weights(network.weights)
    large = inputs._replace(x=np.where(inputs.x < 0, -LARGE, LARGE))
    try:
        outputs = network.traced_forward(own, large, trace)
    except (NotUnderstoodError, TheirError, ArithmeticError, ValueError):
        return None
    if not np.isnan(outputs.h).any():
        return None
    event = next((event for event in trace.events if np.isnan(event.value).any()), None)
    name = event.name if event is not None else "h"
    source = linecache.getline(event.file, event.line).strip() if event is not None else ""
    tanh = name == letters.get("n", letters.get("g")) or "tanh" in source
    right = "np.tanh(a)" if tanh else "a form that does not overflow, such as scipy.special.expit"
    what = "tanh as a ratio of exponentials" if tanh else "a ratio of exponentials"
    return Slip(
        name,
        "n" if tanh else "",
        f"{name} turns into nan for large inputs: {what} overflows where its argument is beyond ±709",
        right,
        kind="numbers",
        line=event.line if event is not None else None,
        source=source,
    )


def _first(trace: Trace) -> str:
    event = next((event for event in trace.events if not np.isfinite(event.value).all()), None)
    if event is None:
        return ""
    source = linecache.getline(event.file, event.line).strip()
    return f", first in {event.name} (line {event.line}{f': {source}' if source else ''})"


def update_line(function: Any, names: list[str]) -> tuple[int | None, str]:
    """Return the line on which a class changes its weights, and its text."""
    code = getattr(getattr(function, "__func__", function), "__code__", None)
    if code is None:
        return None, ""
    lines = linecache.getlines(code.co_filename)
    pattern = re.compile(r"(-=|\+=|=)")
    for number, text in enumerate(lines, 1):
        if "-=" in text and pattern.search(text) and any(re.search(rf"\b{re.escape(name)}\b", text) for name in names):
            return number, text.strip()
    return None, ""

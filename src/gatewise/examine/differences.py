"""Every gradient measured: differences of the network's own forward pass, of fourth order, in float64.

Along random directions first; element by element where these disagree.
The loss is L = Σ dy ⊙ h, over all steps, units and sequences, and what comes in for the last states.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from gatewise.errors import Array
from gatewise.examine.network import Inputs, Network, Outputs, Upstream, Weights

DIRECTIONS = 3  # along which a gradient that is right is held against the slopes
EVERY = 160  # an array of up to so many elements is measured element by element
SAMPLE = 24  # of a larger one so many, and along one direction through all
# In float64 so small that a relu rarely has its kink within it; in float32 so large that rounding does not hide it.
STEP, SINGLE_STEP = 5e-5, 3e-2


class Measured(NamedTuple):
    """Slopes of the loss with respect to one array."""

    name: str
    at: list[tuple[int, ...]]
    slopes: Array
    """One for each of `at`."""
    direction: Array | None
    along: float
    """The slope along `direction`, where there is one."""
    size: float = 0.0
    """The largest slope of the whole array, where this is a part."""

    def error(self, gradient: Array) -> tuple[float, tuple[int, ...]]:
        """Return the largest difference from a gradient, relative to the array's largest slope, and where it is."""
        picked = np.array([gradient[index] for index in self.at])
        scale = max(float(np.max(np.abs(self.slopes))), float(np.max(np.abs(picked))), 1e-3 * self.size, 1e-12)
        errors = np.abs(picked - self.slopes) / scale
        worst = int(np.argmax(np.where(np.isfinite(errors), errors, np.inf)))
        value = float(errors[worst])
        if self.direction is not None:
            claimed = float(np.sum(gradient * self.direction))
            value = max(value, abs(claimed - self.along) / max(abs(claimed), abs(self.along), scale))
        return (value if np.isfinite(value) else float("inf")), self.at[worst]


def loss(outputs: Outputs, upstream: Upstream) -> float:
    """Return Σ dy ⊙ h, and the same of the last states."""
    value = float(np.sum(upstream.dy * outputs.h) + np.sum(upstream.dh_next * outputs.h[-1]))
    return value + (float(np.sum(upstream.dc_next * outputs.c)) if outputs.c is not None else 0.0)


class Slopes(NamedTuple):
    """What is measured: the loss as a function of one array, near its value."""

    name: str
    function: Callable[[Array], float]
    at: Array


def measurable(network: Network, inputs: Inputs, upstream: Upstream) -> Iterator[Slopes]:
    """Yield every array of weights, x and the initial states."""

    def by_weight(name: str) -> Callable[[Array], float]:
        def value(moved: Array) -> float:
            weights: Weights = network.weights | {name: moved}
            return loss(network.run(weights, inputs), upstream)

        return value

    def by_input(name: str) -> Callable[[Array], float]:
        return lambda moved: loss(network.run(network.weights, inputs._replace(**{name: moved})), upstream)

    for name, value in network.weights.items():
        yield Slopes(name, by_weight(name), value)
    yield Slopes("x", by_input("x"), inputs.x)
    if network.takes_state:
        yield Slopes("h_prev", by_input("h_prev"), inputs.h_prev)
    if network.takes_cell:
        yield Slopes("c_prev", by_input("c_prev"), inputs.c_prev)


def disagreement(one: Slopes, gradient: Array, rng: np.random.Generator) -> float:
    """Return how far a gradient is from the slopes along a few random directions, at most.

    Along a normal direction the difference of two gradients has the size of its Euclidean norm, which is no less than
    the difference of any element.
    """
    differences = []
    for _ in range(DIRECTIONS):
        direction = rng.normal(size=one.at.shape)
        along = slope(lambda e, v=direction: one.function(one.at + e * v), STEP)  # type: ignore[misc]
        differences.append(abs(float(np.sum(gradient * direction)) - along))
    return float(max(differences)) if np.isfinite(differences).all() else float("inf")


def elements(one: Slopes, precise: bool, rng: np.random.Generator) -> Measured:
    """Return the slopes element by element; of a large array those of a sample, and along one direction through all."""
    step = STEP if precise else SINGLE_STEP
    function, at = one.function, one.at
    places = list(np.ndindex(at.shape))
    direction = None
    along = 0.0
    if at.size > EVERY:
        chosen = rng.choice(len(places), SAMPLE, replace=False)
        places = [places[k] for k in sorted(chosen)]
        direction = rng.normal(size=at.shape)
        direction /= np.linalg.norm(direction)
        along = slope(lambda e: function(at + e * direction), step)
    slopes = []
    for index in places:
        unit = np.zeros_like(at)
        unit[index] = 1.0
        slopes.append(slope(lambda e, unit=unit: function(at + e * unit), step))  # type: ignore[misc]
    return Measured(one.name, places, np.array(slopes), direction, along)


def slope(function: Callable[[float], float], step: float) -> float:
    """Return the slope at 0, by the difference of fourth order."""
    near = function(step) - function(-step)
    far = function(2 * step) - function(-2 * step)
    return (8 * near - far) / (12 * step)

"""What is inside a network: the sections on gates, gradient flow, weights and certificate that every page shares."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from gatewise.cells import Cell
from gatewise.errors import Array
from gatewise.layers import Layer
from gatewise.layers.parts import plain_layers
from gatewise.layers.stack import Recurrent
from gatewise.pages.content import TextTable

if TYPE_CHECKING:
    from xarray import Dataset

NOTES = {("gru", "update"): "1 keeps the old state", ("lstm", "forget"): "1 keeps the old cell"}
"""What is worth a word beside the title of a gate, by the name of its cell."""
FAR = 50.0
"""A pre-activation at which a sigmoid is at its end."""


@dataclass(frozen=True)
class Inside:
    """A network and the rows on which it is looked at; `rows` and `features` name them, in order."""

    network: Layer
    x: Array
    lengths: Array | None = None
    rows: Sequence[str] = ()
    features: Sequence[str] = ()
    dy: Array | None = None
    loss: Any = None
    target: Array | None = None
    compare: Any = None

    def row_names(self) -> list[str]:
        """Return a name for each row of x."""
        return [self.rows[k] if k < len(self.rows) else f"Sequence {k + 1}" for k in range(len(self.x))]

    def feature_names(self) -> list[str]:
        """Return a name for each feature of x."""
        size = self.x.shape[2] if self.x.ndim == 3 else 1
        default = "Input {}" if self.x.ndim == 3 else "Token"
        return [self.features[k] if k < len(self.features) else default.format(k + 1) for k in range(size)]

    def steps(self) -> Array:
        """Return the valid steps of each row, int64 (n,)."""
        return np.full(len(self.x), self.x.shape[1]) if self.lengths is None else np.asarray(self.lengths)


class Place(NamedTuple):
    """One direction of one recurrent layer of a network, and what was seen of it."""

    label: str
    recurrent: Recurrent
    seen: Dataset
    prefix: str
    where: dict[str, int]

    def values(self, name: str, kind: str = "") -> Array:
        """Return a gate or state, or with kind "d_" its gradient, over the rows: (n, time, H), NaN past each length."""
        values: Array = self.seen[kind + self.prefix + name].isel(self.where).to_numpy()
        return values

    def names(self) -> list[str]:
        """Return the gates and states, in the order in which a step computes them."""
        cell = self.recurrent.cell
        return [*(name for name in cell.recorded if name in cell.gates), *reversed(cell.states)]

    def title(self, name: str) -> str:
        """Return what a gate or state is called, with what its value 1 means where that is worth a word."""
        cell = self.recurrent.cell
        note = NOTES.get((cell.name, name))
        return heading(cell, name) + (f" ({note})" if note else "")

    def is_gate(self, name: str) -> bool:
        """Whether values of `name` lie between 0 and 1, as a sigmoid gives them."""
        return name in sigmoids(self.recurrent.cell)


def heading(cell: Cell, name: str) -> str:
    """Return what a gate or state of a cell is called, with a capital letter.

    Examples
    --------
    >>> from gatewise.cells import FORMS
    >>> heading(FORMS["lstm"], "forget")
    'Forget gate f'
    """
    title = cell.title(name)
    return title[0].upper() + title[1:]


@cache
def sigmoids(cell: Cell) -> frozenset[str]:
    """Return the recorded values of a cell that go from 0 to 1 with its pre-activations.

    Examples
    --------
    >>> from gatewise.cells import FORMS
    >>> sorted(sigmoids(FORMS["gru/after"]))
    ['reset', 'update']
    """
    G = len(cell.gates)
    rows = G * cell.recurrent
    state, U, c = tuple(np.zeros((1, 1)) for _ in cell.states), np.zeros((rows, 1)), np.zeros(rows)
    with np.errstate(all="ignore"):
        _, low = cell.step(np.full((1, G), -FAR), state, U, c)
        _, high = cell.step(np.full((1, G), FAR), state, U, c)
    ends = {name: sorted((float(a[0, 0]), float(b[0, 0]))) for name, a, b in zip(cell.recorded, low, high, strict=True)}
    return frozenset(name for name, pair in ends.items() if np.allclose(pair, (0, 1)))


def recurrent_layers(network: Layer) -> list[tuple[str, Recurrent]]:
    """Return every recurrent layer of a network with the prefix of its parameters, "0." in a `Sequential`."""
    return [(prefix, layer) for prefix, layer, _ in plain_layers(network) if isinstance(layer, Recurrent)]


def places(network: Layer, seen: Dataset) -> Iterator[Place]:
    """Yield every direction of every recurrent layer of `network`, from what `gatewise.trace` saw of it."""
    layers = recurrent_layers(network)
    for prefix, recurrent in layers:
        named = prefix if len(layers) > 1 else ""
        for layer in range(recurrent.num_layers):
            for reverse in range(recurrent.directions):
                where = {f"{named}layer": layer} if recurrent.num_layers > 1 else {}
                where |= {f"{named}direction": reverse} if recurrent.bidirectional else {}
                yield Place(_place_name(recurrent, named, layer, bool(reverse)), recurrent, seen, named, where)


def _place_name(network: Recurrent, prefix: str, layer: int, reverse: bool) -> str:
    kind = type(network).__name__
    where = f"{prefix.rstrip('.')} " if prefix else ""
    stacked = f" {layer + 1} of {network.num_layers}" if network.num_layers > 1 else ""
    direction = (", backward" if reverse else ", forward") if network.bidirectional else ""
    return f"{where}{kind}{stacked}{direction}"


def range_table(shown: Sequence[Place]) -> TextTable:
    """Return how each gate and state is spread over all valid steps."""
    rows = []
    for place in shown:
        for name in place.names():
            values = place.values(name)
            valid = values[np.isfinite(values)]
            quantiles = [f"{value:.2f}" for value in np.quantile(valid, (0.05, 0.5, 0.95))]
            where = f"{place.label}: " if len(shown) > 1 else ""
            rows.append([where + heading(place.recurrent.cell, name), *quantiles, _at_its_ends(valid, place, name)])
    return TextTable("How gates and states are spread", ["", "5 %", "median", "95 %", "saturated"], rows)


def _at_its_ends(values: Array, place: Place, name: str) -> str:
    """Return the share of values within 0.05 of the bounds of a gate, or beyond ±0.95; none of an inner state."""
    if name in place.recurrent.cell.states[1:]:
        return ""
    gate = place.is_gate(name)
    centered, limit = (2 * values - 1, 0.9) if gate else (values, 0.95)
    return f"{100 * float((np.abs(centered) > limit).mean()):.0f} %"

"""What is inside a network: the sections on gates, gradient flow, weights and certificate that every page shares."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from gatewise.errors import Array
from gatewise.layers import Layer
from gatewise.layers.parts import plain_layers
from gatewise.layers.stack import Recurrent
from gatewise.pages.content import TextTable

if TYPE_CHECKING:
    from xarray import Dataset

TITLES = {
    "reset": "Reset gate r",
    "update": "Update gate z (1 keeps the old state)",
    "candidate": "Candidate",
    "input": "Input gate i",
    "forget": "Forget gate f (1 keeps the old cell)",
    "output": "Output gate o",
    "hidden": "Hidden state h",
    "cell": "Cell state c",
}
SIGMOIDS = ("reset", "update", "input", "forget", "output")


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
        found: Array = self.seen[kind + self.prefix + name].isel(self.where).to_numpy()
        return found

    def names(self) -> list[str]:
        """Return the gates and states, in the order in which a step computes them."""
        cell = self.recurrent.cell
        return [name for name in (*cell.recorded, *reversed(cell.states)) if name in TITLES]


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


def range_table(found: Sequence[Place]) -> TextTable:
    """Return how each gate and state is spread over all valid steps."""
    rows = []
    for place in found:
        for name in place.names():
            values = place.values(name)
            valid = values[np.isfinite(values)]
            quantiles = [f"{value:.2f}" for value in np.quantile(valid, (0.05, 0.5, 0.95))]
            where = f"{place.label}: " if len(found) > 1 else ""
            rows.append([where + TITLES[name].split(" (")[0], *quantiles, _at_its_ends(valid, name)])
    return TextTable("How gates and states are spread", ["", "5 %", "median", "95 %", "saturated"], rows)


def _at_its_ends(values: Array, name: str) -> str:
    """Return the share of values within 0.05 of the bounds of a gate, or beyond ±0.95."""
    if name == "cell":
        return ""
    centered = 2 * values - 1 if name in SIGMOIDS else values
    limit = 0.9 if name in SIGMOIDS else 0.95
    return f"{100 * float((np.abs(centered) > limit).mean()):.0f} %"

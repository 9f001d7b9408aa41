"""What a model is made of, as a table: its layers, the shapes of their outputs, and how many parameters they have."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from gatewise.layers.embedding import Embedding
from gatewise.layers.layer import Layer
from gatewise.layers.parallel import Parallel
from gatewise.layers.several import Several
from gatewise.printing import html_table, text_table

Size = int | str
Shape = tuple[Size, ...]
HEADER = ("layer", "output", "parameters")


class SummaryRow(NamedTuple):
    """One layer of a model."""

    place: str
    """Where it is, as the names of the model's `params` begin: "" for the model itself, "0", "0.1", …."""
    layer: str
    """The layer with its options, or only the kind of a layer made of layers."""
    output: Shape
    """Shape of its output; axes of any size have names."""
    parameters: int
    """Numbers in its `params`."""

    @property
    def depth(self) -> int:
        """How many layers made of layers it is in."""
        return len(self.place.split(".")) if self.place else 0


@dataclass(frozen=True, repr=False)
class Summary:
    """The layers of a model. It prints as text and shows as HTML in a notebook.

    Attributes
    ----------
    rows : tuple of SummaryRow
        A row for the model and one for each layer in it, in the order in which they act.
    parameters : int
        Numbers in all `params`.
    size : int
        Bytes of all `params`.
    notes : tuple of str
        What else is to be known, a line each.
    """

    rows: tuple[SummaryRow, ...]
    parameters: int
    size: int
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "\n".join([text_table(HEADER, self._cells("  "), right=(2,)), *self._lines()])

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return html_table(HEADER, self._cells("\u2003"), right=(2,), caption="; ".join(self._lines()))

    def _cells(self, indent: str) -> Iterator[tuple[str, str, str]]:
        for row in self.rows:
            number = f"{row.place.rpartition('.')[2]}: " if row.place else ""
            output = f"({', '.join(map(str, row.output))})"
            yield indent * row.depth + number + row.layer, output, f"{row.parameters:,}"

    def _lines(self) -> list[str]:
        return [f"{self.parameters:,} parameters, {self.size / 1000:,.1f} kB", *self.notes]


def summarize(model: Layer, copies: Sequence[Layer] = (), notes: tuple[str, ...] = ()) -> Summary:
    """Return the summary of a model, see `Layer.summary`; `copies` of the same layers count, but are not listed.

    Examples
    --------
    >>> import gatewise as gw
    >>> print(summarize(gw.Dense(3, 4, rng=0), [gw.Dense(3, 4, rng=1)], ("one of two layers",)))
    layer                                output             parameters
    ──────────────────────────────────────────────────────────────────
    Dense(input_size=3, output_size=4)   (batch, time, 4)           16
    32 parameters, 0.1 kB
    one of two layers
    """
    arrays = [array for one in (model, *copies) for array in one.params.values()]
    rows = _rows(model, "", _input_shape(model))
    return Summary(tuple(rows), sum(a.size for a in arrays), sum(a.nbytes for a in arrays), notes)


def _input_shape(model: Layer) -> Shape:
    size = getattr(model, "input_size", None)
    return ("batch", "time", "features" if size is None else size)


def _rows(layer: Layer, place: str, shape: Shape) -> list[SummaryRow]:
    """The row of a layer whose input has `shape`, and those of the layers in it."""
    count = sum(array.size for array in layer.params.values())
    if not isinstance(layer, Several):
        return [SummaryRow(place, str(layer), _output_shape(layer, shape), count)]
    parts: list[SummaryRow] = []
    ends: list[Shape] = []
    incoming = shape
    for number, part in enumerate(layer.layers):
        rows = _rows(part, f"{place}.{number}" if place else str(number), incoming)
        parts += rows
        ends.append(rows[0].output)
        incoming = shape if isinstance(layer, Parallel) else ends[-1]
    output = _beside(ends) if isinstance(layer, Parallel) else ends[-1]
    return [SummaryRow(place, type(layer).__name__, output, count), *parts]


def _output_shape(layer: Layer, shape: Shape) -> Shape:
    """The shape of a layer's output: without time where the layer keeps none, and with the size that it gives."""
    size = getattr(layer, "output_size", None)
    front = shape[:2] if isinstance(layer, Embedding) else shape[:-1]
    if not layer.keeps_time:
        front = front[:1]
    return (*front, shape[-1] if size is None else size)


def _beside(shapes: Sequence[Shape]) -> Shape:
    """The shape of outputs side by side."""
    sizes = [shape[-1] for shape in shapes]
    known = [size for size in sizes if isinstance(size, int | np.integer)]
    return (*shapes[0][:-1], sum(known) if len(known) == len(sizes) else "features")

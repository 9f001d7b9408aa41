"""The section on weights: singular values of each gate's recurrent matrix, eigenvalues of an Elman network's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from bokeh.models import Range1d

from gatewise.errors import Array
from gatewise.layers import Layer
from gatewise.layers.stack import Recurrent
from gatewise.pages import drawing
from gatewise.pages.content import Section, TextTable
from gatewise.pages.inside import heading, recurrent_layers
from gatewise.pages.words import number

MOST = 4


def spectrum_sections(network: Layer) -> list[Section]:
    """Return a section for each recurrent matrix, the first four of a deep network."""
    named = [
        (prefix + name, recurrent)
        for prefix, recurrent in recurrent_layers(network)
        for name in recurrent.params
        if name.startswith("weight_hh")
    ]
    return [
        _section(k, name, recurrent, network.params[name], half=len(named) > 1)
        for k, (name, recurrent) in enumerate(named[:MOST])
    ]


def _section(k: int, name: str, recurrent: Recurrent, weights: Array, half: bool) -> Section:
    gates = recurrent.cell.gates
    blocks = dict(zip(gates, np.split(weights.astype(float), len(gates)), strict=True))
    values = {gate: np.linalg.svd(block, compute_uv=False) for gate, block in blocks.items()}
    titles = {gate: heading(recurrent.cell, gate) for gate in gates}
    eigenvalues = len(gates) == 1
    main = "candidate" if "candidate" in gates else gates[0]
    radius = float(np.abs(np.linalg.eigvals(blocks[main])).max())
    of_main = recurrent.cell.title(main)
    sizes = f"The largest of the {of_main}'s is {number(values[main][0])}, its spectral radius {number(radius)}."
    if eigenvalues:
        sizes = f"Spectral radius {number(radius)}, largest singular value {number(values[main][0])}."
    what = "Eigenvalues" if eigenvalues else "Singular values"
    return Section(
        id=f"spectrum-{k}",
        heading=f"Weights: {what.lower()} of {name}",
        intro=_intro(eigenvalues, sizes),
        alt=f"{what} of {name}. {sizes}",
        figure=eigenvalue_figure(blocks[main]) if eigenvalues else singular_value_figure(values, titles),
        legend={} if eigenvalues else dict(zip(drawing.SLOTS, titles.values(), strict=False)),
        tables=[_table(name, values, titles)],
        half=half or eigenvalues,
    )


def _intro(eigenvalues: bool, sizes: str) -> str:
    if eigenvalues:
        return f"Beyond the unit circle a state grows, well inside it the past is soon forgotten. {sizes}"
    return f"How much the recurrent matrix of each gate stretches the state, by direction. {sizes}"


def _table(name: str, values: Mapping[str, Array], titles: Mapping[str, str]) -> TextTable:
    rows = [
        [titles[gate], *map(number, (sizes[0], float(np.median(sizes)), sizes[-1], _rank(sizes)))]
        for gate, sizes in values.items()
    ]
    header = ["Gate", "largest", "median", "smallest", "effective rank"]
    return TextTable(f"Singular values of {name}", header, rows)


def _rank(values: Array) -> float:
    """Return exp of the entropy of the singular values' shares (Roy and Vetterli, EUSIPCO 2007)."""
    shares = values[values > 0] / values.sum() if values.any() else np.ones(1)
    return float(np.exp(-(shares * np.log(shares)).sum()))


def singular_value_figure(values: Mapping[str, Array], titles: Mapping[str, str]) -> Any:
    """Return the singular values of each gate in falling order."""
    names = dict(zip(drawing.SLOTS, values, strict=False))
    table = pd.DataFrame({slot: values[gate] for slot, gate in names.items()})
    table.index = pd.Index(range(1, len(table) + 1), name="place")
    source = drawing.source(table)
    plot = drawing.plot(280, y_range=drawing.spread(table, zero=True))
    plot.xaxis[0].ticker.update(min_interval=1, num_minor_ticks=0)
    plot.xaxis.axis_label = "Singular value, by size"
    for slot in names:
        drawing.line(plot, source, slot, marker=len(table) <= 40)
    labels = {slot: titles[gate] for slot, gate in names.items()}
    drawing.hover(plot, "No. @place", labels, renderers=drawing.first_line(plot))
    return plot


def eigenvalue_figure(matrix: Array) -> Any:
    """Return the eigenvalues in the complex plane with the unit circle."""
    eigenvalues = np.linalg.eigvals(matrix)
    points = {"first": np.abs(eigenvalues), "imaginary": eigenvalues.imag}
    table = pd.DataFrame(points, pd.Index(eigenvalues.real, name="real"))
    limit = 1.1 * max(1.0, float(np.abs(eigenvalues).max()))
    ranges = {"x_range": Range1d(start=-limit, end=limit), "y_range": Range1d(start=-limit, end=limit)}
    plot = drawing.plot(360, match_aspect=True, **ranges)
    angle = np.linspace(0, 2 * np.pi, 181)
    plot.line(np.cos(angle), np.sin(angle), name="sixth", color=drawing.COLORS["sixth"], line_dash="4 3")
    source = drawing.source(table)
    plot.scatter(
        "real", "imaginary", source=source, size=7, name="first", color=drawing.COLORS["first"], fill_alpha=0.6
    )
    names = {"first": "Modulus"}
    options = {"renderers": drawing.first_line(plot), "mode": "mouse"}
    drawing.hover(plot, "@real{0.000} + @imaginary{0.000} i", names, **options)
    plot.xaxis.axis_label, plot.yaxis.axis_label = "Real part", "Imaginary part"
    return plot

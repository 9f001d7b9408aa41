"""The section on gradient flow: how much of a gradient at the last step is left at each step before it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from bokeh.models import Range1d

from gatewise.errors import Array, GatewiseTypeError, check_choice
from gatewise.layers import RNN, Layer
from gatewise.layers.parts import has_recurrent_part, recurrent_parts
from gatewise.layers.stack import Recurrent
from gatewise.pages import drawing
from gatewise.pages.content import Section, TextTable
from gatewise.pages.inside import Inside, recurrent_layers
from gatewise.pages.words import count, number
from gatewise.sight.flow import GradientFlow, gradient_flow

WORK = 1e9  # rows × steps × units³ of one curve: a few seconds
CURVES, FLOOR, CEILING = 4, 1e-12, 1e12
DISTANCES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)


class Curve(NamedTuple):
    """‖∂h_T/∂h_{T−k}‖ for k = 0, 1, …: the median over the rows and where four of five lie; and the memory."""

    label: str
    middle: Array
    low: Array
    high: Array
    memory: float


def flow_sections(inside: Inside) -> list[Section]:
    """Return the section, or none for a network without a recurrent layer."""
    if not has_recurrent_part(inside.network):
        return []
    curves = list(_curves(inside.network, inside))[:CURVES]
    curves += _compared(inside)
    names = {slot: curve.label for slot, curve in zip(drawing.SLOTS, curves, strict=False)}
    section = Section(
        id="flow",
        heading="Gradient flow through time",
        intro=f"‖∂h(T)/∂h(t)‖, what is left at step t of a gradient at the last step T. {_in_words(curves)}",
        alt=f"Line chart, logarithmic, of the gradient's norm by steps before the last. {_in_words(curves)}",
        figure=flow_figure(curves),
        legend=names if len(curves) > 1 else {},
        tables=[_table(curves)],
    )
    return [section, *_share_sections(inside)]


def _compared(inside: Inside) -> list[Curve]:
    """Return the curve to compare with: of a fresh Elman network of the same size, or of a model that was given."""
    if inside.compare is None:
        return []
    if isinstance(inside.compare, Layer):
        return list(_curves(inside.compare, inside, "Compared: "))[:1]
    if not isinstance(inside.compare, str):
        raise GatewiseTypeError(f"compare is a {type(inside.compare).__name__}; need 'rnn' or another layer or model.")
    check_choice("compare", inside.compare, ["rnn"])
    _, recurrent = recurrent_layers(inside.network)[0]
    elman = RNN(recurrent.input_size, recurrent.hidden_size, dtype=recurrent.dtype, rng=0)
    _, _, tape = inside.network.forward(inside.x, lengths=inside.lengths)
    part = next(recurrent_parts(inside.network, tape))
    return [_curve(elman, part.tape.runs[0].x, inside.lengths, "Elman network of this size, starting weights")]


def _curves(network: Layer, inside: Inside, prefix: str = "") -> Iterator[Curve]:
    """Yield a curve for every direction of every recurrent layer, each on what it reads."""
    _, _, tape = network.forward(inside.x, lengths=inside.lengths)
    several = len(recurrent_layers(network)) > 1
    for part in recurrent_parts(network, tape):
        for layer in range(part.layer.num_layers):
            for reverse in range(part.layer.directions):
                label = prefix + _label(part.layer, part.prefix if several else "", layer, bool(reverse))
                where = {"layer": layer, "reverse": bool(reverse)}
                yield _curve(part.layer, part.tape.runs[0].x, inside.lengths, label, **where)


def _label(recurrent: Recurrent, prefix: str, layer: int, reverse: bool) -> str:
    stacked = f" {layer + 1} of {recurrent.num_layers}" if recurrent.num_layers > 1 else ""
    return f"{prefix}{type(recurrent).__name__}{stacked}{', backward' if reverse else ''}"


def _curve(recurrent: Recurrent, x: Array, lengths: Array | None, label: str, **where: Any) -> Curve:
    x, lengths = _affordable(recurrent, x, lengths)
    flow = gradient_flow(recurrent, x, lengths=lengths, **where)
    steps = np.full(len(x), x.shape[1]) if lengths is None else lengths
    norms = _by_distance(flow, steps, bool(where.get("reverse")))
    quantiles = np.nanquantile(np.clip(norms, FLOOR, CEILING), (0.1, 0.5, 0.9), axis=0)
    middle = np.where(quantiles[1] > FLOOR, quantiles[1], np.nan)
    return Curve(label, middle, quantiles[0], quantiles[2], float(np.median(flow.memory)))


def _affordable(recurrent: Recurrent, x: Array, lengths: Array | None) -> tuple[Array, Array | None]:
    """Return as many rows, and of these as many first steps, as can be had in a few seconds."""
    size = recurrent.hidden_size * len(recurrent.cell.states)
    most = max(2.0, WORK / size**3)
    rows = int(max(1, min(len(x), most // x.shape[1])))
    steps = int(min(x.shape[1], most // rows))
    return x[:rows, :steps], None if lengths is None else np.minimum(lengths[:rows], steps)


def _by_distance(flow: GradientFlow, steps: Array, reverse: bool) -> Array:
    """Return the norms (rows, longest) by distance from the last step instead of by step; NaN beyond the first."""
    norms = np.full((len(steps), int(steps.max())), np.nan)
    for row, length in enumerate(steps):
        seen = flow.norms[row, :length]
        norms[row, :length] = seen if reverse else seen[::-1]
    return norms


def flow_figure(curves: list[Curve]) -> Any:
    """Return each curve, and around the first the range in which four of five rows lie."""
    longest = max(len(curve.middle) for curve in curves)
    names = {slot: curve.label for slot, curve in zip(drawing.SLOTS, curves, strict=False)}
    columns = {slot: _padded(curve.middle, longest) for slot, curve in zip(drawing.SLOTS, curves, strict=False)}
    columns |= {"lower": _padded(curves[0].low, longest), "upper": _padded(curves[0].high, longest)}
    table = pd.DataFrame(columns, pd.Index(range(longest), name="distance"))
    plot = drawing.plot(320, y_axis_type="log", x_range=Range1d(start=longest - 1, end=0), y_range=_decades(table))
    source = drawing.source(table)
    drawing.band(plot, source, "lower", "upper")
    for slot in names:
        drawing.line(plot, source, slot)
    plot.xaxis.axis_label = "Steps before the last"
    plot.xaxis[0].ticker.update(min_interval=1, num_minor_ticks=0)
    rows = names | {"lower": "Four of five from", "upper": "to"}
    drawing.hover(plot, "@distance steps before the last", rows, renderers=drawing.first_line(plot))
    return plot


def _decades(table: pd.DataFrame) -> Any:
    values = np.log10(table.to_numpy())
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    return Range1d(start=10 ** (np.floor(low) - 0.1), end=10 ** (np.ceil(high) + 0.1))


def _padded(values: Array, length: int) -> Array:
    return np.concatenate([values, np.full(length - len(values), np.nan)])


def _in_words(curves: list[Curve]) -> str:
    """Return the effective memory of each curve in words."""
    parts = [f"{count(int(curve.memory), 'step')} ({curve.label})" for curve in curves]
    joined = parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
    return f"It stays at or above 0.1 for {joined}, the median over the sequences."


def _table(curves: list[Curve]) -> TextTable:
    """Return the norm at some distances."""
    longest = max(len(curve.middle) for curve in curves)
    distances = [k for k in DISTANCES if k < longest]
    rows = [[str(k), *(number(c.middle[k] if k < len(c.middle) else None) for c in curves)] for k in distances]
    return TextTable("Norm by distance", ["Steps before the last", *(curve.label for curve in curves)], rows)


def _share_sections(inside: Inside) -> list[Section]:
    """Return how much each step contributes to the gradient of each weight, where there is a loss and one layer."""
    if (inside.loss is None and inside.dy is None) or len(recurrent_layers(inside.network)) > 1:
        return []
    loss: Mapping[str, Any] = (
        {"loss": inside.loss, "target": inside.target} if inside.loss is not None else {"dy": inside.dy}
    )
    shares = gradient_flow(inside.network, inside.x, lengths=inside.lengths, **loss).shares
    titles = {"weight_ih": "Input weights W", "weight_hh": "Recurrent weights U"}
    by_title = {titles[name.split(".")[-1][:9]]: share for name, share in shares.items() if "weight" in name}
    names = dict(zip(drawing.SLOTS, by_title, strict=False))
    table = pd.DataFrame({slot: 100 * by_title[title] for slot, title in names.items()})
    table.index = pd.Index(range(1, len(table) + 1), name="step")
    most = int(table["first"].argmax()) + 1
    return [
        Section(
            id="shares",
            heading="What each step contributes to learning",
            intro=f"Share of each step in the gradient of the weights, percent. For W, step {most} has the largest.",
            alt=f"Line chart of each step's share in the gradient of the weights. Step {most} has the largest.",
            figure=_share_figure(table, names),
            legend=names,
        )
    ]


def _share_figure(table: pd.DataFrame, names: Mapping[str, str]) -> Any:
    plot = drawing.plot(240, y_range=drawing.spread(table, zero=True))
    source = drawing.source(table)
    for slot in names:
        drawing.line(plot, source, slot)
    plot.xaxis.axis_label = "Step"
    drawing.hover(plot, "Step @step", names, renderers=drawing.first_line(plot))
    return plot

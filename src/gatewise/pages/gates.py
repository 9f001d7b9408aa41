"""The section on gates and states: linked heat maps, units over time, with the input above."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any, NamedTuple

import numpy as np
from bokeh.layouts import column
from bokeh.models import (
    ColumnDataSource,
    CrosshairTool,
    FixedTicker,
    HoverTool,
    LinearColorMapper,
    Range1d,
)
from bokeh.models.annotations import Span

from gatewise.errors import Array
from gatewise.layers.parts import has_recurrent_part
from gatewise.pages import drawing
from gatewise.pages.content import Section, Windows
from gatewise.pages.inside import Inside, Place, places, range_table
from gatewise.pages.words import count, shortened
from gatewise.sight.trace import trace

VALUES = 300_000  # on the page, two bytes each
ROWS, UNITS, LINES = 8, 64, 4
AXIS = 44  # pixels
GRAY = ["#000000", "#ffffff"]  # until the page's script sets its own


class Extent(NamedTuple):
    """How much of the values is on the page."""

    rows: int
    units: int
    steps: int


def gate_sections(inside: Inside) -> list[Section]:
    """Return the section, or none for a network without a recurrent layer."""
    if not has_recurrent_part(inside.network):
        return []
    gradients = {"loss": inside.loss, "target": inside.target} if inside.loss is not None else {"dy": inside.dy}
    seen = trace(inside.network, inside.x, lengths=inside.lengths, **gradients)
    shown = list(places(inside.network, seen))
    kinds = {"Values": ""} | ({"Gradients of the loss": "d_"} if "d_y" in seen else {})
    extent = _extent(shown, inside, len(kinds))
    names = [shortened(name) for name in inside.row_names()[: extent.rows]]
    return [
        Section(
            id="gates",
            heading="Inside: gates and states over time",
            intro=_intro(shown, extent, inside),
            alt=_alt(shown, extent),
            figure=gate_figure(shown, inside, extent),
            legend=_legend(inside),
            windows=Windows({}),
            picks={"Sequence": names, "Layer": [place.label for place in shown], "Show": list(kinds)},
            store=_store(shown, inside, extent, list(kinds.values())),
            scales=_scales(shown),
            tables=[range_table(shown)],
        )
    ]


def _store(shown: Sequence[Place], inside: Inside, extent: Extent, kinds: Sequence[str]) -> dict[str, Any]:
    """Return the values of all pictures by the numbers of row, place and kind, as in "0-2-0"."""
    orders = [unit_order(place.values(place.recurrent.cell.states[0]), extent.units) for place in shown]
    inputs = [_input(inside, row, extent.steps) for row in range(extent.rows)]
    units = [(order + 1).tolist() for order in orders]
    store: dict[str, Any] = {"rows": inputs, "features": inside.feature_names(), "units": units}
    for (p, place), (k, kind) in product(enumerate(shown), enumerate(kinds)):
        for name in place.names():
            values = place.values(name, kind)[: extent.rows, : extent.steps, orders[p]]
            ends = _ends(values, place.is_gate(name) and not kind)
            for row in range(extent.rows):
                cell = store.setdefault(f"{row}-{p}-{k}", {})
                cell[name] = _packed(values[row, : inputs[row]["steps"]]) | ends
    return store


def _ends(values: Array, gate: bool) -> dict[str, float]:
    """Return what the ends of the color scale stand for: 0 and 1 of a gate, ± the largest value of all rows else."""
    if gate:
        return {"low": 0.0, "high": 1.0}
    limit = float(f"{float(np.nanmax(np.abs(values))):.2g}") or 1.0
    return {"low": -limit, "high": limit}


def _extent(shown: Sequence[Place], inside: Inside, kinds: int) -> Extent:
    """Return the rows, units and steps that fit; rows go first, then steps."""
    arrays = kinds * sum(len(place.names()) for place in shown)
    units = min(UNITS, max(place.recurrent.hidden_size for place in shown))
    longest = int(inside.steps().max())
    rows = max(1, min(ROWS, len(inside.x), VALUES // (arrays * units * longest)))
    return Extent(rows, units, max(1, min(longest, VALUES // (arrays * units * rows))))


def unit_order(hidden: Array, most: int) -> Array:
    """Return up to `most` units, those that vary most, ordered so that units alike stand together.

    Leaves of an average-linkage tree over 1 − correlation of the hidden states (n, time, H), in the order that brings
    neighbors closest (Bar-Joseph, Gifford and Jaakkola, Bioinformatics 17, 2001).
    """
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    valid = hidden[np.isfinite(hidden).all(axis=2)].astype(float)
    spread = valid.std(axis=0)
    chosen: Array = np.sort(np.argsort(-spread, kind="stable")[:most])
    if len(chosen) < 3 or len(valid) < 2:
        return chosen
    scaled = (valid - valid.mean(axis=0))[:, chosen] / np.where(spread > 0, spread, 1)[chosen]
    distance = np.clip(1 - scaled.T @ scaled / len(valid), 0, 2)
    np.fill_diagonal(distance, 0)
    tree = linkage(squareform((distance + distance.T) / 2, checks=False), "average", optimal_ordering=True)
    ordered: Array = chosen[leaves_list(tree)]
    return ordered


def _packed(values: Array) -> dict[str, Any]:
    """Return values (time, units) as 16-bit integers, a unit after the other, with their scale."""
    scale = (float(np.abs(values).max()) or 1.0) / 32_000
    packed = np.round(values.T.astype(float) / scale).astype("<i2")
    return {"data": base64.b64encode(packed.tobytes()).decode(), "scale": scale}


def _input(inside: Inside, row: int, most: int) -> dict[str, Any]:
    """Return one row's input: its steps, and each feature's values to four digits."""
    steps = min(int(inside.steps()[row]), most)
    x = inside.x[row, :steps].reshape(steps, -1).astype(float)
    features = [[float(f"{value:.4g}") for value in feature] for feature in x.T]
    return {"steps": steps, "input": features}


def gate_figure(shown: Sequence[Place], inside: Inside, extent: Extent) -> Any:
    """Return the input above one heat map for each gate and state, linked in time; the page's script fills them."""
    window = Range1d(start=0.5, end=extent.steps + 0.5, bounds=(0.5, extent.steps + 0.5), name="window")
    across, down = Span(dimension="height", line_color=drawing.INK), Span(dimension="width", line_color=drawing.INK)
    titles = {name: place.title(name) for place in reversed(shown) for name in place.names()}
    names = list(dict.fromkeys(name for place in shown for name in place.names()))
    source = ColumnDataSource({name: [np.zeros((1, 1), np.float32)] for name in [*names, "unit"]}, name="gates")
    plots = [_input_plot(inside, window, across)]
    for name in names:
        plots.append(_heat(name, {other: titles[other] for other in names}, source, window, extent.units))
        plots[-1].add_tools(CrosshairTool(overlay=(down, across)))
    for plot in plots[:-1]:
        plot.xaxis.visible = False
    plots[-1].xaxis.axis_label = "Step"
    plots[-1].height += AXIS
    return column(*plots, sizing_mode="stretch_width", spacing=10)


def _heat(name: str, titles: Mapping[str, str], source: Any, window: Any, units: int) -> Any:
    plot = _strip(int(np.clip(3 * units, 80, 190)), titles[name], window, Range1d(start=units, end=0, name="units"))
    plot.title.name = f"title-{name}"
    _image(plot, name, source)
    rows = [drawing.hover_row("", title.split(" (")[0], f"@{other}{{0.[0000]}}") for other, title in titles.items()]
    _box(plot, "Step @step · unit @unit", rows)
    return plot


def _image(plot: Any, name: str, source: Any) -> None:
    colors = LinearColorMapper(palette=GRAY, low=-1, high=1, name=f"colors-{name}")
    plot.image(image=name, x=0.5, y=0, dw=1, dh=1, source=source, color_mapper=colors, name="heat")


def _input_plot(inside: Inside, window: Any, across: Any) -> Any:
    """Return the input: lines where there are few features, else a heat map, each feature to its own scale."""
    names = inside.feature_names()
    plot = _input_lines(names, window) if len(names) <= LINES else _input_heat(names, window)
    plot.add_tools(CrosshairTool(overlay=across))
    return plot


def _input_lines(names: Sequence[str], window: Any) -> Any:
    slots = drawing.SLOTS[: len(names)]
    source = ColumnDataSource({name: [] for name in ("step", *slots)}, name="input-lines")
    plot = _strip(110, "Input", window, Range1d(start=0, end=1, name="input"))
    plot.yaxis.visible = True
    for slot in slots:
        drawing.line(plot, source, slot)
    rows = [
        drawing.hover_row(slot, drawing.quoted(shortened(name, 30)), f"@{slot}{{0.[0000]}}")
        for slot, name in zip(slots, names, strict=True)
    ]
    _box(plot, "Step @step", rows, mode="vline", renderers=drawing.first_line(plot))
    return plot


def _input_heat(names: Sequence[str], window: Any) -> Any:
    source = ColumnDataSource({"input": [np.zeros((1, 1), np.float32)]}, name="input-heat")
    height = int(np.clip(12 * len(names), 60, 280))
    plot = _strip(height, "Input, each feature on its own scale", window, Range1d(start=len(names), end=0))
    _image(plot, "input", source)
    _box(plot, "Step @step", [drawing.hover_row("", "@feature", "@value{0.[0000]}")])
    if 12 * len(names) <= 280:
        plot.yaxis.visible = True
        plot.yaxis.ticker = FixedTicker(ticks=[k + 0.5 for k in range(len(names))])
        plot.yaxis.major_label_overrides = {k + 0.5: shortened(name, 9) for k, name in enumerate(names)}
        plot.yaxis.update(major_label_text_font_size="10px", major_label_standoff=2)
    return plot


def _box(plot: Any, heading: str, rows: Sequence[str], **options: Any) -> None:
    text = f'<div style="font-weight:600">{heading}</div>{"".join(rows)}'
    plot.add_tools(HoverTool(tooltips=text, attachment="horizontal", show_arrow=False, **options))


def _strip(height: int, title: str, window: Any, y_range: Any) -> Any:
    plot = drawing.plot(height + 26, x_range=window, y_range=y_range, title=title)
    plot.title.update(text_font=drawing.FONT, text_font_size="13px", text_font_style="normal", text_color=drawing.INK)
    plot.ygrid.visible = False
    plot.yaxis.visible = False
    plot.xaxis.axis_line_color = None
    drawing.box_and_wheel(plot)
    return plot


def _scales(shown: Sequence[Place]) -> dict[str, Sequence[str]]:
    gates = any(place.is_gate(name) for place in shown for name in place.names())
    scales: dict[str, Sequence[str]] = {"sequential": ("Gates 0", "1")} if gates else {}
    return scales | {"diverging": ("States −", "+")}


def _legend(inside: Inside) -> dict[str, str]:
    """Return the names of the lines of the input; none where it is a heat map."""
    names = inside.feature_names()
    return (
        dict(zip(drawing.SLOTS, (shortened(name, 40) for name in names), strict=False)) if len(names) <= LINES else {}
    )


def _intro(shown: Sequence[Place], extent: Extent, inside: Inside) -> str:
    sizes = max(place.recurrent.hidden_size for place in shown)
    longest = int(inside.steps().max())
    left_out = [f"the {extent.units} units that vary most, of {sizes:,}"] if sizes > extent.units else []
    left_out += [f"the first {extent.steps:,} of {longest:,} steps"] if longest > extent.steps else []
    note = f" Shown are {' and '.join(left_out)}." if left_out else ""
    return (
        "Each line of a picture is one unit, the same in all pictures; units that behave alike stand together. "
        f"Drag across to zoom, double-click to zoom out.{note}"
    )


def _alt(shown: Sequence[Place], extent: Extent) -> str:
    cell = shown[0].recurrent.cell
    names = ", ".join(cell.title(name) for name in shown[0].names())
    return (
        f"Heat maps over time of {names} of {count(extent.units, 'unit')}, below the input. "
        "The table below says how they are spread."
    )

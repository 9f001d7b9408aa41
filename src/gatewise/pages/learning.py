"""The section on training: the losses of each epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gatewise.errors import Array
from gatewise.pages.content import Section, TextTable
from gatewise.pages.words import number

History = Sequence[Mapping[str, Any]]


def loss_sections(history: History | None) -> list[Section]:
    """Return the section on training, or none where no loss was recorded."""
    names = loss_series(history or [])
    if not history or not names:
        return []
    lowest = _lowest(history, *list(names.items())[-1])
    return [
        Section(
            id="loss",
            heading="Training",
            intro=f"Loss after each epoch. {lowest}",
            alt=f"Line chart of the loss by epoch. {lowest}",
            figure=loss_figure(history),
            legend=names,
            tables=[_losses(history, names)],
        )
    ]


def loss_series(history: History) -> dict[str, str]:
    """Return the losses that `history` has, by name, with their titles."""
    both = {"loss": "Training", "validation_loss": "Validation"}
    return {name: title for name, title in both.items() if np.isfinite(losses(history, name)).any()}


def losses(history: History, name: str) -> Array:
    """Return one entry over all epochs, float64 (epochs,), NaN where it is missing."""
    return np.array([np.nan if (loss := record.get(name)) is None else loss for record in history], dtype=float)


def loss_figure(history: History) -> Any:
    """Return training and, where there is one, validation loss by epoch, the lowest point marked."""
    import pandas as pd
    from bokeh.models import NumeralTickFormatter

    from gatewise.pages import drawing

    names = loss_series(history)
    table = pd.DataFrame({name: losses(history, name) for name in names})
    table.index = pd.Index([int(record["epoch"]) for record in history], name="epoch")
    source = drawing.source(table)
    plot = drawing.plot(280, y_range=drawing.spread(table))
    plot.xaxis[0].ticker.update(min_interval=1, num_minor_ticks=0)
    plot.yaxis.formatter = NumeralTickFormatter(format="0.[0000]")
    for name in names:
        drawing.line(plot, source, name, marker=True)
    drawing.hover(plot, "Epoch @epoch", names, renderers=drawing.first_line(plot))
    _mark_lowest(plot, table)
    return plot


def _mark_lowest(plot: Any, table: Any) -> None:
    """Ring the lowest point of the last column."""
    from gatewise.pages.drawing import COLORS

    name = str(table.columns[-1])
    low = table[[name]].dropna().nsmallest(1, name)
    style = {"size": 13, "fill_alpha": 0, "line_color": COLORS[name], "line_width": 1.5}
    plot.scatter(low.index.to_numpy(), low[name].to_numpy(), name=name, **style)


def _lowest(history: History, name: str, title: str) -> str:
    """Return when this loss was lowest, in words."""
    values = losses(history, name)
    low = int(np.nanargmin(values))
    return f"{title} loss is lowest, {number(values[low])}, after epoch {history[low]['epoch']} of {len(history)}."


def _losses(history: History, names: Mapping[str, str]) -> TextTable:
    columns = [[str(record["epoch"]) for record in history]]
    columns += [[number(value) for value in losses(history, name)] for name in names]
    return TextTable("Loss by epoch", ["Epoch", *names.values()], list(zip(*columns, strict=True)))

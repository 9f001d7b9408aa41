"""What a regression reached: errors, predicted against true values, the hardest examples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from gatewise.comparison import MODEL, Comparison
from gatewise.errors import Array
from gatewise.pages import drawing, examples
from gatewise.pages.backtests import result_rows
from gatewise.pages.content import Example, Results, Section
from gatewise.pages.words import count, number, sentence, signed

MOST, POINTS = 4, 1500


class Predicted(NamedTuple):
    """True values and those a model gave, (n, targets), NaN where there is none."""

    truth: Array
    model: Array
    names: Sequence[str]
    thing: str  # what a row is: "sequence" or "step"

    def errors(self) -> Array:
        """Return the mean absolute error of each row over its targets, (n,), each target in its standard deviations."""
        spread = np.nanstd(self.truth, axis=0)
        scaled: Array = np.abs(self.model - self.truth) / np.where(spread > 0, spread, 1)
        return np.asarray(np.nan_to_num(scaled.mean(axis=1)))


WORTH = (
    (-0.02, "Worse than always giving the mean"),
    (0.02, "No better than always giving the mean"),
    (0.2, "Barely better than always giving the mean"),
)
"""What R² below a bound says in words."""


def value_headline(result: Predicted, comparison: Comparison | None = None) -> str:
    """Return the main result in words; of a weak model, what R² says of it."""
    one = comparison or compared_with_mean(result)
    r2 = explained(result)
    said = next((words for bound, words in WORTH if r2 <= bound), None)
    return sentence(one.verdict) if said is None else sentence(f"{said}: R² is {signed(r2)}")


def value_lede(result: Predicted, comparison: Comparison | None = None) -> str:
    """Return what the headline leaves out: R², or the error beside the best simple method."""
    one = comparison or compared_with_mean(result)
    r2 = explained(result)
    weak = any(r2 <= bound for bound, _ in WORTH)
    return f"{sentence(one.verdict)}." if weak else f"R² is {signed(r2)}."


def value_results(result: Predicted, comparison: Comparison | None = None) -> Results:
    """Return the model beside constant answers: of the training where a flow measured it, else of these rows."""
    one = comparison or compared_with_mean(result)
    return Results("Errors in the unit of the target", "Prediction", "MAE", one.unit, "RMSE", result_rows(one))


def compared_with_mean(result: Predicted) -> Comparison:
    """Return the model beside always giving the mean of these rows."""
    middle = np.broadcast_to(np.nanmean(result.truth, axis=0), result.truth.shape)
    measures = {
        method: {"mae": float(np.nanmean(np.abs(answer - result.truth))), "rmse": _rmse(answer, result.truth)}
        for method, answer in ((MODEL, result.model), ("constant", middle))
    }
    return Comparison(measures, {"constant": "always the mean"})


def explained(result: Predicted) -> float:
    """Return R², the mean over the targets; NaN where a target is constant."""
    left = np.nanmean((result.model - result.truth) ** 2, axis=0)
    spread = np.nanvar(result.truth, axis=0)
    return float(np.mean(1 - left / np.where(spread > 0, spread, np.nan)))


def _rmse(model: Array, truth: Array) -> float:
    return float(np.sqrt(np.nanmean((model - truth) ** 2)))


def value_sections(result: Predicted, cards: Sequence[Example], channels: Sequence[str] = ()) -> list[Section]:
    """Return predicted against true values, a section for each of the first targets, and the hardest examples."""
    shown = range(min(MOST, result.truth.shape[1]))
    sections = [_scatter_section(result, k, half=len(shown) > 1) for k in shown]
    if cards:
        intro = f"The {result.thing}s with the largest errors. {examples.WORDS}"
        sections.append(
            Section(id="hardest", heading="Hardest examples", intro=intro, examples=cards, key=examples.key(channels))
        )
    return sections


def _scatter_section(result: Predicted, k: int, half: bool) -> Section:
    name = result.names[k]
    left_out = f" Shown are {POINTS:,} of {len(result.truth):,}, evenly spaced." if len(result.truth) > POINTS else ""
    legend = f"{count(min(len(result.truth), POINTS), result.thing)}; predictions on the dashed line are right."
    return Section(
        id=f"predicted-{k}",
        heading=f"Predicted against true: {name}",
        intro=f"{legend.capitalize()}{left_out}",
        alt=f"Scatter plot of predicted against true values of {name}. R² over all is {explained(result):.3f}.",
        figure=scatter_figure(result.truth[:, k], result.model[:, k]),
        half=half,
    )


def scatter_figure(truth: Array, model: Array) -> Any:
    """Return predicted against true values, and the line where both are equal."""
    rows = np.unique(np.linspace(0, len(truth) - 1, min(len(truth), POINTS)).astype(int))
    table = pd.DataFrame({"first": model[rows], "sixth": truth[rows], "error": (model - truth)[rows]})
    table = table.dropna().assign(number=lambda rest: rows[rest.index.to_numpy()] + 1).set_index("sixth", drop=False)
    table = table.rename_axis("true")
    ends = drawing.spread(table[["first", "sixth"]])
    plot = drawing.plot(340, x_range=drawing.spread(table["sixth"]), y_range=ends)
    low, high = ends.start, ends.end
    plot.line([low, high], [low, high], name="sixth", color=drawing.COLORS["sixth"], line_dash="4 3")
    source = drawing.source(table)
    style = {"source": source, "size": 7, "color": drawing.COLORS["first"], "fill_alpha": 0.5, "line_alpha": 0.7}
    plot.scatter("true", "first", name="first", **style)
    plot.xaxis.axis_label, plot.yaxis.axis_label = "True", "Predicted"
    names = {"sixth": "True", "first": "Predicted", "error": "Error"}
    drawing.hover(plot, "No. @number", names, renderers=drawing.first_line(plot), mode="mouse")
    drawing.pan_and_wheel(plot)
    return plot


def cards(result: Predicted, read: Array, rows: Array, most: int) -> list[Example]:
    """Return a card for each of the first `most` rows; read (n, time, channels) is what the model reads."""
    made = []
    for place, row in enumerate(rows[:most]):
        caption = f"True value {_listed(result.truth[row])}, predicted {_listed(result.model[row])}"
        made.append(Example(f"No. {row + 1}", caption, examples.lines_of(read[row]), str(place)))
    return made


def _listed(numbers: Array) -> str:
    return ", ".join(number(float(value)) for value in numbers[:3]) + (", …" if len(numbers) > 3 else "")

"""What a classifier reached: accuracy, the confusion matrix, the hardest examples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from bokeh.core.properties import value
from bokeh.models import ColumnDataSource, FixedTicker, HoverTool, LinearColorMapper, Range1d
from sklearn.metrics import confusion_matrix, f1_score, precision_recall_fscore_support

from gatewise.comparison import MODEL, Comparison
from gatewise.errors import Array
from gatewise.pages import drawing, examples
from gatewise.pages.content import Example, Result, Results, Section, TextTable
from gatewise.pages.words import count, percent, sentence, shortened

MOST, TEXTS = 30, 16


class Classified(NamedTuple):
    """True classes and the probabilities that a model gave them, one row per sequence or step."""

    truth: Array  # int (n,)
    probabilities: Array  # (n, classes)
    labels: Sequence[str]
    thing: str  # what a row is: "sequence" or "step"

    @property
    def predicted(self) -> Array:
        """The most probable class of each row, (n,)."""
        return np.asarray(self.probabilities.argmax(axis=1))

    @property
    def surprise(self) -> Array:
        """1 − the probability of the true class, (n,)."""
        return np.asarray(1 - self.probabilities[np.arange(len(self.truth)), self.truth])

    @property
    def accuracy(self) -> float:
        """The share of right rows."""
        return float((self.predicted == self.truth).mean())


BARELY, LEVEL = 0.9, 0.98  # of the errors of the constant answer


def class_headline(result: Classified, comparison: Comparison | None = None) -> str:
    """Return the main result in words, with the constant answer where the model is little better than it."""
    wrong = int((result.predicted != result.truth).sum())
    right = f"{percent(result.accuracy)} right"
    wrong_of = f"{wrong:,} of {count(len(result.truth), result.thing)} wrong"
    one = comparison or compared_with_constant(result)
    if one.best is None or np.isnan(one.ratio):
        return f"{right}, {wrong_of}"
    against = f"{shortened(one.name(one.best), 40)} ({one.texts('accuracy')[one.best]})"
    if one.ratio > 1 / LEVEL:
        return sentence(f"{right}, worse than {against}: the model is not worth it here")
    if one.ratio > LEVEL:
        return sentence(f"{right}, no better than {against}: the model is not worth it here")
    if one.ratio > BARELY:
        return sentence(f"{right}, barely better than {against}")
    return sentence(f"{right}, {wrong_of}; {one.name(one.best)} reaches {one.texts('accuracy')[one.best]}")


def class_results(result: Classified, comparison: Comparison | None = None) -> Results:
    """Return the model beside the most frequent class: of the training where a flow measured it, else of these rows."""
    one = comparison or compared_with_constant(result)
    shares, f1 = one.texts("accuracy"), one.texts("macro_f1")
    rows = []
    for method, row in one.measures.items():
        name = "Model" if method == MODEL else sentence(shortened(one.name(method), 40))
        against = "" if method == MODEL else f"model {one.against(method)}".removesuffix(" with")
        width = 100 * (row["accuracy"] or 0.0)
        rows.append(Result("model" if method == MODEL else "second", name, shares[method], width, f1[method], against))
    return Results("Share of right classes", "Classifier", "Accuracy", "", "Macro F1", rows)


def compared_with_constant(result: Classified) -> Comparison:
    """Return the model beside always giving the most frequent class of these rows."""
    common = int(np.bincount(result.truth, minlength=len(result.labels)).argmax())
    answers = {MODEL: result.predicted, "most_frequent": np.full(len(result.truth), common)}
    measures = {
        method: {"accuracy": float((answer == result.truth).mean()), "macro_f1": _f1(result, answer)}
        for method, answer in answers.items()
    }
    return Comparison(measures, {"most_frequent": f"always {result.labels[common]!r}"}, by="accuracy")


def _f1(result: Classified, predicted: Array) -> float:
    return float(f1_score(result.truth, predicted, average="macro", zero_division=0))


def class_sections(result: Classified, cards: Sequence[Example], channels: Sequence[str] = ()) -> list[Section]:
    """Return the confusion matrix, the table of classes, and the hardest examples as cards."""
    sections = [_matrix_section(result), _class_section(result)]
    if cards:
        wrong = bool((result.predicted != result.truth).any())
        intro = f"The {result.thing}s to whose true class the model gave the lowest probability. {examples.WORDS}"
        intro = intro if wrong else f"{intro} All of them are right."
        sections.append(
            Section(id="hardest", heading="Hardest examples", intro=intro, examples=cards, key=examples.key(channels))
        )
    return sections


def _matrix_section(result: Classified) -> Section:
    shown = _shown(result)
    worst = _worst_confusion(result)
    left_out = (
        f" The {len(shown)} most frequent of {len(result.labels)} classes." if len(shown) < len(result.labels) else ""
    )
    return Section(
        id="confusion",
        heading="Confusion matrix",
        intro=f"One row per true class, one column per predicted class; the color is the share of the row. "
        f"{worst}{left_out}",
        alt=f"Confusion matrix, {len(shown)} × {len(shown)} classes. {worst}",
        figure=confusion_figure(result, shown),
        scales={"sequential": (percent(0.0), percent(1.0))},
        half=len(shown) <= TEXTS,
    )


def _shown(result: Classified) -> Array:
    """Return the classes to show, in order: all, or the most frequent ones."""
    counts = np.bincount(result.truth, minlength=len(result.labels))
    return np.sort(np.argsort(-counts, kind="stable")[:MOST])


def _worst_confusion(result: Classified) -> str:
    matrix = confusion_matrix(result.truth, result.predicted, labels=range(len(result.labels)))
    np.fill_diagonal(matrix, 0)
    if not matrix.any():
        return "Nothing is confused."
    row, column = divmod(int(matrix.argmax()), len(matrix))
    names = [shortened(result.labels[k], 30) for k in (row, column)]
    return f"Most often “{names[0]}” is predicted as “{names[1]}”: {count(int(matrix.max()), 'time')}."


def confusion_figure(result: Classified, shown: Array) -> Any:
    """Return the confusion matrix, the share of each line as color, with counts where there is room."""
    matrix = confusion_matrix(result.truth, result.predicted, labels=shown)
    table = _cells(matrix, [result.labels[k] for k in shown])
    size = len(shown)
    plot = drawing.plot(
        int(np.clip(90 + 36 * size, 240, 680)),
        x_range=Range1d(start=-0.5, end=size - 0.5),
        y_range=Range1d(start=size - 0.5, end=-0.5),
    )
    colors = LinearColorMapper(palette=["#000000", "#ffffff"], low=0, high=1)
    data = ColumnDataSource(drawing.arrays(table))
    box = {"x": "column", "y": "row", "width": 0.97, "height": 0.97, "source": data, "line_color": None}
    plot.rect(**box, fill_color={"field": "share", "transform": colors}, name="heat")
    if size <= TEXTS:
        _write_counts(plot, table)
    _name_classes(plot, [shortened(result.labels[k], 14) for k in shown])
    text = (
        '<div style="font-weight:600">@count of @all</div><div>true class @truth</div><div>predicted @predicted</div>'
        "<div>@share{0.0 %}</div>"
    )
    plot.add_tools(HoverTool(tooltips=text, renderers=plot.renderers[:1], attachment="horizontal", show_arrow=False))
    return plot


def _cells(matrix: Array, names: Sequence[str]) -> pd.DataFrame:
    row, column = (index.ravel() for index in np.indices(matrix.shape))
    totals = matrix.sum(axis=1)[row]
    table = pd.DataFrame({"row": row, "column": column, "count": matrix.ravel(), "all": totals})
    table["share"] = table["count"] / np.maximum(totals, 1)
    table["truth"], table["predicted"] = [names[int(k)] for k in row], [names[int(k)] for k in column]
    return table


def _write_counts(plot: Any, table: pd.DataFrame) -> None:
    """Write the counts, in the color of the page on dark cells."""
    counted = table[table["count"] > 0].assign(text=lambda cells: cells["count"].map("{:,}".format))
    for name, cells in (("surface", counted[counted["share"] > 0.45]), ("ink", counted[counted["share"] <= 0.45])):
        style = {"text_align": "center", "text_baseline": "middle", "text_color": drawing.INK}
        font = {"text_font": value(drawing.FONT), "text_font_size": "12px"}
        plot.text("column", "row", "text", source=ColumnDataSource(drawing.arrays(cells)), name=name, **style, **font)


def _name_classes(plot: Any, names: Sequence[str]) -> None:
    for axis, title in ((plot.xaxis[0], "Predicted"), (plot.yaxis[0], "True")):
        axis.ticker = FixedTicker(ticks=list(range(len(names))))
        axis.major_label_overrides = dict(enumerate(names))
        axis.update(axis_label=title, axis_line_color=None, major_tick_line_color=None)
    longest = max(map(len, names), default=0)
    plot.min_border_left = int(np.clip(7 * longest + 34, drawing.WIDE, 140))
    plot.ygrid.visible = False
    if longest * len(names) > 40:
        plot.xaxis.major_label_orientation = 0.9


def _class_section(result: Classified) -> Section:
    every = range(len(result.labels))
    scores = precision_recall_fscore_support(result.truth, result.predicted, labels=every, zero_division=0)
    rows = [
        [shortened(result.labels[k]), percent(precision), percent(recall), f"{f1:.3f}", f"{support:,}"]
        for k, precision, recall, f1, support in zip(every, *scores, strict=True)
    ]
    weakest = int(np.argmin(np.where(scores[3] > 0, scores[2], np.inf)))
    header = ["Class", "Precision", "Recall", "F1", f"{result.thing.capitalize()}s"]
    return Section(
        id="classes",
        heading="By class",
        intro=f"Weakest is “{shortened(result.labels[weakest], 30)}” with F1 {scores[2][weakest]:.3f}.",
        tables=[TextTable("Precision and recall of each class", header, rows, open=len(rows) <= MOST)],
        half=len(result.labels) <= TEXTS,
    )


def cards(result: Classified, values: Array, rows: Array, most: int) -> list[Example]:
    """Return a card for each of the first `most` rows; values (n, time, channels) are what it was read from."""
    made = []
    for place, row in enumerate(rows[:most]):
        true, predicted = result.truth[row], result.predicted[row]
        names = shortened(result.labels[true], 30), shortened(result.labels[predicted], 30)
        chance = percent(float(result.probabilities[row, predicted]))
        outcome = "predicted rightly" if true == predicted else f"predicted {names[1]}"
        caption = f"True class {names[0]}, {outcome} ({chance})"
        made.append(Example(f"No. {row + 1}", caption, examples.lines_of(values[row]), str(place)))
    return made

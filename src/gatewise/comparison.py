"""Errors of a model beside those of simple methods on the same held-out data, and what they say in words."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gatewise.printing import MISSING, aligned

MODEL = "model"
LEVEL = "level with"
BARELY = 0.95  # of the best simple method's error; above it, a model is hardly worth its training
WORDS = {"mae": "mean absolute error", "mase": "mean absolute scaled error", "accuracy": "accuracy"}
IN_UNIT = ("mae", "rmse")
SHARES = ("accuracy", "balanced_accuracy", "macro_f1", "coverage")


@dataclass(frozen=True)
class Comparison:
    """What a model and simple methods reach on the same held-out data: made once, shown everywhere.

    Attributes
    ----------
    measures : mapping of str to mapping of str to float or None
        By method, "model" first; by measure.
    names : mapping of str to str
        What the methods are called.
    by : str
        The measure that decides: an error such as "mae", or "accuracy", of which more is better.
    unit : str
        Of the errors, as it stands in the table.
    series : int
        Number of series that the measures are means over.

    Examples
    --------
    >>> errors = {"model": {"mae": 4.6}, "naive": {"mae": 4.4}, "drift": {"mae": 9.1}}
    >>> held_out = Comparison(errors, {"naive": "last value", "drift": "drift"}, unit="kW")
    >>> held_out.best, held_out.worth_it
    ('naive', False)
    >>> held_out.verdict.partition(", the best")[0]
    'mean absolute error 4.60 kW, 5 % above last value (4.40 kW)'
    """

    measures: Mapping[str, Mapping[str, float | None]]
    names: Mapping[str, str]
    by: str = "mae"
    unit: str = ""
    series: int = 1

    @property
    def simple(self) -> list[str]:
        """The simple methods that could be measured."""
        return [method for method in self.measures if method != MODEL and math.isfinite(self.error(method))]

    @property
    def best(self) -> str | None:
        """The simple method with the lowest error, the first of equal ones; None where none could be measured."""
        return min(self.simple, key=self.error, default=None)

    @property
    def ratio(self) -> float:
        """The model's error in units of the best simple method's; NaN where there is none."""
        best = math.nan if self.best is None else self.error(self.best)
        return self.error(MODEL) / best if best else (math.inf if self.error(MODEL) else 1.0)

    @property
    def worth_it(self) -> bool:
        """Whether the model's error is below that of the best simple method, by more than rounding hides."""
        return self.best is not None and self.ratio < 1 and self.against(self.best) != LEVEL

    @property
    def verdict(self) -> str:
        """The result in words, with the best simple method."""
        unit = f" {self.unit}" if self.unit and self.by in IN_UNIT else ""
        texts, best = {method: text + unit for method, text in self.texts(self.by).items()}, self.best
        reached = f"{self.measure} {texts[MODEL]}"
        if best is None or math.isnan(self.ratio):
            return reached
        number = len(self.simple)
        rank = f", the best of {number} simple methods" if number > 1 else ""
        return f"{reached}, {self.against(best)} {self.name(best)} ({texts[best]}){rank}{self._consequence()}"

    @property
    def measure(self) -> str:
        """What decides, in words: "mean absolute error", "mean absolute scaled error of 7 series (MASE)"."""
        words = WORDS.get(self.by, self.by)
        return f"{words} of {self.series:,} series (MASE)" if self.by == "mase" else words

    def error(self, method: str) -> float:
        """Return what decides of a method: less is better; NaN where it could not be measured."""
        value = self.measures[method].get(self.by)
        if value is None:
            return math.nan
        return 1 - value if self.by == "accuracy" else value

    def against(self, method: str) -> str:
        """Return how the model stands to a method: "27 % below", "5 % above", "level with"."""
        model, base = (self.measures[name].get(self.by) for name in (MODEL, method))
        if self.by == "accuracy":
            return _points(model, base)
        return _change(model, base)

    def name(self, method: str) -> str:
        """Return what a method is called."""
        return self.names.get(method, method.replace("_", " "))

    def texts(self, measure: str) -> dict[str, str]:
        """Return a measure of every method as text, all with the same decimals, shares in percent."""
        values = [row.get(measure) for row in self.measures.values()]
        if measure in SHARES:
            texts = [text if text == MISSING else f"{text} %" for text in aligned([_percent(v) for v in values], 1)]
        else:
            texts = aligned(values)
        return dict(zip(self.measures, texts, strict=True))

    def as_dict(self) -> dict[str, Any]:
        """Return everything as plain data: a dict a method, the best simple method, and the verdict."""
        return {
            **{method: dict(row) for method, row in self.measures.items()},
            "by": self.by,
            "best_simple": self.best,
            "worth_it": self.worth_it,
            "verdict": self.verdict,
        }

    def _consequence(self) -> str:
        if not self.worth_it:
            return ": the model is not worth it here"
        return ": barely better" if self.ratio > BARELY else ""


def _percent(share: float | None) -> float | None:
    return None if share is None else 100 * share


def _change(value: float | None, base: float | None) -> str:
    if value is None or base is None or not (math.isfinite(value) and math.isfinite(base)) or base < 0:
        return "not comparable with"
    if not base:
        return "above" if value else LEVEL
    change = round(100 * (value / base - 1))
    return f"{abs(change)} % {'below' if change < 0 else 'above'}" if change else LEVEL


def _points(value: float | None, base: float | None) -> str:
    if value is None or base is None or not (math.isfinite(value) and math.isfinite(base)):
        return "not comparable with"
    points = round(100 * (value - base), 1)
    return f"{abs(points):g} points {'above' if points > 0 else 'below'}" if points else LEVEL

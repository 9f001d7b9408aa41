"""What an examination gives: one object, shown as text, as JSON and as a page."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from gatewise.errors import Array


@dataclass(frozen=True)
class Slip:
    """One thing that is wrong.

    Attributes
    ----------
    array : str
        The array or line in which it shows: `dWhr`, `da_r`, `h`.
    gate : str
        The gate it belongs to, in the library's letter, or "".
    what : str
        What is wrong, in the reader's letters.
    right : str
        The right line.
    difference : float or None
        The largest relative difference between the gradients given and those with all slips named; None where nothing
        is compared.
    kind : str
        "code" (it does not run as it stands), "forward", "backward", "loop" (around the steps), "numbers", "unknown".
    line : int or None
        The line in the file.
    source : str
        That line's text.
    also : tuple of str
        The same gradients put otherwise.
    target, change : str
        The line and its wrong form in the library's letters, for programs.
    """

    array: str
    gate: str
    what: str
    right: str
    difference: float | None = None
    kind: str = "backward"
    line: int | None = None
    source: str = ""
    also: tuple[str, ...] = ()
    target: str = ""
    change: str = ""

    def __str__(self) -> str:
        source = f": {self.source}" if self.source else ""
        where = f" (line {self.line}{source})" if self.line else ""
        equals = f" (difference {self.difference:.0e})" if self.difference is not None else ""
        right = f" Right: {self.right}" if self.right else ""
        also = f" Or, with the same gradients: {'; '.join(self.also)}." if self.also else ""
        return f"{self.array}: {self.what}{equals}{where}.{right}{also}"


@dataclass(frozen=True)
class Row:
    """One gradient against differences: array, gate, relative error, the element where it is largest."""

    array: str
    gate: str
    error: float | None
    """None where the gradient is missing."""
    at: tuple[int, ...] = ()
    ok: bool = True


@dataclass(frozen=True)
class Equation:
    """A line of the backward pass in the reader's letters, and what stands in its place."""

    right: str
    wrong: str = ""
    line: int | None = None


@dataclass(frozen=True)
class Examination:
    """What `gw.examine` found out about a network.

    Attributes
    ----------
    ok : bool
        Whether nothing is wrong.
    name, taken_as : str
        What was examined, and how it was called.
    convention : dict
        cell, reset, update, order, biases, orientation, nonlinearity; `layout` and `hints`, with which
        `gw.GRU.from_weights(examination.weights, convention["layout"], **convention["hints"])` is the same network.
        Empty if the forward pass is that of no known network.
    words : str
        The same in a line.
    slips : list of Slip
        What is wrong.
    gradients : list of Row
        Every gradient against central differences of the network's own forward pass.
    notes : list of str
        What else is worth knowing.
    equations : list of Equation
        The backward pass in the reader's letters.
    weights : dict of str to ndarray
        The weights as they were, under the names of `convention["layout"]`.

    Examples
    --------
    >>> import gatewise as gw
    >>> from gatewise.examine.exercise import exercise
    >>> examination = exercise(level=1, seed=0).examine()
    >>> examination.ok, len(examination.slips)
    (False, 1)
    """

    ok: bool
    name: str
    taken_as: str
    convention: dict[str, Any]
    words: str
    slips: list[Slip]
    gradients: list[Row]
    notes: list[str] = field(default_factory=list)
    equations: list[Equation] = field(default_factory=list)
    weights: dict[str, Array] = field(default_factory=dict, repr=False, compare=False)

    def table(self) -> str:
        """Return everything as text."""
        from gatewise.examine.report import text

        return text(self)

    def __str__(self) -> str:
        return self.table()

    def _repr_html_(self) -> str:
        from gatewise.examine.report import fragment

        return fragment(self)

    def page(self) -> str:
        """Return one self-contained HTML page."""
        from gatewise.examine.report import page

        return page(self)

    def to_json(self) -> str:
        """Return everything as JSON; `from_json` reads it again."""
        plain = asdict(self)
        plain["weights"] = {name: value.tolist() for name, value in self.weights.items()}
        return json.dumps(_finite(plain), ensure_ascii=False)


def from_json(text: str) -> Examination:
    """Return the examination that `to_json` wrote."""
    plain = json.loads(text)
    plain["slips"] = [Slip(**{**slip, "also": tuple(slip["also"])}) for slip in plain["slips"]]
    plain["gradients"] = [Row(**{**row, "at": tuple(row["at"])}) for row in plain["gradients"]]
    plain["equations"] = [Equation(**equation) for equation in plain["equations"]]
    plain["weights"] = {name: np.array(value) for name, value in plain["weights"].items()}
    return Examination(**plain)


def _finite(value: Any) -> Any:
    """Return `value` with what JSON cannot hold, infinities and NaN, as None."""
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not np.isfinite(value) else value

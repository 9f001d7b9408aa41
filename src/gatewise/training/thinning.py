"""A history of bounded length, of a training that may go on for ever."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gatewise.errors import check_number
from gatewise.training.history import History
from gatewise.training.state import records

RECORDS = 1000
"""Records kept at the most."""


class Thinned:
    """Records of updates, joined two and two whenever there are too many.

    Examples
    --------
    >>> history = Thinned(limit=4)
    >>> for k in range(1, 7):
    ...     history.add({"update": k, "step": 10 * k, "loss": float(k), "gradient_norm": 1.0, "seconds": 0.5})
    >>> [(record["update"], record["updates"], record["loss"]) for record in history.records()]
    [(2, 2, 1.5), (4, 2, 3.5), (6, 2, 5.5)]
    """

    def __init__(self, limit: int = RECORDS) -> None:
        self._limit = limit
        self._records: list[dict[str, Any]] = []
        self._every = 1  # updates of a record
        self._open: dict[str, Any] | None = None  # a record of fewer

    def add(self, record: Mapping[str, Any]) -> None:
        """Take the record of one update."""
        new = {"update": record["update"], "updates": 1, **record}
        self._open = new if self._open is None else _together(self._open, new)
        if self._open["updates"] < self._every:
            return
        self._records.append(self._open)
        self._open = None
        if len(self._records) == self._limit:
            pairs = zip(self._records[::2], self._records[1::2], strict=True)
            self._records = [_together(first, second) for first, second in pairs]
            self._every *= 2

    def records(self) -> History:
        """Return what there is, copied."""
        return History(dict(record) for record in [*self._records, *([self._open] if self._open else [])])

    def numbers(self) -> dict[str, Any]:
        """Return the state, plain enough for JSON."""
        records = [dict(record) for record in self._records]
        return {"every": self._every, "records": records, "open": None if self._open is None else dict(self._open)}

    def load(self, numbers: Mapping[str, Any]) -> None:
        """Continue from what `numbers` returned."""
        check_number("every", numbers["every"], 1, integer=True)
        open_ones = [] if numbers["open"] is None else records([numbers["open"]])
        self._records, self._every = records(numbers["records"]), int(numbers["every"])
        self._open = open_ones[0] if open_ones else None


def _together(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """One record of the updates of both: the mean loss and norm over those that had a loss, and all seconds."""
    count, other = first["updates"], second["updates"]
    result = dict(second) | {"updates": count + other, "seconds": first["seconds"] + second["seconds"]}
    for name in ("loss", "gradient_norm"):
        parts = [(r[name], r["updates"]) for r in (first, second) if r["loss"] == r["loss"]]
        weight = sum(n for _, n in parts)
        result[name] = sum(value * n for value, n in parts) / weight if weight else second[name]
    return result

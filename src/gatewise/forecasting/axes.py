"""Regular steps in time: dates with a frequency, periods, or whole numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from gatewise.errors import Array, GatewiseTypeError, GatewiseValueError
from gatewise.forecasting.frequency import date_range, exact_frequency, months_of


@dataclass(frozen=True)
class Axis:
    """The steps of a series, up to the last observed.

    Attributes
    ----------
    kind : "dates", "periods" or "numbers"
    frequency : str
        pandas' alias, or that of `frequency.date_range`; of numbers, the difference between two steps.
    last : Timestamp, Period or int
        The last step.
    length : int
        Steps since the series began.
    name : str or None
        Name of the index.
    """

    kind: str
    frequency: str
    last: Any
    length: int
    name: Any = None

    def future(self, steps: int) -> Any:
        """The index of the next `steps` steps."""
        if self.kind == "numbers":
            step = int(self.frequency)
            return pd.RangeIndex(self.last + step, self.last + (steps + 1) * step, step, name=self.name)
        if self.kind == "periods":
            return pd.period_range(self.last, periods=steps + 1, freq=self.frequency, name=self.name)[1:]
        return date_range(self.last, periods=steps + 1, frequency=self.frequency, name=self.name)[1:]

    def past(self, steps: int) -> Any:
        """The index of the last `steps` steps, the last one included."""
        if self.kind == "numbers":
            step = int(self.frequency)
            return pd.RangeIndex(self.last - (steps - 1) * step, self.last + step, step, name=self.name)
        if self.kind == "periods":
            return pd.period_range(end=self.last, periods=steps, freq=self.frequency, name=self.name)
        return date_range(None, self.last, periods=steps, frequency=self.frequency, name=self.name)

    def number_of_first(self, steps: int) -> int:
        """Number of the first of the last `steps` steps on a scale that series of one frequency share."""
        first = self.past(steps)[:1]
        if self.seconds is None:
            return int(first[0]) // int(self.frequency)
        months = months_of(first.freq if self.kind == "periods" else self.frequency)
        if months is not None:  # of unequal lengths: their seconds would not keep January in its place
            return int(first[0].year * 12 + first[0].month - 1) // months
        began: float = stamps(first).as_unit("ns").asi8[0] / 1e9
        return round(began / self.seconds)

    def moved(self, last: Any, steps: int) -> Axis:
        """The axis that ends `steps` later, at `last`."""
        return Axis(self.kind, self.frequency, last, self.length + steps, self.name)

    def steps_to(self, index: Any, name: str) -> Array:
        """How many steps after the last one each entry of `index` lies, from 1 on; raise if one is off the steps."""
        if type(index) is not type(self.future(1)) and not (
            self.kind == "numbers" and pd.api.types.is_integer_dtype(index.dtype)
        ):
            raise GatewiseTypeError(f"{name} has an index of {index.dtype}; need {self.kind}, as in fit.")
        early = index[index <= self.last]
        if len(early):
            raise GatewiseValueError(f"{name} has {early[0]}; need steps after {self.last}, the last one known.")
        if index.has_duplicates:
            raise GatewiseValueError(f"{name} has {index[index.duplicated()][0]} twice; need each step once.")
        grid = self._until(index.max())
        places = place(index, grid)
        if (places < 0).any():
            raise GatewiseValueError(
                f"{name} has {index[places < 0][0]}, which is off the steps of {self.frequency!r}."
            )
        return places + 1

    def _until(self, last: Any) -> Any:
        """Every step after the last known one, up to `last`."""
        if self.kind == "numbers":
            return pd.RangeIndex(self.last, last + 1, int(self.frequency))[1:]
        if self.kind == "periods":
            return pd.period_range(self.last, last, freq=self.frequency)[1:]
        return date_range(self.last, last, frequency=self.frequency)[1:]

    @property
    def seconds(self) -> float | None:
        """Length of a step in seconds; None of numbers."""
        if self.kind == "numbers":
            return None
        index = stamps(self.past(min(self.length, 60) + 2))
        return float(np.median(np.diff(index.as_unit("ns").asi8))) / 1e9


def stamps(index: Any) -> Any:
    """The dates of an index of dates or of periods (their starts)."""
    return index.to_timestamp() if isinstance(index, pd.PeriodIndex) else index


def regular(index: Any, name: str) -> tuple[Axis, Any]:
    """Return the axis of an index, and the index with every step between its first and its last, in order."""
    if not len(index):
        raise GatewiseValueError(f"{name} has no rows; need at least one observation.")
    if index.has_duplicates:
        raise GatewiseValueError(
            f"{name} has {index[index.duplicated()][0]} more than once; need each step once: drop or sum the copies."
        )
    if index.hasnans:
        raise GatewiseValueError(f"{name} has a row without a time stamp; need one in every row: drop those rows.")
    ordered = index.sort_values()
    if isinstance(index, pd.DatetimeIndex):
        return _dates(ordered, name)
    if isinstance(index, pd.PeriodIndex):
        grid = pd.period_range(ordered[0], ordered[-1], freq=index.freq, name=index.name)
        return Axis("periods", grid.freqstr, grid[-1], len(grid), index.name), grid
    if pd.api.types.is_integer_dtype(index.dtype):
        return _numbers(ordered)
    raise GatewiseTypeError(
        f"{name} has an index of {index.dtype}; need dates, periods or whole numbers: use pd.to_datetime(...)."
    )


def place(index: Any, grid: Any) -> Array:
    """Where each entry of `index` stands in `grid`."""
    return np.asarray(grid.get_indexer(index))


def _numbers(ordered: Any) -> tuple[Axis, Any]:
    step = int(np.gcd.reduce(np.diff(ordered.to_numpy()))) if len(ordered) > 1 else 1
    if isinstance(ordered, pd.RangeIndex):
        step = abs(ordered.step)
    first, last = int(ordered[0]), int(ordered[-1])
    grid = pd.RangeIndex(first, last + step, step, name=ordered.name)
    return Axis("numbers", str(step), last, len(grid), ordered.name), grid


def _dates(ordered: Any, name: str) -> tuple[Axis, Any]:
    frequency = exact_frequency(ordered, name)
    grid = date_range(ordered[0], ordered[-1], frequency=frequency, name=ordered.name)
    off = ordered.difference(grid)
    if len(off) or len(grid) > 1000 * len(ordered):
        where = off[0] if len(off) else ordered[1]
        raise GatewiseValueError(
            f"{name} has {where}, which is off its steps of {frequency!r}; "
            f"need even steps: bring it to them with {name.split()[0]}.resample({frequency!r}).mean()."
        )
    return Axis("dates", frequency, grid[-1], len(grid), ordered.name), grid

"""Regular steps in time: dates with a frequency, periods, or whole numbers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from gatewise.errors import Array, GatewiseTypeError, GatewiseValueError
from gatewise.forecasting.dates import before, date_range, keeps
from gatewise.forecasting.frequency import MOST_STEPS, exact_frequency, months_of, steps_between

KINDS = {"dates": "dates", "periods": "periods", "numbers": "whole numbers"}
UNITS_A_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
LARGEST_NUMBER = 2**62  # of an index, so that steps ahead are whole numbers too


@dataclass(frozen=True)
class Axis:
    """The steps of a series, up to the last observed.

    Attributes
    ----------
    kind : "dates", "periods" or "numbers"
    frequency : str
        pandas' alias, or that of `dates.date_range`; of numbers, the difference between two steps.
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
            end = self.last + (steps + 1) * step
            if end > 2 * LARGEST_NUMBER - 1:
                raise GatewiseValueError(
                    f"the steps after {self.last} reach {end}; need numbers of 64 bits: number the rows from 0 on."
                )
            return pd.RangeIndex(self.last + step, end, step, name=self.name)
        if self.kind == "periods":
            return pd.period_range(self.last, periods=steps + 1, freq=self.frequency, name=self.name)[1:]
        return date_range(self.last, periods=steps + 1, frequency=self.frequency, name=self.name)[1:]

    def past(self, steps: int) -> Any:
        """The index of the last `steps` steps, the last one included."""
        return self._whole if steps == self.length else self._past(steps)

    @cached_property
    def _whole(self) -> Any:
        """The index of all steps, made once: rolling origins cut it again and again."""
        return self._past(self.length)

    def _past(self, steps: int) -> Any:
        if self.kind == "numbers":
            step = int(self.frequency)
            return pd.RangeIndex(self.last - (steps - 1) * step, self.last + step, step, name=self.name)
        if self.kind == "periods":
            return pd.period_range(end=self.last, periods=steps, freq=self.frequency, name=self.name)
        return date_range(None, self.last, periods=steps, frequency=self.frequency, name=self.name)

    def stamps(self, steps: int) -> Any:
        """The dates of the last `steps` steps, of periods their starts, without a frequency; the numbers of numbers."""
        return self._whole_stamps if steps == self.length else self._past_stamps(steps)

    @cached_property
    def _whole_stamps(self) -> Any:
        return self._past_stamps(self.length)

    def _past_stamps(self, steps: int) -> Any:
        return before(self.last, steps, self.frequency) if self.kind == "dates" else stamps(self.past(steps))

    def number_of_first(self, steps: int) -> int:
        """Number of the first of the last `steps` steps on a scale that series of one frequency share."""
        if self.seconds is None:
            return int(self.past(steps)[0]) // int(self.frequency)
        first = self.stamps(steps)[:1] if self.kind == "dates" else self.past(steps)[:1]
        months = months_of(first.freq if self.kind == "periods" else self.frequency)
        if months is not None:  # of unequal lengths: their seconds would not keep January in its place
            return int(first[0].year * 12 + first[0].month - 1) // months
        began = stamps(first)
        nanoseconds = int(began.asi8[0]) * (10**9 // UNITS_A_SECOND[began.unit])
        return round(nanoseconds / 1e9 / self.seconds)

    def moved(self, last: Any, steps: int) -> Axis:
        """The axis that ends `steps` later, at `last`."""
        return Axis(self.kind, self.frequency, last, self.length + steps, self.name)

    def steps_to(self, index: Any, name: str) -> Array:
        """How many steps after the last one each entry of `index` lies, from 1 on; raise if one is off the steps.

        `index` is of the kind and in the zone of this axis; see `matched`.
        """
        early = index[index <= self.last]
        if len(early):
            raise GatewiseValueError(f"{name} has {early[0]}; need steps after {self.last}, the last one known.")
        if index.has_duplicates:
            raise GatewiseValueError(f"{name} has {index[index.duplicated()][0]} twice; need each step once.")
        last = index.max()
        count = _steps(self.last, last, self.kind, self.frequency)
        if count > MOST_STEPS * (self.length + len(index)):
            raise GatewiseValueError(
                f"{name} has {last}, about {count:,.0f} steps after {self.last}, the last one known; "
                f"need steps closer to it: fit again to series that reach as far."
            )
        places = place(index, self._until(last))
        if (places < 0).any():
            raise GatewiseValueError(
                f"{name} has {index[places < 0][0]}, which is off the steps of {self.frequency!r}."
            )
        return places + 1

    def matched(self, index: Any, name: str) -> Any:
        """Return `index` in the zone of this axis; raise unless it is of the same kind: dates, periods or numbers."""
        return matched(index, self.past(1), name)

    def _until(self, last: Any) -> Any:
        """Every step after the last known one, up to `last`."""
        if self.kind == "numbers":
            return pd.RangeIndex(self.last, last + 1, int(self.frequency))[1:]
        if self.kind == "periods":
            return pd.period_range(self.last, last, freq=self.frequency)[1:]
        return date_range(self.last, last, frequency=self.frequency)[1:]

    @cached_property
    def seconds(self) -> float | None:
        """Length of a step in seconds; None of numbers."""
        if self.kind == "numbers":
            return None
        index = self.stamps(min(self.length, 60) + 2)
        return float(np.median(np.diff(index.asi8))) / UNITS_A_SECOND[index.unit]


def stamps(index: Any) -> Any:
    """The dates of an index of dates or of periods (their starts)."""
    if not isinstance(index, pd.PeriodIndex):
        return index
    try:
        return index.to_timestamp()
    except (pd.errors.OutOfBoundsDatetime, OverflowError) as error:
        raise GatewiseValueError(
            f"the periods {index[0]} to {index[-1]} are beyond what pandas can hold as dates; "
            f"need years nearer to ours, or whole numbers as the index."
        ) from error


def matched(index: Any, like: Any, name: str) -> Any:
    """Return `index` in the time zone of the index `like`; raise unless both are of one kind.

    Parameters
    ----------
    index, like : Index
        Of dates, periods or whole numbers.
    name : str
        What an error calls the owner of `index`.

    Examples
    --------
    >>> summer = pd.DatetimeIndex(["2024-07-01 12:00"])
    >>> matched(summer.tz_localize("UTC"), summer.tz_localize("Europe/Berlin"), "X").strftime("%H:%M").tolist()
    ['14:00']
    """
    kind, need = _kind(index, name), _kind(like, name)
    if kind != need:
        raise GatewiseTypeError(f"{name} has an index of {KINDS[kind]}; need {KINDS[need]}, as y in fit has.")
    if index.hasnans:
        raise GatewiseValueError(f"{name} has a row without a time stamp; need one in every row: drop those rows.")
    if kind == "periods" and index.freq != like.freq:
        raise GatewiseValueError(
            f"{name} has periods of {index.freqstr!r}; need {like.freqstr!r}, as y in fit has: use .asfreq(...)."
        )
    if kind != "dates" or index.tz is None is like.tz:
        return index
    if like.tz is None:
        raise GatewiseValueError(
            f"{name} has dates of the zone {index.tz}; need dates without a zone, as y in fit has: "
            f"use .tz_convert(...) for the zone of y, then .tz_localize(None)."
        )
    if index.tz is None:
        raise GatewiseValueError(
            f"{name} has dates without a zone; need those of {like.tz}, as y in fit has: use .tz_localize(...)."
        )
    return index.tz_convert(like.tz)


def _kind(index: Any, name: str) -> str:
    """Return "dates", "periods" or "numbers"; raise if the index is of none of them."""
    if isinstance(index, pd.DatetimeIndex):
        return "dates"
    if isinstance(index, pd.PeriodIndex):
        return "periods"
    if pd.api.types.is_integer_dtype(index.dtype):
        return "numbers"
    if isinstance(index, pd.MultiIndex):
        raise GatewiseTypeError(
            f"{name} has an index of {index.nlevels} levels; need one level of dates, periods or whole numbers: "
            f"give a column or an entry of a list to each series, with .unstack(...), say."
        )
    raise GatewiseTypeError(
        f"{name} has an index of {index.dtype}; need dates, periods or whole numbers: use pd.to_datetime(...)."
    )


def regular(index: Any, name: str, like: str | None = None) -> tuple[Axis, Any]:
    """Return the axis of an index, and the index with every step between its first and its last, in order.

    `like` is a frequency that the dates of other series have: tried first, which is quicker than to look for one.
    """
    if not len(index):
        raise GatewiseValueError(f"{name} has no rows; need at least one observation.")
    kind = _kind(index, name)
    if index.hasnans:
        raise GatewiseValueError(f"{name} has a row without a time stamp; need one in every row: drop those rows.")
    if index.has_duplicates:
        raise GatewiseValueError(
            f"{name} has {index[index.duplicated()][0]} more than once; need each step once: drop or sum the copies."
        )
    ordered = index.sort_values()
    if kind == "dates":
        return _dates(ordered, name, like)
    return (_periods if kind == "periods" else _numbers)(ordered, name)


def place(index: Any, grid: Any) -> Array:
    """Where each entry of `index` stands in `grid`."""
    return np.asarray(grid.get_indexer(index))


def _steps(first: Any, last: Any, kind: str, frequency: str) -> float:
    """Return roughly how many steps lie between two entries of an index."""
    if kind == "numbers":
        return (int(last) - int(first)) / int(frequency)
    if kind == "periods":
        return float((last.ordinal - first.ordinal) / first.freq.n)
    return float(steps_between(first, last, frequency))


def _check_span(ordered: Any, kind: str, frequency: str, name: str) -> None:
    """Raise, before any grid is made, if an ordered index has far fewer rows than steps."""
    count = _steps(ordered[0], ordered[-1], kind, frequency)
    if count > MOST_STEPS * len(ordered):
        raise GatewiseValueError(
            f"{name} has {len(ordered)} rows from {ordered[0]} to {ordered[-1]}, about {count:,.0f} steps of "
            f"{frequency}; need a row for one in {MOST_STEPS} of them at least: leave out the rows far off, or take "
            f"longer steps."
        )


def _numbers(ordered: Any, name: str) -> tuple[Axis, Any]:
    first, last = int(ordered[0]), int(ordered[-1])
    if max(abs(first), abs(last)) > LARGEST_NUMBER:
        raise GatewiseValueError(f"{name} has an index from {first} to {last}; need numbers up to {LARGEST_NUMBER}.")
    step = step_of_numbers(ordered, name)
    _check_span(ordered, "numbers", str(step), name)
    grid = pd.RangeIndex(first, last + step, step, name=ordered.name)
    return Axis("numbers", str(step), last, len(grid), ordered.name), grid


def step_of_numbers(ordered: Any, name: str) -> int:
    """Return the step on which all numbers lie and which two of them at least are apart; raise if there is none."""
    if isinstance(ordered, pd.RangeIndex):
        return abs(ordered.step)
    if len(ordered) < 2:
        return 1
    numbers = np.asarray(ordered, dtype=np.int64)
    gaps, counts = np.unique(np.diff(numbers), return_counts=True)
    step = int(np.gcd.reduce(gaps))
    if step < gaps[0]:
        usual = int(gaps[np.argmax(counts)]) if counts.max() > 1 else int(np.median(gaps))
        where = numbers[(numbers - numbers[0]) % usual != 0][0]
        raise GatewiseValueError(
            f"{name} has {where}, which is off its steps of {usual}; need even steps: bring it to them with "
            f"{name.split()[0]}.groupby(({name.split()[0]}.index / {usual}).round().astype(int)).mean(), say."
        )
    return step


def _periods(ordered: Any, name: str) -> tuple[Axis, Any]:
    _check_span(ordered, "periods", ordered.freqstr, name)
    grid = pd.period_range(ordered[0], ordered[-1], freq=ordered.freq, name=ordered.name)
    off = ordered[place(ordered, grid) < 0]
    if len(off):
        raise GatewiseValueError(f"{name} has {off[0]}, which is off its steps of {grid.freqstr!r}; need even steps.")
    return Axis("periods", grid.freqstr, grid[-1], len(grid), ordered.name), grid


def _dates(ordered: Any, name: str, like: str | None) -> tuple[Axis, Any]:
    if like is not None and ordered.freq is None and len(ordered) > 2 and keeps(ordered, like):
        return Axis("dates", like, ordered[-1], len(ordered), ordered.name), ordered
    frequency = exact_frequency(ordered, name)
    if keeps(ordered, frequency):
        return Axis("dates", frequency, ordered[-1], len(ordered), ordered.name), ordered
    _check_span(ordered, "dates", frequency, name)
    grid = date_range(ordered[0], ordered[-1], frequency=frequency, name=ordered.name)
    off = ordered.difference(grid)
    if len(off):
        raise GatewiseValueError(
            f"{name} has {off[0]}, which is off its steps of {frequency!r}; "
            f"need even steps: bring it to them with {name.split()[0]}.resample({frequency!r}).mean()."
        )
    return Axis("dates", frequency, grid[-1], len(grid), ordered.name), grid

"""Many series laid end to end as flat arrays, and what can be asked of them at any origin."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from gatewise.errors import Array


class Origins(NamedTuple):
    """Places to forecast from: the flat row (n,) of the first step ahead, and the number (n,) of its series."""

    row: Array
    series: Array

    def at(self, index: Array | slice) -> Origins:
        """Return the origins at `index`."""
        return Origins(self.row[index], self.series[index])

    def thinned(self, most: int, phase: float = 0.0) -> Origins:
        """Return at most `most` of them, evenly spaced; `phase` in [0, 1) shifts which."""
        count = len(self.row)
        if count <= most:
            return self
        return self.at(((np.arange(most) + phase) * (count / most)).astype(int))

    def chunks(self, size: int) -> Iterator[Origins]:
        """Yield them in order, `size` at a time."""
        for first in range(0, len(self.row), size):
            yield self.at(slice(first, first + size))


@dataclass(frozen=True)
class Panel:
    """Series of any lengths, one after the other; the last row of every array stands for a row that is not there.

    Attributes
    ----------
    y : float64 (rows + 1,)
        Observations; NaN where there is none.
    known, past : float32 (rows + 1, columns)
        Standardized covariates: those known ahead (the calendar last), and those known up to now. No NaN.
    static : float32 (series, columns)
    start, stop : int (series,)
        First row of each series and the row after its last.
    first : int (series,)
        Number of the step that the first row is, of which the phase of a season counts.
    """

    y: Array
    known: Array
    past: Array
    static: Array
    start: Array
    stop: Array
    first: Array

    @classmethod
    def of(
        cls, y: Sequence[Array], known: Sequence[Array], past: Sequence[Array], static: Array, first: Array
    ) -> Panel:
        """Lay out one array (time,) and two (time, columns) for each series."""
        stop = np.cumsum([len(one) for one in y])
        start = np.concatenate([[0], stop[:-1]])
        flat = np.concatenate([*y, [np.nan]])
        empty = [np.zeros((1, parts[0].shape[1])) for parts in (known, past)]
        wide = [
            np.concatenate([*parts, none]).astype(np.float32) for parts, none in zip((known, past), empty, strict=True)
        ]
        return cls(flat, wide[0], wide[1], static.astype(np.float32), start, stop, first)

    def rows(self, origins: Origins, offsets: Array) -> Array:
        """Flat rows (n, offsets) at the given steps from each origin; the empty row where a series has none."""
        rows = origins.row[:, None] + offsets
        series = origins.series[:, None]
        inside = (rows >= self.start[series]) & (rows < self.stop[series])
        return np.where(inside, rows, len(self.y) - 1)

    def origins(self, first: Array, last: Array) -> Origins:
        """All origins with something seen before them, from row `first` up to before `last` of each series."""
        rows = [np.arange(a, b) for a, b in zip(first, last, strict=True)]
        series = np.repeat(np.arange(len(rows)), [len(part) for part in rows])
        every = Origins(np.concatenate(rows) if rows else np.zeros(0, int), series)
        return every.at(np.isfinite(self.last(every)))

    def phase(self, origins: Origins, season: int) -> Array:
        """Place (n,) of each origin in a season."""
        phase: Array = (origins.row - self.start[origins.series] + self.first[origins.series]) % season
        return phase

    def ends(self, back: int = 0) -> Origins:
        """One origin per series, `back` rows before its end."""
        return Origins(self.stop - back, np.arange(len(self.stop)))

    def hidden(self, cut: Array) -> Panel:
        """The same panel before the rows `cut` (series,) were observed."""
        series = np.repeat(np.arange(len(self.stop)), self.stop - self.start)
        y = self.y.copy()
        y[:-1][np.arange(len(y) - 1) >= cut[series]] = np.nan
        return replace(self, y=y)

    def extended(self, known: Sequence[Array]) -> Panel:
        """The same panel with rows ahead of each series, of which only `known` (steps, columns) is known."""
        parts = [slice(a, b) for a, b in zip(self.start, self.stop, strict=True)]
        y = [np.append(self.y[at], np.full(len(ahead), np.nan)) for at, ahead in zip(parts, known, strict=True)]
        wide = [np.concatenate([self.known[at], ahead]) for at, ahead in zip(parts, known, strict=True)]
        past = [
            np.concatenate([self.past[at], np.zeros((len(ahead), self.past.shape[1]))])
            for at, ahead in zip(parts, known, strict=True)
        ]
        return Panel.of(y, wide, past, self.static, self.first)

    def tail(self, memory: int) -> Panel:
        """The last `memory` rows of each series, and more where those hold no observation."""
        ends = self.ends()
        first = np.minimum(self.stop - memory, self.last_row(ends))
        parts = [slice(max(a, f), b) for a, f, b in zip(self.start, first, self.stop, strict=True)]
        y, known, past = ([a[at] for at in parts] for a in (self.y, self.known, self.past))
        begun = self.first + np.array([at.start for at in parts]) - self.start
        return Panel.of(y, known, past, self.static, begun)

    @cached_property
    def scales(self) -> dict[Any, Array]:
        """What `plan` has found of the scale of each series (series,), so that it is found once."""
        return {}

    @cached_property
    def _seen(self) -> Array:
        return np.isfinite(self.y)

    @cached_property
    def _last_row(self) -> Array:
        """Row of the last observation at or before each row, -1 if there is none in any series."""
        return np.maximum.accumulate(np.where(self._seen, np.arange(len(self.y)), -1))

    @cached_property
    def _next_row(self) -> Array:
        """Row of the first observation at or after each row."""
        rows = np.where(self._seen, np.arange(len(self.y)), len(self.y) - 1)
        return np.minimum.accumulate(rows[::-1])[::-1]

    @cached_property
    def _sums(self) -> Array:
        """Sum and count (2, rows + 2) of the observations before each row, as differences from the series' first."""
        both = np.stack([np.where(self._seen, self.y - self._centers, 0.0), self._seen])
        return np.concatenate([np.zeros((2, 1)), np.cumsum(both, axis=1)], axis=1)

    @cached_property
    def _centers(self) -> Array:
        """The first observation of its series for every row: sums of differences from it stay small."""
        first = self._next_row[self.start]
        of_series = np.where(first < self.stop, np.nan_to_num(self.y[first]), 0.0)
        return np.append(np.repeat(of_series, self.stop - self.start), 0.0)

    def last_row(self, origins: Origins, back: int = 1) -> Array:
        """Row (n,) of the last observation at or before `back` steps before each origin; the empty row if none."""
        row = origins.row - back
        last = self._last_row[np.maximum(row, 0)]
        return np.where((row >= 0) & (last >= self.start[origins.series]), last, len(self.y) - 1)

    def last(self, origins: Origins, back: int = 1) -> Array:
        """That observation (n,), NaN if there is none."""
        values: Array = self.y[self.last_row(origins, back)]
        return values

    def slope(self, origins: Origins, length: int) -> Array:
        """Mean change a step (n,) from the first to the last observation among the last `length` rows; 0 if one."""
        last = self.last_row(origins)
        first = self._next_row[np.maximum(origins.row - length, self.start[origins.series])]
        span = np.maximum(last - first, 1)
        slope = (self.y[last] - self.y[first]) / span
        return np.where(last > first, np.nan_to_num(slope), 0.0)

    def mean(self, origins: Origins, length: int) -> Array:
        """Mean (n,) of the observations among the last `length` rows; the last observation where there are none."""
        low = np.maximum(origins.row - length, self.start[origins.series])
        total, count = self._sums[:, origins.row] - self._sums[:, low]
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = self._centers[low] + total / count
        return np.where(count > 0, mean, self.last(origins))

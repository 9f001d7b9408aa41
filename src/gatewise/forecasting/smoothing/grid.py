"""The series of a panel side by side: each begins in row 0, in a unit of its own."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gatewise.arrays import binary_exponent
from gatewise.errors import Array
from gatewise.forecasting.panel import Panel

MOST_ROWS = 1000  # the last ones of a series, to which parameters are fitted, or four seasons if those are more
MOST_SEASONS = 4


class Grid(NamedTuple):
    """Observations beside one another.

    Attributes
    ----------
    y : float64 (time, series)
        In units of 2 ** exponent; NaN in gaps, after the end of a series, and where nothing is observed at all.
    row : int (series,)
        The flat row of the panel that is row 0 here.
    phase : int (series,)
        Its place in the season.
    exponent : int (series,)
    """

    y: Array
    row: Array
    phase: Array
    exponent: Array

    @classmethod
    def of(cls, panel: Panel, season: int, row: Array, exponent: Array | None = None) -> Grid:
        """Lay out the series from the flat rows `row` (series,) on."""
        longest = int((panel.stop - row).max(initial=0))
        rows = row + np.arange(longest)[:, None]
        y = panel.y[np.where(rows < panel.stop, rows, len(panel.y) - 1)]
        exponent = binary_exponent(y) if exponent is None else exponent
        phase = (row - panel.start + panel.first) % season
        return cls(np.ldexp(y, -exponent), row, phase, exponent)

    def at(self, part: Array) -> Grid:
        """Return some of the series."""
        return Grid(self.y[:, part], *(array[part] for array in self[1:]))

    def turned(self, season: Array) -> Array:
        """Indices (m, series) from row 0 on, of indices (series, m) from phase 0 on."""
        m = season.shape[1]
        return np.take_along_axis(season, (self.phase[:, None] + np.arange(m)) % m, axis=1).T

    def turned_back(self, season: Array) -> Array:
        """Indices (series, m) from phase 0 on, of indices (m, series) from row 0 on."""
        m = len(season)
        return np.take_along_axis(season.T, (np.arange(m) - self.phase[:, None]) % m, axis=1)


class View(NamedTuple):
    """The first rows of all series, from their first observation on, and the last, to which parameters are fitted."""

    head: Grid
    tail: Grid
    m: int

    @classmethod
    def of(cls, panel: Panel, season: int) -> View:
        """Lay out a panel."""
        first = first_seen(panel)
        whole = Grid.of(panel, season, first)
        last = np.maximum(first, panel.stop - max(MOST_ROWS, MOST_SEASONS * season))
        return cls(whole, Grid.of(panel, season, last, whole.exponent), season)

    def at(self, part: Array) -> View:
        """Return some of the series."""
        return View(self.head.at(part), self.tail.at(part), self.m)

    @property
    def is_whole(self) -> Array:
        """Whether (series,) parameters are fitted to all rows of a series."""
        return np.asarray(self.head.row == self.tail.row)

    @property
    def is_positive(self) -> Array:
        """Whether (series,) all observations are above 0."""
        with np.errstate(invalid="ignore"):
            return np.asarray(~(self.head.y <= 0).any(axis=0))


def first_seen(panel: Panel) -> Array:
    """The flat row (series,) of the first observation of each series; its first row if there is none."""
    seen = np.append(np.flatnonzero(np.isfinite(panel.y)), len(panel.y))
    first = seen[np.searchsorted(seen, panel.start)]
    return np.where(first < panel.stop, first, panel.start)

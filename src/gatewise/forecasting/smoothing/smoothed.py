"""Fitted exponential smoothing: parameters and states of every series, and forecasts from any origin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from gatewise import plain
from gatewise.errors import Array, GatewiseValueError, check_names
from gatewise.forecasting.panel import Origins, Panel
from gatewise.forecasting.smoothing import recursion
from gatewise.forecasting.smoothing.grid import Grid, View, first_seen
from gatewise.forecasting.smoothing.optimizing import parameters
from gatewise.forecasting.smoothing.recursion import Parameters

FARTHEST = 2000  # of an exponent: float64 reaches from −1074 to 1024


@dataclass(frozen=True)
class Smoothed:
    """One form of exponential smoothing a series, with the states before its first observed row.

    Attributes
    ----------
    alpha, beta, phi, gamma : float64 (series,)
        Smoothing of level, slope and season, and damping of the slope; see `recursion`.
    level, slope : float64 (series,)
        In units of 2 ** exponent; NaN levels become the first observation.
    season : float64 (series, m)
        Indices by phase, as `Panel.phase` counts it.
    multiplicative : float64 (series,)
        1 where the season multiplies, 0 where it adds.
    exponent : float64 (series,)
    begun : float64 (series,)
        1 where the states are those before the first row of the panel, whatever that holds; 0 where the series
        begins with its first observation.
    criterion : float64 (series,)
        AICc: the lower, the better; of forms of exponential smoothing of the same observations.
    """

    alpha: Array
    beta: Array
    phi: Array
    gamma: Array
    level: Array
    slope: Array
    season: Array
    multiplicative: Array
    exponent: Array
    begun: Array
    criterion: Array

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array]) -> Smoothed:
        """Rebuild from `arrays()`; raise if they do not fit one another."""
        names = [field.name for field in fields(cls)]
        check_names("its exponential smoothing", arrays, names)
        count = len(arrays["season"]) if arrays["season"].ndim else 0
        plain.array("season", arrays["season"], (count, "steps"), np.float64)
        for name in names:
            if name != "season":
                plain.array(name, arrays[name], (count,), np.float64, finite=name not in ("level", "criterion"))
        if not arrays["season"].size or (np.abs(arrays["exponent"]) > FARTHEST).any():
            raise GatewiseValueError("the arrays of its exponential smoothing do not fit one another.")
        return cls(**{name: arrays[name] for name in names})

    def arrays(self) -> dict[str, Array]:
        """Return every attribute by name, float64, to be saved."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def at(self, series: Array | slice) -> Smoothed:
        """Return some of the series."""
        return Smoothed(**{name: array[series] for name, array in self.arrays().items()})

    def filtered(self, panel: Panel) -> Filtered:
        """Go once over a panel; parameters stay, states follow the observations."""
        row = np.where(self.begun > 0, panel.start, first_seen(panel))
        grid = Grid.of(panel, self.season.shape[1], row, self.exponent.astype(int))
        begun = replace(self, level=np.where(np.isnan(self.level), grid.y[0], self.level))
        rows = np.full((3, len(panel.y)), np.nan)
        for kind in (False, True):
            some = np.flatnonzero((self.multiplicative > 0) == kind)
            if len(some):
                begun._fill(rows, grid, some, kind, panel.stop)
        return Filtered(begun, panel, row, *rows)

    def _fill(self, rows: Array, grid: Grid, some: Array, multiplicative: bool, stop: Array) -> None:
        """Write the states (3, rows) of some series."""
        names = Parameters._fields
        parameters = Parameters(*(getattr(self, name)[some][:, None] for name in names))
        length = int((stop - grid.row)[some].max())
        states = recursion.states(grid.y[:length, some], grid.turned(self.season)[:, some], parameters, multiplicative)
        at = grid.row[some] + np.arange(length)[:, None]
        inside = at < stop[some]
        rows[:, at[inside]] = states[:, inside]

    def forecast(self, panel: Panel, origins: Origins, steps: Array) -> Array:
        """Return forecasts (n, steps) of the steps 0, 1, … after each origin; NaN before anything is observed.

        An origin sees the rows before it alone. Where a panel is asked several times, keep `filtered(panel)`.
        """
        return self.filtered(panel).forecast(origins, steps)

    def advanced(self, panel: Panel, rows: Array) -> Smoothed:
        """Return the same with the states before the flat rows `rows` (series,), for a panel that begins there."""
        return self.filtered(panel).before(rows)


@dataclass(frozen=True)
class Filtered:
    """The states (rows + 1,) of every series after each row of a panel; see `Smoothed.filtered`.

    Attributes
    ----------
    smoothed : Smoothed
    panel : Panel
    row : int (series,)
        Where the states of `smoothed` hold: before this flat row.
    level, slope, season : float64 (rows + 1,)
        In the units of `smoothed`; `season` is the index of the row itself.
    """

    smoothed: Smoothed
    panel: Panel
    row: Array
    level: Array
    slope: Array
    season: Array

    def forecast(self, origins: Origins, steps: Array) -> Array:
        """Return forecasts (n, steps); see `Smoothed.forecast`."""
        fitted, series = self.smoothed, origins.series
        level, slope = self._states(origins)
        index = self._indices(origins, steps)
        ahead = level[:, None] + slope[:, None] * damped(fitted.phi, series, steps)
        with np.errstate(over="ignore", invalid="ignore"):
            value = np.where(fitted.multiplicative[series][:, None] > 0, ahead * index, ahead + index)
            return np.asarray(np.ldexp(value, fitted.exponent.astype(int)[series][:, None]))

    def before(self, rows: Array) -> Smoothed:
        """Return what forecasts from the flat rows `rows` (series,) on, see `Smoothed.advanced`."""
        count, m = self.smoothed.season.shape
        origins = Origins(np.asarray(rows), np.arange(count))
        level, slope = self._states(origins)
        index = self._indices(origins, np.arange(m))
        place = (self.panel.phase(origins, m)[:, None] + np.arange(m)) % m
        season = np.empty_like(self.smoothed.season)
        np.put_along_axis(season, place, index, axis=1)
        begun = origins.row > self.row
        kept = np.isnan(level)
        first = self.smoothed
        return replace(
            first,
            level=np.where(kept, first.level, level),
            slope=np.where(kept, first.slope, slope),
            season=season,
            begun=np.where(begun | (first.begun > 0), 1.0, 0.0),
        )

    def _states(self, origins: Origins) -> tuple[Array, Array]:
        """Level and slope (n,) before each origin; NaN levels before the series has begun."""
        fitted, series = self.smoothed, origins.series
        first = self.row[series]
        begun = (origins.row > first) | ((origins.row == first) & (fitted.begun[series] > 0))
        inside = origins.row > first
        before = np.where(inside, origins.row - 1, len(self.level) - 1)
        level = np.where(inside, self.level[before], fitted.level[series])
        slope = np.where(inside, self.slope[before], fitted.slope[series])
        return np.where(begun, level, np.nan), slope

    def _indices(self, origins: Origins, steps: Array) -> Array:
        """The latest index (n, steps) of the season of each step."""
        m = self.smoothed.season.shape[1]
        series = origins.series[:, None]
        ahead = origins.row[:, None] + steps
        before = ahead - m * (1 + steps // m)
        phase = (ahead - self.panel.start[series] + self.panel.first[series]) % m
        inside = before >= self.row[series]
        values = self.season[np.where(inside, before, len(self.season) - 1)]
        return np.where(inside, values, self.smoothed.season[series, phase])


def damped(phi: Array, series: Array, steps: Array) -> Array:
    """Return the sums φ, φ + φ², … (n, steps) of the steps 0, 1 and so on."""
    powers = np.cumsum(phi[:, None] ** np.arange(1, int(np.max(steps, initial=0)) + 2), axis=1)
    return np.asarray(powers[series][:, steps])


def chosen(fitted: Sequence[Smoothed], which: Array) -> Smoothed:
    """Return the form number `which` (series,) of each series as one."""
    every = [one.arrays() for one in fitted]
    at = np.arange(len(which))
    return Smoothed(**{name: np.stack([one[name] for one in every])[which, at] for name in every[0]})


def joined(parts: Sequence[tuple[Array, Smoothed]]) -> Smoothed:
    """Return as one what was fitted to the series of the given numbers."""
    order = np.argsort(np.concatenate([some for some, _ in parts]))
    every = [one.arrays() for _, one in parts]
    return Smoothed(**{name: np.concatenate([one[name] for one in every])[order] for name in every[0]})


def made(view: View, point: Array, season: Array, head: Array, multiplicative: bool, criterion: Array) -> Smoothed:
    """Return what points (6, series) of the optimization say; `head` gives the first states where those are later."""
    p = parameters(point)
    observed = np.isfinite(view.head.y).any(axis=0)
    level, slope = np.where(view.is_whole, point[4:], head[4:])
    count = len(level)
    return Smoothed(
        p.alpha, p.beta, p.phi, p.gamma,
        level=np.where(observed, level, np.nan),
        slope=slope,
        season=np.array(season),
        multiplicative=np.full(count, float(multiplicative)),
        exponent=view.head.exponent.astype(float),
        begun=np.zeros(count),
        criterion=criterion,
    )  # fmt: skip

"""What the linear path reads of each window: columns that all steps ahead share, and columns of one step."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from gatewise.errors import Array
from gatewise.forecasting.panel import Origins, Panel
from gatewise.forecasting.plan import Plan
from gatewise.forecasting.windows import Windows

MOST_NUMBERS = 3_000_000  # of a design at once: 24 MB of float64
FEWEST_ROWS = 500  # windows that a regression may always have
PAST_STEPS = 3  # recent values read of covariates that are not known ahead; chosen on generated series
SEASONAL_STEPS = 6  # recent steps whose change from a season before is read; chosen on generated series
SEASONS_BACK = 2  # seasons read at the step to forecast
SEASONS_BACK_OF_SHORTEST = 7  # beside a longer season: the days of a week


@dataclass(frozen=True)
class Design:
    """The columns (n, columns) of a regression for each step ahead; n is the number of windows."""

    windows: Windows

    @cached_property
    def shared(self) -> Array:
        """Columns of every step: recent observations, level, slopes, past covariates, what is constant, seasons."""
        windows, (panel, plan, origins) = self.windows, self._parts
        size, anchor = windows.size, windows.anchor
        recent = np.stack([panel.last(origins, lag) for lag in range(1, plan.lags + 1)], axis=1)
        recent = np.nan_to_num((recent - anchor) / size)
        level = (anchor - panel.mean(origins, plan.memory)[:, None]) / size
        slopes = np.stack([panel.slope(origins, length) for length in (plan.lags, plan.memory)], axis=1) / size
        back = np.arange(1, 1 + PAST_STEPS) if panel.past.shape[1] else np.arange(0)
        past = panel.past[windows.rows(-back)].reshape(len(windows), -1)
        drivers = panel.known[panel.last_row(origins), : plan.drivers]
        static = panel.static[origins.series]
        seasonal = [self._changes_over(season) for season in plan.seasons]
        return np.concatenate([recent, level, slopes, past, drivers, static, *seasonal], axis=1, dtype=float)

    def of_step(self, step: int) -> Array:
        """All columns (n, columns) of one step ahead: the shared ones, and what is known of that step."""
        windows, (panel, plan, _) = self.windows, self._parts
        reference = windows.reference[:, [step]]
        back = np.array([lag for season in plan.seasons for lag in _season_lags(season, step, plan)], int)
        rows = windows.rows(step - back)
        lagged = panel.y[rows]
        lagged = np.where(np.isnan(lagged), reference, lagged)
        then = panel.known[rows[:, 0], : plan.drivers] if len(back) else np.zeros((len(rows), 0))
        known = panel.known[windows.rows(np.array([step]))[:, 0]]
        values = np.nan_to_num((np.concatenate([reference, lagged], axis=1) - windows.anchor) / windows.size)
        return np.concatenate([self.shared, values, then, known], axis=1, dtype=float)

    @property
    def _parts(self) -> tuple[Panel, Plan, Origins]:
        return self.windows.panel, self.windows.plan, self.windows.origins

    def _changes_over(self, season: int) -> Array:
        """How far the last observations are from those a season before (n, few)."""
        steps = -np.arange(1, 1 + min(self.windows.plan.lags, SEASONAL_STEPS))
        now, then = (self.windows.panel.y[self.windows.rows(steps - back)] for back in (0, season))
        return np.nan_to_num((now - then) / self.windows.size)


def _season_lags(season: int, step: int, plan: Plan) -> list[int]:
    """Lags that reach whole seasons back from a step ahead, to observations before the origin."""
    first = 1 + step // season
    shortest_of_several = season == min(plan.seasons) and len(plan.seasons) > 1
    count = SEASONS_BACK_OF_SHORTEST if shortest_of_several else SEASONS_BACK
    return [season * k for k in range(first, first + count) if season * k <= plan.memory]


def column_count(panel: Panel, plan: Plan) -> int:
    """Number of columns of the design."""
    one = Windows(panel, plan, Origins(panel.stop[:1], np.zeros(1, int)))
    return int(Design(one).of_step(0).shape[1])


def most_windows(panel: Panel, plan: Plan) -> int:
    """Number of windows that is enough, and that memory and time allow."""
    return max(FEWEST_ROWS, MOST_NUMBERS // column_count(panel, plan))

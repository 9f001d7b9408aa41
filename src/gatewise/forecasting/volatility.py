"""How much a series has changed of late, beside how much it usually does: the unit of its errors at each origin."""

from __future__ import annotations

import numpy as np

from gatewise.errors import Array
from gatewise.forecasting.panel import Panel
from gatewise.forecasting.windows import Windows

# All chosen on generated series and on single series of statistics packages.
RECENT = 12  # steps, and two seasons at least
USUAL_COUNTS = 4.0  # changes that the usual one counts as beside the recent ones
FITTED_COUNTS = 10.0  # changes that the mean of a whole series counts as beside those before an origin, over √series
MOST = 100.0  # times the usual change that a recent one may be
LARGEST = 1e6  # times the noise of a series, which one change may be


def changes(windows: Windows) -> tuple[Array, Array]:
    """Mean absolute change before each origin (n,): in all rows, and in the last ones; in units of the series' noise.

    A change is that over a season of the reference, as the noise is its mean over the whole series.
    """
    panel, origins, season = windows.panel, windows.origins, windows.plan.reference.season
    total, count = _sums(panel, season, windows.plan.noise)
    first = panel.start[origins.series]
    recent = np.maximum(first, origins.row - max(RECENT, 2 * season))
    (t, n), (t_first, n_first), (t_recent, n_recent) = (
        (total[rows], count[rows]) for rows in (origins.row, first, recent)
    )
    fitted = FITTED_COUNTS / len(panel.stop) ** 0.5
    usual = (t - t_first + fitted) / (n - n_first + fitted)
    lately = (t - t_recent + USUAL_COUNTS * usual) / (n - n_recent + USUAL_COUNTS)
    return np.clip(usual, 1 / MOST, MOST), np.clip(lately, 1 / MOST, MOST)


def _sums(panel: Panel, season: int, noise: Array) -> tuple[Array, Array]:
    """Sum and count (rows + 1,) of the absolute changes over a season before each row, in units of noise."""
    rows = len(panel.y) - 1
    series = np.repeat(np.arange(len(panel.stop)), panel.stop - panel.start)
    change = np.full(rows, np.nan)
    change[season:] = np.abs(panel.y[season:rows] - panel.y[: max(0, rows - season)])
    change[np.arange(rows) - panel.start[series] < season] = np.nan
    seen = np.isfinite(change)
    sizes = np.minimum(np.where(seen, change, 0) / noise[series], LARGEST)
    return np.concatenate([[0], np.cumsum(sizes)]), np.concatenate([[0], np.cumsum(seen)])

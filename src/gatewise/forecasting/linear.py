"""The linear path: one ridge regression for each step ahead, in closed form, all strengths at once."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gatewise.errors import Array
from gatewise.forecasting.panel import Origins, Panel
from gatewise.forecasting.plan import Plan

STRENGTHS = np.geomspace(1e-4, 10.0, 11)  # of the penalty, for each row and column of unit variance
ROWS_AT_ONCE = 4096
MOST_NUMBERS = 3_000_000


class Linear(NamedTuple):
    """Weights (horizon, columns) and biases (horizon,) over the columns of `shared` and `ahead`.

    With a further axis before these, one regression for each of several penalties.
    """

    weight: Array
    bias: Array

    def forecast(self, panel: Panel, plan: Plan, origins: Origins) -> Array:
        """What the reference is expected to miss (..., n, horizon), in units of noise."""
        parts = []
        for some in origins.chunks(ROWS_AT_ONCE):
            common = shared(panel, plan, some)
            steps = [self.weight[..., h, :] @ ahead(panel, plan, some, h, common).T for h in plan.steps]
            parts.append(np.stack(steps, axis=-1) + self.bias[..., None, :])
        return np.concatenate(parts, axis=-2)


def solve(panel: Panel, plan: Plan, origins: Origins, targets: Array, penalties: Array) -> Linear:
    """Return the ridge regressions of `targets` (n, horizon) for each penalty; rows with a NaN target are left out."""
    common = shared(panel, plan, origins)
    found = [_ridge(ahead(panel, plan, origins, h, common), targets[:, h], penalties) for h in plan.steps]
    return Linear(np.stack([weight for weight, _ in found], axis=1), np.stack([bias for _, bias in found], axis=1))


def columns(panel: Panel, plan: Plan) -> int:
    """Number of columns of the design."""
    one = Origins(panel.stop[:1], np.zeros(1, int))
    return int(ahead(panel, plan, one, 0, shared(panel, plan, one)).shape[1])


def rows_for(panel: Panel, plan: Plan) -> int:
    """Number of windows that is enough, and that memory and time allow."""
    return max(500, MOST_NUMBERS // columns(panel, plan))


def shared(panel: Panel, plan: Plan, origins: Origins) -> Array:
    """Columns that all steps ahead read: recent observations, level, slopes, past covariates, what is constant."""
    size = plan.size[origins.series]
    anchor = plan.anchor(panel, origins)
    recent = np.stack([panel.last(origins, j) for j in range(1, plan.lags + 1)], axis=1)
    recent = np.nan_to_num((recent - anchor[:, None]) / size[:, None])
    level = (anchor - panel.mean(origins, plan.memory)) / size
    slopes = np.stack([panel.slope(origins, length) for length in (plan.lags, plan.memory)], axis=1) / size[:, None]
    before = panel.rows(origins, -np.arange(1, 4)) if panel.past.shape[1] else panel.rows(origins, np.arange(0))
    past = panel.past[before].reshape(len(before), -1)
    drivers = panel.known[panel.last_row(origins), : plan.drivers]
    seasonal = [_seasonal_lags(panel, plan, origins, season) for season in plan.seasons]
    fixed = panel.static[origins.series]
    return np.concatenate([recent, level[:, None], slopes, past, drivers, fixed, *seasonal], axis=1, dtype=float)


def ahead(panel: Panel, plan: Plan, origins: Origins, step: int, common: Array) -> Array:
    """The design (n, columns) of one step ahead: `common`, and what is known of that step."""
    size = plan.size[origins.series][:, None]
    anchor = plan.anchor(panel, origins)[:, None]
    steps = np.array([step])
    reference = plan.reference.forecast(panel, origins, steps, plan.memory)
    back = np.array([k for m in plan.seasons for k in _multiples(m, step, plan)], int)
    rows = panel.rows(origins, step - back)
    lagged = panel.y[rows]
    lagged = np.where(np.isnan(lagged), reference, lagged)
    then = panel.known[rows[:, 0], : plan.drivers] if len(back) else np.zeros((len(rows), 0))
    known = panel.known[panel.rows(origins, steps)[:, 0]]
    seen = np.concatenate([reference, lagged], axis=1)
    return np.concatenate([common, np.nan_to_num((seen - anchor) / size), then, known], axis=1, dtype=float)


def _multiples(season: int, step: int, plan: Plan) -> list[int]:
    """Lags that reach whole seasons back from a step ahead, to observations before the origin."""
    first = 1 + step // season
    most = 7 if season == min(plan.seasons) and len(plan.seasons) > 1 else 2
    return [season * k for k in range(first, first + most) if season * k <= plan.memory]


def _seasonal_lags(panel: Panel, plan: Plan, origins: Origins, season: int) -> Array:
    """How far the last observations are from those a season before (n, few)."""
    offsets = -np.arange(1, 1 + min(plan.lags, 6))
    now, then = (panel.y[panel.rows(origins, offsets - back)] for back in (0, season))
    size = plan.size[origins.series][:, None]
    return np.nan_to_num((now - then) / size)


def _ridge(x: Array, y: Array, penalties: Array) -> tuple[Array, Array]:
    """Weights (penalties, columns) and biases of y on x; zeros where no target is seen."""
    seen = np.isfinite(y)
    x, y = x[seen], y[seen]
    if not len(y):
        return np.zeros((len(penalties), x.shape[1])), np.zeros(len(penalties))
    center, scale = x.mean(axis=0), x.std(axis=0)
    scale = np.where(scale > 1e-9 * (1 + np.abs(center)), scale, np.inf)
    z = (x - center) / scale
    values, vectors = np.linalg.eigh(z.T @ z)
    along = vectors.T @ (z.T @ (y - y.mean()))
    weight = (vectors @ (along[:, None] / (np.maximum(values, 0)[:, None] + penalties))).T / scale
    return weight, y.mean() - weight @ center

"""The linear path: one ridge regression for each step ahead, in closed form, all strengths at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from gatewise.errors import Array
from gatewise.forecasting.panel import Origins, Panel
from gatewise.forecasting.plan import Plan

PULLS = (0.03, 0.1, 0.3, 1.0)  # towards the weights of all phases, in rows of a phase
STRENGTHS = np.geomspace(1e-4, 10.0, 11)  # of the penalty, for each row and column of unit variance
ROWS_AT_ONCE = 4096
MOST_NUMBERS = 3_000_000


class Linear(NamedTuple):
    """Weights (several, horizon, columns) and biases (several, horizon) over the columns of `shared` and `ahead`.

    Several are one regression for each of several penalties, or for each phase of the season that origins are in.
    """

    weight: Array
    bias: Array

    def at(self, number: int) -> Linear:
        """That one of several."""
        return Linear(self.weight[[number]], self.bias[[number]])

    def each(self, panel: Panel, plan: Plan, origins: Origins) -> Array:
        """What the reference is expected to miss (several, n, horizon) by each of several, in units of noise."""
        parts = []
        for some in origins.chunks(ROWS_AT_ONCE):
            common = shared(panel, plan, some)
            steps = [self.weight[:, h] @ ahead(panel, plan, some, h, common).T for h in plan.steps]
            parts.append(np.stack(steps, axis=-1) + self.bias[:, None])
        return np.concatenate(parts, axis=-2)

    def forecast(self, panel: Panel, plan: Plan, origins: Origins) -> Array:
        """The same (n, horizon) by the one, or by that of the phase of each origin."""
        if len(self.weight) == 1:
            return np.asarray(self.each(panel, plan, origins)[0])
        phase = phases(panel, plan, origins)
        found = np.empty((len(phase), plan.horizon))
        for k in np.unique(phase):
            found[phase == k] = self.at(k).each(panel, plan, origins.at(phase == k))[0]
        return found


def solve(panel: Panel, plan: Plan, origins: Origins, targets: Array, penalties: Array) -> Linear:
    """Return the ridge regressions of `targets` (n, horizon) for each penalty; rows with a NaN target are left out."""
    common = shared(panel, plan, origins)
    found = [_ridge(ahead(panel, plan, origins, h, common), targets[:, h], penalties) for h in plan.steps]
    return Linear(np.stack([weight for weight, _ in found], axis=1), np.stack([bias for _, bias in found], axis=1))


def phases(panel: Panel, plan: Plan, origins: Origins) -> Array:
    """Which of `plan.phases` parts of the shortest season each origin (n,) is in."""
    season = min(plan.seasons)
    return np.asarray(panel.phase(origins, season) * plan.phases // season)


def localized(
    panel: Panel, plan: Plan, origins: Origins, targets: Array, whole: Linear, pulls: Sequence[float]
) -> list[Linear]:
    """Regressions of each phase, for each pull towards the weights of `whole`: as many rows pull as a share of all.

    Origins count by exp(−d²/2), d their distance from the phase in twelfths of a season (a varying-coefficient model:
    Hastie and Tibshirani, Journal of the Royal Statistical Society B 55, 1993).
    """
    common, phase = shared(panel, plan, origins), phases(panel, plan, origins)
    near = _nearness(plan.phases)
    found = []
    for h in plan.steps:
        x = ahead(panel, plan, origins, h, common)
        found.append(_pulled(x, targets[:, h], phase, near, whole.weight[0, h], whole.bias[0, h], pulls))
    return [
        Linear(np.stack([w[k] for w, _ in found], axis=1), np.stack([b[k] for _, b in found], axis=1))
        for k in range(len(pulls))
    ]


def _nearness(count: int) -> Array:
    """What a phase's rows count in another (count, count)."""
    apart = np.abs(np.arange(count)[:, None] - np.arange(count))
    return np.asarray(np.exp(-0.5 * (12 * np.minimum(apart, count - apart) / count) ** 2))


def _pulled(
    x: Array, y: Array, phase: Array, near: Array, weight: Array, bias: float, pulls: Sequence[float]
) -> tuple[list[Array], list[Array]]:
    """Weights (phases, columns) and biases (phases,) for each pull; rows whose target is NaN are left out."""
    seen = np.isfinite(y)
    x, y, phase = x[seen], y[seen], phase[seen]
    center, scale = x.mean(axis=0), x.std(axis=0)
    scale = np.where(scale > 1e-9 * (1 + np.abs(center)), scale, np.inf)
    z = np.column_stack([(x - center) / scale, np.ones(len(x))])
    left = y - x @ weight - bias
    parts = [(z[phase == k], left[phase == k]) for k in range(len(near))]
    gram = np.tensordot(near, np.stack([a.T @ a for a, _ in parts]), axes=1)
    along = near @ np.stack([a.T @ b for a, b in parts])
    rows = gram[:, -1, -1][:, None, None]
    weights, biases = [], []
    for pull in pulls:
        change = np.linalg.solve(gram + pull * rows * np.eye(z.shape[1]), along[..., None])[..., 0]
        found = weight + change[:, :-1] / scale
        weights.append(found)
        biases.append(bias + change[:, -1] - (change[:, :-1] / scale) @ center)
    return weights, biases


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

"""The linear path: one ridge regression for each step ahead, in closed form, all penalties at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from gatewise.errors import Array
from gatewise.forecasting.design import Design
from gatewise.forecasting.windows import Windows
from gatewise.threads import map_side_by_side

PENALTIES = np.geomspace(1e-4, 10.0, 11)  # for each row and column of unit variance; half a decade apart
SHRINKAGES = (0.03, 0.1, 0.3, 1.0)  # of a phase towards all phases, in rows of a phase; chosen on generated series
PHASE_WIDTH = 12  # a neighbor a twelfth of a season away counts exp(−1/2): the months of a year
ROWS_AT_ONCE = 4096  # windows whose design stands in memory at once
MANY = 500  # windows from which a step takes longer than handing it to another thread
LEAST_SCALE = 1e-9  # a column that varies less, relative to its mean, is constant to rounding


class Linear(NamedTuple):
    """Weights (several, horizon, columns) and biases (several, horizon) over the columns of a `Design`.

    Several are one regression for each of several penalties, or for each phase of the season that origins are in.
    """

    weight: Array
    bias: Array

    def at(self, number: int) -> Linear:
        """That one of several."""
        return Linear(self.weight[[number]], self.bias[[number]])

    def each(self, windows: Windows) -> Array:
        """What the reference is expected to miss (several, n, horizon) by each of several, in units of noise."""
        parts = []
        for some in windows.chunks(ROWS_AT_ONCE):
            design = Design(some)
            steps = _for_steps(design, partial(self._of_step, design))
            parts.append(np.stack(steps, axis=-1) + self.bias[:, None])
        return np.concatenate(parts, axis=-2)

    def _of_step(self, design: Design, h: int) -> Array:
        return np.asarray(self.weight[:, h] @ design.of_step(h).T)

    def forecast(self, windows: Windows) -> Array:
        """The same (n, horizon) by the one, or by that of the phase of each origin."""
        if len(self.weight) == 1:
            return np.asarray(self.each(windows)[0])
        phase = phases(windows)
        values = np.empty((len(phase), windows.plan.horizon))
        for k in np.unique(phase):
            values[phase == k] = self.at(k).each(windows.at(phase == k))[0]
        return values


def solve(windows: Windows, targets: Array, penalties: Array) -> Linear:
    """Return the ridge regressions of `targets` (n, horizon) for each penalty; rows with a NaN target are left out."""
    design = Design(windows)
    steps = _for_steps(design, lambda h: _ridge(design.of_step(h), targets[:, h], penalties))
    return Linear(np.stack([weight for weight, _ in steps], axis=1), np.stack([bias for _, bias in steps], axis=1))


def phases(windows: Windows) -> Array:
    """Which of `plan.phases` parts of the shortest season each origin (n,) is in."""
    season = min(windows.plan.seasons)
    return np.asarray(windows.panel.phase(windows.origins, season) * windows.plan.phases // season)


def by_phase(windows: Windows, targets: Array, whole: Linear, shrinkages: Sequence[float]) -> list[Linear]:
    """Return regressions of each phase for each shrinkage towards `whole`, a penalty in rows of the phase.

    Origins count by exp(−d²/2), d their distance from the phase in twelfths of a season (a varying-coefficient model:
    Hastie and Tibshirani, Journal of the Royal Statistical Society B 55, 1993).
    """
    design, phase = Design(windows), phases(windows)
    near = _nearness(windows.plan.phases)

    def of_step(h: int) -> list[Linear]:
        seen = np.isfinite(targets[:, h])
        toward = Linear(whole.weight[0, h], whole.bias[0, h])
        return _phase_ridges(design.of_step(h)[seen], targets[seen, h], phase[seen], near, toward, shrinkages)

    steps = _for_steps(design, of_step)
    return [
        Linear(np.stack([s[k].weight for s in steps], axis=1), np.stack([s[k].bias for s in steps], axis=1))
        for k in range(len(shrinkages))
    ]


def _for_steps(design: Design, function: Callable[[int], Any]) -> list[Any]:
    """What a function gives for each step ahead; in several threads, where there are many windows."""
    steps = design.windows.plan.steps.tolist()
    if len(design.windows) < MANY:
        return [function(h) for h in steps]
    _ = design.shared  # made once, before all ask for it
    return map_side_by_side(function, steps)


def _nearness(count: int) -> Array:
    """What a phase's rows count in another (count, count)."""
    apart = np.abs(np.arange(count)[:, None] - np.arange(count))
    return np.asarray(np.exp(-0.5 * (PHASE_WIDTH * np.minimum(apart, count - apart) / count) ** 2))


def _phase_ridges(
    x: Array, y: Array, phase: Array, near: Array, whole: Linear, shrinkages: Sequence[float]
) -> list[Linear]:
    """Weights (phases, columns) and biases (phases,) of y on x for each shrinkage towards those of `whole`."""
    center, scale = _standards(x)
    z = np.column_stack([(x - center) / scale, np.ones(len(x))])
    left = y - x @ whole.weight - whole.bias
    parts = [(z[phase == k], left[phase == k]) for k in range(len(near))]
    gram = np.tensordot(near, np.stack([a.T @ a for a, _ in parts]), axes=1)  # (phases, columns + 1, columns + 1)
    along = near @ np.stack([a.T @ b for a, b in parts])  # (phases, columns + 1)
    rows = gram[:, -1, -1][:, None, None]  # what the rows of a phase count together
    solutions = []
    for shrinkage in shrinkages:
        solution = np.linalg.solve(gram + shrinkage * rows * np.eye(z.shape[1]), along[..., None])[..., 0]
        change = solution[:, :-1] / scale
        solutions.append(Linear(whole.weight + change, whole.bias + solution[:, -1] - change @ center))
    return solutions


def _ridge(x: Array, y: Array, penalties: Array) -> tuple[Array, Array]:
    """Weights (penalties, columns) and biases of y on x; zeros where no target is seen."""
    seen = np.isfinite(y)
    x, y = x[seen], y[seen]
    if not len(y):
        return np.zeros((len(penalties), x.shape[1])), np.zeros(len(penalties))
    center, scale = _standards(x)
    z = (x - center) / scale
    values, vectors = np.linalg.eigh(z.T @ z)
    along = vectors.T @ (z.T @ (y - y.mean()))
    weight = (vectors @ (along[:, None] / (np.maximum(values, 0)[:, None] + penalties))).T / scale
    return weight, y.mean() - weight @ center


def _standards(x: Array) -> tuple[Array, Array]:
    """Mean and standard deviation (columns,); an infinite one takes a constant column out of a regression."""
    center, scale = x.mean(axis=0), x.std(axis=0)
    return center, np.where(scale > LEAST_SCALE * (1 + np.abs(center)), scale, np.inf)

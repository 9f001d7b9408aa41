"""Parameters that minimize one-step errors: a coarse grid, then damped Gauss-Newton steps, for all series at once."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from gatewise.errors import Array
from gatewise.forecasting.smoothing import recursion
from gatewise.forecasting.smoothing.recursion import Parameters

COORDINATES = ("alpha", "beta", "phi", "gamma", "level", "slope")
"""What is searched; beta and gamma as shares of alpha and of 1 - alpha."""
ALPHAS, BETAS, GAMMAS = (0.05, 0.2, 0.45, 0.7, 0.95), (0.02, 0.15, 0.5), (0.03, 0.2, 0.5)
DAMPING = (1e-3, 0.1, 3.0)  # of the Gauss-Newton steps that are tried beside one another
ROUNDS = 4
ELEMENTS = 16_384  # series times candidates that go through the recursion together: what a cache holds
SPARE = 3  # observations beyond the number of free parameters, without which the grid decides
EDGE = 1e-4  # how near smoothing parameters come to 0 and 1
LOW, HIGH = (EDGE, EDGE, 0.8, EDGE, -np.inf, -np.inf), (1 - EDGE, 1 - EDGE, 0.98, 1 - EDGE, np.inf, np.inf)
NOTHING = 1e-24  # mean squared error, in the unit of a series, that only rounding is below


@dataclass(frozen=True)
class Problem:
    """Series to fit, with what is free in each.

    Attributes
    ----------
    y : float64 (time, series)
    season : float64 (m, series)
        First indices, from row 0 on.
    start, low, high : float64 (6, series)
        First values and bounds of the coordinates.
    free : bool (6, series)
    multiplicative : bool
    """

    y: Array
    season: Array
    start: Array
    low: Array
    high: Array
    free: Array
    multiplicative: bool

    def at(self, part: slice | Array) -> Problem:
        """Return some of the series."""
        names = ("y", "season", "start", "low", "high", "free")
        return replace(self, **{name: getattr(self, name)[:, part] for name in names})

    def errors(self, points: Array) -> Array:
        """Return the one-step errors (time, series, candidates) at points (6, series, candidates)."""
        return recursion.errors(self.y, self.season, parameters(points), self.multiplicative)

    def loss(self, errors: Array) -> Array:
        """Logarithm of the likelihood (series, candidates), without constants, a row and times -2; inf if invalid."""
        seen = np.isfinite(self.y)[..., None]
        count = np.maximum(seen.sum(axis=0), 1)
        with np.errstate(all="ignore"):
            if not self.multiplicative:
                value = np.log((errors**2).sum(axis=0) / count + NOTHING)
            else:
                forecast = np.where(seen, self.y[..., None] - errors, 1.0)
                square = ((errors / forecast) ** 2).sum(axis=0) / count
                value = np.log(square + NOTHING) + 2 * np.log(forecast).sum(axis=0) / count
        return np.where(np.isfinite(value), value, np.inf)


def parameters(points: Array) -> Parameters:
    """Return the parameters of the recursion at points (6, series, candidates)."""
    alpha, beta, phi, gamma, level, slope = points
    return Parameters(alpha, alpha * beta, phi, (1 - alpha) * gamma, level, slope)


def bounds(free: Array) -> tuple[Array, Array]:
    """Return bounds (6, series) of the coordinates, none of those that are not `free` (6, series)."""
    low, high = (np.where(free, np.array(bound)[:, None], limit) for bound, limit in ((LOW, -np.inf), (HIGH, np.inf)))
    return low, high


def minimized(problem: Problem) -> tuple[Array, Array]:
    """Return the best point (6, series) of each series, and its loss (series,)."""
    grid = _grid(problem)
    size = max(1, ELEMENTS // grid.shape[1])
    parts = [problem.at(slice(k, k + size)) for k in range(0, problem.y.shape[1], size)]
    found = [_minimized(part, grid) for part in parts]
    return np.concatenate([p for p, _ in found], axis=1), np.concatenate([loss for _, loss in found])


def _grid(problem: Problem) -> Array:
    """Points (3, candidates) of alpha, beta and gamma; only of those that are free in any series."""
    free = np.asarray(problem.free.any(axis=1))
    each = np.meshgrid(ALPHAS, BETAS if free[1] else (0.0,), GAMMAS if free[3] else (0.0,), indexing="ij")
    return np.stack([axis.ravel() for axis in each])


def _minimized(problem: Problem, grid: Array) -> tuple[Array, Array]:
    points = np.repeat(problem.start[:, :, None], grid.shape[1], axis=2)
    for k, values in zip((0, 1, 3), grid, strict=True):
        points[k] = np.where(problem.free[k][:, None], values, points[k])
    loss = problem.loss(problem.errors(points))
    best = loss.argmin(axis=1)
    point = np.take_along_axis(points, best[None, :, None], axis=2)[..., 0]
    reached = np.take_along_axis(loss, best[:, None], axis=1)[:, 0]
    count = np.isfinite(problem.y).sum(axis=0)
    enough = np.isfinite(reached) & (count >= problem.free.sum(axis=0) + SPARE)
    problem = replace(problem, free=problem.free & enough)
    for _ in range(ROUNDS if enough.any() else 0):
        point, reached = _round(problem, point, reached)
    return point, reached


def _round(problem: Problem, point: Array, reached: Array) -> tuple[Array, Array]:
    """One Gauss-Newton step of each series, of those dampings the best, where it makes the loss smaller."""
    tried = np.clip(_steps(problem, point), problem.low[..., None], problem.high[..., None])
    loss = problem.loss(problem.errors(tried))
    best = loss.argmin(axis=1)
    better = np.take_along_axis(loss, best[:, None], axis=1)[:, 0]
    won = better < reached
    chosen = np.take_along_axis(tried, best[None, :, None], axis=2)[..., 0]
    return np.where(won, chosen, point), np.where(won, better, reached)


def _steps(problem: Problem, point: Array) -> Array:
    """Points (6, series, dampings) that Gauss-Newton steps lead to."""
    coordinates = np.flatnonzero(problem.free.any(axis=1))
    delta = _deltas(problem, point)
    moved = np.repeat(point[:, :, None], 1 + len(coordinates), axis=2)
    for k, c in enumerate(coordinates):
        moved[c, :, 1 + k] += delta[c]
    errors = problem.errors(moved)
    with np.errstate(all="ignore"):
        if problem.multiplicative:
            errors = errors / (problem.y[..., None] - errors[..., :1])
        errors = np.where(np.isfinite(problem.y)[..., None], errors, 0.0)
        residual = errors[..., 0]
        change = (errors[..., 1:] - errors[..., :1]) / delta[coordinates].T
    slope, square = np.einsum("tjk,tj->jk", change, residual), np.einsum("tjk,tjl->jkl", change, change)
    at = point[coordinates].T
    outward = np.where(slope > 0, at <= problem.low[coordinates].T, at >= problem.high[coordinates].T)
    free = problem.free[coordinates].T & ~outward
    step = _solved(np.nan_to_num(square), np.nan_to_num(slope), free)
    result = np.repeat(point[:, :, None], len(DAMPING), axis=2)
    result[coordinates] += step.transpose(1, 0, 2)
    return result


def _deltas(problem: Problem, point: Array) -> Array:
    """Small changes (6, series) of the coordinates, away from the nearer bound."""
    size = np.sqrt(np.nanmean(np.concatenate([problem.y**2, np.ones_like(problem.y[:1])]), axis=0))
    width = np.stack([*np.full((4, len(size)), 1e-4), 1e-4 * size, 1e-6 * size])
    return np.where(point + width > problem.high, -width, width)


def _solved(square: Array, slope: Array, free: Array) -> Array:
    """Steps (series, coordinates, dampings): solutions of the damped normal equations, 0 where not free."""
    k = square.shape[1]
    both = free[:, :, None] & free[:, None, :]
    square = np.where(both, square, 0.0)
    diagonal = np.einsum("jkk->jk", square)
    scale = np.where(free & (diagonal > 0), np.sqrt(np.where(diagonal > 0, diagonal, 1.0)), np.inf)
    scaled = square / (scale[:, :, None] * scale[:, None, :])
    damped = scaled[:, None] + (np.asarray(DAMPING)[:, None, None] + np.isinf(scale)[:, None, None, :]) * np.eye(k)
    step = np.linalg.solve(damped, np.broadcast_to((-slope / scale)[:, None, :, None], (*damped.shape[:3], 1)))
    return np.asarray((step[..., 0] / scale[:, None]).transpose(0, 2, 1))

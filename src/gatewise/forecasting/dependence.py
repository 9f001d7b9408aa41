"""How the errors of a forecast's steps hang together: a common part, and a chain from each step to the next."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import ndtr, ndtri
from scipy.stats import rankdata

from gatewise.errors import Array

COMMON = np.linspace(0, 0.9, 10)  # shares of the variance that a common part may have
PRIOR = 10.0  # independent windows that the ties of a random walk count as; chosen on generated series
MOST_STEPS = 64  # steps whose correlations are compared
STRONGEST = 0.999


class Dependence(NamedTuple):
    """A Gaussian copula of the steps ahead: z_h = √common · u + √(1 − common) · v_h, v a chain (first-order Markov).

    Attributes
    ----------
    common : float
        Share of the variance that all steps have in common.
    ties : float64 (horizon − 1,)
        Correlation of v at each step with the step before.
    """

    common: float
    ties: Array

    @classmethod
    def of_walk(cls, horizon: int) -> Dependence:
        """That of a random walk: √(h / (h + 1)) between step h and the next."""
        return cls(0.0, walk_ties(horizon))

    def uniforms(self, count: int, horizon: int, rng: np.random.Generator) -> Array:
        """Draw probabilities (count, horizon), uniform in each step; the last tie holds beyond the horizon."""
        ties = np.append(self.ties, np.full(max(0, horizon - 1 - len(self.ties)), self.last))
        noise = rng.standard_normal((count, horizon))
        chain = noise.copy()
        for h in range(1, horizon):
            chain[:, h] = ties[h - 1] * chain[:, h - 1] + (1 - ties[h - 1] ** 2) ** 0.5 * noise[:, h]
        common = rng.standard_normal((count, 1))
        return np.asarray(ndtr(self.common**0.5 * common + (1 - self.common) ** 0.5 * chain))

    @property
    def last(self) -> float:
        """The tie between the last step and one beyond it."""
        return float(self.ties[-1]) if len(self.ties) else 0.5**0.5

    def correlations(self, steps: Array) -> Array:
        """Correlation (steps, steps) of the z of some steps."""
        logs = np.concatenate([[0.0], np.cumsum(np.log(np.maximum(self.ties, 1e-12)))])[steps]
        chain = np.exp(-np.abs(logs[:, None] - logs))
        return np.asarray(self.common + (1 - self.common) * chain)


def walk_ties(horizon: int) -> Array:
    """√(h / (h + 1)) (horizon − 1,) for the steps h from 1 on."""
    step = np.arange(1, horizon)
    return np.asarray((step / (step + 1)) ** 0.5)


def estimated(errors: Array, independent: Array) -> Dependence:
    """The dependence of errors (n, horizon), NaN where none was seen, worth `independent` (horizon,) windows."""
    horizon = errors.shape[1]
    scores = _scores(errors)
    steps = np.unique(np.linspace(0, horizon - 1, min(horizon, MOST_STEPS)).astype(int))
    seen = _pairwise(scores[:, steps])
    if horizon < 2 or not np.isfinite(seen).any():
        return Dependence.of_walk(horizon)
    adjacent = _correlations(scores[:, :-1], scores[:, 1:])
    share = independent[1:] / (independent[1:] + PRIOR)
    walk = walk_ties(horizon)
    adjacent = np.clip(np.where(np.isfinite(adjacent), share * adjacent + (1 - share) * walk, walk), 0, STRONGEST)
    fits = [Dependence(float(c), np.clip((adjacent - c) / (1 - c), 0, STRONGEST)) for c in COMMON]
    misses = [np.nanmean((fit.correlations(steps) - seen) ** 2) for fit in fits]
    return fits[int(np.argmin(misses))]


def _scores(errors: Array) -> Array:
    """Normal scores of the ranks of each step's errors, signs kept: of errors and their mirror images together."""
    scores = np.full(errors.shape, np.nan)
    for h, column in enumerate(errors.T):
        seen = np.isfinite(column)
        both = np.concatenate([column[seen], -column[seen]])
        rank = rankdata(both)[: int(seen.sum())]
        scores[seen, h] = ndtri((rank - 0.5) / max(1, len(both)))
    return scores


def _correlations(one: Array, other: Array) -> Array:
    """Correlation (steps,) of columns around 0, over the rows that both have."""
    both = np.isfinite(one) & np.isfinite(other)
    a, b = np.where(both, one, 0), np.where(both, other, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((a * b).sum(axis=0) / ((a**2).sum(axis=0) * (b**2).sum(axis=0)) ** 0.5)


def _pairwise(scores: Array) -> Array:
    """Correlations (steps, steps) around 0, each over the rows that both steps have."""
    seen = np.isfinite(scores)
    values = np.where(seen, scores, 0)
    squares = (values**2).T @ seen
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(values.T @ values / (squares * squares.T) ** 0.5)

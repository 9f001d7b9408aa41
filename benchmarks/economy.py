"""Generated panels that resemble economic ones: factors in common, own trends and noise, seasons that wander."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

Array = NDArray[Any]
FACTORS = 3


def panel(season: int | None, count: int, lengths: tuple[int, int], rng: np.random.Generator) -> list[Array]:
    """Return `count` positive series, of lengths between the two, that end at the same time.

    The logarithm of a series is a local level with a damped slope, its share of the common factors, a season of its
    own size and shape (some have none), and noise; a few points are outliers, a third of the series have a level shift.
    """
    longest = lengths[1]
    common = _factors(longest, season or 1, rng)
    shapes = _shapes(season, rng)
    sizes = rng.integers(lengths[0], longest + 1, size=count)
    return [_one(int(size), common, shapes, rng) for size in sizes]


def _factors(length: int, season: int, rng: np.random.Generator) -> Array:
    """Common cycles (length, FACTORS): second-order autoregressions of a few seasons' period."""
    cycles = []
    for period in season * rng.uniform(4, 12, size=FACTORS):
        damping = 0.97 ** (1 / season)
        law = [1, -2 * damping * np.cos(2 * np.pi / period), damping**2]
        path = lfilter([1], law, rng.normal(size=length + 200))[200:]
        cycles.append(path / path.std())
    return np.stack(cycles, axis=1)


def _shapes(season: int | None, rng: np.random.Generator) -> Array:
    """Three seasonal shapes (3, season) of unit spread: smooth, ragged, and one with a peak."""
    if season is None:
        return np.zeros((3, 1))
    place = np.arange(season)
    smooth = np.sin(2 * np.pi * place / season) + 0.5 * np.sin(4 * np.pi * place / season + 1)
    shapes = np.stack([smooth, rng.normal(size=season), np.exp(-((place - season // 2) ** 2) / max(1, season / 6))])
    shapes -= shapes.mean(axis=1, keepdims=True)
    return np.asarray(shapes / shapes.std(axis=1, keepdims=True))


def _one(length: int, common: Array, shapes: Array, rng: np.random.Generator) -> Array:
    """One series (length,), all of it in units that differ by up to four powers of ten."""
    season = shapes.shape[1]
    scale = np.exp(rng.normal(-3.6, 0.6)) / np.sqrt(season)
    slope = lfilter([1], [1, -0.9], 0.1 * scale * rng.normal(size=length)) + rng.normal(0.02, 0.02) / season
    level = np.cumsum(slope + rng.uniform(0.2, 1) * scale * rng.normal(size=length))
    level += common[-length:] @ (rng.normal(size=FACTORS) * 2 * scale)
    if rng.uniform() < 1 / 3:
        level[rng.integers(length) :] += 6 * scale * rng.normal()
    strength = 0.0 if rng.uniform() < 0.2 else np.exp(rng.normal(-2.8, 0.8))
    weights = rng.dirichlet(np.ones(3)) + np.cumsum(0.03 * rng.normal(size=(length, 3)) / np.sqrt(season), axis=0)
    place = (np.arange(length) + rng.integers(season)) % season
    seasonal = strength * (weights * shapes.T[place]).sum(axis=1)
    noise = scale * rng.uniform(0, 1.5) * rng.standard_t(6, size=length)
    outliers = (rng.uniform(size=length) < 0.01) * 5 * scale * rng.normal(size=length)
    values: Array = 10 ** rng.uniform(1, 5) * np.exp(np.clip(level, -4, 4) + seasonal + noise + outliers)
    return np.round(values, 1)


def counts(count: int, length: int, rng: np.random.Generator) -> list[Array]:
    """Return series (length,) of whole numbers, most of them 0: Poisson of rates that rise and fall with a year."""
    rates = np.exp(rng.normal(-0.7, 0.8, size=count))
    year = 1 + 0.5 * np.sin(2 * np.pi * np.arange(length) / 12)
    return [rng.poisson(rate * year).astype(float) for rate in rates]

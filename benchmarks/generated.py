"""Generated sets: labeled sequences and series whose law is known, in as many copies as a seed gives."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Array = NDArray[Any]


class Trajectories(NamedTuple):
    """How hard the ragged trajectories are: what sets classes apart, and spreads of what differs within one."""

    contrast: float  # size of a class's own path beside the path that all share
    sway: float  # size of a recording's own smooth path
    noise: float  # standard deviation of what is added to every step, AR(1) with coefficient 0.5
    warp: float  # spread of the logarithm of the local speed
    offset: float  # standard deviation of each channel's level


DIFFICULTIES = {
    "easy": Trajectories(contrast=0.5, sway=0.5, noise=0.4, warp=0.6, offset=0.3),
    "medium": Trajectories(contrast=0.4, sway=0.5, noise=0.4, warp=0.8, offset=0.3),
    "hard": Trajectories(contrast=0.4, sway=0.7, noise=0.6, warp=1.2, offset=0.4),
}


def adding(n: int, time: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Return x (n, time, 2), uniform numbers beside two marks, and y (n,), the sum of the two marked numbers.

    Hochreiter and Schmidhuber, Long short-term memory, 1997, section 5.4; one mark in each half.
    """
    x = np.zeros((n, time, 2))
    x[:, :, 0] = rng.uniform(size=(n, time))
    rows, half = np.arange(n), time // 2
    for mark in (rng.integers(half, size=n), rng.integers(half, time, size=n)):
        x[rows, mark, 1] = 1
    y: Array = (x[:, :, 0] * x[:, :, 1]).sum(axis=1)
    return x, y


def sines(n: int, time: int, rng: np.random.Generator, noise: float = 0.3) -> tuple[Array, Array]:
    """Return noisy sines (n, time) of random phase, and their periods (n,), log-uniform from 5 to 20 steps."""
    period = np.exp(rng.uniform(np.log(5), np.log(20), size=n))
    phase = rng.uniform(0, 2 * np.pi, size=n)
    x = np.sin(2 * np.pi * np.arange(time) / period[:, None] + phase[:, None])
    return x + noise * rng.normal(size=x.shape), period


def trajectories(
    n: int, how: Trajectories, rng: np.random.Generator, law: np.random.Generator
) -> tuple[list[Array], Array]:
    """Return n recordings (7 to 29 steps, 12 channels) and their classes (n,), 0 to 8 in turn.

    `law` draws each class's smooth path; train and test parts take generators of one seed for it.
    """
    classes, shape = 9, (6, 12)
    common = law.normal(size=shape)
    paths = common + how.contrast * law.normal(size=(classes, *shape))
    y = np.arange(n) % classes
    return [_recording(paths[k], how, rng) for k in y], y


def _recording(path: Array, how: Trajectories, rng: np.random.Generator) -> Array:
    from scipy.interpolate import CubicSpline

    steps = int(rng.integers(7, 30))
    speed = np.exp(how.warp * np.cumsum(rng.normal(size=steps)) / np.sqrt(steps))
    clock = np.concatenate([[0], np.cumsum(speed)[:-1]]) / speed[:-1].sum()
    own = path + how.sway * rng.normal(size=path.shape)
    level = how.offset * rng.normal(size=path.shape[1])
    noise = _autoregressive(rng.normal(size=(steps, path.shape[1])), 0.5)
    recording: Array = CubicSpline(np.linspace(0, 1, len(path)), own)(clock) + level + how.noise * noise
    return recording


def shapes(n: int, time: int, classes: int, rng: np.random.Generator, law: np.random.Generator) -> tuple[Array, Array]:
    """Return series (n, time) of AR(1) noise that hold a shape of a tenth of their length somewhere, and its class."""
    width = time // 10
    patterns = np.cumsum(law.normal(size=(classes, width)), axis=1)
    patterns -= patterns.mean(axis=1, keepdims=True)
    patterns /= patterns.std(axis=1, keepdims=True)
    y = np.arange(n) % classes
    x = _autoregressive(0.5 * rng.normal(size=(time, n)), 0.7).T
    for row, label in zip(x, y, strict=True):
        start = rng.integers(time - width)
        row[start : start + width] += rng.uniform(1.5, 2.5) * patterns[label]
    return x, y


def spectra(n: int, time: int, classes: int, rng: np.random.Generator, law: np.random.Generator) -> tuple[Array, Array]:
    """Return series (n, time) of AR(2) noise and their classes, each with a period and a damping of its own."""
    from scipy.signal import lfilter

    period, damping = law.uniform(4, 30, size=classes), law.uniform(0.7, 0.95, size=classes)
    y = np.arange(n) % classes
    turns = 2 * np.pi / (period[y] * np.exp(0.05 * rng.normal(size=n)))
    laws = [[1, -2 * d * np.cos(turn), d * d] for d, turn in zip(damping[y], turns, strict=True)]
    x = np.stack([lfilter([1], a, rng.normal(size=time + 100))[100:] for a in laws])
    return x / x.std(axis=1, keepdims=True), y


def loads(n: int, time: int, classes: int, rng: np.random.Generator, law: np.random.Generator) -> tuple[Array, Array]:
    """Return loads (n, time) of machines that run now and then, and the kinds of machine (n,).

    A kind has a length of run, a power, an overshoot at the start and a ripple while it runs.
    """
    length = law.uniform(time / 40, time / 8, size=classes)
    power, overshoot = law.uniform(1, 3, size=classes), law.uniform(0, 1, size=classes)
    ripple, period = law.uniform(0, 0.5, size=classes), law.uniform(5, 25, size=classes)
    y = np.arange(n) % classes
    x = 0.1 * np.abs(rng.normal(size=(n, time)))
    for row, k in zip(x, y, strict=True):
        for start in rng.integers(time, size=rng.integers(2, 6)):
            t = np.arange(min(int(length[k] * rng.uniform(0.7, 1.3)) + 1, time - start))
            run = 1 + overshoot[k] * np.exp(-t / 5) + ripple[k] * np.sin(2 * np.pi * t / period[k])
            row[start : start + len(t)] += rng.uniform(0.8, 1.2) * power[k] * run
    return x, y


def walks(n: int, horizon: int, rng: np.random.Generator) -> list[pd.Series]:
    """Return n yearly series of 15 to 40 points and `horizon` more: random walks with drift, levels 1e2 to 1e5.

    Drifts wander a little, and one step in four goes back by half (a moving-average part), as in business series.
    """
    series = []
    for length in rng.integers(15, 41, size=n) + horizon:
        level = 10 ** rng.uniform(2, 5)
        drift = 0.03 * rng.normal() + 0.03 + np.cumsum(0.006 * rng.normal(size=length))
        shocks = 0.05 * rng.normal(size=length)
        shocks[1:] -= 0.5 * shocks[:-1] * (rng.uniform(size=length - 1) < 0.25)
        index = pd.date_range("1970-12-31", periods=length, freq="YE")
        series.append(pd.Series(level * np.cumprod(1 + np.clip(drift + shocks, -0.5, None)), index))
    return series


def demand(season: int, days: int, rng: np.random.Generator, noise: float = 0.04) -> Array:
    """Return (season · days,) a load with the shape of day and week, slow weather and AR(1) noise.

    Saturdays and Sundays are flatter and lower; the evening peak moves through the days; noise grows with the level.
    """
    hour = (np.arange(season * days) % season) * 24 / season
    day = np.arange(season * days) // season
    evening = 18.5 + 0.8 * np.sin(2 * np.pi * day / 90)
    peaks = np.exp(-(((hour - 8.5) / 2) ** 2)) + 1.2 * np.exp(-(((hour - evening) / 2.5) ** 2))
    noon = 0.8 * np.exp(-(((hour - 13) / 5) ** 2))
    week = np.array([1.0, 1.05, 1.05, 1.03, 0.98, 0.7, 0.55])[day % 7]
    weather = _autoregressive(0.05 * rng.normal(size=days), 0.8)[day]
    shape = 1 + week * (peaks * (1 + weather) + noon) + 2 * weather
    short = _autoregressive(noise * rng.normal(size=len(hour)), 0.85)
    level: Array = 1000 * shape * (1 + short)
    return level


def cycle(length: int, rng: np.random.Generator, period: float = 11.0) -> Array:
    """Return (length,) a noisy limit cycle of wandering amplitude and speed, never negative, quick rise, slow fall."""
    speed = 2 * np.pi / period * np.exp(_autoregressive(0.08 * rng.normal(size=length), 0.8))
    phase = np.cumsum(speed) + rng.uniform(0, 2 * np.pi)
    amplitude = 60 * np.exp(_autoregressive(0.1 * rng.normal(size=length), 0.95))
    shape = (1 - np.cos(phase - 0.5 * np.sin(phase))) / 2
    clean = amplitude * shape**1.3
    noisy: Array = np.maximum(clean + (1 + 0.1 * clean) * rng.normal(size=length), 0)
    return noisy


def _autoregressive(shocks: Array, coefficient: float) -> Array:
    from scipy.signal import lfilter

    filtered: Array = lfilter([1], [1, -coefficient], shocks, axis=0)
    return filtered

"""Rows of the data as small pictures, and which rows to show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from gatewise.errors import Array
from gatewise.pages.words import shortened

POINTS, LINES = 120, 4
COLORS = ("first", "second", "third", "sixth")
WORDS = "Each picture has one line per channel, at most four, each on its own scale."
WIDTH, HEIGHT, MARGIN = 100.0, 32.0, 2.0


def lines_of(values: Array) -> list[str]:
    """Return the first channels of one sequence (time, channels) as points of polylines, each on its own scale."""
    return [points(channel) for channel in values.T[:LINES] if np.isfinite(channel).any()]


def key(channels: Sequence[str]) -> dict[str, str]:
    """Return the names of the channels that pictures show, by the color of their line.

    Examples
    --------
    >>> key(["ax", "speed (km/h)"])
    {'first': 'ax', 'second': 'speed (km/h)'}
    """
    return dict(zip(COLORS, (shortened(name, 40) for name in channels), strict=False))


def together(*series: Array) -> list[str]:
    """Return several series of one length on one scale."""
    known = np.concatenate([one[np.isfinite(one)] for one in series])
    ends = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
    return [points(one, ends) for one in series]


def points(values: Array, ends: tuple[float, float] | None = None) -> str:
    """Return finite values (time,) as points of a polyline; at most 120 of them, evenly taken."""
    values = np.asarray(values, dtype=float)
    low, high = ends or (float(np.nanmin(values)), float(np.nanmax(values)))
    at = np.unique(np.linspace(0, len(values) - 1, min(len(values), POINTS)).round().astype(int))
    at = at[np.isfinite(values[at])]
    x = WIDTH * at / max(1, len(values) - 1)
    share = (values[at] - low) / (high - low) if high > low else np.full(len(at), 0.5)
    y = HEIGHT - MARGIN - (HEIGHT - 2 * MARGIN) * share
    return " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))


def worth_a_look(errors: Array, hardest: int, typical: int) -> Array:
    """Return the rows with the largest errors, worst first, then some spread evenly over the rest, easiest last."""
    order = np.argsort(-errors, kind="stable")
    first, rest = order[:hardest], order[hardest:]
    picked = np.unique(np.linspace(0, len(rest) - 1, min(typical, len(rest))).round().astype(int))
    return np.concatenate([first, rest[picked]]).astype(int)


def feature_names(features: Sequence[str], channels: Sequence[str]) -> list[str]:
    """Return the names of what a network reads with the names of `channels` in place of their numbers.

    Examples
    --------
    >>> feature_names(["Channel 1", "Channel 2", "Channel 2: observed"], ["speed (km/h)", "heart rate"])
    ['speed (km/h)', 'heart rate', 'heart rate: observed']
    """
    names = dict(zip(features, channels, strict=False))
    return [names.get(name) or _with_name(name, names) for name in features]


def _with_name(name: str, names: Mapping[str, str]) -> str:
    """Return "heart rate: observed" of "Channel 2: observed"."""
    channel, colon, rest = name.rpartition(": ")
    return names[channel] + colon + rest if channel in names else name

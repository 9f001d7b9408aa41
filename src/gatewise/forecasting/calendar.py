"""What the time stamp of a step tells: hour, weekday, month or place in the season."""

from __future__ import annotations

from typing import Any

import numpy as np

from gatewise.errors import Array
from gatewise.forecasting.frequency import DAY_SECONDS as DAY
from gatewise.forecasting.frequency import YEAR_SECONDS as YEAR

MINUTE, HOUR = 60.0, 3600.0

DATED = ("hour", "day", "weekday", "year", "month")  # features that need a date
CYCLES = 3  # sines and cosines of a season at most
COUNTED = ("phase", "cycle")  # and those that count steps
Part = tuple[str, int]


def parts_for(seconds: float | None, span: float, season: int | None, length: int) -> list[Part]:
    """The features worth having for steps of this length over this span (both in seconds), each a name and a size."""
    if seconds is None:
        return [] if season is None or length < 3 * season else _phase(season, length)
    parts: list[Part] = []
    if seconds < DAY:
        parts += [("hour", 24), ("day", 3)]
    if seconds <= DAY:
        parts += [("weekday", 7)]
    if seconds < 27 * DAY and span > 1.5 * YEAR:
        parts += [("year", 2)]
    elif 27 * DAY <= seconds < 100 * DAY:
        parts += [("month", 12)]
    return parts


def features(parts: list[Part], stamps: Any, position: Array) -> Array:
    """Return float (time, columns) for the time stamps (None if the index has none) and the steps since the start."""
    columns = [_columns(name, size, stamps, position) for name, size in parts]
    return np.concatenate([np.zeros((len(position), 0)), *columns], axis=1)


def width(parts: list[Part]) -> int:
    """Number of columns that `features` gives."""
    return sum(_width(name, size) for name, size in parts)


def _width(name: str, size: int) -> int:
    if name == "cycle":
        return 2 * min(CYCLES, size // 2)
    return 2 * size if name in ("day", "year") else size


def _phase(season: int, length: int) -> list[Part]:
    exact = [("phase", season)] if season <= 48 and length >= 10 * season else []
    return [*exact, ("cycle", season)]


def _columns(name: str, size: int, stamps: Any, position: Array) -> Array:
    if name == "phase":
        return _one_hot(position % size, size)
    if name == "cycle":
        return _waves(position / size, min(CYCLES, size // 2))
    if name == "hour":
        return _one_hot(stamps.hour.to_numpy(), size)
    if name == "weekday":
        return _one_hot(stamps.day_of_week.to_numpy(), size)
    if name == "month":
        return _one_hot(stamps.month.to_numpy() - 1, size)
    seconds = stamps.hour.to_numpy() * HOUR + stamps.minute.to_numpy() * MINUTE + stamps.second.to_numpy()
    if name == "day":
        return _waves(seconds / DAY, size)
    return _waves((stamps.day_of_year.to_numpy() - 1) * DAY / YEAR, size)


def _one_hot(code: Array, size: int) -> Array:
    columns: Array = (np.asarray(code)[:, None] == np.arange(size)).astype(float)
    return columns


def _waves(turns: Array, count: int) -> Array:
    angle = 2 * np.pi * np.asarray(turns, float)[:, None] * np.arange(1, count + 1)
    return np.concatenate([np.sin(angle), np.cos(angle)], axis=1)

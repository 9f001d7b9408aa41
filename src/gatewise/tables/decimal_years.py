"""Years with decimals, as R writes the times of its series: 1949.0833 is February 1949, 1949.25 its second quarter."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import numpy as np

from gatewise.errors import Array

EARLIEST, LATEST = 1000, 2300  # what counts as a year
CALENDAR = (2, 4, 12)  # steps a year that are months
COUNTED = (52, 365)  # steps a year that are no dates: they are numbered
NEAR = 0.2  # of a step: how far the rounding may move a time, and how far off one may be
MOST_DECIMALS = 12


class Reading(NamedTuple):
    """Times read from decimal years: dates of months, or numbers of steps; how they were read; how they are written."""

    stamps: Any
    note: str
    write: Any


def are_years(values: Array) -> bool:
    """Return whether all values can be years, and one has decimals."""
    in_range = bool((values >= EARLIEST).all() and (values < LATEST).all())
    return in_range and bool((values != np.floor(values)).any())


def read(values: Array) -> Reading | None:
    """Return years with decimals as times on the one grid that they fit: half years, quarters, months, weeks, days.

    Parameters
    ----------
    values : float64 array (rows,)
        Rounded to two decimals or more, or cut off there (of half years and quarters: as they are).

    Returns
    -------
    Reading or None
        None where they are no years, or fit no grid.

    Examples
    --------
    >>> reading = read(np.array([1949.92, 1950.0, 1950.08]))
    >>> reading.stamps.strftime("%Y-%m").tolist(), reading.note, reading.write(reading.stamps).tolist()
    (['1949-12', '1950-01', '1950-02'], 'decimal years: months', [1949.92, 1950.0, 1950.08])
    """
    import pandas as pd

    if not are_years(values):
        return None
    decimals = max(_decimals(value) for value in np.unique(values))
    size = next((size for size in (*CALENDAR, *COUNTED) if _fits(values, size, decimals)), None)
    if size is None:
        return None
    steps = np.round(values * size).astype(np.int64)
    cut = bool(
        (_years(steps, size, decimals, True) == values).all() and (_years(steps, size, decimals) != values).any()
    )
    write = partial(written, size, decimals, cut)
    if size in COUNTED:
        return Reading(pd.Index(steps), f"decimal years: {size} steps a year, numbered", write)
    months = (steps * (12 // size) - 1970 * 12).astype("datetime64[M]")
    names = {2: "half years", 4: "quarters", 12: "months"}
    return Reading(pd.DatetimeIndex(months.astype("datetime64[us]")), f"decimal years: {names[size]}", write)


def dates(values: Array) -> Any:
    """Return years with decimals as the dates, to the second, at that share of their year."""
    import pandas as pd

    year = np.floor(values).astype(np.int64)
    first, following = ((year + k - 1970).astype("datetime64[Y]").astype("datetime64[s]") for k in (0, 1))
    length = (following - first).astype(np.int64)
    return pd.DatetimeIndex(first + np.round((values - year) * length).astype("timedelta64[s]"))


def written(size: int, decimals: int, cut: bool, times: Any) -> Array:
    """Return times as decimal years, float64 (times,): the inverse of `read`."""
    if size in COUNTED:
        return _years(np.asarray(times, np.int64), size, decimals, cut)
    months = times.to_numpy().astype("datetime64[M]").astype(np.int64) + 1970 * 12
    return _years(months // (12 // size), size, decimals, cut)


def _fits(values: Array, size: int, decimals: int) -> bool:
    """Return whether all values are on a grid of so many steps a year, and no two of them fall together."""
    slack = max(1.01 * size * 10.0**-decimals, 1e-4)
    if slack > NEAR and (size not in (2, 4) or (np.round(values * size) != values * size).any()):
        return False
    steps = np.round(values * size)
    return bool((np.abs(values * size - steps) <= min(slack, NEAR) + 1e-9).all()) and len(np.unique(steps)) == len(
        np.unique(values)
    )


def _years(steps: Array, size: int, decimals: int, cut: bool = False) -> Array:
    """Return the decimal years of steps, rounded or cut off."""
    years = np.round(steps / size, decimals)
    if not cut:
        return years
    scale = 10.0**decimals
    return np.round(np.floor(steps / size * scale + 1e-6) / scale, decimals)


def _decimals(value: float) -> int:
    return min(len(repr(round(float(value), MOST_DECIMALS)).partition(".")[2].removesuffix("0")), MOST_DECIMALS)

"""A backtest as plain values and arrays, and back, so that it can stand in the file of a model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from gatewise import plain
from gatewise.errors import Array, GatewiseValueError
from gatewise.forecasting.backtest import METHODS, Backtest, Measured
from gatewise.forecasting.stored_axes import check_zone

ARRAYS = ("quantiles", "truth", "scale", "steps")
LAST_YEAR = 9999


def to_parts(backtest: Backtest) -> tuple[dict[str, Any], dict[str, Array]]:
    """Return what JSON can hold, and the arrays, windows first; series are named by texts."""
    windows = backtest.windows
    arrays = {name: np.stack([getattr(window, name) for window in windows]) for name in ARRAYS[:3]}
    arrays["steps"] = np.stack([np.stack([_numbers(index) for index in window.steps]) for window in windows])
    description = {
        "methods": list(METHODS),
        "levels": list(backtest.levels),
        "names": [str(name) for name in backtest.names],
        "horizon": backtest.horizon,
        "season": backtest.season,
        "index": _kind(windows[0].steps[0]),
    }
    return description, arrays


def from_parts(description: Mapping[str, Any], arrays: Mapping[str, Array]) -> Backtest | None:
    """Rebuild a backtest; None if it was made with other methods, an error if its parts do not fit one another."""
    if plain.texts("methods", description["methods"]) != tuple(METHODS):
        return None
    levels = tuple(plain.real("a level", level, 0, 1) for level in plain.entries("levels", description["levels"]))
    names = [plain.text("a name", name) for name in plain.entries("names", description["names"])]
    horizon, season = (plain.whole(name, description[name], 1) for name in ("horizon", "season"))
    kind, unit, zone = plain.entries("index", description["index"], 3)
    shape = (arrays["truth"].shape[0] if arrays["truth"].ndim else 0, len(names), horizon)
    for name in ARRAYS[1:3]:
        plain.array(name, arrays[name], shape, np.float64, finite=False)
    plain.array("steps", arrays["steps"], shape, np.int64)
    wide = (*shape[:2], len(METHODS), horizon, len(levels))
    plain.array("quantiles", arrays["quantiles"], wide, np.float64, finite=False)
    if not shape[0] or not names or 0.5 not in levels or list(levels) != sorted(set(levels)):
        raise GatewiseValueError("its backtest has parts that do not fit one another: the file is damaged.")
    every = zip(*(arrays[name] for name in ARRAYS), strict=True)
    measured = [
        Measured([_index(one, kind, unit, zone) for one in steps], quantiles, truth, scale)
        for quantiles, truth, scale, steps in every
    ]
    return Backtest(measured, levels, names, horizon, season)


def _kind(index: Any) -> list[Any]:
    """What the numbers of an index mean: its kind, its unit or frequency, and its time zone."""
    if isinstance(index, pd.DatetimeIndex):
        return ["dates", index.unit, None if index.tz is None else str(index.tz)]
    return ["periods", index.freqstr, None] if isinstance(index, pd.PeriodIndex) else ["numbers", None, None]


def _numbers(index: Any) -> Array:
    """Steps as int64 (steps,)."""
    return np.asarray(index.asi8 if isinstance(index, pd.DatetimeIndex | pd.PeriodIndex) else index, np.int64)


def _index(numbers: Array, kind: str, unit: str | None, zone: str | None) -> Any:
    plain.one_of("index", kind, ("dates", "periods", "numbers"))
    if kind == "numbers":
        return pd.Index(numbers)
    try:
        index = _dates(numbers, unit, zone) if kind == "dates" else _periods(numbers, unit)
        inside = not index.hasnans and (index.year >= 1).all() and (index.year <= LAST_YEAR).all()
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError) as error:
        raise GatewiseValueError(f"the steps of its backtest are no {kind} of {unit!r} ({error}).") from error
    if not inside:
        raise GatewiseValueError(f"the steps of its backtest are {kind} beyond the years 1 to {LAST_YEAR}.")
    return index


def _dates(numbers: Array, unit: Any, zone: Any) -> Any:
    dates = pd.DatetimeIndex(numbers.view(f"M8[{plain.one_of('unit', unit, ('s', 'ms', 'us', 'ns'))}]"))
    if zone is None:
        return dates
    check_zone(plain.text("zone", zone))
    return dates.tz_localize("UTC").tz_convert(zone)


def _periods(numbers: Array, frequency: Any) -> Any:
    return pd.PeriodIndex.from_ordinals(numbers, freq=plain.text("frequency", frequency))  # type: ignore[attr-defined]  # not in the stubs

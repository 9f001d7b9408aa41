"""A backtest as plain values and arrays, and back, so that it can stand in the file of a model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from gatewise.errors import Array, GatewiseValueError, check_choice
from gatewise.forecasting.backtest import METHODS, Backtest, Measured

ARRAYS = ("quantiles", "truth", "scale", "steps")


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
    levels, names, horizon = (
        tuple(map(float, description["levels"])),
        list(description["names"]),
        description["horizon"],
    )
    if list(description["methods"]) != list(METHODS):
        return None
    windows = len(arrays["truth"])
    shape = (windows, len(names), horizon)
    wide = (windows, len(names), len(METHODS), horizon, len(levels))
    fits = all(arrays[name].shape == shape for name in ARRAYS[1:]) and arrays["quantiles"].shape == wide
    if not fits or not windows or 0.5 not in levels or arrays["steps"].dtype != np.int64:
        raise GatewiseValueError("its backtest has parts that do not fit one another: the file is damaged.")
    every = zip(*(arrays[name] for name in ARRAYS), strict=True)
    measured = [
        Measured([_index(one, *description["index"]) for one in steps], quantiles, truth, scale)
        for quantiles, truth, scale, steps in every
    ]
    return Backtest(measured, levels, names, int(horizon), int(description["season"]))


def _kind(index: Any) -> list[Any]:
    """What the numbers of an index mean: its kind, its unit or frequency, and its time zone."""
    if isinstance(index, pd.DatetimeIndex):
        return ["dates", index.unit, None if index.tz is None else str(index.tz)]
    return ["periods", index.freqstr, None] if isinstance(index, pd.PeriodIndex) else ["numbers", None, None]


def _numbers(index: Any) -> Array:
    """Steps as int64 (steps,)."""
    return np.asarray(index.asi8 if isinstance(index, pd.DatetimeIndex | pd.PeriodIndex) else index, np.int64)


def _index(numbers: Array, kind: str, unit: str | None, zone: str | None) -> Any:
    check_choice("index", kind, ("dates", "periods", "numbers"))
    if kind == "numbers":
        return pd.Index(numbers)
    if kind == "periods":
        return pd.PeriodIndex.from_ordinals(numbers, freq=unit)  # type: ignore[attr-defined]  # not in the stubs
    dates = pd.DatetimeIndex(numbers.view(f"M8[{unit}]"))
    return dates if zone is None else dates.tz_localize("UTC").tz_convert(zone)

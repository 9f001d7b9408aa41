"""Axes of series as plain values, and back: what a file says of time is checked before pandas sees it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache, lru_cache
from typing import Any

import pandas as pd

from gatewise import plain
from gatewise.errors import GatewiseError, GatewiseValueError
from gatewise.forecasting.axes import KINDS, LARGEST_NUMBER, Axis
from gatewise.forecasting.frequency import DAY_OF_MONTH
from gatewise.limits import Limits

DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?([+-]\d\d:\d\d(:\d\d(\.\d+)?)?)?")
PERIOD = re.compile(r"[\d:. /TQ-]{4,64}")
OFFSET = re.compile(r"UTC[+-]\d\d:\d\d")
LOCAL = ("UTC", "tzlocal()")  # zones that are in no list and name no file
LONGEST_NAME = 64  # characters of a frequency
_UNUSABLE = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RuntimeError)


def axis_to_plain(axis: Axis) -> list[Any]:
    """Return an axis as JSON can hold it."""
    last, zone = axis.last, None
    if axis.kind == "dates":
        zone = None if last.tz is None else str(last.tz)
        last = last.isoformat()
    elif axis.kind == "periods":
        last = str(last)
    return [axis.kind, axis.frequency, last, axis.length, axis.name if axis.name is None else str(axis.name), zone]


def axes_from_plain(described: Any, horizon: int, limits: Limits) -> tuple[Axis, ...]:
    """Return the axes that `axis_to_plain` described; raise unless each goes on for `horizon` steps.

    Raises
    ------
    GatewiseError
        If one is none, its frequency is no step forward, or its zone is none of the tz database.
    """
    axes = tuple(_axis_from_plain(one) for one in plain.entries("axes", described))
    _check_steps(axes, horizon, limits)
    return axes


def _axis_from_plain(described: Any) -> Axis:
    kind, frequency, last, length, name, zone = plain.entries("an axis", described, 6)
    plain.one_of("index", kind, KINDS)
    plain.whole("length", length, 1)
    plain.optional(plain.text, "the name of an index", name)
    if kind == "numbers":
        step = _step_of_numbers(frequency)
        return Axis(kind, str(step), plain.whole("last", last, -LARGEST_NUMBER, LARGEST_NUMBER), length, name)
    if len(plain.text("frequency", frequency)) > LONGEST_NAME:
        raise GatewiseValueError(f"frequency has {len(frequency):,} characters; need {LONGEST_NAME} at most.")
    if kind == "periods":
        return Axis(kind, frequency, _period(plain.text("last", last), frequency), length, name)
    _check_frequency(frequency)
    return Axis(kind, frequency, _date(plain.text("last", last), zone), length, name)


def _step_of_numbers(frequency: Any) -> int:
    if not re.fullmatch(r"\d{1,19}", plain.text("step", frequency)):
        raise GatewiseValueError(f"step is {frequency!r}; need a whole number.")
    return plain.whole("step", int(frequency), 1, LARGEST_NUMBER)


@lru_cache(maxsize=256)
def _check_frequency(frequency: str) -> None:
    """Raise unless this is the name of steps forward, as `frequency.exact_frequency` gives it."""
    days = DAY_OF_MONTH.fullmatch(frequency)
    if days is not None and 1 <= int(days[1]) <= Limits.steps and 1 <= int(days[2]) <= 31:
        return
    try:
        forward = pd.tseries.frequencies.to_offset(frequency).n > 0
    except _UNUSABLE:
        forward = False
    if not forward:
        raise GatewiseValueError(f"frequency is {frequency!r}; need the name of a step forward, such as 'D' or '5min'.")


def _date(text: str, zone: Any) -> Any:
    if not DATE.fullmatch(text):
        raise GatewiseValueError(f"last is {text!r}; need a date of the years 1 to 9999, such as 2024-01-31T00:00:00.")
    if zone is not None:
        check_zone(plain.text("zone", zone))
    try:
        last = pd.Timestamp(text)
        return last if zone is None else last.tz_convert(zone)
    except _UNUSABLE as error:
        raise GatewiseValueError(f"last is {text!r} of the zone {zone!r}, which is no date ({error}).") from error


def _period(text: str, frequency: str) -> Any:
    try:
        last = pd.Period(text, freq=frequency) if PERIOD.fullmatch(text) else None
    except _UNUSABLE as error:
        raise GatewiseValueError(f"last is {text!r}; need a period of {frequency!r} ({error}).") from error
    if not isinstance(last, pd.Period) or last.freq.n < 1:
        raise GatewiseValueError(f"last is {text!r}; need a period of {frequency!r}.")
    return last


def check_zone(zone: str) -> None:
    """Raise unless a time zone is one of the tz database or an offset such as UTC+02:00; no path is ever opened.

    Examples
    --------
    >>> check_zone("Europe/Berlin")
    """
    if zone not in LOCAL and not OFFSET.fullmatch(zone) and zone not in _zones():
        raise GatewiseValueError(f"zone is {zone!r}; need one of the tz database, such as 'Europe/Berlin'.")


@cache
def _zones() -> frozenset[str]:
    import zoneinfo

    return frozenset(zoneinfo.available_timezones())


def _check_steps(axes: Iterable[Axis], horizon: int, limits: Limits) -> None:
    """Raise unless the steps after the last ones can be made: of the first and the last of those that have one step."""
    alike: dict[Any, list[Axis]] = {}
    for axis in axes:
        alike.setdefault((axis.kind, axis.frequency, str(getattr(axis.last, "tz", None))), []).append(axis)
    limits.check("layers", len(alike), "the number of different steps of its series")
    for some in alike.values():
        for axis in {min(some, key=lambda one: one.last), max(some, key=lambda one: one.last)}:
            _check_ahead(axis, horizon)


def _check_ahead(axis: Axis, horizon: int) -> None:
    try:
        ahead = axis.future(horizon)
        whole = len(ahead) == horizon and ahead.is_monotonic_increasing and ahead.is_unique and ahead[0] > axis.last
        axis.number_of_first(1)
        axis.past(1)
    except GatewiseError:
        return  # dates end before the horizon does: `predict` says so in the same words
    except (*_UNUSABLE, OverflowError) as error:
        raise GatewiseValueError(
            f"frequency is {axis.frequency!r}, which makes no steps after {axis.last} ({error})."
        ) from error
    if not whole:
        raise GatewiseValueError(f"frequency is {axis.frequency!r}, which makes no steps after {axis.last}.")

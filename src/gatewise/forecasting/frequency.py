"""Steps in time: which step time stamps keep, the grid that it makes, and the seasons that it suggests.

Two questions share these rules. `exact_frequency` asks for the step on which all dates of an index lie, as a name that
`dates.date_range` takes. `dominant_step` asks for the step that nearly all rows of a table keep, and `Step` says how
far off the others are.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from gatewise import plain
from gatewise.errors import Array, GatewiseValueError

SECOND = 1_000_000  # in microseconds
DAY = 86_400 * SECOND
DAY_SECONDS, WEEK_SECONDS, YEAR_SECONDS = 86_400.0, 604_800.0, 31_556_952.0  # the mean year of the Gregorian calendar
MONTH_DAYS = YEAR_SECONDS / DAY_SECONDS / 12
MONTH_SLACK = 3.0  # days by which a median gap may miss its months; the days of the month decide
DOMINANT = 0.9  # share of times that must keep a step
MOST_STEPS = 1000  # of a grid for each row: with fewer rows, they are not of these steps
LONGEST_SEASON = 2016  # steps: a week of 5 minutes
KINDS = ("months", "workdays", "ticks", "count")
LARGEST_STEP = 2**53
MONTH_NAMES = {1: "month", 3: "quarter", 6: "half year", 12: "year"}
CLOCK = [
    *(n * SECOND for n in (1, 2, 5, 10, 15, 20, 30)),
    *(n * 60 * SECOND for n in (1, 2, 5, 10, 12, 15, 20, 30)),
    *(n * 3600 * SECOND for n in (1, 2, 3, 4, 6, 8, 12)),
    *(n * DAY for n in (1, 7)),
]
UNITS = ((7 * DAY, "week"), (DAY, "day"), (3600 * SECOND, "h"), (60 * SECOND, "min"), (SECOND, "s"), (1000, "ms"))
DAY_OF_MONTH = re.compile(r"(\d+)M-(\d+)")  # "1M-15": the 15th of every month, for which pandas has no name


class Step(NamedTuple):
    """A step from one time to the next.

    Attributes
    ----------
    kind : "months", "workdays", "ticks" or "count"
    size : int
        How many months, working days, microseconds (of ticks) or numbers (of a count) make a step.
    anchor : int
        A place on the grid: a month since January 1970, microseconds since 1970, or a number.
    month_end : bool
        Whether months are named by their last day.
    day : int
        Day of the month that names it, where that is not the last; the last one of months that are shorter.
    business : bool
        Whether months are named by their first (or, with `month_end`, last) working day.
    """

    kind: str
    size: int
    anchor: int = 0
    month_end: bool = False
    day: int = 1
    business: bool = False

    @classmethod
    def checked(cls, described: Any) -> Step:
        """Return the step that a file describes as `_asdict` gives it; raise unless it goes forward."""
        step = cls(**plain.known_keys("step", described, cls._fields))
        plain.one_of("the kind of a step", step.kind, KINDS)
        plain.whole("the size of a step", step.size, 1, LARGEST_STEP)
        plain.whole("the anchor of a step", step.anchor)
        plain.whole("the day of a step", step.day, 1, 31)
        plain.flag("month_end", step.month_end), plain.flag("business", step.business)
        return step

    @property
    def label(self) -> str:
        """The step in words: "1 h", "month", "2 months", "workday"."""
        if self.kind == "months":
            years, rest = divmod(self.size, 12)
            return MONTH_NAMES.get(self.size) or (f"{self.size} months" if rest else f"{years} years")
        if self.kind == "workdays":
            return "workday"
        if self.kind == "count":
            return f"{self.size} step{'s' * (self.size > 1)}"
        size, name = next(((s, n) for s, n in UNITS if self.size % s == 0), (1, "µs"))
        count = self.size // size
        return f"{count} {name}{'s' * (count > 1 and name in ('day', 'week'))}"

    @property
    def frequency(self) -> str:
        """The name of a step of months that `date_range` takes: "MS", "2ME", "BME", "1M-15"."""
        if self.day > 1:
            return f"{self.size}M-{self.day:02d}"
        name = f"{'B' * self.business}M{'E' if self.month_end else 'S'}"
        return name if self.size == 1 else f"{self.size}{name}"

    @property
    def seconds(self) -> float | None:
        """Length in seconds, the mean one of months; None of a count."""
        if self.kind == "months":
            return self.size * YEAR_SECONDS / 12
        return {"workdays": DAY_SECONDS, "ticks": self.size / SECOND}.get(self.kind)

    def horizon(self) -> int:
        """Return how many steps ahead people ask for: an hour, a day, a week, a year."""
        if self.kind == "months":
            return max(12 // self.size, 4)
        if self.kind != "ticks":
            return 5 if self.kind == "workdays" else 10
        usual = {DAY: 7, 7 * DAY: 12}
        spans = (DAY, 3600 * SECOND, 60 * SECOND)
        cycles = [span // self.size for span in spans if span % self.size == 0 and 2 <= span // self.size <= 288]
        return usual.get(self.size, cycles[0] if cycles else 10)

    def season(self, length: int) -> int | None:
        """Return the longest season of which a series of this length has three: a week, a day or a year."""
        seasons = natural_seasons(self.seconds, self.kind == "workdays")
        return next((season for season in sorted(seasons, reverse=True) if season <= length // 3), None)

    def places(self, index: Any) -> tuple[Array, Array]:
        """Return the place of each time on the grid, int (rows,), and how far it is from there, in steps."""
        if self.kind == "months":
            months = _month_numbers(index) - self.anchor
            return months // self.size, (months % self.size != 0).astype(float)
        if self.kind == "workdays":
            days = index.to_numpy().astype("datetime64[D]")
            free = ~np.is_busday(days)
            return np.busday_count(np.datetime64(0, "D"), days + free.astype("timedelta64[D]")), free.astype(float)
        ticks = _ticks(index) - self.anchor
        places = (ticks + self.size // 2) // self.size
        return places, np.abs(ticks - places * self.size) / self.size

    def times(self, places: Array) -> Any:
        """Return the times at places of the grid."""
        if self.kind == "months":
            return _with_frequency(named_days(places * self.size + self.anchor, self))
        if self.kind == "workdays":
            return _with_frequency(np.busday_offset(np.datetime64(0, "D"), places))
        ticks = places * self.size + self.anchor
        return pd.Index(ticks, dtype="int64") if self.kind == "count" else _with_frequency(ticks)


def natural_seasons(seconds: float | None, workdays: bool = False) -> tuple[int, ...]:
    """Steps of a day, a week and a year for steps of this length, where they are few and whole; the shortest first.

    Working days have a week of five. A year counts for steps of weeks, months, quarters and the like.
    """
    if seconds is None:
        return ()
    if workdays:
        return (5,)
    cycles = [cycle / seconds for cycle in (DAY_SECONDS, WEEK_SECONDS) if seconds <= DAY_SECONDS]
    year = YEAR_SECONDS / seconds
    if 6 * DAY_SECONDS < seconds < 100 * DAY_SECONDS or (2 <= round(year) <= 3 and abs(year - round(year)) < 0.05):
        cycles += [round(year)]
    return tuple(int(c) for c in cycles if 1 < c <= LONGEST_SEASON and abs(c - round(c)) < 1e-9)


def related_seasons(season: int) -> tuple[int, ...]:
    """The week that belongs to a season which is likely a day, the day to one which is likely a week."""
    days = (24, 48, 96, 144)
    if season in days:
        return (7 * season,)
    return (season // 7,) if season % 7 == 0 and season // 7 in days else ()


def steps_between(first: Any, last: Any, frequency: Any) -> float:
    """Return roughly how many steps, named or an offset of pandas, lie between two dates; nothing is allocated.

    Examples
    --------
    >>> steps_between(pd.Timestamp("2024-01-01"), pd.Timestamp("2034-01-01"), "QS")
    40.0
    """
    months = months_of(frequency)
    if months is not None:
        return float((last.year - first.year) * 12 + last.month - first.month) / months
    offset = pd.tseries.frequencies.to_offset(frequency)
    seconds = (last - first).total_seconds()
    if isinstance(offset, pd.tseries.offsets.Tick):
        return float(seconds / (offset.nanos / 1e9))
    return float(seconds / (DAY_SECONDS * offset.n * (7 if isinstance(offset, pd.offsets.Week) else 1)))


def months_of(frequency: Any) -> int | None:
    """Return how many months a step, named or an offset of pandas, is; None for steps of other kinds.

    Examples
    --------
    >>> months_of("QS-OCT"), months_of("2M-15"), months_of("h")
    (3, 2, None)
    """
    pattern = DAY_OF_MONTH.fullmatch(frequency) if isinstance(frequency, str) else None
    if pattern is not None:
        return int(pattern[1])
    offset = pd.tseries.frequencies.to_offset(frequency)
    sizes = {"Month": 1, "Quarter": 3, "Year": 12}
    return next((offset.n * size for name, size in sizes.items() if name in type(offset).__name__), None)


def exact_frequency(index: Any, name: str) -> str:
    """Return the name of the longest step on which all dates of an ordered index lie; gaps are allowed.

    Raises
    ------
    GatewiseError
        If there is one date only, without a frequency. Where no step fits, the shortest difference comes back.
    """
    if index.freq is not None:
        return str(index.freqstr)
    if len(index) < 2:
        raise GatewiseValueError(f"{name} has one date and no frequency; need both: set it with .asfreq(...).")
    frequency = (_inferred(index) if len(index) >= 3 else None) or _fitting_stretch(index)
    if frequency is not None and not re.fullmatch(r"\d*D", frequency):
        return frequency
    months = _months(index, 1.0)
    if months is not None:
        return months.frequency
    return frequency or _alias(pd.Series(index).diff().min())


def _inferred(index: Any) -> str | None:
    offset = pd.DatetimeIndex(index, freq="infer").freq
    return None if offset is None else str(offset.freqstr)


def _fitting_stretch(index: Any) -> str | None:
    """The longest step that some stretch of the dates keeps and on which all others lie too."""
    grids = {
        alias: pd.date_range(index[0], index[-1], freq=alias)
        for alias in _stretches(index)
        if steps_between(index[0], index[-1], alias) <= MOST_STEPS * len(index)
    }
    fitting = [alias for alias, grid in grids.items() if index.isin(grid).all()]
    return min(fitting, key=lambda alias: len(grids[alias])) if fitting else None


def _stretches(index: Any) -> list[str]:
    """Aliases that some stretch of the dates suggests, the most common difference first."""
    aliases = [_alias(pd.Series(index).diff().mode().iloc[0])]
    for first in range(0, min(len(index) - 2, 200)):
        alias = _inferred(index[first : first + 3])
        if alias and alias not in aliases:
            aliases.append(alias)
    return aliases


def _alias(step: pd.Timedelta) -> str:
    """Whole days as days, so that a change of the clock moves nothing."""
    days = step / pd.Timedelta(days=1)
    return f"{int(days)}D" if days == int(days) else str(pd.tseries.frequencies.to_offset(step).freqstr)


def dominant_step(index: Any, series: Array) -> Step | str:
    """Return the step that most rows keep, or what is wrong where there is none.

    Parameters
    ----------
    index : DatetimeIndex or Index of int (rows,)
        When each row was, in any order and without a zone; or its number.
    series : array of int (rows,)
        Number of the series each row belongs to.

    Returns
    -------
    Step or str
        The end of a sentence that begins with the name of the column, where no step is regular.

    Examples
    --------
    >>> index = pd.DatetimeIndex(["2024-01-31", "2024-02-29", "2024-03-31", "2024-05-31"])
    >>> step = dominant_step(index, np.zeros(4, int))
    >>> step.label, step.times(step.places(index)[0]).strftime("%m-%d").tolist()
    ('month', ['01-31', '02-29', '03-31', '05-31'])
    """
    ticks = _ticks(index)
    order = np.lexsort((ticks, series))
    gaps = np.diff(ticks[order])[np.diff(series[order]) == 0]
    gaps = gaps[gaps > 0]
    if not gaps.size:
        return "has a single time stamp; need several to see the step from one to the next"
    sizes, counts = np.unique(gaps, return_counts=True)
    usual, share = int(sizes[np.argmax(counts)]), counts.max() / len(gaps)
    if index.dtype.kind != "M":
        return _checked(Step("count", usual, int(ticks[0] % usual)), index, usual, share)
    calendar = _by_calendar(index, gaps, usual)
    return calendar if calendar is not None else _by_clock(index, gaps, usual, share)


def _by_clock(index: Any, gaps: Array, usual: int, share: float) -> Step | str:
    """Return the most frequent gap, or the step of a clock that the typical gap is near."""
    if share >= 0.5:
        rests, often = np.unique(_ticks(index) % usual, return_counts=True)
        return _checked(Step("ticks", usual, int(rests[np.argmax(often)])), index, usual, share)
    typical = float(np.median(gaps))
    near = min(CLOCK, key=lambda size: abs(np.log(size / typical)))
    if abs(near / typical - 1) < 0.1:
        monday = 4 * DAY if near == 7 * DAY else 0
        return _checked(Step("ticks", near, monday), index, usual, share)
    return _irregular(usual, share)


def _checked(step: Step, index: Any, usual: int, share: float) -> Step | str:
    """Return the step if nine of ten times are close to its grid."""
    _, away = step.places(index)
    return step if np.quantile(away, DOMINANT) <= 0.25 else _irregular(usual, share)


def _irregular(usual: int, share: float) -> str:
    label = Step("ticks", usual).label
    return (
        f"has no regular step (the most frequent, {label}, makes {share:.0%} of them); "
        f"bring it to one first, with the mean of each hour or day, say"
    )


def _by_calendar(index: Any, gaps: Array, usual: int) -> Step | None:
    """Return months or working days, if that is what the times keep."""
    days = float(np.median(gaps)) / DAY
    size = round(days / MONTH_DAYS)
    if size >= 1 and abs(days - size * MONTH_DAYS) <= MONTH_SLACK:
        months = _months(index, DOMINANT, size)
        if months is not None:
            return months
    stamps = index.to_numpy().astype("datetime64[D]")
    working = usual == DAY and np.is_busday(stamps).all() and (gaps >= 3 * DAY).any() and len(stamps) >= 8
    return Step("workdays", 1) if working else None


def _months(index: Any, share: float, size: int | None = None) -> Step | None:
    """Return the step of months whose days `share` of the times are; of all of them at one time of day if it is 1."""
    months = _month_numbers(index)
    step = _named_by(index, months, share)
    if step is None or size is not None:
        return step and step._replace(size=size or 1, anchor=_usual_rest(months, size or 1))
    gaps = np.diff(np.sort(months))
    wall = index.tz_localize(None)
    if len(gaps) < 2 or (gaps == 0).any() or (wall - wall.normalize()).nunique() > 1:
        return None
    size = int(np.gcd.reduce(gaps))
    return step._replace(size=size, anchor=_usual_rest(months, size))


def _named_by(index: Any, months: Array, share: float) -> Step | None:
    """Which day of its month each time is: the first, the last, a working day, or one such as the 15th."""
    days = index.tz_localize(None).to_numpy().astype("datetime64[D]")
    first = months.astype("datetime64[M]").astype("datetime64[D]")
    usual = int(np.bincount((days - first).astype(int)).argmax()) + 1
    longest = int((days - first).astype(int).max()) + 1
    kinds = [Step("months", 1), Step("months", 1, month_end=True)]
    kinds += [Step("months", 1, day=day) for day in dict.fromkeys((usual, longest)) if day > 1]
    kinds += [Step("months", 1, month_end=end, business=True) for end in (True, False)]
    return next((step for step in kinds if (named_days(months, step) == days).mean() >= share), None)


def _usual_rest(months: Array, size: int) -> int:
    rests, counts = np.unique(months % size, return_counts=True)
    return int(rests[np.argmax(counts)])


def named_days(months: Array, step: Step) -> Array:
    """The days, datetime64[D], that name these months."""
    first = months.astype("datetime64[M]").astype("datetime64[D]")
    last = (months + 1).astype("datetime64[M]").astype("datetime64[D]") - 1
    if step.business:
        return np.busday_offset(last if step.month_end else first, 0, roll="backward" if step.month_end else "forward")
    return last if step.month_end else np.minimum(first + (step.day - 1), last)


def _month_numbers(index: Any) -> Array:
    """Months since January 1970."""
    wall = index.tz_localize(None) if isinstance(index, pd.DatetimeIndex) else index
    months: Array = wall.to_numpy().astype("datetime64[M]").astype(np.int64)
    return months


def _ticks(index: Any) -> Array:
    """Microseconds since 1970, or the step numbers."""
    values = index.to_numpy()
    ticks: Array = values.astype("datetime64[us]").astype(np.int64) if values.dtype.kind == "M" else values
    return ticks


def _with_frequency(times: Array) -> pd.DatetimeIndex:
    """Return the index with its frequency, if it is regular and long enough to show it."""
    index = pd.DatetimeIndex(times.astype("datetime64[us]"))
    return index if len(index) < 3 else pd.DatetimeIndex(index, freq="infer")

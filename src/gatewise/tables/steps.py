"""The step of a series: the one that most of its times keep, and each time's place on that grid."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from gatewise.errors import Array

if TYPE_CHECKING:
    from pandas import DatetimeIndex, Index

    from gatewise.tables.times import Times

SECOND = 1_000_000  # in microseconds
DAY = 86_400 * SECOND
_MONTHS = {1: (27.5, 31.5), 3: (89.0, 93.0), 6: (180.0, 185.0), 12: (364.5, 366.5)}
_MONTH_NAMES = {1: "month", 3: "quarter", 6: "half year", 12: "year"}
_CLOCK = [
    *(n * SECOND for n in (1, 2, 5, 10, 15, 20, 30)),
    *(n * 60 * SECOND for n in (1, 2, 5, 10, 12, 15, 20, 30)),
    *(n * 3600 * SECOND for n in (1, 2, 3, 4, 6, 8, 12)),
    *(n * DAY for n in (1, 7)),
]
_UNITS = ((7 * DAY, "week"), (DAY, "day"), (3600 * SECOND, "h"), (60 * SECOND, "min"), (SECOND, "s"), (1000, "ms"))


class Step(NamedTuple):
    """A step from one time to the next.

    `kind` is "months" (`size` of them), "workdays", "ticks" (`size` microseconds) or "count" (step numbers); `anchor`
    is a time on the grid; `month_end` says that months are named by their last day.
    """

    kind: str
    size: int
    anchor: int = 0
    month_end: bool = False

    @property
    def label(self) -> str:
        """The step in words: "1 h", "month", "workday"."""
        if self.kind == "months":
            return _MONTH_NAMES[self.size]
        if self.kind == "workdays":
            return "workday"
        if self.kind == "count":
            return f"{self.size} step{'s' * (self.size > 1)}"
        size, name = next(((s, n) for s, n in _UNITS if self.size % s == 0), (1, "µs"))
        count = self.size // size
        return f"{count} {name}{'s' * (count > 1 and name in ('day', 'week'))}"

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
        """Return the steps after which a series of this length likely repeats itself: a week, a day, a year."""
        if self.kind == "months":
            found = [12 // self.size]
        elif self.kind == "ticks":
            weeks = [7 * DAY // self.size] if 7 * DAY % self.size == 0 and self.size <= DAY else []
            days = [DAY // self.size] if DAY % self.size == 0 else []
            found = [*weeks, *days, *([52] if self.size == 7 * DAY else [])]
        else:
            found = [5] if self.kind == "workdays" else []
        return next((season for season in found if 1 < season <= min(2016, length // 3)), None)

    def places(self, index: Index[Any]) -> tuple[Array, Array]:
        """Return the place of each time on the grid, int (rows,), and how far it is from there, in steps."""
        if self.kind == "months":
            months = _month_numbers(index) - self.anchor
            return months // self.size, (months % self.size != 0).astype(float)
        if self.kind == "workdays":
            days = index.to_numpy().astype("datetime64[D]")
            origin = np.datetime64(0, "D")
            free = ~np.is_busday(days)
            return np.busday_count(origin, days + free.astype("timedelta64[D]")), free.astype(float)
        ticks = _ticks(index) - self.anchor
        places = (ticks + self.size // 2) // self.size
        return places, np.abs(ticks - places * self.size) / self.size

    def times(self, places: Array) -> Index[Any]:
        """Return the times at places of the grid."""
        import pandas as pd

        if self.kind == "months":
            months = (places * self.size + self.anchor).astype("datetime64[M]")
            days = (months + 1).astype("datetime64[D]") - 1 if self.month_end else months.astype("datetime64[D]")
            return _with_frequency(pd.DatetimeIndex(days.astype("datetime64[us]")))
        if self.kind == "workdays":
            days = np.busday_offset(np.datetime64(0, "D"), places)
            return _with_frequency(pd.DatetimeIndex(days.astype("datetime64[us]")))
        ticks = places * self.size + self.anchor
        if self.kind == "count":
            numbered: Index[Any] = pd.Index(ticks, dtype="int64")
            return numbered
        return _with_frequency(pd.DatetimeIndex(ticks.astype("datetime64[us]")))


def find_step(times: Times, series: Array) -> Step | str:
    """Return the dominant step, or what is wrong where there is none.

    Parameters
    ----------
    times : Times
        When each row was, in any order.
    series : array of int (rows,)
        Number of the series each row belongs to.

    Examples
    --------
    >>> import pandas as pd
    >>> from gatewise.tables.times import Times
    >>> index = pd.DatetimeIndex(["2024-01-31", "2024-02-29", "2024-03-31", "2024-05-31"])
    >>> step = find_step(Times(index, ""), np.zeros(4, int))
    >>> step.label, step.times(step.places(index)[0]).strftime("%m-%d").tolist()
    ('month', ['01-31', '02-29', '03-31', '05-31'])
    """
    ticks = _ticks(times.stamps)
    order = np.lexsort((ticks, series))
    gaps = np.diff(ticks[order])[np.diff(series[order]) == 0]
    gaps = gaps[gaps > 0]
    if not gaps.size:
        return "has a single time stamp; need several to see the step from one to the next"
    sizes, counts = np.unique(gaps, return_counts=True)
    usual, share = int(sizes[np.argmax(counts)]), counts.max() / len(gaps)
    if not times.dated:
        return _checked(Step("count", usual, int(ticks[0] % usual)), times.stamps, usual, share)
    calendar = _by_calendar(times.stamps, gaps, usual)
    if calendar is not None:
        return calendar
    if share >= 0.5:
        rests, often = np.unique(ticks % usual, return_counts=True)
        return _checked(Step("ticks", usual, int(rests[np.argmax(often)])), times.stamps, usual, share)
    typical = float(np.median(gaps))
    near = min(_CLOCK, key=lambda size: abs(np.log(size / typical)))
    if abs(near / typical - 1) < 0.1:
        monday = 4 * DAY if near == 7 * DAY else 0
        return _checked(Step("ticks", near, monday), times.stamps, usual, share)
    return _irregular(usual, share)


def _checked(step: Step, index: Index[Any], usual: int, share: float) -> Step | str:
    """Return the step if nine of ten times are close to its grid."""
    _, away = step.places(index)
    return step if np.quantile(away, 0.9) <= 0.25 else _irregular(usual, share)


def _irregular(usual: int, share: float) -> str:
    label = Step("ticks", usual).label
    return (
        f"has no regular step (the most frequent, {label}, makes {share:.0%} of them); "
        f"bring it to one first, with the mean of each hour or day, say"
    )


def _by_calendar(index: Index[Any], gaps: Array, usual: int) -> Step | None:
    """Return months or working days, if that is what the times keep."""
    days = np.median(gaps) / DAY
    size = next((n for n, (low, high) in _MONTHS.items() if low <= days <= high), None)
    if size is not None:
        return _months(index, size)
    stamps = index.to_numpy().astype("datetime64[D]")
    working = usual == DAY and np.is_busday(stamps).all() and (gaps >= 3 * DAY).any() and len(stamps) >= 8
    return Step("workdays", 1) if working else None


def _months(index: Index[Any], size: int) -> Step | None:
    days = index.to_numpy().astype("datetime64[D]")
    day = (days - days.astype("datetime64[M]")).astype(int) + 1
    last = (days + 1).astype("datetime64[M]") > days.astype("datetime64[M]")
    if np.unique(day, return_counts=True)[1].max() < 0.9 * len(day) and last.mean() < 0.9:
        return None
    rests, counts = np.unique(_month_numbers(index) % size, return_counts=True)
    return Step("months", size, int(rests[np.argmax(counts)]), bool(last.mean() >= 0.9))


def _month_numbers(index: Index[Any]) -> Array:
    """Months since January 1970."""
    found: Array = index.to_numpy().astype("datetime64[M]").astype(np.int64)
    return found


def _ticks(index: Index[Any]) -> Array:
    """Microseconds since 1970, or the step numbers."""
    values = index.to_numpy()
    found: Array = values.astype("datetime64[us]").astype(np.int64) if values.dtype.kind == "M" else values
    return found


def _with_frequency(index: DatetimeIndex) -> DatetimeIndex:
    """Return the index with its frequency, if it is regular and long enough to show it."""
    import pandas as pd

    return index if len(index) < 3 else pd.DatetimeIndex(index, freq="infer")

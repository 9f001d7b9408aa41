"""The answer of a forecaster: the next steps of each series, as a figure, a table to copy and a file to download."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from gatewise.pages import examples
from gatewise.pages.content import Download, Example, Section, TextTable
from gatewise.pages.forecasts import Drawn, drawn, forecast_figure, has_interval, packed, with_plain_index
from gatewise.pages.outlook import Outlook
from gatewise.pages.words import count, shortened, time_texts
from gatewise.printing import aligned
from gatewise.spreadsheets import to_csv

VALUES = 25_000  # of all series that can be picked
ROWS = 2_000  # of the table; the file has all
MULTIPLES = 60
LARGEST = 500_000  # characters of the file
NAMES = {"truth": "Measured", "model": "Forecast"}


def upcoming_sections(outlook: Outlook) -> list[Section]:
    """Return the forecast and, of several series, all of them as small multiples; none without a forecast."""
    if outlook.ahead is None:
        return []
    series = [_series(outlook, number) for number in pickable(outlook)]
    first = series[0]
    section = Section(
        id="next",
        heading="Forecast",
        intro=_intro(outlook),
        alt=f"Line chart of the last observations and the forecast of the next {count(outlook.model.horizon, 'step')}.",
        figure=forecast_figure(first, NAMES, outlook.interval),
        legend={**NAMES, **({"interval": outlook.interval} if has_interval(first.main) else {})},
        picks=series_pick(outlook),
        store={"series": [packed(one, NAMES) for one in series]} if outlook.several else {},
        tables=[_table(outlook)],
    )
    return [section, *_multiples(outlook, series)]


def pickable(outlook: Outlook) -> list[int]:
    """Return the numbers of the series that fit on the page, worst first."""
    each = 8 * (_shown(outlook) + outlook.model.horizon)
    return list(outlook.order[: max(1, VALUES // each)])


def series_pick(outlook: Outlook) -> dict[str, Sequence[str]]:
    """Return the control that picks a series; none where there is one."""
    return {"Series": [shortened(outlook.names[k], 40) for k in pickable(outlook)]} if outlook.several else {}


def _shown(outlook: Outlook) -> int:
    """Return how many observations stand before the forecast."""
    usual = max(3 * outlook.model.horizon, 2 * max(outlook.model.seasons_, default=1), 12)
    return min(usual, 4 * outlook.model.horizon) if len(outlook.names) > 20 else usual


def _series(outlook: Outlook, number: int) -> Drawn:
    """Return a series with its forecast after the last observation."""
    low, high = outlook.ends
    forecast = outlook.ahead[number] if outlook.ahead is not None else pd.DataFrame()
    columns = {"model": forecast[0.5]}
    if low < high:
        columns |= {"lower": forecast[low], "upper": forecast[high]}
    ahead = with_plain_index(pd.DataFrame(columns))
    observed = with_plain_index(outlook.observed[number].iloc[-_shown(outlook) :])
    main = pd.concat([observed.to_frame("truth"), ahead]).rename_axis(ahead.index.name)
    return drawn(main, [ahead], observed)


def _intro(outlook: Outlook) -> str:
    first = "The median of the next " + count(outlook.model.horizon, "step")
    held = f", with the {outlook.interval}" if outlook.interval else ""
    unit = f", in {outlook.unit}" if outlook.unit else ""
    several = f" Pick one of {len(outlook.names):,} series." if outlook.several else ""
    return f"{first}{held}{unit}, from everything observed.{several}"


def _table(outlook: Outlook) -> TextTable:
    """Return the forecast as a table, one series after the other in the order of the control."""
    frame, horizon = outlook.frame, outlook.model.horizon
    assert frame is not None
    kept = pickable(outlook)[: max(1, ROWS // horizon)]
    rows = [row for number in kept for row in _rows(frame.iloc[number * horizon : (number + 1) * horizon])]
    titles = {"median": "Forecast", "lower": f"{outlook.interval}: from" if outlook.interval else "From", "upper": "to"}
    shown = [str(name) for name in _columns(frame)]
    header = [titles.get(name, name) for name in shown]
    caption = "The forecast as a table"
    left_out = f"; the first {len(kept):,} of {len(outlook.names):,} series" if len(kept) < len(outlook.names) else ""
    each = horizon if outlook.several else 0
    return TextTable(caption + left_out, header, rows, open=True, each=each, copy=True, download=_download(outlook))


def _columns(frame: pd.DataFrame) -> list[Any]:
    """Return the columns with the forecast before its interval."""
    names = list(frame.columns)
    return [*names[:-3], "median", "lower", "upper"]


def _rows(part: pd.DataFrame) -> list[list[str]]:
    """Return rows of texts, all numbers with the same decimals."""
    numbers = aligned(part[["median", "lower", "upper"]].to_numpy(float).ravel().tolist())
    lead = [time_texts(part[name]) for name in part.columns[:-3]]
    values = np.reshape(np.array(numbers, dtype=object), (-1, 3)).tolist()
    return [[*front, *row] for front, row in zip(zip(*lead, strict=True), values, strict=True)]


def _download(outlook: Outlook) -> Download | None:
    """Return the whole table as a file, its numbers to seven digits where it is large; None where it is too large."""
    frame = outlook.frame
    assert frame is not None
    text = to_csv(frame)
    text = to_csv(frame, float_format="%.7g") if len(text) > LARGEST else text
    several = f" (all {len(outlook.names):,} series)" if outlook.several else ""
    return Download("forecast.csv", text, f"Download as CSV{several}") if len(text) <= LARGEST else None


def _multiples(outlook: Outlook, series: Sequence[Drawn]) -> list[Section]:
    """Return a small picture of each series."""
    if not outlook.several:
        return []
    shown = list(zip(pickable(outlook), series, strict=True))[:MULTIPLES]
    left_out = f" The first {len(shown)} of {len(outlook.names):,}." if len(shown) < len(outlook.names) else ""
    order = "those with the largest scaled error in the backtest first" if outlook.tested else "in their order"
    return [
        Section(
            id="series",
            heading="All series",
            intro=f"The last observations and the forecast of each series, {order}.{left_out}",
            examples=[_multiple(outlook, number, one, k) for k, (number, one) in enumerate(shown)],
            key={**NAMES, **({"interval": outlook.interval} if outlook.interval else {})},
            more=("next", "Show this series"),
        )
    ]


def _multiple(outlook: Outlook, number: int, series: Drawn, place: int) -> Example:
    main = series.main
    columns = [main["truth"].to_numpy(float), _joined(main, "model")]
    band = ""
    if has_interval(main):
        columns += [_joined(main, "lower"), _joined(main, "upper")]
    lines = examples.together(*columns)
    if has_interval(main):
        band = f"{lines[2]} {' '.join(reversed(lines[3].split()))}"
    one = outlook.comparison(number)
    best = None if one is None else one.best
    caption = "no backtest"
    if one is not None:
        against = f", {one.against(best)} {one.name(best)}" if best is not None else ""
        caption = f"mean error {one.texts('mae')['model']}{against}"
    name = shortened(outlook.names[number], 40)
    return Example(name, caption, lines[:2], str(place), colors=("truth", "model"), band=band)


def _joined(main: pd.DataFrame, name: str) -> Any:
    """Return a column of forecasts that starts at the last observation."""
    values = main[name].to_numpy(float).copy()
    known = np.flatnonzero(main["truth"].notna().to_numpy())
    if len(known):
        values[known[-1]] = main["truth"].iloc[known[-1]]
    return values

"""Where forecasts are better and worse: their errors by step ahead, hour, weekday and month."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from gatewise.pages.content import Section, TextTable
from gatewise.pages.figures import profile_figure
from gatewise.pages.forecasts import DAY, is_dated, plain_index, spacing
from gatewise.pages.measures import WEEKDAYS
from gatewise.pages.words import count, number
from gatewise.printing import aligned

if TYPE_CHECKING:
    from pandas import DataFrame

    from gatewise.pages.outlook import Outlook

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
FEWEST = 2  # values per group, in the median
TICKS = 6


def profile_sections(outlook: Outlook, forecasts: DataFrame, best: tuple[str, str]) -> list[Section]:
    """Return a section for each way to group the steps that suits their distance."""
    errors = _errors(forecasts, best[0])
    names = {"model": "Model", "second": best[1]}
    places = {"step ahead": forecasts.groupby(["series", "window"]).cumcount().to_numpy() + 1}
    places |= _by_calendar(forecasts)
    unit = "relative to the model's mean error on the same series" if outlook.several else outlook.unit
    sections = []
    for along, place in places.items():
        table = _table(errors, place, along)
        if table is not None:
            sections.append(_section(along, table, names, unit))
    return sections


def _errors(forecasts: DataFrame, method: str) -> DataFrame:
    """Return the absolute errors of model and method; of several series in units of the model's mean error on each."""
    truth = forecasts["truth"]
    columns = {name: (forecasts[column] - truth).abs() for name, column in (("model", "model"), ("second", method))}
    errors = pd.DataFrame(columns).reset_index(drop=True)
    if forecasts["series"].nunique() == 1:
        return errors
    series = forecasts["series"].reset_index(drop=True)
    scale = errors["model"].groupby(series).transform("mean").replace(0, np.nan)
    return errors.div(scale, axis=0)


def _by_calendar(forecasts: DataFrame) -> dict[str, Any]:
    """Return hour, weekday and month of each row, as far as they suit the distance of the steps."""
    first = forecasts[(forecasts["series"] == forecasts["series"].iloc[0])]
    index: Any = plain_index(forecasts.index)
    if not is_dated(forecasts.set_axis(index)):
        return {}
    steps = plain_index(first.index).unique().sort_values()
    step = spacing(pd.DataFrame(index=steps))
    places: dict[str, Any] = {}
    if step < DAY:
        places["hour of day"] = index.hour
    if step <= DAY:
        places["weekday"] = index.day_of_week
    if step >= DAY and step < 100 * DAY:
        places["month"] = index.month - 1
    return places


def _table(errors: DataFrame, place: Any, along: str) -> DataFrame | None:
    """Return the mean error of each group with its label; None where the groups are too few or too small."""
    groups = errors.groupby(np.asarray(place))
    sizes = groups["model"].count()
    least = {"hour of day": 6, "weekday": 5, "month": 4}.get(along, 2)
    if (sizes > 0).sum() < least or sizes[sizes > 0].median() < FEWEST:
        return None
    table = groups.mean()
    labels = {"hour of day": _hours, "weekday": _weekdays, "month": _months}.get(along, _numbers)
    return table.assign(label=labels(table.index.tolist()), size=sizes).reset_index(drop=True)


def _hours(places: Sequence[int]) -> list[str]:
    return [f"{place:02d}:00" for place in places]


def _weekdays(places: Sequence[int]) -> list[str]:
    return [WEEKDAYS[place] for place in places]


def _months(places: Sequence[int]) -> list[str]:
    return [MONTHS[place] for place in places]


def _numbers(places: Sequence[int]) -> list[str]:
    return [str(place) for place in places]


def _place(along: str, row: Any) -> str:
    return f"step {row['label']}" if along == "step ahead" else str(row["label"])


def _section(along: str, table: DataFrame, names: dict[str, str], unit: str) -> Section:
    ranked = table.dropna(subset=["model"]).sort_values("model", ascending=False, kind="stable")
    high, low = ranked.iloc[0], ranked.iloc[-1]
    most, least = (f"{_place(along, row)} ({number(row['model'])})" for row in (high, low))
    told = f"The model's is largest for {most}, smallest for {least}."
    rows = list(
        zip(table["label"], *(aligned(table[name].tolist()) for name in names), table["size"].map(str), strict=True)
    )
    header = [along.capitalize(), *names.values(), "Values"]
    return Section(
        id=f"by-{along.replace(' ', '-')}",
        heading=f"Error by {along}",
        intro=f"Mean absolute error{f', {unit}' if unit else ''}. {told}",
        alt=f"Line chart of the mean absolute error by {along}, {count(len(table), 'group')}. {told}",
        figure=profile_figure(table.drop(columns="size"), max(1, -(-len(table) // TICKS)), names),
        legend=names,
        tables=[TextTable(f"Mean absolute error by {along}", header, rows, copy=True)],
        half=True,
    )

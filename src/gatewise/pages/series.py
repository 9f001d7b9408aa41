"""What a page says of a forecaster: the verdict, how it was tested, what the fit decided, its first network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from gatewise.comparison import MODEL
from gatewise.pages.inside import Inside
from gatewise.pages.words import count, number, percent, sentence, shortened, time_texts

if TYPE_CHECKING:
    from gatewise.estimators.forecaster import RecurrentForecaster
    from gatewise.pages.outlook import Outlook

LOOKED_AT = 6
SHORTFALL = 0.08  # by which the coverage may miss its level before the page warns
WORDS = {"naive": "the last value", "drift": "drift", "mean": "the mean", "seasonal": "the seasonal naive method"}


def headline(outlook: Outlook) -> str:
    """Return the main result in words: the model beside the best simple method."""
    comparisons = outlook.comparisons
    if not comparisons:
        return f"Forecast of the next {count(outlook.model.horizon, 'step')}"
    if len(comparisons) == 1:
        return sentence(next(iter(comparisons.values())).verdict)
    better = [target for target, one in comparisons.items() if one.worth_it]
    return f"Better than the best simple method on {len(better)} of {len(comparisons)} targets"


def lede(outlook: Outlook) -> str:
    """Return what was forecast and how it was tested."""
    parts = [_said_of_one(outlook), _tested(outlook), _share(outlook.model)]
    return " ".join(part for part in parts if part)


def _said_of_one(outlook: Outlook) -> str:
    """Return the forecast of a single series in a sentence: its first and its last step."""
    frame = outlook.frame
    if frame is None or outlook.several:
        return ""
    ends = frame.iloc[[0, -1]]
    (first, last), (low, high) = time_texts(ends[ends.columns[0]]), [number(float(value)) for value in ends["median"]]
    unit = f" {outlook.unit}" if outlook.unit else ""
    if len(frame) == 1:
        return f"Forecast: {low}{unit} at {first}."
    return f"Forecast: {low}{unit} at {first}, {high}{unit} at {last}."


def _tested(outlook: Outlook) -> str:
    if outlook.backtest is None:
        return f"There is no backtest: {outlook.problem}."
    several = f" of {len(outlook.tested):,} series" if outlook.several else ""
    covered = _coverage(outlook)
    held = f" The {outlook.interval} held {percent(covered)} of the values." if outlook.interval else ""
    return (
        f"Backtest: {count(len(outlook.backtest.windows), 'forecast')} of {count(outlook.model.horizon, 'step')} each"
        f"{several}, made by a copy fitted to what lies before.{held}"
    )


def _share(model: RecurrentForecaster) -> str:
    """Return what is left of the model where networks and linear path did not help."""
    if any(model.shares_.values()):
        return ""
    return (
        f"Neither networks nor a linear path improved on the reference, so this forecast is {reference(model)} alone."
    )


def reference(model: RecurrentForecaster) -> str:
    """Return what the reference of a forecaster is called."""
    kind = str(model.reference_)
    return WORDS.get(kind, kind)


def warning(outlook: Outlook) -> str:
    """Return a warning where the interval held far fewer values than its level says; else an empty text."""
    if outlook.backtest is None or not outlook.interval:
        return ""
    low, high = outlook.ends
    level, covered = high - low, _coverage(outlook)
    values = sum(int(np.isfinite(window.truth).sum()) for window in outlook.backtest.windows)
    allowed = max(SHORTFALL, 2 * float(np.sqrt(level * (1 - level) / max(values, 1))))
    if not np.isfinite(covered) or covered >= level - allowed:
        return ""
    return (
        f"The {outlook.interval} is too narrow: in the backtest it held only {percent(covered)} of the values. "
        f"Expect larger errors than it shows."
    )


def _coverage(outlook: Outlook) -> float:
    """Return the share of values within the interval, over the whole backtest."""
    assert outlook.backtest is not None
    covered = outlook.backtest.comparison().measures[MODEL]["coverage"]
    return float("nan") if covered is None else float(covered)


def looked_into(model: RecurrentForecaster, compare: Any = None) -> Inside | None:
    """Return the first network with the last windows it can be given, or None where the forecaster has none."""
    seen = model.inspect(windows=LOOKED_AT)
    if seen.windows is None:
        return None
    several = len(seen.names) > 1
    starts = zip(seen.window_series, seen.window_starts, strict=True)
    names = [f"Series {k + 1}" if name is None else shortened(str(name), 40) for k, name in enumerate(seen.names)]
    rows = [_window_name(names[int(series)] if several else None, first) for series, first in starts]
    return Inside(seen.networks[0], seen.windows, rows=rows, features=seen.features, compare=compare)


def _window_name(series: str | None, first: Any) -> str:
    """Return from when on a window forecasts, and of which series where there are several."""
    when = f"{first:%Y-%m-%d %H:%M}".removesuffix(" 00:00") if isinstance(first, pd.Timestamp) else f"{first}"
    return f"From {when} on" if series is None else f"{series}, from {when} on"


def facts(model: RecurrentForecaster) -> dict[str, str]:
    """Return what the fit decided."""
    seasons: Sequence[int] = model.seasons_
    shares = ", ".join(f"{100 * share:.0f} % of the {name} path" for name, share in model.shares_.items())
    some = f"{count(len(model.networks_), 'network')}, context {count(model.context_, 'step')}; the first is shown here"
    return {
        "Reference": f"{reference(model)}; seasons of {', '.join(map(str, seasons)) or 'no'} steps",
        "Forecast": f"the reference, {shares}",
        "Networks": some if model.networks_ else "none: the reference and the linear path did better alone",
    }

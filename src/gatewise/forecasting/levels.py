"""Covariates that are text: a column of 0 and 1 for each level seen at fit."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from gatewise.errors import GatewiseValueError, GatewiseWarning
from gatewise.printing import is_number

MOST_LEVELS = 50  # as in tables: a column of more is an identifier, or numbers that were not read as such
Levels = Mapping[str, tuple[str, ...]]


def levels_in(X: Any, what: str) -> dict[str, tuple[str, ...]]:
    """Return the levels of each text column of a frame or a list of them, in order; of other things none.

    Raises
    ------
    GatewiseError
        If a column has more than 50 levels, or they are numbers.

    Examples
    --------
    >>> levels_in(pd.DataFrame({"sky": ["sun", None, "rain"], "warm": [1.0, 2.0, 3.0]}), "X")
    {'sky': ('rain', 'sun')}
    """
    seen: dict[str, set[str]] = {}
    named: set[str] = set()
    for frame in X if isinstance(X, list | tuple) else [X]:
        for name, column in _text_columns(frame):
            seen.setdefault(name, set()).update(_cells(column).unique())
            named |= {name} if isinstance(column.dtype, pd.CategoricalDtype) else set()
    for name, levels in seen.items():
        _check(name, levels, name in named, what)
    return {name: tuple(sorted(levels)) for name, levels in seen.items()}


def encoded(X: Any, levels: Levels, what: str) -> Any:
    """Return a frame, or a list of them, with a column of 0 and 1 for each level in place of each text column.

    A missing value is none of the levels; neither is one that was not there at fit, of which a warning tells.

    Examples
    --------
    >>> encoded(pd.DataFrame({"sky": ["sun", None]}), {"sky": ("rain", "sun")}, "X").columns.tolist()
    ['sky=rain', 'sky=sun']
    """
    if not levels or X is None:
        return X
    several = isinstance(X, list | tuple)
    parts = [part.to_frame() if isinstance(part, pd.Series) else part for part in (X if several else [X])]
    for part in parts:
        if not isinstance(part, pd.DataFrame):
            raise GatewiseValueError(
                f"{what} is a {type(part).__name__}; need a DataFrame: the columns {', '.join(levels)} of the fit are "
                f"text."
            )
    for name in levels:
        _warn_of_new([part[name] for part in parts if name in part and part.columns.is_unique], levels[name], what)
    frames = [_encoded(part, levels) if part.columns.is_unique else part for part in parts]
    return frames if several else frames[0]


def channels(names: Iterable[str], levels: Levels) -> list[str]:
    """Return the names of the columns of numbers that come of these columns.

    Examples
    --------
    >>> channels(["sky", "warm"], {"sky": ("rain", "sun")})
    ['sky=rain', 'sky=sun', 'warm']
    """
    return [channel for name in names for channel in _channels(name, levels)]


def _channels(name: str, levels: Levels) -> list[str]:
    return [f"{name}={level}" for level in levels[name]] if name in levels else [name]


def _encoded(frame: pd.DataFrame, levels: Levels) -> pd.DataFrame:
    parts: dict[Any, Any] = {}
    for name in frame.columns:
        column = frame[name]
        if str(name) in levels:
            cells = column.astype(object).where(column.isna(), column.astype(str))
            parts |= {f"{name}={level}": (cells == level).astype(float) for level in levels[str(name)]}
        else:
            parts[name] = column
    return pd.DataFrame(parts, index=frame.index)


def _warn_of_new(columns: list[pd.Series], levels: tuple[str, ...], what: str) -> None:
    """Warn of levels that are not among those of the fit."""
    new = sorted({cell for column in columns for cell in _cells(column).unique()} - set(levels))
    if new:
        warnings.warn(
            f"{what} column {columns[0].name!r} holds {', '.join(map(repr, new[:3]))}, which the fit did not see: it "
            f"counts as none of {', '.join(map(repr, levels))}.",
            GatewiseWarning,
            stacklevel=6,
        )


def _text_columns(frame: Any) -> Iterable[tuple[str, pd.Series]]:
    """Yield name and column of what is text or categories, if this is a frame of pandas."""
    frame = frame.to_frame() if isinstance(frame, pd.Series) else frame
    if not isinstance(frame, pd.DataFrame):
        return
    for place, name in enumerate(frame.columns):
        column = frame.iloc[:, place]
        if _is_text(column):
            yield str(name), column


def _is_text(column: pd.Series) -> bool:
    if isinstance(column.dtype, pd.CategoricalDtype | pd.StringDtype):
        return True
    if not pd.api.types.is_object_dtype(column.dtype):
        return False
    cells = column.dropna()
    return len(cells) > 0 and all(isinstance(cell, str | bool | np.bool_) for cell in cells)


def _cells(column: pd.Series) -> pd.Series:
    """The values of a column as text, without those that are missing."""
    return column.dropna().astype(str)


def _check(name: str, levels: set[str], are_categories: bool, what: str) -> None:
    if len(levels) > MOST_LEVELS:
        raise GatewiseValueError(
            f"{what} column {name!r} is text with {len(levels)} levels; need {MOST_LEVELS} at most: use "
            f"pd.to_numeric if they are numbers, else join rare ones or leave the column out."
        )
    if levels and not are_categories and all(map(is_number, levels)):
        raise GatewiseValueError(
            f"{what} column {name!r} holds numbers as text, such as {min(levels)!r}; need numbers: use pd.to_numeric, "
            f"or .astype('category') if they name categories."
        )

"""What a set is: a training part, a test part, and `validation`, which cuts another test part from the first."""

from __future__ import annotations

import importlib
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Array = NDArray[Any]
Sequences = Array | list[Array]


class Labeled(NamedTuple):
    """Sequences with one label or number each."""

    name: str
    task: Literal["classify", "regress"]
    X_train: Sequences  # (n, time), (n, time, channels) or a list of (time_i, channels)
    y_train: Array  # (n,)
    X_test: Sequences
    y_test: Array
    groups: Array | None = None  # (n,) who each training sequence is of; train and test parts share none


class Forecasting(NamedTuple):
    """Series, each cut at a point in time; forecasts start at the cut and every `step` points after it."""

    name: str
    train: list[pd.Series]  # dated where the data are; gaps are NaN
    test: list[pd.Series]  # what follows
    horizon: int  # points to forecast from each origin
    season: int | None  # points to a season
    step: int  # points from one origin to the next
    every: str = ""  # the step of the index: one of STEPS, or "" where it is unknown
    refit: bool = False  # whether everything is fitted again at each origin; without it only at the first

    @property
    def task(self) -> Literal["forecast"]:
        """The third kind beside those of Labeled."""
        return "forecast"


Set = Labeled | Forecasting


class MissingSetError(Exception):
    """A set's package is not installed, or has no data inside."""


def validation(data: Set) -> Set:
    """Return `data` with its test part replaced by a part of its training part.

    Series: the last points of the training part, as many as the test part has but at most a third. Labeled: a quarter
    of the sequences, a third of the people where it is known whose they are; in equal shares of the classes otherwise.
    """
    if isinstance(data, Forecasting):
        cuts = [len(a) - min(len(b), len(a) // 3) for a, b in zip(data.train, data.test, strict=True)]
        parts = [(a.iloc[:cut], a.iloc[cut:]) for a, cut in zip(data.train, cuts, strict=True)]
        return data._replace(train=[a for a, _ in parts], test=[b for _, b in parts])
    held = _held_out(data)
    return data._replace(
        X_train=take(data.X_train, ~held),
        y_train=data.y_train[~held],
        X_test=take(data.X_train, held),
        y_test=data.y_train[held],
        groups=None if data.groups is None else data.groups[~held],
    )


def _held_out(data: Labeled) -> Array:
    from sklearn.model_selection import train_test_split

    n = len(data.y_train)
    if data.groups is not None:
        people = np.unique(data.groups)
        return np.isin(data.groups, people[: max(1, len(people) // 3)])
    stratify = data.y_train if data.task == "classify" else None
    size = max(n // 4, len(np.unique(data.y_train))) if data.task == "classify" else n // 4
    _, rows = train_test_split(np.arange(n), test_size=size, stratify=stratify, random_state=0)
    return np.isin(np.arange(n), rows)


def take(x: Sequences, mask: Array) -> Sequences:
    """Return the sequences that a mask keeps."""
    return [row for row, keep in zip(x, mask, strict=True) if keep] if isinstance(x, list) else x[mask]


def module(name: str, package: str) -> Any:
    """Return a module of a package that holds data; raise MissingSetError where it is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise MissingSetError(f"needs {package}: pip install {package} ({error})") from error

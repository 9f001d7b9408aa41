"""Covariates as standardized columns: those known ahead, those known up to now, and those of a series as a whole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Self

import numpy as np
import pandas as pd

from gatewise.errors import Array, GatewiseTypeError, GatewiseValueError
from gatewise.forecasting.reading import RegularSeries


class Covariates(NamedTuple):
    """The columns of X, and the mean and the scale (columns,) of each over all series."""

    columns: tuple[str, ...]
    known: tuple[str, ...]
    mean: Array
    scale: Array

    @classmethod
    def fit(cls, columns: Sequence[str], past: Sequence[str], series: Sequence[RegularSeries]) -> Self:
        """Measure the columns of all series; `past` names those known only up to now."""
        absent = [name for name in map(str, past) if name not in columns]
        if absent:
            raise GatewiseValueError(f"past_covariates names {absent[0]!r}; need columns of X: {', '.join(columns)}.")
        values = np.concatenate([one.x for one in series])
        empty = [name for name, column in zip(columns, values.T, strict=True) if not np.isfinite(column).any()]
        if empty:
            raise GatewiseValueError(f"X column {empty[0]!r} has no value beside y; need some: leave it out.")
        mean = np.array([np.nanmean(column) for column in values.T])
        scale = np.array([np.nanstd(column) for column in values.T])
        known = tuple(name for name in columns if name not in set(map(str, past)))
        return cls(tuple(columns), known, mean, np.where(scale > 1e-12 * (1 + np.abs(mean)), scale, 1.0))

    def scaled(self, x: Array, names: Sequence[str]) -> Array:
        """Columns `names` of x standardized; gaps become the mean."""
        at = [self.columns.index(name) for name in names]
        return np.nan_to_num((x - self.mean[at]) / self.scale[at])

    def known_of(self, x: Array) -> Array:
        """Those known ahead, from all columns (time, columns)."""
        return self.scaled(x[:, [self.columns.index(name) for name in self.known]], self.known)

    def past_of(self, x: Array) -> Array:
        """Those known up to now, from all columns (time, columns)."""
        names = [name for name in self.columns if name not in self.known]
        return self.scaled(x[:, [self.columns.index(name) for name in names]], names)


class Statics(NamedTuple):
    """Standardized numbers (series, columns) of the series as wholes."""

    values: Array

    @classmethod
    def fit(cls, static: Any, count: int) -> Self:
        """Standardize a DataFrame or an array with a row a series."""
        if static is None:
            return cls(np.zeros((count, 0)))
        names = list(static.columns) if isinstance(static, pd.DataFrame) else None
        try:
            values = np.asarray(static, dtype=float)
        except (TypeError, ValueError) as error:
            raise GatewiseTypeError(
                f"static holds what is no number ({error}); need numbers: use pd.get_dummies for categories."
            ) from error
        values = values[:, None] if values.ndim == 1 else values
        if values.ndim != 2 or len(values) != count:
            raise GatewiseValueError(f"static has shape {values.shape}; need ({count}, columns): a row a series.")
        bad = np.argwhere(~np.isfinite(values))
        if len(bad):
            column = int(bad[0][1]) if names is None else names[int(bad[0][1])]
            raise GatewiseValueError(f"static column {column!r} is not finite in row {bad[0][0]}; fill it.")
        scale = values.std(axis=0)
        return cls((values - values.mean(axis=0)) / np.where(scale > 0, scale, 1.0))

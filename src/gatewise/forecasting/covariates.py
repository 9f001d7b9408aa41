"""Covariates as standardized columns: those known ahead, those known up to now, and those of a series as a whole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Self

import numpy as np
import pandas as pd

from gatewise.arrays import LARGEST, binary_exponent, unmasked
from gatewise.errors import Array, GatewiseTypeError, GatewiseValueError
from gatewise.forecasting.levels import Levels, channels
from gatewise.forecasting.reading import RegularSeries


class Covariates(NamedTuple):
    """The columns of X, and the mean and the scale (columns,) of each over all series.

    `levels` are those of the columns of X that are text, of which `columns` and `known` name a column for each level.
    """

    columns: tuple[str, ...]
    known: tuple[str, ...]
    mean: Array
    scale: Array
    levels: Levels

    @classmethod
    def fit(cls, columns: Sequence[str], past: Sequence[str], series: Sequence[RegularSeries], levels: Levels) -> Self:
        """Measure the columns of all series; `past` names those of X, encoded or not, known only up to now."""
        past = channels(map(str, past), levels)
        absent = [name for name in past if name not in columns]
        if absent:
            need = ", ".join(columns) or "there are none"
            raise GatewiseValueError(f"past_covariates names {absent[0]!r}; need columns of X: {need}.")
        values = np.concatenate([one.x for one in series])
        empty = [name for name, column in zip(columns, values.T, strict=True) if not np.isfinite(column).any()]
        if empty:
            raise GatewiseValueError(f"X column {empty[0]!r} has no value beside y; need some: leave it out.")
        mean, scale = _mean_and_spread(values)
        known = tuple(name for name in columns if name not in past)
        return cls(tuple(columns), known, mean, np.where(scale > 1e-12 * np.abs(mean), scale, 1.0), levels)

    def as_given(self, names: Sequence[str]) -> list[str]:
        """The columns of X that these columns of numbers come of."""
        origin = {channel: name for name in self.levels for channel in channels([name], self.levels)}
        return list(dict.fromkeys(origin.get(name, name) for name in names))

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
        """Standardize a DataFrame or an array with one row per series."""
        if static is None:
            return cls(np.zeros((count, 0)))
        names = list(static.columns) if isinstance(static, pd.DataFrame) else None
        try:
            values = np.asarray(unmasked(static), dtype=float)
        except (TypeError, ValueError) as error:
            raise GatewiseTypeError(
                f"static holds what is no number ({error}); need numbers, or a DataFrame, whose text is encoded."
            ) from error
        values = values[:, None] if values.ndim == 1 else values
        if values.ndim != 2 or len(values) != count:
            raise GatewiseValueError(f"static has shape {values.shape}; need ({count}, columns): one row per series.")
        bad = np.argwhere(~(np.abs(values) <= LARGEST))
        if len(bad):
            row, at = (int(k) for k in bad[0])
            column = at if names is None else names[at]
            raise GatewiseValueError(
                f"static column {column!r} is {values[row, at]} in row {row}; "
                f"need finite numbers up to {LARGEST:g}: fill the gap or change the unit."
            )
        exponent = binary_exponent(values)
        values = np.ldexp(values, -exponent)
        scale = values.std(axis=0)
        return cls((values - values.mean(axis=0)) / np.where(scale > 0, scale, 1.0))


def _mean_and_spread(values: Array) -> tuple[Array, Array]:
    """Mean and standard deviation (columns,) of the rows (n, columns), gaps left out."""
    exponents = [binary_exponent(column) for column in values.T]
    columns = [np.ldexp(column, -exponent) for column, exponent in zip(values.T, exponents, strict=True)]
    mean = np.array([np.nanmean(column) for column in columns])
    scale = np.array([np.nanstd(column) for column in columns])
    return np.ldexp(mean, np.array(exponents, int)), np.ldexp(scale, np.array(exponents, int))

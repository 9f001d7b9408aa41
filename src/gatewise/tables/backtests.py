"""Held-out forecasts of the series of a table: how many there can be, and what they say of each target."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from gatewise.errors import GatewiseError, GatewiseValueError
from gatewise.files import read_extra
from gatewise.training.identity import digest
from gatewise.training.runs import NOWHERE, Keeping

if TYPE_CHECKING:
    from gatewise.comparison import Comparison
    from gatewise.errors import Array
    from gatewise.estimators.forecaster import RecurrentForecaster
    from gatewise.forecasting.backtest import Backtest
    from gatewise.tables.roles import SeriesRoles
    from gatewise.tables.series import SeriesGrid

SHORTEST_PAST = 8  # steps that must lie before the first held-out forecast, or a horizon if that is longer
FEWEST_OBSERVED = 2  # of the steps before it


def measured(
    forecaster: RecurrentForecaster, grid: SeriesGrid, keeping: Keeping = NOWHERE
) -> tuple[Backtest | None, str]:
    """Forecast the tail of each series that is long enough; return the backtest, or None and why there is none."""
    from gatewise.forecasting.backtest import backtest, usual_windows

    horizon = forecaster.horizon
    shortest = horizon + max(horizon, SHORTEST_PAST)
    long = [k for k, y in enumerate(grid.y) if y.iloc[:-horizon].count() >= FEWEST_OBSERVED and len(y) >= shortest]
    if not long:
        return None, f"a series needs at least {shortest} steps for a horizon of {horizon}"
    y, x, static = [grid.y[k] for k in long], grid.beside, grid.statics
    x = None if x is None else [x[k] for k in long]
    static = None if static is None else static.iloc[long]
    with keeping.run(partial(_facts, forecaster, y, x)) as run:
        try:
            return backtest(forecaster, y, x, static, windows=usual_windows([*map(len, y)], horizon), run=run), ""
        except GatewiseValueError as error:
            return None, str(error)


def _facts(forecaster: RecurrentForecaster, y: Sequence[Any], x: Sequence[Any] | None) -> dict[str, Any]:
    """Return what tells one backtest from another, for its checkpoint."""
    from gatewise.estimators.identity import parameters

    values = [np.concatenate([np.ravel(part) for part in parts]) for parts in (y, x or [[]])]
    series, beside = map(digest, values)
    return {"what": "backtest", "parameters": parameters(forecaster), "series": series, "beside": beside}


def comparisons(backtest: Backtest, roles: SeriesRoles, units: dict[str, str]) -> dict[str, Comparison]:
    """Return the model beside the simple methods by target: several targets have a unit each, so none is pooled."""
    if roles.series is not None or len(roles.targets) == 1:
        target = roles.targets[0]
        return {target: backtest.comparison(unit=units.get(target, ""))}
    names = map(str, backtest.names)
    return {target: backtest.comparison([k], units.get(target, "")) for k, target in enumerate(names)}


def held_out(backtest: Backtest, compared: dict[str, Comparison]) -> dict[str, Any]:
    """Return a backtest as plain data: its size, and the errors by method, of several targets by target."""
    windows = len(backtest.windows)
    size = {"series": len(backtest.names), "windows": windows, "steps": windows * backtest.horizon}
    parts = {target: one.as_dict() for target, one in compared.items()}
    if len(parts) == 1:
        return size | next(iter(parts.values()))
    return size | {"targets": parts}


class Kept(NamedTuple):
    """A backtest as a page shows it.

    Attributes
    ----------
    backtest : Backtest or None
    problem : str
        Why there is none; else empty.
    comparisons : dict of str to Comparison
        By target.
    targets : sequence of str
    units : dict of str to str
        Of the targets.
    forecast : None
        The forecast that was made with it is not kept.
    """

    backtest: Backtest | None
    problem: str
    comparisons: Mapping[str, Comparison]
    targets: Sequence[str]
    units: Mapping[str, str]
    forecast: None = None


def to_keep(backtest: Backtest | None) -> tuple[dict[str, Any], dict[str, Array]]:
    """Return what the file of a model says of its backtest, and its arrays; nothing of none."""
    if backtest is None:
        return {}, {}
    from gatewise.forecasting import backtest_files

    description, arrays = backtest_files.to_parts(backtest)
    return {"backtest": description}, {f"backtest.{name}": array for name, array in arrays.items()}


def kept(path: str | os.PathLike[str], description: Mapping[str, Any]) -> Backtest | None:
    """Return the backtest that stands in the file of a model, of which `description` is the info; None without one."""
    if "backtest" not in description:
        return None
    from gatewise.forecasting import backtest_files

    prefix = "backtest."
    arrays = {k.removeprefix(prefix): array for k, array in read_extra(path).items() if k.startswith(prefix)}
    try:
        return backtest_files.from_parts(description["backtest"], arrays)
    except GatewiseError as error:
        raise type(error)(f"{path}: {error}") from error
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise GatewiseValueError(f"{path}: its backtest cannot be read ({error!r}).") from error


def shown(
    path: str | os.PathLike[str],
    description: Mapping[str, Any],
    forecaster: RecurrentForecaster,
    grid: SeriesGrid,
    roles: SeriesRoles,
) -> Kept:
    """Return the backtest of a model's file; where it has none, one made of a copy of the forecaster on a table."""
    backtest, problem = kept(path, description), ""
    if backtest is None:
        backtest, problem = measured(forecaster, grid)
    units = {str(target): str(unit or "") for target, unit in description.get("units", {}).items()}
    every = {} if backtest is None else comparisons(backtest, roles, units)
    return Kept(backtest, problem, every, roles.targets, units)

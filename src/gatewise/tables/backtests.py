"""Held-out forecasts of the series of a table: how many there can be, and what they say of each target."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gatewise.errors import GatewiseValueError

if TYPE_CHECKING:
    from gatewise.comparison import Comparison
    from gatewise.estimators.forecaster import RecurrentForecaster
    from gatewise.forecasting.backtest import Backtest
    from gatewise.tables.roles import SeriesRoles
    from gatewise.tables.series import SeriesGrid

SHORTEST_PAST = 8  # steps that must lie before the first held-out forecast, or a horizon if that is longer
FEWEST_OBSERVED = 2  # of the steps before it


def measured(forecaster: RecurrentForecaster, grid: SeriesGrid) -> tuple[Backtest | None, str]:
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
    try:
        return backtest(forecaster, y, x, static, windows=usual_windows([*map(len, y)], horizon)), ""
    except GatewiseValueError as error:
        return None, str(error)


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

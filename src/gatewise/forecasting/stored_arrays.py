"""The large arrays of a fitted forecaster in a file: shapes, dtypes and numbers are checked before they are read."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from gatewise import plain
from gatewise.arrays import LARGEST
from gatewise.errors import Array, GatewiseValueError, check_names
from gatewise.forecasting import design
from gatewise.forecasting.linear import Linear
from gatewise.forecasting.panel import Panel
from gatewise.forecasting.plan import Plan

NUMBERED = ("start", "stop", "first")
FARTHEST = 2**53  # number of a step


def panel(arrays: Mapping[str, Array]) -> Panel:
    """Return the panel of a file; raise unless its series lie end to end."""
    check_names("its panel", arrays, Panel.__dataclass_fields__)
    found = Panel(**arrays)
    rows, count = found.y.size, found.start.size
    plain.array("panel.y", found.y, (rows,), np.float64, finite=False)
    for name in ("known", "past"):
        plain.array(f"panel.{name}", arrays[name], (rows, "columns"), np.float32)
    plain.array("panel.static", found.static, (count, "columns"), np.float32)
    for name in NUMBERED:
        plain.array(f"panel.{name}", arrays[name], (count,), np.int64)
    fits = (
        count > 0
        and rows > 1
        and found.start[0] == 0
        and np.array_equal(found.start[1:], found.stop[:-1])
        and found.stop[-1] == rows - 1
        and (found.stop > found.start).all()
        and (np.abs(found.first) <= FARTHEST).all()
        and np.isnan(found.y[-1])
        and not (np.abs(found.y) > LARGEST).any()
    )
    if not fits:
        raise GatewiseValueError("its series do not fit one another: the file is damaged.")
    return found


def linear(arrays: Mapping[str, Array], plan: Plan, panel: Panel) -> Linear | None:
    """Return the linear path of a file, None if it has none; raise unless it reads what the plan and the panel give."""
    if not arrays:
        return None
    check_names("its linear path", arrays, Linear._fields)
    path = Linear(**arrays)
    plain.array("linear.weight", path.weight, ("several", plan.horizon, "columns"), np.float64)
    many, _, columns = path.weight.shape
    plain.array("linear.bias", path.bias, (many, plan.horizon), np.float64)
    # The lags are counted first, for each is looked up to count the rest.
    if many not in (1, plan.phases) or plan.lags > columns or columns != design.column_count(panel, plan):
        raise GatewiseValueError("its linear path does not fit its series: the file is damaged.")
    return path

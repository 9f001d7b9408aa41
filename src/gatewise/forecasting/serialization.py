"""A fitted forecaster as plain values and arrays, and back; what comes from a file is not trusted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from gatewise import descriptions
from gatewise.errors import Array, GatewiseValueError, check_choice, check_number
from gatewise.forecasting import calendar, design, recurrent
from gatewise.forecasting.axes import Axis
from gatewise.forecasting.calibration import Calibration
from gatewise.forecasting.combination import Combination, Method, Methods
from gatewise.forecasting.covariates import Covariates
from gatewise.forecasting.dependence import Dependence
from gatewise.forecasting.distribution import GRID
from gatewise.forecasting.fitted import Fitted
from gatewise.forecasting.linear import Linear
from gatewise.forecasting.long import form_from_plain, form_to_plain
from gatewise.forecasting.panel import Panel
from gatewise.forecasting.plan import Plan, spread
from gatewise.forecasting.reading import KINDS, Container
from gatewise.forecasting.references import KINDS as REFERENCES
from gatewise.forecasting.references import Reference
from gatewise.forecasting.smoothing.forms import FORMS
from gatewise.forecasting.smoothing.smoothed import Smoothed
from gatewise.forecasting.state import State
from gatewise.layers import Sequential
from gatewise.layers.layer import prefixed

LONGEST = 100_000


def to_parts(state: State) -> tuple[dict[str, Any], dict[str, Array]]:
    """Return what JSON can hold, and the arrays."""
    fitted, plan = state.fitted, state.fitted.plan
    numbers = {name: getattr(plan, name) for name in ("horizon", "context", "memory", "lags", "drivers")}
    description = {
        "plan": numbers | {"seasons": list(plan.seasons), "reference": list(plan.reference)},
        "levels": list(fitted.levels),
        "shares": [fitted.linear_share, fitted.network_share],
        "own_spread": fitted.own_spread,
        "learned": list(fitted.learned),
        "calibrated": list(fitted.calibration.levels),
        "has_tails": fitted.calibration.has_tails,
        "recent": fitted.calibration.recent,
        "common": fitted.calibration.dependence.common,
        "networks": [descriptions.describe(one) for one in fitted.networks],
        "axes": [_axis_to_plain(axis) for axis in state.axes],
        "container": [state.container.kind, descriptions.values_to_json(_objects(state.container.names))],
        "long": None if state.container.form is None else form_to_plain(state.container.form),
        "levels_of_text": {name: list(levels) for name, levels in state.covariates.levels.items()},
        "columns": list(state.covariates.columns),
        "known": list(state.covariates.known),
        "features": [list(part) for part in state.calendar],
        "seasons": list(state.seasons),
    }
    arrays = {"size": plan.size, "noise": plan.noise, "offsets": fitted.calibration.offsets, "change": state.change}
    arrays |= {"spread": fitted.calibration.scale, "lowest": fitted.calibration.lowest}
    arrays |= {"ties": fitted.calibration.dependence.ties}
    arrays |= {"mean": state.covariates.mean, "scale": state.covariates.scale}
    if fitted.linear is not None:
        arrays |= prefixed("linear", fitted.linear._asdict())
    arrays |= prefixed("panel", {name: getattr(state.panel, name) for name in Panel.__dataclass_fields__})
    for k, one in enumerate(fitted.networks):
        arrays |= prefixed(f"network{k}", one.params)
    if fitted.combination is not None:
        methods = fitted.combination.methods
        description["methods"] = [list(method) for method in methods.members]
        arrays["weights"] = fitted.combination.weights
        for k, method in enumerate(methods.members):
            if method in methods.smoothed:
                arrays |= prefixed(f"smoothed{k}", methods.smoothed[method].arrays())
    return description, arrays


def from_parts(description: dict[str, Any], arrays: dict[str, Array]) -> State:
    """Rebuild the state; raise if its parts do not fit one another."""
    panel = Panel(**descriptions.under("panel.", arrays))
    _check_panel(panel)
    plan = _plan(description["plan"], arrays)
    container = _container(description)
    of_text = {str(name): tuple(map(str, levels)) for name, levels in description.get("levels_of_text", {}).items()}
    columns, known = (tuple(description[name]) for name in ("columns", "known"))
    covariates = Covariates(columns, known, arrays["mean"], arrays["scale"], of_text)
    networks = tuple(
        descriptions.rebuild(one, descriptions.under(f"network{k}.", arrays))
        for k, one in enumerate(description["networks"])
    )
    shares = [float(share) for share in description["shares"]]
    levels = tuple(map(float, description["levels"]))
    fitted = Fitted(
        plan=plan,
        levels=levels,
        calibration=_calibration(description, arrays, plan),
        linear=Linear(**path) if (path := descriptions.under("linear.", arrays)) else None,
        linear_share=shares[0],
        networks=networks,  # type: ignore[arg-type]
        network_share=shares[1],
        own_spread=bool(description["own_spread"]),
        learned=tuple(map(float, description.get("learned", levels))),
        combination=_combination(description.get("methods", []), arrays, len(panel.stop)),
    )
    axes = tuple(_axis_from_plain(axis) for axis in description["axes"])
    parts = [(str(name), int(size)) for name, size in description["features"]]
    change = arrays["change"] if "change" in arrays else spread(panel, 1)  # files of version 0.1.0 have none
    seasons = tuple(map(int, description["seasons"]))
    state = State(fitted, panel, axes, container, covariates, parts, seasons, change)
    _check_sizes(state)
    return state


def _container(description: dict[str, Any]) -> Container:
    kind, names = description["container"]
    check_choice("container", kind, KINDS)
    form = description.get("long")
    if (kind == "long") != (form is not None):
        raise GatewiseValueError("it holds the columns of a long frame, or lacks them: the file is damaged.")
    return Container(kind, tuple(descriptions.values_from_json(names).tolist()), form and form_from_plain(form))


def _objects(values: tuple[Any, ...]) -> Array:
    objects = np.empty(len(values), dtype=object)
    objects[:] = values
    return objects


def _plan(described: dict[str, Any], arrays: dict[str, Array]) -> Plan:
    for name in ("horizon", "context", "memory", "lags"):
        check_number(name, described[name], 1, LONGEST, integer=True)
    kind, season, count = described["reference"]
    check_choice("reference", kind, REFERENCES)
    for number in (season, count, *described["seasons"]):
        check_number("season", number, 1, described["memory"], integer=True)
    reference = Reference(kind, season, count)
    rest = {"seasons": tuple(described["seasons"]), "reference": reference}
    return Plan(**{**described, **rest}, size=arrays["size"], noise=arrays["noise"])


def _calibration(described: dict[str, Any], arrays: dict[str, Array], plan: Plan) -> Calibration:
    """What makes the intervals; files of before hold the offsets of their own levels alone."""
    if "calibrated" not in described:
        bare = Calibration.none(plan)
        return bare._replace(levels=tuple(map(float, described["levels"])), offsets=arrays["offsets"], has_tails=False)
    for name in ("common", "recent"):
        check_number(name, described[name], 0, 1)
    return Calibration(
        levels=tuple(map(float, described["calibrated"])),
        offsets=arrays["offsets"],
        scale=arrays["spread"],
        lowest=arrays["lowest"],
        dependence=Dependence(float(described["common"]), arrays["ties"]),
        recent=float(described["recent"]),
        has_tails=bool(described["has_tails"]),
    )


def _combination(described: list[Any], arrays: dict[str, Array], count: int) -> Combination | None:
    """The methods beside the path; none in files that were saved before there were any."""
    if not described:
        return None
    members = tuple(_method(*one) for one in described)
    smoothed = {
        method: Smoothed.from_arrays(descriptions.under(f"smoothed{k}.", arrays))
        for k, method in enumerate(members)
        if method.reference is None
    }
    weights = arrays["weights"]
    fits = weights.shape == (count, 1 + len(members)) and all(len(one.alpha) == count for one in smoothed.values())
    if not fits:
        raise GatewiseValueError("its simple methods do not fit its series: the file is damaged.")
    return Combination(Methods(members, smoothed), weights)


def _method(name: str, season: int, count: int) -> Method:
    check_choice("method", name, (*REFERENCES, *FORMS))
    check_number("season", season, 1, LONGEST, integer=True)
    check_number("season", count, 1, LONGEST, integer=True)
    return Method(name, season, count)


def _check_panel(panel: Panel) -> None:
    rows = len(panel.y)
    fits = (
        rows > 0
        and all(len(a) == rows and a.ndim == 2 for a in (panel.known, panel.past))
        and panel.start.dtype.kind == panel.stop.dtype.kind == "i"
        and panel.start.ndim == 1
        and len(panel.start) > 0
        and panel.start[0] == 0
        and np.array_equal(panel.start[1:], panel.stop[:-1])
        and panel.stop[-1] == rows - 1
        and (panel.stop > panel.start).all()
        and panel.static.ndim == 2
        and panel.first.dtype.kind == "i"
        and panel.first.shape == panel.start.shape
    )
    if not fits:
        raise GatewiseValueError("its series do not fit one another: the file is damaged.")


def _check_sizes(state: State) -> None:
    plan, panel, fitted, covariates = state.fitted.plan, state.panel, state.fitted, state.covariates
    count, calibration = len(panel.stop), fitted.calibration
    shapes = [
        (plan.size, (count,)),
        (plan.noise, (count,)),
        (panel.static, (count, panel.static.shape[1])),
        (calibration.offsets, (plan.horizon, len(calibration.levels))),
        (calibration.scale, (count,)),
        (calibration.lowest, (count,)),
        (calibration.dependence.ties, (plan.horizon - 1,)),
        (state.change, (count,)),
        (covariates.mean, (len(covariates.columns),)),
        (covariates.scale, (len(covariates.columns),)),
    ]
    features = recurrent.feature_count(panel)
    sizes = {(one.input_size, one.output_size) for one in fitted.networks if isinstance(one, Sequential)}
    fits = (
        all(array.shape == shape for array, shape in shapes)
        and (plan.size > 0).all()
        and (plan.noise > 0).all()
        and sizes <= {(features, len(fitted.learned))}
        and len(state.axes) == len(state.container.names) == count
        and all(0.5 in some for some in (fitted.levels, fitted.learned, calibration.levels))
        and (calibration.levels == GRID if calibration.has_tails else calibration.levels == fitted.levels)
        and (abs(calibration.dependence.ties) <= 1).all()
        and plan.drivers == len(covariates.known)
        and calendar.width(state.calendar) + plan.drivers == panel.known.shape[1]
        and (fitted.linear is None or _linear_fits(fitted.linear, panel, plan))
    )
    if not fits:
        raise GatewiseValueError("its parts have sizes that do not fit one another: the file is damaged.")


def _linear_fits(path: Linear, panel: Panel, plan: Plan) -> bool:
    need = (plan.horizon, design.column_count(panel, plan))
    many = path.weight.shape[0] if path.weight.ndim else 0
    return many in (1, plan.phases) and path.weight.shape == (many, *need) and path.bias.shape == (many, need[0])


def _axis_to_plain(axis: Axis) -> list[Any]:
    last, zone = axis.last, None
    if axis.kind == "dates":
        zone = None if last.tz is None else str(last.tz)
        last = last.isoformat()
    elif axis.kind == "periods":
        last = str(last)
    return [axis.kind, axis.frequency, last, axis.length, axis.name if axis.name is None else str(axis.name), zone]


def _axis_from_plain(plain: list[Any]) -> Axis:
    kind, frequency, last, length, name, zone = plain
    check_choice("index", kind, ("dates", "periods", "numbers"))
    check_number("length", length, 1, integer=True)
    if kind == "dates":
        last = pd.Timestamp(last)
        last = last if zone is None else last.tz_convert(zone)
    elif kind == "periods":
        last = pd.Period(last, freq=frequency)
    else:
        check_number("last", last, -np.inf, integer=True)
        check_number("step", int(frequency), 1, integer=True)
    return Axis(kind, str(frequency), last, length, name)

"""A fitted forecaster as plain values and arrays, and back; what comes from a file is not trusted."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from gatewise import descriptions, plain
from gatewise.errors import Array, GatewiseValueError
from gatewise.forecasting import calendar, recurrent, stored_arrays
from gatewise.forecasting.axes import Axis
from gatewise.forecasting.calibration import Calibration
from gatewise.forecasting.combination import Combination, Method, Methods
from gatewise.forecasting.covariates import Covariates
from gatewise.forecasting.dependence import Dependence
from gatewise.forecasting.distribution import GRID
from gatewise.forecasting.fitted import Fitted
from gatewise.forecasting.levels import channels
from gatewise.forecasting.long import form_from_plain, form_to_plain
from gatewise.forecasting.panel import Panel
from gatewise.forecasting.plan import Plan, spread
from gatewise.forecasting.reading import KINDS, Container
from gatewise.forecasting.references import KINDS as REFERENCES
from gatewise.forecasting.references import Reference
from gatewise.forecasting.smoothing.forms import FORMS
from gatewise.forecasting.smoothing.smoothed import Smoothed
from gatewise.forecasting.state import State
from gatewise.forecasting.stored_axes import axes_from_plain, axis_to_plain
from gatewise.layers import Sequential
from gatewise.layers.layer import prefixed
from gatewise.limits import Limits, current


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
        "axes": [axis_to_plain(axis) for axis in state.axes],
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


def from_parts(description: dict[str, Any], arrays: dict[str, Array], limits: Limits | None = None) -> State:
    """Rebuild the state; raise if its parts do not fit one another, or are beyond the limits (those in force if None).

    Raises
    ------
    GatewiseError
        If anything cannot be what `to_parts` returns.
    """
    limits = limits or current()
    parts = descriptions.by_head(arrays)
    panel = stored_arrays.panel(parts.get("panel", {}))
    plan = _plan(plain.mapping("plan", description["plan"]), arrays, limits)
    linear = stored_arrays.linear(parts.get("linear", {}), plan, panel)
    shares = [plain.real("share", share, 0, 1) for share in plain.entries("shares", description["shares"], 2)]
    levels = _levels("levels", description["levels"], limits)
    fitted = Fitted(
        plan=plan,
        levels=levels,
        calibration=_calibration(description, arrays, plan, levels, limits),
        linear=linear,
        linear_share=shares[0],
        networks=_networks(description["networks"], parts, limits),
        network_share=shares[1],
        own_spread=plain.flag("own_spread", description["own_spread"]),
        learned=_levels("learned", description.get("learned", list(levels)), limits),
        combination=_combination(description.get("methods", []), parts, arrays, len(panel.stop), limits),
    )
    axes = axes_from_plain(description["axes"], plan.horizon, limits)
    change = arrays["change"] if "change" in arrays else spread(panel, 1)  # files of version 0.1.0 have none
    seasons = _seasons(description["seasons"], limits.steps, limits)
    covariates, features = _covariates(description, arrays), _features(description["features"], panel, axes, limits)
    state = State(fitted, panel, axes, _container(description, axes), covariates, features, seasons, change)
    _check_sizes(state)
    _check_work(state, limits)
    return state


def _networks(described: Any, parts: dict[str, dict[str, Array]], limits: Limits) -> tuple[Sequential, ...]:
    many = plain.entries("networks", described)
    limits.check("layers", len(many), "the number of its networks")
    built = (descriptions.rebuild(one, parts.get(f"network{k}", {}), limits) for k, one in enumerate(many))
    networks = tuple(one for one in built if isinstance(one, Sequential) and one.keeps_time and one.dtype == np.float32)
    if len(networks) < len(many):
        raise GatewiseValueError("it has networks that do not give float32 for each step: the file is damaged.")
    return networks


def _covariates(description: dict[str, Any], arrays: dict[str, Array]) -> Covariates:
    described = plain.mapping("levels_of_text", description.get("levels_of_text", {}))
    of_text = {plain.text("a column", name): plain.texts("levels", some) for name, some in described.items()}
    columns, known = (plain.texts(name, description[name]) for name in ("columns", "known"))
    if not set(known) <= set(columns) or not set(channels(of_text, of_text)) <= set(columns):
        raise GatewiseValueError("its covariates do not fit one another: the file is damaged.")
    mean = plain.array("mean", arrays["mean"], (len(columns),), np.float64)
    scale = plain.array("scale", arrays["scale"], (len(columns),), np.float64, above=0)
    return Covariates(columns, known, mean, scale, of_text)


def _features(described: Any, panel: Panel, axes: tuple[Axis, ...], limits: Limits) -> list[calendar.Part]:
    """What the time stamps tell; the columns of the panel say how many there can be."""
    most, parts = panel.known.shape[1], []
    dated = all(axis.kind != "numbers" for axis in axes)
    limits.check("seasons", len(plain.entries("features", described)), "the number of its features")
    for feature in described:
        name, size = plain.entries("a feature", feature, 2)
        plain.one_of("a feature", name, calendar.DATED + calendar.COUNTED if dated else calendar.COUNTED)
        parts.append((name, plain.whole(f"the size of {name}", size, 1, most if name != "cycle" else limits.steps)))
    if calendar.width(parts) > most:
        raise GatewiseValueError(f"its features have more columns than {most}: the file is damaged.")
    return parts


def _container(description: dict[str, Any], axes: tuple[Axis, ...]) -> Container:
    kind, described = plain.entries("container", description["container"], 2)
    plain.one_of("container", kind, KINDS)
    names, form = tuple(descriptions.values_from_json(described).tolist()), description.get("long")
    if (kind == "long") != (form is not None) or len(names) != len(axes):
        raise GatewiseValueError("it holds the columns of a long frame, or lacks them: the file is damaged.")
    if (kind in ("series", "array") and len(names) > 1) or (kind in ("frame", "long") and len(set(names)) < len(names)):
        raise GatewiseValueError(f"it holds {len(names)} series in a {kind}: the file is damaged.")
    return Container(kind, names, None if form is None else form_from_plain(form, names, axes[0]))


def _objects(values: tuple[Any, ...]) -> Array:
    objects = np.empty(len(values), dtype=object)
    objects[:] = values
    return objects


def _plan(described: dict[str, Any], arrays: dict[str, Array], limits: Limits) -> Plan:
    for name in ("horizon", "context", "memory", "lags"):
        limits.check("steps", plain.whole(name, described[name], 1), f"its {name}")
    drivers = plain.whole("drivers", described["drivers"], 0)
    seasons = _seasons(described["seasons"], described["memory"], limits)
    reference = _reference(plain.entries("reference", described["reference"], 3), described["memory"], limits)
    numbers = {name: described[name] for name in ("horizon", "context", "memory", "lags")}
    sizes: dict[str, Any] = {
        name: plain.array(name, arrays[name], ("series",), np.float64, above=0) for name in ("size", "noise")
    }
    return Plan(**numbers, **sizes, seasons=seasons, reference=reference, drivers=drivers)


def _seasons(described: Any, longest: int, limits: Limits) -> tuple[int, ...]:
    seasons = plain.entries("seasons", described)
    limits.check("seasons", len(seasons), "the number of its seasons")
    return tuple(plain.whole("season", season, 1, longest) for season in seasons)


def _reference(described: list[Any], longest: int, limits: Limits) -> Reference:
    kind, season, count = described
    plain.one_of("reference", kind, REFERENCES)
    limits.check("seasons", plain.whole("seasons", count, 1), "the number of seasons that it reads")
    return Reference(kind, plain.whole("season", season, 1, longest), count)


def _levels(name: str, described: Any, limits: Limits) -> tuple[float, ...]:
    """Levels in order, the median among them."""
    levels = tuple(plain.real(name, level, 0, 1) for level in plain.entries(name, described))
    limits.check("layers", len(levels), f"the number of its {name}")
    if 0.5 not in levels or any(low >= high for low, high in pairwise((0.0, *levels, 1.0))):
        raise GatewiseValueError(f"{name} are {list(levels)}; need levels between 0 and 1 in order, 0.5 among them.")
    return levels


def _calibration(
    described: dict[str, Any], arrays: dict[str, Array], plan: Plan, levels: tuple[float, ...], limits: Limits
) -> Calibration:
    """What makes the intervals; files of before hold the offsets of their own levels alone."""
    offsets = plain.array("offsets", arrays["offsets"], (plan.horizon, "levels"), np.float64)
    if "calibrated" not in described:
        return Calibration.none(plan)._replace(levels=levels, offsets=offsets, has_tails=False)
    common, recent = (plain.real(name, described[name], 0, 1) for name in ("common", "recent"))
    lowest = plain.array("lowest", arrays["lowest"], plan.size.shape, np.float64, finite=False)
    if not (lowest < np.inf).all():
        raise GatewiseValueError("lowest holds NaN or infinity; need the lowest value of each series.")
    return Calibration(
        levels=_levels("calibrated", described["calibrated"], limits),
        offsets=offsets,
        scale=plain.array("spread", arrays["spread"], plan.size.shape, np.float64, above=0),
        lowest=lowest,
        dependence=Dependence(common, plain.array("ties", arrays["ties"], (plan.horizon - 1,), np.float64)),
        recent=recent,
        has_tails=plain.flag("has_tails", described["has_tails"]),
    )


def _combination(
    described: Any, parts: dict[str, dict[str, Array]], arrays: dict[str, Array], count: int, limits: Limits
) -> Combination | None:
    """The methods beside the path; none in files that were saved before there were any."""
    many = plain.entries("methods", described)
    if not many:
        return None
    limits.check("layers", len(many), "the number of its methods")
    members = tuple(_method(plain.entries("a method", one, 3), limits) for one in many)
    if len(set(members)) < len(members):
        raise GatewiseValueError("its methods are not all different: the file is damaged.")
    smoothed = {
        method: Smoothed.from_arrays(parts.get(f"smoothed{k}", {}))
        for k, method in enumerate(members)
        if method.reference is None
    }
    weights = plain.array("weights", arrays["weights"], (count, 1 + len(members)), np.float64)
    if any(len(one.alpha) != count for one in smoothed.values()):
        raise GatewiseValueError("its simple methods do not fit its series: the file is damaged.")
    return Combination(Methods(members, smoothed), weights)


def _method(described: list[Any], limits: Limits) -> Method:
    name, season, count = described
    plain.one_of("method", name, (*REFERENCES, *FORMS))
    limits.check("steps", plain.whole("season", season, 1), "the season of a method")
    limits.check("seasons", plain.whole("seasons", count, 1), "the number of seasons that a method reads")
    return Method(name, season, count)


def _check_sizes(state: State) -> None:
    plan, panel, fitted, covariates = state.fitted.plan, state.panel, state.fitted, state.covariates
    count, calibration = len(panel.stop), fitted.calibration
    plain.array("change", state.change, (count,), np.float64)
    features = recurrent.feature_count(panel)
    sizes = {(one.input_size, one.output_size) for one in fitted.networks}
    fits = (
        plan.size.shape == plan.noise.shape == calibration.scale.shape == calibration.lowest.shape == (count,)
        and calibration.offsets.shape[1] == len(calibration.levels)
        and sizes <= {(features, len(fitted.learned))}
        and len(state.axes) == count
        and (calibration.levels == GRID if calibration.has_tails else calibration.levels == fitted.levels)
        and (abs(calibration.dependence.ties) <= 1).all()
        and plan.drivers == len(covariates.known)
        and panel.past.shape[1] == len(covariates.columns) - len(covariates.known)
        and calendar.width(state.calendar) + plan.drivers == panel.known.shape[1]
        and (plan.reference.kind not in ("seasonal", "rising") or plan.reference.season <= plan.memory)
        and all(axis.length >= 1 for axis in state.axes)
    )
    if not fits:
        raise GatewiseValueError("its parts have sizes that do not fit one another: the file is damaged.")


def _check_work(state: State, limits: Limits) -> None:
    """Raise if a forecast would make far more numbers than the file holds."""
    plan, panel, fitted = state.fitted.plan, state.panel, state.fitted
    count, horizon = len(panel.stop), plan.horizon
    held = panel.y.size + panel.known.size + panel.past.size + panel.static.size
    features = recurrent.feature_count(panel) if fitted.networks else 1
    longest = int((panel.stop - panel.start).max())
    ends = len({axis.last for axis in state.axes}) if state.container.kind == "frame" else 1
    work = {
        "what its networks read": count * (plan.context + horizon) * features if fitted.networks else 0,
        "what its reference reads": count * horizon * plan.reference.seasons,
        "what its methods read": count * longest if fitted.combination is not None else 0,
        "a frame of its forecasts": count * horizon * ends,
    }
    for what, asked in work.items():
        limits.check_unpacked(asked, held + fitted.calibration.offsets.size, what, "numbers")

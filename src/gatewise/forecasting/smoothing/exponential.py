"""Exponential smoothing fitted to the series of a panel: each form of one kind of season, side by side."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gatewise.errors import Array
from gatewise.forecasting.smoothing import decomposition
from gatewise.forecasting.smoothing.decomposition import neutral
from gatewise.forecasting.smoothing.forms import ETS, Form
from gatewise.forecasting.smoothing.grid import View
from gatewise.forecasting.smoothing.optimizing import EDGE, Problem, bounds, minimized
from gatewise.forecasting.smoothing.smoothed import Smoothed, joined, made

FIRST_SEASONS = 4  # that first indices are taken from
FIRST_ROWS = 10  # that the first level and slope are taken from, or two seasons if those are more
FIRST_PHI = 0.93


def fit_season(view: View, kind: str, names: list[str]) -> dict[str, Smoothed]:
    """Return forms with one kind of season by name; multiplicative ones of series that are not positive are additive.

    The criterion of those is infinite.
    """
    if kind != "multiplicative":
        return _fit_trends(view, kind, names)
    positive = view.is_positive
    parts = [(np.flatnonzero(positive), kind), (np.flatnonzero(~positive), "additive")]
    fitted = [(some, _fit_trends(view.at(some), name, names)) for some, name in parts if len(some)]
    every = {name: joined([(some, by_name[name]) for some, by_name in fitted]) for name in names}
    return {name: replace(one, criterion=np.where(positive, one.criterion, np.inf)) for name, one in every.items()}


def _fit_trends(view: View, kind: str, names: list[str]) -> dict[str, Smoothed]:
    multiplicative, forms = kind == "multiplicative", [ETS[name] for name in names]
    y, m = view.tail.y, view.m if kind != "none" else 1
    season, first = (first_indices(grid.y, m, multiplicative) for grid in (view.tail, view.head))
    by_phase = np.broadcast_to(view.head.turned_back(first), (y.shape[1], view.m))
    known = (season != neutral(multiplicative)).any(axis=0)
    start = np.concatenate([_start(y, season, multiplicative, form) for form in forms], axis=1)
    free = np.concatenate([_free(form, known) for form in forms], axis=1)
    times = (1, len(forms))
    problem = Problem(np.tile(y, times), np.tile(season, times), start, *bounds(free), free, multiplicative)
    point, loss = minimized(problem)
    fitted = {}
    for name, form, part, of_form in zip(names, forms, *_split(point, loss, len(forms)), strict=True):
        head = _start(view.head.y, first, multiplicative, form)
        criterion = aicc(of_form, np.isfinite(y).sum(axis=0), form.count(view.m))
        fitted[name] = made(view, part, by_phase, head, multiplicative, criterion)
    return fitted


def _split(point: Array, loss: Array, forms: int) -> tuple[list[Array], list[Array]]:
    """What was found, form by form."""
    return np.split(point, forms, axis=1), np.split(loss, forms)


def first_indices(y: Array, m: int, multiplicative: bool) -> Array:
    """Return the indices (m, series) of the first seasons of `y` (time, series)."""
    return decomposition.indices(y[: FIRST_SEASONS * m], m, multiplicative)


def first_line(y: Array, m: int) -> tuple[Array, Array]:
    """Return level before row 0 and slope (series,) of the line through the first rows of `y` (time, series)."""
    level, slope = decomposition.line(y[: max(FIRST_ROWS, 2 * m)])
    return level - slope, slope


def _start(y: Array, season: Array, multiplicative: bool, form: Form) -> Array:
    """First values (6, series) of the coordinates."""
    rest = decomposition.adjusted(y, season, multiplicative)
    level, slope = first_line(rest, len(season))
    values = np.zeros((6, y.shape[1]))
    if form.trend == "none":
        level, slope = decomposition.mean(rest[: max(FIRST_ROWS, 2 * len(season))]), np.zeros_like(slope)
    values[0] = 0.5
    values[1] = 0.1 if form.trend != "none" else 0.0
    values[2] = FIRST_PHI if form.trend == "damped" else 1.0
    values[3] = EDGE if form.season != "none" else 0.0
    values[4], values[5] = np.nan_to_num(level), slope
    return values


def _free(form: Form, known: Array) -> Array:
    """Which coordinates (6, series) a form leaves free; gamma only where indices are `known` (series,)."""
    trended, damped, seasonal = form.trend != "none", form.trend == "damped", form.season != "none"
    free = np.repeat(np.array([[True, trended, damped, seasonal, True, trended]]).T, len(known), axis=1)
    free[3] &= known
    return free


def aicc(loss: Array, count: Array, parameters: int) -> Array:
    """Akaike's criterion (series,), corrected for few observations; inf where there are too few."""
    spare = count - parameters - 1
    extra = 2 * parameters * (parameters + 1) / np.where(spare > 0, spare, 1)
    return np.asarray(np.where(spare > 0, count * loss + 2 * parameters + extra, np.inf))

"""Fitting: everything is selected on held-out ends of the series, then fitted again on all of them."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np

from gatewise.forecasting import calibration, linear, recurrent
from gatewise.forecasting.combination import Methods, methods_for, prior_weights
from gatewise.forecasting.fitted import Fitted
from gatewise.forecasting.folds import first_rows, make_folds, training_windows
from gatewise.forecasting.panel import Panel
from gatewise.forecasting.plan import Plan
from gatewise.forecasting.selection import (
    Selection,
    drawn,
    linear_rows,
    make_plans,
    select_combination,
    select_linear,
    select_networks,
    select_phases,
)
from gatewise.forecasting.settings import LEARNED, Settings
from gatewise.forecasting.windows import Windows
from gatewise.threads import single_threaded_blas
from gatewise.training import History


def fit(panel: Panel, settings: Settings, rng: np.random.Generator, progress: bool = False) -> tuple[Fitted, History]:
    """Return what forecasts the series of a panel, and how its networks were trained before they were fitted again."""
    with single_threaded_blas():
        plans = make_plans(panel, settings)
        folds = make_folds(panel, plans[0])
        if not folds:
            return fit_reference(panel, plans[0], settings), History()
        selection = min((select_linear(plan, settings.levels, folds) for plan in plans), key=lambda tried: tried.error)
        settings.network.run.pause()
        selection = select_phases(selection, folds)
        settings.network.run.pause()
        selection = select_combination(selection, folds)
        fitted, history = select_networks(selection, folds, settings, rng, progress)
        return fit_again(fitted, selection, panel, settings, rng, progress), history


def fit_reference(panel: Panel, plan: Plan, settings: Settings) -> Fitted:
    """What too few observations leave: simple methods weighed as usual, and intervals from their own errors."""
    members = methods_for(plan.seasons, int(np.median(panel.stop - panel.start)))
    weights = np.tile(prior_weights(members, len(panel.y)), (len(panel.stop), 1))
    combination = Methods.fit(panel, members).weighed(weights)
    fitted = replace(Fitted.reference_only(plan, settings.levels), combination=combination)
    windows = Windows(panel, plan, panel.origins(panel.start + 1, panel.stop))
    if not len(windows):
        return fitted
    return replace(fitted, calibration=calibration.calibrate([windows], [windows.reference])[0])


def fit_again(
    fitted: Fitted, selection: Selection, panel: Panel, settings: Settings, rng: np.random.Generator, progress: bool
) -> Fitted:
    """Fit linear path and networks to all windows, with the shares and offsets selected before."""
    plan = fitted.plan
    windows = training_windows(panel, plan, panel.origins(first_rows(panel, plan), panel.stop))
    rows, targets = linear_rows(windows)
    path = linear.solve(rows, targets, np.array([selection.penalty]))
    if selection.shrinkage is not None:
        (path,) = linear.by_phase(rows, targets, path, [selection.shrinkage])
    assert selection.weights is not None
    combination = Methods.fit(panel, selection.members).weighed(selection.weights)
    final = replace(fitted, linear=path, combination=combination)
    if not (fitted.network_share or fitted.own_spread):
        return final
    draw = partial(drawn, final, windows, rng)
    networks = recurrent.fit(settings.n_networks, draw, final.base, LEARNED, settings.network, rng, progress=progress)
    return replace(final, networks=tuple(network for network, _ in networks))

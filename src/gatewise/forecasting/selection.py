"""Selection on held-out windows: reference, penalty and shrinkage of the linear path, and the shares of both paths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np

from gatewise.errors import Array
from gatewise.forecasting import calibration, design, linear, recurrent
from gatewise.forecasting.combination import Method, Methods, methods_for, prior_weights
from gatewise.forecasting.fitted import Fitted, own_spread
from gatewise.forecasting.folds import MOST_HELD_OUT, Fold, moments, recency
from gatewise.forecasting.linear import PENALTIES, SHRINKAGES
from gatewise.forecasting.panel import Panel
from gatewise.forecasting.plan import LEAST_NOISE, Plan, memory_of, scales, spread
from gatewise.forecasting.references import Reference, candidates, ranked, shortlist
from gatewise.forecasting.settings import LEARNED, Settings
from gatewise.forecasting.shares import best_share, shrinkage
from gatewise.forecasting.weighing import mean_of_seen, panel_weights, series_weights
from gatewise.forecasting.windows import Windows
from gatewise.layers import Sequential
from gatewise.training import History

MOST_LAGS = 24  # recent observations that the linear path reads: a day of hours
FEWEST_LAGS = 2
ROWS_A_LAG = 5  # rows of a series for each lag; chosen on generated series
FEWEST_SEASONS = 20  # seasons in a series before each phase gets weights of its own; chosen on generated series
PHASE_GAIN = 0.99  # of the error, which phases must get below to be worth their weights; chosen on generated series
MOST_WEIGHED = 6000  # held-out windows of a fold by which methods are weighed
PROBED_UPDATES = 80  # of a network by which series are judged that are too short to tell much
PROMISE = 0.95  # of the error, which such a network must get below; both set by what one series showed
ENOUGH_WHOLE = 30  # windows observed to their last step, by which alone the share of networks is then selected
LUCK = 0.03  # of the error, that all series of a moment may gain by chance; set, and not varied
MOST_VALIDATION = 512  # held-out windows whose loss a training shows


class Selection(NamedTuple):
    """What did best on the held-out windows of all folds.

    Attributes
    ----------
    folds : list of Fitted
        Reference and linear path, as fitted in each fold.
    penalty : float
        Of the ridge regression, for the mean number of rows in a fold.
    error : float
        Mean absolute error in units that all references share.
    shrinkage : float or None
        Of each phase's weights towards those of all phases; None if phases are not told apart.
    members : tuple of Method
        Methods beside the path.
    weights : float64 (series, 2 + members)
        Of the path, the likely forms of exponential smoothing, and each method.
    alike : tuple of Fitted
        The folds with the panel's weights for every series.
    """

    folds: list[Fitted]
    penalty: float
    error: float
    shrinkage: float | None = None
    members: tuple[Method, ...] = ()
    weights: Array | None = None
    alike: tuple[Fitted, ...] = ()

    @property
    def plan(self) -> Plan:
        """The plan with the reference selected."""
        return self.folds[0].plan


def make_plans(panel: Panel, settings: Settings) -> list[Plan]:
    """A plan for each reference worth trying, the one that was best over the second half of each series first."""
    length = panel.stop - panel.start
    typical = int(np.median(length))
    seasons = tuple(m for m in settings.seasons if 2 * m <= typical)
    settings = replace(settings, seasons=seasons)
    memory = memory_of(settings.horizon, settings.context, seasons)
    change = spread(panel, min(seasons, default=1))
    unit = np.where(change > 0, change, 1.0)
    later = panel.origins(panel.start + np.maximum(length // 2, 1), panel.stop).thinned(MOST_HELD_OUT)
    references = candidates(seasons, typical)
    if len(later.row):
        references = ranked(panel, later, references, settings.horizon, memory, unit)
    lags = max(FEWEST_LAGS, min(settings.context, MOST_LAGS, typical // ROWS_A_LAG))
    return [_plan(panel, settings, memory, lags, reference) for reference in shortlist(references, seasons)]


def _plan(panel: Panel, settings: Settings, memory: int, lags: int, reference: Reference) -> Plan:
    """Sizes, scales and one reference."""
    size, noise = scales(panel, reference)
    return Plan(
        settings.horizon,
        settings.context,
        memory,
        lags,
        settings.seasons,
        reference,
        settings.drivers,
        size=size,
        noise=noise,
    )


def select_linear(plan: Plan, levels: tuple[float, ...], folds: list[Fold]) -> Selection:
    """Select the penalty and the share of a linear path over the reference of `plan`."""
    paths, forecasts, counts = [], [], []
    for fold in folds:
        windows, targets = linear_rows(fold.training(plan))
        path = linear.solve(windows, targets, PENALTIES * len(windows))
        paths.append(path)
        forecasts.append(path.each(fold.measured(plan)))
        counts.append(len(windows))
    truth, weight = _truth(plan, folds)
    choices = [best_share(truth, forecast, weight) for forecast in np.concatenate(forecasts, axis=1)]
    best = int(np.argmin([error for _, error in choices]))
    share, error = choices[best]
    bare = Fitted.reference_only(plan, levels)
    fitted = [replace(bare, linear=path.at(best), linear_share=share) for path in paths]
    return Selection(fitted, float(PENALTIES[best] * np.mean(counts)), error)


def linear_rows(windows: Windows) -> tuple[Windows, Array]:
    """As many windows as the linear path can take, and their targets."""
    some = windows.thinned(design.most_windows(windows.panel, windows.plan))
    return some, some.targets(some.reference)


def _truth(plan: Plan, folds: list[Fold]) -> tuple[Array, Array]:
    """What the reference misses (n, horizon), and weights (n, 1) that bring it to units that all references share."""
    unit = spread(folds[0].after, min(plan.seasons, default=1))
    unit = np.where(unit > 0, unit, np.inf)
    measured = [fold.measured(plan) for fold in folds]
    truth = np.concatenate([windows.targets(windows.reference) for windows in measured])
    return truth, np.concatenate([windows.noise / unit[windows.origins.series][:, None] for windows in measured])


def select_phases(selection: Selection, folds: list[Fold]) -> Selection:
    """Give each phase of a season a linear path, where that makes the error of the folds clearly smaller."""
    plan, share, panel = selection.plan, selection.folds[0].linear_share, folds[0].after
    length = int(np.median(panel.stop - panel.start))
    if not share or plan.phases == 1 or length < FEWEST_SEASONS * min(plan.seasons):
        return selection
    paths = []
    for fitted, fold in zip(selection.folds, folds, strict=True):
        assert fitted.linear is not None
        paths.append(linear.by_phase(*linear_rows(fold.training(plan)), fitted.linear, SHRINKAGES))
    truth, weight = _truth(plan, folds)
    errors = []
    for of_folds in zip(*paths, strict=True):
        parts = [path.forecast(fold.measured(plan)) for path, fold in zip(of_folds, folds, strict=True)]
        errors.append(float(np.nanmean(weight * np.abs(truth - share * np.concatenate(parts)))))
    best = int(np.argmin(errors))
    if errors[best] > PHASE_GAIN * selection.error:
        return selection
    fitted_again = [replace(fitted, linear=path[best]) for fitted, path in zip(selection.folds, paths, strict=True)]
    return Selection(fitted_again, selection.penalty, errors[best], SHRINKAGES[best])


def select_combination(selection: Selection, folds: list[Fold]) -> Selection:
    """Weigh the path of each fold and simple methods, fitted before its cut, by their errors after it."""
    panel = folds[0].after
    members = methods_for(selection.plan.seasons, int(np.median(panel.stop - panel.start)))
    methods = [Methods.fit(fold.before, members) for fold in folds]
    held = [_HeldOut.of(*parts) for parts in zip(selection.folds, folds, methods, strict=True)]
    usual = panel_weights(*_points(held), prior_weights(members, len(panel.y)), sum(one.windows for one in held))
    weights = series_weights(usual, _series_errors(held, len(panel.stop)))
    fitted, alike = (
        [replace(one, combination=of_fold.weighed(some)) for one, of_fold in zip(selection.folds, methods, strict=True)]
        for some in (weights, np.tile(usual, (len(weights), 1)))
    )
    return selection._replace(folds=fitted, members=members, weights=weights, alike=tuple(alike))


class _HeldOut(NamedTuple):
    """Forecasts (k, n, horizon) of path and methods, and the truth (n, horizon), in units all series share."""

    truth: Array
    forecasts: Array
    series: Array
    windows: float

    @classmethod
    def of(cls, fitted: Fitted, fold: Fold, methods: Methods) -> _HeldOut:
        windows = fold.measured(fitted.plan).thinned(MOST_WEIGHED)
        seasonal, plain = (spread(fold.after, lag) for lag in (min(fitted.plan.seasons, default=1), 1))
        unit = np.where(seasonal > 0, seasonal, np.where(plain > 0, plain, 1.0))[windows.origins.series][:, None]
        each = methods.forecast(windows)
        likely = np.einsum("nk,knh->nh", methods.likely[windows.origins.series], each)
        forecasts = np.concatenate([[fitted.path(windows), likely], each])
        truth = windows.panel.y[windows.ahead]
        seen = np.isfinite(truth).sum() / truth.shape[1]
        independent = max(seen / truth.shape[1], len(np.unique(windows.origins.series)))
        return cls(truth / unit, forecasts / unit, windows.origins.series, independent)


def _points(held: list[_HeldOut]) -> tuple[Array, Array, Array]:
    """Truth (points,), forecasts (k, points) and weights (points,) where something was observed.

    Each step ahead counts the same: near the end of a series the far ones are rarely observed.
    """
    truth = np.concatenate([one.truth for one in held])
    forecasts = np.concatenate([one.forecasts for one in held], axis=1)
    seen = np.isfinite(truth)
    weight = np.broadcast_to(1 / np.maximum(seen.sum(axis=0), 1), truth.shape)
    return truth[seen], forecasts[:, seen], weight[seen]


def _series_errors(held: list[_HeldOut], count: int) -> Array:
    """Mean absolute error (series, k) over all steps ahead, each counting the same; NaN of series not held out."""
    horizon = held[0].truth.shape[1]
    total, number = np.zeros((count, horizon, len(held[0].forecasts))), np.zeros((count, horizon, 1))
    for one in held:
        seen = np.isfinite(one.truth)[..., None]
        error = np.abs(one.forecasts - one.truth).transpose(1, 2, 0)
        np.add.at(total, one.series, np.where(seen, error, 0))
        np.add.at(number, one.series, seen)
    with np.errstate(invalid="ignore"):
        mean = total / np.where(number > 0, number, np.nan)
    return mean_of_seen(mean, 1)


def select_networks(
    selection: Selection, folds: list[Fold], settings: Settings, rng: np.random.Generator, progress: bool
) -> tuple[Fitted, History]:
    """Train networks in each fold; return their share, what calibrates them, and how the last one was trained.

    Where series are short, one is trained for a moment at first: if it does not help at all, no other is.
    """
    weight = recency(folds, settings.horizon)
    constant = (selection.plan.noise <= LEAST_NOISE).all()
    if constant or not all(_learnable(*both) for both in zip(selection.folds, folds, strict=True)):
        return _calibrated(selection, folds, weight), History()
    if len(folds) > 1:
        promising, history = _probe(selection.folds[-1], folds[-1], settings, rng)
        if not promising:
            return _calibrated(selection, folds, weight), history
    truths, parts = [], []
    for fitted, fold in zip(selection.folds, folds, strict=True):
        networks, history = _train_in(fold, fitted, settings, max(1, settings.n_networks // len(folds)), rng, progress)
        measured = fold.measured(fitted.plan)
        base = fitted.base(measured)
        truths.append(measured.targets(base))
        parts.append(recurrent.forecast(networks, measured, base))
    truth, median = np.concatenate(truths), np.concatenate(parts)[..., LEARNED.index(0.5)]
    whole = np.isfinite(truth).all(axis=1)
    if whole.sum() >= ENOUGH_WHOLE:  # those near the end of a series say little of the far steps
        truth, median = truth[whole], median[whole]
    share, error = best_share(truth, median)
    gain = max(0.0, 1 - error / max(float(np.nanmean(np.abs(truth))), 1e-300))
    luck = LUCK**2 / moments(folds, settings.horizon)  # windows of many series share what happened then
    share *= shrinkage(truth, share * median) * gain**2 / (gain**2 + luck)
    return _calibrated(selection, folds, weight, parts, share), history


def _calibrated(
    selection: Selection,
    folds: list[Fold],
    weight: Array | None,
    parts: Sequence[Array] | None = None,
    share: float = 0.0,
) -> Fitted:
    """The path and methods of the last fold, calibrated by the errors of all; `parts` are the networks' quantiles.

    Errors are those of methods weighed alike for all series: the weights of each were chosen by its own errors, which
    would look smaller than they are.
    """
    windows = [fold.measured(selection.plan) for fold in folds]
    medians = [one.base(some) for one, some in zip(selection.alike or selection.folds, windows, strict=True)]
    if parts is None:
        return replace(selection.folds[-1], calibration=calibration.calibrate(windows, medians, weight=weight)[0])
    moves = [share * some.noise * part[..., LEARNED.index(0.5)] for some, part in zip(windows, parts, strict=True)]
    medians = [median + move for median, move in zip(medians, moves, strict=True)]
    plain, loss = calibration.calibrate(windows, medians, weight=weight)
    own, own_loss = calibration.calibrate(windows, medians, [own_spread(part, LEARNED) for part in parts], weight)
    wider = own_loss < loss
    return replace(selection.folds[-1], network_share=share, own_spread=wider, calibration=own if wider else plain)


def _learnable(fitted: Fitted, fold: Fold) -> bool:
    """Whether networks have anything to learn: not where all but rounding is forecast before and after the cut."""
    both = (some(fitted.plan).thinned(MOST_VALIDATION) for some in (fold.training, fold.measured))
    return all(bool(np.any(recurrent.samples(some, fitted.base(some)).weights)) for some in both)


def _probe(fitted: Fitted, fold: Fold, settings: Settings, rng: np.random.Generator) -> tuple[bool, History]:
    """Whether a network trained before the cut for a moment clearly lessens the error after it, and its training."""
    brief = settings.network._replace(max_updates=min(PROBED_UPDATES, settings.network.max_updates))
    (network,), history = _train_in(fold, fitted, replace(settings, network=brief), 1, rng, False)
    measured = fold.measured(fitted.plan)
    base = fitted.base(measured)
    truth = measured.targets(base)
    _, error = best_share(truth, recurrent.forecast([network], measured, base)[..., LEARNED.index(0.5)])
    return error < PROMISE * float(np.nanmean(np.abs(truth))), history


def _train_in(
    fold: Fold, fitted: Fitted, settings: Settings, count: int, rng: np.random.Generator, progress: bool
) -> tuple[Sequence[Sequential], History]:
    """Return networks trained before the cut of a fold, and how the last one was."""
    some = fold.measured(fitted.plan).thinned(MOST_VALIDATION)
    validation = recurrent.samples(some, fitted.base(some))
    training = fold.training(fitted.plan)
    draw = partial(drawn, fitted, training, rng)
    trained = recurrent.fit(count, draw, fitted.base, LEARNED, settings.network, rng, validation, progress)
    return [network for network, _ in trained], trained[-1][1]


def drawn(fitted: Fitted, windows: Windows, rng: np.random.Generator) -> Windows:
    """A bounded number of the windows, for a network to be trained on."""
    features = recurrent.feature_count(windows.panel)
    return windows.thinned(recurrent.most_windows(fitted.plan, features), rng.random())

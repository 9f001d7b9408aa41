"""The forecaster on flat arrays: reference, linear path and networks, each given its share on a validation tail."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from gatewise.batches import Samples
from gatewise.errors import Array
from gatewise.forecasting import intervals, linear, network
from gatewise.forecasting.linear import Linear
from gatewise.forecasting.network import Recipe
from gatewise.forecasting.panel import Origins, Panel
from gatewise.forecasting.plan import Plan, deviation, memory_of, spread
from gatewise.forecasting.references import Reference, candidates, ranked, shortlist
from gatewise.layers import Sequential
from gatewise.threads import single_threaded_blas
from gatewise.training import History

TAIL = 0.2
SHORT_TAIL = 0.15
MOST_FOLDS = 3
FEW_ROWS = 2000
SHARES = np.linspace(0, 1, 21)
MOST_JUDGED = 3000
MOST_ORIGINS = 50_000
FEWEST = 8
MOST_LAGS = 24
FEWEST_SEASONS = 20
CLEARLY = 0.99
IN_DOUBT = 1.03
HALF_LIFE = 20  # horizons
LEAST_HALF_LIFE = 500  # steps


@dataclass(frozen=True)
class Ask:
    """What the user wants and what the data suggest: sizes in steps."""

    horizon: int
    context: int
    seasons: tuple[int, ...]
    drivers: int
    levels: tuple[float, ...]
    networks: int
    recipe: Recipe


@dataclass(frozen=True)
class Fitted:
    """All that forecasts: `base` = reference + share · linear path, then + share · networks, and the offsets."""

    plan: Plan
    levels: tuple[float, ...]
    offsets: Array  # (horizon, levels), in units of noise
    linear: Linear | None = None
    linear_share: float = 0.0
    networks: tuple[Sequential, ...] = ()
    network_share: float = 0.0
    own_spread: bool = False

    def base(self, panel: Panel, origins: Origins) -> Array:
        """Reference and linear path (n, horizon), in the unit of the data."""
        expected = self.plan.expected(panel, origins)
        if self.linear is None or not self.linear_share:
            return expected
        noise = self.plan.noise[origins.series][:, None]
        return np.asarray(expected + self.linear_share * noise * self.linear.forecast(panel, self.plan, origins))

    def raw(self, panel: Panel, origins: Origins) -> Array:
        """Quantiles (n, horizon, levels) before calibration, in units of noise from `base`."""
        base = self.base(panel, origins)
        if not self.networks:
            return np.zeros((*base.shape, len(self.levels)))
        found = network.forecast(self.networks, panel, self.plan, origins, base)
        return _parted(found, self.network_share, self.own_spread, self.levels)

    def forecast(self, panel: Panel, origins: Origins) -> Array:
        """Quantiles (n, horizon, levels) in the unit of the data, in order."""
        noise = self.plan.noise[origins.series][:, None, None]
        values = self.base(panel, origins)[..., None] + noise * (self.raw(panel, origins) + self.offsets)
        return intervals.monotone(values, self.levels)


class Fold(NamedTuple):
    """A place to judge at: the panel before the cut, origins to train on, and origins after the cut."""

    before: Panel
    train: Origins
    judged: Origins


def fit(panel: Panel, ask: Ask, rng: np.random.Generator, progress: bool = False) -> tuple[Fitted, History]:
    """Choose everything on the tails of all series, then fit again on all of them."""
    with single_threaded_blas():
        return _fit(panel, ask, rng, progress)


def _fit(panel: Panel, ask: Ask, rng: np.random.Generator, progress: bool) -> tuple[Fitted, History]:
    plans = make_plans(panel, ask)
    plan, folds = plans[0], make_folds(panel, plans[0])
    if not folds:
        bare = Fitted(plan, ask.levels, np.zeros((ask.horizon, len(ask.levels))))
        every = panel.origins(panel.start + 1, panel.stop)
        return (_only_reference(bare, panel, every) if len(every.row) else bare), History()
    judged = min((_with_linear(one, ask, panel, folds) for one in plans), key=lambda found: found.error)
    judged = _with_phases(judged, panel, folds)
    plan = judged.firsts[0].plan
    chosen, history = _with_network(judged.firsts, ask, panel, folds, rng, progress)
    every = panel.origins(first_rows(panel, plan), panel.stop)
    return _again(chosen, ask, panel, _with_targets(panel, plan, every), judged, rng, progress), history


def first_rows(panel: Panel, plan: Plan) -> Array:
    """First origin (series,) worth learning from: after a quarter of the series, a context or a season at most."""
    length = panel.stop - panel.start
    first: Array = panel.start + np.clip(length // 4, 1, max(plan.context, max(plan.seasons, default=1)))
    return first


def make_folds(panel: Panel, plan: Plan) -> list[Fold]:
    """One tail of a fifth of long series; of short ones up to three tails in a row, all in the second half.

    Each is judged by what was fitted before it. Folds with next to nothing to learn from are left out.
    """
    length = panel.stop - panel.start
    short = len(panel.y) < FEW_ROWS
    tail = np.maximum(plan.horizon, np.ceil((SHORT_TAIL if short else TAIL) * length)).astype(int)
    found = []
    for k in range(MOST_FOLDS if short else 1, 0, -1):
        fits = k * tail <= length // 2 if k > 1 else np.ones(len(tail), bool)
        cut = panel.stop - np.where(fits, np.minimum(k * tail, length // 2), 0)
        end = panel.stop - np.where(fits, np.minimum((k - 1) * tail, length // 2), 0)
        before = panel.hidden(cut)
        train = _with_targets(before, plan, before.origins(np.minimum(first_rows(panel, plan), cut), cut))
        judged = _with_targets(panel, plan, panel.origins(cut, end).thinned(MOST_JUDGED))
        if len(train.row) >= FEWEST and len(judged.row):
            found.append(Fold(before, train, judged))
    return found


def _with_targets(panel: Panel, plan: Plan, origins: Origins) -> Origins:
    """The origins after which anything was observed within the horizon."""
    origins = origins.thinned(MOST_ORIGINS)
    rows = panel.rows(origins, plan.steps)
    return origins.at(np.asarray(np.isfinite(panel.y[rows]).any(axis=1)))


def make_plans(panel: Panel, ask: Ask) -> list[Plan]:
    """A plan for each reference worth trying, the one that was best over the second half of each series first."""
    length = panel.stop - panel.start
    typical = int(np.median(length))
    seasons = tuple(m for m in ask.seasons if 2 * m <= typical)
    memory = memory_of(ask.horizon, ask.context, seasons)
    change = spread(panel, min(seasons, default=1))
    unit = np.where(change > 0, change, 1.0)
    later = panel.origins(panel.start + np.maximum(length // 2, 1), panel.stop).thinned(MOST_JUDGED)
    found = candidates(seasons, typical)
    if len(later.row):
        found = ranked(panel, later, found, ask.horizon, memory, unit)
    lags = max(2, min(ask.context, MOST_LAGS, typical // 5))
    return [_plan(panel, ask, memory, lags, seasons, one) for one in shortlist(found, seasons)]


def _plan(panel: Panel, ask: Ask, memory: int, lags: int, seasons: tuple[int, ...], reference: Reference) -> Plan:
    """Sizes, scales and one reference."""
    noise = spread(panel, reference.season)
    wide = noise if reference.kind in ("naive", "drift") else deviation(panel)
    return Plan(
        ask.horizon,
        ask.context,
        memory,
        lags,
        seasons,
        reference,
        ask.drivers,
        size=np.where(wide > 0, wide, 1.0),
        noise=np.where(noise > 0, noise, np.finfo(float).tiny ** 0.5),
    )


def _only_reference(bare: Fitted, panel: Panel, origins: Origins) -> Fitted:
    """What too few observations leave: the reference, and intervals from its own errors."""
    error = bare.plan.targets(panel, origins, bare.plan.expected(panel, origins))
    return replace(bare, offsets=_offsets(error, np.zeros((*error.shape, len(bare.levels))), bare.levels))


class Judged(NamedTuple):
    """A linear path for each fold, and what was best over all: the penalty, the pull of phases, the error of each."""

    firsts: list[Fitted]
    penalty: float
    error: float  # mean absolute, in units that all references share
    pull: float | None = None  # None: the phases are not told apart


def _with_linear(plan: Plan, ask: Ask, panel: Panel, folds: list[Fold]) -> Judged:
    """A linear path over the reference of `plan`, with the strength and the share that are best over all folds."""
    bare = Fitted(plan, ask.levels, np.zeros((ask.horizon, len(ask.levels))))
    found, forecasts, counts = [], [], []
    for before, train, judged in folds:
        some, targets = _linear_rows(before, plan, train)
        paths = linear.solve(before, plan, some, targets, linear.STRENGTHS * len(some.row))
        found.append(paths)
        forecasts.append(paths.each(panel, plan, judged))
        counts.append(len(some.row))
    truth, weight = _truth(panel, plan, folds)
    choices = [_share(truth, one, weight) for one in np.concatenate(forecasts, axis=1)]
    k = int(np.argmin([error for _, error in choices]))
    firsts = [replace(bare, linear=paths.at(k), linear_share=choices[k][0]) for paths in found]
    return Judged(firsts, float(linear.STRENGTHS[k] * np.mean(counts)), choices[k][1])


def _linear_rows(panel: Panel, plan: Plan, origins: Origins) -> tuple[Origins, Array]:
    """As many origins as the linear path can take, and their targets."""
    some = origins.thinned(linear.rows_for(panel, plan))
    return some, plan.targets(panel, some, plan.expected(panel, some))


def _truth(panel: Panel, plan: Plan, folds: list[Fold]) -> tuple[Array, Array]:
    """What the reference misses (n, horizon), and weights (n, 1) that bring it to units that all references share."""
    unit = spread(panel, min(plan.seasons, default=1))
    weight = plan.noise / np.where(unit > 0, unit, np.inf)
    truth = [plan.targets(panel, fold.judged, plan.expected(panel, fold.judged)) for fold in folds]
    return np.concatenate(truth), np.concatenate([weight[fold.judged.series] for fold in folds])[:, None]


def _with_phases(chosen: Judged, panel: Panel, folds: list[Fold]) -> Judged:
    """The linear path of each phase of a season, where that makes the error of the folds clearly smaller."""
    plan, share = chosen.firsts[0].plan, chosen.firsts[0].linear_share
    length = int(np.median(panel.stop - panel.start))
    if not share or plan.phases == 1 or length < FEWEST_SEASONS * min(plan.seasons):
        return chosen
    found = []
    for first, (before, train, _) in zip(chosen.firsts, folds, strict=True):
        assert first.linear is not None
        some, targets = _linear_rows(before, plan, train)
        found.append(linear.localized(before, plan, some, targets, first.linear, linear.PULLS))
    truth, weight = _truth(panel, plan, folds)
    errors = []
    for paths in zip(*found, strict=True):
        parts = [path.forecast(panel, plan, fold.judged) for path, fold in zip(paths, folds, strict=True)]
        errors.append(float(np.nanmean(weight * np.abs(truth - share * np.concatenate(parts)))))
    k = int(np.argmin(errors))
    if errors[k] > CLEARLY * chosen.error:
        return chosen
    firsts = [replace(first, linear=paths[k]) for first, paths in zip(chosen.firsts, found, strict=True)]
    return Judged(firsts, chosen.penalty, errors[k], linear.PULLS[k])


def _share(truth: Array, forecast: Array, weight: Array | float = 1.0) -> tuple[float, float]:
    """The share of `forecast` (n, horizon) with the lowest mean absolute error, and that error.

    It is 1 unless another share is better by the standard error, where windows count once a horizon; the error of
    another one is taken to be a little larger, for what is chosen by chance.
    """
    errors = [_means(weight * np.abs(truth - share * forecast)) for share in SHARES]
    k = int(np.argmin([error.mean() for error in errors]))
    gains = errors[-1] - errors[k]
    if gains.mean() < gains.std() / np.sqrt(max(1.0, len(gains) / truth.shape[1])):
        k = len(SHARES) - 1
    share, error = float(SHARES[k]), float(errors[k].mean())
    return (1.0, error) if share == 1 else (share * _trust(truth, share * forecast), error * IN_DOUBT)


def _means(errors: Array) -> Array:
    """Mean over the steps ahead (n,), of what was observed."""
    return np.asarray(np.nanmean(errors, axis=1))


def _trust(truth: Array, forecast: Array) -> float:
    """What is left of a share in doubt: 1 / (1 + (standard error / 3 gain)²), where n windows count as n / √horizon."""
    gains = np.nanmean(np.abs(truth) - np.abs(truth - forecast), axis=1)
    gain = max(0.0, float(gains.mean()))
    error = float(gains.std()) / np.sqrt(max(1.0, len(gains) / truth.shape[1] ** 0.5))
    return float(9 * gain**2 / (9 * gain**2 + error**2)) if gain else 0.0


def _with_network(
    firsts: list[Fitted], ask: Ask, panel: Panel, folds: list[Fold], rng: np.random.Generator, progress: bool
) -> tuple[Fitted, History]:
    """Judge a network for each fold; return shares, spread and offsets, and how the last network was trained."""
    truth, raw = [], []
    count = max(1, ask.networks // len(folds))
    for first, (before, train, judged) in zip(firsts, folds, strict=True):
        some = judged.thinned(512)
        held = network.samples(panel, first.plan, some, first.base(panel, some))
        found = [
            network.fit(_rows(first, before, train, rng), ask.levels, ask.recipe, rng, held, progress)
            for _ in range(count)
        ]
        base = first.base(panel, judged)
        truth.append(first.plan.targets(panel, judged, base))
        raw.append(network.forecast([model for model, _ in found], panel, first.plan, judged, base))
    every, judged_raw = np.concatenate(truth), np.concatenate(raw)
    middle = judged_raw[..., ask.levels.index(0.5)]
    share, _ = _share(every, middle)
    share *= _trust(every, share * middle)
    spreads = {own: _parted(judged_raw, share, own, ask.levels) for own in (False, True)}
    losses = {own: _pinball(every, values, ask.levels) for own, values in spreads.items()}
    own = losses[True] < losses[False]
    offsets = _offsets(every, spreads[own], ask.levels, _recency(panel, folds, ask.horizon))
    return replace(firsts[-1], network_share=share, own_spread=own, offsets=offsets), found[-1][1]


def _recency(panel: Panel, folds: list[Fold], horizon: int) -> Array | None:
    """Weights (n,) of judged windows in a long tail: half for every 20 horizons, or 500 steps, that they are older."""
    if len(folds) > 1 or len(panel.y) < FEW_ROWS:
        return None
    judged = folds[0].judged
    age = panel.stop[judged.series] - judged.row
    return np.asarray(0.5 ** (age / max(HALF_LIFE * horizon, LEAST_HALF_LIFE)))


def _parted(found: Array, share: float, own: bool, levels: Sequence[float]) -> Array:
    """Quantiles from those of the network: its share of the median, and its own spread around it or none."""
    middle = found[..., [levels.index(0.5)]]
    return np.asarray(share * middle + (found - middle if own else np.zeros_like(found)))


def _rows(fitted: Fitted, panel: Panel, origins: Origins, rng: np.random.Generator) -> Samples:
    """Training rows at a bounded number of the origins."""
    features = network.feature_count(panel)
    some = origins.thinned(network.most_windows(fitted.plan, features), rng.random())
    return network.samples(panel, fitted.plan, some, fitted.base(panel, some))


def _pinball(truth: Array, quantiles: Array, levels: Sequence[float]) -> float:
    """Mean pinball loss after calibration on the very same."""
    error = truth[..., None] - quantiles - _offsets(truth, quantiles, levels)
    q = np.asarray(levels)
    return float(np.nanmean(np.maximum(q * error, (q - 1) * error)))


def _offsets(truth: Array, quantiles: Array, levels: Sequence[float], weights: Array | None = None) -> Array:
    """What calibrates `quantiles` (n, horizon, levels) on `truth` (n, horizon), both in units of noise."""
    errors = truth[..., None] - quantiles
    return intervals.offsets(errors, levels, intervals.growth(errors[..., levels.index(0.5)]), weights)


def _again(
    chosen: Fitted,
    ask: Ask,
    panel: Panel,
    origins: Origins,
    judged: Judged,
    rng: np.random.Generator,
    progress: bool,
) -> Fitted:
    """Fit linear path and networks on all origins, with the shares and offsets chosen before."""
    plan = chosen.plan
    some, targets = _linear_rows(panel, plan, origins)
    path = linear.solve(panel, plan, some, targets, np.array([judged.penalty]))
    if judged.pull is not None:
        (path,) = linear.localized(panel, plan, some, targets, path, [judged.pull])
    final = replace(chosen, linear=path)
    if not (chosen.network_share or chosen.own_spread):
        return final
    networks = [
        network.fit(_rows(final, panel, origins, rng), ask.levels, ask.recipe, rng, progress=progress)[0]
        for _ in range(ask.networks)
    ]
    return replace(final, networks=tuple(networks))


def levels_of(quantiles: Sequence[float]) -> tuple[float, ...]:
    """The levels a network gives: those asked for and the median, in order."""
    return tuple(sorted({*map(float, quantiles), 0.5}))

"""Folds: the ends of all series are held out, and what was fitted before them is measured there."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from gatewise.errors import Array
from gatewise.forecasting.panel import Origins, Panel
from gatewise.forecasting.plan import Plan, scales
from gatewise.forecasting.windows import Windows

# Chosen on generated series, as shares of the length of a series.
HELD_OUT = 0.2
HELD_OUT_OF_SHORT = 0.15
MOST_FOLDS = 3
SHORT = 2000  # rows of all series together below which several folds cost little, and one says little

MOST_HELD_OUT = (
    3000  # windows that are measured in a fold: the standard error of their mean is 2 % of the spread of one
)
MOST_TRAINING = 50_000  # windows that memory allows
MOST_RESCALED = 10.0  # times smaller than that of the whole series, which a unit before a cut may be
FEWEST_TRAINING = 8  # windows without which nothing can be learned; chosen on generated series
HALF_LIFE = 20  # horizons after which a held-out window counts half in the calibration of a long fold
LEAST_HALF_LIFE = 500  # steps; both chosen on generated series


class Fold(NamedTuple):
    """A place to measure at.

    Attributes
    ----------
    before : Panel
        The panel with nothing observed after the cut.
    train : Origins
        Origins before the cut.
    after : Panel
        The panel with everything observed.
    held_out : Origins
        Origins after the cut.
    """

    before: Panel
    train: Origins
    after: Panel
    held_out: Origins

    def training(self, plan: Plan) -> Windows:
        """Windows to fit to."""
        return Windows(self.before, self.scaled(plan), self.train)

    def measured(self, plan: Plan) -> Windows:
        """Windows to measure on."""
        return Windows(self.after, self.scaled(plan), self.held_out)

    def scaled(self, plan: Plan) -> Plan:
        """The plan with the units of what was observed before the cut: those of all would tell what comes after it."""
        size, noise = scales(self.before, plan.reference)
        return replace(
            plan,
            size=np.maximum(size, plan.size / MOST_RESCALED),
            noise=np.maximum(noise, plan.noise / MOST_RESCALED),
        )


def make_folds(panel: Panel, plan: Plan) -> list[Fold]:
    """One end of a fifth of long series; of short ones up to three ends in a row, all in the second half.

    Folds with next to nothing to learn from are left out.
    """
    length = panel.stop - panel.start
    short = len(panel.y) < SHORT
    size = np.maximum(plan.horizon, np.ceil((HELD_OUT_OF_SHORT if short else HELD_OUT) * length)).astype(int)
    folds = []
    for k in range(MOST_FOLDS if short else 1, 0, -1):
        fits = k * size <= length // 2 if k > 1 else np.ones(len(size), bool)
        cut, end = (panel.stop - np.where(fits, np.minimum(j * size, length // 2), 0) for j in (k, k - 1))
        before = panel.hidden(cut)
        first = np.minimum(first_rows(panel, plan), cut)
        train = training_windows(before, plan, before.origins(first, cut)).origins
        held_out = Windows(panel, plan, spaced(panel.origins(cut, end), cut)).with_targets().origins
        if len(train.row) >= FEWEST_TRAINING and len(held_out.row):
            folds.append(Fold(before, train, panel, held_out))
    return folds


def spaced(origins: Origins, cut: Array) -> Origins:
    """At most `MOST_HELD_OUT` origins, each series' first after its `cut` (series,) and those at even steps from it."""
    stride = -(-len(origins.row) // MOST_HELD_OUT)
    kept = (origins.row - cut[origins.series]) % stride == 0
    return origins.at(kept).thinned(MOST_HELD_OUT)


def first_rows(panel: Panel, plan: Plan) -> Array:
    """First origin (series,) worth learning from: after a quarter of the series, a context or a season at most."""
    length = panel.stop - panel.start
    first: Array = panel.start + np.clip(length // 4, 1, max(plan.context, max(plan.seasons, default=1)))
    return first


def training_windows(panel: Panel, plan: Plan, origins: Origins) -> Windows:
    """The windows at a bounded number of origins in which anything was observed."""
    return Windows(panel, plan, origins.thinned(MOST_TRAINING)).with_targets()


def recency(folds: list[Fold], horizon: int) -> Array | None:
    """Weights (n,) of the held-out windows of a long fold: half for every half-life that they are older."""
    panel, held_out = folds[0].after, folds[0].held_out
    if len(folds) > 1 or len(panel.y) < SHORT:
        return None
    age = panel.stop[held_out.series] - held_out.row
    return np.asarray(0.5 ** (age / max(HALF_LIFE * horizon, LEAST_HALF_LIFE)))

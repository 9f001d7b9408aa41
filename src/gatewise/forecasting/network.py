"""The recurrent path: what a network reads at each origin, how it is trained, and what it gives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from gatewise.batches import Samples
from gatewise.errors import Array
from gatewise.forecasting.panel import Origins, Panel
from gatewise.forecasting.plan import Plan
from gatewise.layers import GRU, LSTM, RNN, Dense, Dropout, Layer, Sequential
from gatewise.losses import pinball
from gatewise.optimizers import AdamW
from gatewise.schedules import OneCycle
from gatewise.training import History, train

CELLS: dict[str, Any] = {"gru": GRU, "lstm": LSTM, "rnn": RNN}
FEATURES = ("value", "deviation", "seen", "age", "ahead", "place")  # of a step, before covariates and calendar
CLIP = 6.0
ROWS_AT_ONCE = 1024
MOST_WINDOWS = 6000
MOST_NUMBERS = 16_000_000


def feature_count(panel: Panel) -> int:
    """Number of features of a step."""
    return len(FEATURES) + sum(int(part.shape[1]) for part in (panel.known, panel.past, panel.static))


class Recipe(NamedTuple):
    """What a network is and how long it is trained: the options of the forecaster of the same names."""

    cell: str
    hidden_size: int
    num_layers: int
    dropout: float
    alpha: float
    updates: int
    rate: float
    batch_size: int


def inputs(panel: Panel, plan: Plan, origins: Origins, base: Array) -> Array:
    """What the network reads, float32 (n, context + horizon, features): the past, then what is known of the future.

    Of a past step: value, deviation from the season before, whether and how long ago it was seen, covariates. Of a
    step ahead: the reference in the place of the value, and how far `base` (n, horizon) is from it.
    """
    anchor = plan.anchor(panel, origins)[:, None]
    size, noise = plan.size[origins.series][:, None], plan.noise[origins.series][:, None]
    behind, beyond = panel.rows(origins, np.arange(-plan.context, 0)), panel.rows(origins, plan.steps)
    y = panel.y[behind]
    seen = np.isfinite(y)
    usual = plan.usual(panel, behind)
    reference = plan.expected(panel, origins)
    past = [(y - anchor) / size, (y - usual) / noise, seen, _age(seen), np.zeros_like(y), np.zeros_like(y)]
    future = [(reference - anchor) / size, (base - reference) / noise]
    zero = np.zeros_like(base)
    future += [zero, zero, zero + 1, zero + (plan.steps + 1) / plan.horizon]
    values = np.concatenate([np.stack(past, axis=2), np.stack(future, axis=2)], axis=1)
    values = np.clip(np.nan_to_num(values, posinf=CLIP, neginf=-CLIP), -CLIP, CLIP)
    covariates = [panel.known[np.concatenate([behind, beyond], axis=1)], _past(panel, behind, plan.horizon)]
    fixed = np.repeat(panel.static[origins.series][:, None], plan.context + plan.horizon, axis=1)
    return np.concatenate([values, *covariates, fixed], axis=2, dtype=np.float32, casting="same_kind")


def _age(seen: Array) -> Array:
    """Logarithm of the steps since the last observation in the window."""
    place = np.arange(seen.shape[1])
    last = np.maximum.accumulate(np.where(seen, place, -1), axis=1)
    return np.asarray(np.log1p(place - last))


def _past(panel: Panel, behind: Array, horizon: int) -> Array:
    found = panel.past[behind]
    return np.concatenate([found, np.zeros((len(found), horizon, found.shape[2]), found.dtype)], axis=1)


def samples(panel: Panel, plan: Plan, origins: Origins, base: Array) -> Samples:
    """Training rows: inputs, targets in units of noise, and weights, 0 in the context and where nothing was seen."""
    x = inputs(panel, plan, origins, base)
    target = plan.targets(panel, origins, base)
    weight = np.isfinite(target)
    none = np.zeros((len(x), plan.context))
    y = np.concatenate([none, np.where(weight, target, 0)], axis=1).astype(np.float32)
    return Samples(x, y, weights=np.concatenate([none, weight], axis=1).astype(np.float32))


def most_windows(plan: Plan, features: int) -> int:
    """Number of windows of this size that may stand in memory at once."""
    return max(64, min(MOST_WINDOWS, MOST_NUMBERS // ((plan.context + plan.horizon) * features)))


def fit(
    rows: Samples,
    levels: Sequence[float],
    recipe: Recipe,
    rng: np.random.Generator,
    validation: Samples | None = None,
    progress: bool = False,
) -> tuple[Sequential, History]:
    """Train a network on the pinball loss of all levels; it starts at the levels' quantiles of the targets."""
    model = build(rows.x.shape[2], len(levels), recipe, rng)
    head = len(model.layers) - 1
    model.params[f"{head}.weight"][...] = 0
    assert rows.weights is not None
    model.params[f"{head}.bias"][...] = np.quantile(rows.y[rows.weights > 0], levels)
    batches = -(-len(rows.x) // recipe.batch_size)
    epochs = max(1, round(recipe.updates / batches))

    def loss(prediction: Array, target: Array, *, weights: Array | None = None) -> tuple[float, Array]:
        return pinball(prediction, target, quantiles=levels, weights=weights)

    history = train(
        model,
        rows.x,
        rows.y,
        weights=rows.weights,
        loss=loss,
        optimizer=AdamW(OneCycle(recipe.rate, max(2, epochs * batches), pct_start=0.2), weight_decay=recipe.alpha),
        epochs=epochs,
        batch_size=recipe.batch_size,
        validation=None if validation is None else (validation.x, validation.y, None, validation.weights),
        clip=1.0,
        rng=rng,
        progress=progress,
    )
    return model, history


def build(features: int, outputs: int, recipe: Recipe, rng: np.random.Generator | int) -> Sequential:
    """A recurrent stack, dropout if asked for, and a dense layer with one output a level."""
    options: dict[str, Any] = {"num_layers": recipe.num_layers, "rng": rng}
    if recipe.num_layers > 1:
        options["dropout"] = recipe.dropout
    stack: list[Layer] = [CELLS[recipe.cell](features, recipe.hidden_size, **options)]
    if recipe.dropout:
        stack.append(Dropout(recipe.dropout))
    return Sequential(*stack, Dense(recipe.hidden_size, outputs, rng=rng))


def forecast(models: Sequence[Sequential], panel: Panel, plan: Plan, origins: Origins, base: Array) -> Array:
    """Mean over the networks of what `base` misses (n, horizon, levels), in units of noise."""
    parts = []
    for first in range(0, len(origins.row), ROWS_AT_ONCE):
        some = slice(first, first + ROWS_AT_ONCE)
        x = inputs(panel, plan, origins.at(some), base[some])
        parts.append(np.mean([model(x)[0][:, plan.context :] for model in models], axis=0, dtype=float))
    return np.concatenate(parts)

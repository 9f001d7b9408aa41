"""The recurrent path: what a network reads at each origin, how it is trained, and what it gives."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from gatewise.batches import Samples
from gatewise.errors import Array, TrainingInterrupted
from gatewise.forecasting.panel import Panel
from gatewise.forecasting.plan import Plan
from gatewise.forecasting.windows import Windows
from gatewise.layers import Dense, Dropout, Layer, Sequential
from gatewise.layers.layer import Params, Rng
from gatewise.layers.registry import recurrent_class
from gatewise.losses import pinball
from gatewise.optimizers import AdamW
from gatewise.schedules import OneCycle
from gatewise.threads import get_num_threads, run_side_by_side
from gatewise.training import History, train
from gatewise.training.checkpoint import Stage
from gatewise.training.epochs import Callback
from gatewise.training.runs import UNKEPT, Run

FEATURES = ("value", "deviation", "seen", "age", "ahead", "place")  # of a step, before covariates and calendar
CLIP = 6.0  # units of size or noise beyond which a value says no more; chosen on generated series
ROWS_AT_ONCE = 1024  # windows that stand in memory at once in a forecast
MOST_WINDOWS = 6000  # windows that a network is trained on: 400 updates of 64 see each four times
MOST_NUMBERS = 16_000_000  # in the windows of a training: 64 MB of float32
LEAST_WINDOWS = 64  # one update of the default size
MOST_EPOCHS = 100  # of few windows, where nobody says how many; set, and not varied
WARM_UP = 0.2  # share of the updates in which the rate rises; chosen on generated series
LARGEST_TARGET = 1e6  # units of noise; beyond it, a series repeats itself exactly but for its beginning
LONGEST_GRADIENT = 1.0  # norm to which gradients are clipped


class NetworkSettings(NamedTuple):
    """What a network is and how long it is trained: the options of the forecaster of the same names."""

    cell: Any
    hidden_size: int
    num_layers: int
    dropout: float
    alpha: float
    max_updates: int
    learning_rate_init: float
    batch_size: int
    max_iter: int | None = None
    callbacks: tuple[Callback, ...] = ()
    run: Run = UNKEPT
    """What keeps the trainings."""


Trained = tuple[Sequential, History]
"""A network, and how it was trained."""


def feature_count(panel: Panel) -> int:
    """Number of features of a step."""
    return len(FEATURES) + sum(int(part.shape[1]) for part in (panel.known, panel.past, panel.static))


def inputs(windows: Windows, base: Array) -> Array:
    """What the network reads, float32 (n, context + horizon, features): the past, then what is known of the future.

    Features are `FEATURES`, covariates, calendar and static numbers. In a past step they are value, deviation from the
    season before, whether and how long ago it was seen. In a step ahead the reference takes the place of the value, and
    the distance of `base` (n, horizon) from it that of the deviation.
    """
    panel, plan, behind = windows.panel, windows.plan, windows.behind
    past = _past_features(windows, behind)
    future = _future_features(windows, base)
    values = np.concatenate([np.stack(past, axis=2), np.stack(future, axis=2)], axis=1)
    values = np.clip(np.nan_to_num(values, posinf=CLIP, neginf=-CLIP), -CLIP, CLIP)
    known = panel.known[np.concatenate([behind, windows.ahead], axis=1)]
    seen = panel.past[behind]
    unseen = np.zeros((len(windows), plan.horizon, seen.shape[2]), seen.dtype)
    static = np.repeat(panel.static[windows.origins.series][:, None], plan.context + plan.horizon, axis=1)
    parts = [values, known, np.concatenate([seen, unseen], axis=1), static]
    return np.concatenate(parts, axis=2, dtype=np.float32, casting="same_kind")


def _past_features(windows: Windows, behind: Array) -> list[Array]:
    """`FEATURES`, each (n, context), of the steps up to the origin."""
    y = windows.panel.y[behind]
    seen, zero = np.isfinite(y), np.zeros_like(y)
    value = (y - windows.anchor) / windows.size
    deviation = (y - windows.season_before(behind)) / windows.noise
    return [value, deviation, seen, _age(seen), zero, zero]


def _future_features(windows: Windows, base: Array) -> list[Array]:
    """`FEATURES`, each (n, horizon), of the steps ahead."""
    plan, reference, zero = windows.plan, windows.reference, np.zeros_like(base)
    value = (reference - windows.anchor) / windows.size
    deviation = (base - reference) / windows.noise
    return [value, deviation, zero, zero, zero + 1, zero + (plan.steps + 1) / plan.horizon]


def _age(seen: Array) -> Array:
    """Logarithm of the steps since the last observation in the window."""
    place = np.arange(seen.shape[1])
    last = np.maximum.accumulate(np.where(seen, place, -1), axis=1)
    return np.asarray(np.log1p(place - last))


def samples(windows: Windows, base: Array) -> Samples:
    """Training rows: inputs, targets (n, horizon) in units of noise, and weights, 0 where no target is of use."""
    x = inputs(windows, base)
    target = windows.targets(base)
    weight = np.abs(target) <= LARGEST_TARGET
    return Samples(x, np.where(weight, target, 0).astype(np.float32), weights=weight.astype(np.float32))


def most_windows(plan: Plan, features: int) -> int:
    """Number of windows of this size that may stand in memory at once."""
    return max(LEAST_WINDOWS, min(MOST_WINDOWS, MOST_NUMBERS // ((plan.context + plan.horizon) * features)))


def fit(
    count: int,
    draw: Callable[[], Windows],
    base: Callable[[Windows], Array],
    levels: Sequence[float],
    settings: NetworkSettings,
    rng: np.random.Generator,
    validation: Samples | None = None,
    progress: bool = False,
) -> list[Trained]:
    """Train networks on the pinball loss of all levels, each on windows that `draw` draws.

    They are trained side by side where that gives the same numbers. One that drops values or may stop early draws an
    unknown number of times from `rng`, so that the next has to wait.
    """
    alone = bool(settings.callbacks or settings.dropout)
    trained: list[Trained] = []
    stop = threading.Event()
    while len(trained) < count:
        tasks: list[Callable[[], Trained]] = []
        for k in range(1 if alone else min(get_num_threads(), count - len(trained))):
            windows = draw()
            network = build(feature_count(windows.panel), len(levels), settings, rng)
            bar = progress and k == 0  # for all: they take as long as one another
            training = _Training(network, windows, base, levels, settings, validation, bar, stop, settings.run.stage())
            tasks.append(partial(training.run, rng if alone else training.moved_past(rng)))
        trained += [tasks[0]()] if alone else run_side_by_side(tasks)
    return trained


class _AnotherFailedError(Exception):
    """Ends a training whose result nobody needs."""


class _Training(NamedTuple):
    """A network that is to be trained on windows."""

    network: Sequential
    windows: Windows
    base: Callable[[Windows], Array]
    levels: Sequence[float]
    settings: NetworkSettings
    validation: Samples | None
    progress: bool
    stop: threading.Event
    """Whether another network has failed."""
    stage: Stage | None

    @property
    def batches(self) -> int:
        """Updates of an epoch."""
        return -(-len(self.windows) // self.settings.batch_size)

    @property
    def epochs(self) -> int:
        """Passes over the windows."""
        settings = self.settings
        return max(1, min(round(settings.max_updates / self.batches), settings.max_iter or MOST_EPOCHS))

    def moved_past(self, rng: np.random.Generator) -> np.random.Generator:
        """Return a copy of `rng` for the order of windows in all epochs, and draw from it what the copy will draw."""
        own = copy.deepcopy(rng)
        for _ in range(self.epochs):
            rng.permutation(len(self.windows))
        return own

    def run(self, rng: np.random.Generator) -> Trained:
        """Train it; `rng` gives the order of windows and what is dropped."""
        try:
            return self._run(rng)
        except _AnotherFailedError:
            return self.network, History()
        except TrainingInterrupted:
            raise  # all notice that themselves
        except BaseException:
            self.stop.set()
            raise

    def _run(self, rng: np.random.Generator) -> Trained:
        rows, settings, validation = samples(self.windows, self.base(self.windows)), self.settings, self.validation
        self._start(rows)
        *below, head = self.network.layers
        schedule = OneCycle(settings.learning_rate_init, max(2, self.epochs * self.batches), pct_start=WARM_UP)
        history = train(
            Sequential(*below, Ahead(rows.y.shape[1]), head),
            rows.x,
            rows.y,
            weights=rows.weights,
            loss=partial(pinball, quantiles=self.levels),
            optimizer=AdamW(schedule, weight_decay=settings.alpha),
            epochs=self.epochs,
            batch_size=settings.batch_size,
            validation=None if validation is None else (validation.x, validation.y, None, validation.weights),
            clip=LONGEST_GRADIENT,
            rng=rng,
            callbacks=(*settings.callbacks, self._go_on),
            progress=self.progress,
            checkpoint=self.stage,
        )
        return self.network, history

    def _go_on(self, record: dict[str, Any], model: Layer) -> None:
        """Raise if another network has failed: one that only stopped would be complete for a checkpoint."""
        if self.stop.is_set():
            raise _AnotherFailedError

    def _start(self, rows: Samples) -> None:
        """Let the network give the levels' quantiles of the targets."""
        head = self.network.layers[-1].params
        head["weight"][...] = 0
        assert rows.weights is not None
        seen = rows.y[rows.weights > 0]
        head["bias"][...] = np.quantile(seen, self.levels) if len(seen) else 0


class Ahead(Layer):
    """The last steps of a sequence, (batch, time, N) to (batch, steps, N): those that have targets."""

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self.dtype = np.dtype(np.float32)
        self.params = Params()

    def config(self) -> dict[str, Any]:  # noqa: D102
        return {"steps": self.steps}

    def forward(
        self, x: Array, state: Any = None, *, lengths: Any = None, training: bool = False, rng: Rng = None
    ) -> tuple[Array, None, tuple[int, ...]]:
        """Return the last steps, None (no state) and the shape of x."""
        return np.ascontiguousarray(x[:, -self.steps :]), None, x.shape

    def backward(self, tape: tuple[int, ...], dy: Array, dstate: Any = None) -> tuple[Array, None, dict[str, Array]]:
        """Return dx, 0 at all other steps, None (no state) and no parameter gradients."""
        dx = np.zeros(tape, dy.dtype)
        dx[:, -self.steps :] = dy
        return dx, None, {}


def build(features: int, outputs: int, settings: NetworkSettings, rng: np.random.Generator | int) -> Sequential:
    """A recurrent stack, dropout if asked for, and a dense layer with one output a level."""
    options: dict[str, Any] = {"num_layers": settings.num_layers, "rng": rng}
    if settings.num_layers > 1:
        options["dropout"] = settings.dropout
    stack: list[Layer] = [recurrent_class(settings.cell)(features, settings.hidden_size, **options)]
    if settings.dropout:
        stack.append(Dropout(settings.dropout))
    return Sequential(*stack, Dense(settings.hidden_size, outputs, rng=rng))


def forecast(networks: Sequence[Sequential], windows: Windows, base: Array) -> Array:
    """Mean over the networks of what `base` misses (n, horizon, levels), in units of noise."""
    parts = []
    for first in range(0, len(windows), ROWS_AT_ONCE):
        some = slice(first, first + ROWS_AT_ONCE)
        x = inputs(windows.at(some), base[some])
        parts.append(np.mean([network(x)[0][:, windows.plan.context :] for network in networks], axis=0, dtype=float))
    return np.concatenate(parts)

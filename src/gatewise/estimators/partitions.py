"""What an estimator has to know of all sequences together, gathered partition by partition: sizes, means, classes."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
from sklearn.base import clone

from gatewise.batches import Samples
from gatewise.errors import Array, GatewiseValueError
from gatewise.estimators import builder, fitting
from gatewise.estimators.base import RecurrentEstimator
from gatewise.estimators.classifier import RecurrentClassifier
from gatewise.estimators.sequences import Inputs, Sequences, read_sequences
from gatewise.estimators.targets import with_weight
from gatewise.losses import Loss

SEEN = ("n_channels_in_", "n_features_in_", "n_steps_in_", "feature_names_in_")


class Moments(NamedTuple):
    """Numbers of values, their means, and sums of squared deviations from these; by columns, in float64."""

    number: Array
    mean: Array
    squares: Array

    @classmethod
    def of(cls, values: Array, seen: Array) -> Self:
        """Take those of values (n, columns) where `seen` says so.

        Examples
        --------
        >>> Moments.of(np.array([[1.0], [3.0], [np.nan]]), np.array([[True], [True], [False]])).mean
        array([2.])
        """
        count = seen.sum(axis=0)
        with np.errstate(over="ignore", invalid="ignore"):
            mean = np.sum(values, axis=0, where=seen, dtype=np.float64) / np.maximum(1, count)
            squares = np.sum(np.where(seen, values - mean, 0) ** 2, axis=0, dtype=np.float64)
        if not (np.isfinite(mean).all() and np.isfinite(squares).all()):
            raise GatewiseValueError("X or y holds numbers whose squares are beyond 1.8e308; need a larger unit.")
        return cls(count, np.asarray(mean), np.asarray(squares))

    def with_others(self, other: Self) -> Self:
        """Return those of both sets of values; after Chan, Golub and LeVeque, "Updating formulae" (1979)."""
        number = self.number + other.number
        share = other.number / np.maximum(1, number)
        apart = other.mean - self.mean
        squares = self.squares + other.squares + apart**2 * share * self.number
        return type(self)(number, self.mean + apart * share, squares)

    @property
    def spread(self) -> Array:
        """Standard deviations."""
        return np.asarray(np.sqrt(self.squares / np.maximum(1, self.number)))


@dataclass(frozen=True)
class Rows:
    """How many sequences there are, and how long: what is asked of an array of lengths."""

    count: int
    steps: int
    longest: int

    def __len__(self) -> int:
        return self.count

    def with_others(self, other: Rows) -> Rows:
        """Return those of both together."""
        return Rows(self.count + other.count, self.steps + other.steps, max(self.longest, other.longest))

    def share(self, share: float) -> Rows:
        """Return about a share of them, at least one."""
        return Rows(max(1, round(share * self.count)), round(share * self.steps), self.longest)

    def sum(self) -> int:
        """Steps of all sequences."""
        return self.steps

    def max(self) -> int:
        """Steps of the longest."""
        return self.longest


class Survey(NamedTuple):
    """What one or several partitions hold."""

    rows: Rows
    seen: dict[str, Any]
    """What an estimator remembers of the form of X."""
    inputs: Moments
    gaps: Array
    """Channels in which values are missing."""
    precision: float
    """Relative precision of X's numbers."""
    single: bool
    """Whether y has no axis of targets."""
    targets: Moments | None
    """Of the numbers to predict."""
    classes: Array | None
    counts: Array | None
    """How often there is each class."""


def survey(estimator: RecurrentEstimator, X: Any, y: Any, sample_weight: Any) -> Survey:
    """Return what a partition holds, for an estimator that need not be fitted and is not changed."""
    scout = clone(estimator)
    sequences = read_sequences(scout, X, reset=True)
    values, weights = scout._read(y, sequences, sample_weight)
    classes = counts = targets = None
    if isinstance(scout, RecurrentClassifier):
        classes, counts = np.unique(values, return_counts=True)
    else:
        known = values if weights is None else values[weights > 0]
        columns = known.reshape(len(known), -1)
        targets = Moments.of(columns, np.ones(columns.shape, bool))
    some = _with_weight(sequences, sample_weight)
    flat, seen = (a.reshape(-1, a.shape[-1]) for a in (some.values, some.observed()))
    rows = Rows(len(some.lengths), int(some.lengths.sum()), int(some.lengths.max()))
    gaps = np.any(some.inside()[:, :, None] & ~some.observed(), axis=(0, 1))
    form = {name: getattr(scout, name) for name in SEEN if hasattr(scout, name)}
    single = values.ndim == 1 + scout._per_step
    precision = float(np.finfo(some.values.dtype).eps)
    return Survey(rows, form, Moments.of(flat, seen), gaps, precision, single, targets, classes, counts)


def _with_weight(sequences: Sequences, sample_weight: Any) -> Sequences:
    if sample_weight is None:
        return sequences
    positive = np.asarray(sample_weight) > 0
    return sequences if positive.all() else sequences.rows(positive)


def merged_surveys(a: Survey | None, b: Survey | None) -> Survey | None:
    """Return what two sets of partitions hold together; None is a partition without rows.

    Raises
    ------
    GatewiseError
        If sequences or targets are not of the same form.
    """
    if a is None or b is None:
        return b if a is None else a
    forms = [{name: np.asarray(value).tolist() for name, value in each.seen.items()} for each in (a, b)]
    if forms[0] != forms[1] or a.single != b.single:
        raise GatewiseValueError(
            f"partitions of X and y differ in form, {forms[0]} in one and {forms[1]} in another; need the same in all."
        )
    classes, counts = _merged_classes(a, b)
    return a._replace(
        rows=a.rows.with_others(b.rows),
        inputs=a.inputs.with_others(b.inputs),
        gaps=a.gaps | b.gaps,
        precision=max(a.precision, b.precision),
        targets=a.targets.with_others(b.targets) if a.targets and b.targets else None,
        classes=classes,
        counts=counts,
    )


def _merged_classes(a: Survey, b: Survey) -> tuple[Array | None, Array | None]:
    if a.classes is None or b.classes is None:
        return None, None
    assert a.counts is not None
    assert b.counts is not None
    classes, place = np.unique(np.concatenate([a.classes, b.classes]), return_inverse=True)
    return classes, np.bincount(place, np.concatenate([a.counts, b.counts])).astype(np.int64)


def note(estimator: Any, survey: Survey) -> None:
    """Let an estimator know of all sequences what `fit` would have seen in them."""
    vars(estimator).update(survey.seen)
    spread, mean = survey.inputs.spread, survey.inputs.mean
    constant = spread <= 10 * survey.precision * np.abs(mean)
    estimator._inputs = Inputs(mean, np.where(constant | (spread == 0), 1.0, spread), survey.gaps)
    lengths: Any = survey.rows
    estimator._downsampling = fitting.downsampling(estimator, lengths)
    estimator._ridge, estimator._optimizer = None, None
    if survey.targets is None:
        estimator.classes_ = survey.classes
    else:
        estimator._single = survey.single
        estimator._note_moments(survey.targets.mean, survey.targets.spread)


def reader(estimator: Any, survey: Survey) -> Any:
    """Return what `encoded` needs of an estimator: all but its networks, and weights of classes that hold for all."""
    light = copy.copy(estimator)
    for name in ("model_", "_optimizer"):
        vars(light).pop(name, None)
    if getattr(light, "class_weight", None) == "balanced":
        assert survey.classes is not None
        assert survey.counts is not None
        balanced = survey.counts.sum() / (len(survey.counts) * survey.counts)
        light.class_weight = dict(zip(survey.classes.tolist(), balanced.tolist(), strict=True))
    return light


def encoded(reader: Any, X: Any, y: Any, sample_weight: Any) -> Samples:
    """Return a partition as the networks of an estimator are trained on it."""
    sequences = read_sequences(reader, X, reset=False)
    sequences, targets = with_weight(sequences, reader._targets(y, sequences, sample_weight, reset=False))
    x, lengths = reader._inputs.encode(sequences), sequences.lengths
    samples: Samples = reader._read_by_networks(Samples(x, targets.values, lengths, targets.weights))
    return samples


def built(estimator: Any, rows: Rows, rng: np.random.Generator) -> builder.Network:
    """Return the networks of an estimator for so many sequences."""
    sizes = (len(estimator._inputs.mean), estimator._inputs.size, estimator._output_count())
    return builder.build(estimator, *sizes, rows, rng)


def plan(estimator: Any, rows: Rows) -> fitting.Plan:
    """Return how long an estimator trains on so many sequences, and in what portions."""
    networks = len(builder.networks_of(estimator.model_))
    return fitting.plan(estimator, rows.count, networks * -(-rows.steps // estimator._downsampling))


def training_loss(estimator: Any) -> Loss:
    """Return the loss that an estimator is trained with; every batch counts alike, whatever its weights."""
    networks = len(builder.networks_of(estimator.model_))
    loss: Loss = estimator._loss
    return fitting.LossOverNetworks(loss, networks) if networks > 1 else loss

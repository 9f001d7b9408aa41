"""The ridge beside the networks: when there is one, what its share in the answers is, and how answers are mixed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, NamedTuple, Self

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from gatewise.batches import Samples
from gatewise.convolutions.fitting import RidgeFit, TrainingFeatures
from gatewise.convolutions.path import RidgePath
from gatewise.errors import Array

FEWEST, FEW = 10, 1500
"""Training sequences from which and up to which "auto" fits a ridge: its time grows with the cube of their number."""
FOLDS = 3
SHARES = np.linspace(0, 1, 21)
ALMOST_ALL = 0.9
"""Share of the ridge from which the networks are not worth their training."""
CERTAIN = 0.005
"""Share of wrong rows on folds, up to which no networks are trained on the folds to compete with the ridge."""
AHEAD = 0.1
"""Lead of the ridge in the share of wrong rows on the folds so far, from which on no more folds are needed."""


class Ridge(NamedTuple):
    """A ridge on features of the sequences, with its share in the answers."""

    path: RidgePath
    share: float
    scale: float
    """What its outputs are multiplied by before they are mixed with those of the networks."""

    def outputs(self, x: Array, lengths: Array) -> Array:
        """Return its outputs (n, outputs) for what the networks read too, x (n, time, inputs)."""
        return self.scale * self.path.outputs(x, lengths)


class Mixture(ABC):
    """How outputs of networks and of a ridge are compared and mixed."""

    @abstractmethod
    def targets(self, y: Array, outputs: int) -> Array:
        """Return what the ridge is fitted to, float64 (n, outputs)."""

    @abstractmethod
    def scale(self, outputs: Array, y: Array, weights: Array) -> float:
        """Return what outputs of a ridge for held-out rows are best multiplied by."""

    @abstractmethod
    def error(self, outputs: Array, y: Array, weights: Array) -> float:
        """Return the mean error of outputs (n, outputs)."""

    @abstractmethod
    def wrong(self, outputs: Array, y: Array, weights: Array) -> float:
        """Return the share of rows, or of the targets' variance, that outputs (n, outputs) get wrong."""

    @abstractmethod
    def mixed(self, networks: Array, ridge: Array, share: float) -> Array:
        """Return outputs (n, outputs) of both, of which `share` is the ridge's."""

    @abstractmethod
    def folds(self, y: Array, rng: np.random.Generator) -> Array:
        """Return the number of the fold of each row, (n,)."""


class OfClasses(Mixture):
    """Outputs are logarithms of probabilities, those of a ridge times a scale; shares mix probabilities."""

    def targets(self, y: Array, outputs: int) -> Array:
        """Return 1 for a row's class and -1 for the others, as scikit-learn's RidgeClassifier has them."""
        return np.where(y[:, None] == np.arange(outputs), 1.0, -1.0)

    def scale(self, outputs: Array, y: Array, weights: Array) -> float:
        """Return the inverse temperature with the lowest log loss, where one row in n + 2 is of any class.

        Without that row the scale would be infinite where all rows are right.
        """
        doubt, total = 1 / (len(y) + 2), weights.sum()
        below = outputs - outputs.max(axis=1, keepdims=True)
        reached = weights @ ((1 - doubt) * _of_class(below, y) + doubt * below.mean(axis=1))

        def loss(logarithm: float) -> float:
            scale = np.exp(logarithm)
            return float((weights @ np.log(np.exp(scale * below).sum(axis=1)) - scale * reached) / total)

        return float(np.exp(minimize_scalar(loss, bounds=(-3, 5), method="bounded").x))

    def error(self, outputs: Array, y: Array, weights: Array) -> float:
        """Return the log loss."""
        return -float(np.average(_of_class(log_softmax(outputs, axis=1), y), weights=weights))

    def wrong(self, outputs: Array, y: Array, weights: Array) -> float:  # noqa: D102
        return float(np.average(outputs.argmax(axis=1) != y, weights=weights))

    def mixed(self, networks: Array, ridge: Array, share: float) -> Array:
        """Return logarithms of the mixed probabilities."""
        with np.errstate(divide="ignore"):  # of a share of 0
            parts = np.log1p(-share) + log_softmax(networks, axis=1), np.log(share) + log_softmax(ridge, axis=1)
        return np.asarray(np.logaddexp(*parts))

    def folds(self, y: Array, rng: np.random.Generator) -> Array:
        """Return folds with about as many rows of each class in all of them."""
        order = rng.permutation(len(y))
        order = order[np.argsort(y[order], kind="stable")]
        folds = np.empty(len(y), int)
        folds[order] = np.arange(len(y)) % FOLDS
        return folds


class OfNumbers(Mixture):
    """Outputs are standardized targets."""

    def targets(self, y: Array, outputs: int) -> Array:  # noqa: D102
        return y.astype(np.float64)

    def scale(self, outputs: Array, y: Array, weights: Array) -> float:  # noqa: D102
        return 1.0

    def error(self, outputs: Array, y: Array, weights: Array) -> float:
        """Return the mean squared error."""
        return float(np.average(np.mean((outputs - y) ** 2, axis=1), weights=weights))

    def wrong(self, outputs: Array, y: Array, weights: Array) -> float:  # noqa: D102
        return self.error(outputs, y, weights)

    def mixed(self, networks: Array, ridge: Array, share: float) -> Array:  # noqa: D102
        return (1 - share) * networks + share * ridge

    def folds(self, y: Array, rng: np.random.Generator) -> Array:  # noqa: D102
        return rng.permutation(len(y)) % FOLDS


def wanted(estimator: Any, rows: int) -> bool:
    """Whether an estimator fits a ridge on so many sequences."""
    if estimator.output == "all":
        return False
    return FEWEST <= rows <= FEW if estimator.ridge_share == "auto" else estimator.ridge_share > 0


class RidgeBeside(NamedTuple):
    """A ridge that has been fitted to samples, before its share is known."""

    mixture: Mixture
    fit: RidgeFit
    scale: float
    y: Array
    weights: Array
    folds: Array
    """Number of the fold of each row, (n,)."""
    by_folds: Array
    """What it predicts for the rows of each fold from those of the others, times `scale`, (n, outputs)."""

    @classmethod
    def of(cls, mixture: Mixture, samples: Samples, channels: int, outputs: int, rng: np.random.Generator) -> Self:
        """Fit it to samples of full length, of whose inputs the first `channels` are convolved."""
        x, y, lengths, weights = samples
        assert lengths is not None
        weights = np.ones(len(x)) if weights is None else weights

        def loss(predicted: Array, rows: Any) -> float:
            scale = mixture.scale(predicted, y[rows], weights[rows])
            return mixture.error(scale * predicted, y[rows], weights[rows])

        features = TrainingFeatures.of(x, lengths, channels, weights, rng)
        fit = RidgeFit.chosen(features, mixture.targets(y, outputs), loss, rng)
        left_out, folds = fit.left_out(), mixture.folds(y, rng)
        by_folds = fit.by_folds(folds) if len(y) >= FEWEST else left_out
        scale = mixture.scale(left_out, y, weights)
        return cls(mixture, fit, scale, y, weights, folds, scale * by_folds)

    def is_certain(self) -> bool:
        """Whether nothing that stands beside it could be better by much."""
        return self.mixture.wrong(self.by_folds, self.y, self.weights) <= CERTAIN

    def is_ahead(self, networks: Array, rows: Array) -> bool:
        """Whether it is far ahead of outputs of networks for some rows."""
        y, weights = self.y[rows], self.weights[rows]
        wrong = [self.mixture.wrong(outputs[rows], y, weights) for outputs in (networks, self.by_folds)]
        return wrong[0] - wrong[1] > AHEAD and self.best_share(networks, rows) == 1

    def best_share(self, networks: Array, rows: Array) -> float:
        """Return the share with the lowest error on some rows, beside networks trained on the other folds.

        Of shares that are equally good it is the highest, and what is almost 1 is 1.
        """
        ridge, y, weights = self.by_folds[rows], self.y[rows], self.weights[rows]
        mixtures = [self.mixture.mixed(networks[rows], ridge, share) for share in SHARES]
        errors = [self.mixture.error(outputs, y, weights) for outputs in mixtures]
        share = float(SHARES[len(SHARES) - 1 - int(np.argmin(errors[::-1]))])
        return 1.0 if share >= ALMOST_ALL else share

    def with_share(self, share: float) -> Ridge:
        """Return the ridge with its share."""
        return Ridge(self.fit.path(), share, self.scale)


def _of_class(logarithms: Array, y: Array) -> Array:
    return np.asarray(logarithms[np.arange(len(y)), y])

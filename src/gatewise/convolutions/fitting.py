"""The fit of a ridge on features of few sequences: what each kind of feature counts, and how strong the ridge is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Self

import numpy as np

from gatewise.convolutions.features import blocks_of
from gatewise.convolutions.kernels import Convolutions
from gatewise.convolutions.path import RidgePath
from gatewise.convolutions.ridge import STRENGTHS, Spectrum
from gatewise.errors import Array
from gatewise.threads import map_side_by_side, single_threaded_blas

SIZE = 10_000
"""Thresholds of the convolutions, about; Dempster et al. take as many."""
MIXES = tuple((1.0, highest, levels) for highest in (0.0, 1.0) for levels in (0.0, 0.3, 1.0, 3.0))
"""What shares, highest outputs and levels count in the products of rows; each of these mixes is tried."""
ROWS_TO_CHOOSE = 400
"""Rows from which the mix is chosen, where there are more."""
ROWS_AT_ONCE = 256
"""Rows whose products are one task of a thread; set, and not varied."""
SAYS_NOTHING = 1e-5
"""Standard deviation, in units of a mean beyond 1, below which a feature is left out."""

Loss = Callable[[Array, Any], float]
"""(predictions of held-out rows (n, outputs), their indices or a slice) -> how bad they are."""


class TrainingFeatures(NamedTuple):
    """Standardized features of the training rows, block by block, with the products of the rows."""

    convolutions: Convolutions
    blocks: tuple[Array, ...]
    """float32 (n, features of the block) each."""
    center: Array
    spread: Array
    """(features,): infinite where a feature says nothing."""
    grams: Array
    """(blocks, n, n): the mean of a block's diagonal is about 1."""
    weights: Array
    """(n,)."""

    @classmethod
    @single_threaded_blas()
    def of(cls, x: Array, lengths: Array, channels: int, weights: Array, rng: np.random.Generator) -> Self:
        """Draw convolutions of the first `channels` inputs of x (n, time, inputs), and take all features."""
        convolutions = Convolutions.draw(x[:, :, :channels], lengths, SIZE, rng)
        found = [_standardized(block, weights) for block in blocks_of(convolutions, x, lengths)]
        blocks, centers, spreads = zip(*found, strict=True)
        grams = np.stack([_products(block).astype(np.float64) / block.shape[1] for block in blocks])
        return cls(convolutions, blocks, np.concatenate(centers), np.concatenate(spreads), grams, weights)

    def spectrum(self, mix: tuple[float, ...], rows: Any = slice(None)) -> Spectrum:
        """Return the spectrum of some rows, with blocks that count as `mix` says."""
        return Spectrum.of(np.tensordot(mix, self.grams[:, rows][:, :, rows], axes=1), self.weights[rows])


class RidgeFit(NamedTuple):
    """Features, and the mix and strength whose predictions of held-out rows are best."""

    features: TrainingFeatures
    mix: tuple[float, ...]
    strength: float
    y: Array
    """(n, outputs)."""
    spectrum: Spectrum
    """Of all rows, with this mix."""

    @classmethod
    @single_threaded_blas()
    def chosen(cls, features: TrainingFeatures, y: Array, loss: Loss, rng: np.random.Generator) -> Self:
        """Return the fit of y (n, outputs) whose predictions of each row from the others have the lowest loss."""
        rows = rng.permutation(len(y))[:ROWS_TO_CHOOSE]
        mix, strength, _ = min(_losses(features, y, loss, MIXES, rows), key=lambda tried: tried[2])
        spectrum = features.spectrum(mix)
        if len(rows) < len(y):
            strength = min(STRENGTHS.tolist(), key=lambda s: loss(spectrum.left_out(y, s), slice(None)))
        return cls(features, mix, strength, y, spectrum)

    @single_threaded_blas()
    def left_out(self) -> Array:
        """Return what is predicted for each row from all others, (n, outputs)."""
        return self.spectrum.left_out(self.y, self.strength)

    @single_threaded_blas()
    def by_folds(self, folds: Array) -> Array:
        """Return what is predicted for the rows of each fold from those of the other folds, (n, outputs)."""
        gram, numbers = self.spectrum.gram, np.unique(folds)

        def of_fold(fold: Any) -> Array:
            rest, held_out = folds != fold, folds == fold
            spectrum = Spectrum.of(gram[np.ix_(rest, rest)], self.features.weights[rest])
            return spectrum.predicted(gram[np.ix_(held_out, rest)], self.y[rest], self.strength)

        predicted = np.empty_like(self.y)
        for fold, rows in zip(numbers, map_side_by_side(of_fold, numbers.tolist()), strict=True):
            predicted[folds == fold] = rows
        return predicted

    @single_threaded_blas()
    def path(self) -> RidgePath:
        """Return the ridge as coefficients of the features."""
        spectrum, known = self.spectrum, self.features
        rows = spectrum.coefficients(self.y, self.strength)
        blocks = zip(self.mix, known.blocks, strict=True)
        weights = np.concatenate([share / block.shape[1] * (block.T @ rows) for share, block in blocks])
        coefficients = np.ascontiguousarray((weights / known.spread[:, None]).T, np.float32)
        return RidgePath(known.convolutions, known.center, coefficients, spectrum.mean(self.y))


def _losses(
    features: TrainingFeatures, y: Array, loss: Loss, mixes: Sequence[tuple[float, ...]], rows: Array
) -> list[tuple[tuple[float, ...], float, float]]:
    """Return mix, strength and loss of the predictions of each row from the others."""

    def of_mix(mix: tuple[float, ...]) -> list[tuple[tuple[float, ...], float, float]]:
        spectrum = features.spectrum(mix, rows)
        return [(mix, s, loss(spectrum.left_out(y[rows], s), rows)) for s in STRENGTHS.tolist()]

    return [tried for of_one in map_side_by_side(of_mix, mixes) for tried in of_one]


def _products(block: Array) -> Array:
    """Products of all rows, float32 (n, n): of some rows at a time, so that no number of threads changes their sums."""
    count = len(block)
    parts = [slice(start, start + ROWS_AT_ONCE) for start in range(0, count, ROWS_AT_ONCE)]
    pairs = [(one, other) for k, one in enumerate(parts) for other in parts[: k + 1]]
    products = np.empty((count, count), block.dtype)

    def of_pair(pair: tuple[slice, slice]) -> None:
        one, other = pair
        products[one, other] = block[one] @ block[other].T
        products[other, one] = products[one, other].T

    map_side_by_side(of_pair, pairs)
    return products


def _standardized(block: Array, weights: Array) -> tuple[Array, Array, Array]:
    """Features less their weighted means in units of their spread over all rows, the means, and the spreads."""
    center = np.average(block, axis=0, weights=weights).astype(np.float32)
    deviation = block - center
    spread = block.std(axis=0, dtype=np.float64)
    spread = np.where(spread > SAYS_NOTHING * np.maximum(1, np.abs(center)), spread, np.inf)
    return (deviation / spread).astype(np.float32), center, spread

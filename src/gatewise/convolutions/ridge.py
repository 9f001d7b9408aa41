"""Ridge regression of few rows on many features, and what it predicts for each row from the others."""

from __future__ import annotations

from typing import NamedTuple, Self

import numpy as np

from gatewise.errors import Array

STRENGTHS = 10.0 ** np.arange(-4, 2.01, 0.5)
"""Penalties that are tried, in units of the mean eigenvalue."""


class Spectrum(NamedTuple):
    """Weighted rows in the axes of their Gram matrix, in which a ridge of any strength is a division."""

    values: Array
    """Eigenvalues, (n,)."""
    vectors: Array
    """Eigenvectors in columns, (n, n)."""
    root: Array
    """Square roots of the rows' weights, whose mean is 1, (n,)."""
    gram: Array
    """The products of the rows as they came, (n, n)."""

    @classmethod
    def of(cls, gram: Array, weights: Array) -> Self:
        """Take the products (n, n) of rows, and the rows' weights (n,), with which they are centered."""
        root = np.sqrt(weights / weights.mean())
        values, vectors = np.linalg.eigh(_centered(gram, gram, root) * root[:, None] * root)
        return cls(np.maximum(values, 0), vectors, root, gram)

    def left_out(self, y: Array, strength: float) -> Array:
        """Return what a ridge on all other rows predicts for each row of y (n, targets).

        In closed form: the residual of a row that is held out is its residual over 1 - leverage (Hastie, Tibshirani
        and Friedman, *The Elements of Statistical Learning*, section 7.10).
        """
        shrunk = self.values / (self.values + self._penalty(strength))
        deviation = self._deviation(y)
        residual = deviation - self.vectors @ (shrunk[:, None] * (self.vectors.T @ deviation))
        leverage = self.vectors**2 @ shrunk + self.root**2 / len(y)
        held_out: Array = y - residual / (np.maximum(1 - leverage, 1e-6) * self.root)[:, None]
        return held_out

    def coefficients(self, y: Array, strength: float) -> Array:
        """Return what each row counts, (n, targets): the weights of the features are their products with the rows."""
        turned = self.vectors.T @ self._deviation(y)
        scaled = self.vectors @ (turned / (self.values + self._penalty(strength))[:, None])
        return np.asarray(self.root[:, None] * scaled)

    def predicted(self, products: Array, y: Array, strength: float) -> Array:
        """Return what a ridge of y (n, targets) predicts for new rows with these products with the rows, (new, n)."""
        found: Array = _centered(products, self.gram, self.root) @ self.coefficients(y, strength) + self.mean(y)
        return found

    def mean(self, y: Array) -> Array:
        """Return the weighted mean of y (n, targets), (targets,)."""
        return np.asarray(self.root**2 @ y / len(y))

    def _deviation(self, y: Array) -> Array:
        return np.asarray(self.root[:, None] * (y - self.mean(y)))

    def _penalty(self, strength: float) -> float:
        return strength * max(float(self.values.mean()), float(np.finfo(float).tiny))


def _centered(products: Array, gram: Array, root: Array) -> Array:
    """Products (new, n) with the weighted mean of the n rows taken from all rows, given those of the n rows."""
    share = root**2 / len(root)
    centered: Array = products - (products @ share)[:, None] - gram @ share + share @ gram @ share
    return centered

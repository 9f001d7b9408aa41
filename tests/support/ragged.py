"""Sequences of different lengths, small estimators fitted to them, and what these answer."""

import numpy as np
import pytest

import gatewise as gw
from gatewise import kernels

SMALL = {"hidden_size": 8, "max_iter": 3, "n_networks": 2, "random_state": 0}


def ragged(n=30, channels=3, seed=0, longest=12):
    """Sequences whose class and number is told by where their first channel goes."""
    rng = np.random.default_rng(seed)
    slope = rng.uniform(-1, 1, size=n)
    X = [
        np.column_stack([s * np.arange(length), rng.normal(size=(length, channels - 1))]) + 0.1 * rng.normal()
        for s, length in zip(slope, rng.integers(3, longest + 1, size=n), strict=True)
    ]
    return X, slope


def fitted(kind, X, slope, **options):
    y = (slope > 0) if kind is gw.RecurrentClassifier else slope
    return kind(**SMALL | options).fit(X, y)


def answers(model, X):
    return model.predict_proba(X) if isinstance(model, gw.RecurrentClassifier) else model.predict(X)


both = pytest.mark.parametrize("kind", [gw.RecurrentClassifier, gw.RecurrentRegressor])


def assert_same_rows(a, b):
    if kernels.enabled():
        np.testing.assert_array_equal(a, b)
    else:
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)

"""Intervals: calibrated quantiles reach their levels."""

import numpy as np

import gatewise as gw
from gatewise.forecasting import intervals

FAST = {"max_updates": 60, "n_networks": 1, "hidden_size": 8, "random_state": 0}


def test_offsets_reach_their_levels():
    rng = np.random.default_rng(0)
    errors = rng.normal(size=(3000, 4)) * np.array([1, 2, 3, 4])
    levels = (0.1, 0.5, 0.9)
    found = intervals.offsets(np.repeat(errors[..., None], 3, axis=2), levels, intervals.growth(errors))
    np.testing.assert_allclose(found[:, 2] / [1, 2, 3, 4], 1.28, atol=0.12)
    np.testing.assert_allclose(found[:, 0] / [1, 2, 3, 4], -1.28, atol=0.12)
    assert not found[:, 1].any()
    few = intervals.offsets(np.repeat(errors[:5, :1, None], 3, axis=2), levels, np.ones(1))
    np.testing.assert_allclose(few[0], [errors[:5, 0].min(), 0, errors[:5, 0].max()])


def test_monotone_keeps_the_median():
    levels = (0.1, 0.3, 0.5, 0.9)
    values = np.array([[3.0, 0.5, 2.0, 1.0]])
    np.testing.assert_array_equal(intervals.monotone(values, levels), [[0.5, 0.5, 2.0, 2.0]])


def test_intervals_widen_as_a_walk_does():
    """Of a walk the error k steps ahead is √k times that of one step, and so is the interval."""
    y = np.random.default_rng(6).normal(size=900).cumsum()
    found = gw.RecurrentForecaster(9, **FAST).fit(y).predict_quantiles()
    width = found[:, 2] - found[:, 0]
    assert 1.9 < width[0] < 3.4
    assert 1.9 < width[8] / width[0] < 4.2


def test_intervals_cover_what_they_promise():
    """Nominal 80 % on 150 short walks covers 72 to 88 % of the steps held out."""
    rng = np.random.default_rng(5)
    walks = [scale * rng.normal(size=30).cumsum() for scale in np.exp(rng.normal(size=150))]
    found = gw.RecurrentForecaster(5, **FAST).fit([walk[:-5] for walk in walks])
    inside = [
        ((walk[-5:] >= part[0.1]) & (walk[-5:] <= part[0.9])).mean()
        for walk, part in zip(walks, found.predict_quantiles(), strict=True)
    ]
    assert 0.72 < np.mean(inside) < 0.88

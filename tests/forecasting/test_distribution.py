"""A predictive distribution between, at and beyond its levels."""

import numpy as np
import pytest
from scipy import stats

import gatewise as gw
from gatewise.forecasting.distribution import GRID, Distribution


def of(kind) -> Distribution:
    return Distribution(GRID, kind.ppf(np.array(GRID))[None, None] * np.array([1.0, 2.0])[:, None])


def test_levels_are_in_order_and_mirror_each_other():
    assert list(GRID) == sorted(GRID)
    np.testing.assert_allclose(np.array(GRID) + np.array(GRID)[::-1], 1, atol=1e-12)


def test_a_normal_distribution_is_itself_between_its_levels():
    levels = [0.0071, 0.123, 0.5, 0.77, 0.97]
    found = of(stats.norm(3, 2)).quantile(levels)
    assert found.shape == (1, 2, 5)
    np.testing.assert_allclose(found[0, 0], stats.norm(3, 2).ppf(levels), atol=1e-9)


def test_levels_of_the_grid_are_exact():
    one = of(stats.laplace())
    np.testing.assert_array_equal(one.quantile(GRID), one.values)


def test_tails_of_an_exponential_are_its_own():
    levels = [1e-6, 1e-4, 0.999, 0.99999]
    np.testing.assert_allclose(of(stats.laplace()).quantile(levels)[0, 0], stats.laplace.ppf(levels), rtol=1e-6)


def test_probability_is_the_inverse():
    one = of(stats.t(4))
    for level in (1e-5, 0.004, 0.02, 0.3, 0.5, 0.61, 0.9991):
        np.testing.assert_allclose(one.probability(one.quantile([level])[..., 0]), level, rtol=1e-6)
    assert np.isnan(one.probability(np.array([[np.nan, 0.0]]))[0, 0])


def test_probability_of_a_point_mass_is_its_middle():
    """Of counts that are 0 in six of ten steps, 0 has a probability of 0.3, and 0.1 more than 0.6."""
    values = np.maximum(stats.norm.ppf(np.array(GRID)) - stats.norm.ppf(0.6), 0)[None, None]
    counts = Distribution(GRID, values, lowest=np.zeros(1))
    found = [float(counts.probability(np.array([[x]]))[0, 0]) for x in (-1.0, 0.0, 0.1)]
    np.testing.assert_allclose(found[:2], [0, 0.3], atol=0.01)
    assert 0.6 < found[2] < 0.7
    assert (counts.quantile([1e-6, 0.4]) == 0).all()


def test_levels_beyond_those_kept_are_refused():
    kept = Distribution((0.1, 0.5, 0.9), np.array([[[1.0, 2.0, 5.0]]]), has_tails=False)
    assert 1 < kept.quantile([0.3])[0, 0, 0] < 2
    with pytest.raises(gw.GatewiseError, match=r"0\.95.*from 0\.1 to 0\.9"):
        kept.quantile([0.5, 0.95])

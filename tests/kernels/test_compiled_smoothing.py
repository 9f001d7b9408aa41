"""The compiled recursion of exponential smoothing against the one in NumPy."""

import numpy as np
import pytest

from gatewise import kernels
from gatewise.forecasting.smoothing import recursion
from gatewise.forecasting.smoothing.recursion import Parameters

pytestmark = pytest.mark.skipif(not kernels.enabled(), reason="kernels are switched off")


@pytest.mark.parametrize("multiplicative", [False, True])
@pytest.mark.parametrize("trend", [False, True])
@pytest.mark.parametrize(("m", "candidates"), [(1, 1), (4, 11)])
def test_compiled_recursion_is_that_in_numpy(monkeypatch, multiplicative, trend, m, candidates):
    rng = np.random.default_rng(0)
    shape = 3, candidates
    y = 5 + rng.normal(size=(13, 3))
    y[[2, 7], [0, 1]] = np.nan, np.inf
    season = rng.uniform(0.5, 1.5, (m, 3))
    beta, slope = (rng.uniform(0, 0.1, shape) if trend else np.zeros(shape) for _ in range(2))
    gamma = rng.uniform(0, 0.3, shape) if m > 1 else np.zeros(shape)
    p = Parameters(rng.random(shape), beta, np.full(shape, 0.9), gamma, rng.uniform(3, 5, shape), slope)

    def both():
        errors = recursion.errors(y, season, p, multiplicative)
        return errors, recursion.states(y, season, p, multiplicative) if candidates == 1 else errors

    compiled = both()
    monkeypatch.setattr(kernels, "recursions", lambda: None)
    for one, plain in zip(compiled, both(), strict=True):
        np.testing.assert_allclose(one, plain, rtol=1e-10, atol=1e-12)

"""The compiled passes of `Pool` against those in NumPy."""

import numpy as np
import pytest

from gatewise import kernels
from gatewise.layers import Pool

pytestmark = pytest.mark.skipif(not kernels.enabled(), reason="kernels are switched off")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize(("kinds", "parts"), [(("last", "mean", "max"), 1), (("max", "last"), 1), (("mean",), 5)])
def test_compiled_passes_are_those_in_numpy(monkeypatch, dtype, bidirectional, kinds, parts):
    rng = np.random.default_rng(0)
    pool = Pool(18, kinds, parts=parts, bidirectional=bidirectional)
    x, lengths = rng.normal(size=(4, 9, 18)).astype(dtype), np.array([9, 1, 4, 7])
    y, _, tape = pool.forward(x, lengths=lengths)
    dy = rng.normal(size=y.shape).astype(dtype)
    dx = pool.backward(tape, dy)[0]
    monkeypatch.setattr(kernels, "pools", lambda: None)
    plain, _, plain_tape = pool.forward(x, lengths=lengths)
    tolerance = {"rtol": 2e-5, "atol": 2e-6} if dtype == np.float32 else {"rtol": 1e-12, "atol": 1e-13}
    np.testing.assert_allclose(y, plain, **tolerance)
    np.testing.assert_array_equal(tape.highest, plain_tape.highest)
    np.testing.assert_allclose(dx, pool.backward(plain_tape, dy)[0], **tolerance)


def test_a_maximum_that_is_no_number_stays():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1, 5, 3))
    x[0, 2, 1] = np.nan
    y, _, tape = Pool(3, "max").forward(x)
    assert np.isnan(y[0, 1])
    assert tape.highest[0, 1] == 2


def test_of_equal_maxima_the_first_takes_the_gradient():
    pool = Pool(1, "max")
    _, _, tape = pool.forward(np.array([[[1.0], [3.0], [3.0], [9.0]]]), lengths=[3])
    np.testing.assert_array_equal(pool.backward(tape, np.array([[2.0]]))[0][0, :, 0], [0, 2, 0, 0])


def test_a_row_does_not_depend_on_the_others():
    rng = np.random.default_rng(0)
    pool, lengths = Pool(5, ("mean", "max")), np.array([3, 8, 6])
    x = rng.normal(size=(3, 8, 5)).astype(np.float32)
    together = pool(x, lengths=lengths)[0]
    for row, length in enumerate(lengths):
        alone = pool(x[row : row + 1, :length])[0]
        np.testing.assert_array_equal(alone[0], together[row])

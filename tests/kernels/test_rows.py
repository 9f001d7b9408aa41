"""A matrix times a vector with nothing packed: every number of rows and columns, in either order."""

import numpy as np
import pytest
from kernel_cases import compiled

pytestmark = compiled


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("turn", [0, 1])
def test_products_are_those_of_numpy_at_any_size(dtype, turn):
    from gatewise.kernels.rows import times_vector

    rng = np.random.default_rng(0)
    for rows in (1, 3, 4, 15, 16, 17, 40, 64):
        for K in (1, 2, 7, 8, 16, 17, 33):
            M, a, init = (rng.normal(size=shape).astype(dtype) for shape in ((rows + 2, K), (K + 3,), (rows + 2,)))
            out = np.full(rows + 4, 7, dtype)
            sizes = (np.int64(2), np.int64(rows), np.int64(K))
            times_vector(M.ravel(), *sizes, a, np.int64(3), init, out, np.int64(1), np.int64(turn))
            expected = init[2:].astype(float) + M[2:].astype(float) @ a[3:].astype(float)
            np.testing.assert_allclose(out[1 : rows + 1], expected, atol=1e-5 if dtype == "float32" else 1e-13)
            assert (out[[0, *range(rows + 1, rows + 4)]] == 7).all()


def test_columns_beyond_the_vector_are_not_touched():
    from gatewise.kernels.rows import times_vector

    M, a, init, out = np.ones((20, 3)), np.array([1.0, 2.0, 3.0, np.nan]), np.zeros(20), np.zeros(20)
    zero = np.int64(0)
    times_vector(M.ravel(), zero, np.int64(20), np.int64(3), a, zero, init, out, zero, zero)
    np.testing.assert_array_equal(out, 6)

"""Products and packing of the kernels, alone: exact for any shape, each row independent of the others."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewise import kernels

if not kernels.enabled():
    pytest.skip("kernels are switched off", allow_module_level=True)

from gatewise.kernels import multiply, products
from gatewise.kernels.marks import routine
from gatewise.kernels.tiles import tile
from gatewise.kernels.vectors import BYTES

DTYPES = [np.float32, np.float64]
dtypes = pytest.mark.parametrize("dtype", DTYPES, ids=["float32", "float64"])


def lanes(dtype):
    return BYTES // np.dtype(dtype).itemsize


def product(A, rows, K, B, panels, I, C):
    multiply.matmul(A, rows, K, B, panels, I, C)


def operand(array, *numbers):
    """An operand of a product: an array, flat, its offset and strides."""
    return (array.reshape(-1), *(np.int64(n) for n in numbers))


def integers(rng, shape, dtype):
    """Numbers whose products and sums are exact in float32, in whatever order."""
    return rng.integers(-9, 10, shape).astype(dtype)


def arena(dtype, size=1 << 18):
    """Scratch memory as a kernel call has it, holding what must not be read."""
    return np.full(size, np.nan, dtype), np.zeros(1, np.int64)


def padded(a, G, H):
    """a (G·H, N) as (G·Hp, N), rows of 0 at the end of each gate."""
    parts = a.reshape(G, H, -1)
    return np.concatenate([parts, np.zeros((G, -H % lanes(a.dtype), parts.shape[2]), a.dtype)], axis=1).reshape(
        -1, parts.shape[2]
    )


@given(
    st.sampled_from(DTYPES),
    st.integers(0, 26),
    st.sampled_from([0, 1, 2, 5, 33]),
    st.integers(1, 27),
    st.integers(0, 2**32 - 1),
)
@settings(max_examples=150)
def test_matmul_is_exact_for_any_rows_depth_and_panels(dtype, rows, K, panels, seed):
    rng = np.random.default_rng(seed)
    N, guard = panels * lanes(dtype), 3
    a, b, init = (integers(rng, shape, dtype) for shape in [(rows, K), (K, N + 5), (rows, N)])
    c = np.full((rows + 1) * (N + guard) + guard, 99, dtype)
    A, B = operand(a, 0, K, 1), operand(b, 0, N + 5)
    product(A, rows, K, B, panels, operand(init, 0, N), operand(c, guard, N + guard))
    body = c[guard:].reshape(rows + 1, N + guard)
    np.testing.assert_array_equal(body[:rows, :N], init + a @ b[:, :N])
    body[:rows, :N] = 99
    np.testing.assert_array_equal(c, 99)  # nothing else was written


@given(st.sampled_from(DTYPES), st.integers(1, 19), st.integers(0, 40), st.integers(1, 26), st.integers(0, 2**32 - 1))
@settings(max_examples=80)
def test_matmul_of_a_transposed_array_adds_to_what_is_there(dtype, rows, K, panels, seed):
    """As gradients of weights are summed."""
    rng = np.random.default_rng(seed)
    N, skip = panels * lanes(dtype), 4
    a, b = integers(rng, (K, rows + 2), dtype), integers(rng, (K, N), dtype)
    c = integers(rng, (rows, N), dtype)
    total = np.concatenate([np.full(skip, 5, dtype), c.ravel()])
    A = operand(np.concatenate([np.full(1, 7, dtype), a.ravel()]), 1, 1, rows + 2)
    product(A, rows, K, operand(b, 0, N), panels, operand(total, skip, N), operand(total, skip, N))
    np.testing.assert_array_equal(total[:skip], 5)
    np.testing.assert_array_equal(total[skip:].reshape(rows, N), c + a[:, :rows].T @ b)


@given(
    st.sampled_from(DTYPES),
    st.integers(1, 4),
    st.integers(1, 70),
    st.integers(1, 40),
    st.integers(0, 18),
    st.integers(0, 2**32 - 1),
)
@settings(max_examples=120)
def test_packed_weights_multiply_as_the_weights_do(dtype, G, H, N, rows, seed):
    """M (G·H, N) from the right as x Mᵀ, and as dp M with padded gates; one starting row serves all rows."""
    rng = np.random.default_rng(seed)
    L = lanes(dtype)
    M = integers(rng, (G * H, N), dtype)
    wide = padded(M, G, H)
    P, Np = len(wide), N + -N % L
    x, bias = integers(rng, (rows, N), dtype), integers(rng, (P,), dtype)
    c = np.full((rows, P), 99, dtype)
    packed = np.full(P * N, np.nan, dtype)
    products.pack_rows(packed, 0, M, 0, H, G, H)
    B = operand(packed, 0, 0)
    product(operand(x, 0, N, 1), rows, N, B, P // L, operand(bias, 0, 0), operand(c, 0, P))
    np.testing.assert_array_equal(c, bias + x @ wide.T)
    dp, zero = integers(rng, (rows, P), dtype), np.zeros(Np, dtype)
    c = np.full((rows, Np), 99, dtype)
    B = operand(columns(M, 0, G, H, 0, N), 0, 0)
    product(operand(dp, 0, P, 1), rows, P, B, Np // L, operand(zero, 0, 0), operand(c, 0, Np))
    np.testing.assert_array_equal(c[:, :N], dp @ wide)
    np.testing.assert_array_equal(c[:, N:], 0)


@dtypes
@pytest.mark.parametrize("K", [multiply.DEPTH, multiply.DEPTH + 1, 2 * multiply.DEPTH + 8])
def test_a_product_in_blocks_of_depth_is_the_product_in_one(dtype, K):
    """Bit for bit: the sums go on where they were."""
    rng, rows, panels = np.random.default_rng(K), 2 * multiply.HEIGHTS[0] + 3, 5
    N = panels * lanes(dtype)
    a, b, init = (rng.normal(size=shape).astype(dtype) for shape in [(rows, K), (K, N), (N,)])
    c, one = np.empty((2, rows, N), dtype)
    product(operand(a, 0, K, 1), rows, K, operand(b, 0, N), panels, operand(init, 0, 0), operand(c, 0, N))
    for m in range(rows):  # alone, a row is not cut
        A, C = operand(a, m * K, K, 1), operand(one, m * N, N)
        product(A, 1, K, operand(b, 0, N), panels, operand(init, 0, 0), C)
    np.testing.assert_array_equal(c, one)
    np.testing.assert_allclose(c, init + a @ b, rtol=0, atol=100 * K * np.finfo(dtype).eps)


@dtypes
@pytest.mark.parametrize(
    ("rows", "K", "panels"), [(3, 5, 2), (multiply.ROWS_TO_PACK, 17, 13), (multiply.ROWS_TO_PACK + 9, 65, 25)]
)
def test_a_product_over_time_adds_to_what_is_there_packed_or_not(dtype, rows, K, panels):
    rng, L = np.random.default_rng(K), lanes(dtype)
    N = panels * L
    a, b, c = (integers(rng, shape, dtype) for shape in [(K, rows + 3), (K, N + 2), (rows, N)])
    sizes = (rows * (K + -K % L + L), K * multiply.GROUP * L) if rows >= multiply.ROWS_TO_PACK else (0, 0)
    need = c + a[:, 2 : rows + 2].T @ b[:, 1 : N + 1]
    for left, right in {sizes, (0, 0)}:
        total = c.copy()
        memory = np.full(left, np.nan, dtype), np.full(right, np.nan, dtype)
        A, B, C = operand(a, 2, rows + 3), operand(b, 1, N + 2), operand(total, 0, N)
        multiply.add_product(A, rows, K, B, panels, C, *memory)
        np.testing.assert_array_equal(total, need)


@dtypes
def test_a_row_of_a_product_does_not_depend_on_the_rows_and_panels_beside_it(dtype):
    rng = np.random.default_rng(4)
    L, K, panels = lanes(dtype), 70, 31
    N = panels * L
    a, b, bias = (rng.normal(size=shape).astype(dtype) for shape in [(21, K), (K, N), (N,)])

    def run(first, rows, first_panel, count):
        c = np.empty((rows, count * L), dtype)
        A, B = operand(a, first * K, K, 1), operand(b, first_panel * L, N)
        product(A, rows, K, B, count, operand(bias, first_panel * L, 0), operand(c, 0, count * L))
        return c

    need = np.concatenate([run(m, 1, 0, panels) for m in range(21)])
    np.testing.assert_allclose(need, bias + a @ b, rtol=0, atol=100 * K * np.finfo(dtype).eps)
    for first, rows in [(0, 21), (1, 20), (3, 8), (5, 4), (2, 15), (20, 1)]:
        for first_panel, count in [(0, 31), (1, 3), (4, 6), (2, 13), (30, 1), (3, 24)]:
            got = run(first, rows, first_panel, count)
            np.testing.assert_array_equal(got, need[first : first + rows, first_panel * L : (first_panel + count) * L])


@dtypes
def test_products_keep_nan_and_infinity(dtype):
    L = lanes(dtype)
    a = np.array([[np.inf, 0], [0, np.nan], [1, 2], [np.inf, -np.inf]], dtype)
    b = np.concatenate([np.ones((1, L)), np.arange(L)[None]]).astype(dtype)
    c = np.empty((4, L), dtype)
    product(operand(a, 0, 2, 1), 4, 2, operand(b, 0, L), 1, operand(np.zeros(L, dtype), 0, 0), operand(c, 0, L))
    with np.errstate(invalid="ignore"):
        need = a[:, :1] * b[0] + a[:, 1:] * b[1]
    np.testing.assert_array_equal(c, need)


@dtypes
@pytest.mark.parametrize(("rows", "panels"), [(1, 1), (2, 3), (5, 2)])
def test_a_tile_of_any_size_begins_where_it_is_told(dtype, rows, panels):
    apply = tile(rows, panels)

    @routine
    def run(A, B, I, C, K, m0, j0):
        apply(A, B, I, C, K, m0, j0)

    rng = np.random.default_rng(5)
    L, K, m0, j0 = lanes(dtype), 6, 2, 1
    N = (j0 + panels) * L
    a, b, init = (integers(rng, shape, dtype) for shape in [(m0 + rows, K), (K, N), (m0 + rows, N)])
    c = np.full_like(init, 99)
    run(operand(a, 0, K, 1), operand(b, j0 * L, N), operand(init, 0, N), operand(c, 0, N), K, m0, j0)
    need = np.full_like(c, 99)
    need[m0:, j0 * L :] = (init + a @ b)[m0:, j0 * L :]
    np.testing.assert_array_equal(c, need)


@dtypes
@pytest.mark.parametrize(("G", "H", "N"), [(1, 1, 1), (3, 5, 2), (4, 16, 17), (3, 17, 33), (1, 64, 64)])
def test_padding_fills_up_with_0_and_unpadding_takes_it_away(dtype, G, H, N):
    M = np.random.default_rng(6).normal(size=(G * H, N)).astype(dtype)
    wide = padded(M, G, H)
    out = np.full(len(wide) + 3, 7, dtype)
    products.pad(out, 3, M[:, 0].copy(), 0, H, G, H)
    np.testing.assert_array_equal(out[3:], wide[:, 0])
    np.testing.assert_array_equal(out[:3], 7)
    out = np.full_like(M, np.nan)
    cut = N // 2  # in two pieces, as a team does
    products.unpad_transposed(np.empty(lanes(dtype) ** 2, dtype), wide[:, :cut].T.ravel(), out, N, G, 0, cut)
    assert np.isnan(out[:, cut:]).all()
    products.unpad_transposed(np.empty(lanes(dtype) ** 2, dtype), wide[:, cut:].T.ravel(), out, N, G, cut, N - cut)
    np.testing.assert_array_equal(out, M)
    out = np.full(G * H, np.nan, dtype)
    products.unpad(wide[:, 0].copy(), out, G, 0, H // 2)
    products.unpad(wide[:, 0].copy(), out, G, H // 2, H - H // 2)
    np.testing.assert_array_equal(out, M[:, 0])


@dtypes
@pytest.mark.parametrize("rows", [0, 1, 7])
def test_add_columns_adds_to_what_is_there(dtype, rows):
    rng = np.random.default_rng(7)
    width = 3 * lanes(dtype)
    total, a = integers(rng, (width,), dtype), integers(rng, (rows, width), dtype)
    need = total + a.sum(axis=0)
    untouched = total[: lanes(dtype)].copy()
    products.add_columns(total, a.ravel(), rows, width, lanes(dtype), width)
    np.testing.assert_array_equal(total[lanes(dtype) :], need[lanes(dtype) :])
    np.testing.assert_array_equal(total[: lanes(dtype)], untouched)


@routine
def taken(workspace, size, starts):
    """Take two pieces of scratch memory; write where they start, return whether they fit."""
    one, other = products.scratch(workspace, size), products.scratch(workspace, size)
    starts[0], starts[1] = one.ctypes.data, other.ctypes.data
    return products.fits(workspace)


@dtypes
@pytest.mark.parametrize("size", [0, 1, 100])
def test_scratch_is_aligned_and_apart_and_says_how_much_it_needs(dtype, size):
    starts, itemsize = np.zeros(2, np.int64), np.dtype(dtype).itemsize
    assert not taken(arena(dtype, 8), 100, starts)
    workspace = arena(dtype, 8)
    taken(workspace, size, starts)
    need = int(workspace[1][0]) + lanes(dtype)  # memory may start off a vector
    workspace = arena(dtype, need)
    assert taken(workspace, size, starts)
    first, last = workspace[0].ctypes.data, workspace[0].ctypes.data + workspace[0].nbytes
    assert first <= starts[0] <= starts[0] + size * itemsize <= starts[1] <= starts[1] + size * itemsize <= last
    assert size == 0 or not (starts % BYTES).any()


def columns(M, row, G, H, column, count):
    """What `pack_columns` makes."""
    L = lanes(M.dtype)
    out = np.full((count + -count % L) * G * (H + -H % L), np.nan, M.dtype)
    products.pack_columns(out, M, row, G, H, column, count)
    return out


@dtypes
def test_packing_begins_at_the_row_it_is_told(dtype):
    rng = np.random.default_rng(8)
    M = rng.normal(size=(12, 5)).astype(dtype)
    need = columns(M[4:].copy(), 0, 2, 4, 0, 5)
    np.testing.assert_array_equal(columns(M, 4, 2, 4, 0, 5), need)
    need = columns(M[:, 2:].copy(), 0, 3, 4, 0, 3)
    np.testing.assert_array_equal(columns(M, 0, 3, 4, 2, 3), need)
    need, got = np.zeros((2, 2 * lanes(dtype) * 5 + 8), dtype)
    products.pack_rows(need, 8, M[[4, 5, 8, 9]], 0, 2, 2, 2)
    products.pack_rows(got, 8, M, 4, 4, 2, 2)
    assert need.any()
    np.testing.assert_array_equal(got, need)

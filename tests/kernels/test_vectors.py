"""Vectors and products of the kernels, alone: arithmetic, masks, activations within ulps, tiles and packing."""

import numpy as np
import pytest

from gatewise import activations, kernels

if not kernels.enabled():
    pytest.skip("kernels are switched off", allow_module_level=True)

import operator

from gatewise.kernels import arithmetic, functions  # noqa: F401  what Vectors can do
from gatewise.kernels.marks import routine
from gatewise.kernels.target import FUSED
from gatewise.kernels.vectors import BYTES, load, load_several, store, store_several

DTYPES = [np.float32, np.float64]
dtypes = pytest.mark.parametrize("dtype", DTYPES, ids=["float32", "float64"])


def lanes(dtype):
    return BYTES // np.dtype(dtype).itemsize


def applied(function):
    """`function` of one or two Vectors as a compiled loop over flat arrays, `(*arrays, out)`."""

    @routine
    def one(x, out):
        L = BYTES // x.itemsize
        for i in range(0, x.size, L):
            n = min(L, x.size - i)
            store(out, i, function(load(x, i, n)), n)

    @routine
    def two(x, y, out):
        L = BYTES // x.itemsize
        for i in range(0, x.size, L):
            n = min(L, x.size - i)
            store(out, i, function(load(x, i, n), load(y, i, n)), n)

    loop = one if function.__code__.co_argcount == 1 else two

    def run(*arrays):
        out = np.full_like(arrays[0], 77)
        loop(*arrays, out)
        return out

    return run


TANH = applied(lambda a: activations.tanh(a))
SIGMOID = applied(lambda a: activations.sigmoid(a))
RELU = applied(lambda a: activations.relu(a))


def special(dtype):
    """0, the ends of the subnormal and normal numbers, infinity, NaN, with both signs."""
    f = np.finfo(dtype)
    tiny = [0, f.smallest_subnormal, 3 * f.smallest_subnormal, f.tiny / 2, f.tiny, f.eps, 1 - f.epsneg, 1]
    huge = [9, 19, 20, 20.5, 40, 88, 89, 710, 1e4, 1e30, f.max / 2, f.max, np.inf, np.nan]
    values = np.array([*tiny, *huge], dtype)
    return np.concatenate([values, -values])


def dense(dtype):
    """Many numbers of every size that occurs, and of every size there is."""
    f = np.finfo(dtype)
    sizes = np.geomspace(float(f.tiny), float(f.max) / 2, 40_001).astype(dtype)
    near = np.geomspace(1e-6, 30, 60_001).astype(dtype)
    subnormal = (f.smallest_subnormal * np.arange(1, 2000)).astype(dtype)
    line = np.linspace(-25, 25, 100_003).astype(dtype)
    return np.concatenate([sizes, -sizes, near, -near, subnormal, -subnormal, line, special(dtype)])


# Arithmetic

OPERATIONS = {"+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv}


@dtypes
@pytest.mark.parametrize("sign", OPERATIONS)
def test_operators_of_two_vectors_are_numpys(dtype, sign):
    rng = np.random.default_rng(0)
    edges = special(dtype)
    x, y = np.repeat(edges, len(edges)), np.tile(edges, len(edges))
    x, y = (np.concatenate([a, rng.normal(size=1000).astype(dtype)]) for a in (x, y))
    operation = OPERATIONS[sign]
    got = applied(lambda a, b: operation(a, b))(x, y)
    with np.errstate(all="ignore"):
        need = operation(x, y)
    np.testing.assert_array_equal(got, need)
    valid = ~np.isnan(need)
    np.testing.assert_array_equal(np.signbit(got[valid]), np.signbit(need[valid]))


@dtypes
@pytest.mark.parametrize(
    ("mixed", "need"),
    [
        (lambda a: 1 - a, lambda a, f: f(1) - a),
        (lambda a: a - 1, lambda a, f: a - f(1)),
        (lambda a: 0.1 + a, lambda a, f: f(0.1) + a),
        (lambda a: a * 0.3, lambda a, f: a * f(0.3)),
        (lambda a: np.float32(0.3) * a, lambda a, f: f(np.float32(0.3)) * a),
        (lambda a: 2 / a, lambda a, f: f(2) / a),
        (lambda a: a / np.int64(3), lambda a, f: a / f(3)),
        (lambda a: a / 0.7, lambda a, f: a / f(0.7)),
    ],
)
def test_a_number_beside_a_vector_takes_its_dtype(dtype, mixed, need):
    x = np.concatenate([special(dtype), np.random.default_rng(1).normal(size=100).astype(dtype)])
    with np.errstate(all="ignore"):
        needed = need(x, dtype)
    np.testing.assert_array_equal(applied(mixed)(x), needed)


# What a pointwise function of one's own is likely to be made of, and how far it may be from NumPy's, in ulps.
FUNCTIONS = {
    "exp": (lambda a: np.exp(a), 2),
    "tanh": (lambda a: np.tanh(a), 4),
    "logistic": (lambda a: 1 / (1 + np.exp(-a)), 6),
    "maximum": (lambda a: np.maximum(a, 0), 0),
    "minimum of a number": (lambda a: np.minimum(0.5, a), 0),
    "clip": (lambda a: np.clip(a, -1, 1), 0),
    "where": (lambda a: np.where(a > 0, a, 0.125 * a), 0),
    "where of numbers": (lambda a: np.where((a >= -3) & (a < 5), 1, -1) * a, 0),
    "where not": (lambda a: np.where(~(a > 0) | (a == 2), a, 7), 0),
    "product with a comparison": (lambda a: (a > 0) * a, 0),
    "astype": (lambda a: (a > 0).astype(a.dtype), 0),
    "absolute": (lambda a: np.abs(a) + abs(a), 0),
    "sign": (lambda a: np.sign(a), 0),
    "square": (lambda a: a**2 + np.square(a), 0),
    "negative": (lambda a: -a, 0),
    "sqrt": (lambda a: np.sqrt(np.abs(a)), 0),
    "likes": (lambda a: np.ones_like(a) - np.zeros_like(a) + 0 * a, 0),
    "sin": (lambda a: np.sin(a), 2),
}


@dtypes
@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_of_vectors_are_numpys(dtype, name):
    function, ulp = FUNCTIONS[name]
    x = np.concatenate([np.linspace(-120, 120, 4001), np.linspace(-760, 760, 4001), np.arange(-9, 9)]).astype(dtype)
    x = np.concatenate([x, np.array([np.inf, -np.inf, np.nan, -0.0, np.finfo(dtype).tiny], dtype)])
    got = applied(function)(x)
    with np.errstate(all="ignore"):
        need = function(x).astype(dtype)
    np.testing.assert_array_equal(np.isnan(got), np.isnan(need))
    finite = np.isfinite(need)
    np.testing.assert_array_equal(got[~finite], need[~finite])
    assert (ulps(got[finite], need[finite].astype(np.longdouble), dtype) <= ulp).all()


# Activations


def ulps(got, need, dtype):
    """The distance of `got` from the exact `need`, in units of the last place of `need`."""
    unit = np.spacing(np.abs(need).astype(dtype)).astype(np.longdouble)
    return np.abs(got.astype(np.longdouble) - need) / unit


@dtypes
def test_tanh_is_within_4_ulp_everywhere(dtype):
    x = dense(dtype)
    got = TANH(x)
    valid = ~np.isnan(x)
    with np.errstate(under="ignore"):
        need = np.tanh(x[valid].astype(np.longdouble))
    assert ulps(got[valid], need, dtype).max() <= (4 if FUSED else 5)
    assert np.isnan(got[~valid]).all()
    assert np.abs(got[valid]).max() == 1
    np.testing.assert_array_equal(np.signbit(got[valid]), np.signbit(x[valid]))  # -0 and the smallest numbers too
    np.testing.assert_array_equal(got == 0, x == 0)
    np.testing.assert_array_equal(TANH(-x)[valid], -got[valid])


@dtypes
def test_tanh_of_small_numbers_is_the_number(dtype):
    f = np.finfo(dtype)
    x = np.geomspace(float(f.tiny), float(f.eps) / 4, 5001).astype(dtype)
    np.testing.assert_array_equal(TANH(x), x)
    subnormal = (f.smallest_subnormal * np.arange(5000)).astype(dtype)
    np.testing.assert_array_equal(TANH(subnormal), subnormal)


@dtypes
def test_sigmoid_is_within_2_ulp_of_1_and_between_0_and_1(dtype):
    x = dense(dtype)
    got = SIGMOID(x)
    valid = ~np.isnan(x)
    a = x[valid].astype(np.longdouble)
    with np.errstate(all="ignore"):
        need = np.where(a < 0, np.exp(-np.abs(a)), 1) / (1 + np.exp(-np.abs(a)))
    assert np.abs(got[valid] - need).max() <= 2 * np.finfo(dtype).eps
    assert got[valid].min() == 0
    assert got[valid].max() == 1
    assert np.isnan(got[~valid]).all()
    assert SIGMOID(np.zeros(1, dtype)) == 0.5


@dtypes
def test_relu_and_all_slopes_are_numpys(dtype):
    x = dense(dtype)
    np.testing.assert_array_equal(RELU(x), np.maximum(x, 0))
    y = RELU(x)
    slope = applied(lambda y: activations.relu_slope(y))
    np.testing.assert_array_equal(slope(y), (y > 0).astype(dtype))
    with np.errstate(all="ignore"):
        for slope, values in [(activations.tanh_slope, TANH(x)), (activations.sigmoid_slope, SIGMOID(x))]:
            got = applied(lambda y: slope(y))(values)  # noqa: B023
            np.testing.assert_allclose(got, slope(values), rtol=0, atol=np.finfo(dtype).eps)


# Loads and stores


@routine
def move(x, i, y, j, n_in, n_out):
    store(y, j, load(x, i, n_in), n_out)


@dtypes
def test_masked_load_and_store_touch_nothing_beyond_count(dtype):
    L = lanes(dtype)
    x = np.arange(1, 4 * L + 1, dtype=dtype)
    for i in (0, 1, L - 1, L, L + 1):
        for n_in in range(L + 1):
            for n_out in {0, 1, n_in, L}:
                y = np.full(4 * L, np.nan, dtype)
                move(x, i, y, i, n_in, n_out)
                need = np.full(4 * L, np.nan, dtype)
                need[i : i + n_out] = np.where(np.arange(n_out) < n_in, x[i : i + n_out], 0)
                np.testing.assert_array_equal(y, need)


@dtypes
def test_lanes_beyond_count_are_0_even_where_memory_holds_nan(dtype):
    x = np.full(3 * lanes(dtype), np.nan, dtype)
    y = np.full_like(x, 7)
    move(x, 2, y, 0, 0, lanes(dtype))
    np.testing.assert_array_equal(y[: lanes(dtype)], 0)


@dtypes
def test_no_count_means_all_lanes(dtype):
    @routine
    def move_whole(x, i, y, j):
        store(y, j, load(x, i, None), None)

    L = lanes(dtype)
    x, y = np.arange(3 * L, dtype=dtype), np.full(3 * L, 99, dtype)
    move_whole(x, 3, y, 1)
    np.testing.assert_array_equal(y[1 : 1 + L], x[3 : 3 + L])
    np.testing.assert_array_equal(np.delete(y, np.s_[1 : 1 + L]), 99)


@dtypes
@pytest.mark.parametrize("number", [1, 2, 4])
def test_several_vectors_move_as_each_alone(dtype, number):
    loads, stores = load_several(number), store_several(number)

    @routine
    def move_all(x, i, y, j, stride, n_in, n_out):
        stores(y, j, stride, loads(x, i, stride, n_in), n_out)

    L = lanes(dtype)
    stride = L + 3
    x = np.random.default_rng(2).normal(size=number * stride + 5).astype(dtype)
    for n_in, n_out in [(L, L), (3, 3), (1, L), (0, 2), (L - 1, 1)]:
        got, need = np.full_like(x, 7), np.full_like(x, 7)
        move_all(x, 2, got, 1, stride, n_in, n_out)
        for n in range(number):
            move(x, 2 + n * stride, need, 1 + n * stride, n_in, n_out)
        np.testing.assert_array_equal(got, need)

"""The published systems: a step of each in its own letters, and weights as its author keeps them."""

import math

import numpy as np

import gatewise as gw

D, H, T, B = 3, 4, 6, 2
GRUS = ("packed", "packed with bias", "columns", "rows", "joined")
ONE_BIAS = ("packed with bias", "rows", "joined")


def sigmoid(a):
    return 1 / (1 + math.exp(-a))


def times(M, v):
    """M v, one number after the other."""
    return [sum(M[i][j] * v[j] for j in range(len(v))) for i in range(len(M))]


def vector_times(v, M):
    """v M."""
    return [sum(v[i] * M[i][j] for i in range(len(v))) for j in range(len(M[0]))]


def packed_step(x, h_prev, *, Wx, Wh, b=None):
    """h = (1 - z) h_prev + z h_hat; columns z, r, candidate."""
    b = [0.0] * 3 * H if b is None else b
    xW = vector_times(x, Wx)
    z, r = ([sigmoid(xW[k] + vector_times(h_prev, Wh)[k] + b[k]) for k in range(start, start + H)] for start in (0, H))
    gated = vector_times([r[j] * h_prev[j] for j in range(H)], Wh)
    h_hat = [math.tanh(xW[k] + gated[k] + b[k]) for k in range(2 * H, 3 * H)]
    return [(1 - z[j]) * h_prev[j] + z[j] * h_hat[j] for j in range(H)]


def columns_step(x, h, *, W, W_r, W_z, U, U_r, U_z):
    """h = z h + (1 - z) h_tilde; column vectors, no bias."""
    r = [sigmoid(a + b) for a, b in zip(times(W_r, x), times(U_r, h), strict=True)]
    z = [sigmoid(a + b) for a, b in zip(times(W_z, x), times(U_z, h), strict=True)]
    reset = [r[j] * h[j] for j in range(H)]
    h_tilde = [math.tanh(a + b) for a, b in zip(times(W, x), times(U, reset), strict=True)]
    return [z[j] * h[j] + (1 - z[j]) * h_tilde[j] for j in range(H)]


def rows_step(x, h, *, Uz, Ur, Uh, Wz, Wr, Wh, bz, br, bh):
    """h = (1 - z) h + z h_hat; U on the input, W on the state."""
    z = [sigmoid(vector_times(x, Uz)[j] + vector_times(h, Wz)[j] + bz[0][j]) for j in range(H)]
    r = [sigmoid(vector_times(x, Ur)[j] + vector_times(h, Wr)[j] + br[0][j]) for j in range(H)]
    reset = [r[j] * h[j] for j in range(H)]
    h_hat = [math.tanh(vector_times(x, Uh)[j] + vector_times(reset, Wh)[j] + bh[0][j]) for j in range(H)]
    return [(1 - z[j]) * h[j] + z[j] * h_hat[j] for j in range(H)]


def elman_step(x, h, *, Wx, Wh, b):
    """h = tanh(h Wh + x Wx + b)."""
    return [math.tanh(vector_times(h, Wh)[j] + vector_times(x, Wx)[j] + b[j]) for j in range(H)]


def joined_step(x, h, *, W_z, W_r, W_g, b_z, b_r, b_g):
    """h = z h + (1 - z) g; every matrix acts on [x, h]."""
    x, h = list(x), list(h)
    z = [sigmoid(a + b) for a, b in zip(times(W_z, x + h), b_z, strict=True)]
    r = [sigmoid(a + b) for a, b in zip(times(W_r, x + h), b_r, strict=True)]
    joined = x + [r[j] * h[j] for j in range(H)]
    g = [math.tanh(a + b) for a, b in zip(times(W_g, joined), b_g, strict=True)]
    return [z[j] * h[j] + (1 - z[j]) * g[j] for j in range(H)]


SYSTEMS = {
    "packed": (packed_step, {"Wx": (D, 3 * H), "Wh": (H, 3 * H)}),
    "packed with bias": (packed_step, {"Wx": (D, 3 * H), "Wh": (H, 3 * H), "b": (3 * H,)}),
    "columns": (columns_step, {k: (H, D if k[0] == "W" else H) for k in ("W", "W_r", "W_z", "U", "U_r", "U_z")}),
    "rows": (
        rows_step,
        {f"U{g}": (D, H) for g in "zrh"} | {f"W{g}": (H, H) for g in "zrh"} | {f"b{g}": (1, H) for g in "zrh"},
    ),
    "elman": (elman_step, {"Wx": (D, H), "Wh": (H, H), "b": (H,)}),
    "joined": (joined_step, {f"W_{g}": (H, D + H) for g in "zrg"} | {f"b_{g}": (H,) for g in "zrg"}),
}


def weights_of(system, dtype=np.float64, seed=0):
    rng = np.random.default_rng(seed)
    return {key: rng.normal(size=shape).astype(dtype) for key, shape in SYSTEMS[system][1].items()}


def layout_of(system):
    return system.split()[0]


def build(system, weights):
    return (gw.RNN if system == "elman" else gw.GRU).from_weights(weights, layout_of(system))


def random_layer(cls=gw.GRU, **options):
    return cls(D, H, dtype=np.float64, rng=1, **({"reset": "before"} if cls is gw.GRU else {}) | options)


def assert_same(got, need):
    assert list(got) == list(need)
    for key in need:
        assert got[key].shape == need[key].shape, key
        assert got[key].dtype == need[key].dtype, key
        np.testing.assert_array_equal(got[key], need[key], err_msg=key)

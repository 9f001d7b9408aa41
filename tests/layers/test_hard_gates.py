"""GRU and LSTM with hard sigmoids: against loops over scalars, central differences, and the kernels."""

import copy
import pickle

import numpy as np
import pytest

import gatewise as gw
from gatewise import kernels
from gatewise.cells.derivatives import derivative_errors
from gatewise.descriptions import describe, rebuild
from gatewise.layers import HardGRU, HardLSTM

D, H, T, B = 3, 4, 6, 2
SLOPES = {"0.2": 0.2, "1/6": 1 / 6}  # of Keras 1 and 2 and of ONNX; of Keras 3 and of PyTorch


@pytest.fixture(autouse=True)
def _numpy_path(monkeypatch):
    """Kernels of these cells are held against NumPy in tests/kernels; here each would have to be compiled."""
    monkeypatch.setattr(kernels, "find", lambda cell: None)


X = np.random.default_rng(0).normal(size=(B, T, D))
MAKERS = {
    **{f"gru {r} {s}": (HardGRU, {"reset": r, "slope": s}) for r in ("after", "before") for s in SLOPES},
    **{f"lstm {s}": (HardLSTM, {"slope": s}) for s in SLOPES},
}


def layer_of(name, **options):
    kind, form = MAKERS[name]
    layer = kind(D, H, **form, **{"dtype": "float64", "rng": 1} | options)
    for array in layer.params.values():
        array *= 4  # so that some gates are at 0 or 1
    return layer


def gate(a, slope):
    return min(max(slope * a + 0.5, 0.0), 1.0)


def scalar_step(layer, x, h, c):
    """One step of one row, one number after the other."""
    W, U, b, bias_hh = (layer.params[f"{n}_l0"] for n in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
    s = SLOPES[layer.slope]
    p = [float(np.dot(W[k], x) + b[k]) for k in range(len(W))]

    def q(k, state):
        return float(np.dot(U[k], state) + bias_hh[k])

    if isinstance(layer, HardLSTM):
        i, f, o = ([gate(p[m * H + j] + q(m * H + j, h), s) for j in range(H)] for m in (0, 1, 3))
        g = [np.tanh(p[2 * H + j] + q(2 * H + j, h)) for j in range(H)]
        c = [f[j] * c[j] + i[j] * g[j] for j in range(H)]
        return [o[j] * np.tanh(c[j]) for j in range(H)], c
    r, z = ([gate(p[m * H + j] + q(m * H + j, h), s) for j in range(H)] for m in (0, 1))
    if layer.reset == "after":
        n = [np.tanh(p[2 * H + j] + r[j] * q(2 * H + j, h)) for j in range(H)]
    else:
        n = [np.tanh(p[2 * H + j] + q(2 * H + j, [r[k] * h[k] for k in range(H)])) for j in range(H)]
    return [(1 - z[j]) * n[j] + z[j] * h[j] for j in range(H)], c


@pytest.mark.parametrize("name", MAKERS)
def test_forward_is_the_equations(name):
    layer = layer_of(name)
    y, _, tape = layer.forward(X)
    for row in range(B):
        h, c = [0.0] * H, [0.0] * H
        for t in range(T):
            h, c = scalar_step(layer, X[row, t], h, c)
            np.testing.assert_allclose(y[row, t], h, rtol=0, atol=1e-12)
    gates = np.stack([tape.update, tape.reset] if "gru" in name else [tape.input, tape.forget, tape.output])
    assert (gates == 0).any()
    assert (gates == 1).any()
    assert ((gates > 0) & (gates < 1)).any()


@pytest.mark.parametrize("name", MAKERS)
def test_gradients_pass_the_certificate(name):
    layer = MAKERS[name][0](1, 2, **MAKERS[name][1], rng=2)
    assert gw.gradcheck(layer).ok
    assert max(derivative_errors(layer.cell, seed=3).values()) < 1e-8


@pytest.mark.parametrize("name", MAKERS)
def test_the_dtype_is_kept(name):
    layer, x = layer_of(name, dtype="float32"), X.astype("float32")
    y, _, tape = layer.forward(x)
    dx, _, grads = layer.backward(tape, np.ones_like(y))
    assert {a.dtype for a in (y, dx, *grads.values())} == {np.dtype("float32")}
    np.testing.assert_allclose(y, layer_of(name)(X)[0], atol=2e-5)


@pytest.mark.parametrize("name", MAKERS)
def test_copies_files_and_steps(name, tmp_path):
    layer = layer_of(name)
    gw.save(layer, tmp_path / "a.safetensors")
    for twin in (
        gw.load(tmp_path / "a.safetensors"),
        pickle.loads(pickle.dumps(layer)),
        copy.deepcopy(layer),
        rebuild(describe(layer), layer.params),
    ):
        assert twin.config() == layer.config()
        assert np.array_equal(twin(X)[0], layer(X)[0])
    stream = layer.stepper(B)
    np.testing.assert_allclose(np.stack([stream.step(X[:, t]) for t in range(T)], 1), layer(X)[0], atol=1e-12)


def test_choices_are_checked():
    with pytest.raises(gw.GatewiseError, match=r"slope is '0.25'; need one of '0.2', '1/6'"):
        HardGRU(D, H, slope="0.25")
    with pytest.raises(gw.GatewiseError, match="reset is 'never'"):
        HardGRU(D, H, reset="never")
    with pytest.raises(gw.GatewiseError, match="HardGRU has no counterpart in PyTorch"):
        gw.to_torch(HardGRU(D, H))

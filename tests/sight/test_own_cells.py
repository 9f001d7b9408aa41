"""A cell of one's own goes through all that looks inside a network, or is refused clearly."""

import numpy as np
import pytest

import gatewise as gw
from gatewise.sight import pencil

B, T, D, H = 3, 6, 2, 4


def sigmoid(a):
    return 0.5 * np.tanh(0.5 * a) + 0.5


def minimal_forward(p, q, state_prev):
    (h,) = state_prev
    f, n = sigmoid(p[0] + q[0]), np.tanh(p[1] + q[1])
    return (h + f * (n - h),), (f, n)


def minimal_backward(dstate, state, state_prev, record):
    (dh,), (h,), (f, n) = dstate, state_prev, record
    da = dh * (n - h) * f * (1 - f), dh * f * (1 - n * n)
    return da, da, (dh * (1 - f),)


def minimal_gradients(dstate, state, state_prev, record):
    (dh,), (h,), (f, n) = dstate, state_prev, record
    return dstate, (dh * (n - h), dh * f)


def minimum_forward(p, q, state_prev):
    (h,) = state_prev
    z = sigmoid(p[0])
    return (h + z * (p[1] - h),), (z, p[1] + 0)


def minimum_backward(dstate, state, state_prev, record):
    (dh,), (h,), (z, n) = dstate, state_prev, record
    return (dh * (n - h) * z * (1 - z), dh * z), (), (dh * (1 - z),)


@pytest.fixture(params=["gated", "not recurrent"])
def own(request):
    """A gated unit with the gradients of its gates, and a cell without a recurrent product that has no such."""
    names = {"gates": ("forget", "candidate")}
    if request.param == "gated":
        pair = {"forward": minimal_forward, "backward": minimal_backward, "record_gradients": minimal_gradients}
        return gw.define_cell("Minimal", **names, **pair)
    return gw.define_cell("Minimum", **names, forward=minimum_forward, backward=minimum_backward, recurrent=False)


def rows(seed=0):
    return np.random.default_rng(seed).normal(size=(B, T, D))


def test_its_backward_is_right(own):
    assert gw.gradcheck(own(D, H, num_layers=2, bidirectional=True, rng=0), lengths=[5, 2, 3]).ok


@pytest.mark.parametrize("bidirectional", [False, True])
def test_a_trace(own, bidirectional):
    layer = own(D, H, bidirectional=bidirectional, dtype=np.float64, rng=0)
    x, dy = rows(), np.random.default_rng(1).normal(size=(B, T, H * (1 + bidirectional)))
    seen = gw.trace(layer, x, dy, [T, 2, 4])
    _, _, tape = layer.forward(x, lengths=[T, 2, 4])
    for k in range(layer.directions):
        place = {"direction": k} if bidirectional else {}
        for name in ("forget", "candidate", "hidden"):
            values = seen[name].isel(**place).values
            np.testing.assert_array_equal(np.nan_to_num(values), tape.values(name, 0, bool(k)))
    assert seen["forget"].attrs["long_name"] == "forget gate f"
    dx, dstate, _ = layer.backward(tape, dy)
    np.testing.assert_array_equal(np.nan_to_num(seen["d_x"].values), dx)
    np.testing.assert_array_equal(seen["d_initial_hidden"].values.reshape(dstate.shape), dstate)
    known = np.isfinite(seen["d_forget"].isel(batch=0)).all()
    assert known == (own.__name__ == "Minimal")


@pytest.mark.parametrize("own", ["gated"], indirect=True)
def test_gradients_of_its_gates_are_differences(own):
    layer = own(D, H, dtype=np.float64, rng=0)
    x, dy = rows(), np.random.default_rng(1).normal(size=(B, T, H))
    d = gw.trace(layer, x, dy)["d_forget"].values
    W, U, b, c = layer.params.values()

    def loss(poke):
        h, total = np.zeros((B, H)), 0.0
        for t in range(T):
            p, q = x[:, t] @ W.T + b, h @ U.T + c
            f, n = sigmoid(p[:, :H] + q[:, :H]), np.tanh(p[:, H:] + q[:, H:])
            if t == 3:
                f = f + poke
            h = h + f * (n - h)
            total += np.vdot(dy[:, t], h)
        return total

    poke = np.random.default_rng(2).normal(size=(B, H))
    measured = (loss(1e-6 * poke) - loss(-1e-6 * poke)) / 2e-6
    np.testing.assert_allclose(np.vdot(d[:, 3], poke), measured, rtol=1e-7)


def test_jacobians_are_differences(own):
    layer = own(D, H, dtype=np.float64, rng=0)
    x = rows()
    J = gw.jacobians(layer, x)
    h = layer(x[:, :3])[1]
    for k in range(H):
        poke = np.zeros_like(h)
        poke[..., k] = 1e-6
        after, before = (layer(x[:, 3:4], h + sign * poke)[1][0] for sign in (1, -1))
        np.testing.assert_allclose(J[:, 3, :, k], (after - before) / 2e-6, rtol=1e-6, atol=1e-9)


def test_gradient_flow(own):
    layer = own(D, H, rng=0)
    x, y = rows().astype(np.float32), np.zeros((B, T, H), np.float32)
    flow = gw.gradient_flow(layer, x, lengths=[T, 2, 4], loss="mse", target=y)
    J = gw.jacobians(layer.astype(np.float64), x.astype(np.float64))
    np.testing.assert_allclose(flow.norms[0, -3], np.linalg.norm(J[0, -1] @ J[0, -2], 2), rtol=1e-6)
    assert flow.shares.keys() == layer.params.keys()
    for share in flow.shares.values():
        np.testing.assert_allclose(share.sum(), 1)


def test_the_doctor_names_its_gate(own):
    model = gw.Sequential(own(D, H, rng=0), gw.Last(), gw.Dense(H, 1, rng=1))
    model.params["0.weight_ih_l0"][H + 2, 1] = np.nan
    x = rows().astype(np.float32)
    with pytest.raises(gw.NonFiniteError) as caught:
        gw.train(model, x, x[:, -1, :1], loss="mse", optimizer="adam", epochs=1)
    assert (caught.value.cause, caught.value.gate, caught.value.unit) == ("weights", "candidate", 2)


def test_the_pencil_refuses_it(own):
    with pytest.raises(gw.GatewiseError, match=f"no equations to fill in for a cell {own.__name__}; need one of"):
        pencil.passes(own(D, H, dtype=np.float64, rng=0), rows()[:1])


@pytest.mark.parametrize("options", [{"num_layers": 2}, {"bidirectional": True}, {"bias": False}])
def test_the_pencil_takes_one_layer_with_biases(options):
    with pytest.raises(gw.GatewiseError, match="too much for a pencil; need one layer in one direction, with biases"):
        pencil.passes(gw.GRU(D, H, dtype=np.float64, rng=0, **options), rows()[:1])

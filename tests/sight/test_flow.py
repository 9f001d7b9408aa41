"""Jacobians against differences and the backward step, their products, and what each step adds to a gradient."""

import numpy as np
import pytest
from forms import FORMS, pack
from test_trace import LENGTHS, B, D, H, T, case

import gatewise as gw


def states_after(layer, x, states, b, t, k):
    """The state after step t of sequence b as one vector, as a function of the state before it."""

    def after(before):
        parts = np.split(before, 2) if len(states) == 2 else [before]
        shape = (layer.num_layers * layer.directions, 1, H)
        start = []
        for part in parts:
            whole = np.zeros(shape)
            whole[k, 0] = part
            start.append(whole)
        _, final = layer(x[b : b + 1, t : t + 1], pack(tuple(start)))
        return np.concatenate([s[k, 0] for s in (final if len(states) == 2 else (final,))])

    return after


def differences(function, at):
    """Central differences of fourth order of a vector function of a vector, (outputs, inputs)."""
    columns = []
    for unit in np.eye(len(at)):
        values = [function(at + step * unit) for step in (1e-4, -1e-4, 2e-4, -2e-4)]
        columns.append((8 * (values[0] - values[1]) - (values[2] - values[3])) / 12e-4)
    return np.stack(columns, axis=1)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("lengths", [None, LENGTHS])
@pytest.mark.parametrize("cell", FORMS)
def test_jacobians_are_differences(cell, lengths, reverse):
    layer, x, _, states = case(cell, 1, True)
    J = gw.jacobians(layer, x, pack(states), lengths, reverse=reverse)
    seen = gw.trace(layer, x, None, lengths, state=pack(states)).sel(direction="reverse" if reverse else "forward")
    names = ["hidden", "cell"][: len(states)]
    whole = np.concatenate([seen[name].values for name in names], axis=-1)
    start = np.concatenate([s[int(reverse)] for s in states], axis=-1)
    for b, length in enumerate(lengths or [T] * B):
        assert np.isnan(J[b, length:]).all()
        for t in range(length):
            first = t == (length - 1 if reverse else 0)
            before = start[b] if first else whole[b, t + 1 if reverse else t - 1]
            measured = differences(states_after(layer, x, states, b, t, int(reverse)), before)
            np.testing.assert_allclose(J[b, t], measured, rtol=0, atol=1e-8)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("cell", FORMS)
def test_jacobians_are_the_backward_step_of_unit_gradients(cell, dtype):
    layer, x, _, states = case(cell, 1, False, dtype)
    J = gw.jacobians(layer, x, pack(states))
    assert J.dtype == dtype
    run = layer.forward(x, pack(states))[2].runs[0]
    previous, record = run.previous(), gw.recurrence.recorded(run)
    for k in range(len(states)):
        for unit in range(H):
            for t in range(T):
                dstate = tuple(np.zeros((B, H), dtype) for _ in states)
                dstate[k][:, unit] = 1
                arguments = (tuple(a[:, t] for a in group) for group in (run.states, previous, record))
                _, _, back = layer.cell.step_backward(dstate, *arguments, run.weights.U)
                np.testing.assert_allclose(J[:, t, k * H + unit], np.concatenate(back, axis=-1), rtol=0, atol=1e-6)


@pytest.mark.parametrize("cell", FORMS)
def test_spectra_are_those_of_the_products(cell):
    layer, x, _, states = case(cell)
    flow = gw.gradient_flow(layer, x, pack(states), LENGTHS)
    J = gw.jacobians(layer, x, pack(states), LENGTHS)
    for b, length in enumerate(LENGTHS):
        product = np.eye(J.shape[-1])
        for t in reversed(range(T)):
            if t >= length:
                assert np.isnan(flow.norms[b, t])
                continue
            expected = np.linalg.svd(product, compute_uv=False)
            found = 10 ** flow.log10_spectra[b, t]
            np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-13 * expected[0])
            assert flow.norms[b, t] == pytest.approx(np.linalg.norm(product, 2), rel=1e-12)
            product = product @ J[b, t]


def test_the_products_equal_gradients_of_the_last_state():
    layer, x, _, states = case("gru_before")
    J = gw.jacobians(layer, x, pack(states), LENGTHS)
    unit = np.zeros((1, B, H))
    unit[..., 1] = 1
    tape = layer.forward(x, pack(states), lengths=LENGTHS)[2]
    _, dstate, _ = layer.backward(tape, np.zeros((B, T, H)), unit)
    for b, length in enumerate(LENGTHS):
        product = np.linalg.multi_dot([np.eye(H), *J[b, :length][::-1]])
        np.testing.assert_allclose(dstate[0, b], product[1], rtol=0, atol=1e-13)


def test_memory_counts_the_steps_that_still_matter():
    layer = gw.RNN(1, 2, dtype="float64", rng=0)
    layer.params.update(weight_hh_l0=np.diag([0.5, 0.25]), weight_ih_l0=np.zeros((2, 1)))
    layer.params.update(bias_ih_l0=np.zeros(2), bias_hh_l0=np.zeros(2))
    flow = gw.gradient_flow(layer, np.zeros((2, 600, 1)), lengths=[600, 3])
    np.testing.assert_allclose(flow.norms[0, -9:], 0.5 ** np.arange(8, -1, -1), rtol=1e-12)
    np.testing.assert_allclose(flow.log10_spectra[0, 0, 0], 599 * np.log10(0.5), rtol=1e-12)
    np.testing.assert_allclose(flow.log10_spectra[0, -4], 3 * np.log10([0.5, 0.25]), rtol=1e-12)
    assert flow.memory.tolist() == [3, 2]
    assert gw.gradient_flow(layer, np.zeros((1, 600, 1)), threshold=0.5**20 * 0.999).memory.tolist() == [20]
    assert flow.shares == {}
    deep = gw.gradient_flow(layer, np.zeros((1, 4000, 1)))
    assert deep.log10_spectra[0, 0, 0] == pytest.approx(3999 * np.log10(0.5))
    assert deep.norms[0, 0] == 0


def test_a_growing_network_explodes_and_a_dead_one_passes_nothing():
    layer = gw.RNN(1, 2, nonlinearity="relu", dtype="float64", rng=0)
    layer.params.update(weight_hh_l0=np.diag([1.5, 1.2]), weight_ih_l0=np.ones((2, 1)))
    flow = gw.gradient_flow(layer, np.ones((1, 30, 1)))
    assert flow.norms[0, 0] == pytest.approx(1.5**29)
    dead = gw.gradient_flow(layer, -100 * np.ones((1, 30, 1)))
    assert dead.norms[0].tolist() == [0.0] * 29 + [1.0]
    assert dead.memory.tolist() == [0]


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("lengths", [None, LENGTHS])
@pytest.mark.parametrize("cell", FORMS)
def test_shares_are_those_of_the_gradient_of_one_step_alone(cell, lengths, reverse):
    """What step t adds is the gradient with the others' taken away: a layer that reads the same weights from a copy."""
    layer, x, dy, states = case(cell, 1, True)
    options = {"lengths": lengths, "dy": dy, "reverse": reverse}
    flow = gw.gradient_flow(layer, x, pack(states), **options)
    end = "_l0" + "_reverse" * reverse
    assert set(flow.shares) == {name for name in layer.params if name.endswith(end)}
    _, _, whole = layer.backward(layer.forward(x, pack(states), lengths=lengths)[2], dy)
    parts = [parts_of_step(layer, x, dy, states, lengths, t, end) for t in range(T)]
    for name, shares in flow.shares.items():
        np.testing.assert_allclose(sum(part[name] for part in parts), whole[name], rtol=0, atol=1e-12)
        norms = np.array([np.linalg.norm(part[name]) for part in parts])
        np.testing.assert_allclose(shares, norms / norms.sum(), rtol=1e-9, atol=1e-12)


def parts_of_step(layer, x, dy, states, lengths, t, end):
    """The gradients of the weights as step t alone uses them, from the state before it and dL/d(its state)."""
    seen = gw.trace(layer, x, dy, lengths, state=pack(states))
    seen = seen.sel(direction="reverse" if end.endswith("reverse") else "forward")
    k = int(end.endswith("reverse"))
    names = ["hidden", "cell"][: len(states)]
    total = {}
    for b, length in enumerate(lengths or [T] * B):
        if t >= length:
            continue
        neighbor = t + 1 if k else t - 1
        inside = 0 <= neighbor < length
        before = [seen[name].values[b, neighbor] if inside else s[k, b] for name, s in zip(names, states, strict=True)]
        dafter = [seen[f"d_{name}"].values[b, t] for name in names]
        start, dend = ([np.zeros((2, 1, H)) for _ in names] for _ in range(2))
        for s, d, value, gradient in zip(start, dend, before, dafter, strict=True):
            s[k, 0], d[k, 0] = value, gradient
        _, final, tape = layer.forward(x[b : b + 1, t : t + 1], pack(tuple(start)))
        if len(names) == 2:  # d_cell of the trace holds what comes through h already
            out = tape.values("output", 0, bool(k))[0, 0]
            dend[1][k, 0] -= dend[0][k, 0] * out * (1 - np.tanh(final.c[k, 0]) ** 2)
        _, _, grads = layer.backward(tape, np.zeros((1, 1, 2 * H)), pack(tuple(dend)))
        for name, g in grads.items():
            total[name] = total.get(name, 0) + g
    return {name: g for name, g in total.items() if name.endswith(end)}


def test_models_and_losses():
    rng = np.random.default_rng(0)
    model = gw.Sequential(gw.GRU(2, 4, bias=False, rng=0), gw.Last(), gw.Dense(4, 1, rng=1))
    x, target = rng.normal(size=(5, 7, 2)).astype(np.float32), rng.normal(size=(5, 1)).astype(np.float32)
    flow = gw.gradient_flow(model, x, loss="mse", target=target)
    assert list(flow.shares) == ["0.weight_ih_l0", "0.weight_hh_l0"]
    assert flow.shares["0.weight_hh_l0"].sum() == pytest.approx(1)
    assert flow.shares["0.weight_hh_l0"][0] == 0  # h_0 is 0
    assert gw.jacobians(model, x).dtype == np.float32
    assert gw.jacobians(model, x).shape == (5, 7, 4, 4)
    deep = gw.GRU(2, 4, num_layers=2, dtype="float64", rng=0)
    x = x.astype(np.float64)
    above = gw.jacobians(deep, x, layer=1)
    alone = gw.GRU(4, 4, dtype="float64")
    alone.params.update({name: deep.params[name.replace("l0", "l1")] for name in alone.params})
    below = deep.forward(x)[2].values("hidden", 0)
    np.testing.assert_allclose(above, gw.jacobians(alone, below), rtol=0, atol=1e-14)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: gw.jacobians(gw.Dense(D, 2, dtype="float64"), x), "has 0 recurrent layers; need one"),
        (
            lambda x: gw.jacobians(gw.Sequential(gw.GRU(D, 2, dtype="float64"), gw.RNN(2, 2, dtype="float64")), x),
            "has 2 recurrent layers; need one: pass one of model.layers",
        ),
        (lambda x: gw.jacobians(gw.GRU(D, 2, dtype="float64"), x, reverse=True), "reverse is True; need one of False"),
        (lambda x: gw.jacobians(gw.GRU(D, 2, dtype="float64"), x, layer=1), "layer is 1; need one of 0"),
        (lambda x: gw.gradient_flow(gw.GRU(D, 2), x, threshold=0), "threshold is 0; need more than 0"),
        (lambda x: gw.gradient_flow(gw.GRU(D, 2), x, loss="mse"), "no target came"),
        (lambda x: gw.jacobians(gw.GRUCell(D, 2), x), "GRUCell; need"),
        (lambda x: gw.gradient_flow("model", x), "model is a str; need"),
    ],
)
def test_wrong_arguments(call, message):
    with pytest.raises(gw.GatewiseError, match=message):
        call(np.zeros((B, T, D)))


def test_as_an_array_a_flow_is_its_norms():
    flow = gw.gradient_flow(gw.GRU(2, 3, rng=0), np.ones((2, 5, 2), np.float32), lengths=[5, 3])
    np.testing.assert_array_equal(np.asarray(flow), flow.norms)
    assert np.asarray(flow, np.float32).dtype == np.float32
    assert np.asarray(flow).shape == (2, 5)

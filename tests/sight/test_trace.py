"""Traces against a network written out here and poked at every quantity, and against PyTorch's retained gradients."""

import subprocess
import sys
import threading

import numpy as np
import pytest
import xarray as xr
from forms import FORMS, pack, parts, random_state

import gatewise as gw

B, T, D, H = 3, 5, 2, 3
LENGTHS = [5, 2, 4]


class Numpy:
    """What a step needs, under PyTorch's names."""

    tanh = staticmethod(np.tanh)
    relu = staticmethod(lambda a: np.maximum(a, 0))
    sigmoid = staticmethod(lambda a: 1 / (1 + np.exp(-a)))


class Sides:
    """The two sides of a gate's pre-activation, p = x Wᵀ + b and q = h Uᵀ + c, gate by gate."""

    def __init__(self, x, h, weights):
        self.x, self.h, self.weights = x, h, weights

    def p(self, k):
        W, _, b, _ = self.weights
        return self.x @ W[self.rows(k)].T + b[self.rows(k)]

    def q(self, k, operand=None):
        _, U, _, c = self.weights
        return (self.h if operand is None else operand) @ U[self.rows(k)].T + c[self.rows(k)]

    def sum(self, k, operand=None):
        return self.p(k) + self.q(k, operand)

    def rows(self, k):
        return slice(k * len(self.h), (k + 1) * len(self.h))


def gru_after(lib, a, state, poke):
    r, z = poke("reset", lib.sigmoid(a.sum(0))), poke("update", lib.sigmoid(a.sum(1)))
    n = poke("candidate", lib.tanh(a.p(2) + r * poke("recurrent_candidate", a.q(2))))
    return (poke("hidden", (1 - z) * n + z * state[0]),)


def gru_before(lib, a, state, poke):
    r, z = poke("reset", lib.sigmoid(a.sum(0))), poke("update", lib.sigmoid(a.sum(1)))
    n = poke("candidate", lib.tanh(a.sum(2, r * state[0])))
    return (poke("hidden", (1 - z) * n + z * state[0]),)


def lstm(lib, a, state, poke):
    i, f = poke("input", lib.sigmoid(a.sum(0))), poke("forget", lib.sigmoid(a.sum(1)))
    g, o = poke("candidate", lib.tanh(a.sum(2))), poke("output", lib.sigmoid(a.sum(3)))
    c_new = poke("cell", f * state[1] + i * g)
    return poke("hidden", o * lib.tanh(c_new)), c_new


def rnn_tanh(lib, a, state, poke):
    return (poke("hidden", lib.tanh(a.sum(0))),)


def rnn_relu(lib, a, state, poke):
    return (poke("hidden", lib.relu(a.sum(0))),)


def mingru(lib, a, state, poke):
    z, n = poke("update", lib.sigmoid(a.p(0))), poke("candidate", a.p(1))
    return (poke("hidden", (1 - z) * state[0] + z * n),)


WRITTEN_OUT = {step.__name__: step for step in (gru_after, gru_before, lstm, rnn_tanh, rnn_relu, mingru)}
"""One step of each form; every quantity goes through `poke(name, value)` before it is used."""


def row(lib, cell, layer, params, x, states, poke):
    """All layers and directions over one sequence x, a list of steps; returns its outputs."""
    steps = list(x)
    for depth in range(layer.num_layers):
        sides = []
        for k in range(layer.directions):
            end = f"_l{depth}" + "_reverse" * k
            weights = [params.get(name + end) for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
            state = tuple(s[depth * layer.directions + k] for s in states)
            outputs = {}
            for t in reversed(range(len(steps))) if k else range(len(steps)):
                sides_of_gates = Sides(steps[t], state[0], weights)
                state = WRITTEN_OUT[cell](
                    lib, sides_of_gates, state, lambda name, v, at=(depth, k, t): poke((name, *at), v)
                )
                outputs[t] = state[0]
            sides.append(outputs)
        steps = [lib_concat(lib, [side[t] for side in sides]) for t in range(len(steps))]
    return steps


def lib_concat(lib, parts):
    return np.concatenate(parts) if lib is Numpy else lib.cat(parts)


def case(cell, layers=1, bidirectional=False, dtype=np.float64):
    """A layer, x, dy, and an initial state (h) or (h, c) as a tuple of arrays."""
    rng = np.random.default_rng(7)
    layer = FORMS[cell].make(D, H, num_layers=layers, bidirectional=bidirectional, dtype=dtype, rng=1)
    x, dy = rng.normal(size=(B, T, D)).astype(dtype), rng.normal(size=(B, T, layer.output_size)).astype(dtype)
    shape = (layers * layer.directions, B, H)
    states = parts(random_state(cell, rng, shape, dtype))
    return layer, x, dy, states


def at(seen, name, depth, k):
    """Values (batch, time, unit) of one layer and direction, whatever dimensions there are."""
    place = {dim: index for dim, index in (("layer", depth), ("direction", k)) if dim in seen.dims}
    return seen[name].isel(place)


@pytest.mark.parametrize("lengths", [None, LENGTHS])
@pytest.mark.parametrize(("layers", "bidirectional"), [(1, False), (2, True), (2, False), (1, True)])
@pytest.mark.parametrize("cell", FORMS)
def test_every_value_and_gradient_is_that_of_the_network_written_out(cell, layers, bidirectional, lengths):
    layer, x, dy, states = case(cell, layers, bidirectional)
    seen = gw.trace(layer, x, dy, lengths, state=pack(states))
    with_gradient = {name for name in seen.data_vars if f"d_{name}" in seen and "initial" not in name}
    assert with_gradient == {*FORMS[cell].values, "x", "y"}
    checked = 0
    for b, length in enumerate(lengths or [T] * B):
        start = [s[:, b] for s in states]
        values = {}

        def loss(poke, b=b, length=length, start=start):
            outputs = row(Numpy, cell, layer, layer.params, x[b, :length], start, poke)
            return sum(float(y @ d) for y, d in zip(outputs, dy[b], strict=False))

        loss(lambda key, v, values=values: values.setdefault(key, v))
        for (name, depth, k, t), value in values.items():
            np.testing.assert_allclose(at(seen, name, depth, k)[b, t], value, rtol=0, atol=1e-13)
        for key in list(values)[:: 1 + len(values) // 12]:
            name, depth, k, t = key
            unit = checked % H
            push = 1e-5 * np.eye(H)[unit]
            plus, minus = (
                loss(lambda other, v, key=key, push=s * push: v + push if other == key else v) for s in (1, -1)
            )
            found = float(at(seen, f"d_{name}", depth, k)[b, t, unit])
            assert found == pytest.approx((plus - minus) / 2e-5, rel=1e-6, abs=1e-8), key
            checked += 1
    assert checked >= 10


@pytest.mark.parametrize("lengths", [None, LENGTHS])
@pytest.mark.parametrize("cell", FORMS)
def test_input_output_and_initial_gradients_are_those_of_backward(cell, lengths):
    layer, x, dy, states = case(cell, 2, True)
    seen = gw.trace(layer, x, dy, lengths, state=pack(states))
    y, _, tape = layer.forward(x, pack(states), lengths=lengths)
    dx, dstate, _ = layer.backward(tape, dy)
    for name, expected in {"y": y, "d_x": dx, "x": x, "d_y": dy}.items():
        valid = np.broadcast_to(np.arange(T)[:, None] < np.array(lengths or [T] * B)[:, None, None], expected.shape)
        np.testing.assert_allclose(seen[name].values[valid], expected[valid], rtol=0, atol=1e-13)
        assert np.isnan(seen[name].values[~valid]).all()
    for name, start, d in zip(layer.cell.states, states, parts(dstate), strict=True):
        np.testing.assert_array_equal(seen[f"initial_{name}"].values.reshape(start.shape), start)
        np.testing.assert_allclose(seen[f"d_initial_{name}"].values.reshape(d.shape), d, rtol=0, atol=1e-13)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("cell", FORMS)
def test_gates_and_candidates_past_the_length_are_gaps(cell, dtype):
    layer, x, dy, _ = case(cell, 2, True, dtype)
    x[1, 2:] = np.nan
    x.setflags(write=False)
    dy.setflags(write=False)
    before = {name: value.copy() for name, value in layer.params.items()}
    seen = gw.trace(layer, x, dy, LENGTHS)
    for name, values in seen.data_vars.items():
        assert values.dtype == dtype
        if "time" in values.dims:
            beyond = xr.DataArray(np.arange(T), dims="time") >= seen["length"]
            assert bool((values.isnull() == beyond).all()), name
    assert all(np.array_equal(before[name], value) for name, value in layer.params.items())
    assert seen["length"].values.tolist() == LENGTHS


def test_names_dimensions_coordinates_and_attributes():
    layer, x, dy, _ = case("gru_after")
    seen = gw.trace(layer, x, dy)
    assert seen["d_update"].dims == ("batch", "time", "unit")
    assert "length" not in seen.coords
    assert seen["update"].attrs == {"long_name": "update gate z", "units": "1"}
    assert seen["d_update"].attrs["long_name"] == "gradient of the loss with respect to update gate z"
    assert seen["time"].attrs == {"long_name": "time step", "units": "steps"}
    assert seen.attrs == {"model": repr(layer)}
    deep = gw.trace(case("lstm", 2, True)[0], x)
    assert deep["cell"].dims == ("layer", "direction", "batch", "time", "unit")
    assert deep["direction"].values.tolist() == ["forward", "reverse"]
    assert not [name for name in deep if name.startswith("d_")]
    assert gw.trace(case("gru_after", 2)[0], x)["update"].dims == ("layer", "batch", "time", "unit")
    for name in (*seen.data_vars, *seen.coords):
        assert seen[name].attrs["long_name"]


def test_a_sequential_has_the_loss_of_training_and_its_gradients():
    rng = np.random.default_rng(0)
    model = gw.Sequential(gw.Dense(2, 3, dtype="float64", rng=0), gw.GRU(3, 4, dtype="float64", rng=1), gw.Last())
    x, target = rng.normal(size=(B, T, 2)), rng.normal(size=(B, 4))
    seen = gw.trace(model, x, lengths=LENGTHS, loss="mse", target=target)
    y, _, tape = model.forward(x, lengths=LENGTHS)
    value, dy = gw.losses.mse(y, target)
    dx, _, _ = model.backward(tape, dy)
    assert seen.attrs["loss"] == value
    assert seen["y"].dims == ("batch", "out")
    np.testing.assert_array_equal(seen["d_y"], dy)
    np.testing.assert_allclose(seen["d_x"].values[0], dx[0], rtol=0, atol=1e-15)
    inner = model.layers[0](x)[0]
    np.testing.assert_array_equal(
        seen["update"].values[0], model.layers[1].forward(inner, lengths=LENGTHS)[2].update[0]
    )


def test_steps_past_the_length_do_not_enter_the_loss():
    model = gw.Sequential(gw.GRU(D, H, dtype="float64", rng=0), gw.Dense(H, 2, dtype="float64", rng=0))
    x, target = np.random.default_rng(0).normal(size=(B, T, D)), np.zeros((B, T, 2))
    target[1, 2:] = np.nan
    seen = gw.trace(model, x, lengths=LENGTHS, loss=gw.losses.mse, target=target)
    history = gw.train(
        model, x, target, loss="mse", optimizer=gw.optimizers.SGD(1e-30), epochs=1, lengths=LENGTHS, shuffle=False
    )
    assert seen.attrs["loss"] == pytest.approx(history["loss"][0], rel=1e-15)


def test_several_recurrent_layers_are_told_apart_as_their_parameters_are():
    inner = gw.Sequential(gw.LSTM(4, 3, bidirectional=True, rng=1))
    model = gw.Sequential(gw.Embedding(9, 2, rng=0), gw.GRU(2, 4, reset="before", rng=0), inner, gw.Last())
    x = np.array([[1, 2, 3], [4, 5, 6]])
    seen = gw.trace(model, x, np.ones((2, 6), np.float32), [3, 2])
    assert seen["1.update"].dims == ("batch", "time", "1.unit")
    assert seen["d_2.0.forget"].dims == ("2.0.direction", "batch", "time", "2.0.unit")
    assert seen["x"].dtype == x.dtype
    assert "d_x" not in seen
    assert seen["1.update"].attrs["long_name"] == "update gate z, layer 1"
    alone = gw.trace(gw.Sequential(gw.Embedding(9, 2, rng=0), gw.GRU(2, 4, rng=0)), x)
    assert {"update", "hidden"} <= set(alone.data_vars)


@pytest.mark.parametrize("cell", FORMS)
def test_threads_share_the_work(cell, monkeypatch):
    layer, x, dy, states = case(cell, 1, True)
    expected = gw.trace(layer, x, dy, LENGTHS, state=pack(states))
    monkeypatch.setattr(sys.modules["gatewise.sight.trace"], "SHARE", 1)
    before = gw.get_num_threads()
    gw.set_num_threads(2)
    try:
        xr.testing.assert_allclose(gw.trace(layer, x, dy, LENGTHS, state=pack(states)), expected, rtol=0, atol=1e-14)
    finally:
        gw.set_num_threads(before)


@pytest.mark.parametrize("shape", [(0, T, D), (B, 0, D)])
def test_nothing_can_be_traced(shape):
    layer = case("gru_before")[0]
    seen = gw.trace(layer, np.zeros(shape), np.zeros((*shape[:2], H)))
    assert seen["d_update"].shape == (*shape[:2], H)


def test_it_can_be_plotted_selected_and_written(tmp_path):
    layer, x, dy, _ = case("lstm", 1, True)
    seen = gw.trace(layer, x, dy, LENGTHS)
    table = seen["forget"].isel(batch=0).sel(direction="reverse").to_pandas()
    assert table.shape == (T, H)
    path = tmp_path / "seen.nc"
    seen.to_netcdf(path, engine="scipy")
    assert xr.load_dataset(path, engine="scipy").equals(seen)


def test_a_trace_leaves_other_threads_alone():
    """Passes of other threads do not end up in a trace, and theirs are compiled as ever."""
    layer, x, dy, _ = case("gru_after")
    expected = gw.trace(layer, x, dy)
    stop = threading.Event()

    def work():
        while not stop.is_set():
            layer.backward(layer.forward(x)[2], dy)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        for _ in range(20):
            assert gw.trace(layer, x, dy).identical(expected)
    finally:
        stop.set()
        thread.join()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"model": gw.Dense(2, 3)}, "trace got a Dense; need a recurrent layer, as gw.GRU, or a Sequential"),
        ({"model": gw.GRUCell(2, 3)}, "trace got a GRUCell"),
        ({"model": gw.Sequential(gw.Dense(2, 3))}, "trace got a Sequential"),
        ({"dy": np.ones((B, T, H)), "loss": "mse", "target": 1}, "dy and a loss came both"),
        ({"loss": "mse"}, "no target came; need loss and target together"),
        ({"target": np.ones(3)}, "no loss came"),
        ({"loss": "mes", "target": np.ones((B, T, H))}, "loss is 'mes'; need one of"),
        ({"dy": np.ones((B, T, H + 1))}, r"dy has shape \(3, 5, 4\); need \(3, 5, 3\)"),
        ({"lengths": [6, 1, 1]}, r"lengths\[0\] is 6; need 1 to 5"),
    ],
)
def test_wrong_arguments(arguments, message):
    layer, x, _, _ = case("gru_after")
    with pytest.raises(gw.GatewiseError, match=message):
        gw.trace(**{"model": layer, "x": x} | arguments)


def test_without_xarray_the_error_names_the_extra(monkeypatch):
    layer, x, _, _ = case("gru_after")
    monkeypatch.setitem(sys.modules, "xarray", None)
    with pytest.raises(gw.GatewiseError, match=r"pip install 'gatewise\[trace\]'"):
        gw.trace(layer, x)


def test_trace_is_the_function_whatever_was_imported_first():
    script = "import gatewise.sight.trace, gatewise as gw; assert gw.trace.__doc__.startswith('Return every gate')"
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.peers
@pytest.mark.parametrize("cell", FORMS)
def test_gradients_are_those_that_pytorch_retains(cell):
    torch = pytest.importorskip("torch")
    layer, x, dy, states = case(cell, 2, True)
    seen = gw.trace(layer, x, dy, LENGTHS, state=pack(states))
    params = {name: torch.from_numpy(value) for name, value in layer.params.items()}
    for b, length in enumerate(LENGTHS):
        kept = {}

        def retain(key, value, kept=kept):
            value.requires_grad_()
            value.retain_grad()
            return kept.setdefault(key, value)

        start = [torch.from_numpy(s[:, b]) for s in states]
        outputs = row(torch, cell, layer, params, torch.from_numpy(x[b, :length]), start, retain)
        torch.stack(outputs).backward(torch.from_numpy(dy[b, :length]))
        for (name, depth, k, t), value in kept.items():
            np.testing.assert_allclose(at(seen, f"d_{name}", depth, k)[b, t], value.grad, rtol=1e-10, atol=1e-13)
            np.testing.assert_allclose(at(seen, name, depth, k)[b, t], value.detach(), rtol=0, atol=1e-13)

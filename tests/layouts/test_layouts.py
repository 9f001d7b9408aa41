"""Conversion: every system's own equations in its own letters decide what its weights mean."""

import re

import numpy as np
import pytest
from systems import GRUS, ONE_BIAS, SYSTEMS, B, D, H, T, assert_same, build, layout_of, random_layer, weights_of

import gatewise as gw
from gatewise import layouts

# What the weights mean


@pytest.mark.parametrize("system", SYSTEMS)
def test_forward_equals_the_published_equations(system):
    weights = weights_of(system)
    rng = np.random.default_rng(1)
    x, h_0 = rng.normal(size=(B, T, D)), rng.normal(size=(1, B, H))
    y, state = build(system, weights)(x, h_0)
    step = SYSTEMS[system][0]
    for row in range(B):
        h = h_0[0, row]
        for t in range(T):
            h = step(x[row, t], h, **weights)
            np.testing.assert_allclose(y[row, t], h, rtol=0, atol=1e-12)
        np.testing.assert_allclose(state[0, row], h, rtol=0, atol=1e-12)


@pytest.mark.parametrize("system", SYSTEMS)
def test_exported_weights_mean_the_same_in_the_published_equations(system):
    """A random layer of ours, both biases set, gives in the system's letters what it gives here."""
    cls = gw.RNN if system == "elman" else gw.GRU
    layer = random_layer(cls, bias=system not in ("packed", "columns"))
    weights = layer.to_weights(layout_of(system))
    x = np.random.default_rng(2).normal(size=(1, T, D))
    y, _ = layer(x)
    h = [0.0] * H
    for t in range(T):
        h = SYSTEMS[system][0](x[0, t], h, **weights)
        np.testing.assert_allclose(y[0, t], h, rtol=0, atol=1e-12)


@pytest.mark.parametrize("system", SYSTEMS)
def test_gradients_in_the_systems_own_letters(system):
    """Differences of the system's own equations, against our backward pass converted into its layout."""
    weights = weights_of(system)
    layer = build(system, weights)
    rng = np.random.default_rng(3)
    x, dy = rng.normal(size=(1, T, D)), rng.normal(size=(1, T, H))
    _, _, tape = layer.forward(x)
    _, _, grads = layer.backward(tape, dy)
    hints = {} if system == "elman" else {"reset": "before"}
    got = gw.convert(grads, "torch", layout_of(system), gradients=True, **hints)

    def loss():
        h, total = [0.0] * H, 0.0
        for t in range(T):
            h = SYSTEMS[system][0](x[0, t], h, **weights)
            total += float(np.dot(dy[0, t], h))
        return total

    assert list(got) == list(weights)
    for key, w in weights.items():
        v = rng.normal(size=w.shape)
        start = w.copy()
        w[...] = start + 1e-5 * v
        above = loss()
        w[...] = start - 1e-5 * v
        below = loss()
        w[...] = start
        assert np.vdot(got[key], v) == pytest.approx((above - below) / 2e-5, rel=1e-7), key


def test_columns_of_packed_are_z_r_candidate_and_z_changes_its_sign():
    Wx = np.arange(1.0, 13.0).reshape(1, 12)
    layer = gw.GRU.from_weights({"Wx": Wx, "Wh": np.ones((4, 12))}, "packed")
    np.testing.assert_array_equal(layer.params["weight_ih_l0"][:, 0], [5, 6, 7, 8, -1, -2, -3, -4, 9, 10, 11, 12])
    np.testing.assert_array_equal(layer.params["weight_hh_l0"][4:8], -np.ones((4, 4)))


# Round trips


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("system", SYSTEMS)
def test_there_and_back_is_exact(system, dtype):
    weights = weights_of(system, dtype)
    assert_same(build(system, weights).to_weights(layout_of(system)), weights)


@pytest.mark.parametrize("system", SYSTEMS)
def test_sizes_dtype_and_form_follow_the_arrays(system):
    layer = build(system, weights_of(system, np.float32))
    assert (layer.input_size, layer.hidden_size, layer.num_layers, layer.bidirectional) == (D, H, 1, False)
    assert layer.dtype == np.float32
    assert layer.bias is (system not in ("packed", "columns"))
    assert layer.nonlinearity == "tanh" if system == "elman" else layer.reset == "before"


@pytest.mark.parametrize("target", ONE_BIAS)
@pytest.mark.parametrize("source", GRUS)
def test_between_the_one_bias_systems_and_back(source, target):
    weights = weights_of(source)
    there = gw.convert(weights, layout_of(source), layout_of(target))
    if source in ("packed", "columns") and target != "packed with bias":
        assert not any(a.any() for key, a in there.items() if key.startswith("b"))
    back = gw.convert(there, layout_of(target), layout_of(source))
    assert_same({key: back[key] for key in weights}, weights)


def test_to_the_same_layout_gives_equal_copies():
    weights = weights_of("joined")
    copies = gw.convert(weights, "joined", "joined")
    assert_same(copies, weights)
    assert not any(np.shares_memory(copies[key], weights[key]) for key in weights)


@pytest.mark.parametrize("system", SYSTEMS)
def test_nothing_shares_memory(system):
    weights = weights_of(system)
    layer = build(system, weights)
    out = layer.to_weights(layout_of(system))
    arrays = [*weights.values(), *layer.params.values(), *out.values()]
    assert not any(np.shares_memory(a, b) for i, a in enumerate(arrays) for b in arrays[:i])
    assert all(a.flags.c_contiguous and a.flags.writeable for a in out.values())


OPTIONS = [
    {},
    {"num_layers": 3},
    {"bidirectional": True},
    {"num_layers": 2, "bidirectional": True},
    {"num_layers": 2, "bias": False},
]


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("cls", [gw.GRU, gw.LSTM, gw.RNN])
def test_torch_there_and_back(cls, options):
    layer = cls(D, H, dtype=np.float64, rng=0, **options)
    weights = layer.to_weights("torch")
    assert_same(weights, layer.params)
    again = cls.from_weights(weights, "torch", **options)
    assert again.config() == layer.config()
    x = np.random.default_rng(0).normal(size=(B, T, D))
    np.testing.assert_array_equal(again(x)[0], layer(x)[0])
    assert_same(gw.convert(weights, "torch", "torch"), layer.params)


def test_torch_with_the_hints_that_arrays_do_not_tell():
    weights = random_layer().to_weights("torch")
    assert gw.GRU.from_weights(weights, "torch").reset == "after"
    assert gw.GRU.from_weights(weights, "torch", reset="before").reset == "before"
    weights = random_layer(gw.RNN).to_weights("torch")
    assert gw.RNN.from_weights(weights, "torch", nonlinearity="relu").nonlinearity == "relu"


def test_prefix_picks_one_module_out_of_a_state_dict():
    layer = random_layer(gw.LSTM)
    state_dict = layer.to_weights("torch", prefix="encoder.") | {"head.weight": np.zeros((1, H))}
    assert set(state_dict) == {f"encoder.{name}" for name in layer.params} | {"head.weight"}
    again = gw.LSTM.from_weights(state_dict, "torch", prefix="encoder.")
    assert_same(again.params, layer.params)
    assert_same(gw.convert(state_dict, "torch", "torch", prefix="encoder."), layer.params)


# Biases


@pytest.mark.parametrize("system", [*ONE_BIAS, "elman"])
def test_biases_come_flat_or_as_a_row_and_go_back_in_the_systems_shape(system):
    weights = weights_of(system)
    for shape in ((-1,), (1, -1)):
        given = {key: a.reshape(shape) if key.startswith("b") else a for key, a in weights.items()}
        assert_same(build(system, given).to_weights(layout_of(system)), weights)


@pytest.mark.parametrize("system", [*ONE_BIAS, "elman"])
def test_one_bias_becomes_bias_ih_and_bias_hh_is_zero(system):
    layer = build(system, weights_of(system))
    assert layer.params["bias_ih_l0"].all()
    assert not layer.params["bias_hh_l0"].any()


def test_two_biases_merge_into_their_sum():
    layer = random_layer()
    merged = layer.params["bias_ih_l0"] + layer.params["bias_hh_l0"]
    r, z, n = np.split(merged, 3)
    assert_same(
        {k: a for k, a in layer.to_weights("rows").items() if k[0] == "b"},
        {"bz": -z[None], "br": r[None], "bh": n[None]},
    )
    assert_same({k: a for k, a in layer.to_weights("joined").items() if k[0] == "b"}, {"b_z": z, "b_r": r, "b_g": n})
    np.testing.assert_array_equal(layer.to_weights("packed")["b"], np.concatenate([-z, r, n]))
    elman = random_layer(gw.RNN)
    merged = elman.params["bias_ih_l0"] + elman.params["bias_hh_l0"]
    np.testing.assert_array_equal(elman.to_weights("elman")["b"], merged)


def test_the_gradient_of_a_merged_bias_is_that_of_either():
    layer = random_layer()
    y, _, tape = layer.forward(np.ones((B, T, D)))
    _, _, grads = layer.backward(tape, np.ones_like(y))
    joined = gw.convert(grads, "torch", "joined", reset="before", gradients=True)
    np.testing.assert_array_equal(joined["b_g"], grads["bias_ih_l0"][2 * H :])
    back = gw.convert(joined, "joined", "torch", gradients=True)
    np.testing.assert_allclose(back["bias_hh_l0"], grads["bias_hh_l0"], rtol=1e-12)
    np.testing.assert_array_equal(back["bias_ih_l0"], grads["bias_ih_l0"])


@pytest.mark.parametrize("system", [*ONE_BIAS, "elman"])
def test_sgd_without_bias_hh_is_sgd_on_the_systems_own_arrays(system):
    """Ten steps on a layer whose bias_hh stays 0, and ten on the arrays of the system itself."""
    own, layout = weights_of(system), layout_of(system)
    hints = {} if system == "elman" else {"reset": "before"}
    layer, sgd = build(system, own), gw.optimizers.SGD(lr=0.1)
    x = np.random.default_rng(4).normal(size=(B, T, D))

    def gradients(of):
        y, _, tape = of.forward(x)
        return of.backward(tape, y)[2]

    for _ in range(10):
        sgd.step(own, gw.convert(gradients(build(system, own)), "torch", layout, gradients=True, **hints))
        sgd.step(layer.params, {name: g for name, g in gradients(layer).items() if name != "bias_hh_l0"})
    trained = layer.to_weights(layout)
    for key in own:
        np.testing.assert_allclose(trained[key], own[key], rtol=0, atol=1e-13, err_msg=key)


def test_without_biases_a_system_that_has_them_gets_zeros():
    weights = random_layer(bias=False).to_weights("rows")
    np.testing.assert_array_equal(weights["bz"], np.zeros((1, H)))
    np.testing.assert_array_equal(random_layer(gw.RNN, bias=False).to_weights("elman")["b"], np.zeros(H))
    assert "b" not in random_layer(bias=False).to_weights("packed")


def test_columns_takes_biases_only_if_they_cancel():
    layer = random_layer()
    with pytest.raises(gw.GatewiseError, match=r"biases that are not 0; layout 'columns' has no bias"):
        layer.to_weights("columns")
    layer.params["bias_hh_l0"] = -layer.params["bias_ih_l0"]
    again = gw.GRU.from_weights(layer.to_weights("columns"), "columns")
    x = np.ones((B, T, D))
    np.testing.assert_allclose(again(x)[0], layer(x)[0], atol=1e-14)


# Refusals: what came, what is needed, what to do


def refused(match, error=ValueError):
    return pytest.raises((gw.GatewiseError, error), match=match)


def test_reset_forms_are_never_converted_into_each_other():
    layer = gw.GRU(D, H, rng=0)
    for layout in ("packed", "columns", "rows", "joined"):
        with refused(rf"reset='after'; layout '{layout}' can only express reset='before': .* different functions"):
            layer.to_weights(layout)
        with refused("reset='after'"):
            gw.convert(layer.params, "torch", layout)
    with refused("hint reset is 'after'; the weights, in layout 'packed', have reset='before'"):
        gw.GRU.from_weights(weights_of("packed"), "packed", reset="after")


def test_a_relu_network_is_no_elman_layout():
    with refused("nonlinearity='relu'; layout 'elman' can only express nonlinearity='tanh'"):
        gw.RNN(D, H, nonlinearity="relu").to_weights("elman")


@pytest.mark.parametrize("layout", ["packed", "columns", "rows", "joined"])
def test_one_layer_layouts_refuse_more(layout):
    with refused(rf"num_layers=2; layout '{layout}' can only express num_layers=1: convert one layer"):
        random_layer(num_layers=2).to_weights(layout)
    with refused(rf"bidirectional=True; layout '{layout}' can only express bidirectional=False"):
        random_layer(bidirectional=True).to_weights(layout)


def test_unknown_names():
    with refused("layout is 'pakced'; need one of 'torch', 'packed', 'columns', 'rows', 'elman', 'joined'"):
        gw.convert(weights_of("packed"), "pakced", "rows")
    with refused("layout is 'keras2'; need one of"):
        gw.convert(weights_of("packed"), "packed", "keras2")
    with refused("hint is 'rest'; need one of 'cell', 'reset'"):
        gw.convert(weights_of("packed"), "packed", "torch", rest="before")
    with refused("hint is 'rest'"):
        random_layer().to_weights("packed", rest="before")


def test_another_kind_of_cell():
    with refused("layout 'packed' was asked for the weights of a lstm; it holds those of a gru: use gw.GRU"):
        gw.LSTM.from_weights(weights_of("packed"), "packed")
    with refused("layout 'elman' was asked for the weights of a gru; it holds those of a rnn"):
        random_layer().to_weights("elman")
    with refused("weight_hh_l0 has shape .* need .* which is \\(3H, H\\)"):
        gw.GRU.from_weights(gw.LSTM(D, 6).params, "torch")
    with refused("cell is 'transformer'; need one of"):
        layouts.to_params(weights_of("packed"), "packed", cell="transformer")


def test_weights_that_do_not_tell_their_cell():
    with refused("do not tell their kind of cell; need weight_hh_l0 .* cell=, or prefix="):
        gw.convert({"encoder.weight_hh_l0": np.ones((12, 4))}, "torch", "packed")


@pytest.mark.parametrize("system", SYSTEMS)
def test_missing_and_extra_arrays(system):
    weights = weights_of(system)
    for key in weights.keys() - {"b"} if system.startswith("packed") else weights:
        with refused(rf"layout '{layout_of(system)}' lacks {key}; need exactly"):
            build(system, {k: a for k, a in weights.items() if k != key})
    with refused("has unknown bias; need exactly"):
        build(system, weights | {"bias": np.zeros(H)})


def test_missing_torch_arrays():
    params = dict(gw.GRU(D, H, num_layers=2, bidirectional=True).params)
    for key in params:
        with refused(f"lacks {key}; need exactly"):
            gw.GRU.from_weights({k: a for k, a in params.items() if k != key}, "torch")


@pytest.mark.parametrize("system", SYSTEMS)
def test_wrong_shapes(system):
    weights = weights_of(system)
    for key, array in weights.items():
        with refused(rf"^{key} has shape {re.escape(str((*array.shape, 1)))}; need "):
            build(system, weights | {key: array[..., None]})
        with refused(" has shape .* need "):
            build(system, weights | {key: array[..., 1:]})


def test_a_wrong_shape_is_told_in_letters_and_numbers():
    weights = weights_of("packed")
    with refused(
        r"Wh has shape \(12, 4\); need \(4, 12\), which is \(H, 3H\) for the D = 3 and H = 4 of Wx: transpose"
    ):
        gw.convert(weights | {"Wh": weights["Wh"].T}, "packed", "rows")
    with refused(r"Wx has shape \(3, 11\); need \(D, 3H\) with D inputs and H units, as layout 'packed'"):
        gw.convert(weights | {"Wx": np.zeros((3, 11))}, "packed", "rows")


def test_hints_that_contradict_the_arrays():
    params = gw.GRU(D, H, num_layers=2).params
    assert gw.GRU.from_weights(params, "torch", num_layers=2, bidirectional=False).num_layers == 2
    with refused("hint num_layers is 3; the weights, in layout 'torch', have num_layers=2"):
        gw.GRU.from_weights(params, "torch", num_layers=3)
    with refused("hint reset is 'after'; this layer has reset='before'"):
        random_layer().to_weights("packed", reset="after")


def test_dtypes_and_types():
    weights = weights_of("packed")
    with refused("Wh has dtype float32 and Wx has float64; need all float32 or all float64", TypeError):
        gw.convert(weights | {"Wh": weights["Wh"].astype(np.float32)}, "packed", "rows")
    with refused("Wx has dtype int64", TypeError):
        gw.convert({key: a.astype(int) for key, a in weights.items()}, "packed", "rows")
    with refused("Wx is a list; need a NumPy array: pass np.asarray", TypeError):
        gw.convert({key: a.tolist() for key, a in weights.items()}, "packed", "rows")
    with refused("weights is a list; need a dict of NumPy arrays", TypeError):
        gw.convert(list(weights.values()), "packed", "rows")
    with refused("weights is a list; need a dict", TypeError):
        gw.convert(list(weights.values()), "torch", "rows")

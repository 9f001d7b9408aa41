"""Conversion from and to the layouts of frameworks: arrays that each of them made decide what its weights mean."""

import json
from functools import cache
from itertools import product
from pathlib import Path

import numpy as np
import pytest

import gatewise as gw
from gatewise.layouts import LAYOUTS
from gatewise.layouts.places import flat

D, H = 3, 4
FILE = Path(__file__).parent.parent / "golden" / "rosetta.npz"
LAYERS = {"gru": gw.GRU, "lstm": gw.LSTM, "rnn": gw.RNN}


@cache
def golden():
    with np.load(FILE, allow_pickle=False) as file:
        arrays = dict(file)
    return json.loads(str(arrays.pop("cases"))), arrays


def case(name):
    """Layer class, weights, layout, hints, x and y of a golden case."""
    cases, arrays = golden()
    known = cases[name]
    weights = {key.split("|")[2]: a for key, a in arrays.items() if key.startswith(f"{name}|w|")}
    return LAYERS[known["cell"]], weights, known["layout"], known["hints"], arrays[f"{name}|x"], arrays[f"{name}|y"]


def same(got, need):
    """Whether nested dicts hold equal arrays under equal paths."""
    got, need = flat(got), flat(need)
    return got.keys() == need.keys() and all(
        got[key].shape == need[key].shape and np.array_equal(got[key], need[key]) for key in need
    )


@pytest.mark.parametrize("name", golden()[0])
def test_forward_is_that_of_the_framework(name):
    cls, weights, layout, hints, x, y = case(name)
    layer = cls.from_weights(weights, layout, **hints)
    tolerance = 1e-12 if x.dtype == np.float64 else 1e-6
    np.testing.assert_allclose(layer(x)[0], y, rtol=0, atol=tolerance)
    if x.dtype == np.float64:
        low = {key: array.astype(np.float32) for key, array in weights.items()}
        y_low, _ = cls.from_weights(low, layout, **hints)(x.astype(np.float32))
        np.testing.assert_allclose(y_low, y, rtol=0, atol=2e-6)


@pytest.mark.parametrize("name", golden()[0])
def test_to_the_library_and_back_is_exact(name):
    cls, weights, layout, hints, _, _ = case(name)
    own = cls.from_weights(weights, layout, **hints).to_weights(layout)
    again = cls.from_weights(own, layout, **hints).to_weights(layout)
    assert same(again, own)
    theirs, ours = list(flat(weights).values()), list(flat(own).values())
    if name != "nnx lstm":  # of its two ways the one with joined gates is written
        assert sorted(a.tobytes() for a in theirs) == sorted(a.tobytes() for a in ours)


@pytest.mark.parametrize("name", [name for name, known in golden()[0].items() if known["layout"] != "torch"])
def test_the_kind_of_cell_follows_from_the_arrays(name):
    cls, weights, layout, hints, _, _ = case(name)
    known = {"reset": "before"} if getattr(cls.from_weights(weights, layout, **hints), "reset", "") == "before" else {}
    params = gw.convert(weights, layout, "torch", **{**hints, **known})
    assert same(params, dict(cls.from_weights(weights, layout, **hints).params))


TREES = [row for row in LAYOUTS if row.naming == "tree"]


@pytest.mark.parametrize("row", TREES, ids=lambda row: f"{row.name} {row.cell}")
def test_not_even_the_sign_of_a_zero_is_lost(row):
    layer = expressible(row, LAYERS[row.cell](D, H, rng=1, **forms(row)[0]))
    weights = {key: np.copysign(array * 0, array) for key, array in flat(layer.to_weights(row.name)).items()}
    hints = {name: getattr(layer, name) for name in ("reset", "nonlinearity") if hasattr(layer, name)}
    again = flat(LAYERS[row.cell].from_weights(weights, row.name, **hints).to_weights(row.name))
    assert sorted(a.tobytes() for a in again.values()) == sorted(a.tobytes() for a in weights.values())


# Every layout, cell and option that can be expressed


def forms(row):
    """Constructor options of every form of a row's cell that it can express."""
    choices = {"gru": ("reset", ("after", "before")), "rnn": ("nonlinearity", ("tanh", "relu"))}
    name, values = choices.get(row.cell, ("", ()))
    return [{name: value} for value in values if row.fixed.get(name, value) == value] or [{}]


def options_of(row):
    """Every combination of form, layers, directions, bias and dtype that a row can express."""
    many = row.naming != "single"
    biases = (True, False) if row.bias_optional else (row.stores("b", "n" * (row.cell != "lstm")),)
    names = ("num_layers", "bidirectional", "bias", "dtype")
    for form in forms(row):
        for values in product((1, 3)[: 1 + many], (False, True)[: 1 + many], biases, ("float32", "float64")):
            yield form | dict(zip(names, values, strict=True))


def expressible(row, layer):
    """Change biases such that the row holds all of them: none on the recurrent side where it has one bias."""
    for name, array in layer.params.items():
        if not name.startswith("bias"):
            continue
        mine, gates = "b" if name.startswith("bias_ih") else "c", {"gru": "rzn", "lstm": "ifgo", "rnn": "n"}[row.cell]
        for gate, part in zip(gates, np.split(array, len(gates)), strict=True):
            if not row.stores(mine, gate) or (mine == "c" and gate in row.offsets):
                part[...] = row.offsets.get(gate, 0.0) if mine == "c" else 0.0
    return layer


@pytest.mark.parametrize("row", LAYOUTS, ids=lambda row: f"{row.name} {row.cell}")
def test_from_the_library_and_back_is_exact(row):
    for options in options_of(row):
        layer = expressible(row, LAYERS[row.cell](D, H, rng=1, **options))
        weights = layer.to_weights(row.name)
        hints = {name: options[name] for name in row.free}
        hints |= {name: value for name, value in row.fixed.items() if name in ("reset", "nonlinearity")}
        again = LAYERS[row.cell].from_weights(weights, row.name, **hints)
        assert again.config() == layer.config() | {"bias": again.bias}
        assert all(np.array_equal(again.params[name], layer.params[name]) for name in layer.params), options
        assert again.bias or not layer.bias
        assert not any(np.shares_memory(a, b) for a in flat(weights).values() for b in layer.params.values())
        assert all(a.dtype == layer.dtype for a in flat(weights).values())


@pytest.mark.parametrize("source", ["keras", "onnx", "flax", "haste"])
@pytest.mark.parametrize("target", ["keras", "onnx", "flax", "haste"])
def test_from_framework_to_framework(source, target):
    layer = gw.GRU(D, H, num_layers=2, bidirectional=True, dtype="float64", rng=0)
    for name, array in layer.params.items():
        if name.startswith("bias_hh"):
            array[: 2 * H] = 0  # Flax has one bias for r and z
    theirs = gw.convert(layer.params, "torch", source)
    other = gw.convert(theirs, source, target, reset="after")
    assert same(gw.convert(other, target, source, reset="after"), theirs)


def test_gradients_convert_without_the_sign_of_an_offset():
    layer = gw.LSTM(D, H, dtype="float64", rng=0)
    grads = {name: np.full_like(array, 2.0) for name, array in layer.params.items()}
    haiku = gw.convert(grads, "torch", "haiku", gradients=True)
    assert all(np.array_equal(array, np.full_like(array, 2.0)) for array in haiku.values())


# How the names of frameworks are taken


def test_nested_flat_and_prefixed_names_are_the_same_network():
    layer = gw.GRU(D, H, dtype="float64", rng=0)
    tree = layer.to_weights("flax")
    assert list(tree) == ["ir", "iz", "in", "hr", "hz", "hn"]
    assert list(tree["ir"]) == ["kernel", "bias"]
    for weights, hints in (
        ({"params": {"cell": tree}}, {}),
        (flat(tree), {}),
        ({key.replace("/", "."): array for key, array in flat(tree).items()}, {}),
        ({"encoder": tree, "head": {"kernel": np.ones((4, 1)), "bias": np.ones(1)}}, {"prefix": "encoder"}),
        ({"encoder": tree, "head": {"kernel": np.ones((4, 1)), "bias": np.ones(1)}}, {"prefix": "encoder/"}),
    ):
        assert same(gw.GRU.from_weights(weights, "flax", **hints).to_weights("flax"), tree)


def test_layers_are_ordered_by_their_numbers():
    layer = gw.RNN(H, H, num_layers=12, bias=False, dtype="float64", rng=0)
    weights = layer.to_weights("keras")
    shuffled = {key: weights[key] for key in sorted(weights)}
    assert list(shuffled)[:3] == ["0", "1", "10"]
    named = {"simple_rnn" + f"_{key}" * (key != "0"): weights[key] for key in sorted(weights)}
    for given in (shuffled, named):
        assert same(dict(gw.RNN.from_weights(given, "keras").params), dict(layer.params))


def test_modules_whose_order_is_unknown_are_refused():
    weights = gw.GRU(H, H, rng=0).to_weights("keras")
    with pytest.raises(gw.GatewiseError, match=r"several modules, 'decoder/', 'encoder/', .* prefix="):
        gw.convert({"encoder": weights, "decoder": weights}, "keras", "torch")
    with pytest.raises(gw.GatewiseError, match="3 directions of 2 layers"):
        gw.convert({"0": {"forward": weights, "backward": weights}, "1": weights}, "keras", "torch")


def test_arrays_of_frameworks_are_taken_by_their_numbers():
    class Theirs:
        def __init__(self, array):
            self.array = array

        def __array__(self, dtype=None, copy=None):
            return self.array

    layer = gw.LSTM(D, H, rng=0)
    theirs = {key: Theirs(array) for key, array in layer.to_weights("haste").items()}
    merged = layer.to_weights("haste")
    assert same(gw.LSTM.from_weights(theirs, "haste").to_weights("haste"), merged)


# What cannot be expressed


def refused(match):
    return pytest.raises(gw.GatewiseError, match=match)


def test_reset_before_is_nothing_that_pytorch_computes():
    layer = gw.GRU(D, H, reset="before", rng=0)
    for layout in ("keras", "onnx", "haiku"):
        weights = layer.to_weights(layout)
        with refused("reset='before'; PyTorch itself computes only reset='after': .* different functions"):
            gw.convert(weights, layout, "torch")
        params = gw.convert(weights, layout, "torch", reset="before")
        assert params["weight_hh_l0"].shape == (3 * H, H)
    for layout in ("flax", "nnx", "haste"):
        with refused(f"reset='before'; layout '{layout}' can only express reset='after'"):
            layer.to_weights(layout)
    with refused("reset='after'; layout 'haiku' can only express reset='before'"):
        gw.GRU(D, H, rng=0).to_weights("haiku")


def test_a_bias_inside_the_reset_gate_needs_a_place_of_its_own():
    layer = gw.GRU(D, H, rng=0)
    with refused("bias on the recurrent side of the candidate .* layout 'nnx' has one bias"):
        layer.to_weights("nnx")
    layer.params["bias_hh_l0"][2 * H :] = 0
    assert layer.to_weights("nnx")["dense_i"]["bias"].shape == (3 * H,)


def test_one_recurrent_bias_is_kept_where_there_is_a_place():
    layer = gw.GRU(D, H, dtype="float64", rng=0)
    tree = layer.to_weights("flax")
    assert np.array_equal(tree["hn"]["bias"], layer.params["bias_hh_l0"][2 * H :])
    b, c = layer.params["bias_ih_l0"], layer.params["bias_hh_l0"]
    assert np.array_equal(tree["iz"]["bias"], (b + c)[H : 2 * H])


def test_nonlinearities_and_cells_that_a_system_lacks():
    with refused("nonlinearity='tanh'; layout 'haiku' can only express nonlinearity='relu'"):
        gw.RNN(D, H, rng=0).to_weights("haiku")
    with refused("layout 'haste' was asked for the weights of a rnn; it holds those of a gru or lstm"):
        gw.RNN(D, H, rng=0).to_weights("haste")


def test_peepholes_and_projections_are_refused_by_name():
    weights = gw.LSTM(D, H, rng=0).to_weights("onnx")
    with refused(r"lstm has P, which cannot be expressed: .*peepholes"):
        gw.convert(weights | {"P": np.zeros((1, 3 * H), np.float32)}, "onnx", "torch")
    params = dict(gw.LSTM(D, H, rng=0).params)
    with refused(r"weight_hr_l0, which cannot be expressed: .*proj_size"):
        gw.LSTM.from_weights(params | {"weight_hr_l0": np.zeros((2, H), np.float32)}, "torch")


@pytest.mark.parametrize("layout", ["keras", "onnx", "flax", "haiku", "haste"])
def test_missing_extra_and_misshapen_arrays(layout):
    layer = gw.GRU(D, H, reset="before" if layout == "haiku" else "after", dtype="float64", rng=0)
    weights, hints = flat(layer.to_weights(layout)), {"reset": layer.reset}
    for key in weights:
        less = {name: array for name, array in weights.items() if name != key}
        if key not in ("bias", "B") or layout == "haste":
            with refused(f"lacks {key}; need exactly"):
                gw.GRU.from_weights(less, layout, **hints)
        with refused(f"{key} has shape .*; need "):
            gw.GRU.from_weights(weights | {key: weights[key][..., None]}, layout, **hints)
    with refused("has unknown spam; need exactly"):
        gw.GRU.from_weights(weights | {"spam": np.ones(3)}, layout, **hints)


# haste cannot be installed here; these are steps as its documentation has them (haste_pytorch GRU and LSTM).


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def haste_gru(x, h, *, kernel, recurrent_kernel, bias, recurrent_bias):
    x_z, x_r, x_g = np.split(x @ kernel + bias, 3)
    h_z, h_r, h_g = np.split(h @ recurrent_kernel + recurrent_bias, 3)
    z, r = sigmoid(x_z + h_z), sigmoid(x_r + h_r)
    return z * h + (1 - z) * np.tanh(x_g + r * h_g)


def haste_lstm(x, state, *, kernel, recurrent_kernel, bias):
    h, c = state
    i, g, f, o = np.split(x @ kernel + h @ recurrent_kernel + bias, 4)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


def test_haste_gru():
    rng = np.random.default_rng(0)
    weights = {"kernel": (D, 3 * H), "recurrent_kernel": (H, 3 * H), "bias": (3 * H,), "recurrent_bias": (3 * H,)}
    weights = {key: rng.normal(size=shape) for key, shape in weights.items()}
    x, h = rng.normal(size=(1, 6, D)), np.zeros(H)
    y, _ = gw.GRU.from_weights(weights, "haste")(x)
    for t in range(6):
        h = haste_gru(x[0, t], h, **weights)
        np.testing.assert_allclose(y[0, t], h, rtol=0, atol=1e-12)


def test_haste_lstm():
    rng = np.random.default_rng(0)
    weights = {"kernel": (D, 4 * H), "recurrent_kernel": (H, 4 * H), "bias": (4 * H,)}
    weights = {key: rng.normal(size=shape) for key, shape in weights.items()}
    x, state = rng.normal(size=(1, 6, D)), (np.zeros(H), np.zeros(H))
    y, _ = gw.LSTM.from_weights(weights, "haste")(x)
    for t in range(6):
        state = haste_lstm(x[0, t], state, **weights)
        np.testing.assert_allclose(y[0, t], state[0], rtol=0, atol=1e-12)

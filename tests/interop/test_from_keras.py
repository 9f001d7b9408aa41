"""Keras' layers, models and files, held against what Keras made of them (tests/golden/make_keras.py)."""

import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gatewise as gw
from gatewise.errors import GatewiseWarning
from gatewise.layers import HardGRU, HardLSTM

h5py = pytest.importorskip("h5py")
GOLDEN = Path(__file__).parent.parent / "golden"
D, H = 3, 4
X = np.random.default_rng(0).normal(size=(2, 5, D))
KINDS = {
    "stacked": ["Embedding", "GRU", "Dropout", "HardLSTM", "Last", "Dense", "Softmax"],
    "functional": ["Reverse", "HardGRU", "Dense", "LSTM", "Last", "Dense"],
    "nested": ["RNN", "Dropout", "GRU", "Pool", "Dense", "Softmax"],
}


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("ending", ["keras", "h5"])
def test_files_give_the_output_of_keras(name, ending):
    with np.load(GOLDEN / "keras_models.npz", allow_pickle=False) as file:
        x, y = file[f"{name}|x"], file[f"{name}|y"]
    model = gw.from_keras(GOLDEN / f"keras_{name}.{ending}")
    assert [type(layer).__name__ for layer in model.layers] == KINDS[name]
    np.testing.assert_allclose(model(x)[0], y, rtol=0, atol=1e-6)
    assert all(layer.slope == "1/6" for layer in model.layers if isinstance(layer, HardGRU | HardLSTM))


class Layer:
    """What a layer of Keras shows of itself."""

    __module__ = "keras.src.layers"

    def __init__(self, kind, arrays=(), **config):
        self.__class__ = type(kind, (Layer,), {"__module__": "keras.src.layers"})
        self.arrays, self.config = list(arrays), {"name": kind.lower(), **config}
        self.name = self.config["name"]

    def get_config(self):
        return self.config

    def get_weights(self):
        return self.arrays


class Model(Layer):
    def __init__(self, *layers, kind="Sequential", nodes=None, outputs=()):
        entries = [{"class_name": type(layer).__name__, "config": layer.get_config()} for layer in layers]
        for entry, node in zip(entries, nodes or (), strict=False):
            entry |= {"name": entry["config"]["name"], "inbound_nodes": node}
        super().__init__(kind, layers=entries, output_layers=list(outputs))
        self.layers = layers


def recurrent(kind, layer, /, **config):
    arrays = list(layer.to_weights("keras").values())
    if layer.bidirectional:
        arrays = [array for run in arrays for array in run.values()]
    return Layer(kind, arrays, **{"return_sequences": True, "use_bias": layer.bias} | config)


def gru(**options):
    return gw.GRU(D, H, dtype="float64", rng=0, **options)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("reset", ["after", "before"])
def test_gru_of_both_forms(reset, bias):
    layer = gru(reset=reset, bias=bias)
    made = gw.from_keras(recurrent("GRU", layer, reset_after=reset == "after"))
    assert (type(made), made.reset, made.bias) == (gw.GRU, reset, bias)
    weights = made.to_weights("keras")
    assert all(np.array_equal(weights[name], array) for name, array in layer.to_weights("keras").items())


def test_the_last_step_and_reading_backward():
    layer = gru()
    whole = layer(X)[0]
    last = gw.from_keras(recurrent("GRU", layer, reset_after=True, return_sequences=False))
    np.testing.assert_array_equal(last(X)[0], whole[:, -1])
    backward = gw.from_keras(recurrent("GRU", layer, reset_after=True, go_backwards=True))
    np.testing.assert_array_equal(backward(X)[0], layer(X[:, ::-1].copy())[0])
    first = gw.from_keras(recurrent("GRU", layer, reset_after=True, go_backwards=True, return_sequences=False))
    np.testing.assert_array_equal(first(X)[0], backward(X)[0][:, -1])


def bidirectional(layer, /, merge_mode="concat", **config):
    kind = "SimpleRNN" if isinstance(layer, gw.RNN) else "GRU"
    inner = {"class_name": kind, "config": {"return_sequences": False, **config}}
    reverse = {"class_name": inner["class_name"], "config": {**inner["config"], "go_backwards": True}}
    return recurrent("Bidirectional", layer, layer=inner, backward_layer=reverse, merge_mode=merge_mode)


def test_bidirectional_layers():
    layer = gw.RNN(D, H, bidirectional=True, dtype="float64", rng=0)
    for name in ("bias_hh_l0", "bias_hh_l0_reverse"):
        layer.params[name][...] = 0
    made = gw.from_keras(bidirectional(layer, activation="tanh"))
    _, state = layer(X)
    np.testing.assert_allclose(made(X)[0], np.concatenate(list(state), axis=-1), rtol=1e-12)


def test_a_functional_model_in_any_order_of_its_list():
    def node(name):
        return [{"args": [{"class_name": "__keras_tensor__", "config": {"keras_history": [name, 0, 0]}}], "kwargs": {}}]

    layer, dense = recurrent("GRU", gru(), reset_after=True), Layer("Dense", [np.ones((H, 2)), np.ones(2)])
    parts = (dense, Layer("InputLayer"), layer)
    made = gw.from_keras(
        Model(*parts, kind="Functional", nodes=[node("gru"), [], node("inputlayer")], outputs=["dense", 0, 0])
    )
    assert [type(part).__name__ for part in made.layers] == ["GRU", "Dense"]
    keras2 = [[[["gru", 0, 0, {}]]], [], [[["inputlayer", 0, 0, {}]]]]
    made = gw.from_keras(Model(*parts, kind="Functional", nodes=keras2, outputs=[["dense", 0, 0]]))
    assert [type(part).__name__ for part in made.layers] == ["GRU", "Dense"]
    twice = [[[["gru", 0, 0, {}], ["inputlayer", 0, 0, {}]]], [], [[["inputlayer", 0, 0, {}]]]]
    with refused("no single line of layers"):
        gw.from_keras(Model(*parts, kind="Functional", nodes=twice, outputs=[["dense", 0, 0]]))
    circle = [[[["gru", 0, 0, {}]]], [], [[["dense", 0, 0, {}]]]]
    with refused("no single line of layers"):
        gw.from_keras(Model(*parts, kind="Functional", nodes=circle, outputs=[["dense", 0, 0]]))


def write_h5(path, config, version, weights):
    """A file as Keras 2 wrote it: `weights` has for each layer its arrays by name."""
    with h5py.File(path, "w") as file:
        file.attrs["model_config"], file.attrs["keras_version"] = json.dumps(config), version
        for layer, arrays in weights.items():
            group = file.create_group(f"model_weights/{layer}")
            names = [f"{layer}/{name}:0" for name in arrays]
            group.attrs["weight_names"] = [name.encode() for name in names]
            for name, array in zip(names, arrays.values(), strict=True):
                group[name] = array


@pytest.mark.parametrize(("version", "slope"), [("2.15.0", "0.2"), ("3.4.1", "1/6")])
def test_the_version_of_a_file_decides_on_the_hard_sigmoid(tmp_path, version, slope):
    layer = gru(reset="before")
    form = {"return_sequences": True, "recurrent_activation": "hard_sigmoid"}  # and no reset_after, as before Keras 2.1
    config = {"class_name": "Sequential", "config": [{"class_name": "GRU", "config": {"name": "gru_7", **form}}]}
    write_h5(tmp_path / "a.h5", config, version, {"gru_7": layer.to_weights("keras")})
    made = gw.from_keras(tmp_path / "a.h5")
    assert (type(made), made.slope, made.reset) == (HardGRU, slope, "before")
    other = HardGRU(D, H, slope=slope, reset="before", dtype="float64")
    other.params.update(made.params)
    np.testing.assert_array_equal(made(X)[0], other(X)[0])


def test_masks_and_recurrent_dropout_are_told():
    table = Layer("Embedding", [np.ones((7, D))], mask_zero=True)
    with pytest.warns(GatewiseWarning, match="embedding has mask_zero=True: pass lengths="):
        gw.from_keras(table)
    with pytest.warns(GatewiseWarning, match="masking masks steps"):
        gw.from_keras(Model(Layer("Masking"), recurrent("GRU", gru(), reset_after=True)))
    with pytest.warns(GatewiseWarning, match="recurrent_dropout"):
        made = gw.from_keras(recurrent("GRU", gru(), reset_after=True, dropout=0.1, recurrent_dropout=0.2))
    assert (made.layers[0].p, made.layers[0].variational) == (0.1, True)


def refused(match):
    return pytest.raises(gw.GatewiseError, match=match)


def test_what_has_no_counterpart_is_named():
    with refused("conv1d is a Conv1D; need one of GRU"):
        gw.from_keras(Layer("Conv1D"))
    with refused(r"gru \(GRU\): activation is 'relu'; need 'tanh'"):
        gw.from_keras(recurrent("GRU", gru(), activation="relu"))
    with refused("recurrent_activation is 'softsign'"):
        gw.from_keras(recurrent("GRU", gru(), recurrent_activation={"class_name": "function", "config": "softsign"}))
    with refused("merge_mode is 'sum'; need 'concat'"):
        gw.from_keras(bidirectional(gru(bidirectional=True), merge_mode="sum", reset_after=True))
    with refused("tanh stands after GRU; need a Dense"):
        gw.from_keras(Model(recurrent("GRU", gru(), reset_after=True), Layer("Activation", activation="tanh")))
    with refused("activation is 'gelu'"):
        gw.from_keras(Layer("Dense", [np.ones((3, 2))], activation="gelu"))
    with refused("timedistributed .*it holds a Conv1D"):
        gw.from_keras(Layer("TimeDistributed", layer={"class_name": "Conv1D", "config": {}}))
    with refused("time_major"):
        gw.from_keras(recurrent("GRU", gru(), time_major=True))
    with refused("axis is 1; need -1"):
        gw.from_keras(Layer("Softmax", axis=1))
    with refused("Model without a list of layers"):
        gw.from_keras(Layer("Model"))
    with refused("no layers that do anything"):
        gw.from_keras(Model(Layer("InputLayer")))
    with refused("source is a int; need a Keras layer"):
        gw.from_keras(3)
    with refused("lacks .*recurrent_kernel"):
        gw.from_keras(Layer("GRU", [np.ones((3, 12))], reset_after=True))
    with refused(r"dense \(Dense\): it has no weights; need a layer that has been built"):
        gw.from_keras(Layer("Dense"))
    with refused(r"dropout \(Dropout\) cannot be read: KeyError"):
        gw.from_keras(Layer("Dropout"))


def test_files_that_are_none(tmp_path):
    with refused("a.txt ends in '.txt'; need a .keras or .h5 file"):
        gw.from_keras(tmp_path / "a.txt")
    with refused("it is no file"):
        gw.from_keras(tmp_path / "a.keras")
    with h5py.File(tmp_path / "a.weights.h5", "w") as file:
        file["kernel"] = np.ones(3)
    with refused("weights but no model_config"):
        gw.from_keras(tmp_path / "a.weights.h5")


def edited(path, config):
    """A .keras file with another configuration."""
    source = GOLDEN / "keras_nested.keras"
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            new.writestr(name, config(old.read(name)) if name == "config.json" else old.read(name))
    return path


def test_configurations_that_lie(tmp_path):
    with refused("nested too deep|recursion depth"):
        gw.from_keras(edited(tmp_path / "a.keras", lambda text: b"[" * 100_000 + b"]" * 100_000))
    with refused("cannot read .*a.keras"):
        gw.from_keras(edited(tmp_path / "a.keras", lambda text: b"{}"))
    with refused("cannot read .*a.keras"):
        gw.from_keras(edited(tmp_path / "a.keras", lambda text: b'{"class_name": "GRU", "config": 5}'))

    def inside_itself(text):
        config = json.loads(text)
        inner = {"class_name": "Sequential", "config": {"name": "a", "layers": []}}
        for _ in range(40):
            inner = {"class_name": "Sequential", "config": {"name": "a", "layers": [inner]}}
        config["config"]["layers"] = [inner]
        return json.dumps(config)

    with refused("a.keras"):
        gw.from_keras(edited(tmp_path / "a.keras", inside_itself))


@pytest.mark.parametrize("ending", ["keras", "h5"])
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_damaged_files_are_read_or_refused(tmp_path_factory, ending, data):
    path = tmp_path_factory.mktemp("damaged") / f"a.{ending}"
    shutil.copy(GOLDEN / f"keras_nested.{ending}", path)
    content = bytearray(path.read_bytes())
    if data.draw(st.booleans()):
        content = content[: data.draw(st.integers(0, len(content) - 1))]
    else:
        for _ in range(data.draw(st.integers(1, 6))):
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    try:
        model = gw.from_keras(path)
    except gw.GatewiseError:
        return
    assert sum(array.nbytes for array in model.params.values()) < 2**16

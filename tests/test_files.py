import json
import struct
import sys
import time

import numpy as np
import pytest
from safetensors.numpy import save as to_bytes

import gatewise as gw
from gatewise import files
from gatewise.storage.tensors import CHECKSUM

GRU = {"type": "GRU", "input_size": 3, "hidden_size": 4, "num_layers": 1}
MODELS = {
    "gru": lambda: gw.GRU(3, 4, num_layers=2, bidirectional=True, reset="before", dropout=0.25, rng=0),
    "gru64": lambda: gw.GRU(3, 4, bias=False, dtype=np.float64, rng=0),
    "gru chrono": lambda: gw.GRU(3, 4, init="orthogonal", chrono=20.0, rng=0),
    "lstm": lambda: gw.LSTM(3, 4, num_layers=3, bidirectional=True, rng=0),
    "rnn": lambda: gw.RNN(3, 4, nonlinearity="relu", rng=0),
    "dense": lambda: gw.Dense(3, 5, "sigmoid", bias=False, rng=0),
    "dense64": lambda: gw.Dense(3, 5, dtype=np.float64, rng=0),
    "dropout": lambda: gw.Dropout(0.3, variational=True),
    "embedding": lambda: gw.Embedding(9, 3, rng=0),
    "last": lambda: gw.Last(bidirectional=True),
    "sequential": lambda: gw.Sequential(
        gw.Embedding(9, 3, dtype=np.float64, rng=0),
        gw.Sequential(gw.Dropout(0.2), gw.Sequential(gw.LSTM(3, 4, bidirectional=True, dtype=np.float64, rng=1))),
        gw.Last(bidirectional=True),
        gw.Dense(8, 2, "tanh", dtype=np.float64, rng=2),
    ),
    "no weights": lambda: gw.Sequential(gw.Dropout(0.5), gw.Sequential(gw.Last())),
}


def example(model):
    first = model.layers[0] if isinstance(model, gw.Sequential) else model
    if isinstance(first, gw.Embedding):
        return np.arange(8).reshape(2, 4)
    size = getattr(model, "input_size", None) or 4
    return np.random.default_rng(0).normal(size=(2, 4, size)).astype(model.dtype)


def header_of(content):
    size = struct.unpack("<Q", content[:8])[0]
    return json.loads(content[8 : 8 + size]), content[8 + size :]


def with_header(header, data):
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def forged(path, description, arrays=None, **header):
    """Write a file of our format whose description and arrays are free."""
    text = description if isinstance(description, str) else json.dumps(description)
    path.write_bytes(to_bytes(arrays or {}, metadata={"format": files.FORMAT, "model": text, "info": "{}"} | header))
    return path


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("as_text", [False, True])
def test_a_model_comes_back_bit_for_bit(tmp_path, name, as_text):
    model = MODELS[name]()
    path = tmp_path / "model.safetensors"
    gw.save(model, str(path) if as_text else path)
    loaded = gw.load(str(path) if as_text else path)
    assert type(loaded) is type(model)
    assert loaded.config() == model.config()
    assert loaded.dtype == model.dtype
    assert list(loaded.params) == list(model.params)
    for key, value in model.params.items():
        assert loaded.params[key].dtype == value.dtype
        np.testing.assert_array_equal(loaded.params[key], value)
    x = example(model)
    np.testing.assert_array_equal(loaded(x)[0], model(x)[0])
    y, _, tape = loaded.forward(x, training=True, rng=0)
    expected, _, _ = model.forward(x, training=True, rng=0)
    np.testing.assert_array_equal(y, expected)
    loaded.backward(tape, y)
    if isinstance(model, gw.Sequential):
        for i, layer in enumerate(loaded.layers):
            assert all(loaded.params[f"{i}.{key}"] is value for key, value in layer.params.items())


def test_files_are_plain_safetensors_without_pickle(tmp_path):
    from safetensors.numpy import load_file

    model = MODELS["sequential"]()
    gw.save(model, tmp_path / "m")
    arrays = load_file(tmp_path / "m")
    assert set(arrays) == set(model.params)
    for name, value in arrays.items():
        np.testing.assert_array_equal(value, model.params[name])
    assert "pickle" not in sys.modules["gatewise.files"].__dict__


def test_info_round_trip(tmp_path):
    info = {"epochs": 3, "note": "σ ⊙ ü", "nested": {"losses": [0.5, None, True]}, "third": 1 / 3}
    path = tmp_path / "m"
    gw.save(gw.Last(), path, info=info)
    assert files.read_info(path) == info
    gw.save(gw.Last(), path)
    assert files.read_info(path) == {}


@pytest.mark.parametrize("info", [{"a": np.zeros(2)}, {"a": {1, 2}}, {("a", 1): 2}])
def test_info_that_json_cannot_hold(tmp_path, info):
    with pytest.raises(gw.GatewiseError, match="info cannot be written as JSON") as caught:
        gw.save(gw.Last(), tmp_path / "m", info=info)
    assert isinstance(caught.value, TypeError)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("text", ["{", "5", "[1]", "[" * 100_000])
def test_info_that_cannot_be_read(tmp_path, text):
    path = forged(tmp_path / "m", {"type": "Last"}, info=text)
    with pytest.raises(gw.GatewiseError, match="its info"):
        files.read_info(path)


# What is refused


def test_custom_layers_are_refused(tmp_path):
    class Mine(gw.Dense):
        pass

    class MySequential(gw.Sequential):
        pass

    Posing = type("GRU", (gw.GRU,), {})
    refused = {
        "Mine": Mine(2, 3),
        "MySequential": MySequential(gw.Last()),
        "GRU": Posing(2, 3),
    }
    for name, layer in refused.items():
        for model in (layer, gw.Sequential(gw.Dropout(0.1), layer)):
            with pytest.raises(gw.GatewiseError, match=f"cannot save a {name}; need one of GRU, LSTM") as caught:
                gw.save(model, tmp_path / "m")
            assert isinstance(caught.value, TypeError)
    with pytest.raises(gw.GatewiseError, match="cannot save a GRUCell"):
        gw.save(gw.GRUCell(2, 3), tmp_path / "m")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("content", [b"", b"hello", b"\x80\x04K\x05.", b"\xff" * 64, b"\0" * 64])
def test_other_files_are_refused(tmp_path, content):
    path = tmp_path / "m"
    path.write_bytes(content)
    with pytest.raises(gw.GatewiseError, match=f"cannot read {path} as a safetensors file: ") as caught:
        gw.load(path)
    assert isinstance(caught.value, ValueError)


def test_random_bytes_are_refused(tmp_path):
    rng = np.random.default_rng(0)
    for size in (1, 8, 9, 100, 5000):
        (tmp_path / "m").write_bytes(rng.bytes(size))
        with pytest.raises(gw.GatewiseError, match="as a safetensors file"):
            gw.load(tmp_path / "m")


def test_every_truncation_is_refused(tmp_path):
    path = tmp_path / "m"
    gw.save(gw.Dense(2, 1, rng=0), path)
    content = path.read_bytes()
    for size in range(len(content)):
        path.write_bytes(content[:size])
        with pytest.raises(gw.GatewiseError, match="as a safetensors file"):
            gw.load(path)
    path.write_bytes(content + b"\0")
    with pytest.raises(gw.GatewiseError, match="as a safetensors file"):
        gw.load(path)


def test_flipped_bytes_give_another_model_or_a_clear_error(tmp_path):
    path = tmp_path / "m"
    gw.save(gw.Sequential(gw.GRU(1, 1, rng=0), gw.Last(), gw.Dense(1, 1, rng=1)), path)
    content = bytearray(path.read_bytes())
    rng = np.random.default_rng(0)
    messages = []
    for at in range(len(content)):
        spoiled = content.copy()
        spoiled[at] ^= int(rng.integers(1, 128))
        path.write_bytes(spoiled)
        try:
            gw.load(path)
        except gw.GatewiseError as error:
            messages.append(str(error))
    assert len(messages) > 0.5 * len(content)
    assert all(str(path) in message for message in messages)


def test_files_of_others_are_refused(tmp_path):
    path = tmp_path / "m"
    path.write_bytes(to_bytes({"a": np.zeros(2)}))
    with pytest.raises(gw.GatewiseError, match=r"has format None; need 'gatewise-1', a file written by gatewise.save"):
        gw.load(path)
    path.write_bytes(to_bytes({"a": np.zeros(2)}, metadata={"format": "pt"}))
    with pytest.raises(gw.GatewiseError, match="has format 'pt'; need 'gatewise-1'"):
        gw.load(path)
    with pytest.raises(gw.GatewiseError, match="has format 'pt'; need 'gatewise-1'"):
        files.read_info(path)


@pytest.mark.parametrize("kind", ["BF16", "F8_E4M3"])
@pytest.mark.parametrize("of_others", [True, False])
def test_numbers_that_numpy_lacks(tmp_path, kind, of_others):
    metadata = {} if of_others else {"format": files.FORMAT, "model": json.dumps({"type": "Last"})}
    size = {"BF16": 4, "F8_E4M3": 2}[kind]
    header = {"__metadata__": metadata, "a": {"dtype": kind, "shape": [2], "data_offsets": [0, size]}}
    (tmp_path / "m").write_bytes(with_header(header, b"\0" * size))
    with pytest.raises(gw.GatewiseError, match="has format None" if of_others else "as a safetensors file"):
        gw.load(tmp_path / "m")


def test_a_header_that_lies_about_shapes(tmp_path):
    path = tmp_path / "m"
    gw.save(gw.GRU(3, 4, rng=0), path)
    header, data = header_of(path.read_bytes())
    del header["__metadata__"][CHECKSUM]
    assert header["weight_ih_l0"]["shape"] == [12, 3]
    header["weight_ih_l0"]["shape"] = [3, 12]
    path.write_bytes(with_header(header, data))
    with pytest.raises(gw.GatewiseError, match=rf"{path}: .*weight_ih_l0.* has shape \(3, 12\); need \(12, 3\)"):
        gw.load(path)
    header["weight_ih_l0"]["shape"] = [120, 3]
    path.write_bytes(with_header(header, data))
    with pytest.raises(gw.GatewiseError, match="as a safetensors file"):
        gw.load(path)


def test_missing_extra_and_unfitting_arrays(tmp_path):
    good = dict(gw.GRU(3, 4, rng=0).params)
    description = gw.GRU(3, 4).config() | {"type": "GRU"}
    path = tmp_path / "m"
    cases = {
        "lacks bias_hh_l0": {name: value for name, value in good.items() if name != "bias_hh_l0"},
        "has unknown weight": good | {"weight": np.zeros(3, np.float32)},
        "bias_hh_l0.* has dtype float64; need float32": good | {"bias_hh_l0": np.zeros(12)},
        r"bias_hh_l0.* has shape \(11,\); need \(12,\)": good | {"bias_hh_l0": np.zeros(11, np.float32)},
        "at least 84 weights and holds 0": {},
    }
    for message, arrays in cases.items():
        forged(path, description, arrays)
        with pytest.raises(gw.GatewiseError, match=f"{path}: .*{message}"):
            gw.load(path)
    forged(path, description, good)
    np.testing.assert_array_equal(gw.load(path).params["bias_hh_l0"], good["bias_hh_l0"])


HOSTILE = {
    "not JSON": "{",
    "a number": "5",
    "null": "null",
    "a list": "[]",
    "text": '"GRU"',
    "no type": {"input_size": 3},
    "unknown type": {"type": "os.system", "command": "true"},
    "private type": {"type": "_Best"},
    "cell type": {"type": "GRUCell", "input_size": 1, "hidden_size": 1},
    "type of a wrong kind": {"type": ["GRU"]},
    "no sizes": {"type": "GRU"},
    "unknown argument": {"type": "Last", "command": "true"},
    "unknown argument of a GRU": GRU | {"input_size": 1, "hidden_size": 1, "command": "true"},
    "size of text": GRU | {"hidden_size": "4"},
    "size of a list": {"type": "Dense", "input_size": [0], "output_size": 10**9},
    "text times a number": {"type": "Dense", "input_size": "a", "output_size": 10**9},
    "negative size": GRU | {"hidden_size": -4},
    "negative layers": GRU | {"num_layers": -(10**6)},
    "size of 0": {"type": "Dense", "input_size": 0, "output_size": 10**9},
    "size of infinity": '{"type": "Dense", "input_size": Infinity, "output_size": 1}',
    "size of true": {"type": "Dense", "input_size": True, "output_size": 1},
    "huge hidden_size": GRU | {"hidden_size": 10**9},
    "huge input_size": GRU | {"input_size": 10**12},
    "huge num_layers": GRU | {"num_layers": 10**9},
    "huge LSTM": GRU | {"type": "LSTM", "hidden_size": 50_000},
    "huge RNN": GRU | {"type": "RNN", "hidden_size": 50_000},
    "huge Dense": {"type": "Dense", "input_size": 10**5, "output_size": 10**5},
    "huge Embedding": {"type": "Embedding", "count": 10**9, "size": 10},
    "beyond 64 bits": GRU | {"hidden_size": 10**40},
    "dtype": {"type": "Dense", "input_size": 1, "output_size": 1, "dtype": "float16"},
    "probability": {"type": "Dropout", "p": 2},
    "NaN": '{"type": "Dropout", "p": NaN}',
    "no layers": {"type": "Sequential", "layers": []},
    "layers of text": {"type": "Sequential", "layers": "ab"},
    "layers of a number": {"type": "Sequential", "layers": 5},
    "layers missing": {"type": "Sequential"},
    "layers that do not fit": {
        "type": "Sequential",
        "layers": [{"type": "Embedding", "count": 1, "size": 2}, {"type": "Dense", "input_size": 3, "output_size": 1}],
    },
    "huge inside": {"type": "Sequential", "layers": [{"type": "Sequential", "layers": [GRU | {"hidden_size": 10**9}]}]},
    "weights of the neighbor": {
        "type": "Sequential",
        "layers": [{"type": "Dense", "input_size": 10, "output_size": 10}] * 2,
    },
    "deep list": "[" * 100_000,
    "deep models": '{"type":"Sequential","layers":[' * 20_000 + "]}" * 20_000,
    "deep enough for JSON": '{"type":"Sequential","layers":[' * 400 + '{"type":"Nothing"}' + "]}" * 400,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_descriptions_are_refused_at_once(tmp_path, name):
    import tracemalloc

    path = forged(tmp_path / "m", HOSTILE[name], {"0.weight": np.zeros(100, np.float32)})
    started = time.perf_counter()
    tracemalloc.start()
    try:
        with pytest.raises(gw.GatewiseError) as caught:
            gw.load(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert str(caught.value).startswith(f"{path}: ")
    assert isinstance(caught.value, ValueError | TypeError)
    assert peak < 50e6
    assert time.perf_counter() - started < 5


def test_no_description(tmp_path):
    (tmp_path / "m").write_bytes(to_bytes({}, metadata={"format": files.FORMAT}))
    with pytest.raises(gw.GatewiseError, match="its description of the model cannot be read"):
        gw.load(tmp_path / "m")

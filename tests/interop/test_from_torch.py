"""PyTorch's modules and state_dicts, held against arrays that PyTorch made (tests/golden/make_rosetta.py)."""

import json
from pathlib import Path

import numpy as np
import pytest
from modules import Tensor, container, embedding, half, linear, module, recurrent

import gatewise as gw

FILE = Path(__file__).parent.parent / "golden" / "rosetta.npz"
D, H, T, B = 3, 4, 5, 2
RNG = np.random.default_rng(0)


def cases():
    with np.load(FILE, allow_pickle=False) as file:
        known = json.loads(str(file["cases"]))
        names = [name for name in known if name.startswith("torch")]
        arrays = {key: file[key] for key in file.files if key.startswith("torch")}
    return {
        name: (
            known[name],
            {key.split("|")[2]: a for key, a in arrays.items() if key.startswith(f"{name}|w|")},
            arrays[f"{name}|x"],
            arrays[f"{name}|y"],
        )
        for name in names
    }


CASES = cases()


@pytest.mark.parametrize("name", CASES)
def test_modules_and_their_state_dicts_give_the_output_of_pytorch(name):
    known, weights, x, y = CASES[name]
    kind = known["cell"].upper() + "Cell" * name.endswith("cell")
    made = gw.from_torch(recurrent(kind, weights, **known["hints"]))
    alone = gw.from_torch({key: Tensor(array) for key, array in weights.items()}, **known["hints"])
    np.testing.assert_allclose(alone(x)[0], y, rtol=0, atol=1e-12)
    if name.endswith("cell"):
        assert isinstance(made, gw.GRUCell)
        np.testing.assert_allclose(made.forward(x[:, 0])[0], y[:, 0], rtol=0, atol=1e-12)
        return
    np.testing.assert_allclose(made(x)[0], y, rtol=0, atol=1e-12)
    back = gw.to_torch(made)
    assert list(back) == list(weights)
    assert all(np.array_equal(back[key], weights[key]) for key in weights)
    assert not any(np.shares_memory(back[key], made.params[key]) for key in weights)


def gru(both=False, **options):
    return gw.GRU(D, H, bidirectional=both, dtype="float64", rng=0, **options)


def whole_model(both):
    head = container(linear(H * (1 + both), 6, RNG), module("ReLU"), module("Dropout", p=0.25), linear(6, 2, RNG))
    parts = {
        "embed": embedding(7, D, RNG),
        "rnn": recurrent("GRU", gru(both).params, dropout=0.0),
        "same": module("Identity"),
        "head": head,
        "out": module("Softmax", dim=-1),
    }
    return module("Model", children=parts)


@pytest.mark.parametrize("both", [False, True])
def test_a_module_of_modules_becomes_a_sequential(both):
    source = whole_model(both)
    model = gw.from_torch(source, last=True)
    kinds = ["Embedding", "GRU", "Last", "Dense", "Dropout", "Dense", "Softmax"]
    assert [type(layer).__name__ for layer in model.layers] == kinds
    state = {key: tensor.array for key, tensor in source.state_dict().items()}
    x = np.array([[1, 5, 2], [0, 6, 6]])
    h = state["embed.weight"][x]
    h, final = gru(both)(h)
    h = np.concatenate(list(final), axis=-1)
    h = np.maximum(h @ state["head.0.weight"].T + state["head.0.bias"], 0)
    e = np.exp(h @ state["head.3.weight"].T + state["head.3.bias"])
    np.testing.assert_allclose(model(x)[0], e / e.sum(axis=1, keepdims=True), rtol=1e-12)
    assert model.layers[4].p == 0.25
    assert "3.weight" in gw.to_torch(model)


def test_a_state_dict_alone_where_it_determines_the_model():
    parts = {"embed": embedding(7, D, RNG), "rnn": recurrent("GRU", gru().params), "head": linear(H, 2, RNG)}
    state = module("Model", children=parts).state_dict()
    model = gw.from_torch(state)
    assert [type(layer).__name__ for layer in model.layers] == ["Embedding", "GRU", "Dense"]
    assert model(np.array([[1, 2]]))[0].shape == (1, 2, 2)
    assert np.array_equal(model.params["2.bias"], parts["head"]._arrays["bias"])
    one = gw.from_torch(state, prefix="rnn.")
    assert isinstance(one, gw.GRU)
    assert np.array_equal(gw.from_torch(one.params).params["bias_hh_l0"], gru().params["bias_hh_l0"])
    assert gw.from_torch(gw.RNN(D, H, rng=0).params, nonlinearity="relu").nonlinearity == "relu"
    unbiased = gw.from_torch({**{f"0.{k}": a for k, a in gru().params.items()}, "1.weight": np.ones((2, H))})
    assert unbiased.layers[1].bias is False


def test_a_model_goes_back_to_the_same_arrays():
    model = gw.Sequential(gw.Embedding(7, D, rng=0), gw.LSTM(D, H, num_layers=2, rng=1), gw.Dense(H, 2, rng=2))
    again = gw.from_torch(gw.to_torch(model))
    assert all(np.array_equal(again.params[name], model.params[name]) for name in model.params)
    assert list(gw.to_torch(gw.LSTMCell(D, H, rng=0))) == ["weight_ih", "weight_hh", "bias_ih", "bias_hh"]


def refused(match):
    return pytest.raises(gw.GatewiseError, match=match)


def test_what_pytorch_does_not_compute_is_not_written_for_it():
    with refused("reset='before'; PyTorch's nn.GRU computes reset='after' only, a different function"):
        gw.to_torch(gw.Sequential(gru(reset="before"), gw.Dense(H, 1, dtype="float64", rng=0)))
    with refused("GRU has reset='before'"):
        gw.to_torch(gw.GRUCell(D, H, "before"))
    with refused("MinGRU has no counterpart in PyTorch"):
        gw.to_torch(gw.MinGRU(D, H))


def test_modules_without_a_counterpart_are_named():
    lstm = gw.LSTM(D, H, rng=0).params
    with refused(r"the module \(LSTM\): .* proj_size"):
        gw.from_torch(recurrent("LSTM", {**lstm, "weight_hr_l0": np.ones((2, H), "f")}))
    with refused("1 is a LayerNorm with weight of its own; need GRU"):
        gw.from_torch(container(linear(D, H, RNG), module("LayerNorm", {"weight": np.ones(H)})))
    with refused("0.1 is a GELU; need"):
        gw.from_torch(container(container(linear(D, H, RNG), module("GELU"))))
    with refused("tanh stands after GRU; need an nn.Linear"):
        gw.from_torch(container(recurrent("GRU", gru().params), module("Tanh")))
    with refused(r"0 \(Embedding\): it has max_norm"):
        gw.from_torch(container(embedding(7, D, RNG, max_norm=1.0)))
    with refused(r"0 \(Softmax\): it has dim=1"):
        gw.from_torch(container(module("Softmax", dim=1)))
    with refused("last=True came with a model without a recurrent layer"):
        gw.from_torch(linear(D, H, RNG), last=True)
    with refused("hints nonlinearity came with a module"):
        gw.from_torch(linear(D, H, RNG), nonlinearity="relu")
    with refused("source is a int; need a torch.nn.Module or a state_dict"):
        gw.from_torch(3)


def test_sorted_keys_are_put_in_the_order_in_which_sizes_go_together():
    parts = {"z_embed": embedding(7, D, RNG), "rnn": recurrent("GRU", gru().params), "a_head": linear(H, 2, RNG)}
    state = module("Model", children=parts).state_dict()
    kinds = ["Embedding", "GRU", "Dense"]
    for given in (state, dict(sorted(state.items()))):
        assert [type(layer).__name__ for layer in gw.from_torch(given).layers] == kinds
    numbered = {f"{k}.{name}": a for k in (10, 9) for name, a in gw.RNN(H, H, rng=k).params.items()}
    first = gw.from_torch(numbered).layers[0]
    assert np.array_equal(first.params["weight_ih_l0"], numbered["9.weight_ih_l0"])
    square = {name: np.ones((3, 3)) for name in ("a.weight", "b.weight_hh_l0", "b.weight_ih_l0")}
    with refused(r"in several ways \(a as embedding, b as rnn or a as linear, b as rnn"):
        gw.from_torch(square)


def test_state_dicts_that_leave_something_open_are_refused():
    with refused("no line in which each takes .* something known between two linear layers"):
        gw.from_torch(container(linear(D, H, RNG), module("ReLU"), linear(H, 2, RNG)).state_dict())
    with refused("in several ways .all as embedding or all as linear.; need the module"):
        gw.from_torch({"weight": np.ones((3, 3))})
    with refused("hint is 'reset'; need one of 'nonlinearity', 'prefix'"):
        gw.from_torch(gru().params, reset="before")
    with refused("norm has weight, running_mean; need those of"):
        gw.from_torch({"norm.weight": np.ones(3), "norm.running_mean": np.ones(3)})
    with refused("no arrays under the prefix 'b.'"):
        gw.from_torch({"a.weight": np.ones((3, 3))}, prefix="b.")
    with refused("need float32 or float64: call module.float"):
        gw.from_torch({name: half(array) for name, array in gru().params.items()})
    with refused("weight cannot be read as an array .*BFloat16"):
        gw.from_torch({"weight": Tensor(None, "unsupported ScalarType BFloat16"), "bias": np.ones(3)})


@pytest.mark.peers
@pytest.mark.parametrize("kind", ["GRU", "LSTM", "RNN"])
def test_against_an_installed_pytorch(kind):
    torch = pytest.importorskip("torch")
    their = getattr(torch.nn, kind)(D, H, 2, bidirectional=True, batch_first=True).double().eval()
    x = torch.randn(B, T, D, dtype=torch.float64)
    own = gw.from_torch(their)
    np.testing.assert_allclose(own(x.numpy())[0], their(x)[0].detach().numpy(), rtol=0, atol=1e-12)
    other = getattr(torch.nn, kind)(D, H, 2, bidirectional=True, batch_first=True).double()
    other.load_state_dict({name: torch.from_numpy(array) for name, array in gw.to_torch(own).items()})
    assert torch.equal(other(x)[0], their(x)[0])

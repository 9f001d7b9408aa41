"""`gatewise convert`: what is read and written by the ends of names, and what --verify says."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from safetensors.numpy import load_file, save_file

import gatewise as gw
from gatewise.cli import cli
from gatewise.interop import verification
from gatewise.layouts.files import read_arrays

D, H = 3, 4
GOLDEN = Path(__file__).parent.parent / "golden"
RUNNER = CliRunner()


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    gw.save(model(), "model.safetensors")
    np.savez("gru.npz", **gru().params)
    save_file(dict(gw.to_torch(model())), "theirs.safetensors")
    return tmp_path


def gru(**options):
    return gw.GRU(D, H, rng=1, **options)


def model():
    return gw.Sequential(gw.Embedding(7, D, rng=0), gru(), gw.Dense(H, 2, rng=2))


def convert(*arguments):
    done = RUNNER.invoke(cli, ["convert", *map(str, arguments)])
    if isinstance(done.exception, gw.GatewiseError):
        return 2, str(done.exception)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.output


def same(one, two):
    return one.keys() == two.keys() and all(np.array_equal(one[name], two[name]) for name in one)


def test_a_model_becomes_a_state_dict_and_the_same_model_again():
    code, text = convert("model.safetensors", "out.npz")
    assert code == 0
    assert text.startswith("model.safetensors → out.npz: Sequential, 139 parameters, ")
    assert same(read_arrays("out.npz"), dict(model().params))
    assert convert("out.npz", "back.safetensors")[0] == 0
    assert same(dict(gw.load("back.safetensors").params), dict(model().params))
    assert convert("theirs.safetensors", "again.safetensors")[0] == 0
    assert same(dict(gw.load("again.safetensors").params), dict(model().params))


def test_last_puts_the_last_step_before_the_head():
    assert convert("theirs.safetensors", "last.safetensors", "--last")[0] == 0
    assert [type(layer).__name__ for layer in gw.load("last.safetensors").layers] == [
        "Embedding",
        "GRU",
        "Last",
        "Dense",
    ]


@pytest.mark.parametrize("layout", ["keras", "onnx", "flax", "haste"])
def test_layouts_of_arrays(layout):
    layer = gru()
    layer.params["bias_hh_l0"][: 2 * H] = 0
    np.savez("gru.npz", **layer.params)
    assert convert("gru.npz", "there.safetensors", "--to", layout)[0] == 0
    assert "/" in next(iter(load_file("there.safetensors"))) or layout != "flax"
    hint = ("--reset", "after") if layout == "onnx" else ()
    assert convert("there.safetensors", "back.npz", "--from", layout, *hint)[0] == 0
    assert same(read_arrays("back.npz"), dict(layer.params))


def test_options_that_arrays_need():
    save_file({f"encoder.{name}": array for name, array in gru().params.items()}, "a.safetensors")
    assert convert("a.safetensors", "b.safetensors", "--prefix", "encoder.", "--reset", "before")[0] == 0
    assert gw.load("b.safetensors").reset == "before"
    save_file(dict(gw.RNN(D, H, rng=0).params), "a.safetensors")
    assert convert("a.safetensors", "b.safetensors", "--nonlinearity", "relu")[0] == 0
    assert gw.load("b.safetensors").nonlinearity == "relu"


@pytest.mark.parametrize("ending", ["keras", "h5"])
def test_files_of_keras(ending):
    pytest.importorskip("h5py")
    code, text = convert(GOLDEN / f"keras_stacked.{ending}", "out.safetensors", "--verify")
    assert code == 0
    assert "OUT run by Gatewise, read back: max |Δ| 0.0e+00" in text
    with np.load(GOLDEN / "keras_models.npz") as file:
        np.testing.assert_allclose(gw.load("out.safetensors")(file["stacked|x"])[0], file["stacked|y"], atol=1e-6)


def not_installed(name, title):
    raise verification.NotRun(f"{title} is not installed here.")


def test_verify_says_what_it_could_not_run(monkeypatch):
    monkeypatch.setattr(verification, "framework", not_installed)
    code, text = convert("gru.npz", "keras.npz", "--to", "keras", "--verify")
    assert (code, text.splitlines()[1:]) == (
        0,
        ["IN was not run: PyTorch is not installed here.", "OUT run by Gatewise, read back: max |Δ| 0.0e+00"],
    )
    code, text = convert("model.safetensors", "out.npz", "--verify", "--json")
    result = json.loads(text)
    assert (code, result["model"], result["parameters"]) == (0, "Sequential", 139)
    assert result["bytes"] == Path("out.npz").stat().st_size
    assert [check["reason"] for check in result["verify"]] == [
        "the file is Gatewise's own.",
        "PyTorch is not installed here.",
    ]


def test_a_difference_is_an_answer_of_no(monkeypatch):
    monkeypatch.setattr(verification, "_torch", lambda model, x: ("PyTorch 9", model(x)[0] + np.float32(1e-3)))
    code, text = convert("gru.npz", "out.safetensors", "--verify")
    assert code == 1
    assert "IN run by PyTorch 9: max |Δ| 1.0e-03 (too large)" in text
    assert "differ by more than rounding" in text


def test_what_is_missing_in_this_installation_is_said(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "gatewise.interop.c", None)
    code, text = convert("model.safetensors", "model.c")
    assert code == 2
    assert "this installation of Gatewise has no gatewise.interop.c.to_c" in text


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (("nothing.npz", "x.c"), "cannot read nothing.npz: it is no file"),
        (("model.safetensors", "x.png"), "OUT is x.png; need a name that ends in .safetensors, .npz"),
        (("model.txt", "x.c"), "IN is model.txt; need a name that ends in"),
        (("model.safetensors", "x.npz", "--reset", "before"), "--reset is for named arrays"),
        (("model.safetensors", "x.npz", "--to", "keras"), "layout 'keras' has one recurrent layer, and IN is a Seq"),
        (("model.safetensors", "x.c", "--to", "keras"), "--to is for named arrays in .npz or .safetensors"),
        (("gru.npz", "x.npz", "--from", "keras"), "the weights do not tell their kind of cell"),
        (("gru.npz", "x.npz", "--from", "keras", "--last"), "--last is for a state_dict"),
    ],
)
def test_mistakes(arguments, match):
    code, text = convert(*arguments)
    assert code == 2
    assert match in text


@pytest.mark.peers
@pytest.mark.parametrize("name", ["gru.npz", "theirs.safetensors"])
def test_verify_with_an_installed_pytorch(name):
    pytest.importorskip("torch")
    code, text = convert(name, "out.npz", "--verify")
    assert code == 0
    assert text.count("run by PyTorch") == 2

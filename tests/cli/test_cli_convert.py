"""`gatewise convert`: what is read and written by the ends of names, and what --verify says."""

import json
import pickle
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from safetensors.numpy import load_file, save_file

import gatewise as gw
from gatewise.cli import cli
from gatewise.interop import verification
from gatewise.interop.c import compilers
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
    for name in ("folder.npz", "folder.c"):
        (tmp_path / name).mkdir()
    (tmp_path / "model.txt").touch()
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


def test_numbers_in_c():
    code, text = convert("model.safetensors", "small.c", "--weights", "int8")
    again = gw.to_c(model(), "again.c", name="small", weights="int8")
    sizes = f"{again.weight_bytes:,} bytes of weights, {again.state_bytes:,} bytes of state for each stream"
    loss = f"8-bit weights change the outputs by {again.loss:.1e} at most, on the input of the self-test"
    assert (code, text.splitlines()[1:]) == (0, [sizes, loss])
    assert Path("small.c").read_bytes() == Path("again.c").read_bytes()
    code, text = convert("model.safetensors", "wide.c", "--weights", "float64", "--json")
    result = json.loads(text)
    assert (code, result["loss"], result["weight_bytes"] > 3 * again.weight_bytes) == (0, None, True)


def test_most_steps_of_a_stream():
    gw.save(gw.Sequential(gru(), gw.Pool(H, ["mean"], parts=2)), "parts.safetensors")
    code, text = convert("parts.safetensors", "parts.c")
    assert code == 2
    assert "`gatewise convert` has as --max-steps" in text
    code, text = convert("parts.safetensors", "parts.c", "--max-steps", "50", "--json")
    assert code == 0
    assert json.loads(text)["state_bytes"] > 4 * 50 * H


@pytest.mark.skipif(compilers.find_compiler() is None, reason="needs a C compiler")
def test_verify_holds_8_bit_weights_against_the_model_with_these():
    code, text = convert("model.safetensors", "small.c", "--weights", "int8", "--verify")
    assert code == 0
    assert "OUT run by the C compiler: max |Δ| " in text


@pytest.mark.skipif(compilers.find_compiler() is None, reason="needs a C compiler")
def test_verify_a_regressor_of_one_number():
    x = np.random.default_rng(0).normal(size=(12, 5, D))
    options = {"hidden_size": 2, "n_networks": 1, "max_iter": 1, "segments": 0, "ridge_share": 0, "random_state": 0}
    gw.save(gw.RecurrentRegressor(**options).fit(x, x[:, -1, 0]), "regressor.safetensors")
    code, text = convert("regressor.safetensors", "regressor.c", "--verify")
    assert code == 0, text
    assert "OUT run by the C compiler: max |Δ| " in text


def test_a_ridge_is_refused_in_c_and_written_to_onnx():
    pytest.importorskip("onnx")
    x = np.random.default_rng(0).normal(size=(12, 9, D))
    options = {"hidden_size": 2, "n_networks": 1, "max_iter": 1, "random_state": 0}
    gw.save(gw.RecurrentClassifier(**options).fit(x, x[:, -1, 0] > 0), "classifier.safetensors")
    for ending in ("c", "html"):
        code, text = convert("classifier.safetensors", f"classifier.{ending}")
        assert code == 2
        if ending == "c" or "ridge" in text:  # a page needs Clang, which is asked for first
            assert "has a ridge on features of random convolutions" in text
            assert "fit with ridge_share=0, or convert to .onnx, which has the ridge too." in text
            assert "\n" not in text
    assert convert("classifier.safetensors", "classifier.onnx")[0] == 0


def test_a_cell_of_your_own_is_named():
    script = (
        "import gatewise as gw\n"
        "half = lambda p, q, state: ((0.5 * (p[0] + q[0]),), ())\n"
        "slope = lambda dstate, state, before, record: ((0.5 * dstate[0],), (0.5 * dstate[0],), (0 * dstate[0],))\n"
        "own = gw.define_cell('Half', gates=('candidate',), forward=half, backward=slope)\n"
        "gw.save(own(3, 4, rng=0), 'own.safetensors')\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
    code, text = convert("own.safetensors", "own.c")
    assert code == 2
    assert "it holds a layer of the cell 'Half', which is not defined here" in text
    assert "in Python define the cell, then gw.load the file and call gw.to_c" in text


@pytest.mark.parametrize("weights", ["float32", "float64"])
def test_numbers_in_onnx(weights):
    pytest.importorskip("onnx")
    assert convert("model.safetensors", "model.onnx", "--weights", weights)[0] == 0
    assert gw.from_onnx("model.onnx").dtype == weights
    assert convert("model.onnx", "x.c", "--from", "keras")[1].startswith("--from is for named arrays; model.onnx says")


@pytest.mark.parametrize("ending", ["pt", "pth", "bin", "pkl"])
def test_a_pickle_is_never_read(ending):
    Path(f"their model.{ending}").write_bytes(pickle.dumps({"weight": 1}))
    code, text = convert(f"their model.{ending}", "out.npz")
    assert code == 2
    assert f"IN is their model.{ending}, which is a pickle: one can run any code" in text
    assert text.endswith(f"sys.argv[2])' 'their model.{ending}' 'their model.safetensors'")
    assert not Path("out.npz").exists()


@pytest.mark.peers
def test_the_line_for_a_pickle_makes_a_file_that_is_read():
    torch = pytest.importorskip("torch")
    torch.save({name: torch.from_numpy(value) for name, value in gw.to_torch(model()).items()}, "it's.pt")
    command = convert("it's.pt", "out.npz")[1].partition("with PyTorch: python ")[2]
    subprocess.run([sys.executable, *shlex.split(command)], check=True)
    assert convert("it's.safetensors", "out.npz")[0] == 0
    assert same(read_arrays("out.npz"), dict(model().params))


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
        (("nothing.npz", "x.c"), "nothing.npz: there is no such file; need a model or weights."),
        (("modl.safetensors", "x.c"), "Did you mean model.safetensors?"),
        (("model.safetensors", "x.png"), "OUT is x.png; need a name that ends in .safetensors, .npz"),
        (("model.txt", "x.c"), "IN is model.txt; need a name that ends in"),
        (("folder.npz", "x.c"), "folder.npz is a directory; need a model or weights"),
        (("model.safetensors", "away/x.c"), "OUT is away/x.c, and there is no folder away: make it first"),
        (("model.safetensors", "folder.c"), "cannot write folder.c: Is a directory"),
        (("model.safetensors", "model.safetensors"), "IN and OUT are the same file, model.safetensors"),
        (
            ("model.safetensors", "x.c", "--from", "keras"),
            "--from is for named arrays; model.safetensors says it itself",
        ),
        (("model.safetensors", "x.npz", "--weights", "int8"), "--weights is for .onnx, .c and .html; OUT is x.npz"),
        (("model.safetensors", "x.onnx", "--weights", "int8"), "need float32 or float64"),
        (("model.safetensors", "x.onnx", "--max-steps", "9"), "--max-steps is for .c and .html"),
        (("model.safetensors", "x.c", "--max-steps", "0"), "is 0; need a whole number from 1 to 16777216"),
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

"""C files as a whole: they compile without a warning anywhere, test themselves, and say their sizes and limits."""

import re
import shutil
import subprocess

import numpy as np
import pytest
from c_files import COMPILERS, compile_file, each_compiler, needs_compiler, self_test

import gatewise as gw
from gatewise.interop.c import run, to_c
from gatewise.interop.c.compilers import code_bytes
from gatewise.interop.c.program import in_blocks

X = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)


def dense_model():
    return gw.Sequential(
        gw.GRU(3, 6, rng=0),
        gw.Dropout(0.5),
        gw.Dense(6, 4, "tanh", rng=1),
        gw.Dense(4, 2, "sigmoid", bias=False, rng=2),
    )


def words_model():
    return gw.Sequential(
        gw.Embedding(7, 3, rng=0), gw.LSTM(3, 5, rng=1), gw.Last(), gw.Dense(5, 2, "relu", rng=2), gw.Softmax()
    )


def pooled_model():
    deep = gw.Sequential(gw.GRU(3, 5, rng=0), gw.Noise(0.1), gw.Pool(5))
    parts = gw.Pool(3, ("max", "mean"), parts=4)
    return gw.Sequential(gw.Parallel(deep, parts, gw.Pool(3, "mean", parts=2)), gw.Dense(36, 2, rng=1))


MODELS = {"dense": (dense_model, None), "words": (words_model, None), "pooled": (pooled_model, 60)}


def inputs(kind):
    return np.random.default_rng(2).integers(0, 7, (50, 1)) if kind == "words" else X


def truth(model, kind):
    x = inputs(kind)
    y = model.astype(np.float64)(x.T if kind == "words" else x[None].astype(np.float64))[0]
    return y[0]


@needs_compiler
@pytest.mark.parametrize("weights", ["float32", "int8"])
@pytest.mark.parametrize("kind", MODELS)
def test_models_of_layers_agree_and_test_themselves(kind, weights, tmp_path):
    make, max_steps = MODELS[kind]
    model, path = make(), tmp_path / f"{kind}.c"
    written = to_c(model, path, weights=weights, max_steps=max_steps)
    assert self_test(path, COMPILERS[-1], "-O1") == 0
    error = np.abs(run(path, inputs(kind)) - truth(model, kind)).max()
    assert error < (1e-6 if weights == "float32" else 0.02)
    assert (written.loss is None) == (weights == "float32")


@needs_compiler
@each_compiler
def test_the_step_needs_no_library(compiler, tmp_path):
    to_c(pooled_model(), tmp_path / "model.c", max_steps=9)
    flags = ["-ffreestanding", "-nostdlib", "-O3", "-c", "-o", tmp_path / "model.o"]
    done = compile_file(tmp_path / "model.c", compiler, *flags)
    assert done.returncode == 0, done.stderr
    if shutil.which("nm"):
        missing = subprocess.run(["nm", "-u", tmp_path / "model.o"], capture_output=True, text=True, check=True).stdout
        # GCC expects these of any system, however small.
        assert set(missing.split()) - {"U"} <= {"memcpy", "memset", "memmove", "memcmp"}


@needs_compiler
@each_compiler
def test_products_of_several_steps_with_a_large_matrix_are_formed_at_once(compiler, tmp_path):
    layer, path = gw.GRU(98, 30, rng=0), tmp_path / "wide.c"
    to_c(layer, path)
    assert "wide_affine_ahead(steps, 96, 98, wide_W0, wide_b0, x, s->p0);" in path.read_text()
    x = np.random.default_rng(0).normal(size=(11, 98)).astype(np.float32)
    np.testing.assert_allclose(run(path, x, compiler=compiler), layer(x[None])[0][0], atol=1e-6)
    assert self_test(path, compiler, "-O3") == 0


@needs_compiler
def test_the_file_is_a_header_too(tmp_path):
    to_c(dense_model(), tmp_path / "wheel.c")
    (tmp_path / "main.c").write_text(
        "#define WHEEL_HEADER_ONLY\n"
        '#include "wheel.c"\n'
        '#include "wheel.c"\n'
        "typedef char right_size[sizeof(wheel_state) == WHEEL_STATE_BYTES ? 1 : -1];\n"
        "int main(void)\n{\n    static wheel_state s;\n    const float x[WHEEL_INPUTS] = {0};\n"
        "    float y[WHEEL_OUTPUTS];\n    wheel_init(&s);\n    return wheel_step(&s, x, y);\n}\n"
    )
    done = compile_file(tmp_path / "wheel.c", COMPILERS[0], tmp_path / "main.c", "-o", tmp_path / "main")
    assert done.returncode == 0, done.stderr
    assert subprocess.run([tmp_path / "main"]).returncode == 0


@needs_compiler
def test_the_test_inside_sees_a_wrong_weight(tmp_path):
    path = tmp_path / "wheel.c"
    to_c(dense_model(), path)
    text = path.read_text()
    found = re.search(r"wheel_b0\[18\] = \{\s+(\S+)f,", text)
    path.write_text(text[: found.start(1)] + "0.9" + text[found.end(1) :])
    assert self_test(path, COMPILERS[0], "-O1") == 1


def test_the_same_model_gives_the_same_bytes(tmp_path):
    texts = []
    for name in "ab":
        to_c(dense_model(), tmp_path / f"{name}.c", name="model", weights="int8")
        texts.append((tmp_path / f"{name}.c").read_bytes())
    assert texts[0] == texts[1]


def test_sizes_are_said(tmp_path):
    layer = gw.GRU(10, 16, rng=0)
    full, small = (to_c(layer, tmp_path / "gru.c", weights=weights) for weights in ("float32", "int8"))
    assert full[1:4] == ("gru", 10, 16)
    assert full.weight_bytes == 4 * layer.summary().parameters
    assert small.weight_bytes == 48 * 26 + 4 * (4 * 48)
    assert full.state_bytes == small.state_bytes == 4 * (16 + 48 + 48)
    text = (tmp_path / "gru.c").read_text()
    assert f"outputs for the self-test's input by up to {small.loss:.2g}." in text
    assert "#define GRU_STATE_BYTES 448 " in text
    if COMPILERS and shutil.which("size"):
        assert 200 < code_bytes(tmp_path / "gru.c") < 5000
        assert small.code_bytes("no-such-compiler") is None


def test_wide_and_narrow_layers_have_layouts_of_their_own(tmp_path):
    calls = {}
    for units in (16, 15, 6):  # 3 gates: a multiple of 16, not far from one, far from one
        to_c(gw.GRU(6, units, rng=0), tmp_path / "gru.c")
        calls[units] = re.findall(r" gru_(affine\w*\(\d+, \d+)", (tmp_path / "gru.c").read_text())
    assert calls[16] == ["affine_blocks(48, 6", "affine_blocks(48, 16"]
    assert calls[15] == ["affine_blocks(48, 6", "affine_blocks(48, 15"]
    assert calls[6] == ["affine(18, 6", "affine(18, 6"]
    matrix = np.arange(32 * 5).reshape(32, 5)
    flat = in_blocks(matrix)
    assert flat[:17].tolist() == [*matrix[:16, 0], matrix[0, 1]]
    assert flat[64] == matrix[16, 0]
    assert flat[128:].tolist() == matrix[:, 4].tolist()


@needs_compiler
def test_steps_that_cannot_be_taken_are_refused(tmp_path):
    to_c(words_model(), tmp_path / "words.c")
    with pytest.raises(gw.GatewiseError, match="need numbers within its table"):
        run(tmp_path / "words.c", np.array([1, 2, 7]))
    to_c(pooled_model(), tmp_path / "pooled.c", max_steps=5)
    with pytest.raises(gw.GatewiseError, match="more steps than the file keeps"):
        run(tmp_path / "pooled.c", X[:6])
    assert run(tmp_path / "pooled.c", X[:5]).shape == (2,)


@needs_compiler
def test_run_says_what_does_not_fit(tmp_path, monkeypatch):
    path = tmp_path / "wheel.c"
    to_c(dense_model(), path)
    with pytest.raises(gw.GatewiseError, match=r"x has shape \(4, 2\); .*wheel.c needs \(time, 3\)"):
        run(path, np.zeros((4, 2)))
    (tmp_path / "other.c").write_text("int main(void) { return 0; }\n")
    with pytest.raises(gw.GatewiseError, match=r"need a file written by gatewise\.to_c"):
        run(tmp_path / "other.c", X)
    with pytest.raises(gw.GatewiseError, match="cannot read"):
        run(tmp_path / "absent.c", X)
    path.write_text(path.read_text().replace("return 0;", "return 0", 1))
    with pytest.raises(gw.GatewiseError, match=r"failed: (?s:.*)error"):
        run(path, X)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    with pytest.raises(gw.GatewiseError, match="no C compiler is installed here; need cc, gcc or clang"):
        run(path, X)


def bad(**options):
    return lambda: (gw.GRU(3, 4, rng=0), options)


REFUSED = {
    "two directions": (lambda: (gw.GRU(3, 4, bidirectional=True), {}), "GRU is bidirectional"),
    "last of two": (
        lambda: (gw.Sequential(gw.GRU(3, 4), gw.Last(True)), {}),
        r"layer 1 \(Last\) has bidirectional=True",
    ),
    "parts": (lambda: (gw.Pool(3, "mean", parts=2), {}), "means over 2 parts .* with max_steps="),
    "reversed": (lambda: (gw.Sequential(gw.Dense(2, 2), gw.Reverse()), {}), "a stream has no end to begin from"),
    "any size": (lambda: (gw.Dropout(0.5), {}), "takes inputs of any size"),
    "nothing": (lambda: (gw.Sequential(gw.Embedding(3, 2), gw.Embedding(3, 2)), {}), "reads what is no input"),
    "no layer": (lambda: ([1, 2], {}), "model is a list; need a layer"),
    "not fitted": (lambda: (gw.RecurrentClassifier(), {}), "is not fitted"),
    "a word of C": (bad(name="for"), "no word of C"),
    "no name": (bad(name="a-b"), "letters, digits and _"),
    "weights": (bad(weights="int4"), "weights is 'int4'; need one of 'float32', 'float64', 'int8'"),
    "steps": (bad(max_steps=0), "max_steps is 0; need at least 1"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_written_is_refused(case, tmp_path):
    make, message = REFUSED[case]
    model, options = make()
    with pytest.raises(gw.GatewiseError, match=message):
        to_c(model, tmp_path / "model.c", **options)
    assert not (tmp_path / "model.c").exists()


def test_weights_that_are_not_finite_and_folders_that_are_not_there_are_refused(tmp_path):
    layer = gw.GRU(3, 4, rng=0)
    with pytest.raises(gw.GatewiseError, match="cannot write"):
        to_c(layer, tmp_path / "absent" / "model.c")
    layer.params["bias_ih_l0"][0] = np.nan
    with pytest.raises(gw.GatewiseError, match="not finite"):
        to_c(layer, tmp_path / "model.c")


@pytest.mark.parametrize(
    ("file", "name"), [("gru.c", "gru"), ("my model-2.c", "my_model_2"), ("3.c", "model_3"), ("int.c", "int_model")]
)
def test_names_come_from_the_file(file, name, tmp_path):
    assert to_c(gw.RNN(1, 2, rng=0), tmp_path / file).name == name


def test_cells_of_one_step_are_written_as_their_layer(tmp_path):
    assert to_c(gw.GRUCell(2, 3, rng=0), tmp_path / "cell.c").outputs == 3

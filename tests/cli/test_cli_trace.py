"""`gatewise trace`: the numbers it prints are those of the equations it prints."""

import json
import re

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from click.testing import CliRunner
from forms import FORMS

import gatewise as gw
from gatewise.cli.trace import command

FUNCTIONS = {
    "σ": lambda a: 1 / (1 + np.exp(-a)),
    "tanh": np.tanh,
    "relu": lambda a: np.maximum(a, 0),
}


def chosen(form):
    """The options that choose a form: --cell, and --reset or --nonlinearity."""
    return ["--cell", FORMS[form].layer.kind, *(f"--{name}={value}" for name, value in FORMS[form].options.items())]


def run(*arguments):
    return CliRunner().invoke(command, [str(argument) for argument in arguments])


def python(equation):
    """An equation in the letters of the mathematics as Python over arrays."""
    for mark, sign in {"⊙": "*", "−": "-", "ᵀ": ".T", "½": "0.5 *"}.items():
        equation = equation.replace(mark, sign)
    equation = re.sub(r"\[(.*)\]", r"np.concatenate([\1])", equation)
    return re.sub(r"(?<=[\w)]) (?=[A-Z])", " @ ", equation)


def parts(name, value, letters):
    """The value under its name, and the parts of a vector of all gates under theirs: p_r, W rows U_n, q_rz, …"""
    found = {name: value}
    if name[:2] in ("p_", "q_") and name[2:].isdecimal():
        found |= {f"{name[0]}_{k}": v for k, v in zip(letters, np.split(value, len(letters) or 1), strict=False)}
    if name == "q_rz":
        found |= dict(zip(("q_r", "q_z"), np.split(value, 2), strict=True))
    if name in ("U", "c") and letters == "rzn":
        r, z, n = np.split(value, 3)
        found |= {f"{name}_rz": np.concatenate([r, z]), f"{name}_n": n}
    return found


def summed(equation, known, steps):
    """Σ over all steps of a product of two letters, or of one."""
    total = 0
    for t, own in enumerate(steps, 1):
        names = [
            name.replace("_{t-1}", f"_{t - 1}").replace("_t", f"_{t}") for name in equation.removeprefix("Σ ").split()
        ]
        values = [(own | known)[name.removesuffix("ᵀ")] for name in names]
        total = total + (np.outer(*values) if len(values) == 2 else values[0])
    return total


def recomputed(lines, letters):
    """Each line that has an equation, with the value of the equation on the values of the lines before it."""
    known, own, steps = {}, {}, {}
    for section, name, equation, value in lines:
        value = np.array(value)
        if equation:
            t = int(section.rpartition(" ")[2]) if "t = " in section else None
            if section.startswith("gradients"):
                both = re.split(", rows of n: ", equation)
                expected = summed(both[0], known, steps.values())
                if len(both) == 2:
                    rows = len(expected) // 3
                    expected[2 * rows :] = summed(both[1], known, steps.values())
            elif section == "loss":
                expected = [0.5 * sum(float(known[f"h_{t}"] @ known[f"h_{t}"]) for t in steps)]
            else:
                own = steps.setdefault(t, {})
                expected = eval(python(equation), {"np": np} | FUNCTIONS | known | own)
            yield section, name, np.array(expected), value
        shared = section in ("given", "loss") or re.fullmatch(r"(h|c|back|cback|x|dp|dq|dh|dc)_\d+", name)
        (known if shared else own).update(parts(name, value, letters))


@pytest.mark.parametrize("sizes", [(), ("--hidden", 3, "--inputs", 1, "--time", 4), ("--time", 1, "--hidden", 1)])
@pytest.mark.parametrize("form", FORMS)
def test_every_number_is_that_of_its_equation(form, sizes):
    done = run("--steps", "--json", "--seed", 5, *chosen(form), *sizes)
    assert done.exit_code == 0, done.output
    found = json.loads(done.output)
    lines = [(line["section"], line["name"], line["equation"], line["value"]) for line in found["lines"]]
    count = 0
    cell = FORMS[form].cell
    for section, name, expected, value in recomputed(lines, "".join(cell.letters)):
        np.testing.assert_allclose(value, expected, rtol=0, atol=1e-14, err_msg=f"{section}: {name}")
        count += 1
    assert count >= 10
    assert found["check"]["backward"] == pytest.approx(found["check"]["difference"], abs=1e-9)
    checked = next(value for _, name, _, value in lines if name == ("dU" if cell.recurrent else "dW"))
    assert found["check"]["backward"] == checked[found["check"]["row"]][found["check"]["column"]]


def read(text):
    """The lines of the printed page as (section, name, equation, value)."""
    section, found = "", []
    for line in text.splitlines():
        if re.fullmatch(r"\S.*", line):
            section = line
        elif match := re.fullmatch(r"  (\w+) += (?:(.*?) += )?([-\d. |]+)", line):
            name, equation, numbers = match.groups()
            found.append([section, name, equation or "", [[float(n) for n in numbers.replace("|", " ").split()]]])
        elif re.fullmatch(r" +[-\d. ]+", line):
            found[-1][3].append([float(n) for n in line.split()])
    return [(*head, np.array(rows if head[1].strip("d") in ("W", "U") else rows[0])) for *head, rows in found]


@pytest.mark.parametrize("form", FORMS)
def test_the_page_says_the_same_as_the_json(form):
    page, exact = (run("--steps", *options, *chosen(form)) for options in (("--digits", 6), ("--json",)))
    exact = json.loads(exact.output)
    assert page.exit_code == 0
    lines = read(page.output.split("\ncheck")[0])
    assert [line[:3] for line in lines] == [(e["section"], e["name"], e["equation"]) for e in exact["lines"]]
    for line, expected in zip(lines, exact["lines"], strict=True):
        np.testing.assert_allclose(line[3], expected["value"], rtol=0, atol=5.1e-7)
    for _, name, expected, value in recomputed(lines, "".join(FORMS[form].cell.letters)):
        np.testing.assert_allclose(value, expected, rtol=0, atol=2e-5, err_msg=name)
    measured = [float(line.rpartition("=")[2]) for line in page.output.splitlines()[-2:]]
    assert measured[0] == pytest.approx(measured[1], abs=1e-8)
    assert measured[0] != 0
    assert max(map(len, page.output.splitlines()[1:])) < 150


def test_the_reader_would_notice_a_wrong_number():
    lines = read(run("--steps", "--digits", 6).output.split("\ncheck")[0])
    spoiled = [(s, n, e, v + 1e-3 * (n == "da_z")) for s, n, e, v in lines]
    errors = [np.abs(value - expected).max() for _, _, expected, value in recomputed(spoiled, "rzn")]
    assert max(errors) > 1e-4


@pytest.mark.parametrize("kind", ["nc", "npz", "csv"])
def test_a_saved_model_on_an_array(tmp_path, kind):
    model = gw.Sequential(gw.LSTM(2, 3, bidirectional=True, rng=0), gw.Last(), gw.Dense(6, 1, rng=1))
    x = np.random.default_rng(0).normal(size=(2, 5, 2))
    gw.save(model, tmp_path / "model.safetensors")
    np.save(tmp_path / "x.npy", x)
    out = tmp_path / f"seen.{kind}"
    done = run(tmp_path / "model.safetensors", tmp_path / "x.npy", "-o", out)
    assert done.exit_code == 0, done.output
    assert re.search(r"forget +direction 2, batch 2, time 5, unit 3", done.output)
    expected = gw.trace(model, x.astype(np.float32))
    if kind == "nc":
        seen = xr.load_dataset(out, engine="scipy")
        np.testing.assert_array_equal(seen["forget"], expected["forget"])
        assert seen["direction"].values.tolist() == ["forward", "reverse"]
    elif kind == "npz":
        with np.load(out) as seen:
            assert set(seen) == set(expected.data_vars)
            np.testing.assert_array_equal(seen["cell"], expected["cell"])
    else:
        table = pd.read_csv(out)
        one = table.query("variable == 'output' and direction == 'reverse' and batch == 1 and time == 4 and unit == 2")
        assert one["value"].item() == pytest.approx(float(expected["output"][1, 1, 4, 2]), rel=1e-6)
        assert len(table) == sum(values.size for values in expected.data_vars.values())


def test_a_table_is_one_sequence(tmp_path):
    gw.save(gw.GRU(2, 3, rng=0), tmp_path / "model.safetensors")
    (tmp_path / "x.csv").write_text("a,b\n1,0.5\n-1,2\n0,0\n")
    done = run(tmp_path / "model.safetensors", tmp_path / "x.csv", "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.output)
    assert found["update"]["dims"] == {"batch": 1, "time": 3, "unit": 3}
    expected = gw.trace(gw.load(tmp_path / "model.safetensors"), np.array([[[1, 0.5], [-1, 2], [0, 0]]], np.float32))
    assert found["update"]["mean"] == pytest.approx(float(expected["update"].mean()))


def test_wrong_use(tmp_path):
    gw.save(gw.GRU(2, 3, rng=0), tmp_path / "m.safetensors")
    np.save(tmp_path / "x.npy", np.zeros((1, 4, 3)))
    (tmp_path / "bad.npy").write_text("no array")
    for arguments in ([], ["--steps", "m.safetensors"], [tmp_path / "m.safetensors"], ["--steps", "--hidden", 99]):
        assert run(*arguments).exit_code == 2
    gone = run(tmp_path / "m.safetensors", tmp_path / "gone.npy")
    assert gone.exit_code == 2
    assert "no such file" in gone.stderr
    for name, message in {
        "x.npy": "need \\(batch, time, 2\\)",
        "bad.npy": "cannot read",
    }.items():
        done = run(tmp_path / "m.safetensors", tmp_path / name)
        assert isinstance(done.exception, gw.GatewiseError)
        assert re.search(message, str(done.exception))
    np.save(tmp_path / "x.npy", np.zeros((1, 4, 2)))
    done = run(tmp_path / "m.safetensors", tmp_path / "x.npy", "-o", tmp_path / "seen.txt")
    assert "need a name that ends in .nc, .npz or .csv" in str(done.exception)
    assert not (tmp_path / "seen.txt").exists()

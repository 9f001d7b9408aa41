"""`gatewise report`: the page of a saved model, and what it refuses."""

import json

import numpy as np
import pandas as pd
from click.testing import CliRunner
from outline import ids, words
from report_pages import HOSTILE, a_fitted_classifier

import gatewise as gw
from gatewise.cli import cli


def run(*arguments):
    return CliRunner().invoke(cli, ["report", *map(str, arguments)], catch_exceptions=True)


def saved(model, folder, **info):
    path = folder / "model.safetensors"
    gw.save(model, path, info=info)
    return path


def test_command_writes_the_page_of_a_layer(tmp_path):
    path, out, data = saved(gw.GRU(2, 3, rng=0), tmp_path), tmp_path / "page.html", tmp_path / "x.npz"
    np.savez(data, x=np.random.default_rng(0).normal(size=(3, 5, 2)), lengths=[5, 2, 3])
    done = run(path, data, "-o", out, "--compare", "rnn", "--title", HOSTILE, "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["page"] == str(out)
    text = words(out.read_text(encoding="utf-8"))
    assert "Shown on 3 sequences of 2 to 5 steps" in text
    assert "model.safetensors, x.npz" in text
    np.save(tmp_path / "x.npy", np.zeros((2, 4, 2)))
    assert run(path, tmp_path / "x.npy", "-o", out).exit_code == 0
    assert run(path, "-o", out).stdout.strip() == str(out)


def test_command_reads_the_table_of_a_classifier(tmp_path):
    rng = np.random.default_rng(0)
    kinds = rng.integers(0, 2, 20)
    rows = [
        (f"s{k}", t, kind + rng.normal(), "hill" if kind else "dale") for k, kind in enumerate(kinds) for t in range(6)
    ]
    table, folder = tmp_path / "a.csv", tmp_path / "out"
    pd.DataFrame(rows, columns=["id", "t", "v", "kind"]).to_csv(table, index=False)
    options = ["--label", "kind", "--sequence", "id", "--time", "t", "--out", folder, "--quiet"]
    trained = CliRunner().invoke(cli, ["classify", str(table), *map(str, options)])
    assert trained.exit_code == 0, trained.output
    done = run(folder / "model.safetensors", table, "-o", tmp_path / "page.html", "--quiet")
    assert done.exit_code == 0, done.output
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "confusion" in ids(page)
    assert "hill" in words(page)


def test_command_tells_wrong_input_in_one_line(tmp_path):
    path, text = saved(gw.GRU(2, 3, rng=0), tmp_path), tmp_path / "a.csv"
    text.write_text("a\n1\n")
    np.savez(tmp_path / "z.npz", z=[1])
    np.save(tmp_path / "object.npy", np.array([{}]), allow_pickle=True)
    for arguments in ((tmp_path / "absent",), (path, tmp_path / "absent.npy")):
        refused = run(*arguments)
        assert refused.exit_code == 2
        assert "no such file" in refused.stderr
    for arguments, said in [
        ((path, text), "does not know the columns"),
        ((path, tmp_path / "z.npz"), "holds z"),
        ((path, tmp_path / "object.npy"), "cannot be read as arrays"),
        ((path, "-o", tmp_path / "no" / "page.html"), "cannot write"),
    ]:
        error = run(*arguments).exception
        assert isinstance(error, gw.GatewiseError)
        assert said in str(error)
    done = run(saved(a_fitted_classifier(), tmp_path))
    assert "pass DATA" in str(done.exception)

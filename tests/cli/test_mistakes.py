"""Mistakes on the command line: one line that says what was probably meant, exit code 2, nothing heavy imported."""

import sys

import pytest
from commands import gatewise

from gatewise import cli
from gatewise.cli import mistakes


@pytest.fixture
def refused(tmp_path, monkeypatch, capsys):
    """Run a command that is refused; return its line."""
    monkeypatch.chdir(tmp_path)
    for name in ("sales.csv", "model.safetensors", "sales.parquet"):
        (tmp_path / name).write_text("day,x\n2024-01-01,1\n")

    def line(*arguments):
        monkeypatch.setattr(sys, "argv", ["gatewise", *arguments])
        with pytest.raises(SystemExit) as caught:
            cli.main()
        out, err = capsys.readouterr()
        assert (caught.value.code, out, len(err.splitlines())) == (2, "", 1), err
        return err.strip()

    return line


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["forcast", "sales.csv"], "gatewise: there is no command 'forcast'; did you mean forecast?"),
        (["pred"], "did you mean predict?"),
        (["xyz"], "there is no command 'xyz'; need bench, check, classify"),
        (["sales.csv"], "sales.csv is a file; the command goes first, as in gatewise forecast sales.csv"),
        (["model.safetensors", "sales.csv"], "as in gatewise predict model.safetensors"),
        (
            ["forecast", "sales.csv", "-time", "day"],
            "forecast: there is no option -time; did you mean --time?",
        ),
        (["forecast", "sales.csv", "-horizon", "7"], "no option -horizon; did you mean --horizon?"),
        (["predict", "model.safetensors", "sales.csv", "-out", "a"], "no option -out; did you mean --out?"),
        (["forecast", "sales.csv", "--value", "x"], "there is no option --value; did you mean --target?"),
        (["forecast", "sales.csv", "--tagret", "x"], "did you mean --target?"),
        (["forecast", "sales.csv", "--time_format", "x"], "did you mean --time-format?"),
        (["classify", "sales.csv", "--target", "x"], "did you mean --label?"),
        (["regress", "sales.csv", "--group", "x"], "did you mean --sequence?"),
        (["forecast", "sales.csv", "--qqq"], "there is no option --qqq; --help lists them."),
        (["forecast", "sales.csv", "--level", "0.8"], "is 0.8; need a number from 1 to 99. Did you mean 80?"),
        (["forecast", "sales.csv", "--level", "80%"], "--level is '80%'; need a number from 1 to 99."),
        (["forecast", "sales.csv", "--level", "100"], "--level is 100; need a number from 1 to 99."),
        (["forecast", "sales.csv", "--level", "nan"], "--level is nan; need a number from 1 to 99."),
        (["forecast", "sales.csv", "--horizon", "0"], "--horizon is 0; need a whole number of at least 1."),
        (["forecast", "sales.csv", "--horizon", "2.5"], "--horizon is '2.5'; need a whole number of at least 1."),
        (["forecast", "sales.csv", "--target"], "gatewise forecast: --target needs a value."),
        (["forecast", "sales.csv", "more.csv"], "more.csv is too much; need FILE only"),
        (["forecast"], "gatewise forecast: need FILE; `gatewise forecast --help` says what it is."),
        (
            ["forecast", "salse.csv"],
            "no such file; need a CSV or Parquet file. Did you mean sales.csv?",
        ),
        (["forecast", "."], ". is a directory; need a CSV or Parquet file."),
        (["forecast", "model.safetensors"], "is a model; need a CSV or Parquet file: gatewise predict takes a model"),
        (["classify", "sales.csv", "--test", "tset.csv"], "--test tset.csv: there is no such file"),
        (
            ["predict", "sales.csv", "model.safetensors"],
            "a table; the model goes first: gatewise predict model",
        ),
        (
            ["report", "sales.parquet", "model.safetensors"],
            "a table; the model goes first: gatewise report m",
        ),
        (["predict", "modl.safetensors", "sales.csv"], "Did you mean model.safetensors?"),
        (["trace", "--steps", "--cell", "grru"], "Did you mean gru?"),
    ],
)
def test_what_was_probably_meant(refused, arguments, words):
    assert words in refused(*arguments)


def test_short_options_stay_short():
    report = cli.cli.get_command(None, "report")
    assert mistakes.single_dash(["model.safetensors", "-o", "page.html"], report) == ""
    assert mistakes.single_dash(["-opage.html", "-5", "-"], report) == ""


def test_a_missing_file_is_told_before_anything_heavy_is_imported():
    for command in (["forecast", "none.csv"], ["classify", "none.csv"], ["predict", "none.safetensors", "none.csv"]):
        result = gatewise(*command, PYTHONPROFILEIMPORTTIME="1")
        assert result.returncode == 2
        imported = {
            line.rpartition("|")[2].strip() for line in result.stderr.splitlines() if line.startswith("import time")
        }
        assert not imported & {"pandas", "pyarrow", "sklearn", "scipy", "numba", "rich", "bokeh"}


def test_the_list_of_commands_imports_none_of_them():
    result = gatewise("--help", PYTHONPROFILEIMPORTTIME="1")
    assert "forecast  Forecast the series of a table." in result.stdout
    assert "gatewise.cli.bench" not in result.stderr


@pytest.mark.parametrize("verb", ["", *cli.VERBS])
def test_help_fits_80_columns(verb, monkeypatch):
    from click.testing import CliRunner

    monkeypatch.setenv("COLUMNS", "80")
    result = CliRunner().invoke(cli.cli, [*verb.split(), "--help"], terminal_width=80)
    assert result.exit_code == 0
    assert max(map(len, result.output.splitlines())) <= 80
    assert "..." not in result.output.replace("[ARGS]...", "")
    assert " RANGE" not in result.output

import json
import os

import numpy as np
import pytest
from click.testing import CliRunner
from commands import gatewise as run
from forms import FORMS

import gatewise as gw
from gatewise.cells import gru
from gatewise.cli import cli
from gatewise.cli.check import command as check
from gatewise.gradcheck import CONFIGURATIONS
from gatewise.printing import text_table


@pytest.fixture
def broken_gru(monkeypatch):
    """A GRU whose first unit's reset gate gets a gradient 1 % off."""

    def spoiled(*arguments):
        dp, dq, dstate = gru.RESET_AFTER.step_backward(*arguments)
        dp[:, 0] *= 1.01
        return dp, dq, dstate

    monkeypatch.setitem(gru.FORMS, "after", gru.RESET_AFTER._replace(step_backward=spoiled))


@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help(flag):
    done = run(flag)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Usage: ")
    assert "Exit code 0: done" in done.stdout
    assert "  check " in done.stdout
    done = run("check", flag)
    assert (done.returncode, done.stderr) == (0, "")
    for option in ("--samples", "--seed", "--all", "--json", "--quiet"):
        assert option in done.stdout


def test_version():
    done = run("--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"gatewise, version {gw.__version__}\n", "")


def test_no_verb_shows_help_and_exits_2():
    done = run()
    assert done.returncode == 2
    assert "Usage: " in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["chekc"], "there is no command 'chekc'; did you mean check?"),
        (["--nothing"], "there is no option --nothing"),
        (["check", "--nothing"], "there is no option --nothing"),
        (["check", "extra"], "extra is too much"),
        (["check", "--samples", "-1"], "--samples is -1; need a whole number of at least 0"),
        (["check", "--samples", "many"], "--samples is 'many'; need a whole number"),
        (["check", "--seed", "-3"], "--seed is -3"),
        (["check", "--seed"], "--seed needs a value"),
    ],
)
def test_wrong_usage_exits_2_with_one_line_on_stderr(arguments, message):
    done = run(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert message in done.stderr
    assert "gatewise" in done.stderr


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["check", "--help"], ["check", "--samples", "0"]])
def test_a_reader_that_leaves_early_is_no_failure(arguments):
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "w") as stdout:
        done = run(*arguments, stdout=stdout)
    assert (done.returncode, done.stderr) == (0, "")


def test_expected_errors_exit_2_with_one_line(monkeypatch, capsys):
    from gatewise import cli as module

    def fails(**options):
        raise gw.GatewiseError("x is wrong:\n  need another x.")

    monkeypatch.setattr(module.cli, "main", fails)
    with pytest.raises(SystemExit) as caught:
        module.main()
    assert caught.value.code == 2
    assert capsys.readouterr() == ("", "gatewise: x is wrong: need another x.\n")

    def interrupted(**options):
        raise KeyboardInterrupt

    monkeypatch.setattr(module.cli, "main", interrupted)
    with pytest.raises(SystemExit) as caught:
        module.main()
    assert caught.value.code == 130
    assert capsys.readouterr() == ("", "gatewise: interrupted\n")


def test_check_passes_and_draws_no_progress_on_stdout():
    done = run("check", "--samples", "0", FORCE_COLOR="1", TERM="xterm")
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["cell", "layers", "directions", "passed", "arrays", "worst", "error", "in"]
    assert len([line for line in lines if " 8 of 8 " in line]) == CONFIGURATIONS // 8
    assert lines[-1].startswith(f"{CONFIGURATIONS} of {CONFIGURATIONS} configurations pass, worst relative error ")
    assert "tolerance 1e-07" in lines[-1]
    assert "\x1b" not in done.stdout
    assert "checking" not in done.stdout
    assert f"{CONFIGURATIONS}/{CONFIGURATIONS}" in done.stderr
    assert "FAILS" not in done.stdout


def test_check_is_silent_on_stderr_without_a_terminal():
    result = CliRunner().invoke(cli, ["check", "--samples", "0"])
    assert (result.exit_code, result.stderr) == (0, "")


def test_check_all():
    result = CliRunner().invoke(cli, ["check", "--samples", "0", "--quiet", "--all"])
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert lines[0].split()[:6] == ["cell", "layers", "directions", "lengths", "bias", "initial"]
    assert len([line for line in lines if line.endswith(" ok")]) == CONFIGURATIONS


def test_check_json():
    results = [CliRunner().invoke(cli, ["check", "--samples", "0", "--json", "--seed", "5"]) for _ in range(2)]
    first, second = (json.loads(result.stdout) for result in results)
    assert results[0].exit_code == 0
    assert results[0].stderr == ""
    assert first["ok"]
    assert first["tolerance"] == 1e-7
    configurations = first["configurations"]
    assert len(configurations) == CONFIGURATIONS
    names = ("cell", "layers", "directions", "lengths", "bias", "initial state")
    assert len({tuple(c[name] for name in names) for c in configurations}) == CONFIGURATIONS
    forms = {" ".join([form.layer.__name__, *form.options.values()]): form for form in FORMS.values()}
    assert {c["cell"] for c in configurations} == set(forms)
    for c in configurations:
        assert c["ok"]
        assert c["worst"] == max(c["errors"].values()) <= first["worst"] <= 1e-7
        cell = forms[c["cell"]].cell
        arrays = c["layers"] * c["directions"] * (2 if c["bias"] else 1) * (2 if cell.recurrent else 1)
        assert len(c["errors"]) == arrays + 1 + len(cell.states)
    assert configurations == second["configurations"]


def test_check_fails_when_a_cell_is_wrong(broken_gru):
    result = CliRunner().invoke(check, ["--samples", "0", "--quiet"])
    assert result.exit_code == 1
    failures = [line for line in result.stdout.splitlines() if line.startswith("FAILS: ")]
    assert len(failures) == 32
    assert failures[0] == (
        "FAILS: cell GRU after, layers 1, directions 1, lengths False, bias False, initial state zero"
    )
    assert f"{CONFIGURATIONS - 32} of {CONFIGURATIONS} configurations pass" in result.stdout.splitlines()[-1]
    assert any("weight_ih_l0" in line and line.endswith("FAILS") for line in result.stdout.splitlines())


def test_check_all_fails_when_a_cell_is_wrong(broken_gru):
    result = CliRunner().invoke(check, ["--samples", "0", "--all", "--quiet"])
    assert result.exit_code == 1
    assert sum(line.startswith("GRU after") and line.endswith(" FAILS") for line in result.stdout.splitlines()) == 32


def test_json_stays_json_when_gradients_are_nan(monkeypatch):
    def refuse(text):
        raise AssertionError(f"{text} is not JSON")

    def backward(*arguments):
        dp, dq, dstate = gru.RESET_AFTER.step_backward(*arguments)
        return dp * np.nan, dq, dstate

    monkeypatch.setitem(gru.FORMS, "after", gru.RESET_AFTER._replace(step_backward=backward))
    result = CliRunner().invoke(check, ["--samples", "0", "--json"])
    found = json.loads(result.stdout, parse_constant=refuse)
    assert result.exit_code == 1
    assert found["worst"] is None
    assert not found["ok"]
    assert {c["cell"] for c in found["configurations"] if not c["ok"]} == {"GRU after"}


def test_tables_are_plain_text(monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    text = text_table(("name", "value"), [("[bold]a[/bold]", 1), (":smile:", 22)], right=(1,))
    lines = text.splitlines()
    assert "\x1b" not in text
    assert lines[0].split() == ["name", "value"]
    assert lines[2].split() == ["[bold]a[/bold]", "1"]
    assert lines[3].split() == [":smile:", "22"]
    assert len(lines) == 4

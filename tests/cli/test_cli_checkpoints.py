"""`--checkpoint`, `--every`, `--resume`: commands that a signal ends and that go on to the same files."""

import json
import os
import signal
import subprocess
import sys
import time

import click
import numpy as np
import pytest
from support.commands import SOURCE, gatewise

from gatewise import pages
from gatewise.cli import checkpoints, cli, mistakes
from gatewise.cli.mistakes import Interrupted
from gatewise.errors import GatewiseError
from gatewise.training.loop import TrainingLoop

rng = np.random.default_rng(0)
DAYS = np.datetime64("2024-01-01") + np.arange(120)
SALES = [f"{day},{20 + 5 * np.sin(k * 0.9) + rng.normal():.2f}" for k, day in enumerate(DAYS)]
STEPS = [
    f"{i},{t},{x:.3f},{'up' if i % 2 else 'down'},{i * 0.1:.2f}"
    for i in range(12)
    for t, x in enumerate(rng.normal(size=6) + (0.3 * np.arange(6) if i % 2 else 0))
]
COMMANDS = {
    "forecast": ["forecast", "sales.csv", "--horizon", "4"],
    "classify": ["classify", "steps.csv", "--label", "kind", "--sequence", "id", "--time", "t", "--features", "x"],
    "regress": ["regress", "steps.csv", "--target", "level", "--sequence", "id", "--time", "t", "--features", "x"],
}
NAMES = {"forecast": "forecast.csv", "classify": "predictions.csv", "regress": "predictions.csv"}


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sales.csv").write_text("\n".join(["date,units", *SALES]))
    (tmp_path / "steps.csv").write_text("\n".join(["id,t,x,kind,level", *STEPS]))
    return tmp_path


@pytest.fixture
def ended(monkeypatch):
    """End the command by a signal after so many batches; None to let it run."""
    monkeypatch.setattr(pages, "require", lambda: 1 / 0)  # no page: it takes long and is tested elsewhere
    monkeypatch.setattr("gatewise.convolutions.fitting.SIZE", 500)
    monkeypatch.setattr("gatewise.estimators.fitting.UPDATES", 10)
    monkeypatch.setattr("gatewise.estimators.fitting.LEAST_EPOCHS", 2)
    step = TrainingLoop.step

    def patch(number, which=signal.SIGTERM):
        count, patch.batches = iter(range(1, 10**6)), 0

        def counted(self):
            step(self)
            patch.batches = next(count)
            if patch.batches == number:
                os.kill(os.getpid(), which)

        monkeypatch.setattr(TrainingLoop, "step", counted)

    return patch


def run(*words):
    cli.main([*words, "--quiet"], prog_name="gatewise", standalone_mode=False)


def files(folder, command):
    """The bytes of what a command wrote, but for the seconds it took."""
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics.pop("seconds") > 0
    return [metrics, *((folder / name).read_bytes() for name in ("model.safetensors", NAMES[command]))]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_that_a_signal_ends_goes_on_to_the_same_files(command, here, ended):
    words = COMMANDS[command]
    ended(None)
    run(*words, "--out", "whole")
    batches, expected = ended.batches, files(here / "whole", command)
    assert batches > 3
    for number, name in ((2, "held-out"), (batches, "final")):
        kept = ["--checkpoint", f"run/{number}", "--every", "1"]
        for which in (signal.SIGINT, signal.SIGTERM)[: 1 + (number == 2)]:
            ended(number, which)
            with pytest.raises(Interrupted) as caught:
                run(*words, "--out", "out", *kept)
            assert caught.value.code == 128 + which
            assert f"gatewise: ended by {which.name}, " in caught.value.message
            assert caught.value.message.endswith("; the same command with --resume goes on from there.")
        assert not list((here / "out").iterdir()), "nothing is written before everything is there"
        assert (here / f"run/{number}/{name}.checkpoint").exists()
        ended(None)
        run(*words, "--out", "out", *kept, "--resume")
        assert ended.batches <= batches - number
        assert files(here / "out", command) == expected
        for path in (here / "out").iterdir():
            path.unlink()
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_signal_between_trainings_ends_a_command_too(here, ended, monkeypatch):
    def told(*_):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(1)

    monkeypatch.setattr("gatewise.tables.read_table", told)
    with pytest.raises(Interrupted, match="ended by SIGTERM, between two trainings; the same command with --resume"):
        run(*COMMANDS["forecast"], "--checkpoint", "run")


def test_a_command_of_another_kind_is_refused_in_words(here, ended):
    words = ["--checkpoint", "run", "--out", "out"]
    ended(1)
    with pytest.raises(Interrupted):
        run(*COMMANDS["forecast"], *words)
    with pytest.raises(GatewiseError, match=r"held-out.checkpoint is the .* another .*horizon is 4 in it and 5 here"):
        run("forecast", "sales.csv", "--horizon", "5", *words, "--resume")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--resume"], "--resume needs --checkpoint FOLDER"),
        (["--every", "5min"], "--every needs --checkpoint FOLDER"),
        (["--every", "soon"], "--every is 'soon'; need minute, hour, day"),
        (["--every", "5 weeks", "--checkpoint", "run"], "--every is '5 weeks'; need a number of epochs, or a time"),
        (["--every", "0", "--checkpoint", "run"], "--every is '0'; need a number of epochs"),
        (["--every", "day", "--every", "week"], "--every is given twice"),
    ],
)
def test_wrong_usage_is_told_before_any_work(words, told, here, monkeypatch):
    monkeypatch.setattr("gatewise.tables.read_table", lambda *_: 1 / 0)
    with pytest.raises((click.UsageError, GatewiseError)) as caught:
        run("forecast", "sales.csv", *words)
    error = caught.value
    assert told in (mistakes.told(error) if isinstance(error, click.UsageError) else str(error))


def test_a_folder_that_cannot_be_made_is_told_in_one_line(here):
    result = gatewise("forecast", "sales.csv", "--checkpoint", "sales.csv", "--resume")
    assert result.returncode == 2
    assert result.stderr.startswith("gatewise: --checkpoint sales.csv: cannot make this folder")
    assert len(result.stderr.splitlines()) == 1


def test_periods_and_intervals_share_an_option():
    kind = checkpoints.PeriodOrInterval()
    given = [kind.convert(text, None, None) for text in ("Week", "5 min")]
    assert checkpoints.apart(given) == ("week", "5 min")
    assert checkpoints.apart([kind.convert("12", None, None)]) == (None, 12)
    assert checkpoints.apart([]) == (None, None)
    with pytest.raises(click.UsageError):
        checkpoints.apart([1, 2])


def test_a_real_command_ends_with_the_signals_exit_code_and_one_line(here):
    words = ["forecast", "sales.csv", "--horizon", "4", "--quiet", "--checkpoint", "run", "--every", "30s"]
    code = "from gatewise.training.loop import TrainingLoop as T; import time; s = T.step\n"
    code += "def slow(self): s(self); print('step', flush=True); time.sleep(0.05)\n"
    code += "T.step = slow; from gatewise.cli import main; main()"
    environment = {**os.environ, "PYTHONPATH": str(SOURCE), "GATEWISE_KERNELS": "0"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "env": environment}
    with subprocess.Popen([sys.executable, "-c", code, *words], **pipes) as process:
        assert process.stdout.readline() == "step\n"
        process.send_signal(signal.SIGTERM)
        _, told = process.communicate(timeout=120)
    assert process.returncode == 128 + signal.SIGTERM
    assert told.startswith("gatewise: ended by SIGTERM, in epoch 1, after ")
    assert len(told.splitlines()) == 1
    assert [path.name for path in (here / "run").iterdir()] == ["held-out.checkpoint"]

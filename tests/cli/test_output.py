"""Results of a command: all files or none, places tested before the work, and output that nobody can take."""

import errno
import importlib
import os
import sys
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import gatewise as gw
from gatewise import cli, tables
from gatewise.cli import output
from gatewise.tables.forecasts import ForecastTask

RELEASED = Path(__file__).parents[1] / "golden" / "files" / "0.1.0"
TABLE = str(RELEASED / "table.csv")
FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
posix = pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")


def gatewise(*arguments):
    """Run the command here; return its exit code."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["gatewise", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            cli.main()
    return caught.value.code or 0


@contextmanager
def full_disk():
    """A file on a full disk; what nobody could flush goes nowhere in the end."""
    with open("/dev/full", "w", encoding="utf-8") as full:
        yield full
        os.dup2(os.open(os.devnull, os.O_WRONLY), full.fileno())


def held(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def failing(real, number):
    """A function that finds the disk full when it is called for this time."""
    calls = []

    def call(*arguments, **options):
        calls.append(arguments)
        if len(calls) == number:
            raise FULL
        return real(*arguments, **options)

    return call


@pytest.mark.parametrize(("name", "number"), [("write", 1), ("write", 3), ("fsync", 2), ("replace", 1), ("replace", 3)])
def test_results_are_all_new_or_all_old(tmp_path, monkeypatch, name, number):
    old = dict.fromkeys((output.MODEL, output.METRICS), b"old")
    for one, content in old.items():
        (tmp_path / one).write_bytes(content)
    result = SimpleNamespace(to_bytes=lambda: b"model")
    files = {"forecast.csv": "ü\n", output.METRICS: "{}\n"}
    with monkeypatch.context() as patch:
        patch.setattr(os, name, failing(getattr(os, name), number))
        with pytest.raises(gw.GatewiseError, match="No space left on device"):
            output.write_results(tmp_path, result, files)
    assert held(tmp_path) == old
    written = output.write_results(tmp_path, result, files)
    assert written == [str(tmp_path / name) for name in (output.MODEL, *files)]
    assert held(tmp_path) == {output.MODEL: b"model", "forecast.csv": "ü\n".encode(), output.METRICS: b"{}\n"}
    assert output.write_results(None, result, files) == []


def in_the_way(folder, what):
    """Put something in the way of results."""
    if what == "a file":
        folder.write_bytes(b"")
    else:
        (folder / what).mkdir(parents=True)


@pytest.mark.parametrize("what", ["a file", "model.safetensors", "forecast.csv", "metrics.json", "report.html"])
def test_a_forecast_finds_what_is_in_the_way_before_it_trains(tmp_path, monkeypatch, capsys, what):
    monkeypatch.setattr(ForecastTask, "fit", lambda *arguments, **options: pytest.fail("it trains"))
    in_the_way(tmp_path / "out", what)
    assert gatewise("forecast", TABLE, "--out", tmp_path / "out", "--horizon", 2, "--quiet") == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("gatewise: ")
    assert ("cannot make this folder" in said.err) if what == "a file" else (f"{what}: Is a directory." in said.err)


def test_a_forecast_finds_a_full_disk_before_it_trains(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(ForecastTask, "fit", lambda *arguments, **options: pytest.fail("it trains"))
    monkeypatch.setattr(os, "write", failing(os.write, 1))
    assert gatewise("forecast", TABLE, "--out", tmp_path / "out", "--horizon", 2, "--quiet") == 2
    assert capsys.readouterr().err == (
        f"gatewise: cannot write {tmp_path / 'out' / 'model.safetensors'}: No space left on device.\n"
    )
    assert held(tmp_path / "out") == {}


def work_is_done(*arguments, **options):
    pytest.fail("the work is done before the place is tested")


WORK = {
    "predict": ("gatewise.tables", "predict"),
    "report": ("gatewise.cli.report", "load"),
    "trace": ("gatewise.cli.trace", "trace"),
    "convert": ("gatewise.cli.convert", "read_model"),
    "stream": ("gatewise.tables.streams", "open_stream"),
    "examine": ("gatewise.cli.examine", "examined"),
}


@pytest.mark.parametrize("verb", WORK)
def test_the_place_of_a_file_is_tested_before_the_work(tmp_path, monkeypatch, capsys, verb):
    monkeypatch.chdir(tmp_path)
    model, forecaster = RELEASED / "gru.safetensors", RELEASED / "table_forecaster.safetensors"
    np.save("x.npy", np.zeros((1, 3, 2), np.float32))
    Path("net.py").write_text("")
    module, name = WORK[verb]
    monkeypatch.setattr(importlib.import_module(module), name, work_is_done)
    Path("folder.csv").mkdir()
    Path("folder.c").mkdir()
    arguments = {
        "predict": (forecaster, TABLE, "--out", "folder.csv"),
        "report": (model, "-o", "folder.csv"),
        "trace": (model, "x.npy", "-o", "folder.csv"),
        "convert": (model, "folder.c"),
        "stream": (model, "--save-state", "folder.csv"),
        "examine": ("net.py:Net", "-o", "none/page.html"),
    }[verb]
    assert gatewise(verb, *arguments) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "cannot write" in said.err
    assert len(said.err.splitlines()) == 1


@posix
@pytest.mark.parametrize("arguments", [["--help"], ["trace", "--steps"], ["predict", "MODEL", TABLE, "--quiet"]])
def test_results_that_go_to_a_full_disk_end_with_one_line(monkeypatch, capsys, arguments):
    model = str(RELEASED / "table_forecaster.safetensors")
    with full_disk() as full:
        monkeypatch.setattr(sys, "stdout", full)
        assert gatewise(*(model if one == "MODEL" else one for one in arguments)) == 2
    said = capsys.readouterr().err
    verb = "" if arguments == ["--help"] else f" {arguments[0]}"
    assert said == f"gatewise{verb}: cannot print the result: No space left on device.\n"


@posix
def test_notes_that_nobody_can_take_stop_nothing(monkeypatch, capsys):
    arguments = ("predict", RELEASED / "table_forecaster.safetensors", TABLE)
    with full_disk() as full:
        monkeypatch.setattr(sys, "stderr", full)
        assert gatewise(*arguments) == 0
    with full_disk() as full:
        monkeypatch.setattr(sys, "stderr", full)
        assert gatewise("predict", "nothing") == 2
    assert len(capsys.readouterr().out.splitlines()) == 4


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_stream_that_the_shell_closed(monkeypatch, capsys, stream):
    monkeypatch.setattr(sys, stream, None)
    assert gatewise("predict", RELEASED / "table_forecaster.safetensors", TABLE) == 0
    said = capsys.readouterr()
    assert (said.out == "") == (stream == "stdout")
    assert (said.err == "") == (stream == "stderr")


def test_predictions_go_through_links_and_devices(tmp_path, capsys):
    model = RELEASED / "table_forecaster.safetensors"
    (tmp_path / "real.csv").write_bytes(b"")
    (tmp_path / "real.csv").chmod(0o600)
    (tmp_path / "link.csv").symlink_to("real.csv")
    for out in (tmp_path / "link.csv", os.devnull):
        assert gatewise("predict", model, TABLE, "--out", out, "--quiet") == 0
    assert (tmp_path / "link.csv").is_symlink()
    assert (tmp_path / "real.csv").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "real.csv").read_text() == tables.predict(model, TABLE)[0].to_csv(index=False)

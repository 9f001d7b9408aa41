"""The campaign of load, short: threads, streams and memory; and that it notices what is broken."""

import importlib.util
import itertools
import mmap
from pathlib import Path

import numpy as np
import pytest

SCRIPT = Path(__file__).parents[1] / "reliability" / "load.py"


@pytest.fixture(scope="module")
def load():
    spec = importlib.util.spec_from_file_location("reliability_load", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("check", ["threads", "steppers-in-threads", "steppers", "training", "memory", "streams"])
def test_a_short_run_keeps_its_promises(load, check, capsys):
    assert load.main(["--runs", "12", "--only", check, "--model", "layer", "--model", "Sequential"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "0 broken"
    assert len(lines) > 1
    assert all(line.split()[:2] == [check, "ok"] for line in lines[:-1])


def test_a_wrong_prediction_is_noticed(load, monkeypatch, capsys):
    calls = itertools.count()
    monkeypatch.setitem(load.MODELS, "layer", lambda seed: lambda k: np.array([next(calls) == 40]))
    assert load.main(["--runs", "12", "--only", "threads", "--model", "layer"]) == 1
    assert "96 predictions in 8 threads, 1 wrong" in capsys.readouterr().out


def test_memory_and_files_that_grow_are_noticed(load, monkeypatch, capsys, tmp_path):
    kept, path = [], tmp_path / "some"
    path.touch()

    def leaky(k):
        kept.append(mmap.mmap(-1, 2**21))  # memory that nothing freed before can stand in for
        kept[-1].write(bytes(2**21))
        return np.ones(1)

    def forgetful(k):
        kept.append(path.open())
        return np.ones(1)

    for predict in (leaky, forgetful):
        monkeypatch.setitem(load.MODELS, "layer", lambda seed, predict=predict: predict)
        assert load.main(["--runs", "10", "--only", "memory", "--model", "layer"]) == 1
    assert "+18 files" in capsys.readouterr().out or load.handles() == 0
    for one in kept:
        one.close()


def test_an_exception_counts_as_wrong(load):
    def fail():
        raise ValueError("no")

    assert load.together([fail, lambda: (5, 0)]) == (6, 1)

"""`gatewise examine` for real: exit codes, JSON, the page, hostile files, exercises."""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

import gatewise as gw
from gatewise.examine.exercise import exercise
from gatewise.examine.result import from_json

SOURCE = Path(gw.__file__).parents[1]
GRU = """
import numpy as np


class Elman:
    def __init__(self, input_size, hidden_size):
        self.W, self.U = np.ones((input_size, hidden_size)), np.ones((hidden_size, hidden_size))

    def forward(self, x, h_prev):
        h = np.tanh(x @ self.W + h_prev @ self.U)
        self.cache = x, h_prev, h
        return h

    def backward(self, dh):
        x, h_prev, h = self.cache
        da = dh * (1 - h ** 2)
        self.dW, self.dU = x.T @ da, h_prev.T @ da
        return da @ self.W.T, da @ self.U.T
"""


def run(*arguments, timeout=120):
    return subprocess.run(
        [sys.executable, "-m", "gatewise", "examine", *map(str, arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(SOURCE), "COLUMNS": "100"},
        timeout=timeout,
        check=False,
    )


@pytest.fixture
def write(tmp_path):
    def written(text, name="mine.py"):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return written


def test_right_is_0_and_wrong_is_1(write):
    done = run(write(GRU))
    assert (done.returncode, done.stderr) == (0, "")
    assert "Elman: an Elman network, tanh, no bias" in done.stdout
    assert "right: every gradient agrees" in done.stdout
    done = run(f"{write(GRU.replace('(1 - h ** 2)', '(1 - h) ** 2'), 'wrong.py')}:Elman")
    assert (done.returncode, done.stderr) == (1, "")
    assert "(1 − h)² stands for (1 − h²)" in done.stdout
    assert "da = dh * (1 - h) ** 2" in done.stdout


def test_json_is_the_examination(write):
    done = run(f"{write(GRU)}:Elman(3, 7)", "--json")
    own = from_json(done.stdout)
    assert (own.ok, own.name, own.convention["cell"]) == (True, "Elman(3, 7)", "rnn")
    assert own.weights["weight_ih_l0"].shape == (7, 3)
    assert json.loads(own.to_json()) == json.loads(done.stdout)


def test_the_page_stands_alone_and_escapes(write, tmp_path):
    evil = GRU.replace("(1 - h ** 2)", "(1 - h) ** 2  # </code><script>alert(1)</script>")
    page = tmp_path / "page.html"
    assert run(f"{write(evil)}:Elman", "-o", page).returncode == 1
    text = page.read_text(encoding="utf-8")
    assert "<script" not in text
    assert "&lt;script&gt;alert(1)" in text
    assert not re.search(r"(?:src|href|url\(|@import|https?:)", text)
    assert '<div class="wrong"><del>' in text
    assert "(1 − h²)" in text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def broken(:\n", "is no Python: invalid syntax"),
        ("raise RuntimeError('no')\n", "RuntimeError: no (line 1 of mine.py: raise RuntimeError('no'))"),
        ("import os\nos._exit(3)\n", "ended the process (exit code 3)"),
        ("import sys\nsys.exit(0)\n", "raises SystemExit"),
        ("a = 1\n", "holds no arrays of weights"),
        (GRU.replace("h = np", "1 / 0; h = np"), "ZeroDivisionError"),
        (GRU + GRU.replace("Elman", "Other"), "has several classes with a backward pass; name one"),
        ("class A:\n    def backward(self, dh): return self.backward(dh)\n    forward = backward\n", "holds no arrays"),
    ],
)
def test_what_is_not_understood_is_2(write, text, message):
    done = run(write(text))
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_wrong_usage_is_2(write):
    path = write(GRU)
    for arguments, message in [
        ([], "need FILE.py:NAME"),
        (["nowhere.py"], "there is no file nowhere.py"),
        ([f"{path}:Other"], "has no Other; it has Elman"),
        ([path, "--exercise"], "leave FILE.py:NAME out"),
        (["--exercise", "--answer", "last"], "need line numbers"),
        ([path, "--time-limit", "0"], "--time-limit"),
    ]:
        done = run(*arguments)
        assert (done.returncode, done.stdout) == (2, ""), arguments
        assert message in done.stderr


def test_prints_of_the_code_are_kept_apart(write):
    done = run(
        write(GRU.replace("        h = np", "        print('here')\n        h = np") + "\nprint('there')\n"), "--json"
    )
    assert done.returncode == 0
    assert json.loads(done.stdout)["ok"]


def test_an_endless_loop_is_ended_with_all_it_started(write, tmp_path):
    alive = tmp_path / "alive"
    child = f"import time\nwhile True: open({str(alive)!r}, 'a').write('.'); time.sleep(0.05)"
    text = f"""
import signal, subprocess, sys, time
signal.signal(signal.SIGALRM, signal.SIG_IGN)
subprocess.Popen([sys.executable, "-c", {child!r}])
while True:
    try:
        time.sleep(1)
    except BaseException:
        pass
"""
    began = time.perf_counter()
    done = run(write(text), "--time-limit", "1")
    assert (done.returncode, done.stdout) == (2, "")
    assert "longer than the limit of 1 s" in done.stderr
    assert time.perf_counter() - began < 60
    size = alive.stat().st_size
    assert size > 0
    time.sleep(1)
    assert alive.stat().st_size == size


def test_exercises_are_printed_and_answers_checked():
    done = run("--exercise", "--level", "2", "--seed", "3")
    assert done.returncode == 0
    own = exercise(2, 3)
    assert own.numbered() in done.stdout
    right = run("--exercise", "--level", "2", "--seed", "3", "--answer", ",".join(map(str, own.answers)))
    assert right.returncode == 0
    assert right.stdout.startswith("Right.")
    wrong = run("--level", "2", "--seed", "3", "--answer", "1")
    assert wrong.returncode == 1
    assert "line 1 is right" in wrong.stdout
    assert json.loads(run("--exercise", "--json").stdout)["source"] == exercise().source


@pytest.mark.parametrize("level", [1, 2, 3])
def test_exercises_have_the_slips_that_the_examination_finds(level):
    for seed in range(4):
        own = exercise(level, seed)
        assert own.source == exercise(level, seed).source
        examination = own.examine()
        assert len(examination.slips) == len(own.answers)
        assert sorted(slip.line for slip in examination.slips) == list(own.answers), str(examination)
    assert exercise(level, 0).source != exercise(level, 1).source

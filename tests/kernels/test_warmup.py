"""Compiling ahead, what is said about it, and compiled code that no longer fits its sources."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import gatewise
from gatewise import kernels
from gatewise.cells import FORMS
from gatewise.kernels import announcement, cache

TRAIN = """
import numpy as np, gatewise as gw
gru = gw.GRU(2, 3, rng=0)
y, _, tape = gru.forward(np.ones((1, 4, 2), np.float32))
print(gru.backward(tape, y)[0].sum())
"""

WORKERS = """
from multiprocessing import get_context
from gatewise.kernels.announcement import _first_to_announce
if __name__ == "__main__":
    with get_context("{method}").Pool(2) as pool:
        answers = [pool.apply_async(_first_to_announce) for _ in range(4)]
        print(sum(each.get(60) for each in answers))
        pool.close()
        pool.join()
"""
JOBLIB = """
from joblib import Parallel, delayed
from gatewise.kernels.announcement import _first_to_announce
print(sum(Parallel(2)(delayed(_first_to_announce)() for _ in range(4))))
"""

needs_kernels = pytest.mark.skipif(not kernels.enabled(), reason="kernels are switched off")


def run(*command, **environment):
    return subprocess.run(
        [sys.executable, *command],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | environment,
        start_new_session=True,  # a command of its own: others may have announced their compilations
    )


@needs_kernels
def test_warmup_finds_all_compiled():
    done = run("-m", "gatewise", "warmup", "--json")
    assert done.returncode == 0
    assert done.stderr == ""
    assert json.loads(done.stdout)["kernels"] == len(kernels.variants()) == 2 * len(FORMS)


@needs_kernels
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_after_warmup_training_compiles_nothing(dtype):
    script = f"""
import numpy as np, gatewise as gw
x = np.ones((6, 4, 2), "{dtype}")
model = gw.Sequential(gw.GRU(2, 3, rng=0, dtype=x.dtype), gw.Pool(3), gw.Dense(9, 1, rng=1, dtype=x.dtype))
gw.train(model, x, np.zeros((6, 1), x.dtype), loss="mse", optimizer="adam", epochs=1)
model(x)
"""
    assert run("-c", script).stderr == ""


def test_warmup_without_kernels():
    done = run("-m", "gatewise", "warmup", GATEWISE_KERNELS="0")
    assert (done.returncode, done.stdout) == (1, "")
    assert "there are no kernels" in done.stderr


@needs_kernels
def test_compiling_is_announced_once_and_not_from_the_cache(tmp_path):
    first = run("-c", TRAIN, GATEWISE_CACHE_DIR=str(tmp_path))
    assert first.stderr == "gatewise: compiling kernels, once; `gatewise warmup` does it ahead\n"
    again = run("-c", TRAIN, GATEWISE_CACHE_DIR=str(tmp_path))
    assert again.stderr == ""
    assert again.stdout == first.stdout


@needs_kernels
@pytest.mark.parametrize("script", [WORKERS.format(method="spawn"), JOBLIB], ids=["multiprocessing", "joblib"])
def test_one_of_many_workers_announces_compiling(script, tmp_path):
    path = tmp_path / "workers.py"
    path.write_text(script)
    for _ in range(2):  # the next command announces again
        done = run(path, TMPDIR=str(tmp_path))
        assert (done.stdout, done.stderr) == ("1\n", "")


@needs_kernels
def test_a_forgotten_announcement_counts_no_more(tmp_path, monkeypatch):
    monkeypatch.setattr(announcement.tempfile, "tempdir", str(tmp_path))
    assert (announcement._first_to_announce(), announcement._first_to_announce()) == (True, False)
    (marker,) = tmp_path.iterdir()
    os.utime(marker, (0, 0))
    assert (announcement._first_to_announce(), announcement._first_to_announce()) == (True, False)


@needs_kernels
def test_without_a_writable_folder_kernels_are_compiled_anew(tmp_path):
    """A package folder and a home that cannot hold a cache: here, because files stand where folders should."""
    package = tmp_path / "gatewise"
    shutil.copytree(Path(gatewise.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    (package / "kernels" / "__pycache__").write_text("")
    home = tmp_path / "home"
    home.write_text("")
    environment = {"PYTHONPATH": str(tmp_path), "HOME": str(home), "XDG_CACHE_HOME": str(home / "cache")}
    done = run("-c", TRAIN, **environment)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) == float(run("-c", TRAIN).stdout)


@needs_kernels
def test_code_from_other_sources_is_dropped(tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "_folder", lambda: tmp_path)
    monkeypatch.setattr(cache, "_drop_stale_code", cache._drop_stale_code.__wrapped__)
    for text in ("one", "two", "one"):
        monkeypatch.setattr(cache, "sources", lambda text=text: text)
        assert cache.read("f") is None
        cache.write("f", text.encode(), ["g"])
        assert cache.read("f") == (text.encode(), ["g"])
        assert len(list(tmp_path.iterdir())) == 1


@needs_kernels
def test_a_damaged_file_counts_as_missing(tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "_folder", lambda: tmp_path)
    cache.write("f", b"code", ["g"])
    (kept,) = tmp_path.iterdir()
    whole = kept.read_bytes()
    assert cache.read("f") == (b"code", ["g"])
    for damaged in (b"", b"[", b"[]\n", whole[:-1], whole.replace(b"code", b"core"), whole + b"0"):
        kept.write_bytes(damaged)
        assert cache.read("f") is None


@needs_kernels
def test_a_missing_part_is_compiled_again(tmp_path):
    first = run("-c", TRAIN, GATEWISE_CACHE_DIR=str(tmp_path))
    part = next(path for path in tmp_path.glob("*/*") if "run_" not in path.name)
    part.unlink()
    again = run("-c", TRAIN, GATEWISE_CACHE_DIR=str(tmp_path))
    assert again.stderr == first.stderr != ""
    assert again.stdout == first.stdout
    assert part.exists()

"""The names of the tests are the same at any time of day, in any folder, with any hash seed.

Two workers that collect different names refuse to run at all.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
A_SECOND = 1.1  # the resolution of most clocks that can slip into a name


def collected(tests, folder, seed):
    """The names that pytest gives the tests under `tests`, called from `folder` with this hash seed."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-n", "0", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, "--rootdir", str(tests.parent), str(tests)],
        cwd=folder,
        env={**os.environ, "PYTHONHASHSEED": seed, "GATEWISE_KERNELS": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    lines = [line for line in done.stdout.splitlines() if "::" in line]
    return [line.split("/")[-1] if os.sep in line.split("::")[0] else line for line in lines]


def differing_names(tests, folder):
    """Names that only one of two collections has: seconds apart, from two folders, with two hash seeds."""
    first = collected(tests, tests.parent, "1")
    time.sleep(A_SECOND)
    second = collected(tests, folder, "2")
    assert len(first) > 0
    return [] if first == second else sorted({*first} ^ {*second}) or ["the same names in another order"]


def test_tests_have_the_same_names_at_every_collection(tmp_path):
    assert differing_names(TESTS, tmp_path) == []


@pytest.mark.parametrize(
    "values",
    ["[time.strftime('%S')]", "sorted({'a', 'b', 'c'}, key=hash)", "[os.getcwd()]"],
    ids=["the moment", "the hash seed", "the folder"],
)
def test_names_that_depend_on_something_are_noticed(tmp_path, values):
    tests, elsewhere = tmp_path / "tests", tmp_path / "elsewhere"
    tests.mkdir()
    elsewhere.mkdir()
    (tests / "test_it.py").write_text(
        f"import os, time, pytest\n\n@pytest.mark.parametrize('x', {values})\ndef test_it(x): pass\n"
    )
    assert differing_names(tests, elsewhere)

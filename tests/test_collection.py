"""The names of the tests are the same at any time of day, in any folder, with any hash seed, in every worker.

Two workers that collect different names refuse to run at all.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

TESTS = Path(__file__).parent
A_SECOND = 1.1  # the resolution of most clocks that can slip into a name
FIRST = {"PYTHONHASHSEED": "1", "TZ": "UTC", "PYTEST_XDIST_WORKER": "gw0", "PYTEST_XDIST_WORKER_COUNT": "1"}
SECOND = {"PYTHONHASHSEED": "2", "TZ": "Asia/Tokyo", "PYTEST_XDIST_WORKER": "gw3", "PYTEST_XDIST_WORKER_COUNT": "4"}


def collected(tests, folder, environment):
    """Each test under `tests`, with its names in turn, as pytest called from `folder` in this environment has them."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-n", "0", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, "--rootdir", str(tests.parent), str(tests)],
        cwd=folder,
        env={**os.environ, "GATEWISE_KERNELS": "0", "TMPDIR": str(folder), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    names = {}
    for line in done.stdout.splitlines():
        if "::" in line:
            names.setdefault(line.partition("[")[0].partition("::")[2], []).append(line)
    return names


def differing(tests, folder):
    """Tests whose names differ in two collections: seconds apart, in other folders, workers, with other hash seeds."""
    first = collected(tests, tests.parent, FIRST)
    time.sleep(A_SECOND)
    second = collected(tests, folder, SECOND)
    assert len(first) > 0
    unlike = {test for test in {**first, **second} if first.get(test) != second.get(test)}
    if list(first) != list(second):
        unlike.add("the order of the tests")
    return unlike


def test_tests_have_the_same_names_at_every_collection(tmp_path):
    assert differing(TESTS, tmp_path) == set()


def test_names_that_depend_on_something_are_noticed(tmp_path):
    values = {
        "nothing": "[1, 'two']",
        "moment": "[time.strftime('%S')]",
        "hour": "[time.strftime('%H')]",
        "hash_seed": "sorted({'a', 'b', 'c'}, key=hash)",
        "folder": "[os.getcwd()]",
        "temporary_folder": "[tempfile.gettempdir()]",
        "worker": "[os.environ['PYTEST_XDIST_WORKER']]",
        "workers": "range(int(os.environ['PYTEST_XDIST_WORKER_COUNT']))",
        "chance": "[random.random()]",
        "address": "[str(object())]",
    }
    tests, elsewhere = tmp_path / "tests", tmp_path / "elsewhere"
    tests.mkdir()
    elsewhere.mkdir()
    text = "import os, random, tempfile, time, pytest\n\n"
    for name, value in values.items():
        text += f"@pytest.mark.parametrize('x', {value})\ndef test_{name}(x): pass\n\n"
    (tests / "test_it.py").write_text(text)
    assert differing(tests, elsewhere) == {f"test_{name}" for name in values if name != "nothing"}

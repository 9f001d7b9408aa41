"""The examples: quick ones run here, slow ones are run by `.ci/run`, and none is forgotten."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
CI = EXAMPLES.parent / ".ci" / "run"

# Name and a line it prints, which says that it came to its end.
QUICK = {
    "quickstart": "the model read from it predicts the same numbers",
    "own_cell": "the layer read from a file gives the same numbers",
    "traffic_alarms": "most faults found, the rate of false alarms held",
}
# Kernels of cells that no other test has would be compiled for this alone.
ENVIRONMENT = {"own_cell": {"GATEWISE_KERNELS": "0"}}
# Run, with more checks, by test_published.py.
PUBLISHED = {"packed_step", "columns_sgd", "rows_sequence", "elman_stateful", "joined_first_unit"}
# Trainings of up to a minute.
SLOW = {"adding_problem", "digits_by_row"}


def test_every_example_is_run_somewhere():
    assert {path.stem for path in EXAMPLES.glob("*.py")} == set(QUICK) | PUBLISHED | SLOW


@pytest.mark.parametrize("name", QUICK)
def test_the_example_runs(name, tmp_path):
    run = subprocess.run(
        [sys.executable, "-W", "error", EXAMPLES / f"{name}.py"],
        cwd=tmp_path,
        env=os.environ | ENVIRONMENT.get(name, {}),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert run.returncode == 0, run.stderr
    assert QUICK[name] in run.stdout
    assert not run.stderr
    assert not list(tmp_path.iterdir()), "an example leaves files behind"


@pytest.mark.skipif(not CI.exists(), reason="a source distribution has no .ci")
def test_the_slow_examples_are_run_by_ci():
    script = CI.read_text()
    assert "examples/*.py" in script or all(name in script for name in SLOW)


def test_test_published_runs_the_published_systems():
    source = Path(__file__).with_name("test_published.py").read_text()
    assert all(f'"{name}"' in source for name in PUBLISHED)

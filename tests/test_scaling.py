"""The model of steps on many workers, beside costs that are easy to count with."""

import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "benchmarks"

if not FOLDER.exists():
    pytest.skip("a source distribution has no benchmarks", allow_module_level=True)
sys.path.insert(0, str(FOLDER))

import scaling  # noqa: E402

sys.path.remove(str(FOLDER))

COSTS = scaling.Costs(per_call=0.0, per_row=1.0, per_step=2.0, per_task=0.5, bandwidth=10.0, model=20)


def test_a_step_is_its_gradient_and_its_meeting():
    assert COSTS.gradient(3) == 3
    assert COSTS.meeting(2, 1) == 2 + 2 * 0.5 + 2 * (2 + 2)
    assert COSTS.step(2, 8) == 4 + COSTS.meeting(2, 1)
    assert COSTS.step(2, 8, sync_every=4) == 4 + COSTS.meeting(2, scaling.OF_ADAM) / 4


def test_many_results_are_merged_on_the_way():
    assert COSTS.meeting(16, 1) == 2 + (16 + 2) * 0.5 + 2 * (16 + 2) + (1 + 8 * 2)


def test_the_table_has_a_row_for_each_number_of_workers():
    rows = scaling.table(COSTS, 64).splitlines()
    assert [int(row.split()[0]) for row in rows[1:]] == list(scaling.WORKERS)
    assert rows[1].split()[1] == f"{64 / COSTS.step(1, 64):.1%}"

"""Trainings that are killed in the midst of a write, and continued; `reliability/kills.py` does it by the hundred."""

import importlib.util
import os
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "reliability" / "kills.py"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("what", ["train", "stream"])
def test_killed_trainings_end_with_the_same_bytes(what):
    spec = importlib.util.spec_from_file_location("kills", SCRIPT)
    kills = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(kills)
    counts = kills.campaign(what, runs=1, seed=os.getpid() % 2**16)
    assert counts["kills"] >= 1
    assert not kills.broken(counts), dict(counts)

"""Saves of a model and of sets of files, killed with SIGKILL at random moments.

Promise: every file is the one before or a whole new one, and the next save leaves nothing beside it. Files of a set
may be of two saves only if the kill came between two renames; how often that was is counted.

    python reliability/killed_saves.py --runs 300
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("GATEWISE_KERNELS", "0")

import numpy as np

import gatewise as gw
from gatewise.storage import write_together

SET = ("a", "b", "c", "d")
SIZE = 200_000  # bytes of each file of a set
MODEL = "model.safetensors"


def main() -> int:
    """Run the campaign; 1 if a promise is broken."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=300, help="processes that are killed")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="end after so long")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    options = parser.parse_args()
    rng, end = random.Random(options.seed), time.monotonic() + options.seconds
    models = [gw.GRU(32, 64, rng=k) for k in range(2)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        save(folder, models, 0)
        runs = broken = mixed = strays = 0
        while runs < options.runs and time.monotonic() < end:
            kill_a_writer(folder, models, rng.uniform(0, 0.05))
            runs += 1
            versions = {version(folder / one) for one in SET}
            broken += None in versions or not is_one_of(folder / MODEL, models)
            mixed += len(versions) > 1
            strays += len(list(folder.iterdir())) > len(SET) + 1
            save(folder, models, runs)
            broken += sorted(path.name for path in folder.iterdir()) != sorted((*SET, MODEL))
    print(f"{runs} writers killed: {strays} left temporary files, which the next save removed")
    print(f"{mixed} sets were caught between two renames; {broken} promises broken")
    return int(broken > 0)


def save(folder: Path, models: list[gw.GRU], number: int) -> None:
    """Save one of the models and a set of files, whose bytes tell the number of the save."""
    gw.save(models[number % 2], folder / MODEL)
    write_together({folder / one: bytes([number % 256]) * SIZE for one in SET})


def kill_a_writer(folder: Path, models: list[gw.GRU], seconds: float) -> None:
    """Let a process save again and again, and kill it."""
    child = os.fork()
    if not child:
        number = 0
        while True:
            number += 1
            save(folder, models, number)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def version(path: Path) -> int | None:
    """Which save wrote a file of a set; None if it is not whole."""
    content = path.read_bytes()
    return content[0] if len(content) == SIZE and content == content[:1] * SIZE else None


def is_one_of(path: Path, models: list[gw.GRU]) -> bool:
    """Whether a file loads as one of the models."""
    try:
        loaded = gw.load(path)
    except gw.GatewiseError:
        return False
    return any(np.array_equal(loaded.params["weight_ih_l0"], one.params["weight_ih_l0"]) for one in models)


if __name__ == "__main__":
    sys.exit(main())

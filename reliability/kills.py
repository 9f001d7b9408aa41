"""Kill trainings with SIGKILL at random moments, inside the writes of their checkpoints too, and continue them.

    python reliability/kills.py --what train --runs 100

Each run is a training in a process of its own. It is killed after a random time and begun again with resume=True, until
it completes. Then its final file must be, byte for byte, that of a training that nobody disturbed; every checkpoint
that a kill left must be readable; and when all is done, no temporary file may be left. Processes are forked from one
that has imported everything, so that a run takes seconds. Their writes are slowed down, so that many kills fall
into one.
"""

from __future__ import annotations

import argparse
import mmap
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np

import gatewise as gw
from gatewise.storage import write_whole
from gatewise.training import checkpoint as checkpoints
from gatewise.training.checkpoint_file import read

CHECKPOINT, FINAL = "run.checkpoint", "final.safetensors"
PAUSE = 0.004  # seconds, at most, before each of the two calls that end a write
WRITES = ("fsync", "replace")
MOST_KILLS = 200  # of one run, before it counts as one that does not advance

Run = Callable[[Path, Path | None], None]
"""A training that writes its final file; with a checkpoint, it continues what that holds."""


def network(*, steps: bool) -> gw.Sequential:
    """A small model with dropout, which draws from the random state."""
    layers = [gw.GRU(1, 8, rng=0), gw.Dropout(0.2)]
    return gw.Sequential(*layers, *([] if steps else [gw.Last()]), gw.Dense(8, 1, rng=1))


def train(final: Path, checkpoint: Path | None) -> None:
    """`gatewise.train`, with a schedule, held-out rows and the best weights restored at the end."""
    x = np.random.default_rng(0).normal(size=(160, 12, 1)).astype(np.float32)
    model, adam = network(steps=False), gw.optimizers.Adam(gw.schedules.OneCycle(0.02, steps=16 * 8))
    options = {"epochs": 16, "batch_size": 16, "validation": 0.2, "patience": 14, "clip": 1.0, "rng": 7}
    kept = {} if checkpoint is None else {"checkpoint": checkpoint, "resume": True}
    history = gw.train(model, x, x.sum(axis=1), loss="mse", optimizer=adam, **options, **kept)
    told = [{name: value for name, value in record.items() if name != "seconds"} for record in history]
    gw.save(model, final, info={"history": told})


def stream(final: Path, checkpoint: Path | None) -> None:
    """`gatewise.train_stream`, with windows that overlap."""
    signal_ = np.sin(np.arange(1601) / 5).astype(np.float32)
    rows = gw.contiguous_rows(signal_[:-1], signal_[1:], batch=4, block=70)
    model = network(steps=True)
    options = {"k1": 10, "k2": 20, "clip": 1.0, "rng": 7, "optimizer": gw.optimizers.AdamW(0.01), "loss": "mse"}
    kept = {} if checkpoint is None else {"checkpoint": checkpoint, "resume": True, "every": 5}
    history = gw.train_stream(model, rows, **options, **kept)
    told = [{name: value for name, value in record.items() if name != "seconds"} for record in history]
    gw.save(model, final, info={"history": told})


CASES: dict[str, Run] = {"train": train, "stream": stream}


class Child:
    """A run in a forked process; `inside` tells whether a write was under way."""

    def __init__(self, run: Run, folder: Path, *, kept: bool, slow: bool) -> None:
        self._flag = mmap.mmap(-1, 1)
        sys.stdout.flush()
        self._pid = os.fork()
        if self._pid == 0:
            code = 1
            try:
                if slow:
                    self._slow_down()
                run(folder / FINAL, folder / CHECKPOINT if kept else None)
                code = 0
            except BaseException as error:
                print(f"the training failed: {error!r}", file=sys.stderr, flush=True)
            finally:
                os._exit(code)

    def _slow_down(self) -> None:
        """Write whenever `every` says so, however soon, and wait within each write."""
        chance = random.Random(os.getpid())

        def flagged(path: Path, content: bytes) -> None:
            self._flag[0] = 1
            write_whole(path, content)
            self._flag[0] = 0

        def late(call: Callable[..., None]) -> Callable[..., None]:
            def wait_and_call(*arguments: object, **options: object) -> None:
                time.sleep(chance.uniform(0, PAUSE))
                call(*arguments, **options)

            return wait_and_call

        checkpoints.SHARE = 0
        checkpoints.write_whole = flagged
        for name in WRITES:
            setattr(os, name, late(getattr(os, name)))

    @property
    def inside(self) -> bool:
        """Whether it was inside a write when it ended."""
        return bool(self._flag[0])

    def kill_after(self, seconds: float) -> bool:
        """Kill it, unless it ends before; return whether it was killed."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if os.waitpid(self._pid, os.WNOHANG)[0]:
                return False
            time.sleep(0.0005)
        os.kill(self._pid, signal.SIGKILL)
        return os.WIFSIGNALED(os.waitpid(self._pid, 0)[1])

    def wait(self) -> None:
        """Wait until it is done."""
        os.waitpid(self._pid, 0)


def killed_until_done(run: Run, folder: Path, seconds: float, chance: random.Random, counts: Counter[str]) -> bytes:
    """Return the final file of a run that is killed again and again; the first time is never later than its end."""
    kills = 0
    while not (folder / FINAL).exists():
        child = Child(run, folder, kept=True, slow=True)
        if child.kill_after(chance.uniform(0, seconds) if kills < MOST_KILLS else 60.0):
            kills += 1
            counts["kills"] += 1
            counts["kills inside a write"] += child.inside
            look_at(folder, counts)
        elif not kills:
            for path in folder.iterdir():  # it was faster than the kill
                path.unlink()
        elif not (folder / FINAL).exists():
            break
    counts["runs that did not advance"] += kills >= MOST_KILLS
    counts["temporaries left at the end"] += len(set(os.listdir(folder)) - {CHECKPOINT, FINAL})
    return (folder / FINAL).read_bytes() if (folder / FINAL).exists() else b""


def look_at(folder: Path, counts: Counter[str]) -> None:
    """Count what a kill left."""
    counts["temporaries left by kills"] += len(set(os.listdir(folder)) - {CHECKPOINT, FINAL})
    if (folder / CHECKPOINT).exists():
        try:
            read(folder / CHECKPOINT)
        except gw.GatewiseError as error:
            counts["checkpoints that cannot be read"] += 1
            print(error)


def undisturbed(run: Run, *, kept: bool) -> tuple[bytes, float]:
    """Return the final file of a run that nobody kills, and how long it takes when its writes are slow."""
    with tempfile.TemporaryDirectory() as name:
        folder, began = Path(name), time.monotonic()
        Child(run, folder, kept=kept, slow=kept).wait()
        return (folder / FINAL).read_bytes(), time.monotonic() - began


def campaign(what: str, runs: int, seed: int) -> Counter[str]:
    """Return the figures of so many runs."""
    run, chance, counts = CASES[what], random.Random(seed), Counter[str]()
    wanted, _ = undisturbed(run, kept=False)
    kept, seconds = undisturbed(run, kept=True)
    counts["runs"] = 0
    counts["undisturbed runs with a checkpoint that differ"] += kept != wanted
    while counts["runs"] < runs:
        with tempfile.TemporaryDirectory() as name:
            got = killed_until_done(run, Path(name), seconds, chance, counts)
        counts["runs"] += 1
        counts["final files identical"] += got == wanted
    return counts


def broken(counts: Counter[str]) -> bool:
    """Whether a promise is."""
    bad = ["undisturbed runs with a checkpoint that differ", "checkpoints that cannot be read"]
    bad += ["temporaries left at the end", "runs that did not advance"]
    return counts["final files identical"] < counts["runs"] or any(counts[name] for name in bad)


def main() -> int:
    """Run the campaigns that are asked for and print their figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--what", choices=[*CASES, "all"], default="all", help="what is killed (all)")
    parser.add_argument("--runs", type=int, default=100, help="how many runs of each (100)")
    parser.add_argument("--seed", type=int, default=0, help="of the moments of the kills (0)")
    options = parser.parse_args()
    failed = False
    for what in CASES if options.what == "all" else [options.what]:
        began = time.monotonic()
        counts = campaign(what, options.runs, options.seed)
        print(f"{what}: {time.monotonic() - began:.0f} s")
        for name, count in counts.items():
            print(f"  {name}: {count}")
        failed = failed or broken(counts)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())

"""Scoring of a data set on a Dask cluster: how long, in how much memory, and the same bytes when workers are killed.

It writes a data set of series with 24 steps of 3 numbers as Parquet files, trains a small classifier, and predicts
from all files on a local cluster: first undisturbed, when time and memory of all processes are measured, then (with
--kills) while a worker is killed with SIGKILL every few seconds. It ends with exit code 1 if a series is missing or
there twice, or if a file of predictions has other bytes than undisturbed.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

import gatewise as gw
from gatewise import tables
from gatewise.distributed.cluster import local_client

STEPS, CHANNELS = 24, ("a", "b", "c")


def long_table(first: int, count: int) -> pa.Table:
    """Return series that are named by numbers, one row a step."""
    x = np.random.default_rng(first).normal(size=(count * STEPS, len(CHANNELS))).astype(np.float32)
    names, times = np.repeat(np.arange(first, first + count), STEPS), np.tile(np.arange(STEPS), count)
    return pa.table({"id": names, "t": times, **dict(zip(CHANNELS, x.T, strict=True))})


def prepare(folder: Path, series: int, per_file: int) -> tuple[Path, Path]:
    """Write the data set and the model, unless they are there; return their paths."""
    data, model = folder / f"data-{series}-{per_file}", folder / "model.safetensors"
    for k, first in enumerate(range(0, series, per_file)):
        path = data / f"part-{k:05}.parquet"
        if not path.exists():
            data.mkdir(parents=True, exist_ok=True)
            pq.write_table(long_table(first, min(per_file, series - first)), path)
    if not model.exists():
        frame = long_table(10**9, 2000).to_pandas()
        frame["label"] = np.where(frame.groupby("id")["a"].transform("sum") > 0, "up", "down")
        tables.classify(frame, label="label", sequence="id", time="t", refit=False).save(model)
    return data, model


def resident(pids: list[int]) -> int:
    """Return the bytes of memory that processes have for themselves, shared pages counted by their share."""
    total = 0
    for pid in pids:
        try:
            text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except OSError:
            continue  # it has ended
        total += sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:"))
    return 1024 * total


def family(pid: int) -> list[int]:
    """Return a process and all that descend from it."""
    children: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(path.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        children.setdefault(parent, []).append(int(path.parent.name))
    found = [pid]
    for one in found:
        found += children.get(one, [])
    return found


@contextmanager
def measured() -> Iterator[list[int]]:
    """Yield a list that holds, at the end, the most memory that all processes had at once."""
    over, most = threading.Event(), [0]

    def watch() -> None:
        while not over.wait(0.25):
            most[0] = max(most[0], resident(family(os.getpid())))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield most
    finally:
        over.set()
        watcher.join()


@contextmanager
def killing(client: Any, every: float, seed: int) -> Iterator[list[int]]:
    """Kill a worker every few seconds; yield a list of the processes that were."""
    rng, over, killed = random.Random(seed), threading.Event(), list[int]()

    def kill() -> None:
        while not over.wait(every * rng.uniform(0.5, 1.5)):
            pids = [nanny.pid for nanny in client.cluster.workers.values() if nanny.pid]
            if pids and client.cluster.scheduler_info["workers"]:  # else none could ever do anything
                killed.append(rng.choice(pids))
                os.kill(killed[-1], signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        yield killed
    finally:
        over.set()
        killer.join()


def digests(folder: Path) -> dict[str, str]:
    """Return what tells the content of each file from another."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def whole(folder: Path, series: int) -> bool:
    """Whether each series has one prediction."""
    parts = [pq.read_table(path, columns=["sequence"])["sequence"] for path in sorted(folder.rglob("*.parquet"))]
    names = pd.to_numeric(pa.chunked_array([chunk for part in parts for chunk in part.chunks]).to_pandas())
    return bool(np.array_equal(np.sort(names), np.arange(series)))


def main() -> int:
    """Measure and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--series", type=int, default=100_000)
    parser.add_argument("--per-file", type=int, default=50_000, help="series of a file")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--kills", action="store_true", help="once more, while workers are killed")
    parser.add_argument("--every", type=float, default=3.0, help="seconds between two kills, on average")
    parser.add_argument("--runs", type=int, default=1, help="with --kills, so many times")
    parser.add_argument("--seed", type=int, default=0, help="of the first run's kills; each run has one more")
    parser.add_argument("--folder", type=Path, help="for the data set and the predictions, which then stay")
    parser.add_argument("--prepare", action="store_true", help="only write the data set and the model")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        data, model = prepare(folder, options.series, options.per_file)
        return 0 if options.prepare else campaign(options, Path(tempfile.mkdtemp(dir=folder)), data, model)


def campaign(options: argparse.Namespace, folder: Path, data: Path, model: Path) -> int:
    """Predict undisturbed, and while workers are killed; print the figures and return the exit code."""
    with measured() as memory:
        done = gw.distributed.predict(model, data, folder / "calm", client=options.workers)
    expected = digests(folder / "calm")
    failed = bool(done.problems) or not whole(folder / "calm", options.series)
    print(f"{done}; {memory[0] / 1e9:.2f} GB in all processes; {'WRONG' if failed else 'each series once'}", flush=True)
    for run in range(options.runs if options.kills else 0):
        out = folder / f"killed-{run}"
        with local_client(options.workers) as client, killing(client, options.every, options.seed + run) as killed:
            done = gw.distributed.predict(model, data, out, client=client)
        same = digests(out) == expected and not done.problems
        failed |= not same
        print(
            f"run {run}: {len(killed)} workers killed, {'the same bytes' if same else 'OTHER BYTES'}; {done}",
            flush=True,
        )
    return int(failed)


if __name__ == "__main__":
    began = time.monotonic()
    code = main()
    print(f"{time.monotonic() - began:.0f} s in all")
    sys.exit(code)

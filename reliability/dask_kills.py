"""Trainings on a Dask cluster whose workers, or whose driver, are killed again and again: the bytes must stay the same.

Each run trains in this process without Dask, and then on a local cluster: once while a worker is killed with SIGKILL
every few seconds, and once with a checkpoint while the driver is, and its call repeated with `resume=True`. It prints a
line for each, and ends with exit code 1 if the bytes of weights and history are not the same everywhere.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import dask.array as da
import numpy as np

import gatewise as gw
from gatewise.distributed.cluster import local_client

SIZES = (200, 300, 150, 250, 100, 200, 300, 100)


def data(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return sequences and their sums."""
    x = np.random.default_rng(seed).normal(size=(sum(SIZES), 40, 3))
    return x, x.sum(axis=(1, 2))[:, None] / 10


def train(seed: int, epochs: int, sync_every: int, *, distributed: bool, **settings: object) -> str:
    """Return a digest of all that a training leaves."""
    x, y = data(seed)
    layers = [gw.GRU(3, 24, dtype=np.float64, rng=seed), gw.Dropout(0.1), gw.Last()]
    model = gw.Sequential(*layers, gw.Dense(24, 1, dtype=np.float64, rng=seed))
    if distributed:
        pair = (da.from_array(x, chunks=(SIZES, -1, -1)), da.from_array(y, chunks=(SIZES, -1)))
    else:
        pair, settings = (x, y), {**settings, "partitions": SIZES}
    options = {"loss": "mse", "optimizer": "adam", "epochs": epochs, "batch_size": 256, "clip": 1.0, "rng": seed}
    history = gw.distributed.train(model, pair, sync_every=sync_every, validation=0.1, **options, **settings)
    numbers = [record[key] for record in history for key in ("loss", "gradient_norm", "validation_loss")]
    content = b"".join(value.tobytes() for value in model.params.values()) + np.array(numbers).tobytes()
    return hashlib.blake2b(content, digest_size=8).hexdigest()


def with_killed_workers(seed: int, epochs: int, sync_every: int, workers: int, every: float) -> tuple[str, int]:
    """Return the digest of a training whose workers are killed, and how many were."""
    rng, done, killed = random.Random(seed), threading.Event(), 0
    with local_client(workers) as client:

        def kill() -> None:
            nonlocal killed
            while not done.wait(every * rng.uniform(0.5, 1.5)):
                pids = [nanny.pid for nanny in client.cluster.workers.values() if nanny.pid]
                if len(client.cluster.scheduler_info["workers"]) == len(pids) == workers:  # else none could do much
                    os.kill(rng.choice(pids), signal.SIGKILL)
                    killed += 1

        killer = threading.Thread(target=kill)
        killer.start()
        try:
            return train(seed, epochs, sync_every, distributed=True, client=client), killed
        finally:
            done.set()
            killer.join()


def with_killed_driver(seed: int, epochs: int, sync_every: int, workers: int, every: float) -> tuple[str, int]:
    """Return the digest of a training whose driver is killed and started again, and how often it was killed."""
    rng, killed = random.Random(seed), 0
    began = time.monotonic()
    with local_client(workers):  # how long a start takes here and now
        started = time.monotonic() - began
    with tempfile.TemporaryDirectory() as folder:
        script = [sys.executable, __file__, "--drive", str(Path(folder) / "run.checkpoint")]
        script += ["--seed", str(seed), "--epochs", str(epochs), "--sync-every", str(sync_every)]
        while True:
            driver = subprocess.Popen([*script, "--workers", str(workers)], stdout=subprocess.PIPE, text=True)
            try:
                out, _ = driver.communicate(timeout=3 * started + every * rng.uniform(0.5, 1.5))
            except subprocess.TimeoutExpired:
                os.kill(driver.pid, signal.SIGKILL)
                driver.communicate()
                killed += 1
                continue
            if driver.returncode:
                raise SystemExit(f"the driver ended with exit code {driver.returncode}")
            return out.split()[-1], killed


def drive(path: str, seed: int, epochs: int, sync_every: int, workers: int) -> None:
    """Train with a checkpoint, or continue, and print the digest."""
    kept = {"checkpoint": path, "every": 1, "resume": True}
    print(train(seed, epochs, sync_every, distributed=True, client=workers, **kept))


def main() -> int:
    """Run the campaign."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0, help="of the first run; each run has one more")
    parser.add_argument("--runs", type=int, default=3, help="runs at most")
    parser.add_argument("--seconds", type=float, default=600, help="after which no other run begins")
    parser.add_argument("--every", type=float, default=3.0, help="seconds between two kills, on average")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--sync-every", type=int, default=None, help="1 in even runs and 4 in odd ones if not given")
    parser.add_argument("--drive", metavar="CHECKPOINT", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.drive:
        drive(options.drive, options.seed, options.epochs, options.sync_every, options.workers)
        return 0
    began, failed, kills = time.monotonic(), 0, [0, 0]
    for run in range(options.runs):
        if time.monotonic() - began > options.seconds:
            break
        sync_every = options.sync_every or (1, 4)[run % 2]
        settings = (options.seed + run, options.epochs, sync_every)
        expected = train(*settings, distributed=False)
        for k, kill in enumerate((with_killed_workers, with_killed_driver)):
            found, killed = kill(*settings, options.workers, options.every)
            kills[k] += killed
            failed += found != expected
            same = "the same bytes" if found == expected else f"OTHER BYTES, {found} for {expected}"
            print(f"run {run}, sync_every {sync_every}, {kill.__name__}: {killed} killed, {same}", flush=True)
    print(f"{kills[0]} workers and {kills[1]} drivers killed, {failed} training(s) with other bytes")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

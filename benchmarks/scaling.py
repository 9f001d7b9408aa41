"""Where common steps on many workers stop paying, and what `sync_every` buys: measured on two workers, then modelled.

It measures on this machine what a step of `gatewise.distributed.train` is made of: the gradient of some rows on one
thread, what the scheduler takes for a task, the time until a step without computation is back, and the bytes a second
between driver and worker. From these it models clusters of up to 1,000 workers, each with one thread, and checks the
model against steps on one and two workers. The model takes the network of a cluster to be as fast as the loopback of
this machine; `--bandwidth` and `--latency` say otherwise.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import dask
import dask.array as da
import numpy as np

import gatewise as gw
from gatewise.batches import Samples
from gatewise.distributed.cluster import local_client
from gatewise.distributed.loop import DistributedLoop
from gatewise.distributed.partitions import MERGED_AT_ONCE, DaskPartitions
from gatewise.distributed.reading import Data, placed
from gatewise.threads import run_side_by_side, single_threaded_blas
from gatewise.training import batch_gradients

TIME, FEATURES, HIDDEN = 100, 16, 64
WORKERS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000)
PERIODS = (1, 8, 64)
OF_ADAM = 3  # a model's weights and the two arrays of Adam's state beside each


@dataclass
class Costs:
    """What a step is made of, in seconds and bytes."""

    per_call: float
    """Of a gradient, whatever its rows."""
    per_row: float
    per_step: float
    """Until a step without computation or bytes is back, on one worker."""
    per_task: float
    """Of the scheduler alone."""
    bandwidth: float
    """Bytes a second."""
    model: int
    """Bytes."""

    def gradient(self, rows: float) -> float:
        """Return the time of one thread for the gradient of some rows."""
        return self.per_call + self.per_row * rows

    def meeting(self, workers: int, arrays: int) -> float:
        """Return the time in which the driver sends to every worker and gets one result, merged in a tree."""
        size = arrays * self.model / self.bandwidth
        tasks, left, merging = workers, workers, 0.0
        while left > MERGED_AT_ONCE:
            left = -(-left // MERGED_AT_ONCE)
            tasks += left
            merging += self.per_step / 2 + MERGED_AT_ONCE * size
        return self.per_step + self.per_task * tasks + size * (workers + left) + merging

    def step(self, workers: int, batch: float, sync_every: int = 1) -> float:
        """Return the time of one step of a batch, the share of a meeting included."""
        arrays = 1 if sync_every == 1 else OF_ADAM
        return self.gradient(batch / workers) + self.meeting(workers, arrays) / sync_every


def best(function: Callable[[], Any], times: int = 5) -> float:
    """Return the shortest time of some calls."""
    found = []
    for _ in range(times):
        start = time.perf_counter()
        function()
        found.append(time.perf_counter() - start)
    return min(found)


def network() -> gw.Sequential:
    """Return the network that is trained."""
    return gw.Sequential(gw.GRU(FEATURES, HIDDEN, rng=0), gw.Last(), gw.Dense(HIDDEN, 1, rng=1))


def rows(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return sequences and targets."""
    x = np.random.default_rng(0).normal(size=(count, TIME, FEATURES)).astype(np.float32)
    return x, x.sum(axis=(1, 2))[:, None] * np.float32(0.01)


def measure_gradient() -> tuple[float, float]:
    """Return the time of a gradient on one thread: of a call, and of a row."""
    model, counts = network(), (64, 256, 1024)
    x, y = rows(max(counts))

    def gradient(count: int) -> Any:
        return run_side_by_side([partial(batch_gradients, model, gw.losses.mse, Samples(x[:count], y[:count]))])

    with single_threaded_blas():
        times = [best(partial(gradient, count)) for count in (counts[0], *counts)][1:]
    per_row, per_call = np.polyfit(counts, times, 1)
    return max(0.0, float(per_call)), float(per_row)


def nothing(common: Any, number: int, part: Any) -> Any:
    """Return as many bytes as came."""
    return common


def first(a: Any, b: Any) -> Any:
    """Merge nothing."""
    return a


def measure_meetings(client: Any) -> tuple[float, float]:
    """Return the time of an empty step on one worker, and bytes a second."""
    parts = DaskPartitions(client, [dask.delayed(int)(1)])
    small, large = np.zeros(1), np.zeros(2**20)
    empty, full = (best(partial(parts.reduce, nothing, first, array), 15) for array in (small, large))
    return empty, 2 * large.nbytes / (full - empty)


def measure_tasks(client: Any) -> float:
    """Return the time that one more task takes on all workers of a cluster and its scheduler together."""
    few, many = (best(lambda n=n: client.gather(client.map(abs, range(n), pure=False))) for n in (10, 210))
    return (many - few) / 200


def measured_step(client: Any, workers: int, batch: int) -> float:
    """Return the time of a step on some workers, one partition each."""
    x, y = rows(batch)
    data = Data(da.from_array(x, chunks=(batch // workers, -1, -1)), da.from_array(y, chunks=(batch // workers, -1)))
    loop = DistributedLoop(network(), placed(data, np.float32, client), "mse", "adam", batch_size=batch, rng=0)

    def step() -> None:
        loop.step()
        loop.end_epoch()

    step()
    return best(step, 4)


def table(costs: Costs, batch: int) -> str:
    """Return the share of each worker's time that is computation, for a batch of one size and for one that grows."""
    heads = [f"one batch, k={k}" for k in PERIODS] + [f"grows, k={k}" for k in PERIODS]
    lines = ["workers  " + "  ".join(f"{head:>15}" for head in heads)]
    for workers in WORKERS:
        cells = [(size, k) for size in (batch, batch * workers) for k in PERIODS]
        shares = [costs.gradient(size) / (workers * costs.step(workers, size, k)) for size, k in cells]
        lines.append(f"{workers:>7}  " + "  ".join(f"{share:>15.1%}" for share in shares))
    return "\n".join(lines)


def main() -> None:
    """Measure, model and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=4096, help="sequences of a batch")
    parser.add_argument("--bandwidth", type=float, help="bytes a second between driver and workers")
    parser.add_argument("--latency", type=float, help="seconds until an empty step is back")
    parser.add_argument("--json", action="store_true", help="print the costs as JSON, and nothing else")
    options = parser.parse_args()
    gradient, tasks, steps = measure_gradient(), {}, {}
    for workers in (2, 1):
        with local_client(workers) as client:
            tasks[workers] = measure_tasks(client)
            steps[workers] = measured_step(client, workers, options.batch)
            per_step, bandwidth = measure_meetings(client)
    # Workers share their part of a task's cost, the scheduler does not.
    per_task = max(2 * tasks[2] - tasks[1], tasks[2] / 4)
    size = sum(value.nbytes for value in network().params.values())
    costs = Costs(*gradient, per_step, per_task, bandwidth, size)
    if options.json:
        print(json.dumps(asdict(costs) | {"measured": steps}))
        return
    print(costs)
    for workers, seconds in steps.items():
        print(f"{workers} worker(s): a step took {seconds:.3f} s, modelled {costs.step(workers, options.batch):.3f} s")
    costs.bandwidth, costs.per_step = options.bandwidth or costs.bandwidth, options.latency or costs.per_step
    print(f"share of computation in the time of all workers, batch {options.batch} (times workers where it grows):")
    print(table(costs, options.batch))


if __name__ == "__main__":
    main()

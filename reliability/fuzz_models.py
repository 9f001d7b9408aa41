"""Mutated model files: each is loaded and used in a process of its own, with its time and memory measured.

Promise: nothing but a `GatewiseError` is raised, within 2 seconds and 200 MB above the baseline. Seconds are those of
the processor, so that they say the same on a busy machine; what takes 60 seconds of any clock is ended and counts too.

    python reliability/fuzz_models.py --runs 10000 --seed 0
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import resource
import select
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("GATEWISE_KERNELS", "0")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import model_cases
import mutations

import gatewise as gw

SECONDS, MEGABYTES = 2.0, 200.0
KILLED = 60.0  # seconds after which a run is ended
SPACE = 4 * 2**30  # bytes of address space that a run may add


class Run(NamedTuple):
    """What became of a mutated file."""

    kind: str
    name: str
    outcome: str  # "used", "refused", or what was raised
    seconds: float
    megabytes: float


def main(cases: Callable[[Path], list[model_cases.Case]], about: str | None, used_too: bool = True) -> int:
    """Run the campaign; 1 if a promise is broken. What is used takes its time and memory, unless `used_too`."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=10_000, help="mutated files")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="end after so long")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kind", help="only of one kind: layers, estimators, forecasters, tables, states, arrays, ...")
    parser.add_argument("--keep", type=Path, help="folder for the files that break the promise")
    options = parser.parse_args()
    options.bounded = ("refused", "used") if used_too else ("refused",)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TMPDIR"] = tempfile.tempdir = folder
        files = [case for case in cases(Path(folder)) if options.kind in (None, case.kind)]
        runs = _campaign(files, options, Path(folder))
    return _report(runs, options.bounded)


def _campaign(files: list[model_cases.Case], options: Any, folder: Path) -> list[Run]:
    contents = {case.path: case.path.read_bytes() for case in files}
    by_kind: dict[str, list[model_cases.Case]] = {}
    for case in files:
        by_kind.setdefault(case.kind, []).append(case)
        try:
            case.use(case.path)  # so that everything is imported before the first fork
        except Exception as error:
            raise AssertionError(f"{case.path.name}, which nothing has changed, cannot be used") from error
    runs, end = [], time.monotonic() + options.seconds
    for number in range(options.runs):
        if number and number % 1000 == 0:
            print(f"{number} files", file=sys.stderr, flush=True)
        if time.monotonic() > end:
            break
        rng = random.Random(f"{options.seed}.{number}")
        case = rng.choice(by_kind[rng.choice(sorted(by_kind))])
        target = folder / f"mutated{case.path.suffix}"
        target.write_bytes(mutations.CHANGES[case.path.suffix](contents[case.path], rng))
        run = _measured(case, target)
        runs.append(run)
        if _is_broken(run, options.bounded) and options.keep:
            options.keep.mkdir(parents=True, exist_ok=True)
            (options.keep / f"{options.seed}-{number}-{case.path.name}").write_bytes(target.read_bytes())
            print(f"{number} {case.path.name}: {run.seconds:.2f} s, {run.megabytes:.0f} MB: {run.outcome}", flush=True)
    return runs


def _measured(case: model_cases.Case, target: Path) -> Run:
    """Load and use a file in a forked process."""
    reader, writer = os.pipe()
    started = time.perf_counter()
    child = os.fork()
    if not child:
        os.close(reader)
        _in_child(case, target, writer)
    os.close(writer)
    with os.fdopen(reader, "rb") as answers:
        ready, _, _ = select.select([answers], [], [], KILLED)
        if not ready:
            os.kill(child, signal.SIGKILL)
        text = answers.read()
    _, status = os.waitpid(child, 0)
    seconds = time.perf_counter() - started
    if not text:
        return Run(case.kind, case.path.name, f"the process ended with status {status}", seconds, 0.0)
    outcome, took, megabytes = json.loads(text)
    return Run(case.kind, case.path.name, outcome, took, megabytes)


def _in_child(case: model_cases.Case, target: Path, writer: int) -> None:
    """Use a file, write what became of it, and end without any cleaning up."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.dup2(null, 2)
    before = _memory("VmRSS")
    space = _memory("VmSize") * 1000 + SPACE
    resource.setrlimit(resource.RLIMIT_AS, (int(space), int(space)))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _reset_peak()
    started = time.process_time()
    try:
        case.use(target)
        outcome = "used"
    except gw.GatewiseError as error:
        outcome = "refused" if len(str(error)) <= 5000 else f"a message of {len(str(error))} characters"
    except BaseException as error:
        place = traceback.extract_tb(error.__traceback__)
        ours = [frame for frame in place if "gatewise" in frame.filename] or place
        outcome = (
            f"{type(error).__name__}: {str(error)[:200]} @ {ours[-1].filename}:{ours[-1].lineno} in {ours[-1].name}"
        )
    took = time.process_time() - started
    os.write(writer, json.dumps([outcome, took, (_memory("VmHWM") - before) / 1000]).encode())
    os._exit(0)


def _memory(name: str) -> float:
    """Kilobytes of this process, by a name in its status."""
    with open("/proc/self/status") as status:
        return next((float(line.split()[1]) for line in status if line.startswith(name)), 0.0)


def _reset_peak() -> None:
    with contextlib.suppress(OSError), open("/proc/self/clear_refs", "w") as file:
        file.write("5")


def _is_broken(run: Run, bounded: Sequence[str]) -> bool:
    large = run.seconds > SECONDS or run.megabytes > MEGABYTES
    return run.outcome not in ("used", "refused") or (large and run.outcome in bounded)


def _report(runs: list[Run], bounded: Sequence[str]) -> int:
    """Print the figures of each kind; 1 if a promise is broken."""
    print(f"{'kind':<12} {'files':>6} {'refused':>8} {'used':>6} {'broken':>7} {'worst s':>8} {'worst MB':>9}")
    for kind in [*sorted({run.kind for run in runs}), "all"]:
        some = [run for run in runs if kind in (run.kind, "all")]
        counts = Counter(run.outcome for run in some)
        measured = [run for run in some if run.outcome in bounded] or some
        worst = max(run.seconds for run in measured), max(run.megabytes for run in measured)
        broken = sum(_is_broken(run, bounded) for run in some)
        figures = f"{len(some):>6} {counts['refused']:>8} {counts['used']:>6} {broken:>7}"
        print(f"{kind:<12} {figures} {worst[0]:>8.2f} {worst[1]:>9.0f}")
    for outcome, count in Counter(run.outcome for run in runs if _is_broken(run, bounded)).most_common(40):
        print(f"{count:>5} {outcome}")
    return int(any(_is_broken(run, bounded) for run in runs))


if __name__ == "__main__":
    sys.exit(main(model_cases.cases, __doc__))

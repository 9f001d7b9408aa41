"""Saves onto a disk that is full, or becomes full on the way: a small tmpfs, which needs root and Linux.

Promise: a clear error, the files that were there byte for byte as before, nothing half written, nothing left over; for
the results of a command too, and with room the same call works.

    python reliability/full_disk.py
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

os.environ.setdefault("GATEWISE_KERNELS", "0")

import numpy as np

import gatewise as gw
from gatewise.storage import tensor_bytes, write_together

RESULTS = ("model.safetensors", "forecast.csv", "metrics.json", "report.html")
# A command with a small forecaster: what is tested is how it writes.
SMALL = """
import sys, gatewise as gw
gw.RecurrentForecaster.__init__.__kwdefaults__.update(max_updates=5, n_networks=1, hidden_size=8)
from gatewise.cli import main
main()
"""


class Case(NamedTuple):
    """Something that writes.

    Attributes
    ----------
    name : str
        As it is printed.
    write : function
        Writes into a folder; returns None, or what it says of a failure.
    files : tuple of str
        What it writes there.
    """

    name: str
    write: Callable[[Path], str | None]
    files: tuple[str, ...]


def main() -> int:
    """Run the campaign; 1 if a promise is broken."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=8, help="size of the disk")
    parser.add_argument("--runs", type=int, default=12, help="amounts of room in each case, none to nearly enough")
    parser.add_argument("--commands", type=int, default=4, help="amounts of room for a command, which takes seconds")
    parser.add_argument("--seed", type=int, default=0, help="of the data and weights")
    options = parser.parse_args()
    broken = 0
    with tempfile.TemporaryDirectory() as home, disk(options.megabytes) as folder:
        if folder is None:
            print("skipped: a tmpfs can be mounted on Linux by root only")
            return 0
        for case in cases(Path(home), options.seed):
            count = options.commands if case.name.startswith("gatewise ") else options.runs
            broken += run(case, folder, count)
    print("every promise was kept" if not broken else f"{broken} promises were broken")
    return int(broken > 0)


@contextmanager
def disk(megabytes: int) -> Iterator[Path | None]:
    """Mount a small disk; yield its folder, or None where that is not possible."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", folder]
        if shutil.which("mount") is None or subprocess.run(command, capture_output=True, check=False).returncode:
            yield None
            return
        try:
            yield Path(folder)
        finally:
            subprocess.run(["umount", "--lazy", folder], check=True)


def write_table(path: Path, seed: int) -> None:
    """Write forty days of a weekly season."""
    t = np.arange(40)
    values = 50 + 0.3 * t + 5 * np.sin(2 * np.pi * t / 7) + np.random.default_rng(seed).normal(size=40)
    days = np.datetime64("2024-01-01") + t
    path.write_text("day,units\n" + "".join(f"{day},{value:.3f}\n" for day, value in zip(days, values, strict=True)))


def cases(home: Path, seed: int) -> Iterator[Case]:
    """Everything that writes, 300 kB and more; `home` is a folder on another disk."""
    table = home / "table.csv"
    write_table(table, seed)
    model = gw.Sequential(gw.GRU(64, 128, rng=seed), gw.Dense(128, 4, rng=seed))
    arrays = {f"{kind}.{name}": value for kind in ("model", "first", "second") for name, value in model.params.items()}
    yield Case("gw.save", lambda out: told(gw.save, model, out / "a.safetensors"), ("a.safetensors",))
    checkpoint = tensor_bytes(arrays, {"format": "checkpoint"})
    yield Case("a checkpoint", lambda out: told(write_together, {out / "last": checkpoint}), ("last",))
    several = {name: checkpoint[: 100_000 * (k + 1)] for k, name in enumerate("abc")}
    yield Case("three files", lambda out: told(write_together, {out / n: c for n, c in several.items()}), tuple("abc"))
    yield Case("gw.to_c", lambda out: told(gw.to_c, model, out / "a.c"), ("a.c",))
    yield Case("gw.to_onnx", lambda out: told(gw.to_onnx, model, out / "a.onnx"), ("a.onnx",))
    forecast = ("forecast", str(table), "--horizon", "3", "--quiet", "--out")
    yield Case("gatewise forecast --out", lambda out: command(*forecast, str(out)), RESULTS)
    problem = command(*forecast, str(home))
    if problem is not None:
        raise SystemExit(f"the command fails where there is room: {problem}")
    predict = ("predict", str(home / RESULTS[0]), str(table), "--quiet", "--out")
    yield Case("gatewise predict --out", lambda out: command(*predict, str(out / "p.csv")), ("p.csv",))


def told(write: Callable[..., object], *arguments: object) -> str | None:
    """Write; return None, or what a `GatewiseError` says."""
    try:
        write(*arguments)
    except gw.GatewiseError as error:
        return str(error)
    return None


def command(*arguments: str) -> str | None:
    """Run a command; return None, or its one line and exit code 2, or all that is wrong with how it ended."""
    done = subprocess.run([sys.executable, "-c", SMALL, *arguments], capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return None
    lines = done.stderr.splitlines()
    return lines[0] if done.returncode == 2 and len(lines) == 1 else f"exit code {done.returncode}: {done.stderr}"


def run(case: Case, folder: Path, count: int) -> int:
    """Write with more and more room; print the figures, and return how many promises were broken."""
    out = folder / "out"
    out.mkdir()
    for name in case.files:
        (out / name).write_bytes(b"of an earlier run, " * 50)
    before = held(out)
    free = room(folder)
    if case.write(out) is not None:
        raise SystemExit(f"{case.name} fails where there is room")
    need = free - room(folder)
    refused, broken, messages = 0, 0, set()
    for k in range(count):
        restore(out, before)
        with filled(folder, need * k // count):
            problem = case.write(out)
        messages.add(problem)
        refused += problem is not None
        if problem is not None:
            broken += held(out) != before
            broken += not ("cannot write" in problem and "No space left on device" in problem)
    restore(out, before)
    broken += case.write(out) is not None or sorted(held(out)) != sorted(case.files)
    for path in out.iterdir():
        path.unlink()
    out.rmdir()
    print(f"{case.name:<24} {need / 1e3:7.0f} kB: {refused:>3} of {count} refused, {broken} promises broken")
    for message in sorted(filter(None, messages))[: 5 * (broken > 0)]:
        print("   ", message)
    return broken


def held(folder: Path) -> dict[str, bytes]:
    """What is in a folder, hidden files too."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def restore(folder: Path, contents: dict[str, bytes]) -> None:
    """Put the files of the earlier run there again."""
    for path in folder.iterdir():
        path.unlink()
    for name, content in contents.items():
        (folder / name).write_bytes(content)


def room(folder: Path) -> int:
    """Bytes that are free."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


@contextmanager
def filled(folder: Path, left: int) -> Iterator[None]:
    """Fill the disk up to some bytes."""
    filler = folder / "filler"
    filler.write_bytes(bytes(max(room(folder) - left, 0)))
    try:
        yield
    finally:
        filler.unlink()


if __name__ == "__main__":
    sys.exit(main())

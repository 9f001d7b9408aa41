"""What a test may change for all others: settings of the process, threads, children, and files."""

import os
import signal
import threading
from pathlib import Path

import numpy as np

from gatewise import threads

SIGNALS = [signal.SIGINT, signal.SIGTERM]
# Threads that the library and pyarrow keep for later, on purpose.
KEPT_THREADS = ("gatewise", "ThreadPoolExecutor")
# Variables that pytest keeps up to date, and that threadpoolctl sets when it is imported.
NOT_OF_TESTS = ("PYTEST_CURRENT_TEST", "KMP_")


def settings():
    """Name to value of each setting of this process that outlives a test."""
    return {
        "the environment": {name: value for name, value in os.environ.items() if not name.startswith(NOT_OF_TESTS)},
        "the current folder": os.getcwd(),
        "the number of threads": threads.get_num_threads(),
        "what NumPy does about errors": np.geterr(),
        "what signals do": [signal.getsignal(number) for number in SIGNALS],
        "threads": {thread.name for thread in threading.enumerate() if not thread.name.startswith(KEPT_THREADS)},
    }


def differences(before, after):
    """One line for each setting that is not as it was."""
    return [f"{name}: {before[name]} became {after[name]}" for name in before if before[name] != after[name]]


def children(process="self"):
    """Processes that this one started and that still run: number to command."""
    found = {}
    for task in Path(f"/proc/{process}/task").glob("*/children"):
        for number in task.read_text().split():
            try:
                found[number] = Path(f"/proc/{number}/cmdline").read_text().replace("\0", " ").strip()
            except FileNotFoundError:
                continue
    return found


def files(*folders):
    """Every file under the folders but what Python, pytest and hypothesis keep."""
    kept = {"__pycache__", ".hypothesis", ".pytest_cache", ".ruff_cache", ".mypy_cache", ".venv", ".git"}
    found = set()
    for folder in folders:
        for place, inner, names in os.walk(folder):
            inner[:] = [name for name in inner if name not in kept]
            found.update(os.path.join(place, name) for name in names)
    return found

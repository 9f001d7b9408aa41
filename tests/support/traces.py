"""What a test may change for all others: settings of the process, threads, and child processes."""

import contextlib
import os
import signal
import threading
import time
from pathlib import Path

import numpy as np

from gatewise import threads

SIGNALS = [signal.SIGINT, signal.SIGTERM]
# Threads that are kept for later, on purpose: of the library, of the standard library's pools, of dask.
KEPT_THREADS = (
    *("gatewise", "ThreadPoolExecutor", "asyncio", "Dask", "Profile", "IO loop", "TCP-Executor"),
    *("ExecutorManagerThread", "QueueFeederThread"),  # of joblib, which keeps its workers for the next call
)
KEPT_PROCESSES = ("resource_tracker", "loky")  # of the standard library and joblib; they end with this process
PATIENCE = 5.0  # seconds that what has been told to end may take
# Variables that pytest keeps up to date, and that threadpoolctl and distributed set when they are imported.
NOT_OF_TESTS = ("PYTEST_CURRENT_TEST", "KMP_", "__DASK_")


def settings():
    """Name to value of each setting of this process that outlives a test."""
    return {
        "the environment": {name: value for name, value in os.environ.items() if not name.startswith(NOT_OF_TESTS)},
        "the current folder": os.getcwd(),
        "the number of threads": threads.get_num_threads(),
        "what NumPy does about errors": np.geterr(),
        "what signals do": [signal.getsignal(number) for number in SIGNALS],
    }


def differences(before, after):
    """One line for each setting that is not as it was."""
    return [f"{name}: {before[name]} became {after[name]}" for name in before if before[name] != after[name]]


def helpers():
    """Threads and child processes of this process but those kept on purpose: each by number to its name or command."""
    found = {thread.ident: thread.name for thread in threading.enumerate()}
    found = {number: name for number, name in found.items() if not name.startswith(KEPT_THREADS)}
    for task in Path("/proc/self/task").glob("*/children"):
        for number in task.read_text().split():
            with contextlib.suppress(FileNotFoundError):
                command = Path(f"/proc/{number}/cmdline").read_text().replace("\0", " ").strip()
                if not any(kept in command for kept in KEPT_PROCESSES):
                    found[int(number)] = command
    return found


def left_helpers(before):
    """Helpers that were not there before and do not end soon."""
    end = time.monotonic() + PATIENCE
    while (left := {number: name for number, name in helpers().items() if number not in before}) and (
        time.monotonic() < end
    ):
        time.sleep(0.02)
    return left

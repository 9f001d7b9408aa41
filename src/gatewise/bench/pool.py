"""The worker processes as the parent sees them: started, asked one at a time, stopped in between, ended."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from gatewise.bench.systems import imported

PATIENCE = 300.0  # seconds that one request may take
THREADS = (
    "GATEWISE_NUM_THREADS",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMBA_NUM_THREADS",
    "NPROC",  # XLA's pool
)
START = (
    "import time; t = time.perf_counter(); import {module}; seconds = time.perf_counter() - t; "
    "from gatewise.bench.worker import serve; serve({system!r}, {threads}, seconds)"
)


class RefusedError(Exception):
    """A worker could not do what it was asked; it can be asked something else."""


class LostError(Exception):
    """A worker ended, or did not answer in time and was ended."""


class Worker:
    """One process for one system and one number of threads."""

    def __init__(self, system: str, threads: int, folder: Path, patience: float = PATIENCE, **extra: str) -> None:
        self.system, self.threads, self.patience = system, threads, patience
        self.name = f"{system} ({threads} thread{'s' * (threads > 1)})"
        self._log = folder / f"{system}-{threads}.log"
        code = START.format(module=imported(system), system=system, threads=threads)
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", code],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=_together(environment(threads), extra),
                text=True,
                encoding="utf-8",
            )
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def ask(self, do: str, **arguments: Any) -> dict[str, Any]:
        """Let the worker run until it has answered one request; raises `RefusedError` or `LostError`."""
        self._signal("SIGCONT")
        self._send(json.dumps({"do": do, **arguments}))
        try:
            line = self._lines.get(timeout=self.patience)
        except queue.Empty:
            self.close()
            raise LostError(f"{self.name}: no answer to {do!r} within {self.patience:g} s; ended") from None
        if line is None:
            raise LostError(f"{self.name}: {self._last_words()}")
        self._signal("SIGSTOP")
        reply: dict[str, Any] = json.loads(line)
        if "error" in reply:
            raise RefusedError(f"{self.system}: {reply['error']}")
        return reply

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()
        self._reader.join()
        for pipe in (self._process.stdin, self._process.stdout):
            _close(pipe)

    def _send(self, line: str) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()
        except OSError:
            return  # it has ended, which the answer will tell

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put(None)

    def _signal(self, name: str) -> None:
        """Stop or continue the process: a pool that spins while it waits would slow the one whose turn it is."""
        if hasattr(signal, name) and self._process.poll() is None:
            self._process.send_signal(getattr(signal, name))

    def _last_words(self) -> str:
        self.close()
        lines = self._log.read_text(encoding="utf-8", errors="replace").split("\n")
        said = next((line.strip() for line in reversed(lines) if line.strip()), "")
        code = self._process.returncode
        how = f"ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
        return f"{said or 'nothing said'} ({how})"


def _close(pipe: Any) -> None:
    try:
        pipe.close()
    except OSError:
        return  # what could not be flushed is for nobody


def environment(threads: int) -> dict[str, str]:
    """Return the environment of a worker: every pool of threads held to one size, and Gatewise found where it is."""
    source = str(Path(__file__).parents[2])
    many = str(threads > 1).lower()
    return {
        **os.environ,
        **{name: str(threads) for name in THREADS},
        "XLA_FLAGS": f"--xla_cpu_multi_thread_eigen={many} intra_op_parallelism_threads={threads}",
        "JAX_PLATFORMS": "cpu",
        "PYTHONPATH": os.pathsep.join(filter(None, [source, os.environ.get("PYTHONPATH")])),
    }


def _together(settings: dict[str, str], extra: dict[str, str]) -> dict[str, str]:
    """Settings of an environment and more of them; flags of XLA stand side by side."""
    flags = [found["XLA_FLAGS"] for found in (settings, extra) if "XLA_FLAGS" in found]
    return settings | extra | ({"XLA_FLAGS": " ".join(flags)} if flags else {})

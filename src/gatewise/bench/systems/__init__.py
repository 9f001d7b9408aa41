"""How each system computes a case: one small module each, all with the same verbs.

    versions() -> dict[str, str]             what is installed
    build(problem, threads) -> Task          the network with the problem's weights, ready to be called
    best(problem, threads) -> Task           the same in the form that is quickest here, where there are several

Data lie in each system's own order, laid out before the clock runs: time first for PyTorch, JAX and ONNX Runtime, batch
first for Gatewise. A module imports its system when a verb is called, so that reading it needs nothing installed.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

from gatewise.bench.cases import Problem
from gatewise.errors import Array

OURS, FLOOR = "gatewise", "sgemm"
MODULES = {OURS: "ours", FLOOR: "floor", "torch": "torch", "jax": "jax", "onnxruntime": "onnxruntime"}
IMPORTS = {FLOOR: "numpy"}  # where it is not the system's own name


class Task(NamedTuple):
    """A network ready to be called."""

    calls: Mapping[str, Callable[[], Any]]  # by kind; each returns when the work is done
    results: Callable[[], dict[str, Array]]  # what the calls compute, under the names of `named_results`


class System(Protocol):
    """A module of this package."""

    def versions(self) -> dict[str, str]:
        """Return the version of each package involved."""

    def build(self, problem: Problem, threads: int) -> Task:
        """Return the network of a problem, ready to be called."""

    def best(self, problem: Problem, threads: int) -> Task:
        """Return the same in its quickest form."""


def load(name: str) -> System:
    """Return the module of a system."""
    system: Any = importlib.import_module(f"{__name__}.{MODULES[name]}")
    return system  # type: ignore[no-any-return]


def imported(name: str) -> str:
    """Return the module that a user of the system imports."""
    return IMPORTS.get(name, name)


def seconds_of(call: Callable[[], Any]) -> float:
    """Return the time of one call."""
    started = time.perf_counter()
    call()
    return time.perf_counter() - started

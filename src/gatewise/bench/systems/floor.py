"""The floor: one large matrix product of NumPy, whose rate no recurrent network can be expected to pass."""

from __future__ import annotations

import numpy as np

from gatewise.bench.cases import Problem
from gatewise.bench.systems import Task

SIZE = 1024
FLOPS = 2 * SIZE**3


def versions() -> dict[str, str]:
    """Return the version of each package involved."""
    return {"numpy": np.__version__}


def build(problem: Problem, threads: int) -> Task:
    """Return the product, ready to be called; its threads follow the environment."""
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal((SIZE, SIZE)).astype(problem.case.dtype) for _ in range(2))
    out = np.empty_like(a)
    return Task({"product": lambda: np.matmul(a, b, out=out)}, dict)


best = build

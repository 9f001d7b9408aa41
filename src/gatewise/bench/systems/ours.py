"""Gatewise, through its public interface."""

from __future__ import annotations

from typing import Any

import numpy as np

from gatewise import __version__
from gatewise.bench.cases import Problem, named_results
from gatewise.bench.systems import Task
from gatewise.errors import Array
from gatewise.layers import RECURRENT


def versions() -> dict[str, str]:
    """Return the version of each package involved."""
    return {"gatewise": __version__, "numpy": np.__version__}


def build(problem: Problem, threads: int) -> Task:
    """Return the network of a problem, ready to be called; its threads follow the environment."""
    case, x, state, dy, weights = problem
    layer = _layer(case.cell, case.reset, case.shape.D, case.shape.H, case.dtype)
    layer.params.update(weights)
    start: Any = layer.State(*state) if layer.State else state[0]

    def train() -> tuple[Array, Any, dict[str, Array]]:
        _, _, tape = layer.forward(x, start)
        gradients: tuple[Array, Any, dict[str, Array]] = layer.backward(tape, dy)
        return gradients

    def results() -> dict[str, Array]:
        dx, dstate, grads = train()
        return named_results(case.cell, layer(x)[0], dx, tuple(dstate) if layer.State else (dstate,), grads)

    return Task({"train": train, "infer": lambda: layer(x)}, results)


best = build


def _layer(cell: str, reset: str, D: int, H: int, dtype: str) -> Any:
    options: dict[str, Any] = {"reset": reset} if RECURRENT[cell].option == "reset" else {}
    return RECURRENT[cell](D, H, dtype=dtype, rng=0, **options)

"""PyTorch: its modules, time first; gradients of everything by its autograd."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from gatewise.bench.cases import Problem, check_known, named_results
from gatewise.bench.systems import Task
from gatewise.errors import Array, GatewiseValueError


def versions() -> dict[str, str]:
    """Return the version of each package involved."""
    return {"torch": str(_torch().__version__)}


def build(problem: Problem, threads: int) -> Task:
    """Return the network of a problem, ready to be called."""
    torch, case = _torch(), problem.case
    torch.set_num_threads(threads)
    network = _network(torch, problem)
    x, dy = (torch.from_numpy(np.ascontiguousarray(a.swapaxes(0, 1))) for a in (problem.x, problem.dy))
    state = tuple(torch.from_numpy(a.copy()).requires_grad_() for a in problem.state)
    leaf = x.clone().requires_grad_()
    sources = (leaf, *state, *(getattr(network, name) for name in problem.weights))

    def train() -> Any:
        y, _ = network(leaf, state if case.cell == "lstm" else state[0])
        return torch.autograd.grad(y, sources, dy)

    def infer() -> Any:
        with torch.inference_mode():
            return network(x)

    def results() -> dict[str, Array]:
        dx, *rest = (a.numpy() for a in train())
        dstate, grads = rest[: len(state)], rest[len(state) :]
        y = infer()[0].numpy().swapaxes(0, 1)
        return named_results(
            case.cell, y, dx.swapaxes(0, 1), tuple(dstate), dict(zip(problem.weights, grads, strict=True))
        )

    return Task({"train": train, "infer": infer}, results)


best = build


def _network(torch: Any, problem: Problem) -> Any:
    case = problem.case
    check_known(case, ("gru", "lstm", "rnn"))
    if case.cell == "gru" and case.reset != "after":
        raise GatewiseValueError("its GRU has reset='after' only.")
    network = getattr(torch.nn, case.cell.upper())(case.shape.D, case.shape.H, dtype=getattr(torch, case.dtype))
    network.load_state_dict({name: torch.from_numpy(a) for name, a in problem.weights.items()})
    return network


def _torch() -> Any:
    return importlib.import_module("torch")

"""JAX: a cell in `lax.scan`, matrices as (D, G·H); `jit` of `value_and_grad`, compiled in `build`.

Two forms are tried: the input product for all steps before the loop, or a step at a time inside it. Neither is always
the quicker one. Matrices as (G·H, D) and a loop unrolled by 4 were tried too, and gain nothing.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np

from gatewise.bench.cases import Problem, check_known, named_results
from gatewise.bench.systems import Task, seconds_of
from gatewise.errors import Array, GatewiseValueError


def versions() -> dict[str, str]:
    """Return the version of each package involved."""
    return {name: str(importlib.import_module(name).__version__) for name in ("jax", "jaxlib")}


def build(problem: Problem, threads: int) -> Task:
    """Return the network of a problem, ready to be called, with the input product before the loop."""
    return _task(problem, hoisted=True)


def best(problem: Problem, threads: int) -> Task:
    """Return it with the input product before or inside the loop, whichever is quicker, for each kind of work."""
    forms = [_task(problem, hoisted).calls for hoisted in (True, False)]
    calls = {kind: min((form[kind] for form in forms), key=_quickest) for kind in forms[0]}
    return Task(calls, lambda: _results(problem.case.cell, calls["infer"](), calls["train"]()[1]))


def _quickest(call: Callable[[], Any]) -> float:
    return min(seconds_of(call) for _ in range(5))


def _task(problem: Problem, hoisted: bool) -> Task:
    jax, case = importlib.import_module("jax"), problem.case
    check_known(case, STEPS)
    if case.cell == "gru" and case.reset != "after":
        raise GatewiseValueError("written here with reset='after' only.")
    jax.config.update("jax_enable_x64", case.dtype == "float64")
    run, sources = _sequence(jax, case.cell, hoisted), _sources(jax, problem)
    dy = jax.numpy.asarray(np.ascontiguousarray(problem.dy.swapaxes(0, 1)))
    trained, inferred = _compiled(jax, run, sources, dy)
    inputs = (sources[0], *sources[-4:])

    def train() -> Any:
        return jax.block_until_ready(trained(dy, *sources))

    def infer() -> Any:
        return jax.block_until_ready(inferred(*inputs))

    return Task({"train": train, "infer": infer}, lambda: _results(case.cell, infer(), train()[1]))


def _compiled(jax: Any, run: Callable[..., Any], sources: tuple[Any, ...], dy: Any) -> tuple[Any, Any]:
    """Return the gradients of all sources, and the outputs from an initial state of 0, compiled."""

    def loss(dy: Any, *sources: Any) -> Any:
        return jax.numpy.vdot(run(*sources), dy)

    def forward(x: Any, *weights: Any) -> Any:
        return run(x, *(jax.numpy.zeros_like(s) for s in sources[1:-4]), *weights)

    gradients = jax.value_and_grad(loss, argnums=tuple(range(1, len(sources) + 1)))
    trained = jax.jit(gradients).lower(dy, *sources).compile()
    return trained, jax.jit(forward).lower(sources[0], *sources[-4:]).compile()


def _sources(jax: Any, problem: Problem) -> tuple[Any, ...]:
    """x (T, B, D), h_0 and c_0 (B, H), W (D, G·H), U (H, G·H), b, c."""
    W, U, b, c = problem.weights.values()
    arrays = (problem.x.swapaxes(0, 1), *(s[0] for s in problem.state), W.T, U.T, b, c)
    return tuple(jax.numpy.asarray(np.ascontiguousarray(a)) for a in arrays)


def _results(cell: str, y: Array, gradients: tuple[Any, ...]) -> dict[str, Array]:
    dx, *dstate, dW, dU, db, dc = (np.asarray(a) for a in gradients)
    grads = {"weight_ih_l0": dW.T, "weight_hh_l0": dU.T, "bias_ih_l0": db, "bias_hh_l0": dc}
    return named_results(
        cell, np.asarray(y).swapaxes(0, 1), dx.swapaxes(0, 1), tuple(s[np.newaxis] for s in dstate), grads
    )


def _sequence(jax: Any, cell: str, hoisted: bool) -> Callable[..., Any]:
    """Return the function of `_sources` that gives all outputs (T, B, H)."""
    step = STEPS[cell](jax)

    def run(x: Any, *rest: Any) -> Any:
        *state, W, U, b, c = rest

        def body(state: Any, a: Any) -> Any:
            return step(state, a if hoisted else a @ W + b, state[0] @ U + c)

        _, y = jax.lax.scan(body, tuple(state), x @ W + b if hoisted else x)
        return y

    return run


def _gru(jax: Any) -> Callable[..., Any]:
    def step(state: Any, p: Any, q: Any) -> Any:
        (h,) = state
        (p_r, p_z, p_n), (q_r, q_z, q_n) = (jax.numpy.split(a, 3, axis=-1) for a in (p, q))
        r, z = jax.nn.sigmoid(p_r + q_r), jax.nn.sigmoid(p_z + q_z)
        n = jax.numpy.tanh(p_n + r * q_n)
        h = n + z * (h - n)
        return (h,), h

    return step


def _lstm(jax: Any) -> Callable[..., Any]:
    def step(state: Any, p: Any, q: Any) -> Any:
        a_i, a_f, a_g, a_o = jax.numpy.split(p + q, 4, axis=-1)
        i, f, o = (jax.nn.sigmoid(a) for a in (a_i, a_f, a_o))
        c = f * state[1] + i * jax.numpy.tanh(a_g)
        h = o * jax.numpy.tanh(c)
        return (h, c), h

    return step


def _rnn(jax: Any) -> Callable[..., Any]:
    def step(state: Any, p: Any, q: Any) -> Any:
        h = jax.numpy.tanh(p + q)
        return (h,), h

    return step


STEPS = {"gru": _gru, "lstm": _lstm, "rnn": _rnn}

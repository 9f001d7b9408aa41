"""The backward pass over time for any set of lines, right or changed, and the slips of the loop around them.

A *key* is (matrix, gate) for a block of weights, and ("x", ""), ("h_prev", ""), ("c_prev", "") for what is passed
on. Every step's contribution to a weight is kept apart, so that "overwritten instead of summed" or "divided by T" is a
way to put contributions together: a `Handling`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import permutations
from typing import Any, NamedTuple

import numpy as np

from gatewise.errors import Array
from gatewise.examine.equations import Form, Line, run

Key = tuple[str, str]
Gradients = dict[Key, Array]
X, H_PREV, C_PREV = ("x", ""), ("h_prev", ""), ("c_prev", "")
PASSED = (X, H_PREV, C_PREV)


class Case(NamedTuple):
    """One pass of the network: what each step computed, and the gradients that come in."""

    steps: list[dict[str, Any]]
    """The environment of each forward step, weights included."""
    dy: Array
    """(T, B, H): the gradient of each output."""
    last: dict[str, Array]
    """`dh_next`, `dc_next` of the last step: (B, H)."""
    owners: Mapping[str, tuple[Key, ...]]
    """The keys that each array of the network holds, in its order."""
    rate: float = 0.0
    """The rate at which the backward pass changes weights; 0 if it does not."""
    sequence: bool = False
    apart: bool = False
    """Whether only step t has an input in column t, so that column t of dW comes from step t alone."""


class Handling(NamedTuple):
    """What is done with the gradients of all steps: scaled, overwritten, put in another order."""

    kind: str
    what: str
    """The array, or the group of arrays."""
    keys: tuple[Key, ...]
    amount: Any = None


Contributions = dict[Key, list[Array]]
LOOPS = ("updated inside", "only the last output", "forward in time", "no last")
"""Kinds of handling that change the loop itself; the others put the same contributions together otherwise."""


def backward_pass(lines: Iterable[Line], case: Case, handlings: Iterable[Handling] = ()) -> Gradients:
    """Run `lines` from the last step to the first and put the contributions together."""
    handlings = tuple(handlings)
    return together(*contributions(lines, case, {handling.kind for handling in handlings}), handlings)


def contributions(
    lines: Iterable[Line], case: Case, loops: Iterable[str] = ()
) -> tuple[Contributions, dict[str, Array]]:
    """Return what each step adds to each gradient, in the order of the loop, and what is passed on at the end."""
    lines = tuple(lines)
    T, states = len(case.steps), ("h", "c") if "dc_next" in case.last else ("h",)
    passed = {name: np.zeros_like(value) if "no last" in loops else value for name, value in case.last.items()}
    weights: dict[str, Array] = {}
    result: Contributions = {}
    for t in range(T) if "forward in time" in loops else range(T - 1, -1, -1):
        dy = np.zeros_like(case.dy[t]) if "only the last output" in loops and t < T - 1 else case.dy[t]
        environment = run(lines, {**case.steps[t], **weights, **passed, "dy": dy})
        passed = {f"d{state}_next": environment[f"d{state}_prev"] for state in states}
        for name, value in environment.items():
            if name[:2] in ("dW", "dU", "db", "dc") and name[2:3] == "_" and name not in ("dc_prev", "dc_next"):
                result.setdefault((name[1], name[3:]), []).append(value)
                if "updated inside" in loops:
                    weights[name[1:]] = environment[name[1:]] - case.rate * value
        result.setdefault(X, []).append(environment["dx"])
    if "forward in time" not in loops:
        result[X].reverse()
    return result, passed


def together(steps: Contributions, passed: dict[str, Array], handlings: tuple[Handling, ...] = ()) -> Gradients:
    """Sum the contributions of the steps, or do with them what the handlings say."""
    chosen = {key: h.kind for h in handlings if h.kind in ("overwritten", "never summed") for key in h.keys}
    result: Gradients = {}
    for key, parts in steps.items():
        if key == X:
            result[key] = np.array(parts)
        elif key in chosen:
            result[key] = parts[-1] if chosen[key] == "overwritten" else parts[0]
        else:
            result[key] = sum(parts[1:], start=parts[0])
    result[H_PREV] = passed["dh_next"]
    if "dc_next" in passed:
        result[C_PREV] = passed["dc_next"]
    for handling in handlings:
        _apply(handling, result)
    return result


def _apply(handling: Handling, gradients: Gradients) -> None:
    kind, keys = handling.kind, [key for key in handling.keys if key in gradients]
    if kind == "scaled":
        for key in keys:
            gradients[key] = gradients[key] * handling.amount[1]
    elif kind == "zero":
        for key in keys:
            gradients[key] = np.zeros_like(gradients[key])
    elif kind == "reordered":
        values = [gradients[keys[k]] for k in handling.amount]
        gradients.update(zip(keys, values, strict=True))
    elif kind == "transposed":
        for key in keys:
            gradients[key] = gradients[key].T
    elif kind == "reversed in time":
        gradients[X] = gradients[X][::-1]


def handlings(form: Form, case: Case) -> Iterator[Handling]:
    """Yield every slip of the loop and of the arrays that are handed over."""
    arrays = dict(case.owners)
    weights = tuple(key for keys in arrays.values() for key in keys)
    everything = (*weights, *PASSED)
    T, (B, H) = len(case.steps), case.dy.shape[1:]
    sizes = [("T", T)] * case.sequence + [("B", B), ("H", H)]
    if case.sequence:
        yield Handling("updated inside", "", everything)
        yield Handling("only the last output", "", everything)
        yield Handling("forward in time", "", everything)
        yield Handling("reversed in time", "dx", (X,))
    if np.any([np.any(value) for value in case.last.values()]):
        yield Handling("no last", "", everything)
    groups = [("the gradients of weights", weights), *_kinds(arrays), *arrays.items()]
    if case.sequence:
        for what, keys in groups:
            yield Handling("overwritten", what, keys)
            yield Handling("never summed", what, keys)
    groups += [("dx", (X,)), ("dh_prev", (H_PREV,))] + [("dc_prev", (C_PREV,))] * (form.cell == "lstm")
    for what, keys in [("every gradient", everything), *groups]:
        for name, size in [*sizes, ("2", 2)]:
            yield Handling("scaled", what, keys, (f"1/{name}", 1 / size))
            yield Handling("scaled", what, keys, (name, size))
        yield Handling("scaled", what, keys, ("−1", -1.0))
        if what != "every gradient":
            yield Handling("zero", what, keys)
    yield from _orders(arrays)


def _kinds(arrays: Mapping[str, tuple[Key, ...]]) -> Iterator[tuple[str, tuple[Key, ...]]]:
    """Input weights, recurrent weights, biases: where each is in several arrays."""
    names = {"W": "the input weights' gradients", "U": "the recurrent weights' gradients", "b": "the biases' gradients"}
    for matrix, words in names.items():
        keys = tuple(key for keys in arrays.values() for key in keys if key[0].replace("c", "b") == matrix)
        if keys and not any(set(keys) == set(own) for own in arrays.values()):
            yield words, keys


def _orders(arrays: Mapping[str, tuple[Key, ...]]) -> Iterator[Handling]:
    """Gates handed over in another order than the weights'; recurrent gradients transposed."""
    for kind in ("W", "U", "b"):
        for name, keys in arrays.items():
            own = tuple(key for key in keys if key[0] == kind)
            if kind == "U" and own:
                yield Handling("transposed", name, own)
            yield from (Handling("reordered", name, own, order) for order in _permutations(len(own)))
    recurrent = tuple(key for keys in arrays.values() for key in keys if key[0] == "U")
    if sum(any(key[0] == "U" for key in keys) for keys in arrays.values()) > 1:
        yield Handling("transposed", "every recurrent matrix", recurrent)
    packed = [keys for keys in arrays.values() if len(keys) > 1]
    every = tuple(key for keys in packed for key in keys)
    if len(packed) > 1 and len({len(keys) for keys in packed}) == 1:
        gates = len(packed[0])
        for order in _permutations(gates):
            whole = tuple(k * gates + i for k in range(len(packed)) for i in order)
            yield Handling("reordered", "the gradients of weights", every, whole)
    for name, other in permutations(arrays, 2):
        pair = (*arrays[name], *arrays[other])
        if name < other and len(pair) == 2 and pair[0][0] == pair[1][0]:
            yield Handling("reordered", f"{name} and {other}", pair, (1, 0))


def _permutations(count: int) -> list[tuple[int, ...]]:
    """Return every order of a few parts but their own."""
    return list(permutations(range(count)))[1:] if count <= 4 else []

"""Which network it is: the forward pass held against every convention, then against every slip of one."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations, product
from typing import Any, NamedTuple

import numpy as np

from gatewise.errors import Array
from gatewise.examine import blocks
from gatewise.examine.blocks import Arrangement, Block
from gatewise.examine.equations import Form, Line, forward, run
from gatewise.examine.network import Inputs, Network, Outputs, Weights
from gatewise.examine.passes import Key
from gatewise.examine.search import equal
from gatewise.examine.slips import Change, forward_catalogue


class Identity(NamedTuple):
    """A network that computes what theirs does."""

    form: Form
    blocks: dict[Key, Block]
    arrangement: Arrangement
    order: str
    """The gates in the order of the arrays, or of the columns of one."""
    change: Change | None
    """A slip of its forward pass, without which it would be the form."""
    consistent: bool
    """Whether U and the biases have their gates in the order of W."""
    steps: list[dict[str, Any]]
    """What each step computed."""

    def environment(self, weights: Weights) -> dict[str, Array]:
        """Return the weights by letter and gate: `W_r`, `U_n` and so on."""
        return {f"{matrix}_{gate}": block.read(weights[block.array]) for (matrix, gate), block in self.blocks.items()}

    def owners(self) -> dict[str, tuple[Key, ...]]:
        """Return the keys that each array holds, in its order."""
        result: dict[str, list[tuple[int, Key]]] = {}
        for key, block in self.blocks.items():
            result.setdefault(block.array, []).append((block.number, key))
        return {name: tuple(key for _, key in sorted(keys)) for name, keys in result.items()}


class Observed(NamedTuple):
    """A forward pass of theirs: what went in, what came out."""

    weights: Weights
    inputs: Inputs
    h: Array
    c: Array | None
    tolerance: float


def identities(network: Network, inputs: Inputs, outputs: Outputs) -> list[Identity]:
    """Return the networks that theirs may be, those without a slip alone if there are any.

    Several have the same forward pass only where a slip hides their difference: without its reset gate a GRU is the
    same in both forms.
    """
    tolerance = 1e-8 if outputs.dtype == np.float64 else 3e-5
    observed = Observed(network.weights, inputs, outputs.h, outputs.c, tolerance)
    shapes = {name: value.shape for name, value in network.weights.items()}
    ways = list(blocks.arrangements(shapes, network.sizes.D, network.sizes.H))
    for pairing in ("order", "names", "any"):
        for arrangement in ways:
            tried = _tried(arrangement, pairing)
            found = [one for one in tried if _fits(one, observed, one.environment(network.weights))]
            if found:
                return found[:1]
    return _slipped(ways, observed)


def _slipped(ways: list[Arrangement], observed: Observed) -> list[Identity]:
    found: list[Identity] = []
    for arrangement in ways:
        for pairing in ("order", "names"):
            for one in _tried(arrangement, pairing):
                weights = one.environment(observed.weights)
                for change in forward_catalogue(one.form):
                    own = one._replace(change=change, steps=[])
                    if _fits(own, observed, weights) and not any(_same(own, other) for other in found):
                        found.append(own)
        if found:
            break
    return found[:8]


def _same(one: Identity, other: Identity) -> bool:
    return (one.form, one.change and one.change.target) == (other.form, other.change and other.change.target)


def _fits(one: Identity, observed: Observed, weights: dict[str, Array]) -> bool:
    """Run the form beside theirs until they part; keep what it computed in `one.steps`."""
    state = {"h_prev": observed.inputs.h_prev, "c_prev": observed.inputs.c_prev}
    lines = _lines(one)
    for t, h in enumerate(observed.h):
        try:
            with np.errstate(all="ignore"):
                environment = run(lines, {**weights, **state, "x": observed.inputs.x[t]})
        except (ValueError, NameError, KeyError):
            return False
        if not equal(h, environment["h"], observed.tolerance, 1e-3):
            return False
        state = {f"{name}_prev": environment[name] for name in one.form.states}
        one.steps.append(environment)
    if observed.c is not None and "c" in one.form.states:
        return equal(observed.c, one.steps[-1]["c"], observed.tolerance, 1e-3)
    return True


def _lines(one: Identity) -> tuple[Line, ...]:
    change = one.change
    right = forward(one.form)
    return right if change is None else tuple(change.line if line.target == change.target else line for line in right)


def _tried(arrangement: Arrangement, pairing: str) -> Iterator[Identity]:
    """Yield every form with every order of gates; `pairing` says how U and the biases follow W."""
    G = len(arrangement.W)
    cell = {1: "rnn", 3: "gru", 4: "lstm"}[G]
    for W, U, b in _paired(arrangement, pairing):
        for form in _forms(cell, len(b), G):
            for order in permutations(form.gates):
                for own in _orders(order, pairing, form):
                    for biases in _biases(b, form, own[2]):
                        assigned = {("W", gate): block for gate, block in zip(own[0], W, strict=True)}
                        assigned |= {("U", gate): block for gate, block in zip(own[1], U, strict=True)}
                        assigned |= biases
                        yield Identity(form, assigned, arrangement, "".join(order), None, pairing != "any", [])


def _paired(
    arrangement: Arrangement, pairing: str
) -> Iterator[tuple[tuple[Block, ...], tuple[Block, ...], tuple[Block, ...]]]:
    if pairing != "names":
        yield arrangement.W, arrangement.U, arrangement.b
        return
    W, U, b = (blocks.by_tags(own) or own for own in (arrangement.W, arrangement.U, arrangement.b))
    yield W, U, b


def _orders(order: tuple[str, ...], pairing: str, form: Form) -> Iterator[tuple[tuple[str, ...], ...]]:
    """Yield the gates of W, of U and of the biases, in the order of the blocks."""
    if pairing != "any":
        yield order, order, order
        return
    if len(order) == 4:  # 24³ orders would take minutes; the biases follow W or U
        for recurrent in permutations(form.gates):
            for biases in (order, recurrent):
                yield order, recurrent, biases
        return
    for recurrent, biases in product(permutations(form.gates), repeat=2):
        if form.biases or biases == order:
            yield order, recurrent, biases


def _forms(cell: str, count: int, G: int) -> Iterator[Form]:
    sides = (
        {0: [""], G: ["b"], G + 1: ["bcn"], 2 * G: ["bc"]}[count] if G > 1 else {0: [""], 1: ["b"], 2: ["bc"]}[count]
    )
    if cell == "rnn":
        yield from (Form("rnn", nonlinearity=f, biases=side) for f in ("tanh", "relu", "sigmoid") for side in sides)
    elif cell == "lstm":
        yield from (Form("lstm", biases=side) for side in sides if side != "bcn")
    else:
        for reset, update in product(("before", "after"), ("keeps", "writes")):
            for side in [*sides, *(["c"] if sides == ["b"] and reset == "after" else [])]:
                if side != "bcn" or reset == "after":
                    yield Form("gru", reset, update, biases=side)


def _biases(own: tuple[Block, ...], form: Form, order: tuple[str, ...]) -> Iterator[dict[Key, Block]]:
    """Yield the ways in which the blocks of biases belong to the gates."""
    G = len(order)
    if form.biases in ("", "b", "c"):
        yield {(form.biases, gate): block for gate, block in zip(order, own, strict=True)} if own else {}
    elif form.biases == "bc":
        halves = (own[:G], own[G:])
        for first, second in (halves, halves[::-1]) if form.reset == "after" else (halves,):
            yield {(side, gate): block for side, half in (("b", first), ("c", second))
                   for gate, block in zip(order, half, strict=True)}  # fmt: skip
    else:
        for k, extra in enumerate(own):
            rest = own[:k] + own[k + 1 :]
            yield {("b", gate): block for gate, block in zip(order, rest, strict=True)} | {("c", "n"): extra}


def described(one: Identity) -> str:
    """Return the convention in a line: a GRU, reset before, z writes, columns z r n."""
    form = one.form
    name = {"gru": "a GRU", "lstm": "an LSTM", "rnn": "an Elman network"}[form.cell]
    words = [name]
    if form.cell == "gru":
        words += [f"reset {form.reset}", f"z {form.update}"]
    if form.cell == "rnn":
        words.append(form.nonlinearity)
    packed = any(block.parts > 1 for block in one.arrangement.W)
    if form.cell != "rnn":
        where = ("columns" if one.arrangement.transposed else "rows") if packed else "arrays"
        words.append(f"{where} {' '.join(one.order)}")
    words.append({"": "no bias", "b": "one bias", "c": "one bias, inside r ⊙ (·)", "bc": "two biases",
                  "bcn": "one bias and a second for the candidate"}[form.biases])  # fmt: skip
    return ", ".join(words)

"""Which slips make these gradients: one change of the right backward pass, or two or three at once.

Every change of the catalogue is turned into gradients and compared. One that explains everything ends the search. Else
those that explain more than the right pass does are kept and changed once more; and where no change alone explains
anything, pairs are tried among those that touch only what is wrong.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from itertools import combinations, compress
from typing import NamedTuple

import numpy as np

from gatewise.errors import Array
from gatewise.examine.equations import Form, Line, backward, run
from gatewise.examine.passes import (
    LOOPS,
    Case,
    Contributions,
    Gradients,
    Handling,
    Key,
    contributions,
    handlings,
    together,
)
from gatewise.examine.slips import Change, catalogue, changes

Slip = Change | Handling
Part = tuple[str, str, int]
"""A key and a step: -1, or the step alone to which a row of dx, or a column of dW, belongs."""
FAILS = (
    ValueError,
    KeyError,
    NameError,
    IndexError,
    TypeError,
)  # shapes that do not fit: nobody's code could have run so
WIDTH = 6  # explanations that are followed further, at each depth
DEPTH = 4  # slips at once
PAIRS = 12_000  # pairs tried where no change alone explains anything: about 2 s


class Explanation(NamedTuple):
    """Slips that together give the gradients in `matched`, and the same slips put otherwise."""

    slips: tuple[Slip, ...]
    matched: frozenset[Part]
    given: frozenset[Part]
    gradients: Gradients
    also: tuple[Slip, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether every gradient is explained."""
        return self.matched == self.given


def _parts(given: Gradients, case: Case) -> Iterator[Part]:
    T = len(case.steps)
    for (matrix, gate), value in given.items():
        apart = T > 1 and (matrix == "x" or (matrix == "W" and case.apart and value.ndim == 2))
        steps = range(T) if apart else (-1,)
        yield from ((matrix, gate, step) for step in steps)


def equal(a: Array, b: Array, tolerance: float, floor: float) -> bool:
    """Whether two gradients agree, relative to the larger of the second and `floor`."""
    if np.shape(a) != np.shape(b):
        return False
    if not np.size(b):
        return True
    return bool(np.abs(a - b).max() <= tolerance * max(np.abs(b).max(), floor))


class _Numbers:
    """All numbers of some gradients one after the other, part by part: compared at once with those of others."""

    def __init__(self, gradients: Gradients, parts: Iterable[Part]):
        steps: dict[Key, list[int]] = {}
        for *key, step in sorted(parts):
            if (key[0], key[1]) in gradients:
                steps.setdefault((key[0], key[1]), []).append(step)
        self.parts = [(*key, step) for key, own in steps.items() for step in own]
        self.shapes = {key: (np.shape(gradients[key]), own) for key, own in steps.items()}
        sizes = [
            shape[0] if key[0] == "W" and own[0] >= 0 else math.prod(shape) // len(own)
            for key, (shape, own) in self.shapes.items()
            for _ in own
        ]
        self.starts = np.cumsum([0, *sizes[:-1]])
        self.values = self._flat(gradients)

    def equal(self, gradients: Gradients, tolerance: float, floor: float) -> frozenset[Part]:
        """Return the parts that agree, each relative to the larger of the others' size and `floor`."""
        if not self.parts:
            return frozenset()
        others = self._flat(gradients)
        differences = np.maximum.reduceat(np.abs(self.values - others), self.starts)
        sizes = np.maximum(np.maximum.reduceat(np.abs(others), self.starts), floor)
        return frozenset(compress(self.parts, (differences <= tolerance * sizes).tolist()))

    def _flat(self, gradients: Gradients) -> Array:
        """Return the numbers in the order of the parts, not-a-numbers for what is missing or has another shape."""
        found = []
        for key, (shape, steps) in self.shapes.items():
            value = gradients.get(key)
            if value is None or np.shape(value) != shape:
                value = np.full(shape, np.nan)
            found.append(np.ravel(value.T[: len(steps)] if key[0] == "W" and steps[0] >= 0 else value))
        return np.concatenate(found) if found else np.empty(0)


class Search:
    """The catalogue of one form, held against the gradients that somebody's backward pass gave."""

    def __init__(self, form: Form, case: Case, given: Gradients, tolerance: float):
        self.form, self.case, self.given, self.tolerance = form, case, given, tolerance
        self.right = backward(form)
        self.keys, self.parts = frozenset(given), frozenset(_parts(given, case))
        sizes = [float(np.max(np.abs(value), initial=0.0)) for value in given.values()]
        self._known: dict[
            tuple[object, ...], tuple[tuple[Change, ...], tuple[Contributions, dict[str, Array]] | None]
        ] = {}
        self.floor = 1e-3 * float(np.median(sizes)) if sizes else 0.0
        self._own = _Numbers(given, self.parts)
        self.catalogue: list[Slip] = [
            *sorted(catalogue(form), key=_rank),
            *(h for h in handlings(form, case) if self.keys & set(h.keys)),
        ]

    def explain(self) -> Explanation:
        """Return the fewest slips that explain the most."""
        start = self._explanation(())
        if start is None or start.complete:
            return start or Explanation((), frozenset(), self.parts, {})
        best, frontier = start, [start]
        for depth in range(DEPTH):
            found: list[Explanation] = []
            for known in frontier:
                found += self._followers(known)
            complete = [one for one in found if one.complete]
            if complete:
                return self._chosen(complete)
            if depth == 0 and not found:
                return self._pairs(start) or start
            frontier = self._widest(found, best)
            best = max([best, *frontier], key=lambda one: len(one.matched))
            if not frontier:
                break
        for known in [best] if best.slips else []:
            pair = self._pairs(known)
            if pair:
                return pair
        return best if best.slips else self._pairs(start) or best

    def _followers(self, known: Explanation) -> Iterator[Explanation]:
        """Yield what explains more than `known` does with one more slip."""
        last = _LastStep(self, known)
        for slip in self._next(known.slips):
            if isinstance(slip, Change) and last.spoiled(slip):
                continue
            found = self._explanation((*known.slips, slip))
            if found is not None and len(found.matched) > len(known.matched):
                yield found

    def _next(self, slips: tuple[Slip, ...]) -> Iterator[Slip]:
        """Yield single slips; a line that is changed already is changed further."""
        changed = {slip.target: slip for slip in slips if isinstance(slip, Change)}
        for slip in self.catalogue:
            if not (isinstance(slip, Change) and slip.target in changed):
                yield slip
        yield from changes(self.form, (slip.line for slip in changed.values()))

    def _explanation(self, slips: tuple[Slip, ...]) -> Explanation | None:
        gradients = self._gradients(slips)
        if gradients is None:
            return None
        return Explanation(slips, self._own.equal(gradients, self.tolerance, self.floor), self.parts, gradients)

    def _gradients(self, slips: tuple[Slip, ...]) -> Gradients | None:
        handled = tuple(slip for slip in slips if isinstance(slip, Handling))
        loops = tuple(handling.kind for handling in handled if handling.kind in LOOPS)
        changed = tuple(slip for slip in slips if isinstance(slip, Change))
        key = (*(id(slip) for slip in changed), *loops)
        if key not in self._known:
            self._known = {key: (changed, self._contributions(changed, loops))}  # `changed` keeps its identities alive
        steps = self._known[key][1]
        return None if steps is None else together(*steps, handled)

    def _contributions(
        self, changed: tuple[Change, ...], loops: tuple[str, ...]
    ) -> tuple[Contributions, dict[str, Array]] | None:
        try:
            return contributions(self.lines(changed), self.case, loops)
        except FAILS:
            return None

    def lines(self, slips: Iterable[Slip]) -> list[Line]:
        """Return the backward pass with the lines of `slips`."""
        lines = {right.target: right for right in self.right}
        lines.update({slip.target: slip.line for slip in slips if isinstance(slip, Change)})
        return list(lines.values())

    def _widest(self, found: list[Explanation], best: Explanation) -> list[Explanation]:
        """Return the explanations that cover the most, each kind of coverage once."""
        kept: dict[frozenset[Part], Explanation] = {}
        for one in sorted(found, key=lambda one: (-len(one.matched), len(one.slips))):
            if len(one.matched) > len(best.matched) or best.slips == ():
                kept.setdefault(one.matched, one)
        return list(kept.values())[:WIDTH]

    def _pairs(self, known: Explanation) -> Explanation | None:
        """Try two slips at once, both of which touch only what is wrong."""
        wrong, before = self.parts - known.matched, _Numbers(known.gradients, self.parts)
        touching = []
        for slip in self._next(known.slips):
            gradients = self._gradients((*known.slips, slip))
            if gradients is not None:
                touched = self.parts - before.equal(gradients, self.tolerance, self.floor)
                if touched and touched <= wrong:
                    touching.append((slip, touched))
        pairs = sorted(combinations(touching, 2), key=lambda pair: _likely(pair[0][0]) + _likely(pair[1][0]))
        complete, tried = [], 0
        for (first, reach), (second, others) in pairs:
            if reach | others != wrong or _clash(first, second):
                continue
            tried += 1
            found = self._explanation((*known.slips, first, second))
            if found is not None and found.complete:
                complete.append(found)
                break
            if tried > PAIRS:
                break
        return complete[0] if complete else None

    def _chosen(self, complete: list[Explanation]) -> Explanation:
        """Return the likeliest of equal explanations, with the last slip of the others beside it."""
        ordered = sorted(complete, key=lambda one: sum(map(_likely, one.slips)))
        first = ordered[0]
        also = tuple(
            one.slips[-1]
            for one in ordered[1:]
            if len(one.slips) == len(first.slips) and one.slips[:-1] == first.slips[:-1]
        )
        return first._replace(also=also)


class _LastStep:
    """The step that runs first, with the lines of an explanation: a quick look at what one more change spoils there."""

    def __init__(self, search: Search, known: Explanation):
        self.search, case = search, search.case
        self.lines = search.lines(known.slips)
        self.where = {line.target: k for k, line in enumerate(self.lines)}
        self.last = len(case.steps) - 1
        own = [part for part in known.matched if part[2] == self.last]
        handled = any(isinstance(slip, Handling) for slip in known.slips)
        self.parts = [] if handled else own
        self.environment = run(tuple(self.lines), {**case.steps[-1], **case.last, "dy": case.dy[-1]})

    def spoiled(self, change: Change) -> bool:
        """Whether a gradient of this step that was explained no longer is."""
        if not self.parts:
            return False
        environment, k = dict(self.environment), self.where[change.target]
        try:
            run((change.line, *self.lines[k + 1 :]), environment)
        except FAILS:
            return True
        return not all(self._equal(environment, part) for part in self.parts)

    def _equal(self, environment: dict[str, Array], part: Part) -> bool:
        matrix, gate, step = part
        search, given = self.search, self.search.given[matrix, gate]
        if matrix == "x":
            return equal(given[step], environment["dx"], search.tolerance, search.floor)
        own = environment[f"dW_{gate}"]
        return np.ndim(own) == 2 and equal(given[:, step], own[:, step], search.tolerance, search.floor)


def _clash(first: Slip, second: Slip) -> bool:
    return isinstance(first, Change) and isinstance(second, Change) and first.target == second.target


_KINDS = {
    "left out": 0, "transposed": 0, "all transposed": 0, "instead": 1, "sign": 1, "scaled": 1, "overwritten": 1,
    "updated inside": 0, "zero": 2, "product": 2, "reordered": 2, "extra": 3, "factor": 3,
}  # fmt: skip


def _likely(slip: Slip) -> int:
    """Return how far a slip is from what people write most: a smaller number is likelier."""
    single = isinstance(slip, Handling) and slip.kind == "scaled" and slip.what not in ("every gradient",)
    return 2 * _KINDS.get(slip.kind, 2) + single


def _rank(change: Change) -> int:
    return _KINDS.get(change.kind, 2)

"""On which line of their file does a slip stand? Where a local value first is the wrong one, and not the right one."""

from __future__ import annotations

import linecache
from collections.abc import Iterable

import numpy as np

from gatewise.errors import Array
from gatewise.examine.conventions import Identity
from gatewise.examine.equations import Line, backward, forward, run
from gatewise.examine.passes import Case, Gradients, Handling
from gatewise.examine.search import Explanation
from gatewise.examine.slips import Change
from gatewise.examine.tracing import Trace, alike

Place = tuple[int | None, str]
NOWHERE: Place = (None, "")


class Locator:
    """Holds what their functions held against what the right and the wrong lines compute."""

    def __init__(self, identity: Identity, explanation: Explanation, case: Case, given: Gradients, trace: Trace,
                 forward_trace: Trace):  # fmt: skip
        self.identity, self.explanation, self.case, self.given = identity, explanation, case, given
        self.trace, self.forward_trace = trace, forward_trace

    def difference(self) -> float:
        """Return the largest relative difference between the gradients given and those of the slips."""
        worst = 0.0
        open_keys = {part[:2] for part in self.explanation.given - self.explanation.matched}
        for key, value in self.given.items():
            if key not in open_keys and key in self.explanation.gradients:
                own = self.explanation.gradients[key]
                scale = max(float(np.max(np.abs(own), initial=0.0)), 1e-12)
                worst = max(worst, float(np.max(np.abs(value - own), initial=0.0)) / scale)
        return worst

    def backward(self, slip: Change | Handling) -> Place:
        """Return the line of a slip of the backward pass, and its text."""
        if not isinstance(slip, Change):
            return NOWHERE
        lines = {line.target: line for line in backward(self.identity.form)}
        changed = {one.target: one.line for one in self.explanation.slips if isinstance(one, Change)}
        with_it = self._last_step((lines | changed).values())
        without = self._last_step((lines | changed | {slip.target: lines[slip.target]}).values())
        return self._first(slip.target, list(lines), with_it, without, self.trace)

    def explained(self) -> dict[str, Array]:
        """Return what the backward pass with all slips computes in the last step."""
        changed = {one.target: one.line for one in self.explanation.slips if isinstance(one, Change)}
        lines = {line.target: line for line in backward(self.identity.form)} | changed
        return self._last_step(lines.values())

    def forward(self, change: Change) -> Place:
        """Return the line of a slip of the forward pass, and its text."""
        right = forward(self.identity.form)
        with_it = self.identity.steps[-1]
        start = {name: value for name, value in with_it.items() if name not in {line.target for line in right}}
        targets = [line.target for line in right]
        return self._first(change.target, targets, with_it, run(right, dict(start)), self.forward_trace)

    def _last_step(self, lines: Iterable[Line]) -> dict[str, Array]:
        case = self.case
        return run(tuple(lines), {**case.steps[-1], **case.last, "dy": case.dy[-1]})

    def _first(
        self, target: str, targets: list[str], with_it: dict[str, Array], without: dict[str, Array], trace: Trace
    ) -> Place:
        """Return the first line on which the slip's own value, or one made of it, stands."""
        inputs = [with_it[name] for name in ("x", "h_prev", "c_prev", "dy", "dh_next", "dc_next") if name in with_it]
        for name in targets[targets.index(target) :]:
            wrong, right = np.asarray(with_it[name]), np.asarray(without[name])
            if (wrong.shape == right.shape and alike(wrong, right, 1e-12)) or np.all(wrong == 0):
                continue
            earlier = [*inputs, *(with_it[known] for known in targets[: targets.index(name)])]
            seen = [event for event in trace.events if alike(event.value, wrong)]
            if any(alike(wrong, known) for known in earlier):  # then the first name that has this value is another's
                seen = [event for event in seen if event.name != seen[0].name]
            if seen:
                return seen[0].line, linecache.getline(seen[0].file, seen[0].line).strip()
        return NOWHERE

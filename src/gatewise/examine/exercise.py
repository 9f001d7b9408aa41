"""Exercises: a small network with a planted slip, as source text, and the check of an answer.

The network is written from the same lines that the catalogue changes; no mark tells an exercise from what a person
wrote.
"""

from __future__ import annotations

import ast
import linecache
from dataclasses import dataclass
from typing import Any

import numpy as np

from gatewise.errors import check_number
from gatewise.examine.equations import Form, backward, forward, run
from gatewise.examine.examination import examine
from gatewise.examine.passes import Case, Gradients, backward_pass
from gatewise.examine.result import Examination
from gatewise.examine.slips import Change, changes

LEVELS = {
    1: "an Elman network with one slip",
    2: "a GRU with one slip",
    3: "a GRU or an LSTM with two slips",
}
_FORMS = {
    1: [Form("rnn")],
    2: [Form("gru", "before", "keeps"), Form("gru", "after", "keeps", biases="bc"), Form("gru", "before", "writes")],
    3: [Form("gru", "before", "writes"), Form("gru", "after", "keeps", biases="bc"), Form("lstm")],
}
# What can be seen and is no quibble: no slip by which shapes would not fit, or that a reader could not know to be one.
_KINDS = ("left out", "sign", "instead", "transposed", "all transposed")


@dataclass(frozen=True)
class Exercise:
    """A network with slips, as source text, and where they are."""

    level: int
    seed: int
    source: str
    answers: tuple[int, ...]
    """The numbers of the wrong lines."""
    right: tuple[str, ...]
    """What stands there in the right network."""

    def network(self) -> type:
        """Return the class that the source defines."""
        file = f"exercise_{self.level}_{self.seed}.py"
        linecache.cache[file] = (len(self.source), None, self.source.splitlines(True), file)
        names: dict[str, Any] = {"__name__": f"exercise_{self.level}_{self.seed}"}
        exec(compile(self.source, file, "exec"), names)
        found: type = names["Network"]
        return found

    def examine(self) -> Examination:
        """Return what `gw.examine` says of it."""
        return examine(self.network())

    def check(self, lines: list[int]) -> tuple[bool, str]:
        """Return whether these are the wrong lines, and a sentence about it."""
        wrong, given = set(self.answers), set(lines)
        if wrong == given:
            listed = "\n".join(f"  line {n}: {text}" for n, text in zip(self.answers, self.right, strict=True))
            return True, f"Right. These lines should read\n{listed}"
        missed, extra = len(wrong - given), sorted(given - wrong)
        parts = [f"line {n} is right" for n in extra] + [
            f"{missed} wrong line{'s are' if missed > 1 else ' is'} not named"
        ] * bool(missed)
        return False, f"Not yet: {'; '.join(parts)}."

    def numbered(self) -> str:
        """Return the source with line numbers."""
        lines = self.source.splitlines()
        return "\n".join(f"{k:3}  {line}".rstrip() for k, line in enumerate(lines, 1))


def exercise(level: int = 1, seed: int = 0) -> Exercise:
    """Return the exercise of a level and seed, the same each time.

    Parameters
    ----------
    level : {1, 2, 3}
        1: an Elman network with one slip; 2: a GRU with one; 3: a GRU or LSTM with two.
    seed : int
        Which of them.

    Returns
    -------
    Exercise
        `source`, `numbered()`, `check(lines)`, `examine()`.

    Raises
    ------
    GatewiseError
        If there is no such level.

    Examples
    --------
    >>> from gatewise.examine.exercise import exercise
    >>> one = exercise(level=1, seed=0)
    >>> one.check([1])[0], one.check(list(one.answers))[0]
    (False, True)
    """
    check_number("level", level, 1, 3, integer=True)
    check_number("seed", seed, 0, integer=True)
    rng = np.random.default_rng([level, seed])
    form = _FORMS[level][rng.integers(len(_FORMS[level]))]
    options = _fair(form)
    while True:
        picked = [options[k] for k in rng.choice(len(options), 1 + (level == 3), replace=False)]
        if len({change.target for change in picked}) == len(picked):
            return _written(level, seed, form, picked)


def _fair(form: Form) -> list[Change]:
    """Return the changes that run, change something, and that no change of another line equals."""
    case, lines = _case(form), backward(form)
    right = backward_pass(lines, case)
    same: dict[bytes, list[Change]] = {}
    for change in changes(form, lines):
        try:
            own = backward_pass((change.line if line.target == change.target else line for line in lines), case)
        except (ValueError, NameError, KeyError):
            continue
        if all(np.shape(own[key]) == np.shape(right[key]) for key in right):
            same.setdefault(_numbers(own), []).append(change)
    alone = [group for key, group in same.items() if key != _numbers(right) and len({one.target for one in group}) == 1]
    return [
        change
        for group in alone
        for change in group
        if change.kind in _KINDS
        and change.target != "dh"
        and not any(word in ast.unparse(change.line.tree) for word in ("swap", "dot"))
    ]


def _case(form: Form) -> Case:
    """Return a step with random numbers."""
    rng = np.random.default_rng(0)
    sizes = {"W": (3, 2), "U": (3, 3), "b": (3,), "c": (3,)}
    start = {f"{matrix}_{gate}": rng.normal(size=sizes[matrix]) for matrix, gate in form.slots()}
    start |= {f"{state}_prev": rng.normal(size=(2, 3)) for state in form.states} | {"x": rng.normal(size=(2, 2))}
    last = {f"d{state}_next": rng.normal(size=(2, 3)) for state in form.states}
    return Case([run(forward(form), start)], rng.normal(size=(1, 2, 3)), last, {})


def _numbers(gradients: Gradients) -> bytes:
    """Return all gradients to nine digits, to compare."""
    whole = np.concatenate([np.ravel(gradients[key]) for key in sorted(gradients)])
    return (np.round(whole, 9) + 0.0).tobytes()


def _python(target: str, line: Any) -> str:
    """Return a line as a person writes it in Python."""

    class Spelled(ast.NodeTransformer):
        def visit_Call(self, node: ast.Call) -> ast.AST:
            self.generic_visit(node)
            name, value = ast.unparse(node.func), ast.unparse(node.args[0])
            text = {
                "dsigmoid": f"{value} * (1 - {value})",
                "dtanh": f"1 - {value} ** 2",
                "total": f"({value}).sum(axis=0)" if " " in value else f"{value}.sum(axis=0)",
                "tanh": f"np.tanh({value})",
            }.get(name)
            return node if text is None else ast.parse(text, mode="eval").body

    return f"{target} = {ast.unparse(Spelled().visit(ast.parse(ast.unparse(line.tree), mode='eval').body))}"


def _written(level: int, seed: int, form: Form, picked: list[Change]) -> Exercise:
    """Write the class of a form, with changed lines."""
    slots = [f"{matrix}_{gate}" for matrix, gate in form.slots()]
    shapes = {"W": "hidden_size, input_size", "U": "hidden_size, hidden_size", "b": "hidden_size,", "c": "hidden_size,"}
    states = [f"{state}_prev" for state in form.states]
    kept = [line.target for line in forward(form)]
    cache = ", ".join(["x", *states, *kept])
    unpack = f"        {', '.join(slots)} = self.weights.values()"
    lines = [
        "import numpy as np", "", "", "def sigmoid(a):", "    return 1 / (1 + np.exp(-a))", "", "", "class Network:",
        "    def __init__(self, input_size, hidden_size, seed=0):", "        rng = np.random.default_rng(seed)",
        "        self.weights = {",
        *(f'            "{slot}": rng.normal(0, 0.5, ({shapes[slot[0]]})),' for slot in slots),
        "        }", "", f"    def forward(self, x, {', '.join(states)}):", unpack,
        *(f"        {_python(line.target, line)}" for line in forward(form)),
        f"        return {', '.join(form.states)}, ({cache})", "",
        f"    def backward(self, cache, dh{', dc_next' if form.cell == 'lstm' else ''}):",
        unpack, f"        {cache} = cache",
    ]  # fmt: skip
    changed = {change.target: change.line for change in picked}
    answers, right = [], []
    for line in backward(form)[1:]:  # dh is the argument
        lines.append(f"        {_python(line.target, changed.get(line.target, line))}")
        if line.target in changed:
            answers.append(len(lines))
            right.append(_python(line.target, line))
    gradients = ", ".join(f'"{slot}": d{slot}' for slot in slots)
    lines += [f"        gradients = {{{gradients}}}"]
    lines += [f"        return dx, dh_prev, {'dc_prev, ' if form.cell == 'lstm' else ''}gradients", ""]
    return Exercise(level, seed, "\n".join(lines), tuple(answers), tuple(right))

"""Change one operator, number or condition of the code at a time, and see whether a test notices.

    pip install -e ".[reliability]"
    python reliability/covered.py --data /tmp/coverage      # once: which test runs which line, and how long it takes
    python reliability/mutants.py --data /tmp/coverage      # all; see --help for some

A changed program is a *mutant*; a test that fails on it kills it. The changes are cosmic-ray's operators, one or two
for each place. Its own runner starts a new Python for each mutant; here the tests are collected once, and each mutant
is a forked child that changes the code of the live functions and runs, quickest first, the tests that pass over the
changed line, until one fails. For code outside of functions, and for every mutant that survived so, a child imports the
package anew.

The kernels are off: compiled loops have no lines. What calls them is not changed, nor are texts, annotations, and the
`strict` of `zip`, which guards against mistakes in the lines before.
Survivors that are known and harmless stand with their reason in `mutants_survivors.toml`. Exit code 1: fewer than 95 %
died, or one that is not listed survived.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import sys
import tempfile
import time
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import mutant_runs
import parso
from cosmic_ray.ast import ast_nodes
from cosmic_ray.mutating import mutate_code
from cosmic_ray.operators.provider import OperatorProvider
from coverage import CoverageData

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "gatewise"
ROOMS = ("cells", "recurrence.py", "losses", "layers", "optimizers")
OWN_TESTS = {  # where each room's tests are
    "cells": ("tests/cells/", "tests/layers/", "tests/test_gradcheck"),
    "recurrence": ("tests/test_recurrence", "tests/layers/", "tests/cells/", "tests/test_gradcheck"),
    "losses": ("tests/test_losses", "tests/training/"),
    "layers": ("tests/layers/", "tests/test_gradcheck"),
    "optimizers": ("tests/test_optimizers", "tests/optimizers/", "tests/training/"),
}
KNOWN = Path(__file__).with_name("mutants_survivors.toml")
NEEDED = 0.95
NEVER = re.compile(r"TYPE_CHECKING|\bkernel\b|\bcompiled\b(?! is None)")  # conditions that do not hold here
ALIVE = ("survived", "untested")
PAIRS = {
    "BinaryOperator": "Add_Sub Sub_Add Mul_Div Div_Mul FloorDiv_Mul Mod_FloorDiv Pow_Mul BitOr_BitAnd BitAnd_BitOr",
    "ComparisonOperator": "Eq_NotEq NotEq_Eq Lt_LtE Lt_GtE LtE_Lt LtE_Gt Gt_GtE Gt_LtE GtE_Gt GtE_Lt Is_IsNot IsNot_Is",
    "UnaryOperator": "USub_UAdd Delete_Not Delete_Invert",
}
SINGLE = (
    "AddNot ReplaceTrueWithFalse ReplaceFalseWithTrue ReplaceAndWithOr ReplaceOrWithAnd NumberReplacer RemoveDecorator "
    "ExceptionReplacer ZeroIterationForLoop ReplaceBreakWithContinue ReplaceContinueWithBreak"
)
OPERATORS = [f"Replace{kind}_{pair}" for kind, pairs in PAIRS.items() for pair in pairs.split()] + SINGLE.split()


@dataclass(frozen=True)
class Mutant:
    """One change of one file."""

    file: str
    """Below `src/gatewise`."""
    operator: str
    occurrence: int
    lines: tuple[int, ...]
    """Of the statement, up to the changed place."""
    is_called: bool
    """Whether it lies in a function's body; else it runs when the module is imported."""
    source: str = field(repr=False)
    original: str = field(repr=False)

    def difference(self) -> dict[str, str]:
        """The lines before and after: its name in the list of survivors."""
        old, new = self.original.splitlines(), self.source.splitlines()
        start = next(k for k, pair in enumerate(zip(old, new, strict=False)) if pair[0] != pair[1])
        end = next(k for k, pair in enumerate(zip(old[::-1], new[::-1], strict=False)) if pair[0] != pair[1])
        end = min(end, len(old) - start, len(new) - start)
        before, after = (" ".join(" ".join(text[start : len(text) - end]).split()) for text in (old, new))
        return {"file": self.file, "before": before, "after": after}


def mutants_of(file: str) -> Iterator[Mutant]:
    """Every mutant of one file."""
    source = (PACKAGE / file).read_text(encoding="utf-8")
    nodes = list(ast_nodes(parso.parse(source)))
    for name in OPERATORS:
        operator = OperatorProvider()[name]()
        places = [(node, position) for node in nodes for position in operator.mutation_positions(node)]
        for occurrence, (node, position) in enumerate(places):
            if is_run(node):
                lines = tuple(range(statement_of(node).start_pos[0], position[0][0] + 1))
                changed = mutate_code(source, operator, occurrence)
                yield Mutant(file, name, occurrence, lines, is_called(node), changed, source)


def ancestors(node: parso.tree.NodeOrLeaf) -> Iterator[tuple[parso.tree.NodeOrLeaf, parso.tree.NodeOrLeaf]]:
    """`(child, parent)` from the node upward."""
    while node.parent is not None:
        yield node, node.parent
        node = node.parent


def is_run(node: parso.tree.NodeOrLeaf) -> bool:
    """Whether the node runs with the kernels off: no annotation, and not under `if TYPE_CHECKING` or `if kernel`."""
    # The star before names that must be given, and the two before a dict within another, which no operator can be.
    if node.type == "operator" and node.parent.type in ("parameters", "dictorsetmaker"):
        return False
    if node.parent.type == "argument" and node.parent.children[0].get_code().strip() == "strict":  # of zip: a guard
        return False
    if re.search(r"\b(kernels|compiled)\.", statement_of(node).get_code(include_prefix=False).partition("\n")[0]):
        return False
    for child, parent in ancestors(node):
        if parent.type in ("tfpdef", "annassign") and child is parent.children[2 if parent.type == "tfpdef" else 1]:
            return False
        if parent.type == "funcdef" and child is parent.annotation:
            return False
        if parent.type == "if_stmt" and child is parent.children[3] and NEVER.search(parent.children[1].get_code()):
            return False
    return True


def is_called(node: parso.tree.NodeOrLeaf) -> bool:
    """Whether the node is in the body of a function."""
    return any(
        parent.type in ("funcdef", "lambdef") and child is parent.children[-1] for child, parent in ancestors(node)
    )


def statement_of(node: parso.tree.NodeOrLeaf) -> parso.tree.NodeOrLeaf:
    """The smallest statement that holds the node."""
    while node.parent is not None and not node.type.endswith(("_stmt", "funcdef", "classdef")):
        node = node.parent
    return node


class Tests:
    """Which tests run a line, quickest first."""

    def __init__(self, folder: Path, budget: float) -> None:
        self.data = CoverageData(str(folder / "coverage"))
        self.data.read()
        outcomes = json.loads((folder / "outcomes.json").read_text())
        self.seconds = {name: one["seconds"] for name, one in outcomes.items() if one["passed"]}
        self.budget = budget
        self.contexts: dict[str, dict[int, list[str]]] = {}

    def of(self, mutant: Mutant) -> tuple[list[str], bool]:
        """Names of tests, at most `budget` seconds of them, and whether only a new import can show the change."""
        path = str(PACKAGE / mutant.file)
        if path not in self.contexts:
            self.contexts[path] = self.data.contexts_by_lineno(path)
        by_line = self.contexts[path]
        names = {name for line in mutant.lines for name in by_line.get(line, ())}
        tests = {name.partition("|")[0] for name in names} & self.seconds.keys()
        if "" in names or not mutant.is_called:  # what ran while a module was imported is used by any test
            tests |= {test for test in self.seconds if test.startswith(OWN_TESTS[room_of(mutant.file)])}
        return self.affordable(tests, mutant.file), not mutant.is_called

    def affordable(self, tests: set[str], file: str) -> list[str]:
        """Those that name the file first, then those of its room, then the others; each time the quickest first."""
        stem, own = Path(file).stem, OWN_TESTS[room_of(file)]

        def rank(test: str) -> tuple[float, str]:
            distance = 1 if stem in test else 2 if test.startswith(own) else 6
            return distance * self.seconds[test], test

        chosen, total = [], 0.0
        for test in sorted(tests, key=rank):
            total += self.seconds[test]
            if total > self.budget and chosen:
                break
            chosen.append(test)
        return chosen


def room_of(file: str) -> str:
    """`layers` for `layers/stack.py`."""
    return file.partition("/")[0].removesuffix(".py")


def known() -> dict[tuple[str, str, str], str]:
    """The listed survivors, with their reasons."""
    rows = tomllib.loads(KNOWN.read_text(encoding="utf-8"))["equivalent"] if KNOWN.exists() else []
    return {(row["file"], *change): row["reason"] for row in rows for change in row["changes"]}


def name_of(one: Mapping[str, str]) -> tuple[str, str, str]:
    """Return what tells one mutant from the others, wherever its lines are."""
    return one["file"], one["before"], one["after"]


def survivors(path: str) -> set[tuple[str, str, str]]:
    """The mutants in a file of results that were not killed."""
    rows = [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines()]
    return {name_of(row) for row in rows if row["outcome"] in ALIVE}


def chosen_mutants(arguments: argparse.Namespace) -> list[Mutant]:
    """A random share of the mutants of each file."""
    files: list[str] = []
    for room in arguments.rooms:
        path = PACKAGE / room
        files += [str(p.relative_to(PACKAGE)) for p in (sorted(path.rglob("*.py")) if path.is_dir() else [path])]
    rng = random.Random(arguments.seed)
    mutants: list[Mutant] = []
    for file in files:
        all_of_it = list(mutants_of(file))
        if arguments.again:
            mutants += [mutant for mutant in all_of_it if name_of(mutant.difference()) in arguments.again]
            continue
        mutants += rng.sample(all_of_it, max(round(arguments.sample * len(all_of_it)), min(1, len(all_of_it))))
    return mutants


def outcomes(mutants: list[Mutant], tests: Tests, until: float, live: bool) -> Iterator[tuple[Mutant, str]]:
    """What `mutant_runs.Runner` answers for each mutant that is begun before the time `until`.

    Only those that can be changed without a new import, if `live`.
    """
    jobs, again = {}, []
    for mutant in mutants:
        chosen, only_imported = tests.of(mutant)
        job = mutant_runs.Job(PACKAGE / mutant.file, mutant.source, chosen)
        if only_imported:
            again.append((mutant, job))
        else:
            jobs[mutant] = job
    for mutant, answer in zip(jobs, mutant_runs.warm(list(jobs.values()), modules(jobs)), strict=False):
        if answer == "unchanged" or (answer == "survived" and not live):
            again.append((mutant, jobs[mutant]))
        else:
            yield mutant, answer
        if time.monotonic() > until:
            break
    runner = mutant_runs.Cold()
    for mutant, job in again:
        if live or time.monotonic() > until:
            break
        yield mutant, runner.answer(job)


def modules(mutants: Iterable[Mutant]) -> list[str]:
    """Names of the mutated modules."""
    parts = {Path(mutant.file).with_suffix("").parts for mutant in mutants}
    return [".".join(("gatewise", *(part for part in one if part != "__init__"))) for one in sorted(parts)]


def summary(results: list[dict[str, str]]) -> bool:
    """Print the figures by room; whether enough died, and all that survived are listed."""
    listed = known()
    alive = [one for one in results if one["outcome"] in ALIVE]
    counts = Counter(room_of(one["file"]) for one in results)
    left = Counter(room_of(one["file"]) for one in alive)
    for room, count in counts.items():
        print(f"{room:16} {count:5} mutants, {count - left[room]:5} died: {1 - left[room] / count:.1%}")
    new = [one for one in alive if name_of(one) not in listed]
    for one in new:
        print(f"not listed: {one['file']}: {one['before']}  ->  {one['after']}  ({one['outcome']})")
    rate = 1 - len(alive) / max(len(results), 1)
    print(f"together {len(results)} mutants, {rate:.1%} died; {len(alive)} survived, {len(new)} of them not listed")
    return rate >= NEEDED and not new


def main() -> int:
    """Read the command line, run, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rooms", nargs="*", default=ROOMS, help=f"folders or files of the package [{' '.join(ROOMS)}]")
    parser.add_argument("--data", type=Path, required=True, help="folder that reliability/covered.py wrote")
    parser.add_argument("--sample", type=float, default=1.0, help="share of each file's mutants [1]")
    parser.add_argument("--seed", type=int, default=0, help="of the sample [0]")
    parser.add_argument("--budget", type=float, default=10.0, help="seconds of tests at most for one mutant [10]")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="start no mutant after this time")
    parser.add_argument("--live", action="store_true", help="quicker: without what needs a new import")
    parser.add_argument("--out", type=Path, help="a line of JSON for each mutant")
    parser.add_argument("--again", type=survivors, help="only the mutants that survived, of an earlier --out")
    parser.add_argument("--list", action="store_true", help="only count the mutants")
    arguments = parser.parse_args()
    mutants = chosen_mutants(arguments)
    random.Random(arguments.seed).shuffle(mutants)
    print(f"{len(mutants)} mutants of {len({mutant.file for mutant in mutants})} files")
    if arguments.list:
        return 0
    results: list[dict[str, str]] = []
    os.environ |= {"GATEWISE_KERNELS": "0", "OPENBLAS_NUM_THREADS": "1"}
    tests = Tests(arguments.data, arguments.budget)
    with (
        open(arguments.out or os.devnull, "w", encoding="utf-8") as lines,
        tempfile.TemporaryDirectory(prefix="mutants-", ignore_cleanup_errors=True) as folder,
    ):
        os.environ["TMPDIR"] = tempfile.tempdir = folder
        for mutant, outcome in outcomes(mutants, tests, time.monotonic() + arguments.seconds, arguments.live):
            results.append({**mutant.difference(), "operator": mutant.operator, "outcome": outcome})
            lines.write(json.dumps(results[-1], ensure_ascii=False) + "\n")
            lines.flush()
    return 0 if summary(results) else 1


if __name__ == "__main__":
    sys.exit(main())

"""Runs in tables: one a task, ranks and coverage by kind of series, single series beside the best simple method."""

from __future__ import annotations

from statistics import mean, median
from typing import NamedTuple

import numpy as np
from baselines import SIMPLE

from gatewise.printing import text_table

MAIN = {"classify": "accuracy", "regress": "rmse", "forecast": "mase"}
HEADINGS = {
    "classify": "Accuracy of labels, %",
    "regress": "Root mean square error of numbers",
    "forecast": "Mean absolute scaled error of forecasts",
}
CELLS = ("gru", "lstm", "rnn")
LARGEST = 999  # that a table shows
KINDS = ("half-hour", "hour", "day", "weekday", "week", "month", "quarter", "year", "other")


class Run(NamedTuple):
    """One method on one set with one seed."""

    set: str
    task: str
    method: str
    seed: int
    seconds: float  # fit and predictions
    scores: dict[str, float]
    kind: str = ""  # of series: their step, and whether there is one or a panel of them


def as_text(runs: list[Run], missing: dict[str, str]) -> str:
    """Return the tables, medians over seeds in each; then what is missing."""
    parts = []
    for task, heading in HEADINGS.items():
        of_task = [run for run in runs if run.task == task]
        if of_task:
            seeds = len({run.seed for run in of_task})
            parts.append(f"{heading} (seeds: {seeds})\n\n{_table(of_task, task)}")
    ours = _ours(runs)
    forecasts = [run for run in runs if run.task == "forecast" and run.kind]
    if ours and forecasts:
        parts.append(
            f"Mean rank of each method by kind of series, and what the 80 % interval covers\n\n{by_kind(forecasts)}"
        )
        parts += beside_simple([run for run in forecasts if run.kind.endswith("single")])
    if ours:
        parts.append(f"Mean rank of {ours[0]} over all sets: {_overall(runs, ours[0]):.2f} (1 is best).")
    parts += [f"{name} is missing: {why}" for name, why in missing.items()]
    return "\n\n".join(parts)


def _ours(runs: list[Run]) -> list[str]:
    """Our methods, the first one first."""
    return [name for name in dict.fromkeys(run.method for run in runs) if name in CELLS]


def _table(runs: list[Run], task: str) -> str:
    names, columns = ([*dict.fromkeys(getattr(run, field) for run in runs)] for field in ("set", "method"))
    ours = _ours(runs)
    factor, digits = (100, 1) if task == "classify" else (1, 3)
    rows = []
    for name in names:
        found = medians([run for run in runs if run.set == name], MAIN[task])
        cells = [_number(factor * found[c], digits) if c in found else "" for c in columns]
        rows.append([name, *cells, *_extras([run for run in runs if run.set == name and run.method in ours[:1]])])
    all_ranks = [ranks([run for run in runs if run.set == name]) for name in names]
    means = [mean(r[c] for r in all_ranks if c in r) for c in columns]
    rows.append(["mean rank", *(f"{value:.2f}" for value in means), "", ""])
    header = ["set", *columns, "spread", "s"] + (["80 % interval covers"] if task == "forecast" else [])
    return text_table(header, [row[: len(header)] for row in rows], right=range(1, len(header)))


def _number(value: float, digits: int) -> str:
    return f"{value:.{digits}f}" if value < LARGEST else f"> {LARGEST}"


def _extras(runs: list[Run]) -> list[str]:
    """Range over seeds, seconds and, of forecasts, coverage of our first method on a set."""
    if not runs:
        return ["", "", ""]
    main = [run.scores[MAIN[run.task]] for run in runs]
    factor, digits = (100, 1) if runs[0].task == "classify" else (1, 3)
    cells = [f"{factor * (max(main) - min(main)):.{digits}f}", f"{median(run.seconds for run in runs):.1f}"]
    covered = [run.scores["coverage"] for run in runs if "coverage" in run.scores]
    return [*cells, f"{100 * median(covered):.0f} %"] if covered else cells


def medians(runs: list[Run], score: str) -> dict[str, float]:
    """Return the median over seeds of one score for each method."""
    names = dict.fromkeys(run.method for run in runs)
    return {name: median(run.scores[score] for run in runs if run.method == name) for name in names}


def ranks(runs: list[Run]) -> dict[str, float]:
    """Return the rank of each method on one set by the median of its main score; 1 is best, ties share."""
    from scipy.stats import rankdata

    task = runs[0].task
    found = medians(runs, MAIN[task])
    sign = -1 if task == "classify" else 1
    return dict(zip(found, rankdata([sign * value for value in found.values()]).tolist(), strict=True))


def by_kind(runs: list[Run]) -> str:
    """Return the mean rank of each method over the sets of a kind, and the coverage of ours, mean and extremes."""
    columns, ours = [*dict.fromkeys(run.method for run in runs)], _ours(runs)[0]
    kinds = sorted({run.kind for run in runs}, key=_place)
    rows = []
    for label, of_kind in [*((kind, [kind]) for kind in kinds), ("all", kinds)]:
        some = [run for run in runs if run.kind in of_kind]
        names = dict.fromkeys(run.set for run in some)
        found = [ranks([run for run in some if run.set == name]) for name in names]
        means = [mean([r[c] for r in found if c in r] or [np.nan]) for c in columns]
        covered = [_coverage([run for run in some if run.set == name and run.method == ours]) for name in names]
        cover = f"{100 * mean(covered):.0f} % ({100 * min(covered):.0f} to {100 * max(covered):.0f})"
        rows.append([label, str(len(names)), *("" if np.isnan(m) else f"{m:.1f}" for m in means), cover])
    return text_table(["series", "sets", *columns, "80 % covers"], rows, right=range(1, len(columns) + 3))


def _place(kind: str) -> tuple[bool, int]:
    step, _, count = kind.partition(", ")
    return count != "single", KINDS.index(step)


def _coverage(runs: list[Run]) -> float:
    return median(run.scores["coverage"] for run in runs)


def beside_simple(runs: list[Run]) -> list[str]:
    """Return a table of single series, ours beside the best simple method of each, and a line that sums it up."""
    rows, ratios = [], {}
    for name in dict.fromkeys(run.set for run in runs):
        found = medians([run for run in runs if run.set == name], MAIN["forecast"])
        simple = {method: found[method] for method in SIMPLE if method in found}
        if not simple:
            continue
        best, ours = min(simple, key=lambda method: simple[method]), _ours(runs)[0]
        ratios[name] = found[ours] / simple[best]
        rows.append([name, f"{found[ours]:.3f}", f"{simple[best]:.3f}", best, f"{ratios[name]:.2f}"])
    if not rows:
        return []
    values, worst = list(ratios.values()), max(ratios, key=lambda name: ratios[name])
    line = (
        f"Error of ours over that of the best simple method: {median(values):.2f} in the median of {len(values)} "
        f"single series, {ratios[worst]:.2f} at worst ({worst}), below 1 on {sum(value < 1 for value in values)}."
    )
    header = ["single series", "ours", "best simple", "which is", "ratio"]
    return [
        f"Single series beside the best of {', '.join(SIMPLE)}\n\n{text_table(header, rows, right=(1, 2, 4))}",
        line,
    ]


def _overall(runs: list[Run], method: str) -> float:
    names = dict.fromkeys(run.set for run in runs)
    found = [ranks([run for run in runs if run.set == name]) for name in names]
    return mean(rank[method] for rank in found if method in rank)

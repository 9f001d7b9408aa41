"""The estimators with default settings beside the baselines: `python benchmarks/defaults.py --help`."""

from __future__ import annotations

import json
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from statistics import mean, median
from typing import IO, Any, NamedTuple

import baselines
import click
import numpy as np
import pandas as pd
import scores
from numpy.typing import NDArray
from sets import SETS, Forecasting, Labeled, MissingSetError, Set, load, validation

import gatewise as gw
from gatewise.printing import text_table
from gatewise.progress import progress_bar

Array = NDArray[Any]
QUANTILES = (0.1, 0.5, 0.9)
MAIN = {"classify": "accuracy", "regress": "rmse", "forecast": "mase"}
HEADINGS = {
    "classify": "Accuracy of labels, %",
    "regress": "Root mean square error of numbers",
    "forecast": "Mean absolute scaled error of forecasts",
}
QUICK = ("trajectories_easy", "sine_periods", "walks", "cycle")
CELLS = ("gru", "lstm", "rnn")


class Run(NamedTuple):
    """One method on one set with one seed."""

    set: str
    task: str
    method: str
    seed: int
    seconds: float  # fit and predictions
    scores: dict[str, float]


Method = Callable[[Set, int], dict[str, float]]


def methods(data: Set, cells: tuple[str, ...]) -> dict[str, Method]:
    """Return what is run on a set: our estimators, one a cell, then the baselines."""
    if isinstance(data, Forecasting):
        found = baselines.SEASONAL_FORECASTERS if data.season else baselines.FORECASTERS
        ours: dict[str, Method] = {cell: _forecaster(cell) for cell in cells}
        return ours | {name: _forecast_baseline(fit) for name, fit in found.items()}
    table = baselines.CLASSIFIERS if data.task == "classify" else baselines.REGRESSORS
    return {cell: _estimator(cell) for cell in cells} | {name: _baseline(fit) for name, fit in table.items()}


def _estimator(cell: str) -> Method:
    def run(data: Set, seed: int) -> dict[str, float]:
        assert isinstance(data, Labeled)
        kind = gw.RecurrentClassifier if data.task == "classify" else gw.RecurrentRegressor
        model = kind(cell=cell, random_state=seed).fit(data.X_train, data.y_train)
        return _score(data, model.predict(data.X_test))

    return run


def _baseline(fit: Callable[[Any, Array], baselines.Predict]) -> Method:
    def run(data: Set, seed: int) -> dict[str, float]:
        assert isinstance(data, Labeled)
        return _score(data, fit(data.X_train, data.y_train)(data.X_test))

    return run


def _score(data: Labeled, found: Array) -> dict[str, float]:
    score = scores.of_labels if data.task == "classify" else scores.of_numbers
    return score(data.y_test, found)


def _forecast_baseline(fit: Callable[[pd.Series, int, int | None], baselines.Forecast]) -> Method:
    def run(data: Set, seed: int) -> dict[str, float]:
        assert isinstance(data, Forecasting)
        windows = []
        for k, (train, test) in enumerate(zip(data.train, data.test, strict=True)):
            forecast, whole = fit(train, data.horizon, data.season), pd.concat([train, test])
            rows = [(origin, scores.truth(data, k, origin)) for origin in scores.origins(data)]
            rows = [(origin, y) for origin, y in rows if len(y)]
            windows.append([scores.Window(y, forecast(whole.iloc[: len(train) + o])[: len(y)]) for o, y in rows])
        return scores.of_forecasts(data, windows)

    return run


def _forecaster(cell: str) -> Method:
    """Fit on the training part; then by turns forecast and take in what came, without fitting again."""

    def run(data: Set, seed: int) -> dict[str, float]:
        assert isinstance(data, Forecasting)
        many = len(data.train) > 1
        model = gw.RecurrentForecaster(
            data.horizon, season=data.season, quantiles=QUANTILES, cell=cell, random_state=seed
        ).fit(data.train if many else data.train[0])
        windows: list[list[scores.Window]] = [[] for _ in data.train]
        for origin in scores.origins(data):
            for k, quantiles in enumerate(_quantiles(model, len(data.train))):
                y = scores.truth(data, k, origin)
                low, middle, high = quantiles[: len(y)].T
                windows[k].append(scores.Window(y, middle, low, high))
            model.update(_next(data, origin))
        return scores.of_forecasts(data, windows)

    return run


def _quantiles(model: Any, series: int) -> Iterator[Array]:
    """The quantiles of each series, (horizon, 3) each."""
    frame = model.predict_quantiles()
    values = np.asarray(frame, float)
    yield from values.reshape(series, -1, len(QUANTILES))


def _next(data: Forecasting, origin: int) -> Any:
    parts = [test.iloc[origin : origin + data.step] for test in data.test]
    return parts if len(parts) > 1 else parts[0]


def compare(
    names: list[str],
    seeds: int,
    cells: tuple[str, ...] = ("gru",),
    change: Callable[[Set], Set] = lambda data: data,
    advance: Callable[[str], None] = lambda text: None,
) -> tuple[list[Run], dict[str, str]]:
    """Return the runs on the sets that are there, and why the others are not.

    `change` is applied to each set. Baselines have no chance in them and run once.
    """
    runs, missing = [], {}
    for name in names:
        advance(name)
        try:
            data = change(load(name))
        except MissingSetError as error:
            missing[name] = str(error)
            continue
        for k, (method, run) in enumerate(methods(data, cells).items()):
            runs += [_timed(data, method, run, seed) for seed in range(seeds if k < len(cells) else 1)]
    return runs, missing


def _timed(data: Set, method: str, run: Method, seed: int) -> Run:
    started = time.perf_counter()
    found = run(data, seed)
    return Run(data.name, data.task, method, seed, time.perf_counter() - started, found)


def read(files: Iterable[IO[str]]) -> tuple[list[Run], dict[str, str]]:
    """Return what earlier calls printed with --json, in the order of the sets."""
    found = [json.load(file) for file in files]
    runs = [Run(**run) for part in found for run in part["runs"]]
    missing = {name: why for part in found for name, why in part["missing"].items()}
    return sorted(runs, key=lambda run: list(SETS).index(run.set)), missing


def as_text(runs: list[Run], missing: dict[str, str]) -> str:
    """Return one table a task, medians over seeds, the mean ranks below; then what is missing."""
    parts = []
    for task, heading in HEADINGS.items():
        of_task = [run for run in runs if run.task == task]
        if of_task:
            seeds = len({run.seed for run in of_task})
            parts.append(f"{heading} (seeds: {seeds})\n\n{_table(of_task, task)}")
    parts.append(f"Mean rank of {_first_cell(runs)} over all sets: {_overall(runs):.2f} (1 is best).")
    parts += [f"{name} is missing: {why}" for name, why in missing.items()]
    return "\n\n".join(parts)


def _table(runs: list[Run], task: str) -> str:
    names, columns = ([*dict.fromkeys(getattr(run, field) for run in runs)] for field in ("set", "method"))
    ours = [name for name in columns if name in CELLS]
    factor, digits = (100, 1) if task == "classify" else (1, 3)
    rows = []
    for name in names:
        found = medians([run for run in runs if run.set == name], MAIN[task])
        cells = [f"{factor * found[c]:.{digits}f}" if c in found else "" for c in columns]
        rows.append([name, *cells, *_extras([run for run in runs if run.set == name and run.method == ours[0]])])
    all_ranks = [ranks([run for run in runs if run.set == name]) for name in names]
    means = [mean(r[c] for r in all_ranks if c in r) for c in columns]
    rows.append(["mean rank", *(f"{value:.2f}" for value in means), "", ""])
    header = ["set", *columns, "spread", "s"] + (["80 % interval covers"] if task == "forecast" else [])
    return text_table(header, [row[: len(header)] for row in rows], right=range(1, len(header)))


def _extras(runs: list[Run]) -> list[str]:
    """Range over seeds, seconds and, of forecasts, coverage of our first method on a set."""
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


def _first_cell(runs: list[Run]) -> str:
    return runs[0].method


def _overall(runs: list[Run]) -> float:
    names = dict.fromkeys(run.set for run in runs)
    return mean(next(iter(ranks([run for run in runs if run.set == name]).values())) for name in names)


def _names(ctx: click.Context, param: click.Parameter, value: str | None) -> list[str] | None:
    """Split names at commas."""
    names = [name.strip() for name in value.split(",")] if value else None
    unknown = [name for name in names or () if name not in SETS]
    if unknown:
        raise click.BadParameter(f"{', '.join(unknown)}: need some of {', '.join(SETS)}.")
    return names


@click.command()
@click.option("--sets", "names", callback=_names, help="Names, separated by commas. Default: all.")
@click.option("--seeds", default=3, show_default=True, type=click.IntRange(1, 100), help="Fits of ours a set.")
@click.option("--cell", "cells", multiple=True, type=click.Choice(CELLS), help="May be repeated. Default: gru.")
@click.option("--validate", is_flag=True, help="Judge on a part of the training part: for choosing defaults.")
@click.option("--quick", is_flag=True, help=f"Only {', '.join(QUICK)}, generated, one seed.")
@click.option("--json", "as_json", is_flag=True, help="Every run as JSON.")
@click.option("--read", "files", multiple=True, type=click.File(), help="Measure nothing: show what --json wrote.")
def command(
    names: list[str] | None,
    seeds: int,
    cells: tuple[str, ...],
    validate: bool,
    quick: bool,
    as_json: bool,
    files: tuple[IO[str], ...],
) -> None:
    """Print medians over seeds of our estimators with default settings beside those of the baselines."""
    warnings.simplefilter("ignore", RuntimeWarning)  # of classes that a small validation part lacks
    wanted = names or list(QUICK if quick else SETS)
    change: Callable[[Set], Set] = validation if validate else lambda data: data
    if files:
        runs, missing = read(files)
    else:
        with progress_bar(len(wanted), True, "comparing") as advance:
            runs, missing = compare(wanted, 1 if quick else seeds, cells or ("gru",), change, advance)
    if as_json:
        click.echo(json.dumps({"runs": [run._asdict() for run in runs], "missing": missing}))
    elif runs:
        click.echo(as_text(runs, missing))
    sys.exit(0 if runs else 1)


if __name__ == "__main__":
    command()

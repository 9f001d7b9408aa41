"""The estimators with default settings beside the baselines: `python benchmarks/defaults.py --help`."""

from __future__ import annotations

import json
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from importlib.util import find_spec
from typing import IO, Any, Literal

import baselines
import click
import numpy as np
import pandas as pd
import scores
from numpy.typing import NDArray
from report import CELLS, Run, as_text
from sets import SETS, Forecasting, Labeled, MissingSetError, Set, load, validation

import gatewise as gw
from gatewise.progress import progress_bar

Array = NDArray[Any]
QUANTILES = (0.1, 0.5, 0.9)
QUICK = ("trajectories_easy", "sine_periods", "walks", "cycle")


Method = Callable[[Set, int], dict[str, float]]
Only = Literal["ours", "others"]


def ours(data: Set, cells: tuple[str, ...]) -> dict[str, Method]:
    """Return our estimators for a set, one a cell."""
    make = _forecaster if isinstance(data, Forecasting) else _estimator
    return {cell: make(cell) for cell in cells}


def others(data: Set) -> dict[str, Method]:
    """Return the baselines of a set whose packages are installed."""
    if isinstance(data, Forecasting):
        found = baselines.SEASONAL_FORECASTERS if data.season else baselines.FORECASTERS
        return {name: _forecast_baseline(fit) for name, fit in found.items() if not lacks(name)}
    table = baselines.CLASSIFIERS if data.task == "classify" else baselines.REGRESSORS
    return {name: _baseline(fit) for name, fit in table.items()}


def lacks(method: str) -> str:
    """Return the package that a baseline needs and that is not installed, or nothing."""
    package = baselines.NEEDS.get(method, "")
    return package if package and find_spec(package) is None else ""


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
            windows.append([])
            for origin in scores.origins(data):
                y, history = scores.truth(data, k, origin), whole.iloc[: len(train) + origin]
                if data.refit and origin:
                    forecast = fit(history, data.horizon, data.season)
                if len(y):
                    windows[k].append(scores.Window(y, forecast(history)[: len(y)]))
        return scores.of_forecasts(data, windows)

    return run


def _forecaster(cell: str) -> Method:
    """Fit and forecast; then by turns take in what came, or fit again with it, and forecast."""

    def run(data: Set, seed: int) -> dict[str, float]:
        assert isinstance(data, Forecasting)
        model = gw.RecurrentForecaster(
            data.horizon, season=data.season, quantiles=QUANTILES, cell=cell, random_state=seed
        )
        windows: list[list[scores.Window]] = [[] for _ in data.train]
        for origin in scores.origins(data):
            if data.refit or not origin:
                model.fit(_until(data, origin))
            else:
                model.update(_between(data, origin - data.step, origin))
            for k, quantiles in enumerate(_quantiles(model, len(data.train))):
                y = scores.truth(data, k, origin)
                low, middle, high = quantiles[: len(y)].T
                windows[k].append(scores.Window(y, middle, low, high))
        return scores.of_forecasts(data, windows)

    return run


def _quantiles(model: Any, series: int) -> Iterator[Array]:
    """The quantiles of each series, (horizon, 3) each."""
    frame = model.predict_quantiles()
    values = np.asarray(frame, float)
    yield from values.reshape(series, -1, len(QUANTILES))


def _until(data: Forecasting, origin: int) -> Any:
    """The series up to a point of their test parts."""
    parts = [pd.concat([train, test.iloc[:origin]]) for train, test in zip(data.train, data.test, strict=True)]
    return parts if len(parts) > 1 else parts[0]


def _between(data: Forecasting, start: int, stop: int) -> Any:
    parts = [test.iloc[start:stop] for test in data.test]
    return parts if len(parts) > 1 else parts[0]


def compare(
    names: list[str],
    seeds: int,
    cells: tuple[str, ...] = ("gru",),
    change: Callable[[Set], Set] = lambda data: data,
    advance: Callable[[str], None] = lambda text: None,
    only: Only | None = None,
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
        for method, run in ours(data, cells).items() if only != "others" else ():
            runs += [_timed(data, method, run, seed) for seed in range(seeds)]
        if only != "ours":
            runs += [_timed(data, method, run, 0) for method, run in others(data).items()]
    return runs, missing | {name: f"needs {lacks(name)}" for name in baselines.NEEDS if lacks(name)}


def _timed(data: Set, method: str, run: Method, seed: int) -> Run:
    started = time.perf_counter()
    found = run(data, seed)
    return Run(data.name, data.task, method, seed, time.perf_counter() - started, found, _kind(data))


def _kind(data: Set) -> str:
    if isinstance(data, Labeled):
        return ""
    return f"{data.every or 'other'}, {'single' if len(data.train) == 1 else 'panel'}"


def read(files: Iterable[IO[str]]) -> tuple[list[Run], dict[str, str]]:
    """Return what earlier calls printed with --json, in the order of the sets."""
    found = [json.load(file) for file in files]
    runs = [Run(**run) for part in found for run in part["runs"]]
    missing = {name: why for part in found for name, why in part["missing"].items()}
    return sorted(runs, key=lambda run: list(SETS).index(run.set)), missing


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
@click.option("--only", type=click.Choice(["ours", "others"]), help="Leave out the others, or ours.")
@click.option("--json", "as_json", is_flag=True, help="Every run as JSON.")
@click.option("--read", "files", multiple=True, type=click.File(), help="Measure nothing: show what --json wrote.")
def command(
    names: list[str] | None,
    seeds: int,
    cells: tuple[str, ...],
    validate: bool,
    quick: bool,
    only: Only | None,
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
            runs, missing = compare(wanted, 1 if quick else seeds, cells or ("gru",), change, advance, only)
    if as_json:
        click.echo(json.dumps({"runs": [run._asdict() for run in runs], "missing": missing}))
    elif runs:
        click.echo(as_text(runs, missing))
    sys.exit(0 if runs else 1)


if __name__ == "__main__":
    command()

"""`gatewise forecast`: a table of one or many series in, their next steps out."""

from __future__ import annotations

import time as clock
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gatewise.cli import options, output

if TYPE_CHECKING:
    from pandas import DataFrame

    from gatewise.tables import ForecastResult

EPILOG = """\b
Example:
  gatewise forecast sales.csv --time date --target units --series shop \\
    --known holiday --out sales

Rows after the last value of the target, with the target empty, are the future; columns given as --known must be filled
there."""


@click.command(epilog=EPILOG)
@click.argument("file", type=options.FILE)
@options.series_options
def command(
    file: str,
    time: str | None,
    targets: tuple[str, ...],
    series: str | None,
    horizon: int | None,
    season: int | None,
    known: tuple[str, ...],
    past: tuple[str, ...],
    static: tuple[str, ...],
    level: float,
    backtest: bool,
    wide: bool,
    every: str | None,
    aggregate: str | None,
    in_order: bool,
    header: bool | None,
    time_format: str | None,
    out: Path | None,
    seed: int,
    as_json: bool,
    quiet: bool,
) -> None:
    """Forecast the series of a table.

    FILE is a CSV or Parquet ("-": stdin), one row per time step; several series as several --target columns, or one
    below the other with --series. Columns may be left out where only one can be meant. Prints the forecast with its
    interval, and the error on a held-out tail beside those of simple methods. With --out: model.safetensors,
    forecast.csv, metrics.json and report.html.
    """
    from gatewise import tables

    started = clock.perf_counter()
    table = tables.read_table(file, header)
    targets, known, past, static = (options.column_names(table, names) for names in (targets, known, past, static))
    times = options.column_names(table, (time,)) if time else ()
    layout: tables.Layout = {"in_order": in_order, "wide": wide, "every": every, "aggregate": aggregate}
    roles = tables.SeriesRoles.of(times, targets, series, known, past, static, time_format, **layout)
    task = tables.read_forecast_task(table, roles, horizon, season)
    output.say(quiet, *task.notes)
    output.make_folder(out, "forecast")
    result = task.fit(level=level, backtest=backtest, seed=seed, progress=not quiet)
    if backtest and result.problem:
        output.say(quiet, f"no held-out error: {result.problem}")
    metrics = result.metrics | {"seconds": clock.perf_counter() - started, "seed": seed}
    files = output.result_files("forecast", result.forecast, metrics) | _page(out, quiet, result)
    written = output.write_results(out, result, files)
    if as_json:
        rows = output.rows(result.forecast)
        click.echo(output.as_json({**metrics, "forecast": rows, "notes": result.notes, "files": written}))
    else:
        click.echo("\n\n".join([*_answer(result), *output.listing(written)]))


def _answer(result: ForecastResult) -> list[str]:
    """Return the forecast and what the backtest showed; of several targets one after the other, each in its unit."""
    frame, roles = _with_times_as_text(result), result.task.roles
    if roles.series is not None or len(roles.targets) == 1:
        return [output.frame_table(frame), *_measured(result, roles.targets[0])]
    parts = []
    for target in roles.targets:
        forecast = frame[frame["series"] == target].drop(columns="series")
        unit = result.task.units.get(target)
        parts += [f"{target}{f', in {unit}' if unit else ''}", output.frame_table(forecast), *_measured(result, target)]
    return parts


def _with_times_as_text(result: ForecastResult) -> DataFrame:
    """Return the forecast with times that are numbers as they stand in the table, however many digits they have."""
    names = [name for name in result.task.grid.writers or () if result.forecast[name].dtype.kind == "f"]
    return result.forecast.astype(dict.fromkeys(names, str))


def _page(out: Path | None, quiet: bool, result: ForecastResult) -> dict[str, str]:
    grid = result.task.grid
    words: dict[str, Any] = {
        "title": f"Forecast of {', '.join(result.task.roles.targets)}",
        "facts": {"Data": result.notes[0], "Command": "gatewise forecast"},
        "ahead": grid.future,
        "measured": result,
    }
    return output.page(out, quiet, result.model, grid.y, grid.beside, **words)


def _measured(result: ForecastResult, target: str) -> list[str]:
    """Return what the backtest showed of a target: the errors of all methods, then the verdict."""
    from gatewise.comparison import MODEL
    from gatewise.tables import counted

    one = result.comparisons.get(target)
    if one is None or result.backtest is None:
        return []
    size = f"{counted(len(result.backtest.windows), 'forecast')} of {counted(result.task.horizon, 'step')}"
    covered = f"{one.texts('coverage')[MODEL]} of the values are inside the {result.level:g} % interval"
    several = f"{target}: " if len(result.comparisons) > 1 else ""
    return [output.comparison_table(one), output.paragraph(f"{several}held out, {size}: {one.verdict}; {covered}")]

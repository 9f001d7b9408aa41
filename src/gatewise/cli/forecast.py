"""`gatewise forecast`: a table of one or many series in, their next steps out."""

from __future__ import annotations

import time as clock
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gatewise.cli import tables
from gatewise.errors import GatewiseValueError

if TYPE_CHECKING:
    from pandas import DataFrame

    from gatewise.estimators.forecaster import RecurrentForecaster
    from gatewise.tables import Panel, Roles, Table

EPILOG = """Example: gatewise forecast sales.csv --time date --target units --series shop --known holiday --out sales

Rows after the last value of the target, with the target empty, are the future; columns given as --known must be filled
there."""
WINDOWS = 5  # held-out forecasts, as long as they are a fifth of the series at most


@click.command(epilog=EPILOG)
@click.argument("file", type=tables.FILE)
@click.option("--time", metavar="COL", help="Column of times.")
@click.option("--target", "targets", metavar="COL", multiple=True, callback=tables.names, help="Column to forecast.")
@click.option("--series", metavar="COL", help="Column that tells several series apart.")
@click.option("--horizon", type=click.IntRange(1), help="Steps ahead. Default: by the step; 24 hours, 7 days, …")
@click.option("--season", type=click.IntRange(1), help="Steps in a season. Default: by the step; a week, a year, …")
@click.option("--known", metavar="COL", multiple=True, callback=tables.names, help="Column known ahead.")
@click.option("--past", metavar="COL", multiple=True, callback=tables.names, help="Column known up to now.")
@click.option("--static", metavar="COL", multiple=True, callback=tables.names, help="Column constant in a series.")
@click.option("--level", default=80.0, show_default=True, type=click.FloatRange(1, 99), help="Of the interval, in %.")
@click.option("--backtest/--no-backtest", default=True, help="Forecast a held-out tail first, to measure the error.")
@tables.time_format_option
@tables.out_option
@tables.seed_option
@tables.json_option
@tables.quiet_option
def command(
    file: str,
    time: str,
    targets: tuple[str, ...],
    series: str | None,
    horizon: int | None,
    season: int | None,
    known: tuple[str, ...],
    past: tuple[str, ...],
    static: tuple[str, ...],
    level: float,
    backtest: bool,
    time_format: str | None,
    out: Path | None,
    seed: int,
    as_json: bool,
    quiet: bool,
) -> None:
    """Forecast the series of a table.

    FILE is a CSV or Parquet ("-": stdin), one row a time step; several series as several --target columns, or one
    below the other with --series. Prints the forecast with its interval, and the error on a held-out tail beside
    that of the seasonal naive method. With --out: model.safetensors, forecast.csv, metrics.json and report.html.
    """
    from gatewise.estimators.forecaster import RecurrentForecaster
    from gatewise.tables import Roles, read_panel, read_table

    started = clock.perf_counter()
    table = read_table(file)
    tables.need(table, time=time, target=targets)
    roles = Roles(time, targets, series, known, past, static, time_format)
    panel = read_panel(table, roles)
    horizon = _horizon(table, roles, panel, horizon)
    season = season or panel.step.season(max(len(y) for y in panel.y))
    lines = tables.said(table, [*described(panel, roles), f"{horizon} steps ahead, season {season or 'none'}"])
    tables.say(quiet, *lines)
    tables.make_folder(out)
    low = round(0.5 - level / 200, 6)
    forecaster = RecurrentForecaster(
        horizon,
        season=season,
        quantiles=(low, 0.5, round(1 - low, 6)),
        past_covariates=panel.channels("past"),
        random_state=seed,
        verbose=not quiet,
    )
    held_out, problem = _held_out(forecaster, panel) if backtest else (None, "not asked for")
    if held_out is None and backtest:
        tables.say(quiet, f"no held-out error: {problem}")
    forecaster.fit(list(panel.y), covariates(panel), statics(panel))
    forecast = forecast_frame(forecaster, panel, roles)
    metrics = {"held_out": held_out, "horizon": horizon, "season": season, "level": level, "step": panel.step.label}
    metrics |= {"seconds": clock.perf_counter() - started, "seed": seed}
    files = tables.result_files("forecast", forecast, metrics)
    facts = {"Data": lines[0], "Command": "gatewise forecast"}
    title = f"Forecast of {', '.join(targets)}"
    files |= tables.page(
        out, quiet, forecaster, list(panel.y), covariates(panel), title=title, facts=facts, ahead=future(panel)
    )
    written = tables.write_results(out, forecaster, described_model(panel, roles, level), files)
    if as_json:
        click.echo(tables.as_json({**metrics, "forecast": tables.rows(forecast), "notes": lines, "files": written}))
    else:
        click.echo("\n\n".join([tables.shown(forecast), *_verdict(held_out, level), *tables.listing(written)]))


def covariates(panel: Panel) -> list[DataFrame] | None:
    """What stands beside the series, as the forecaster takes it."""
    return panel.covariates if panel.covariates[0].shape[1] else None


def future(panel: Panel) -> list[DataFrame] | None:
    """What is known of the steps ahead of each series, as the forecaster takes it."""
    ahead = panel.channels("known")
    return [x[ahead].iloc[len(y) :] for x, y in zip(panel.covariates, panel.y, strict=True)] if ahead else None


def statics(panel: Panel) -> DataFrame | None:
    """What belongs to each series, as the forecaster takes it."""
    return panel.static if panel.columns["static"] else None


def described(panel: Panel, roles: Roles) -> list[str]:
    """Say what the columns are."""
    from gatewise.tables import listed

    several = [f"{len(panel.y):,} series"] if len(panel.y) > 1 else []
    columns = [f"{role} {column}" for role, found in panel.columns.items() for column in found]
    return [f"{roles.time} every {panel.step.label}", *several, *([listed(columns)] if columns else [])]


def forecast_frame(forecaster: RecurrentForecaster, panel: Panel, roles: Roles) -> DataFrame:
    """Return the forecasts as one table: series (if several), time, lower, median, upper."""
    import pandas as pd

    ahead = panel.channels("known")
    future = [x[ahead] for x in panel.covariates] if ahead else None
    parts = []
    for name, quantiles in zip(panel.names, forecaster.predict_quantiles(future), strict=True):
        part = quantiles.set_axis(["lower", "median", "upper"], axis=1)
        part.insert(0, roles.time, part.index)
        if roles.series is not None or len(panel.names) > 1:
            part.insert(0, roles.series or "series", name)
        parts.append(part)
    frame: DataFrame = pd.concat(parts, ignore_index=True)
    return frame


def described_model(panel: Panel, roles: Roles, level: float) -> dict[str, Any]:
    """What the model's file says of its columns, for `gatewise predict`."""
    return {
        "command": "forecast",
        "roles": roles._asdict(),
        "columns": {role: [column._asdict() for column in found] for role, found in panel.columns.items()},
        "step": panel.step._asdict(),
        "series": panel.names,
        "last": [int(panel.step.places(y.index[-1:])[0][0]) for y in panel.y],
        "level": level,
    }


def _horizon(table: Table, roles: Roles, panel: Panel, asked: int | None) -> int:
    """Return the steps ahead; what is known ahead must reach so far."""
    usual = asked or panel.step.horizon()
    if not panel.columns["known"]:
        if panel.ahead:
            table.notes.append(f"{panel.ahead} steps after the last value of {', '.join(roles.targets)} hold no target")
        return usual
    if not panel.ahead:
        table.refuse(
            roles.known[0],
            f"need its values ahead: add {usual} rows after the last time, with {roles.targets[0]!r} empty, "
            f"or pass it as --past.",
        )
    if asked is not None and asked > panel.ahead:
        table.refuse(
            roles.known[0], f"is known {panel.ahead} steps ahead; add rows, or pass --horizon {panel.ahead} at most."
        )
    table.notes.append(f"{panel.ahead} steps after the last value of {roles.targets[0]} are the future")
    return asked or min(usual, panel.ahead)


def _held_out(forecaster: RecurrentForecaster, panel: Panel) -> tuple[dict[str, Any] | None, str]:
    """Forecast the tail of each series that is long enough; return the errors, or why there are none."""
    horizon = forecaster.horizon
    need = horizon + max(horizon, 8)
    long = [k for k, y in enumerate(panel.y) if y.iloc[:-horizon].count() >= 2 and len(y) >= need]
    if not long:
        return None, f"a series needs at least {need} steps for a horizon of {horizon}"
    y = [panel.y[k] for k in long]
    windows = max(1, min(WINDOWS, min(map(len, y)) // (5 * horizon)))
    x, static = covariates(panel), statics(panel)
    x = None if x is None else [x[k] for k in long]
    try:
        measures = forecaster.backtest(y, x, windows, static=None if static is None else static.iloc[long])
    except GatewiseValueError as error:
        return None, str(error)
    found = measures.loc["all"].to_dict("index")
    return {"series": len(long), "steps": windows * horizon, **found}, ""


def _verdict(held_out: dict[str, Any] | None, level: float) -> list[str]:
    if held_out is None:
        return []
    model, naive = held_out["model"], held_out["seasonal_naive"]
    beside = f" ({model['mae'] / naive['mae']:.2f} ×)" if naive["mae"] else ""
    return [
        f"held out, last {held_out['steps']} steps: mean absolute error {model['mae']:.4g} beside "
        f"{naive['mae']:.4g} of seasonal naive{beside}; {100 * model['coverage']:.0f} % inside the {level:g} % interval"
    ]

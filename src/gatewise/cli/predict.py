"""`gatewise predict`: a saved model and a new table in, predictions out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gatewise.cli import tables
from gatewise.errors import GatewiseError, GatewiseValueError

if TYPE_CHECKING:
    from collections.abc import Callable

    from pandas import DataFrame

    from gatewise.tables import Column, Known, Panel, Roles, StepRoles, Table

    Way = Callable[..., DataFrame]

EPILOG = """Example: gatewise predict sales/model.safetensors this-week.csv --out next-week.csv"""


@click.command(epilog=EPILOG)
@click.argument("model", type=click.Path())
@click.argument("file", type=tables.FILE)
@click.option("--out", type=click.Path(path_type=Path), help="CSV to write; stdout without it.")
@tables.json_option
@tables.quiet_option
def command(model: str, file: str, out: Path | None, as_json: bool, quiet: bool) -> None:
    """Predict from a new table with a saved model.

    MODEL is a file that `gatewise forecast`, `classify` or `regress` wrote. FILE (CSV or Parquet, "-": stdin) needs
    the columns that the model was trained on, by name and type; others are not looked at. A forecaster takes what
    FILE has after the end of its training, then forecasts from there. A classifier gives one row a sequence, with a
    probability for each label. Prints CSV.
    """
    from gatewise.tables import read_table
    from gatewise.storage import load, read_info, write_whole

    info = read_info(model)
    ways: dict[str, Way] = {"forecast": _forecast, "classify": _classify, "regress": _regress}
    way = ways.get(str(info.get("command")))
    if way is None:
        raise GatewiseValueError(
            f"{model} was not written by gatewise forecast, classify or regress, so it does not know its columns."
        )
    roles, known = _described(model, info)
    fitted, table = load(model), read_table(file)
    frame = way(fitted, roles, known, table)
    lines = tables.said(table, [])
    tables.say(quiet, *lines)
    text = tables.as_json({"predictions": tables.rows(frame), "notes": lines}) if as_json else frame.to_csv(index=False)
    if out is None:
        click.echo(text.rstrip("\n"))
    else:
        write_whole(out, (text.rstrip("\n") + "\n").encode())


def _described(model: str, info: dict[str, Any]) -> tuple[Any, Any]:
    """Return the roles of the columns, and what the model knows of them."""
    from gatewise.tables import Known, Roles, Step, StepRoles, columns_from_json

    try:
        if info["command"] != "forecast":
            return StepRoles.from_json(info["roles"])._replace(outcome=None), columns_from_json(info["columns"])
        columns = {role: columns_from_json(found) for role, found in info["columns"].items()} | {"static": []}
        last = dict(zip(info["series"], info["last"], strict=True))
        return Roles.from_json(info["roles"])._replace(static=()), Known(columns, Step(**info["step"]), last)
    except GatewiseError:
        raise
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise GatewiseValueError(f"{model}: its description of the columns cannot be used ({error!r}).") from error


def _classify(fitted: Any, roles: StepRoles, columns: list[Column], table: Table) -> DataFrame:
    from gatewise.cli import classify
    from gatewise.tables import read_recordings

    return classify.predicted(fitted, read_recordings(table, roles, columns))


def _regress(fitted: Any, roles: StepRoles, columns: list[Column], table: Table) -> DataFrame:
    from gatewise.cli import regress
    from gatewise.tables import read_recordings

    return regress.predicted(fitted, read_recordings(table, roles, columns))


def _forecast(fitted: Any, roles: Roles, known: Known, table: Table) -> DataFrame:
    from gatewise.cli.forecast import forecast_frame
    from gatewise.tables import read_panel

    panel = _in_order(read_panel(table, roles, known), list(known.last))
    new = [len(y) for y in panel.y]
    if any(new):
        fitted.update(panel.y, panel.covariates if panel.covariates[0].shape[1] else None)
    table.notes.append(f"{sum(new):,} steps after those of the training" if any(new) else "nothing after the training")
    _check_ahead(fitted.horizon, panel, table)
    return forecast_frame(fitted, panel, roles)


def _in_order(panel: Panel, names: list[str]) -> Panel:
    """Return the panel with the model's series in its order; those that the table lacks are empty."""
    place = {name: k for k, name in enumerate(panel.names)}
    y = [panel.y[place[name]] if name in place else panel.y[0].iloc[:0].rename(name) for name in names]
    beside = [panel.covariates[place[name]] if name in place else panel.covariates[0].iloc[:0] for name in names]
    return replace(panel, names=names, y=y, covariates=beside)


def _check_ahead(horizon: int, panel: Panel, table: Table) -> None:
    """Raise, in the words of the table, if what is known ahead does not reach far enough."""
    if panel.columns["known"] and panel.ahead < horizon:
        table.refuse(
            panel.columns["known"][0].name,
            f"is known {panel.ahead} steps after the last observation; the model needs {horizon}: add rows with the "
            f"target empty.",
        )

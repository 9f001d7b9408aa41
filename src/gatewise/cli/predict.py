"""`gatewise predict`: a saved model and a new table, or a folder of them, in, predictions out."""

from __future__ import annotations

from pathlib import Path

import click

from gatewise.cli import options, output

EPILOG = """\b
Examples:
  gatewise predict sales/model.safetensors this-week.csv --out next-week.csv
  gatewise predict activity/model.safetensors moves/ --dask 4 --out predicted/"""


class _TableOrFolder(click.ParamType):  # type: ignore[type-arg]
    """A file, or with --dask a folder or URL, which is looked into later."""

    name = "FILE"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return what came; raise if it is no file and needs to be one."""
        if ctx is not None and isinstance(ctx.params.get("dask"), str):  # not click's mark of what is not there
            return str(value)
        return options.FILE.convert(value, param, ctx)


@click.command(epilog=EPILOG)
@click.argument("model", type=options.MODEL)
@click.argument("file", type=_TableOrFolder())
@click.option("--out", metavar="FILE", help="CSV to write; stdout without it. With --dask, a folder.")
@click.option(
    "--dask",
    metavar="SCHEDULER|N",
    is_eager=True,
    help="FILE is a folder of tables: predict on this Dask cluster, or on N processes of this machine.",
)
@options.json_option
@options.quiet_option
@click.pass_context
def command(
    ctx: click.Context, model: Path, file: str, out: str | None, dask: str | None, as_json: bool, quiet: bool
) -> None:
    """Predict from a new table with a saved model.

    MODEL is a file that `gatewise forecast`, `classify` or `regress` wrote. FILE (CSV or Parquet, "-": stdin) needs
    the columns that the model was trained on, by name and type; others are ignored. A forecaster takes what
    FILE has after the end of its training, then forecasts from there. A classifier gives one row per sequence, with a
    probability for each label. Prints CSV.

    With --dask FILE is a folder of Parquet or CSV files, or the URL of one, and --out a folder too: each file gets a
    Parquet file of predictions. What is there already, of this model and this file, is skipped. Prints what was done.
    """
    if dask is not None:
        ctx.exit(_folder(model, file, out, dask, as_json, quiet))
    from gatewise.spreadsheets import to_csv
    from gatewise.storage import check_places, write_whole
    from gatewise.tables import predict

    check_places([out] if out else [])
    frame, notes = predict(model, file)
    output.say(quiet, *notes)
    results = {"predictions": output.rows(frame), "notes": notes}
    text = (output.as_json(results) if as_json else to_csv(frame)).rstrip("\n")
    if out is None:
        click.echo(text)
    else:
        write_whole(out, (text + "\n").encode())


def _folder(model: Path, folder: str, out: str | None, dask: str, as_json: bool, quiet: bool) -> int:
    """Predict from all files of a folder, and print what was done; return 1 if some could not be."""
    if out is None:
        raise click.UsageError("--dask needs --out FOLDER, for a file of predictions for each file.")
    from gatewise import distributed

    client = int(dask) if dask.isdecimal() else dask
    done = distributed.predict(model, folder, out, client=client, progress=not quiet)
    output.say(quiet, *(f"note: {note}" for note in done.notes))
    click.echo(output.as_json(done.as_dict()) if as_json else str(done))
    for name, problem in done.problems.items():
        click.echo(f"{name}: {problem}", err=True)
    return 1 if done.problems else 0

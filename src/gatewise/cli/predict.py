"""`gatewise predict`: a saved model and a new table in, predictions out."""

from __future__ import annotations

from pathlib import Path

import click

from gatewise.cli import options, output

EPILOG = """\b
Example:
  gatewise predict sales/model.safetensors this-week.csv --out next-week.csv"""


@click.command(epilog=EPILOG)
@click.argument("model", type=options.MODEL)
@click.argument("file", type=options.FILE)
@click.option("--out", metavar="FILE", type=click.Path(path_type=Path), help="CSV to write; stdout without it.")
@options.json_option
@options.quiet_option
def command(model: Path, file: str, out: Path | None, as_json: bool, quiet: bool) -> None:
    """Predict from a new table with a saved model.

    MODEL is a file that `gatewise forecast`, `classify` or `regress` wrote. FILE (CSV or Parquet, "-": stdin) needs
    the columns that the model was trained on, by name and type; others are ignored. A forecaster takes what
    FILE has after the end of its training, then forecasts from there. A classifier gives one row per sequence, with a
    probability for each label. Prints CSV.
    """
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

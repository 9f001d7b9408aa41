"""`gatewise demo`: the day-ahead forecaster on real traffic, from data to page."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from gatewise import datasets, dayahead, files, pages
from gatewise.cli import options, output
from gatewise.pages.measures import headline
from gatewise.printing import text_table
from gatewise.storage import write_together

NAMES = {
    "model": "RecurrentForecaster",
    "same_hour_last_week": "same hour last week",
    "same_hour_yesterday": "same hour yesterday",
}
FACTS = {
    "Data": "Hourly westbound traffic on Interstate 94, Minneapolis–St Paul, October 2016 to September 2018: a part of "
    '"Metro Interstate Traffic Volume", UCI data set no. 492, donated by John Hogue, CC BY 4.0',
    "Task": "24 hours at once, issued at midnight for each of the last 90 days; none of them was seen in training",
    "Model": "A RecurrentForecaster with its default settings: over the best simple reference, a ridge regression and "
    "two GRUs of 64 units, each with the share that served it best on held-out days; holidays are known ahead",
    "Training": "AdamW on the pinball loss of three quantiles; intervals calibrated on the last fifth of the first "
    "640 days",
}


@click.command()
@click.option(
    "--out",
    metavar="FOLDER",
    default="gatewise-demo",
    show_default=True,
    type=click.Path(path_type=Path),
    help="Folder to write to.",
)
@options.seed_option
@click.option("--json", "as_json", is_flag=True, help="Print metrics.json on stdout.")
@click.option("--quiet", is_flag=True, help="No progress bar.")
def command(out: Path, seed: int, as_json: bool, quiet: bool) -> None:
    """Train a day-ahead forecaster on two years of traffic on I-94, and write a page about it.

    Prints its error on the last 90 days beside the two naive methods, and writes model.safetensors, metrics.json and
    report.html.
    """
    pages.require()
    output.make_folder(out)
    outcome = dayahead.run(datasets.i94(), seed, progress=not quiet)
    metrics = outcome.metrics
    federal_holidays = dayahead.federal_holidays(outcome.forecast.index)
    page = pages.day_ahead_page(
        title="Traffic on I-94, a day ahead",
        history=outcome.history,
        forecast=outcome.forecast,
        metrics=metrics,
        facts=FACTS,
        named_days={f"{day:%Y-%m-%d}": name for day, name in federal_holidays.items()},
        model=outcome.model,
    )
    lasting = {name: value for name, value in metrics.items() if name != "seconds"}  # one seed, one file
    contents = {
        output.MODEL: files.to_bytes(outcome.model, info={"metrics": lasting}),
        output.METRICS: (json.dumps(metrics, indent=2) + "\n").encode(),
        output.PAGE: page.encode(),
    }
    write_together({out / name: content for name, content in contents.items()})
    click.echo(json.dumps(metrics) if as_json else _summary(metrics, out))


def _summary(metrics: dict[str, Any], out: Path) -> str:
    naive = metrics["same_hour_last_week"]["mae"]
    rows = [
        (label, f"{metrics[name]['mae']:.1f}", f"{metrics[name]['rmse']:.1f}", f"{metrics[name]['mae'] / naive:.2f}")
        for name, label in NAMES.items()
    ]
    table = text_table(("forecast, last 90 days", "MAE", "RMSE", "MAE / last week"), rows, right=(1, 2, 3))
    files = "\n".join(str(out / name) for name in (output.MODEL, output.METRICS, output.PAGE))
    covered = f"the 80 % interval holds {100 * metrics['coverage']:.0f} % of the hours"
    facts = f"vehicles/h; {covered}; trained and evaluated in {metrics['seconds']:.1f} s"
    return f"{table}\n\n{output.paragraph(headline(metrics))}\n{facts}\n\n{files}"

"""`gatewise warmup`: compile the kernels ahead."""

from __future__ import annotations

import json
import sys

import click

from gatewise import kernels
from gatewise.progress import progress_bar


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.option("--quiet", is_flag=True, help="No progress bar.")
def command(as_json: bool, quiet: bool) -> None:
    """Compile every kernel now, so that no later process has to wait.

    For images and continuous integration: compiled code is kept in the package's folder or, if that cannot be written,
    in the user's. Exit code 1 if kernels are switched off or llvmlite is not there.
    """
    if not kernels.enabled():
        click.echo(
            "gatewise warmup: there are no kernels: GATEWISE_KERNELS is 0, or llvmlite cannot be imported.", err=True
        )
        sys.exit(1)
    with progress_bar(len(kernels.variants()), not quiet, "compiling") as advance:
        seconds = kernels.warm_up(advance)
    count = len(kernels.variants())
    click.echo(json.dumps({"kernels": count, "seconds": seconds}) if as_json else f"{count} kernels in {seconds:.1f} s")

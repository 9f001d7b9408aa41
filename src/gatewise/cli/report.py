"""`gatewise report`: a saved model and data to look at it with, as one page."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from gatewise import pages
from gatewise.cli import options, output
from gatewise.cli.mistakes import DataPath, OneOf
from gatewise.errors import GatewiseValueError
from gatewise.files import load, read_info
from gatewise.layers import Layer
from gatewise.storage import check_places
from gatewise.tables import backtests, read_inputs

if TYPE_CHECKING:
    from gatewise.errors import Array

EPILOG = """\b
Example:
  gatewise report sales/model.safetensors sales.csv -o sales/report.html"""
ARRAYS = (".npy", ".npz")
NAMES = ("x", "y", "lengths")


@click.command(epilog=EPILOG)
@click.argument("model", type=options.MODEL)
@click.argument("data", type=DataPath("a CSV, Parquet, .npz or .npy file"), required=False)
@click.option(
    "-o",
    "--out",
    metavar="FILE",
    default="report.html",
    show_default=True,
    type=click.Path(path_type=Path),
    help="Page to write.",
)
@click.option("--title", help="Name of the page. Default: that of the model.")
@click.option("--loss", metavar="NAME", help="For a layer with y: mse, cross_entropy, …; its gradients are shown.")
@click.option("--compare", type=OneOf(["rnn"]), help="Gradient flow beside an Elman network of the same size.")
@options.json_option
@options.quiet_option
def command(
    model: Path,
    data: str | None,
    out: Path,
    title: str | None,
    loss: str | None,
    compare: str | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Write one offline HTML page on MODEL, a file that `gatewise.save` or a command wrote, and what it makes of DATA.

    For a model of `gatewise forecast`, `classify` or `regress`, DATA is a table (CSV or Parquet) with the columns it
    was trained on. For any other, DATA is an .npz with x and, if known, y and lengths, or an .npy with x; a layer
    can do without.
    """
    pages.require()
    check_places([out])
    info, fitted = read_info(model), load(model)
    if data is None and not isinstance(fitted, Layer):
        raise GatewiseValueError(f"{model} holds a {type(fitted).__name__}; need data to look at it with: pass DATA.")
    arguments, notes = _read(fitted, info, model, data)
    output.say(quiet, *notes)
    facts = {"Files": f"{Path(model).name}" + ("" if data is None else f", {Path(data).name}")}
    if loss is not None:
        arguments["loss"] = loss
    page = pages.report(fitted, **arguments, title=title, facts=facts, compare=compare, path=out)
    size = len(page.encode())
    click.echo(json.dumps({"page": str(out), "bytes": size, "notes": notes}) if as_json else str(out))


def _read(fitted: Any, info: dict[str, Any], model: Path, data: str | None) -> tuple[dict[str, Any], list[str]]:
    """Return the arguments of `report` that DATA holds, and what was done on reading it."""
    if data is None:
        return {}, []
    if data.lower().endswith(ARRAYS):
        return _arrays(fitted, data), []
    inputs = read_inputs(str(model), info, data)
    if inputs is None:
        raise GatewiseValueError(
            f"{data}: {model} was not written by gatewise forecast, classify or regress, so it does not know the "
            f"columns of a table; need an .npz with x, y and lengths, or an .npy with x."
        )
    arguments: dict[str, Any] = {"x": inputs.x, "y": inputs.y, "channels": inputs.channels}
    if inputs.series is not None:
        arguments["measured"] = backtests.shown(model, info, fitted, *inputs.series)
    return arguments, inputs.notes


def _arrays(fitted: Any, path: str) -> dict[str, Any]:
    """Return the arrays of a file by their names; x of floats in the dtype of a layer."""
    try:
        with open(path, "rb") as file:
            content = np.load(file, allow_pickle=False)
            single = isinstance(content, np.ndarray)
            arrays = {"x": content} if single else {name: content[name] for name in content.files}
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise GatewiseValueError(f"{path} cannot be read as arrays ({error}); need an .npy or .npz.") from error
    unknown = [name for name in arrays if name not in NAMES]
    if unknown or "x" not in arrays:
        names = ", ".join(arrays) or "nothing"
        raise GatewiseValueError(f"{path} holds {names}; need x and, if known, y and lengths.")
    if not isinstance(fitted, Layer):
        return arrays
    return {name: _cast(array, fitted) for name, array in arrays.items()}


def _cast(array: Array, layer: Layer) -> Array:
    return array.astype(layer.dtype) if array.dtype.kind == "f" else array

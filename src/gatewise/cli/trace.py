"""`gatewise trace`: a pass with its numbers filled in, or everything inside a saved model on given data."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from gatewise import files
from gatewise.cli import options
from gatewise.cli.mistakes import DataPath, Number, OneOf
from gatewise.errors import Array, GatewiseValueError
from gatewise.layers import RECURRENT, Layer
from gatewise.printing import text_table
from gatewise.sight import pencil
from gatewise.sight.trace import trace
from gatewise.storage import check_places, write_whole

if TYPE_CHECKING:
    from xarray import Dataset

SMALL = Number(1, 8)


@click.command()
@click.argument("model", required=False, type=options.MODEL)
@click.argument("file", required=False, type=DataPath("a .npy, CSV or Parquet file"))
@click.option(
    "-o",
    "--out",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Write the trace to this .nc, .npz or .csv file.",
)
@click.option("--steps", is_flag=True, help="Print a small pass, every equation with its numbers.")
@click.option("--cell", type=OneOf(list(RECURRENT)), default="gru", show_default=True, help="With --steps.")
@click.option("--reset", type=OneOf(["after", "before"]), default="after", show_default=True, help="Of a GRU.")
@click.option("--nonlinearity", type=OneOf(["tanh", "relu"]), default="tanh", show_default=True, help="Of an RNN.")
@click.option("--inputs", type=SMALL, default=2, show_default=True, help="Input size, with --steps.")
@click.option("--hidden", type=SMALL, default=2, show_default=True, help="Units, with --steps.")
@click.option("--time", type=SMALL, default=2, show_default=True, help="Steps, with --steps.")
@click.option("--digits", type=Number(1, 12), default=4, show_default=True, help="Decimals, with --steps.")
@click.option("--seed", type=Number(0), default=0, show_default=True, help="Of weights and input, with --steps.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with every digit.")
def command(model: Path | None, file: str | None, out: Path | None, steps: bool, as_json: bool, **sizes: Any) -> None:
    """Show what happens inside a network.

    With --steps, one forward and one backward pass of a small network over one sequence, for L = ½ Σ h², each equation
    with its numbers, and one weight's gradient compared with a central difference.

    With MODEL and FILE, every gate and state of a saved model: FILE is a .npy array (batch, time, features), or a CSV
    or Parquet table of one sequence, one row per step, one column per feature. Prints a summary; -o writes all values.
    """
    if steps:
        if model is not None or out is not None:
            raise click.UsageError("--steps builds its own network: leave MODEL, FILE and --out out.")
        click.echo(_steps(as_json, **sizes))
    elif model is None or file is None:
        raise click.UsageError("need --steps, or MODEL and FILE.")
    else:
        _check_out(out)
        loaded = files.load(model)
        if not isinstance(loaded, Layer):
            raise GatewiseValueError(f"{model} holds a {type(loaded).__name__}; need a layer or a Sequential.")
        seen = trace(loaded, _read(Path(file), loaded.dtype))
        if out is not None:
            write_whole(out, _content(seen, out))
        click.echo(json.dumps(_summary(seen)) if as_json else _table(seen))


def _steps(as_json: bool, cell: str, digits: int, reset: str, nonlinearity: str, **sizes: int) -> str:
    build: Any = RECURRENT[cell]
    forms = {"reset": reset, "nonlinearity": nonlinearity}
    option = {build.option: forms[build.option]} if build.option in forms else {}
    rng = np.random.default_rng(sizes["seed"])
    layer = build(sizes["inputs"], sizes["hidden"], dtype=np.float64, rng=rng, **option)
    for name, value in layer.params.items():
        layer.params[name] = value.round(1)
    lines, check = pencil.passes(layer, rng.normal(size=(1, sizes["time"], sizes["inputs"])).round(1))
    if as_json:
        plain = [line._asdict() | {"value": line.value.tolist()} for line in lines]
        return json.dumps({"model": repr(layer), "lines": plain, "check": check._asdict()}, ensure_ascii=False)
    return f"{layer!r}\n{pencil.text(layer, lines, check, digits)}"


def _read(path: Path, dtype: np.dtype[Any]) -> Array:
    if path.suffix != ".npy":
        from gatewise.tables import number_column, read_table

        table = read_table(path)
        return np.stack([number_column(table, name) for name in table.names], axis=1)[None].astype(dtype)
    try:
        x: Array = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise GatewiseValueError(f"cannot read {path} as a NumPy array: {error}.") from error
    return x.astype(dtype) if x.dtype.kind == "f" else x


def _check_out(path: Path | None) -> None:
    if path is not None and path.suffix not in (".nc", ".npz", ".csv"):
        raise GatewiseValueError(f"--out {path}: need a name that ends in .nc, .npz or .csv.")
    check_places([path] if path else [])


def _content(seen: Dataset, path: Path) -> bytes:
    if path.suffix == ".nc":
        return bytes(seen.to_netcdf(engine="scipy"))
    if path.suffix == ".npz":
        buffer = io.BytesIO()
        arrays: dict[str, Any] = {str(name): values.values for name, values in seen.data_vars.items()}
        np.savez_compressed(buffer, **arrays)
        return buffer.getvalue()
    return _csv(seen).encode()


def _csv(seen: Dataset) -> str:
    """One line a number: variable, its place, value."""
    frames = []
    for name, values in seen.data_vars.items():
        frame = values.to_dataframe(name="value").drop(columns="length", errors="ignore").reset_index()
        frame.insert(0, "variable", str(name))
        frames.append(frame)
    import pandas as pd

    from gatewise.spreadsheets import to_csv

    places = [str(dim) for dim in seen.sizes]
    whole = pd.concat(frames, ignore_index=True)[["variable", *places, "value"]]
    return to_csv(whole.astype({dim: "Int64" for dim in places if not dim.endswith("direction")}))


def _summary(seen: Dataset) -> dict[str, Any]:
    return {
        str(name): {
            "dims": dict(zip(map(str, values.dims), values.shape, strict=True)),
            "min": float(values.min()),
            "mean": float(values.mean()),
            "max": float(values.max()),
        }
        for name, values in seen.data_vars.items()
    }


def _table(seen: Dataset) -> str:
    rows = []
    for name, facts in _summary(seen).items():
        dims = ", ".join(f"{dim} {size}" for dim, size in facts["dims"].items())
        rows.append((name, dims, *(f"{facts[key]:.4g}" for key in ("min", "mean", "max"))))
    return text_table(("variable", "dimensions", "min", "mean", "max"), rows, right=(2, 3, 4))

"""`gatewise convert`: a model or its weights from one form into another, and both sides run on the same input."""

from __future__ import annotations

import importlib
import io
import shlex
from pathlib import Path
from typing import Any

import click
import numpy as np

from gatewise import files
from gatewise.cli import options, output
from gatewise.cli.mistakes import Number, OneOf, SourcePath
from gatewise.errors import Array, GatewiseError, GatewiseTypeError, GatewiseValueError
from gatewise.interop import verification
from gatewise.interop.recurrent import layer_of
from gatewise.layers import Layer
from gatewise.layouts import LAYOUTS
from gatewise.layouts.conversion import of_file
from gatewise.layouts.places import flat
from gatewise.storage import check_places, read_metadata, tensor_bytes, write_whole

READ = (".safetensors", ".npz", ".keras", ".h5", ".hdf5", ".onnx")
WRITTEN = (".safetensors", ".npz", ".onnx", ".c", ".html")
PICKLES = (".pt", ".pth", ".bin", ".ckpt", ".pkl", ".pickle", ".joblib")
STREAMS = (".c", ".html")
SIZES = ("weight_bytes", "state_bytes", "wasm_bytes", "loss")
NAMES = list(dict.fromkeys(row.name for row in LAYOUTS))
EPILOG = f"""A LAYOUT is one of {", ".join(NAMES)}.

\b
Examples:
  gatewise convert pytorch.safetensors model.onnx --verify
  gatewise convert model.keras model.safetensors
  gatewise convert weights.npz weights.safetensors --from keras --to torch
  gatewise convert model.safetensors model.c
  gatewise convert model.safetensors model.c --weights int8"""


@click.command(epilog=EPILOG)
@click.argument("source", metavar="IN", type=SourcePath("a model or weights"))
@click.argument("target", metavar="OUT", type=click.Path(path_type=Path))
@click.option(
    "--from", "source_layout", type=OneOf(NAMES), metavar="LAYOUT", help="Layout of the arrays in IN. Default: torch."
)
@click.option(
    "--to", "target_layout", type=OneOf(NAMES), metavar="LAYOUT", help="Write arrays in this layout. In an .npz: torch."
)
@click.option("--prefix", metavar="TEXT", help="Take only the arrays whose names begin so.")
@click.option("--reset", type=OneOf(["after", "before"]), help="Where the reset gate acts, if IN does not say it.")
@click.option("--nonlinearity", type=OneOf(["tanh", "relu"]), help="Of an Elman network, if IN does not say it.")
@click.option("--last", is_flag=True, help="What follows the recurrent layers of a state_dict reads the last step.")
@click.option(
    "--weights", type=OneOf(["float32", "float64", "int8"]), help="Numbers in .onnx, .c and .html, no int8 in .onnx."
)
@click.option("--max-steps", type=Number(1, 2**24), help="Most steps of a stream, for .c and .html that keep all.")
@click.option("--verify", is_flag=True, help="Run IN and OUT on random input, as far as can be done here.")
@click.option("--seed", default=0, show_default=True, type=Number(0), help="Of the random input.")
@options.json_option
@options.quiet_option
def command(
    source: Path,
    target: Path,
    source_layout: str | None,
    target_layout: str | None,
    weights: str | None,
    max_steps: int | None,
    verify: bool,
    seed: int,
    as_json: bool,
    quiet: bool,
    **hints: Any,
) -> None:
    """Read a model or weights from IN and write them to OUT; what each is, the ends of their names say.

    IN: a .safetensors of Gatewise or of named arrays, .npz, .keras, .h5 or .onnx. OUT: a .safetensors of Gatewise, an
    .npz or, with --to, a .safetensors of named arrays, .onnx, .c or .html. Named arrays are those of one recurrent
    layer in the layout --from; in the layout torch, a state_dict, they may be those of a model.
    """
    _check_files(source, target)
    numbers = _numbers(target, weights, max_steps)
    model, layout = read_model(source, source_layout, {name: value for name, value in hints.items() if value})
    written, export = write_model(model, target, target_layout, numbers)
    checks = _checks((source, layout), (target, written), model, seed, weights == "int8") if verify else []
    click.echo(_result(source, target, model, export, checks, as_json))
    if not all(check.ok for check in checks):
        output.say(quiet, "the two sides differ by more than rounding.")
        raise click.exceptions.Exit(1)


def _check_files(source: Path, target: Path) -> None:
    if source.suffix.lower() in PICKLES:
        raise GatewiseValueError(
            f"IN is {source}, which is a pickle: one can run any code, so that none is ever read. Make a .safetensors "
            f"of its state_dict with PyTorch: {one_line(source)}"
        )
    _check_ending("IN", source, READ)
    _check_ending("OUT", target, WRITTEN)
    if target.exists() and source.samefile(target):
        raise GatewiseValueError(f"IN and OUT are the same file, {target}; need another name for OUT.")
    if not target.parent.is_dir():
        raise GatewiseValueError(f"OUT is {target}, and there is no folder {target.parent}: make it first.")
    check_places([target])


def one_line(source: Path) -> str:
    """Return a command that makes a .safetensors of a state_dict which PyTorch saved as a pickle."""
    names = (source.as_posix(), source.with_suffix(".safetensors").as_posix())
    return (
        "python -c 'import sys, torch; from safetensors.torch import save_file; "
        "weights = torch.load(sys.argv[1], weights_only=True); "
        f"save_file({{k: v.clone() for k, v in weights.items()}}, sys.argv[2])' {shlex.join(names)}"
    )


def _numbers(target: Path, weights: str | None, max_steps: int | None) -> dict[str, Any]:
    """Return what is asked of the numbers in OUT; raise where OUT has no use for it."""
    ending = target.suffix.lower()
    if max_steps is not None and ending not in STREAMS:
        raise GatewiseValueError(
            f"--max-steps is for .c and .html, which keep the steps of a stream in fixed memory; OUT is {target}: drop "
            f"the option."
        )
    if weights is not None and ending not in (".onnx", *STREAMS):
        raise GatewiseValueError(
            f"--weights is for .onnx, .c and .html; OUT is {target}, which keeps the numbers of IN: drop the option."
        )
    if weights == "int8" and ending == ".onnx":
        raise GatewiseValueError(f"--weights int8 is for .c and .html; OUT is {target}: need float32 or float64.")
    given = {"weights": weights, "max_steps": max_steps}
    return {name: value for name, value in given.items() if value is not None}


def _check_ending(name: str, path: Path, endings: tuple[str, ...]) -> None:
    if path.suffix.lower() not in endings:
        raise GatewiseValueError(f"{name} is {path}; need a name that ends in {', '.join(endings)}.")


def read_model(path: Path, layout: str | None, hints: dict[str, Any]) -> tuple[Any, str | None]:
    """Return the model in a file, and the layout of its arrays if it holds nothing else."""
    ending = path.suffix.lower()
    if ending == ".onnx":
        reset = _only(hints | ({"from": layout} if layout else {}), "reset", path).get("reset")
        return _later("gatewise.interop.onnx", "from_onnx")(path, kind="layers", reset=reset), None
    if ending in (".keras", ".h5", ".hdf5") and layout is None:
        _only(hints, "", path)
        return _later("gatewise.interop.keras", "from_keras")(path), None
    if ending == ".safetensors" and layout != "torch" and _is_own(path):
        _only(hints | ({"from": layout} if layout else {}), "", path)
        return _loaded(path), None
    layout = layout or "torch"
    if layout == "torch" and "reset" not in hints:
        arrays, prefix = of_file(path), hints.pop("prefix", "")
        last = hints.pop("last", False)
        return _later("gatewise.interop.torch", "from_torch")(arrays, last=last, prefix=prefix, **hints), layout
    if hints.pop("last", False):
        raise GatewiseValueError("--last is for a state_dict of a model; drop it.")
    return layer_of(path, layout, **hints), layout


def _loaded(path: Path) -> Any:
    try:
        return files.load(path)
    except GatewiseError as error:
        if "gw.define_cell" not in str(error):
            raise
        raise type(error)(
            f"{error} A command knows no cells of yours: in Python define the cell, then gw.load the file and call "
            f"gw.to_c, gw.to_html or gw.to_onnx."
        ) from error


def _only(hints: dict[str, Any], allowed: str, path: Path) -> dict[str, Any]:
    """Return the hints; raise for one that a file of this kind has no use for."""
    for name in hints:
        if name != allowed:
            raise GatewiseValueError(f"--{name} is for named arrays; {path} says it itself: drop the option.")
    return hints


def _is_own(path: Path) -> bool:
    """Whether `gatewise.save` wrote a file."""
    return read_metadata(path).get("format", "").startswith("gatewise")


def write_model(
    model: Any, path: Path, layout: str | None, numbers: dict[str, Any] | None = None
) -> tuple[str | None, Any]:
    """Write a model to a file.

    Returns
    -------
    layout : str or None
        Of the arrays in the file, if it holds nothing else.
    export : CExport, HtmlExport or None
        What there is to say about C code or a page.
    """
    ending, numbers = path.suffix.lower(), numbers or {}
    if layout is not None and ending not in (".npz", ".safetensors"):
        raise GatewiseValueError(f"--to is for named arrays in .npz or .safetensors; OUT is {path}: drop the option.")
    if ending in (".npz", ".safetensors") and (layout or ending == ".npz"):
        layout = layout or "torch"
        write_whole(path, _packed(_arrays(model, layout), ending))
        return layout, None
    if ending == ".safetensors":
        files.save(model, path)
    elif ending == ".onnx":
        _write_onnx(model, path, **numbers)
    else:
        name = "to_c" if ending == ".c" else "to_html"
        return None, _later("gatewise.interop.c", name)(model, path, **numbers)
    return None, None


def _write_onnx(model: Any, path: Path, weights: str | None = None) -> None:
    to_onnx = _later("gatewise.interop.onnx", "to_onnx")
    if weights is not None and isinstance(model, Layer):
        to_onnx(model.astype(weights), path)
    else:
        to_onnx(model, path, dtype=weights)


def _arrays(model: Any, layout: str) -> dict[str, Array]:
    if layout == "torch":
        arrays: dict[str, Array] = _later("gatewise.interop.torch", "to_torch")(model)
        return arrays
    if not hasattr(model, "to_weights"):
        raise GatewiseTypeError(
            f"layout {layout!r} has one recurrent layer, and IN is a {type(model).__name__}; need --to torch, or OUT "
            f"as .safetensors without --to."
        )
    return flat(model.to_weights(layout))


def _packed(arrays: dict[str, Array], ending: str) -> bytes:
    """Named arrays as the bytes of a file."""
    if ending == ".safetensors":
        return tensor_bytes(arrays)
    content = io.BytesIO()
    np.savez(content, allow_pickle=False, **arrays)
    return content.getvalue()


def _later(module: str, name: str) -> Any:
    """Return a function of a module that is read only now."""
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise GatewiseTypeError(f"this installation of Gatewise has no {module}.{name}: {error}.") from error


def _checks(
    source: tuple[Path, str | None], target: tuple[Path, str | None], model: Any, seed: int, int8: bool
) -> list[verification.Check]:
    """Both sides; OUT with 8-bit weights is held against the model with those weights."""
    try:
        x = verification.random_input(model, np.random.default_rng(seed))
    except (verification.NotRun, GatewiseError) as error:
        return [verification.Check(side, None, None, True, str(error)) for side in ("IN", "OUT")]
    path, layout = target
    known = {name: getattr(model, name) for name in ("reset", "nonlinearity") if layout and hasattr(model, name)}
    twin = _later("gatewise.interop.c.vectors", "rounded")(model) if int8 else model
    return [
        verification.check("IN", source[0], model, x, source[1]),
        verification.check("OUT", path, twin, x, layout, lambda: read_model(path, layout, known)[0]),
    ]


def _result(
    source: Path, target: Path, model: Any, export: Any, checks: list[verification.Check], as_json: bool
) -> str:
    """What is printed."""
    parameters = sum(array.size for array in model.params.values()) if hasattr(model, "params") else None
    size = target.stat().st_size
    if as_json:
        return output.as_json(
            {
                "in": str(source),
                "out": str(target),
                "model": type(model).__name__,
                "parameters": parameters,
                "bytes": size,
                **{name: getattr(export, name) for name in SIZES if hasattr(export, name)},
                "verify": [check._asdict() for check in checks],
            }
        )
    counted = "" if parameters is None else f", {parameters:,} parameters"
    lines = [f"{source} → {target}: {type(model).__name__}{counted}, {size:,} bytes"]
    return "\n".join(lines + _told(export) + [check.text() for check in checks])


def _told(export: Any) -> list[str]:
    """What C code takes, and what 8-bit weights cost."""
    lines = []
    if hasattr(export, "state_bytes"):
        lines.append(f"{export.weight_bytes:,} bytes of weights, {export.state_bytes:,} bytes of state for each stream")
    if getattr(export, "loss", None) is not None:
        lines.append(f"8-bit weights change the outputs by {export.loss:.1e} at most, on the input of the self-test")
    return lines

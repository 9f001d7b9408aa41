"""`gatewise convert`: a model or its weights from one form into another, and both sides run on the same input."""

from __future__ import annotations

import importlib
import io
from pathlib import Path
from typing import Any

import click
import numpy as np

from gatewise import files
from gatewise.cli import options, output
from gatewise.cli.mistakes import Number, OneOf
from gatewise.errors import Array, GatewiseError, GatewiseTypeError, GatewiseValueError
from gatewise.interop import verification
from gatewise.interop.recurrent import layer_of
from gatewise.layouts import LAYOUTS
from gatewise.layouts.files import read_arrays
from gatewise.layouts.places import flat

READ = (".safetensors", ".npz", ".keras", ".h5", ".hdf5", ".onnx")
WRITTEN = (".safetensors", ".npz", ".onnx", ".c", ".html")
NAMES = list(dict.fromkeys(row.name for row in LAYOUTS))
EPILOG = """\b
Examples:
  gatewise convert pytorch.safetensors model.onnx --verify
  gatewise convert model.keras model.safetensors
  gatewise convert weights.npz weights.safetensors --from keras --to torch
  gatewise convert model.safetensors model.c"""


@click.command(epilog=EPILOG)
@click.argument("source", metavar="IN", type=click.Path(path_type=Path))
@click.argument("target", metavar="OUT", type=click.Path(path_type=Path))
@click.option("--from", "source_layout", type=OneOf(NAMES), help="Layout of the arrays in IN. Default: torch.")
@click.option("--to", "target_layout", type=OneOf(NAMES), help="Write arrays in this layout. In an .npz: torch.")
@click.option("--prefix", metavar="TEXT", help="Take only the arrays whose names begin so.")
@click.option("--reset", type=OneOf(["after", "before"]), help="Where the reset gate acts, if IN does not say it.")
@click.option("--nonlinearity", type=OneOf(["tanh", "relu"]), help="Of an Elman network, if IN does not say it.")
@click.option("--last", is_flag=True, help="What follows the recurrent layers of a state_dict reads the last step.")
@click.option("--verify", is_flag=True, help="Run IN and OUT on random input, as far as can be done here.")
@click.option("--seed", default=0, show_default=True, type=Number(0), help="Of the random input.")
@options.json_option
@options.quiet_option
def command(
    source: Path,
    target: Path,
    source_layout: str | None,
    target_layout: str | None,
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
    _check_ending("IN", source, READ)
    _check_ending("OUT", target, WRITTEN)
    model, layout = read_model(source, source_layout, {name: value for name, value in hints.items() if value})
    written = write_model(model, target, target_layout)
    checks = _checks((source, layout), (target, written), model, seed) if verify else []
    click.echo(_result(source, target, model, checks, as_json))
    if not all(check.ok for check in checks):
        output.say(quiet, "the two sides differ by more than rounding.")
        raise click.exceptions.Exit(1)


def _check_ending(name: str, path: Path, endings: tuple[str, ...]) -> None:
    if path.suffix.lower() not in endings:
        raise GatewiseValueError(f"{name} is {path}; need a name that ends in {', '.join(endings)}.")


def read_model(path: Path, layout: str | None, hints: dict[str, Any]) -> tuple[Any, str | None]:
    """Return the model in a file, and the layout of its arrays if it holds nothing else."""
    ending = path.suffix.lower()
    if ending == ".onnx":
        return _later("gatewise.interop.onnx", "from_onnx")(path, reset=_only(hints, "reset", path).get("reset")), None
    if ending in (".keras", ".h5", ".hdf5") and layout is None:
        _only(hints, "", path)
        return _later("gatewise.interop.keras", "from_keras")(path), None
    if ending == ".safetensors" and layout is None and _is_own(path):
        _only(hints, "", path)
        return files.load(path), None
    layout = layout or "torch"
    if layout == "torch" and "reset" not in hints:
        arrays, prefix = read_arrays(path), hints.pop("prefix", "")
        last = hints.pop("last", False)
        return _later("gatewise.interop.torch", "from_torch")(arrays, last=last, prefix=prefix, **hints), layout
    if hints.pop("last", False):
        raise GatewiseValueError("--last is for a state_dict of a model; drop it.")
    return layer_of(path, layout, **hints), layout


def _only(hints: dict[str, Any], allowed: str, path: Path) -> dict[str, Any]:
    """Return the hints; raise for one that a file of this kind has no use for."""
    for name in hints:
        if name != allowed:
            raise GatewiseValueError(f"--{name} is for named arrays; {path} says it itself: drop the option.")
    return hints


def _is_own(path: Path) -> bool:
    """Whether `gatewise.save` wrote a file."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), framework="numpy") as file:
            return str((file.metadata() or {}).get("format", "")).startswith("gatewise")
    except (OSError, SafetensorError) as error:
        raise GatewiseValueError(f"cannot read {path} as a safetensors file: {error}.") from error


def write_model(model: Any, path: Path, layout: str | None) -> str | None:
    """Write a model to a file, and return the layout of its arrays if it holds nothing else."""
    ending = path.suffix.lower()
    if layout is not None and ending not in (".npz", ".safetensors"):
        raise GatewiseValueError(f"--to is for named arrays in .npz or .safetensors; OUT is {path}: drop the option.")
    if ending in (".npz", ".safetensors") and (layout or ending == ".npz"):
        layout = layout or "torch"
        files.write_whole(path, _packed(_arrays(model, layout), ending))
        return layout
    if ending == ".safetensors":
        files.save(model, path)
    else:
        module, name = {
            ".onnx": ("gatewise.interop.onnx", "to_onnx"),
            ".c": ("gatewise.interop.c", "to_c"),
            ".html": ("gatewise.interop.c", "to_html"),
        }[ending]
        _later(module, name)(model, path)
    return None


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
        from safetensors.numpy import save as to_bytes

        return to_bytes({name: np.ascontiguousarray(array) for name, array in arrays.items()})
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
    source: tuple[Path, str | None], target: tuple[Path, str | None], model: Any, seed: int
) -> list[verification.Check]:
    try:
        x = verification.random_input(model, np.random.default_rng(seed))
    except (verification.NotRun, GatewiseError) as error:
        return [verification.Check(side, None, None, True, str(error)) for side in ("IN", "OUT")]
    path, layout = target
    known = {name: getattr(model, name) for name in ("reset", "nonlinearity") if layout and hasattr(model, name)}
    return [
        verification.check("IN", source[0], model, x, source[1]),
        verification.check("OUT", path, model, x, layout, lambda: read_model(path, layout, known)[0]),
    ]


def _result(source: Path, target: Path, model: Any, checks: list[verification.Check], as_json: bool) -> str:
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
                "verify": [check._asdict() for check in checks],
            }
        )
    counted = "" if parameters is None else f", {parameters:,} parameters"
    lines = [f"{source} → {target}: {type(model).__name__}{counted}, {size:,} bytes"]
    return "\n".join(lines + [check.text() for check in checks])

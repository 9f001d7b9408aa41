"""Models in one safetensors file: the arrays, and as metadata the JSON that rebuilds the layers. No pickle."""

from __future__ import annotations

import json
import math
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gatewise import layers
from gatewise.errors import GatewiseError, GatewiseTypeError, GatewiseValueError, check_names, check_number
from gatewise.layers import Layer, Sequential

FORMAT = "gatewise-1"
_TYPES = {name: getattr(layers, name) for name in ("GRU", "LSTM", "RNN", "Dense", "Dropout", "Embedding", "Last")}

_SIZES = {"Dense": ("input_size", "output_size"), "Embedding": ("count", "size")}
_RECURRENT_SIZES = ("input_size", "hidden_size", "num_layers")


def save(model: Layer, path: str | os.PathLike[str], *, info: Mapping[str, Any] | None = None) -> None:
    """Write a layer or `Sequential` to one safetensors file.

    Parameters
    ----------
    model : Layer
        What to write. Layers of your own cannot be rebuilt from a file and are refused.
    path : str or path
        The file. It is replaced in one step: a full disk or a killed process leaves the old file whole.
    info : mapping, optional
        Anything JSON can hold, kept beside the model and given back by `read_info`.

    Raises
    ------
    GatewiseError
        If the model holds a layer of another package, JSON cannot hold `info`, or the file cannot be written.

    Examples
    --------
    >>> import tempfile, pathlib, gatewise as gw
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "model.safetensors"
    >>> gw.save(gw.GRU(3, 4, rng=0), path)
    >>> gw.load(path).hidden_size
    4
    """
    from safetensors.numpy import save as to_bytes

    try:
        described = json.dumps(dict(info or {}))
    except (TypeError, ValueError, RecursionError) as error:
        raise GatewiseTypeError(
            f"info cannot be written as JSON ({error}); need numbers, text, lists, dicts."
        ) from error
    header = {"format": FORMAT, "model": json.dumps(_describe(model)), "info": described}
    write_whole(path, to_bytes(dict(model.params), metadata=header))


def load(path: str | os.PathLike[str]) -> Any:
    """Read a model that `save` wrote.

    Parameters
    ----------
    path : str or path
        The file.

    Returns
    -------
    Layer
        Of the same type, options, dtype and weights.

    Raises
    ------
    GatewiseError
        If the file is absent, is no safetensors file, was not written by Gatewise, or does not fit its own header.

    Examples
    --------
    >>> import tempfile, pathlib, numpy as np, gatewise as gw
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "model.safetensors"
    >>> dense = gw.Dense(3, 2, "tanh", rng=0)
    >>> gw.save(dense, path)
    >>> model = gw.load(path)
    >>> model, bool((model.params["weight"] == dense.params["weight"]).all())
    (Dense(input_size=3, output_size=2, activation='tanh', bias=True, dtype='float32'), True)
    """
    arrays, header = _read(path)
    try:
        model = _build(json.loads(header["model"]), {name: array.size for name, array in arrays.items()})
        check_names("it", arrays, model.params)
        model.params.update(arrays)
    except GatewiseError as error:
        raise type(error)(f"{path}: {error}") from error
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise GatewiseValueError(f"{path}: its description of the model cannot be read ({error!r}).") from error
    return model


def read_info(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the `info` that was given to `save`.

    Examples
    --------
    >>> import tempfile, pathlib, gatewise as gw
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "model.safetensors"
    >>> gw.save(gw.GRU(3, 4, rng=0), path, info={"trained": "2025-01-31"})
    >>> read_info(path)
    {'trained': '2025-01-31'}
    """
    _, header = _read(path)
    try:
        return dict(json.loads(header.get("info", "{}")))
    except (ValueError, TypeError, RecursionError) as error:
        raise GatewiseValueError(f"{path}: its info cannot be read ({error!r}).") from error


def write_whole(path: str | os.PathLike[str], content: bytes) -> None:
    """Write a file through a temporary one beside it, so that `path` is either the old file or the whole new one."""
    path = Path(path)
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise GatewiseValueError(f"cannot write {path}: {error.strerror or error}.") from error
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except BaseException as error:
        Path(temporary).unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise GatewiseValueError(f"cannot write {path}: {error.strerror or error}.") from error
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _read(path: str | os.PathLike[str]) -> tuple[dict[str, Any], dict[str, str]]:
    from safetensors import SafetensorError, safe_open

    if Path(path).is_dir():
        raise GatewiseValueError(f"{path} is a directory; need a file written by gatewise.save.")
    try:
        with safe_open(os.fspath(path), framework="numpy") as file:
            header = file.metadata() or {}
            _check_format(path, header)
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except GatewiseError:
        raise
    except (OSError, SafetensorError, TypeError, AttributeError) as error:
        raise GatewiseValueError(f"cannot read {path} as a safetensors file: {error}.") from error
    return arrays, header


def _check_format(path: str | os.PathLike[str], header: Mapping[str, str]) -> None:
    found = header.get("format")
    if found != FORMAT:
        raise GatewiseValueError(f"{path} has format {found!r}; need {FORMAT!r}, a file written by gatewise.save.")


def _describe(layer: Layer) -> dict[str, Any]:
    if type(layer) is Sequential:
        return {"type": "Sequential", "layers": [_describe(part) for part in layer.layers]}
    name = type(layer).__name__
    if _TYPES.get(name) is not type(layer):
        raise GatewiseTypeError(f"cannot save a {name}; need one of {', '.join(_TYPES)} or a Sequential of them.")
    return {"type": name, **layer.config()}


def _build(description: dict[str, Any], sizes: Mapping[str, int]) -> Layer:
    """Build a described layer; `sizes` counts the numbers in each array of the file that belongs to it."""
    options = dict(description)
    name = options.pop("type")
    if name == "Sequential":
        return Sequential(*(_build(part, _under(f"{i}.", sizes)) for i, part in enumerate(options["layers"])))
    if name not in _TYPES:
        raise GatewiseValueError(f"it describes a layer of type {name!r}; need one of {', '.join(_TYPES)}.")
    _check_weight_count(name, options, sum(sizes.values()))
    layer: Layer = _TYPES[name](**options)
    return layer


def _under(prefix: str, sizes: Mapping[str, int]) -> dict[str, int]:
    return {name.removeprefix(prefix): size for name, size in sizes.items() if name.startswith(prefix)}


def _check_weight_count(name: str, options: Mapping[str, Any], count: int) -> None:
    """Raise, before anything is allocated, if a layer of these sizes has more weights than the file holds."""
    if name in ("Dropout", "Last"):
        return
    for option in _SIZES.get(name, _RECURRENT_SIZES):
        check_number(option, options[option], 1, integer=True)
    if name in _SIZES:
        least = math.prod(options[option] for option in _SIZES[name])
    else:
        D, H, layers = (options[option] for option in _RECURRENT_SIZES)
        least = H * (D + layers * H)
    if least > count:
        raise GatewiseValueError(f"it describes a {name} of at least {least} weights and holds {count} for it.")

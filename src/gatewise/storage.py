"""Models in one safetensors file: the arrays, and as metadata the JSON that rebuilds the layers. No pickle."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gatewise import layers
from gatewise.errors import GatewiseError, GatewiseTypeError, GatewiseValueError, check_names
from gatewise.layers import Layer, Sequential

FORMAT = "gatewise-1"
_TYPES = {name: getattr(layers, name) for name in ("GRU", "LSTM", "RNN", "Dense", "Dropout", "Embedding", "Last")}


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
        If the model holds a layer of another package, or the file cannot be written.

    Examples
    --------
    >>> import tempfile, pathlib, gatewise as gw
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "model.safetensors"
    >>> gw.save(gw.GRU(3, 4, rng=0), path)
    >>> gw.load(path).hidden_size
    4
    """
    from safetensors.numpy import save as to_bytes

    header = {"format": FORMAT, "model": json.dumps(_describe(model)), "info": json.dumps(dict(info or {}))}
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
    """
    arrays, header = _read(path)
    try:
        model = _build(json.loads(header["model"]))
    except GatewiseError:
        raise
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise GatewiseValueError(f"{path}: its description of the model cannot be read ({error}).") from error
    check_names(f"{path}", arrays, model.params)
    model.params.update(arrays)
    return model


def read_info(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the `info` that was given to `save`."""
    _, header = _read(path)
    info: dict[str, Any] = json.loads(header.get("info", "{}"))
    return info


def write_whole(path: str | os.PathLike[str], content: bytes) -> None:
    """Write a file through a temporary one beside it, so that `path` is either the old file or the whole new one."""
    path = Path(path)
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise GatewiseValueError(f"cannot write {path}: {error.strerror}.") from error
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
            raise GatewiseValueError(f"cannot write {path}: {error.strerror}.") from error
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _read(path: str | os.PathLike[str]) -> tuple[dict[str, Any], dict[str, str]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(os.fspath(path), framework="numpy") as file:
            header = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise GatewiseValueError(f"cannot read {path} as a safetensors file: {error}.") from error
    if header.get("format") != FORMAT:
        found = header.get("format")
        raise GatewiseValueError(f"{path} has format {found!r}; need {FORMAT!r}, a file written by gatewise.save.")
    return arrays, header


def _describe(layer: Layer) -> dict[str, Any]:
    if isinstance(layer, Sequential):
        return {"type": "Sequential", "layers": [_describe(part) for part in layer.layers]}
    name = type(layer).__name__
    if _TYPES.get(name) is not type(layer):
        raise GatewiseTypeError(f"cannot save a {name}; need one of {', '.join(_TYPES)} or a Sequential of them.")
    return {"type": name, **layer.config()}


def _build(description: dict[str, Any]) -> Layer:
    options = dict(description)
    name = options.pop("type")
    if name == "Sequential":
        return Sequential(*(_build(part) for part in options["layers"]))
    if name not in _TYPES:
        raise GatewiseValueError(f"the file holds a layer of type {name!r}; need one of {', '.join(_TYPES)}.")
    layer: Layer = _TYPES[name](**options)
    return layer

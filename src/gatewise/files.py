"""Models in one safetensors file: the arrays, and as metadata the JSON that rebuilds the model. No pickle.

Layers are described in `gatewise.descriptions`, transformers and pipelines in `gatewise.estimators.steps`. An estimator
takes part with two methods: `_to_parts() -> (description, arrays)`, the description plain enough for JSON, and the
classmethod `_from_parts(description, arrays, limits)`, which rebuilds it and trusts neither.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from gatewise.descriptions import describe, is_layer, rebuild
from gatewise.errors import Array, GatewiseError, GatewiseTypeError, GatewiseValueError
from gatewise.layers import Layer
from gatewise.limits import Limits
from gatewise.plain import mapping, read_json

FORMAT = "gatewise-1"
EXTRA = "extra."  # what the names of arrays that are no part of the model begin with
_UNREADABLE = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError)


def save(
    model: Any,
    path: str | os.PathLike[str],
    *,
    info: Mapping[str, Any] | None = None,
    extra: Mapping[str, Array] | None = None,
) -> None:
    """Write a layer, a `Sequential`, a fitted estimator or a `Pipeline` to one safetensors file.

    Parameters
    ----------
    model : Layer, estimator, transformer or Pipeline
        What to write. A scikit-learn `Pipeline` may hold our estimators and transformers and scikit-learn's
        StandardScaler, MinMaxScaler, MaxAbsScaler, RobustScaler and Normalizer. A layer that `gatewise.define_cell`
        made is written with the name of its cell, and loads where the same cell is defined; other layers and subclasses
        of your own cannot be rebuilt and are refused.
    path : str or path
        The file. It is replaced in one step: a full disk or a killed process leaves the old file whole.
    info : mapping, optional
        Anything JSON can hold, kept beside the model and given back by `read_info`.
    extra : mapping of str to ndarray, optional
        Arrays kept beside the model and given back by `read_extra`.

    Raises
    ------
    GatewiseError
        If the model holds a layer or step that cannot be described or an estimator without a fit, JSON cannot hold
        `info`, or the file cannot be written.

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
    description, arrays = _to_parts(model)
    header = {"format": FORMAT, "model": json.dumps(description), "info": described}
    arrays = {**arrays, **{EXTRA + name: array for name, array in (extra or {}).items()}}
    arrays = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    write_whole(path, to_bytes(arrays, metadata=header))


def load(path: str | os.PathLike[str], *, limits: Limits | None = None) -> Any:
    """Read a model that `save` wrote.

    Parameters
    ----------
    path : str or path
        The file.
    limits : Limits, optional
        How large what the file asks for may be, beyond what it holds; by default `Limits.usual()`.

    Returns
    -------
    Layer, estimator, transformer or Pipeline
        Of the same type, options, dtype and weights.

    Raises
    ------
    GatewiseError
        If the file is absent, is no safetensors file, was not written by Gatewise, or does not fit its own header; if
        its weights are not finite or what it asks for is beyond `limits`, which is named; or if it holds a layer of a
        cell of your own that is not defined as it was: the error says what to define.

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
    arrays = {name: array for name, array in arrays.items() if not name.startswith(EXTRA)}
    try:
        limits = limits or Limits.usual()
        return _from_parts(read_json(header["model"], "its description of the model", limits), arrays, limits)
    except GatewiseError as error:
        raise type(error)(f"{path}: {error}") from error
    except _UNREADABLE as error:
        raise GatewiseValueError(f"{path}: its description of the model cannot be read ({error!r}).") from error


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
        return mapping("its info", read_json(header.get("info", "{}"), "its info", Limits.usual()))
    except (ValueError, TypeError, RecursionError) as error:
        raise GatewiseValueError(f"{path}: its info cannot be read ({error!r}).") from error


def read_extra(path: str | os.PathLike[str]) -> dict[str, Array]:
    """Return the `extra` arrays that were given to `save`.

    Examples
    --------
    >>> import tempfile, pathlib, numpy as np, gatewise as gw
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "model.safetensors"
    >>> gw.save(gw.GRU(3, 4, rng=0), path, extra={"scale": np.ones(3)})
    >>> read_extra(path)
    {'scale': array([1., 1., 1.])}
    """
    arrays, _ = _read(path)
    return {name.removeprefix(EXTRA): array for name, array in arrays.items() if name.startswith(EXTRA)}


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
            arrays = {name: _tensor(file, name) for name in file.keys()}  # noqa: SIM118
    except GatewiseError:
        raise
    except (OSError, SafetensorError, TypeError, AttributeError) as error:
        raise GatewiseValueError(f"cannot read {path} as a safetensors file: {error}.") from error
    return arrays, header


def _tensor(file: Any, name: str) -> Any:
    """An array of a file; libraries such as onnx teach NumPy numbers that it lacks, and those are not meant here."""
    array = file.get_tensor(name)
    if array.dtype.isbuiltin != 1:
        raise TypeError(f"{name} holds {array.dtype}, which NumPy lacks")
    return array


def _check_format(path: str | os.PathLike[str], header: Mapping[str, str]) -> None:
    written = header.get("format")
    if written != FORMAT:
        raise GatewiseValueError(f"{path} has format {written!r}; need {FORMAT!r}, a file written by gatewise.save.")


def _to_parts(model: Any) -> tuple[dict[str, Any], dict[str, Array]]:
    if isinstance(model, Layer):
        return describe(model), dict(model.params)
    parts: tuple[dict[str, Any], dict[str, Array]] = _steps().to_parts(model)
    return parts


def _from_parts(description: dict[str, Any], arrays: dict[str, Array], limits: Limits) -> Any:
    if is_layer(description):
        return rebuild(description, arrays, limits)
    return _steps().from_parts(description, arrays, limits)


def _steps() -> Any:
    """Return the module that describes estimators; it loads scikit-learn, so nobody pays for it before a file asks."""
    from gatewise.estimators import steps

    return steps

"""Models in one safetensors file: the arrays, and as metadata the JSON that rebuilds the model. No pickle.

Layers are described in `gatewise.descriptions`, transformers and pipelines in `gatewise.estimators.steps`. An estimator
takes part with two methods: `_to_parts() -> (description, arrays)`, the description plain enough for JSON, and the
classmethod `_from_parts(description, arrays, limits)`, which rebuilds it and trusts neither.

The number in `FORMAT` is raised with every change that this reader could not read. A reader takes its own number and
all below it; docs/how-to/saving.md has the rule.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gatewise.descriptions import describe, is_layer, rebuild
from gatewise.errors import Array, GatewiseError, GatewiseTypeError, GatewiseValueError
from gatewise.layers import Layer
from gatewise.limits import Limits, in_force
from gatewise.optimizers import Optimizer
from gatewise.optimizers import stored as optimizers
from gatewise.plain import check_weights, mapping
from gatewise.storage import parse_json, read_metadata, read_tensors, tensor_bytes, write_whole

FORMAT = "gatewise-1"
ENTRIES = ("format", "model", "info")  # the texts of a file of format 1
EXTRA = "extra."  # what the names of arrays that are no part of the model begin with
_UNREADABLE = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError)


def save(
    model: Any,
    path: str | os.PathLike[str],
    *,
    info: Mapping[str, Any] | None = None,
    extra: Mapping[str, Array] | None = None,
) -> None:
    """Write a layer, a `Sequential`, a fitted estimator, a `Pipeline` or an optimizer to one safetensors file.

    Parameters
    ----------
    model : Layer, estimator, transformer, Pipeline or Optimizer
        What to write; of an optimizer its settings and its state. A scikit-learn `Pipeline` may hold our estimators and
        transformers and scikit-learn's StandardScaler, MinMaxScaler, MaxAbsScaler, RobustScaler and Normalizer. A layer
        that `gatewise.define_cell` made is written with the name of its cell, and loads where the same cell is defined;
        other layers and subclasses of your own cannot be rebuilt and are refused.
    path : str or path
        The file. It is replaced in one step: a full disk or a killed process leaves the old file whole. Owner, group
        and mode stay; a link is followed; a device or FIFO is written to.
    info : mapping, optional
        Anything JSON can hold, kept beside the model and given back by `read_info`.
    extra : mapping of str to ndarray, optional
        Arrays kept beside the model and given back by `read_extra`.

    Raises
    ------
    GatewiseError
        If the model holds a layer or step that cannot be described or an estimator without a fit, weights of a layer
        are NaN or infinite, JSON cannot hold `info`, or the file cannot be written.

    Examples
    --------
    >>> import tempfile, pathlib, gatewise as gw
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "model.safetensors"
    >>> gw.save(gw.GRU(3, 4, rng=0), path)
    >>> gw.load(path).hidden_size
    4
    """
    write_whole(path, to_bytes(model, info=info, extra=extra))


def to_bytes(model: Any, *, info: Mapping[str, Any] | None = None, extra: Mapping[str, Array] | None = None) -> bytes:
    """Return what `save` writes: the same bytes for the same model, in any process.

    Examples
    --------
    >>> import gatewise as gw
    >>> to_bytes(gw.GRU(3, 4, rng=0)) == to_bytes(gw.GRU(3, 4, rng=0))
    True
    """
    try:
        described = json.dumps(dict(info or {}))
    except (TypeError, ValueError, RecursionError) as error:
        raise GatewiseTypeError(
            f"info cannot be written as JSON ({error}); need numbers, text, lists, dicts."
        ) from error
    description, arrays = _to_parts(model)
    header = {"format": FORMAT, "model": json.dumps(description), "info": described}
    return tensor_bytes({**arrays, **{EXTRA + name: array for name, array in (extra or {}).items()}}, header)


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
    Layer, estimator, transformer, Pipeline or Optimizer
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
    with in_force(limits) as limits:
        arrays, header = _read(path, limits)
        arrays = {name: array for name, array in arrays.items() if not name.startswith(EXTRA)}
        try:
            return _from_parts(parse_json(header["model"], "its description of the model", limits), arrays, limits)
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
        return mapping("its info", parse_json(header.get("info", "{}"), "its info"))
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


def _read(path: str | os.PathLike[str], limits: Limits | None = None) -> tuple[dict[str, Array], dict[str, str]]:
    if Path(path).is_dir():
        raise GatewiseValueError(f"{path} is a directory; need a file written by gatewise.save.")
    _check_format(path, read_metadata(path, limits=limits))
    arrays, header, is_verified = read_tensors(path, limits=limits)
    unknown = set(header) - set(ENTRIES)
    if unknown and not is_verified:
        raise GatewiseValueError(
            f"{path} has the unknown entry {min(unknown)!r} and no checksum: it is damaged, or something else changed "
            f"it; need the file as gatewise.save wrote it."
        )
    return arrays, header


def _check_format(path: str | os.PathLike[str], metadata: Mapping[str, str]) -> None:
    written = metadata.get("format")
    if written == FORMAT:
        return
    number = re.fullmatch("gatewise-([0-9]{1,9})", written or "")
    if number and int(number[1]) > int(FORMAT.rpartition("-")[2]):
        raise GatewiseValueError(
            f"{path} has format {written!r}, and this version of Gatewise reads formats up to {FORMAT!r}: update it, "
            f"with pip install --upgrade gatewise."
        )
    raise GatewiseValueError(f"{path} has format {written!r}; need {FORMAT!r}, a file written by gatewise.save.")


def _to_parts(model: Any) -> tuple[dict[str, Any], dict[str, Array]]:
    if isinstance(model, Layer):
        description = describe(model)
        check_weights(model.params)  # which `load` refuses
        return description, dict(model.params)
    if isinstance(model, Optimizer):
        return optimizers.to_parts(model)
    parts: tuple[dict[str, Any], dict[str, Array]] = _steps().to_parts(model)
    return parts


def _from_parts(description: dict[str, Any], arrays: dict[str, Array], limits: Limits) -> Any:
    if is_layer(description):
        return rebuild(description, arrays, limits)
    if description["type"] in optimizers.KINDS:
        return optimizers.from_parts(description, arrays)
    return _steps().from_parts(description, arrays, limits)


def _steps() -> Any:
    """Return the module that describes estimators; it loads scikit-learn, so nobody pays for it before a file asks."""
    from gatewise.estimators import steps

    return steps

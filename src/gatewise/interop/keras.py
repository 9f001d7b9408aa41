"""Keras 2 and 3: layers, models and saved files as layers here. Keras itself is not imported."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from gatewise.errors import (
    Array,
    GatewiseError,
    GatewiseTypeError,
    GatewiseValueError,
    GatewiseWarning,
)
from gatewise.interop.keras_sources import Described, chain, described
from gatewise.interop.recurrent import recurrent_layer
from gatewise.layers import (
    Dense,
    Dropout,
    Embedding,
    HardGRU,
    HardLSTM,
    Last,
    Layer,
    Noise,
    Pool,
    Recurrent,
    Reverse,
    Sequential,
    Softmax,
)
from gatewise.limits import Limits, current, in_force
from gatewise.plain import check_weights

_RECURRENT = {"GRU": "gru", "LSTM": "lstm", "SimpleRNN": "rnn"}
_DENSE = {"linear": None, "relu": "relu", "tanh": "tanh", "sigmoid": "sigmoid"}
_HARD = {"gru": HardGRU, "lstm": HardLSTM}


def from_keras(source: Any, *, limits: Limits | None = None) -> Layer:
    """Build a layer or a model from a Keras layer, model or saved file.

    Parameters
    ----------
    source : keras.Layer, keras.Model, str or path
        A layer or model that has been built, or the .keras or .h5 file that `model.save` wrote. GRU with either
        `reset_after`, LSTM, SimpleRNN, with `go_backwards` and hard sigmoids; Bidirectional of them with merge_mode
        "concat"; Dense, Embedding, TimeDistributed(Dense), Activation, Softmax, Dropout, SpatialDropout1D,
        GaussianNoise, GlobalAveragePooling1D, GlobalMaxPooling1D, Masking; Sequential and functional models in which
        each layer reads the one before.
    limits : Limits, optional
        How many layers a file may have, and how much larger than the file they may be; by default `Limits.usual()`.

    Returns
    -------
    Layer
        What gives the output that Keras gives: a single layer, or a `gw.Sequential`. With return_sequences=False a
        `gw.Last` follows the recurrent layer, with go_backwards=True a `gw.Reverse` goes before it.

    Raises
    ------
    GatewiseError
        If a layer, an activation, a merge_mode or the form of a model has no counterpart: it is named. If a file is
        broken, holds NaN or infinity, or asks for more than the limits.

    Warns
    -----
    GatewiseWarning
        If a model masks steps (mask_zero, Masking), which is `lengths=` here, or has recurrent_dropout.

    Notes
    -----
    Keras is not imported: an object is asked for `get_config()` and `get_weights()`, a file is read with h5py
    (`pip install gatewise[convert]`). The `hard_sigmoid` of Keras 2 is 0.2 x + 0.5, that of Keras 3 x / 6 + 0.5, both
    within 0 and 1: the version in a file, or that of the module an object is from, decides.

    Examples
    --------
    A layer that says of itself what one of Keras says:

    >>> import numpy as np, gatewise as gw
    >>> class GRU:
    ...     def get_config(self):
    ...         return {"name": "gru", "units": 4, "reset_after": True, "return_sequences": True}
    ...     def get_weights(self):
    ...         return list(gw.GRU(3, 4, rng=0).to_weights("keras").values())
    >>> print(gw.from_keras(GRU()))
    GRU(input_size=3, hidden_size=4)
    """
    if isinstance(source, str | os.PathLike):
        from gatewise.interop.keras_files import from_file

        with in_force(limits), from_file(Path(source)) as top:
            layers = _layers(top, Path(source).stat().st_size)
        for number, layer in enumerate(layers):
            check_weights({f"{name} of layer {number}": array for name, array in layer.params.items()})
    else:
        layers = _layers(described(source))
    if not layers:
        raise GatewiseValueError("the model has no layers that do anything; need at least one.")
    return layers[0] if len(layers) == 1 else Sequential(*layers)


def _layers(top: Described, held: int | None = None) -> list[Layer]:
    """The layers of a described model in order; activations go into the dense layer before them.

    Of a file `held` are its bytes: layers that read one array again and again make more of them.
    """
    layers: list[Layer] = []
    for count, part in enumerate(chain(top), 1):
        if held is not None:
            current().check("layers", count, "it")
            made_of = sum(array.nbytes for layer in layers for array in layer.params.values())
            current().check_unpacked(made_of, held, "its layers together")
        maker = LAYERS.get(part.kind)
        if maker is None:
            raise GatewiseTypeError(f"{part.name} is a {part.kind}; need one of {', '.join(LAYERS)}.")
        try:
            for made in maker(part, layers):
                _append(layers, made)
        except GatewiseError as error:
            raise type(error)(f"{part.name} ({part.kind}): {error}") from error
        except (KeyError, IndexError, TypeError, AttributeError) as error:
            raise GatewiseValueError(f"{part.name} ({part.kind}) cannot be read: {error!r}.") from error
    return layers


def _append(layers: list[Layer], made: Layer | str) -> None:
    if isinstance(made, Layer):
        layers.append(made)
        return
    before = layers[-1] if layers else None
    if not isinstance(before, Dense) or before.activation is not None:
        raise GatewiseValueError(f"{made} stands after {type(before).__name__}; need a Dense without one before it.")
    layers[-1] = _dense_of(before.params["weight"].T, before.params.get("bias"), made)


# Recurrent layers


def _recurrent(part: Described, layers: list[Layer]) -> list[Layer]:
    layer = _one_direction(part, part.arrays())
    made = _ends(layer, part.config, both=False)
    return _dropout(part.config, [Reverse(), *made] if part.config.get("go_backwards") else made)


def _bidirectional(part: Described, layers: list[Layer]) -> list[Layer]:
    mode = part.config.get("merge_mode", "concat")
    if mode != "concat":
        raise GatewiseValueError(f"merge_mode is {mode!r}; need 'concat', both outputs side by side.")
    forward, backward = part.inner("layer"), part.inner("backward_layer")
    arrays = part.arrays()
    half = len(arrays) // 2
    layer = _one_direction(forward, arrays[:half], arrays[half:], backward)
    if forward.config.get("go_backwards"):
        raise GatewiseValueError("its layer has go_backwards=True; need the forward layer to read forward.")
    return _dropout(forward.config, _ends(layer, forward.config, both=True))


def _ends(layer: Layer, config: Mapping[str, Any], both: bool) -> list[Layer]:
    """The layer, and after it the last step if Keras returns that alone."""
    return [layer] if config.get("return_sequences") else [layer, Last(bidirectional=both)]


def _dropout(config: Mapping[str, Any], layers: list[Layer]) -> list[Layer]:
    """Put a dropout of the input, one mask for all steps, before the layers."""
    if config.get("recurrent_dropout"):
        _warn("recurrent_dropout acts in training alone, and no layer here has it: it is left out.")
    rate = float(config.get("dropout") or 0.0)
    return [Dropout(rate, variational=True), *layers] if rate else layers


def _one_direction(
    part: Described, arrays: Sequence[Array], reverse: Sequence[Array] = (), backward: Described | None = None
) -> Recurrent:
    """The layer of a recurrent Keras layer, or of two that read in opposite directions."""
    if part.kind not in _RECURRENT:
        raise GatewiseTypeError(f"{part.name} is a {part.kind}; need one of {', '.join(_RECURRENT)}.")
    kind, form, slope = _RECURRENT[part.kind], *_form(part)
    if backward is not None and (backward.kind != part.kind or _form(backward) != (form, slope)):
        raise GatewiseValueError("its two directions are different layers; need the same kind and activations of both.")
    runs = {"forward": arrays, "backward": reverse} if reverse else {"": arrays}
    weights = {
        f"{run}/{name}": array
        for run, given in runs.items()
        for name, array in zip(("kernel", "recurrent_kernel", "bias"), given, strict=False)
    }
    layer = recurrent_layer(weights, "keras", kind, **form)
    if slope is None:
        return layer
    hard: Recurrent = _HARD[kind](**layer.config(), slope=slope)
    hard.params.update(layer.params)
    return hard


def _form(part: Described) -> tuple[dict[str, Any], str | None]:
    """Hints that say which form of the cell it is, and the slope of its gates if they are hard sigmoids."""
    config, kind = part.config, _RECURRENT.get(part.kind)
    activation = name_of(config.get("activation", "tanh"))
    allowed = ("tanh", "relu") if kind == "rnn" else ("tanh",)
    if activation not in allowed:
        raise GatewiseValueError(f"activation is {activation!r}; need {' or '.join(map(repr, allowed))}.")
    if config.get("time_major"):
        raise GatewiseValueError("time_major is True; need arrays (batch, time, features).")
    if kind == "rnn":
        return {"nonlinearity": activation}, None
    gates = name_of(config.get("recurrent_activation", "sigmoid"))
    if gates not in ("sigmoid", "hard_sigmoid"):
        raise GatewiseValueError(f"recurrent_activation is {gates!r}; need 'sigmoid' or 'hard_sigmoid'.")
    slope = None if gates == "sigmoid" else "1/6" if part.version >= 3 else "0.2"
    if kind == "gru" and "reset_after" in config:  # else the shape of the bias says it
        return {"reset": "after" if config["reset_after"] else "before"}, slope
    return {}, slope


def name_of(value: Any) -> str:
    """The name of an activation, as text or as Keras serializes a function."""
    while isinstance(value, Mapping):
        value = value.get("config") if value.get("class_name") == "function" else value.get("class_name")
    return "linear" if value is None else str(value)


# Other layers


def _dense(part: Described, layers: list[Layer]) -> list[Layer]:
    kernel, bias = (*part.arrays(), None, None)[:2]
    activation = name_of(part.config.get("activation"))
    if kernel is None:
        raise GatewiseValueError("it has no weights; need a layer that has been built.")
    if activation == "softmax":
        return [_dense_of(kernel, bias), Softmax()]
    if activation not in _DENSE:
        raise GatewiseValueError(f"activation is {activation!r}; need one of {', '.join(_DENSE)}, softmax.")
    return [_dense_of(kernel, bias, _DENSE[activation])]


def _dense_of(kernel: Array, bias: Array | None = None, activation: str | None = None) -> Dense:
    inputs, outputs = kernel.shape
    dense = Dense(inputs, outputs, activation, bias=bias is not None, dtype=kernel.dtype, rng=0)
    dense.params.update({"weight": kernel.T} | ({} if bias is None else {"bias": bias}))
    return dense


def _embedding(part: Described, layers: list[Layer]) -> list[Layer]:
    (table,) = part.arrays()
    if part.config.get("mask_zero"):
        _warn(f"{part.name} has mask_zero=True: pass lengths= to the model, which ends each sequence before its zeros.")
    layer = Embedding(*table.shape, dtype=table.dtype, rng=0)
    layer.params["weight"] = table
    return [layer]


def _masking(part: Described, layers: list[Layer]) -> list[Layer]:
    _warn(f"{part.name} masks steps: pass lengths= to the model, which ends each sequence before them.")
    return []


def _distributed(part: Described, layers: list[Layer]) -> list[Layer]:
    inner = part.inner("layer")
    if inner.kind not in ("Dense", "Activation", "Dropout"):
        raise GatewiseTypeError(f"it holds a {inner.kind}; need a Dense.")
    return LAYERS[inner.kind](inner._replace(arrays=part.arrays), layers)


def _activation(part: Described, layers: list[Layer]) -> list[Any]:
    name = name_of(part.config.get("activation"))
    if name == "softmax":
        return [Softmax()]
    if name not in _DENSE:
        raise GatewiseValueError(f"activation is {name!r}; need one of {', '.join(_DENSE)}, softmax.")
    return [name] if _DENSE[name] else []


def _softmax(part: Described, layers: list[Layer]) -> list[Layer]:
    if part.config.get("axis", -1) not in (-1, [-1]):
        raise GatewiseValueError(f"axis is {part.config['axis']!r}; need -1, the last.")
    return [Softmax()]


def _pool(part: Described, layers: list[Layer]) -> list[Layer]:
    width = next((size for layer in reversed(layers) if (size := getattr(layer, "output_size", None))), None)
    if width is None:
        raise GatewiseValueError("it stands at the beginning; need a layer with a known size before it.")
    return [Pool(width, "mean" if part.kind == "GlobalAveragePooling1D" else "max")]


def _warn(text: str) -> None:
    warnings.warn(text, GatewiseWarning, stacklevel=6)


LAYERS: dict[str, Callable[[Described, list[Layer]], list[Any]]] = {
    **dict.fromkeys(_RECURRENT, _recurrent),
    "Bidirectional": _bidirectional,
    "Dense": _dense,
    "Embedding": _embedding,
    "TimeDistributed": _distributed,
    "Activation": _activation,
    "Softmax": _softmax,
    "Dropout": lambda part, layers: [Dropout(float(part.config["rate"]))],
    "SpatialDropout1D": lambda part, layers: [Dropout(float(part.config["rate"]), variational=True)],
    "GaussianNoise": lambda part, layers: [Noise(float(part.config["stddev"]))],
    "GlobalAveragePooling1D": _pool,
    "GlobalMaxPooling1D": _pool,
    "Masking": _masking,
    "InputLayer": lambda part, layers: [],
}
"""What makes the layers of each layer of Keras."""

"""PyTorch: modules and state_dicts as layers, and layers as state_dicts. PyTorch itself is not imported."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from gatewise.errors import Array, GatewiseError, GatewiseTypeError, GatewiseValueError
from gatewise.interop.recurrent import CONVERTIBLE, cell_of, recurrent_layer
from gatewise.interop.state_dicts import arrays_of, dense_of, embedding_of, layers_of
from gatewise.layers import Dense, Dropout, Embedding, Last, Layer, Recurrent, Sequential, Softmax
from gatewise.layers.cell import RecurrentCell

_ACTIVATIONS = {"ReLU": "relu", "Tanh": "tanh", "Sigmoid": "sigmoid"}
_NOTHING = ("Identity",)
_CONTAINERS = ("Sequential", "ModuleList", "ModuleDict")


def from_torch(source: Any, *, last: bool = False, **hints: Any) -> Any:
    """Build a layer or a model from a PyTorch module, or from a state_dict where that alone determines it.

    Parameters
    ----------
    source : torch.nn.Module or mapping of str to tensor or ndarray
        nn.GRU, nn.LSTM, nn.RNN, their cells, nn.Linear, nn.Embedding, or a module made of them, with nn.Dropout,
        nn.ReLU, nn.Tanh and nn.Sigmoid after an nn.Linear, nn.Softmax on the last axis and nn.Identity. Submodules
        are taken to act in the order in which they were assigned, each on the output of the one before; what else a
        `forward` of your own does is not seen. A state_dict is enough where names and shapes leave one reading; in a
        safetensors file, whose keys are sorted, the sizes must leave one order.
    last : bool
        Whether what follows the recurrent layers reads the last valid step only, as `output[:, -1]` does: then a
        `gw.Last` stands there. With two directions its second half is the finished state of the reverse direction,
        `output[:, 0, H:]`.
    **hints
        For a state_dict: ``nonlinearity`` of an nn.RNN ("tanh" unless given), ``prefix`` to take only the keys that
        begin with it.

    Returns
    -------
    Layer or cell
        `gw.GRU`, `gw.LSTM`, `gw.RNN` or one of their cells; with several parts a `gw.Sequential`. Arrays here are
        (batch, time, features) whatever `batch_first` says.

    Raises
    ------
    GatewiseError
        If a module or array has no counterpart: it is named. So is proj_size of an LSTM. If a state_dict leaves
        open what it is of.

    Notes
    -----
    PyTorch is not imported: a module is asked for its class names, attributes and `state_dict()`. Weights are copied.

    Examples
    --------
    >>> import numpy as np, gatewise as gw
    >>> state_dict = {f"gru.{name}": array for name, array in gw.GRU(3, 4, rng=0).params.items()}
    >>> model = gw.from_torch(state_dict | {"head.weight": np.ones((2, 4), np.float32), "head.bias": np.zeros(2, "f")})
    >>> [type(layer).__name__ for layer in model.layers]
    ['GRU', 'Dense']
    """
    if hasattr(source, "state_dict") and hasattr(source, "named_children"):
        if hints:
            raise GatewiseTypeError(f"hints {', '.join(hints)} came with a module, which says itself what it is.")
        parts = list(_parts(source, ""))
        if len(parts) == 1 and isinstance(parts[0], Recurrent) and _name(source).endswith("Cell"):
            return cell_of(parts[0])
    elif isinstance(source, Mapping):
        parts = layers_of(source, **hints)
    else:
        raise GatewiseTypeError(
            f"source is a {type(source).__name__}; need a torch.nn.Module or a state_dict, a dict of named arrays."
        )
    return _joined(parts, last)


def to_torch(model: Any) -> dict[str, Array]:
    """Return the weights of a layer, cell or model as the state_dict of the PyTorch modules that compute the same.

    Parameters
    ----------
    model : Layer or cell
        GRU with reset="after", LSTM, RNN, their cells, Dense, Embedding, Dropout, Last, Softmax, or a Sequential of
        them.

    Returns
    -------
    dict of str to ndarray
        Copies. A Sequential's keys begin with the number of each layer, as those of nn.ModuleList and nn.Sequential:
        `module.load_state_dict({name: torch.from_numpy(array) for name, array in ….items()})`. An activation of a
        Dense is no weight, and so not in it.

    Raises
    ------
    GatewiseError
        If PyTorch has no module that computes it: reset="before", a cell of your own.

    Examples
    --------
    >>> import gatewise as gw
    >>> list(gw.to_torch(gw.Sequential(gw.LSTM(3, 4, bias=False, rng=0), gw.Dense(4, 1, rng=1))))
    ['0.weight_ih_l0', '0.weight_hh_l0', '1.weight', '1.bias']
    """
    _check_expressible(model.layer if isinstance(model, RecurrentCell) else model)
    return {name: array.copy() for name, array in model.params.items()}


def _check_expressible(model: Any) -> None:
    if isinstance(model, Sequential):
        for layer in model.layers:
            _check_expressible(layer)
    elif getattr(model, "reset", "after") != "after":
        raise GatewiseValueError(
            "the GRU has reset='before'; PyTorch's nn.GRU computes reset='after' only, a different function of the "
            "same weights: it cannot be written for PyTorch; train with reset='after', or export to ONNX."
        )
    elif not isinstance(model, (*CONVERTIBLE.values(), Dense, Embedding, Dropout, Last, Softmax)):
        raise GatewiseTypeError(
            f"a {type(model).__name__} has no counterpart in PyTorch; need GRU, LSTM, RNN, Dense, Embedding, Dropout, "
            f"Last, Softmax, or a Sequential of them."
        )


# Modules


def _parts(module: Any, path: str) -> Iterator[Any]:
    """Layers of a module and of those inside it, in order; names of activations stand for themselves."""
    name = _name(module)
    if name in MODULES:
        try:
            yield MODULES[name](module)
        except GatewiseError as error:
            raise type(error)(f"{path or 'the module'} ({name}): {error}") from error
        return
    if name in _NOTHING:
        return
    children = list(module.named_children())
    named = (*module.named_parameters(recurse=False), *module.named_buffers(recurse=False))
    own = [key for key, _ in named]
    if own or not children:
        raise GatewiseTypeError(
            f"{path or 'the module'} is a {name}" + (f" with {', '.join(own)} of its own" if own else "") + "; need "
            f"{', '.join(MODULES)}, Identity, or a module made of them."
        )
    for key, child in children:
        yield from _parts(child, f"{path}.{key}".lstrip("."))


def _name(module: Any) -> str:
    """The name of the PyTorch class that a module is, or is made from; its own if there is none."""
    known = (*MODULES, *_NOTHING, *_CONTAINERS)
    bases = [base.__name__ for base in type(module).__mro__ if base.__module__.startswith("torch.nn")]
    return next((name for name in bases if name in known), type(module).__name__)


def _recurrent(module: Any) -> Layer:
    kind = _name(module).removesuffix("Cell").lower()
    hints = {"nonlinearity": module.nonlinearity} if kind == "rnn" else {}
    return recurrent_layer(
        arrays_of(module.state_dict()), "torch", kind, float(getattr(module, "dropout", 0.0)), **hints
    )


def _dense(module: Any) -> Dense:
    return dense_of(arrays_of(module.state_dict()))


def _embedding(module: Any) -> Embedding:
    if module.max_norm is not None:
        raise GatewiseValueError("it has max_norm, which no layer here has: train without.")
    return embedding_of(arrays_of(module.state_dict())["weight"])


def _softmax(module: Any) -> Softmax:
    if module.dim != -1:
        raise GatewiseValueError(f"it has dim={module.dim}; need dim=-1, the last axis.")
    return Softmax()


MODULES: dict[str, Callable[[Any], Any]] = {
    **dict.fromkeys(("GRU", "LSTM", "RNN", "GRUCell", "LSTMCell", "RNNCell"), _recurrent),
    "Linear": _dense,
    "Embedding": _embedding,
    "Dropout": lambda module: Dropout(float(module.p)),
    "Softmax": _softmax,
    **dict.fromkeys(_ACTIVATIONS, lambda module: _ACTIVATIONS[_name(module)]),
}
"""What makes a layer, or the name of an activation, of each module of PyTorch."""


def _joined(parts: list[Any], last: bool) -> Any:
    """One layer, or a Sequential; activations go into the dense layer before them."""
    layers: list[Layer] = []
    for part in parts:
        if not isinstance(part, str):
            layers.append(part)
        elif layers and isinstance(layers[-1], Dense) and layers[-1].activation is None:
            layers[-1] = _with_activation(layers[-1], part)
        else:
            before = type(layers[-1]).__name__ if layers else "nothing"
            raise GatewiseValueError(f"{part} stands after {before}; need an nn.Linear without activation before it.")
    if last:
        places = [i for i, layer in enumerate(layers) if isinstance(layer, Recurrent)]
        if not places:
            raise GatewiseValueError("last=True came with a model without a recurrent layer: drop it.")
        layers.insert(places[-1] + 1, Last(bool(getattr(layers[places[-1]], "bidirectional", False))))
    return layers[0] if len(layers) == 1 else Sequential(*layers)


def _with_activation(dense: Dense, activation: str) -> Dense:
    return dense_of(dict(dense.params), activation)

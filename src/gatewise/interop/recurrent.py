"""A recurrent layer from named arrays, with the options that arrays do not tell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gatewise import layouts
from gatewise.layers import GRU, LSTM, RECURRENT, RNN, GRUCell, LSTMCell, Recurrent, RNNCell
from gatewise.layouts.hints import check_hints, deduce_cell, unprefixed

CELLS = {"gru": GRUCell, "lstm": LSTMCell, "rnn": RNNCell}
CONVERTIBLE = {kind.kind: kind for kind in (GRU, LSTM, RNN)}


def recurrent_layer(
    weights: Mapping[str, Any], layout: str, kind: str, dropout: float = 0.0, **hints: Any
) -> Recurrent:
    """Return the layer of a kind ("gru", "lstm", "rnn") with these weights.

    Examples
    --------
    >>> import gatewise as gw
    >>> recurrent_layer(gw.LSTM(3, 4, rng=0).to_weights("keras"), "keras", "lstm")
    LSTM(input_size=3, hidden_size=4, num_layers=1, bidirectional=False, bias=True, dropout=0.0, dtype='float32', \
tape='store')
    """
    params, options = layouts.to_params(weights, layout, cell=kind, **hints)
    layer = RECURRENT[kind](**options, dropout=dropout)
    layer.params.update(params)
    return layer


def layer_of(weights: Any, layout: str, **hints: Any) -> Recurrent:
    """Return the layer of named arrays, nested dicts or a file in a layout; hints are those of `gatewise.convert`.

    Examples
    --------
    >>> import gatewise as gw
    >>> type(layer_of(gw.LSTM(3, 4, rng=0).to_weights("onnx"), "onnx")).__name__
    'LSTM'
    """
    check_hints(hints)
    kind = hints.pop("cell", None) or deduce_cell(unprefixed(weights, hints), layout)
    known = {name: value for name, value in hints.items() if value is not None}
    return recurrent_layer(weights, layout, kind, **known)


def cell_of(layer: Recurrent) -> Any:
    """Return the cell, one step at a time, that shares the weights of a layer."""
    name = layer.kind
    form = {layer.option: getattr(layer, layer.option)} if layer.option else {}
    cell = CELLS[name](layer.input_size, layer.hidden_size, bias=layer.bias, dtype=layer.dtype, rng=0, **form)
    cell.params.update({key.removesuffix("_l0"): array for key, array in layer.params.items()})
    return cell

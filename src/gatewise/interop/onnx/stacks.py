"""Recurrent layers for ONNX's recurrent operators, and operators for layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from gatewise import layouts
from gatewise.cells.hard import SLOPES
from gatewise.errors import Array
from gatewise.interop.onnx.recurrent import Recurrent as Operator
from gatewise.interop.onnx.signals import Refusal
from gatewise.layers import GRU, LSTM, RNN, Layer
from gatewise.layers.hard import HardGRU, HardLSTM
from gatewise.layers.stack import Recurrent


class Kind(NamedTuple):
    """An operator of ONNX, and the kind of cell in `layouts` that has its weights."""

    operator: str
    cell: str


KINDS: dict[Any, Kind] = {
    GRU: Kind("GRU", "gru"),
    HardGRU: Kind("GRU", "gru"),
    LSTM: Kind("LSTM", "lstm"),
    HardLSTM: Kind("LSTM", "lstm"),
    RNN: Kind("RNN", "rnn"),
}
"""Layers that ONNX has an operator for; others are written as a Scan."""
BY_NAME = {layer.__name__: kind for layer, kind in KINDS.items()}
_TANH = ("Tanh", "Tanh")


def attributes_of(layer: Any) -> dict[str, Any]:
    """Return the attributes of the operator of a layer, those that its cell decides."""
    kind, S = KINDS[type(layer)].operator, layer.directions
    attributes: dict[str, Any] = {"linear_before_reset": int(layer.reset == "after")} if kind == "GRU" else {}
    if kind == "RNN":
        attributes["activations"] = [layer.nonlinearity.capitalize()] * S
    if isinstance(layer, HardGRU | HardLSTM):
        attributes["activations"] = ["HardSigmoid", *_TANH[: 1 + (kind == "LSTM")]] * S
        attributes["activation_alpha"] = [SLOPES[layer.slope]] * S
        attributes["activation_beta"] = [0.5] * S
    return attributes


def layer_of(operator: Operator, arrays: Mapping[str, Array]) -> Recurrent:
    """Return the layer that an operator with the weights W, R and perhaps B is.

    Raises
    ------
    Refusal
        If no layer is the same function.
    """
    cell, form = operator.kind.lower(), {"GRU": {"reset": "before" if operator.steps[0].before else "after"}}
    hints: dict[str, Any] = form.get(operator.kind, {})
    slope = _slope(operator)
    if operator.form is not None:
        kind: Any = {"GRU": GRU, "LSTM": LSTM, "RNN": RNN}[operator.kind]
        hints = {"nonlinearity": operator.form.partition("/")[2]} if operator.kind == "RNN" else hints
        options: dict[str, Any] = {}
    elif slope is not None:
        kind, options = {"GRU": HardGRU, "LSTM": HardLSTM}[operator.kind], {"slope": slope}
    else:
        raise Refusal(f"a {operator.kind} has options that no layer has")
    params, found = layouts.to_params(arrays, "onnx", cell=cell, **hints)
    layer: Recurrent = kind(**found, **options, rng=0)
    layer.params.update(params)
    if layer.directions != len(operator.steps):
        raise Refusal(f"a {operator.kind} has weights of {layer.directions} directions")
    return layer


def _slope(operator: Operator) -> str | None:
    """The slope of the hard sigmoids that all gates have; None if they have others."""
    if operator.kind == "RNN" or any(step.clip is not None or step.input_forget for step in operator.steps):
        return None
    for name, slope in SLOPES.items():
        gates = {(f.name, f.options) for step in operator.steps for f in step.activations[:1]}
        rest = {f.name for step in operator.steps for f in step.activations[1:]}
        options = [np.allclose(given, (slope, 0.5), rtol=1e-6) for kind, given in gates if kind == "HardSigmoid"]
        if len(gates) == len(options) and all(options) and rest == {"Tanh"}:
            return name
    return None


def stacked(layers: tuple[Layer, ...]) -> list[Layer]:
    """Return layers of which recurrent ones that follow one another, of one kind and size, are one with several."""
    groups: list[list[Layer]] = []
    for layer in layers:
        if groups and _goes_on(groups[-1], layer):
            groups[-1].append(layer)
        else:
            groups.append([layer])
    return [group[0] if len(group) == 1 else _stack(group) for group in groups]


def _goes_on(group: list[Layer], layer: Layer) -> bool:
    if not isinstance(layer, Recurrent) or type(group[-1]) is not type(layer):
        return False
    alike = ("hidden_size", "bidirectional", "bias", "dtype", "cell")
    return all(getattr(group[-1], name) == getattr(layer, name) for name in alike)


def _stack(group: list[Any]) -> Layer:
    whole: Layer = type(group[0])(**{**group[0].config(), "num_layers": len(group)}, rng=0)
    for k, layer in enumerate(group):
        whole.params.update({name.replace("_l0", f"_l{k}"): value for name, value in layer.params.items()})
    return whole
